//! What the daemon and its watches last said of themselves, for `status`.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Row, named_params};

use super::enqueue::note;
use super::rows::{millis, path, path_bytes, stored_size, time, time_or_null};
use super::{Journal, JournalError};
use crate::crash_point::{self, Write};
use crate::job::{ParkReason, WatchName};

/// How a watch is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchRow {
    /// Its name.
    pub name: WatchName,
    /// Its root.
    pub path: PathBuf,
    /// Where its files go.
    pub table: String,
    /// `inotify` or `poll`.
    pub mode: String,
    /// Why it is not the other.
    pub mode_reason: String,
    /// Files that are not quiet yet.
    pub settling: u64,
    /// Event queue overflows since the daemon started.
    pub overflows: u64,
    /// When the last complete scan ended.
    pub last_scan_at: Option<Timestamp>,
    /// What is wrong with it.
    pub error: Option<String>,
}

/// Whether the account may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountState {
    /// As far as is known.
    Ok,
    /// The token is refused; uploads wait, offsets are kept.
    Paused,
}

impl AccountState {
    /// As in the JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Paused => "paused",
        }
    }
}

/// How the daemon is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaemonRow {
    /// Its process.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// When it started.
    pub since: Timestamp,
    /// `ok` or `paused`.
    pub account_state: String,
    /// Why the account is paused.
    pub account_reason: String,
    /// No request to the API before this time.
    pub throttled_until: Option<Timestamp>,
    /// Requests that the API still allows, as far as it said.
    pub budget_left: Option<u32>,
    /// Bytes a second that went out lately.
    pub rate: u64,
}

impl Journal {
    /// Notes that this process works on the journal now, and forgets watches that are no more.
    ///
    /// A start is also a person's word that things were mended: parked jobs are tried again, with the
    /// table that their watch names now, but not those of which the table has another content. And a job
    /// that waits longer than any delay can be, because a clock was wrong, waits no more.
    pub async fn begin(
        &self,
        version: &'static str,
        watches: Vec<(WatchName, PathBuf, String)>,
        now: Timestamp,
    ) -> Result<(), JournalError> {
        self.write(move |connection| {
            crash_point::writing(Write::BEGIN);
            connection.execute("DELETE FROM daemon", [])?;
            connection.execute(
                "INSERT INTO daemon (one, pid, version, since) VALUES (1, :pid, :version, :since)",
                named_params! { ":pid": std::process::id(), ":version": version, ":since": millis(now) },
            )?;
            connection.execute("DELETE FROM watches", [])?;
            for (name, path, table) in &watches {
                insert_watch(connection, name, path, table)?;
                unpark(connection, name, table, now)?;
            }
            let latest = millis(now + LONGEST_DELAY);
            connection.execute(
                "UPDATE jobs SET next_attempt_at = 0 WHERE next_attempt_at > :latest",
                named_params! { ":latest": latest },
            )?;
            Ok(())
        })
        .await
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

    /// Notes how a watch is doing.
    pub fn report_watch(&self, row: WatchRow) -> Result<(), JournalError> {
        self.write_blocking(move |connection| {
            connection
                .prepare_cached(
                    "UPDATE watches SET mode = :mode, mode_reason = :reason, settling = :settling, \
                     overflows = :overflows, last_scan_at = :scan, error = :error WHERE name = :name",
                )?
                .execute(named_params! {
                    ":mode": row.mode,
                    ":reason": row.mode_reason,
                    ":settling": stored_size(row.settling),
                    ":overflows": stored_size(row.overflows),
                    ":scan": row.last_scan_at.map(millis),
                    ":error": row.error,
                    ":name": row.name.as_str(),
                })
                .map(drop)
        })
    }

    /// Notes how many bytes a second go out.
    pub async fn report_rate(&self, bytes_per_sec: u64) -> Result<(), JournalError> {
        self.write(move |connection| {
            connection
                .prepare_cached("UPDATE daemon SET rate = :rate WHERE rate <> :rate")?
                .execute(named_params! { ":rate": stored_size(bytes_per_sec) })
                .map(drop)
        })
        .await
    }

    /// Notes whether the account may be used, and until when the API wants no requests.
    pub async fn report_account(
        &self,
        state: AccountState,
        reason: String,
        throttled_until: Option<Timestamp>,
        budget_left: Option<u32>,
    ) -> Result<(), JournalError> {
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "UPDATE daemon SET account_state = :state, account_reason = :reason, \
                     throttled_until = :until, budget_left = :budget",
                )?
                .execute(named_params! {
                    ":state": state.as_str(),
                    ":reason": reason,
                    ":until": throttled_until.map(millis),
                    ":budget": budget_left,
                })
                .map(drop)
        })
        .await
    }
}

/// Longer than any delay between two attempts.
const LONGEST_DELAY: SignedDuration = SignedDuration::from_hours(24);

const UNPARK: &str = "UPDATE jobs SET state = iif(intent IS NULL, 'queued', 'registering'), \
     table_ref = iif(intent IS NULL, :table, table_ref), reason = NULL, error = NULL, attempts = 0, \
     failing_since = NULL, next_attempt_at = 0, sessions_lost = 0, corrupted = 0, finished_at = NULL \
     WHERE watch = :watch AND state = 'parked' AND reason <> :foreign RETURNING id, state";

fn unpark(
    connection: &rusqlite::Connection,
    watch: &WatchName,
    table: &str,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(UNPARK)?;
    let mut rows = statement.query(named_params! {
        ":watch": watch.as_str(),
        ":table": table,
        ":foreign": ParkReason::RemoteDiffers.code(),
    })?;
    while let Some(row) = rows.next()? {
        let state: String = row.get("state")?;
        note(
            connection,
            row.get("id")?,
            now,
            &state,
            "the daemon was started again",
        )?;
    }
    Ok(())
}

fn insert_watch(
    connection: &rusqlite::Connection,
    name: &WatchName,
    path: &Path,
    table: &str,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO watches (name, path, table_ref, mode, mode_reason) \
             VALUES (:name, :path, :table, 'inotify', 'not started yet')",
        )?
        .execute(named_params! {
            ":name": name.as_str(), ":path": path_bytes(path), ":table": table,
        })
        .map(drop)
}

pub(super) fn watch_row(row: &Row<'_>) -> rusqlite::Result<WatchRow> {
    Ok(WatchRow {
        name: WatchName::new(row.get::<_, String>("name")?),
        path: path(row)?,
        table: row.get("table_ref")?,
        mode: row.get("mode")?,
        mode_reason: row.get("mode_reason")?,
        settling: row.get::<_, i64>("settling")?.unsigned_abs(),
        overflows: row.get::<_, i64>("overflows")?.unsigned_abs(),
        last_scan_at: time_or_null(row, "last_scan_at")?,
        error: row.get("error")?,
    })
}

pub(super) fn daemon_row(row: &Row<'_>) -> rusqlite::Result<DaemonRow> {
    Ok(DaemonRow {
        pid: row.get("pid")?,
        version: row.get("version")?,
        since: time(row.get("since")?)?,
        account_state: row.get("account_state")?,
        account_reason: row.get("account_reason")?,
        throttled_until: time_or_null(row, "throttled_until")?,
        budget_left: row.get("budget_left")?,
        rate: row.get::<_, i64>("rate")?.unsigned_abs(),
    })
}
