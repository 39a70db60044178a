//! `run --once`: whether all there is has been dealt with.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::accounts::Doing;
use super::{DaemonError, Ended};
use crate::config::Config;
use crate::engine::{Account, Condition};
use crate::job::StateName;
use crate::journal::{JournalError, Reader, Staying};
use crate::watch::{Phase, Watching};

/// How often to look whether everything has arrived.
const LOOK: Duration = Duration::from_millis(20);
/// How soon to look again when everything has.
const LOOK_TWICE: Duration = Duration::from_millis(5);
/// In a large journal less often: looking takes no more than this part of the time.
const LOOK_SHARE: u32 = 50;
/// To give up after so many failures in a row to reach a server.
const ENOUGH_FAILURES: u32 = 5;

/// Waits until every watch is quiet and every job has ended, or until that is not to be expected.
pub(super) async fn settled(
    config: &Config,
    watches: &[Watching],
    doing: &[Doing],
) -> Result<Ended, DaemonError> {
    let reader = Reader::open(&config.journal.path)?;
    let before = tally(&reader, &HashSet::new())?;
    // what a life begins with: no watch goes elsewhere in between
    let has_unasked = reader.staying()?.iter().any(|row| row.account.is_none());
    let mut was_settled = false;
    loop {
        let lost = |doing: &Doing| hopeless(&doing.condition.borrow());
        let mut ends = doing.iter().filter_map(lost);
        let lost = ends.next();
        // while one account can be used, its files are seen through
        if let Some(ended) = &lost
            && 1 + ends.count() == doing.len()
        {
            return Ok(ended.clone());
        }
        let began = Instant::now();
        // the watches first: what they call recorded stands in the journal by then
        let (quiet, missing) = look_at(watches, &reader)?;
        let closed = closed(doing);
        let mut now = tally(&reader, &closed)?;
        if now.open > 0 && (has_unasked || doing.iter().any(holds_up)) {
            let stranded = stranded(&reader.staying()?, doing, &closed);
            now.open = now.open.saturating_sub(stranded);
            now.failed += stranded;
        }
        let is_settled = quiet && now.open == 0 && markers_may_stay(watches, &closed);
        // twice, since a file that changed in flight is gone from one count before it is in the other
        if is_settled && was_settled {
            return Ok(lost.unwrap_or(Ended::Settled {
                done: now.done - before.done,
                failed: now.failed + missing,
            }));
        }
        was_settled = is_settled;
        let least = if is_settled { LOOK_TWICE } else { LOOK };
        tokio::time::sleep(least.max(began.elapsed() * LOOK_SHARE)).await;
    }
}

/// Whether every watch has seen all there is, and how many have no folder to look at.
fn look_at(watches: &[Watching], reader: &Reader) -> Result<(bool, u64), JournalError> {
    let (mut quiet, mut missing) = (true, 0);
    let rows = reader.watches()?;
    for watch in watches {
        let says_why = || {
            rows.iter()
                .any(|row| row.name == *watch.name() && row.error.is_some())
        };
        match *watch.phase().borrow() {
            Phase::Quiet | Phase::Completing => {}
            Phase::Stuck => missing += 1,
            Phase::Waiting if says_why() => missing += 1,
            _ => quiet = false,
        }
    }
    Ok((quiet, missing))
}

/// Whether no marker waits that is still to be expected. The watch says when none is; but not that their table takes
/// nothing.
fn markers_may_stay(watches: &[Watching], closed: &HashSet<String>) -> bool {
    let waits = |watch: &&Watching| *watch.phase().borrow() == Phase::Completing;
    let mut waiting = watches.iter().filter(waits);
    waiting.all(|watch| closed.contains(watch.name().as_str()))
}

fn hopeless(condition: &Condition) -> Option<Ended> {
    if let Account::Paused(why) = &condition.account {
        return Some(Ended::TokenRefused(why.clone()));
    }
    let failures = condition.api_failures.max(condition.upload_failures);
    (failures >= ENOUGH_FAILURES)
        .then(|| Ended::Unreachable(condition.last_failure.clone().unwrap_or_default()))
}

#[derive(Debug, Default)]
struct Tally {
    done: u64,
    /// Not ended, and likely to end.
    open: u64,
    /// Parked, or failing again and again.
    failed: u64,
}

/// Watches whose account cannot be used, or whose tables take nothing.
fn closed(doing: &[Doing]) -> HashSet<String> {
    let mut closed = HashSet::new();
    for account in doing {
        let condition = account.condition.borrow();
        let is_lost = hopeless(&condition).is_some();
        let mut watches = account.watches.clone();
        watches.retain(|(_, table)| is_lost || condition.closed_tables.contains(table));
        closed.extend(watches.into_iter().map(|(name, _)| name.to_string()));
    }
    closed
}

/// Whether an account may keep jobs waiting that stay with another table than that of their watch.
fn holds_up(doing: &Doing) -> bool {
    let condition = doing.condition.borrow();
    hopeless(&condition).is_some()
        || !condition.closed_tables.is_empty()
        || !condition.silent_tables.is_empty()
}

/// How many jobs wait for a table of which nothing is to be heard now, although those of their watch may go on.
fn stranded(staying: &[Staying], doing: &[Doing], closed: &HashSet<String>) -> u64 {
    let is_heard = |row: &Staying| {
        let asker = doing
            .iter()
            .find(|doing| Some(&doing.account) == row.account.as_ref());
        asker.is_some_and(|doing| {
            let condition = doing.condition.borrow();
            let is_shut = if row.is_import {
                condition.silent_tables.contains(&row.table)
            } else {
                condition.closed_tables.contains(&row.table)
            };
            !is_shut && hopeless(&condition).is_none()
        })
    };
    let others = staying
        .iter()
        .filter(|row| !closed.contains(row.watch.as_str()));
    others
        .filter(|row| !is_heard(row))
        .map(|row| row.jobs)
        .sum()
}

fn tally(reader: &Reader, closed: &HashSet<String>) -> Result<Tally, JournalError> {
    let mut tally = Tally::default();
    for count in reader.counts()? {
        match count.state {
            StateName::Done => tally.done += count.jobs,
            StateName::Parked => tally.failed += count.jobs - count.skipped,
            StateName::Superseded | StateName::Missing => {}
            _ if closed.contains(&count.watch) => tally.failed += count.jobs,
            _ => {
                tally.open += count.jobs - count.failing;
                tally.failed += count.failing;
            }
        }
    }
    Ok(tally)
}
