//! What the daemon and its watches last said of themselves, for `status`.

use std::path::PathBuf;

use jiff::Timestamp;
use rusqlite::{Row, named_params, params};

use super::rows::{millis, path, stored_size, time, time_or_null};
use super::{Journal, JournalError, existing};
use crate::job::WatchName;

/// How a watch is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchRow {
    /// Its name.
    pub name: WatchName,
    /// Where its files go.
    pub account: String,
    /// Its root.
    pub path: PathBuf,
    /// The table there.
    pub table: String,
    /// `inotify` or `poll`.
    pub mode: String,
    /// Why it is not the other.
    pub mode_reason: String,
    /// Files that are not quiet yet.
    pub settling: u64,
    /// Files that wait for the marker of their set.
    pub held: u64,
    /// Event queue overflows since the daemon started.
    pub overflows: u64,
    /// When the last complete scan ended.
    pub last_scan_at: Option<Timestamp>,
    /// What is wrong with it.
    pub error: Option<String>,
    /// Why its table takes nothing, if so.
    pub closed: Option<String>,
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
    /// Bytes a second that went out lately.
    pub rate: u64,
}

impl Journal {
    /// Notes how a watch is doing.
    pub fn report_watch(&self, row: WatchRow) -> Result<(), JournalError> {
        self.write_blocking(move |connection| {
            if row.last_scan_at.is_some() {
                existing::end(connection, &row.name)?;
            }
            connection
                .prepare_cached(
                    "UPDATE watches SET mode = :mode, mode_reason = :reason, settling = :settling, \
                     held = :held, overflows = :overflows, last_scan_at = :scan, error = :error WHERE name = :name",
                )?
                .execute(named_params! {
                    ":mode": row.mode,
                    ":reason": row.mode_reason,
                    ":settling": stored_size(row.settling),
                    ":held": stored_size(row.held),
                    ":overflows": stored_size(row.overflows),
                    ":scan": row.last_scan_at.map(millis),
                    ":error": row.error,
                    ":name": row.name.as_str(),
                })
                .map(drop)
        })
    }

    /// Notes why a table takes nothing from an account, or that it takes files again.
    pub async fn report_table(
        &self,
        account: &str,
        table: String,
        closed: Option<String>,
    ) -> Result<(), JournalError> {
        let account = account.to_owned();
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "UPDATE watches SET closed = ?2 WHERE table_ref = ?1 AND account = ?3",
                )?
                .execute(params![table, closed, account])
                .map(drop)
        })
        .await
    }

    /// Notes how many bytes a second go out to an account.
    pub async fn report_rate(&self, account: &str, bytes_per_sec: u64) -> Result<(), JournalError> {
        let account = account.to_owned();
        self.write(move |connection| {
            connection
                .prepare_cached("UPDATE accounts SET rate = ?2 WHERE name = ?1")?
                .execute(params![account, stored_size(bytes_per_sec)])?;
            connection
                .prepare_cached("UPDATE daemon SET rate = (SELECT sum(rate) FROM accounts)")?
                .execute([])
                .map(drop)
        })
        .await
    }

    /// Notes whether an account may be used, and until when its API wants no requests.
    pub async fn report_account(
        &self,
        account: &str,
        state: AccountState,
        reason: String,
        throttled_until: Option<Timestamp>,
        budget_left: Option<u32>,
    ) -> Result<(), JournalError> {
        let account = account.to_owned();
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "UPDATE accounts SET account_state = :state, account_reason = :reason, \
                     throttled_until = :until, budget_left = :budget WHERE name = :account",
                )?
                .execute(named_params! {
                    ":account": account,
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

pub(super) fn watch_row(row: &Row<'_>) -> rusqlite::Result<WatchRow> {
    Ok(WatchRow {
        name: WatchName::new(row.get::<_, String>("name")?),
        account: row.get("account")?,
        path: path(row)?,
        table: row.get("table_ref")?,
        mode: row.get("mode")?,
        mode_reason: row.get("mode_reason")?,
        settling: row.get::<_, i64>("settling")?.unsigned_abs(),
        held: row.get::<_, i64>("held")?.unsigned_abs(),
        overflows: row.get::<_, i64>("overflows")?.unsigned_abs(),
        last_scan_at: time_or_null(row, "last_scan_at")?,
        error: row.get("error")?,
        closed: row.get("closed")?,
    })
}

pub(super) fn daemon_row(row: &Row<'_>) -> rusqlite::Result<DaemonRow> {
    Ok(DaemonRow {
        pid: row.get("pid")?,
        version: row.get("version")?,
        since: time(row.get("since")?)?,
        rate: row.get::<_, i64>("rate")?.unsigned_abs(),
    })
}
