//! Accounts: how each is doing, and what becomes of a watch's jobs when it goes to another.
//!
//! A temporary upload belongs to the account that asked for it. So what is half sent begins anew with the other
//! account. A job whose registration got no answer is still looked up if its table can be asked as before, and one that is
//! being imported asked about; at another endpoint they begin anew too, since that one has certainly not got them. So
//! does there what is done ([`home`]).

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{Connection, Row, named_params, params};

use super::enqueue::note;
use super::rows::time_or_null;
use super::start::Configured;
use super::{JournalError, Reader, home, names};
use crate::job::{ParkReason, StateName, WatchName};

/// How an account is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// Its name.
    pub name: String,
    /// Where its API is.
    pub endpoint: String,
    /// `ok` or `paused`.
    pub state: String,
    /// Why it is paused, or what is wrong on the way.
    pub reason: String,
    /// No request to the API before this time.
    pub throttled_until: Option<Timestamp>,
    /// Requests that the API still allows, as far as it said.
    pub budget_left: Option<u32>,
    /// Bytes a second that went out lately.
    pub rate: u64,
}

impl Reader {
    /// The accounts that the watches name, by name.
    pub fn accounts(&self) -> Result<Vec<AccountRow>, JournalError> {
        self.all("SELECT * FROM accounts ORDER BY name", account_row)
    }
}

fn account_row(row: &Row<'_>) -> rusqlite::Result<AccountRow> {
    Ok(AccountRow {
        name: row.get("name")?,
        endpoint: row.get("endpoint")?,
        state: row.get("account_state")?,
        reason: row.get("account_reason")?,
        throttled_until: time_or_null(row, "throttled_until")?,
        budget_left: row.get("budget_left")?,
        rate: row.get::<_, i64>("rate")?.unsigned_abs(),
    })
}

/// The account that each watch had until now.
pub(super) fn former(connection: &Connection) -> rusqlite::Result<HashMap<WatchName, String>> {
    let mut watches = connection.prepare("SELECT name, account FROM watches")?;
    let former = watches.query_map([], |row| {
        let name = WatchName::new(row.get::<_, String>("name")?);
        Ok((name, row.get("account")?))
    })?;
    former.collect()
}

/// Forgets how the accounts were doing, and begins with those that are configured.
pub(super) fn begin(connection: &Connection, watches: &[Configured]) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM accounts", [])?;
    let mut insert = connection
        .prepare_cached("INSERT OR IGNORE INTO accounts (name, endpoint) VALUES (?1, ?2)")?;
    let mut each = watches.iter();
    each.try_for_each(|watch| insert.execute([&watch.account, &watch.endpoint]).map(drop))
}

/// What is under way, and what differs from a table at another endpoint.
const MOVED: &str = "SELECT id, state, substr(table_ref, 1, instr(table_ref, '#')) AS there FROM jobs WHERE watch = :watch \
     AND ((finished_at IS NULL AND state <> 'registered') OR (state = 'parked' AND reason IN (:foreign, :no_rows, :not_proven))) \
     AND (:account OR substr(table_ref, 1, instr(table_ref, '#')) <> :there) ORDER BY id";

const ANEW: &str = "UPDATE jobs SET state = 'queued', claimed = 0, temp_id = NULL, temp_url = NULL, resumable = NULL, \
     reserved_at = NULL, session_url = NULL, session_at = NULL, session_boot = NULL, session_awake = NULL, \
     confirmed = NULL, bound = NULL, hash_state = NULL, crc32c = NULL, md5 = NULL, intent = NULL, remote_id = NULL, \
     intended_at = NULL, absent_boot = NULL, absent_awake = NULL, reason = NULL, error = NULL, attempts = 0, \
     failing_since = NULL, next_attempt_at = 0, sessions_lost = 0, corrupted = 0, finished_at = NULL WHERE id = ?1";

/// Lets the jobs of a watch begin anew whose account, or its endpoint, is another now.
pub(super) fn change(
    connection: &Connection,
    watch: &Configured,
    former: Option<&String>,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let there = home::there(&watch.table);
    let is_another = former.is_some_and(|former| *former != watch.account);
    let mut moved = connection.prepare_cached(MOVED)?;
    let moved = moved.query_map(
        named_params! {
            ":watch": watch.naming.watch.as_str(),
            ":foreign": ParkReason::RemoteDiffers.code(),
            ":no_rows": ParkReason::NoRows.code(),
            ":not_proven": ParkReason::NotProven.code(),
            ":account": is_another,
            ":there": there,
        },
        |row| {
            let (id, state): (i64, String) = (row.get("id")?, row.get("state")?);
            Ok((id, state, row.get::<_, String>("there")? == there))
        },
    )?;
    let Configured {
        account, endpoint, ..
    } = watch;
    let text = if is_another {
        format!("begins anew: its watch goes to the account `{account}` now")
    } else {
        format!("begins anew: its watch goes to {endpoint} now")
    };
    for job in moved.collect::<rusqlite::Result<Vec<_>>>()? {
        let (id, state, is_same_table) = job;
        let is_untouched = ["queued", "registering", "importing", "parked"].contains(&&*state);
        if is_same_table && is_untouched {
            continue;
        }
        connection.prepare_cached(ANEW)?.execute(params![id])?;
        note(connection, id, now, StateName::Queued.as_str(), &text)?;
        names::rename(connection, id, watch, now)?;
    }
    Ok(())
}
