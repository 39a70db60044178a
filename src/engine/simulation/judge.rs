//! The judgement. What the server lists decides, not what the journal says.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::seeds::ROWS;
use super::server::Row;
use super::user::Users;
use super::world::{Content, Inside, Version};
use crate::job::{JobId, ParkReason, State, WatchName};
use crate::journal::{Filter, JobRow, Reader, Receipt, ReceiptFilter};

/// All jobs of a journal.
pub(super) fn jobs(journal: &Path) -> Vec<JobRow> {
    let mut jobs = Vec::new();
    let reader = Reader::open(journal).expect("the journal is there");
    let each = |job| {
        jobs.push(job);
        true
    };
    reader.jobs(&Filter::default(), each).unwrap();
    jobs
}

/// All receipts of a journal, with their paths below the drop folders, which lie beside it.
pub(super) fn receipts(journal: &Path) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    let reader = Reader::open(journal).expect("the journal is there");
    let beside = journal.parent().unwrap_or("".as_ref());
    let each = |receipt: Receipt| {
        let folder = beside.join(receipt.watch.as_str());
        let path = receipt.path.strip_prefix(folder).unwrap().to_path_buf();
        receipts.push(Receipt { path, ..receipt });
        true
    };
    reader.receipts(&ReceiptFilter::default(), each).unwrap();
    receipts
}

/// Whether a parked file may be parked: something happened that leads there.
pub(super) fn excuse(world: &mut Inside, jobs: &[JobRow]) {
    let mut unexcused = Vec::new();
    for row in jobs {
        let State::Parked(reason, _) = &row.job.state else {
            continue;
        };
        let excused = match reason {
            ParkReason::RemoteDiffers => is_damaged(world, &row.job.table, &row.job.remote_name),
            // six crashes in a row without progress happen here by chance; the journal's own tests hold the count
            ParkReason::CrashLoop => true,
            ParkReason::EmptyFile => row.job.table == ROWS && row.job.seen.size == 0,
            reason => world.weather.excuses.contains(reason.code()),
        };
        if !excused {
            let why = row.error.clone().unwrap_or_default();
            let name = &row.job.remote_name;
            unexcused.push(format!("{name} is parked ({reason}) for no reason: {why}"));
        }
    }
    for what in unexcused {
        world.violation(what);
    }
}

fn is_damaged(world: &Inside, table: &str, name: &str) -> bool {
    let rows = world.server.tables.get(table).map(|table| &table.rows);
    rows.into_iter()
        .flatten()
        .any(|row| row.damaged && row.name == name)
}

/// The four zeros: nothing lost, nothing twice, nothing mixed, nothing stuck.
pub(super) fn judge(world: &mut Inside, users: &Users, journal: &Path, jobs: &[JobRow]) {
    let receipts = receipts(journal);
    let given: HashSet<JobId> = receipts.iter().map(|receipt| receipt.job).collect();
    let mut wrong = Vec::new();
    let wanted = wanted(jobs, &receipts);
    let mut counts: HashMap<Content, usize> = HashMap::new();
    for (table, held) in &world.server.tables {
        for row in held.rows.iter().filter(|row| !row.damaged) {
            let content = (table.clone(), row.name.clone(), row.size, row.md5);
            *counts.entry(content).or_default() += 1;
        }
    }
    for (content, count) in &counts {
        let name = &content.1;
        let Some(versions) = world.whole.get(content) else {
            wrong.push(format!("MIXED: {name} was never whole as it is listed"));
            continue;
        };
        let wanted = versions.intersection(&wanted).count();
        if *count > wanted {
            wrong.push(format!(
                "DUPLICATED: {name} is listed {count} times, and was wanted {wanted} times"
            ));
        }
    }
    for ((watch, path), dropped) in &users.files {
        let content = users.content(*watch, path, dropped);
        if content.0 == ROWS && content.2 == 0 {
            continue;
        }
        if !counts.contains_key(&content) && !is_damaged(world, &content.0, &content.1) {
            let path = path.display();
            wrong.push(format!("LOST: w{watch}/{path} is not in {}", content.0));
        }
    }
    for receipt in receipts.iter().filter(|one| !is_proven(world, one)) {
        let name = &receipt.remote_name;
        wrong.push(format!(
            "UNPROVEN: {name} has a receipt, and is not in its table"
        ));
    }
    for row in jobs {
        let name = &row.job.remote_name;
        match &row.job.state {
            State::Done(..) if !given.contains(&row.job.id) => {
                wrong.push(format!("UNPROVEN: {name} is done, and has no receipt"));
            }
            State::Parked(ParkReason::RemoteDiffers | ParkReason::EmptyFile, _) => {}
            State::Parked(reason, _) => {
                let why = row.error.clone().unwrap_or_default();
                wrong.push(format!("STUCK: {name} stays parked ({reason}): {why}"));
            }
            state if !state.name().is_final() => {
                wrong.push(format!("STUCK: {name} stays {}", state.name()));
            }
            _ => {}
        }
    }
    // the order of a HashMap is nobody's
    wrong.sort();
    for what in wrong {
        world.violation(what);
    }
}

/// The versions that may be in a table: those of jobs that were not dropped on the way, or that were done and pruned.
fn wanted(jobs: &[JobRow], receipts: &[Receipt]) -> HashSet<Version> {
    let dropped = |state: &State| matches!(state, State::Superseded | State::Missing);
    let jobs = jobs.iter().filter(|row| !dropped(&row.job.state));
    let jobs = jobs.map(|row| (&row.job.watch, &row.job.path, row.job.seen));
    let receipts = receipts.iter().map(|one| (&one.watch, &one.path, one.seen));
    jobs.chain(receipts)
        .map(|(watch, path, seen): (&WatchName, &PathBuf, _)| {
            let watch = watch.as_str().trim_start_matches('w');
            let index = watch.parse().expect("watches are numbered");
            (index, path.clone(), seen)
        })
        .collect()
}

/// Whether the table has, under the id that the receipt names, what the receipt says.
fn is_proven(world: &Inside, receipt: &Receipt) -> bool {
    let same = |listed: &&Row| {
        let md5 = receipt.md5.is_none_or(|md5| md5.0 == listed.md5);
        listed.id == receipt.remote.as_str()
            && listed.name == receipt.remote_name
            && listed.size == receipt.seen.size
            && md5
            && !listed.damaged
    };
    let rows = world.server.tables.get(&receipt.table);
    rows.is_some_and(|table| table.rows.iter().find(same).is_some())
}
