//! Jobs whose watch goes elsewhere now: to another account, another endpoint, another table, another version of it,
//! or with files that become rows.
//!
//! What was put right in the configuration holds for what waits, too: a file that waits for a table that does not exist
//! would wait for ever. Sent bytes belong to the account that asked for their upload, and to a table, so what is half
//! sent begins anew; but not for another version of the same table, which is how a release is followed.
//!
//! What may be in its old table already, or come to be, stays with it: a job whose registration got no answer is looked
//! up there, and one that is being imported is asked about there. At another endpoint a registration begins anew, since that
//! one has certainly not got it, and nothing is believed any more of what the old table holds, should the watch come back.
//! What was taken in to be imported will be there, whoever asks. What is done begins anew at another endpoint, too
//! ([`super::home`]).

use jiff::Timestamp;
use rusqlite::{Connection, named_params, params};

use super::enqueue::note;
use super::names;
use super::rows::kind;
use super::start::Configured;
use crate::config::Reference;
use crate::job::{Kind, ParkReason, StateName, address};

/// A job that may have to go elsewhere.
struct Open {
    id: i64,
    state: String,
    table: String,
    kind: Kind,
}

/// What becomes of it.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Stays,
    /// With the bytes that are sent.
    GoesOn,
    Anew(String),
}

const OPEN: &str = "SELECT id, state, table_ref, kind FROM jobs WHERE watch = :watch \
     AND ((finished_at IS NULL AND state <> 'registered') OR (state = 'parked' AND reason IN (:foreign, :no_rows, :not_proven))) \
     AND (:account OR table_ref <> :table OR kind <> :kind) ORDER BY id";

const ANEW: &str = "UPDATE jobs SET state = 'queued', claimed = 0, temp_id = NULL, temp_url = NULL, resumable = NULL, \
     reserved_at = NULL, session_url = NULL, session_at = NULL, session_boot = NULL, session_awake = NULL, \
     confirmed = NULL, bound = NULL, hash_state = NULL, crc32c = NULL, md5 = NULL, intent = NULL, remote_id = NULL, \
     intended_at = NULL, absent_boot = NULL, absent_awake = NULL, reason = NULL, error = NULL, attempts = 0, \
     failing_since = NULL, next_attempt_at = 0, sessions_lost = 0, corrupted = 0, finished_at = NULL WHERE id = ?1";

/// Lets the open jobs of a watch go where it goes now. `former`: the account that it had.
pub(super) fn follow(
    connection: &Connection,
    watch: &Configured,
    former: Option<&String>,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let account = former
        .filter(|former| **former != watch.account)
        .map(|_| &*watch.account);
    let mut open = connection.prepare_cached(OPEN)?;
    let open = open.query_map(
        named_params! {
            ":watch": watch.naming.watch.as_str(),
            ":foreign": ParkReason::RemoteDiffers.code(),
            ":no_rows": ParkReason::NoRows.code(),
            ":not_proven": ParkReason::NotProven.code(),
            ":account": account.is_some(),
            ":table": watch.table,
            ":kind": watch.kind.as_str(),
        },
        |row| {
            Ok(Open {
                id: row.get("id")?,
                state: row.get("state")?,
                table: row.get("table_ref")?,
                kind: kind(row)?,
            })
        },
    )?;
    let mut forget = connection
        .prepare_cached("UPDATE listings SET whole = 0 WHERE table_ref = ?1 AND ?1 <> ?2")?;
    for job in open.collect::<rusqlite::Result<Vec<_>>>()? {
        match turn(&job, watch, account) {
            Turn::Stays => {}
            Turn::GoesOn => {
                note(connection, job.id, now, &job.state, VERSION)?;
                connection
                    .prepare_cached("UPDATE jobs SET table_ref = ?2 WHERE id = ?1")?
                    .execute(params![job.id, watch.table])?;
            }
            Turn::Anew(why) => {
                connection.prepare_cached(ANEW)?.execute([job.id])?;
                forget.execute([&job.table, &watch.table])?;
                note(connection, job.id, now, StateName::Queued.as_str(), &why)?;
                names::rename(connection, job.id, watch, now)?;
            }
        }
    }
    Ok(())
}

const VERSION: &str = "its watch names another version of the table now";

fn turn(job: &Open, watch: &Configured, account: Option<&str>) -> Turn {
    if job.state == StateName::Importing.as_str() {
        return Turn::Stays;
    }
    if address::parts(&job.table).0 != address::parts(&watch.table).0 {
        return Turn::Anew(match account {
            Some(account) => format!("begins anew: its watch goes to the account `{account}` now"),
            None => format!("begins anew: its watch goes to {} now", watch.endpoint),
        });
    }
    let is_queued = match &*job.state {
        // they may be in their table, or are known to be there in vain
        "registering" | "parked" => return Turn::Stays,
        state => state == StateName::Queued.as_str(),
    };
    let is_other_version = job.table != watch.table;
    if !is_same(&job.table, &watch.table) {
        Turn::Anew("begins anew: its watch names another table now".to_owned())
    } else if job.kind != watch.kind {
        let kind = watch.kind.as_str();
        Turn::Anew(format!(
            "begins anew: its watch is of the kind `{kind}` now"
        ))
    } else if is_queued && is_other_version {
        Turn::Anew(VERSION.to_owned())
    } else if let Some(account) = account.filter(|_| !is_queued) {
        Turn::Anew(format!(
            "begins anew: its watch goes to the account `{account}` now"
        ))
    } else if is_other_version {
        Turn::GoesOn
    } else {
        Turn::Stays
    }
}

/// Whether two references are to one table, in whatever version.
fn is_same(one: &str, other: &str) -> bool {
    let plain = |text: &str| Reference::read(text).map(|reference| reference.plain());
    one == other || plain(one).is_some_and(|one| Some(one) == plain(other))
}
