//! `redivis-drop status`

use std::fmt::Write as _;

use jiff::Timestamp;

use super::error::{Exit, Failure};
use super::{print, text};
use crate::config::Config;
use crate::journal::Reader;
use crate::status::{AccountReport, Snapshot, WatchReport};

pub(super) fn status(config: &Config, json: bool) -> Result<Exit, Failure> {
    let reader = Reader::open(&config.journal.path)?;
    let snapshot = Snapshot::take(&reader, Timestamp::now())?;
    let report = if json {
        let mut line = serde_json::to_string(&snapshot).map_err(std::io::Error::from)?;
        line.push('\n');
        line
    } else {
        report(&snapshot)
    };
    print(report.as_bytes())
}

fn report(snapshot: &Snapshot) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        let _ = writeln!(out, "{text}");
    };
    line(match (&snapshot.daemon.pid, snapshot.daemon.since) {
        (Some(pid), Some(since)) => format!("running as process {pid} since {}", text::time(since)),
        _ if snapshot.daemon.running => "running".into(),
        _ => "no daemon is running; this is what its journal says".into(),
    });
    let several = snapshot.accounts.len() > 1;
    if several {
        for account in &snapshot.accounts {
            line(of_account(account));
        }
    } else if let Some(reason) = &snapshot.account.reason {
        line(format!("account {}: {reason}", snapshot.account.state));
    }
    let totals = &snapshot.totals;
    let to_go = totals["bytes_pending"];
    line(format!(
        "{} to go, {} done, {}/s{}",
        text::bytes(to_go),
        text::bytes(totals["bytes_done"]),
        text::bytes(snapshot.rate_bytes_per_sec),
        snapshot.eta_secs.map_or(String::new(), |secs| format!(
            ", about {} left",
            text::seconds(secs)
        )),
    ));
    line(format!("limited by: {}", snapshot.limited_by));
    if let Some(advice) = &snapshot.journal.disk_full {
        line(format!("the journal's disk is full: {advice}"));
    }
    if let Some(warning) = &snapshot.journal.long_wal {
        line(format!("the journal: {warning}"));
    }
    if let Some(error) = &snapshot.last_error {
        line(format!("last error: {error}"));
    }
    for watch in &snapshot.watches {
        line(format!(
            "\n{}: {} → {}",
            watch.name, watch.path, watch.table
        ));
        line(format!("  {}", counts(watch)));
        if several {
            line(format!("  account {}", watch.account));
        }
        if watch.ignored > 0 {
            let files = watch.ignored;
            line(format!(
                "  {files} ignored: there at the first start (existing = \"ignore\")"
            ));
        }
        line(format!("  {} ({})", watch.mode, watch.mode_reason));
        if watch.held > 0 {
            line(format!(
                "  {} files wait for the marker of their set",
                watch.held
            ));
        }
        if let Some(error) = &watch.error {
            line(format!("  {error}"));
        }
    }
    out
}

fn of_account(account: &AccountReport) -> String {
    let mut said = format!("account {}: {}", account.name, account.state);
    if let Some(reason) = &account.reason {
        let _ = write!(said, ": {reason}");
    }
    if let Some(until) = account.api.throttled_until {
        let _ = write!(said, "; no calls before {}", text::time(until));
    }
    said
}

fn counts(watch: &WatchReport) -> String {
    let some: Vec<String> = watch
        .totals
        .iter()
        .filter(|(name, n)| **n > 0 && !name.starts_with("bytes"))
        .map(|(name, n)| format!("{n} {name}"))
        .collect();
    if some.is_empty() {
        "nothing yet".into()
    } else {
        some.join(", ")
    }
}
