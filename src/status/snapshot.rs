//! What `status` shows.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::config::HOME;
use crate::job::address;
use crate::job::{StateName, printable};
use crate::journal::{AccountRow, Count, JournalError, Reader, Troubles, WatchRow};

/// The daemon's work at one moment, as `status --json` prints it.
#[derive(Debug, Clone, Serialize)]
pub struct Snapshot {
    /// Of the program that made this report.
    pub version: &'static str,
    /// The process.
    pub daemon: DaemonReport,
    /// Whether the token is accepted: that of `[redivis]`, or of the first account if no watch goes there.
    pub account: AccountReport,
    /// Each account that a watch names.
    pub accounts: Vec<AccountReport>,
    /// Jobs by state over all watches, and `waiting`, `settling`, `bytes_pending`, `bytes_done`.
    pub totals: BTreeMap<&'static str, u64>,
    /// What went out lately.
    pub rate_bytes_per_sec: u64,
    /// At that rate; `None` when nothing moves.
    pub eta_secs: Option<u64>,
    /// `network`, `api-budget`, `settling`, `paused`, or `nothing`.
    pub limited_by: &'static str,
    /// The last failure that still matters.
    pub last_error: Option<String>,
    /// Each watch.
    pub watches: Vec<WatchReport>,
    /// The API's limits, as far as it told them.
    pub api: ApiReport,
    /// The journal's own files.
    pub journal: JournalReport,
}

/// The process.
#[derive(Debug, Clone, Serialize)]
pub struct DaemonReport {
    /// Whether one holds the journal now.
    pub running: bool,
    /// Its process id.
    pub pid: Option<u32>,
    /// When it started.
    pub since: Option<Timestamp>,
}

/// Whether the token is accepted.
#[derive(Debug, Clone, Serialize)]
pub struct AccountReport {
    /// `redivis`, or its name in `[account.NAME]`.
    pub name: String,
    /// Where its API is.
    pub endpoint: Option<String>,
    /// `ok` or `paused`.
    pub state: String,
    /// Why it is paused, or what is wrong on the way.
    pub reason: Option<String>,
    /// What went out to it lately.
    pub rate_bytes_per_sec: u64,
    /// What it told of its limits.
    pub api: ApiReport,
}

/// One watch.
#[derive(Debug, Clone, Serialize)]
pub struct WatchReport {
    /// Its name.
    pub name: String,
    /// The account that its files go to.
    pub account: String,
    /// Its folder.
    pub path: String,
    /// Where its files go.
    pub table: String,
    /// `inotify` or `poll`.
    pub mode: String,
    /// Why.
    pub mode_reason: String,
    /// Whether nothing is sent, because its table takes nothing; the reason is the error. (Of its account see there.)
    pub paused: bool,
    /// As the totals, of this watch.
    pub totals: BTreeMap<&'static str, u64>,
    /// Files that wait for the marker of their set.
    pub held: u64,
    /// Event queue overflows since the daemon started.
    pub overflows: u64,
    /// When the last complete scan ended.
    pub last_scan_at: Option<Timestamp>,
    /// What is wrong with it.
    pub error: Option<String>,
    /// Files that stay where they are, because they lay there at its first start.
    pub ignored: u64,
}

/// The journal's own files.
#[derive(Debug, Clone, Serialize)]
pub struct JournalReport {
    /// Its disk is full: no new files are taken. What to do.
    pub disk_full: Option<String>,
    /// Its WAL grows because of somebody who reads. What to do.
    pub long_wal: Option<String>,
    /// The size of its WAL.
    pub wal_bytes: u64,
}

/// The API's limits.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ApiReport {
    /// Requests that are left.
    pub budget_left: Option<u32>,
    /// No requests before this time.
    pub throttled_until: Option<Timestamp>,
}

impl Snapshot {
    /// Reads the journal; `now` decides what is still to come.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn take(reader: &Reader, now: Timestamp) -> Result<Self, JournalError> {
        let counts = reader.counts()?;
        let watches = reader.watches()?;
        let ignored = reader.ignored()?;
        let row = reader.daemon()?;
        let holder = reader.holder().ok().flatten();
        let running = holder.is_some();
        // what a daemon last said of itself is worth nothing when it is gone
        let live = row.as_ref().filter(|_| running);
        let settling = if running {
            watches.iter().map(|watch| watch.settling).sum()
        } else {
            0
        };
        let totals = totals(counts.iter(), settling);
        let accounts = accounts(reader.accounts()?, running, now);
        let home = accounts.iter().find(|account| account.name == HOME);
        let account = home.or(accounts.first()).cloned().unwrap_or_else(unknown);
        let rate = live.map_or(0, |row| row.rate);
        let pending = totals["bytes_pending"];
        Ok(Self {
            version: env!("CARGO_PKG_VERSION"),
            daemon: DaemonReport {
                running,
                pid: holder.and_then(|holder| holder.pid),
                since: live.map(|row| row.since),
            },
            rate_bytes_per_sec: rate,
            eta_secs: pending.checked_div(rate).filter(|_| pending > 0),
            limited_by: limited_by(running, &accounts, &totals),
            totals,
            last_error: reader.last_error()?,
            watches: watches
                .into_iter()
                .map(|watch| {
                    let ignored = ignored.get(&watch.name).copied().unwrap_or(0);
                    watch_report(watch, &counts, ignored, running)
                })
                .collect(),
            api: account.api.clone(),
            account,
            accounts,
            journal: journal_report(reader.troubles()),
        })
    }
}

fn journal_report(troubles: Troubles) -> JournalReport {
    let Troubles {
        disk_full,
        long_wal,
        wal_bytes,
    } = troubles;
    JournalReport {
        disk_full,
        long_wal,
        wal_bytes,
    }
}

fn totals<'a>(
    counts: impl Iterator<Item = &'a Count>,
    settling: u64,
) -> BTreeMap<&'static str, u64> {
    let mut totals: BTreeMap<_, _> = StateName::ALL
        .iter()
        .map(|state| (state.as_str(), 0))
        .collect();
    totals.extend([
        ("waiting", 0),
        ("settling", settling),
        ("bytes_pending", 0),
        ("bytes_done", 0),
    ]);
    let mut add = |key, n| *totals.entry(key).or_default() += n;
    for count in counts {
        add(count.state.as_str(), count.jobs);
        add("waiting", count.waiting);
        match count.state {
            StateName::Done | StateName::Registered => add("bytes_done", count.bytes),
            // ended, or stored and only to be registered
            StateName::Parked
            | StateName::Superseded
            | StateName::Missing
            | StateName::Uploaded
            | StateName::Registering
            | StateName::Importing => {}
            _ => add("bytes_pending", count.bytes.saturating_sub(count.confirmed)),
        }
    }
    totals
}

/// What a daemon last said of itself is worth nothing when it is gone.
fn accounts(rows: Vec<AccountRow>, running: bool, now: Timestamp) -> Vec<AccountReport> {
    let report = |row: AccountRow| AccountReport {
        name: row.name,
        endpoint: Some(row.endpoint),
        state: if running { row.state } else { "ok".into() },
        reason: Some(row.reason).filter(|reason| running && !reason.is_empty()),
        rate_bytes_per_sec: if running { row.rate } else { 0 },
        api: ApiReport {
            budget_left: row.budget_left.filter(|_| running),
            throttled_until: row.throttled_until.filter(|at| running && *at > now),
        },
    };
    rows.into_iter().map(report).collect()
}

/// Before a daemon has ever run.
fn unknown() -> AccountReport {
    AccountReport {
        name: HOME.into(),
        endpoint: None,
        state: "ok".into(),
        reason: None,
        rate_bytes_per_sec: 0,
        api: ApiReport::default(),
    }
}

/// One account that is held up limits itself; all of them together limit the whole.
fn limited_by(
    running: bool,
    accounts: &[AccountReport],
    totals: &BTreeMap<&'static str, u64>,
) -> &'static str {
    let open: u64 = StateName::ALL
        .iter()
        .filter(|state| !state.is_final())
        .map(|state| totals[state.as_str()])
        .sum();
    let usable = accounts.iter().filter(|account| account.state != "paused");
    let mut usable = usable.peekable();
    if !running {
        "nothing"
    } else if usable.peek().is_none() && !accounts.is_empty() {
        "paused"
    } else if usable.peek().is_some() && usable.all(|one| one.api.throttled_until.is_some()) {
        "api-budget"
    } else if open > 0 {
        "network"
    } else if totals["settling"] > 0 {
        "settling"
    } else {
        "nothing"
    }
}

fn watch_report(watch: WatchRow, counts: &[Count], ignored: u64, running: bool) -> WatchReport {
    let own = counts
        .iter()
        .filter(|count| count.watch == watch.name.as_str());
    WatchReport {
        totals: totals(own, if running { watch.settling } else { 0 }),
        name: watch.name.to_string(),
        account: watch.account,
        path: printable(&watch.path),
        table: address::parts(&watch.table).1.to_owned(),
        mode: watch.mode,
        mode_reason: watch.mode_reason,
        paused: running && watch.closed.is_some(),
        held: if running { watch.held } else { 0 },
        overflows: watch.overflows,
        last_scan_at: watch.last_scan_at,
        error: watch.closed.filter(|_| running).or(watch.error),
        ignored,
    }
}
