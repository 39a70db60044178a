//! What a start makes of the jobs that it finds.

use std::collections::HashSet;
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, named_params, params};

use super::crashes;
use super::enqueue::note;
use super::record::{Entry, Hold, apply};
use super::rows::{JOB_COLUMNS, job, millis, path_bytes};
use super::{
    Journal, JournalError, accounts, existing, follow, home, imports, names, next_versions,
};
use crate::crash_point::{self, Write};
use crate::job::{Job, Kind, Naming, ParkReason, StateName, WatchName};

/// A watch as it is configured now.
#[derive(Debug, Clone)]
pub struct Configured {
    /// Where its files go: the name of the account, and where its API is.
    pub account: String,
    /// The base URL of that API.
    pub endpoint: String,
    /// Its drop folder.
    pub path: PathBuf,
    /// The table there ([`crate::job::address`]).
    pub table: String,
    /// What its files become there.
    pub kind: Kind,
    /// Its name, and those of its files.
    pub naming: Naming,
    /// Whether the files that lie there at its first start are left out.
    pub leaves_existing: bool,
}

impl Journal {
    /// Notes that this process works on the journal now, and forgets watches that are no more.
    ///
    /// A start is also a person's word that things were mended: parked jobs are tried again, with the
    /// table and the names that their watch gives them now, but not those of which the table has another content. Jobs of
    /// watches that are no more are parked until they are again.
    ///
    /// A start that follows a crash is nobody's word: what brings the daemon down stays parked, or is
    /// taken up apart from all else.
    ///
    /// The first start says where the journal is at home, and the tables of all watches are called accordingly.
    pub async fn begin_at(
        &self,
        home: String,
        version: &'static str,
        watches: Vec<Configured>,
        now: Timestamp,
    ) -> Result<(), JournalError> {
        let orderly = !self.follows_a_crash;
        let left = self.write(move |connection| {
            crash_point::writing(Write::BEGIN);
            home::settle(connection, &home)?;
            connection.execute("DELETE FROM daemon", [])?;
            connection.execute(
                "INSERT INTO daemon (one, pid, version, since) VALUES (1, :pid, :version, :since)",
                named_params! { ":pid": std::process::id(), ":version": version, ":since": millis(now) },
            )?;
            sign(connection, version, now)?;
            accounts::begin(connection, &watches)?;
            let former = accounts::former(connection)?;
            connection.execute("DELETE FROM watches", [])?;
            let mut left = 0;
            for watch in &watches {
                left += home::leave(connection, watch, now)?;
                insert_watch(connection, watch, now)?;
                unpark(connection, watch, orderly, now)?;
                let former = former.get(&watch.naming.watch);
                follow::follow(connection, watch, former, now)?;
            }
            let known = watches.iter().map(|watch| watch.naming.watch.clone());
            park_orphans(connection, &known.collect(), now)?;
            imports::explain(connection, now)?;
            if orderly {
                next_versions::ask_again(connection)?;
            }
            names::settle(connection, &watches, now)?;
            wait_no_longer_than_can_be(connection, now)?;
            crashes::isolate(connection, orderly, now)?;
            Ok(left)
        });
        let left = left.await?;
        if left > 0 {
            tracing::info!(
                files = left,
                "what was done at another endpoint is not listed as jobs any more; its receipts stay"
            );
        }
        Ok(())
    }

    /// A start at the same home as ever.
    #[cfg(test)]
    pub(crate) async fn begin(
        &self,
        version: &'static str,
        watches: Vec<Configured>,
        now: Timestamp,
    ) -> Result<(), JournalError> {
        let home = "https://redivis.com/api/v1".to_owned();
        self.begin_at(home, version, watches, now).await
    }

    /// Lets nothing wait: what failed before is tried now, and counts as never tried. For a run that
    /// a person started to see it through.
    pub async fn wait_for_nothing(&self) -> Result<(), JournalError> {
        self.write(|connection| {
            connection.execute(
                "UPDATE jobs SET attempts = 0, next_attempt_at = 0 \
                 WHERE finished_at IS NULL AND attempts > 0",
                [],
            )
        })
        .await
        .map(drop)
    }

    /// A job that waits longer than any delay can be, because a clock was wrong, waits no more. Returns
    /// whether there were any.
    pub async fn mend_waits(&self, now: Timestamp) -> Result<bool, JournalError> {
        self.write(move |connection| wait_no_longer_than_can_be(connection, now))
            .await
    }
}

/// What is done from now on is done by this start of the daemon.
fn sign(connection: &Connection, version: &str, now: Timestamp) -> rusqlite::Result<()> {
    let system = rustix::system::uname();
    let mut insert = connection.prepare_cached(
        "INSERT INTO starts (version, pid, uid, host, at) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    let uid = rustix::process::geteuid().as_raw();
    let host = system.nodename().to_string_lossy();
    let signed = insert.execute(params![version, std::process::id(), uid, host, millis(now)]);
    signed.map(drop)
}

fn wait_no_longer_than_can_be(connection: &Connection, now: Timestamp) -> rusqlite::Result<bool> {
    let latest = millis(now + LONGEST_DELAY);
    let mut mend = connection
        .prepare_cached("UPDATE jobs SET next_attempt_at = 0 WHERE next_attempt_at > ?1")?;
    Ok(mend.execute([latest])? > 0)
}

/// Jobs of watches that are no longer in the configuration: nobody claims them, so they would be open
/// for ever.
fn park_orphans(
    connection: &Connection,
    known: &HashSet<WatchName>,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let why = "its watch is no longer in the configuration";
    let mut watches = connection.prepare("SELECT DISTINCT watch FROM jobs")?;
    let watches = watches.query_map([], |row| row.get::<_, String>(0).map(WatchName::new))?;
    for watch in watches {
        let watch = watch?;
        if known.contains(&watch) {
            continue;
        }
        let sql = format!(
            "SELECT {JOB_COLUMNS} FROM jobs WHERE watch = ?1 AND finished_at IS NULL \
             AND state <> 'importing' AND state <> 'registered'"
        );
        let mut orphans = connection.prepare(&sql)?;
        for orphan in orphans.query_map([watch.as_str()], job)? {
            park(connection, orphan?, ParkReason::NoWatch, why, now)?;
        }
    }
    Ok(())
}

fn park(
    connection: &Connection,
    mut job: Job,
    reason: ParkReason,
    why: &str,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let from = job.state.name();
    match job.state.park(reason) {
        Ok(parked) => job.state = parked,
        // the queries leave out the only state in which this can happen
        Err(_) => return Ok(()),
    }
    let entry = Entry {
        job,
        from,
        hold: Hold::Keep,
        error: Some(why.to_owned()),
        note: why.to_owned(),
    };
    apply(connection, &entry, now).map(drop)
}

/// Longer than any delay between two attempts.
const LONGEST_DELAY: SignedDuration = SignedDuration::from_hours(24);

const UNPARK: &str = "UPDATE jobs SET state = iif(intent IS NULL, 'queued', 'registering'), \
     table_ref = iif(intent IS NULL, :table, table_ref), \
     kind = iif(intent IS NULL, :kind, kind), reason = NULL, error = NULL, attempts = 0, \
     failing_since = NULL, next_attempt_at = 0, sessions_lost = 0, corrupted = 0, finished_at = NULL, \
     crashes = min(crashes, :probation) \
     WHERE watch = :watch AND state = 'parked' AND reason <> :foreign AND reason <> :collision \
     AND reason <> :no_rows AND reason <> :not_proven \
     AND (:orderly OR (reason <> :crashes AND reason <> :import)) RETURNING id, state";

fn unpark(
    connection: &Connection,
    watch: &Configured,
    orderly: bool,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(UNPARK)?;
    let mut rows = statement.query(named_params! {
        ":watch": watch.naming.watch.as_str(),
        ":table": watch.table,
        ":collision": ParkReason::NameCollision.code(),
        ":foreign": ParkReason::RemoteDiffers.code(),
        ":no_rows": ParkReason::NoRows.code(),
        ":not_proven": ParkReason::NotProven.code(),
        ":crashes": ParkReason::CrashLoop.code(),
        ":kind": watch.kind.as_str(),
        ":import": ParkReason::ImportFailed.code(),
        ":probation": crashes::ON_PROBATION,
        ":orderly": orderly,
    })?;
    let mut queued = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, state): (i64, String) = (row.get("id")?, row.get("state")?);
        note(connection, id, now, &state, "the daemon was started again")?;
        if state == StateName::Queued.as_str() {
            queued.push(id);
        }
    }
    // RETURNING promises no order
    queued.sort_unstable();
    let mut queued = queued.into_iter();
    queued.try_for_each(|id| names::rename(connection, id, watch, now))
}

fn insert_watch(
    connection: &Connection,
    watch: &Configured,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let Configured { path, table, .. } = watch;
    let name = &watch.naming.watch;
    let baseline = existing::begin(connection, (name, path), watch.leaves_existing, now)?;
    connection
        .prepare_cached(
            "INSERT INTO watches (name, account, path, table_ref, kind, mode, mode_reason, baseline) \
             VALUES (:name, :account, :path, :table, :kind, 'inotify', 'not started yet', :baseline)",
        )?
        .execute(named_params! {
            ":name": name.as_str(), ":account": watch.account, ":path": path_bytes(path), ":table": table,
            ":kind": watch.kind.as_str(), ":baseline": baseline,
        })
        .map(drop)
}
