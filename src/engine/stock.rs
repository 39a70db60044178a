//! The jobs in hand, between the stages.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use super::imports;
use super::lanes::Lanes;
use super::priority::{Priorities, Ranked};
use super::register::Stored;
use crate::job::{Job, Kind, WatchName};
use crate::journal::Last;
use crate::redivis::BATCH_LIMIT;

/// Bytes that are reserved at a time: about what a fast link moves while a temporary upload stays
/// fresh. One file more is always allowed.
const RESERVED_BYTES: u64 = 4 << 30;
/// Reserved at first: enough that the workers are busy until the next batch is there.
const FIRST_BATCH: usize = 256;
/// Fewer files are not registered by themselves while others are on their way: each call counts.
const LEAST_OF_SEVERAL: usize = 100;
/// A worker carries one large file, or so many small ones: they are mostly waiting for answers.
pub(super) const SHARES: usize = 16;
/// Small files that begin together.
pub(super) const MOST_IN_A_LOT: usize = SHARES;
/// A file takes one share for each of these bytes, up to a whole worker.
const SHARE_BYTES: u64 = 16 * 1024;
/// Stored files wait this long for company before they are registered while others are in flight.
const COMPANY: Duration = Duration::from_secs(1);

/// Claimed jobs that wait for their next stage, those of a higher priority in front at each.
#[derive(Debug, Default)]
pub(super) struct Stock {
    /// To be reserved.
    pub queued: Lanes,
    /// Their names were registered before: to be looked at.
    to_compare: Ranked<(Job, Last)>,
    /// Reserved or interrupted: to be transferred.
    ready: Ranked<Job>,
    /// Their registration got no answer: to be looked up.
    unresolved: Ranked<Job>,
    /// To be registered, by table.
    stored: BTreeMap<String, Ranked<Stored>>,
    /// Since when the oldest of them waits.
    stored_since: Option<Instant>,
    priorities: Priorities,
}

/// How much of a worker a file of this size takes, in 1 ..= [`SHARES`].
pub(super) fn shares(size: u64) -> usize {
    usize::try_from(size / SHARE_BYTES).map_or(SHARES, |more| SHARES.min(1 + more))
}

impl Stock {
    pub fn new(priorities: Priorities) -> Self {
        Self {
            queued: Lanes::new(priorities.clone()),
            priorities,
            ..Self::default()
        }
    }

    /// Jobs to be transferred, in this order.
    pub fn make_ready(&mut self, jobs: impl IntoIterator<Item = Job>) {
        for job in jobs {
            self.ready.push(self.priorities.of(&job.watch), job);
        }
    }

    /// A job that is to be looked at before it is sent.
    pub fn compare(&mut self, job: Job, last: Last) {
        let priority = self.priorities.of(&job.watch);
        self.to_compare.push(priority, (job, last));
    }

    /// Jobs to look at, of the priority of this watch or a higher one.
    pub fn to_compare(&self, watch: &WatchName) -> usize {
        self.to_compare.len_from(self.priorities.of(watch))
    }

    /// The next jobs to look at, at most so many.
    pub fn next_to_compare(&mut self, most: usize) -> Vec<(Job, Last)> {
        self.to_compare.take(most)
    }

    /// Jobs whose registration got no answer.
    pub fn look_up(&mut self, jobs: impl IntoIterator<Item = Job>) {
        for job in jobs {
            self.unresolved.push(self.priorities.of(&job.watch), job);
        }
    }

    /// The next jobs to transfer together, at most so many, if they take no more than `free` shares: a large one, or several
    /// small ones. Empty when there is none, or when it pays to wait until more can begin together.
    pub fn next_lot(&mut self, mut free: usize, most: usize) -> Vec<Job> {
        let mut lot = Vec::new();
        if free < most / 2 && self.ready.len() > free {
            return lot;
        }
        while lot.len() < most {
            let fits = |job: &mut Job| {
                let shares = shares(job.seen.size);
                shares <= free && (shares < SHARES || lot.is_empty())
            };
            let Some(job) = self.ready.pop_front_if(fits) else {
                break;
            };
            let taken = shares(job.seen.size);
            free -= taken;
            lot.push(job);
            if taken == SHARES {
                break;
            }
        }
        lot
    }

    /// Whether jobs wait for a worker.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Jobs that wait for a worker.
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Jobs that wait to be registered or looked up, of the priority of this watch or a higher one.
    pub fn to_register(&self, watch: &WatchName) -> usize {
        let priority = self.priorities.of(watch);
        let stored = self.stored.values().map(|jobs| jobs.len_from(priority));
        self.unresolved.len_from(priority) + stored.sum::<usize>()
    }

    /// The lowest priority of which so little waits, itself and higher ones, that workers with `capacity`
    /// shares may stand idle before more is reserved.
    pub fn runs_low_from(&self, capacity: usize) -> i64 {
        let mut bytes = 0_u64;
        for (before, (priority, job)) in self.ready.iter().enumerate() {
            bytes = bytes.saturating_add(job.seen.size);
            if before + 1 >= 2 * capacity || bytes >= RESERVED_BYTES {
                return priority + 1;
            }
        }
        i64::MIN
    }

    /// Whether more is to be made ready for a watch.
    pub fn runs_low(&self, capacity: usize, watch: &WatchName) -> bool {
        self.priorities.of(watch) >= self.runs_low_from(capacity)
    }

    /// A job whose bytes are stored.
    pub fn store(&mut self, stored: Stored, now: Instant) {
        self.stored_since.get_or_insert(now);
        let table = stored.job.table.clone();
        let priority = self.priorities.of(&stored.job.watch);
        let jobs = self.stored.entry(table).or_default();
        jobs.push(priority, stored);
    }

    /// The next jobs to reserve: of one table that is open and of priorities from `least` on, as many as can be
    /// sent soon. While nothing can be sent yet, few, so that sending begins early.
    pub fn next_to_reserve(
        &mut self,
        sends: bool,
        least: i64,
        open: impl Fn(&str) -> bool,
    ) -> Vec<Job> {
        let most = if sends || self.has_ready() {
            BATCH_LIMIT
        } else {
            FIRST_BATCH
        };
        self.queued.take(most, RESERVED_BYTES, least, open)
    }

    /// The jobs to look up next: all of one table that is open.
    pub fn next_to_look_up(&mut self, open: impl Fn(&str) -> bool) -> Vec<Job> {
        let first = self.unresolved.iter().find(|(_, job)| open(&job.table));
        let Some((table, kind)) = first.map(|(_, job)| (job.table.clone(), job.kind)) else {
            return Vec::new();
        };
        self.unresolved
            .extract(|job| job.table == table && job.kind == kind)
    }

    /// The next jobs to register, of a table that `may` be asked now: a full batch, or what has waited for
    /// company, or what has no more company to expect than it has already. So the batches get
    /// smaller towards an end, and there is little left to do when the last file is stored.
    ///
    /// `company`: how many more may soon be stored.
    pub fn next_to_register(
        &mut self,
        may: impl Fn(&str) -> bool,
        company: usize,
        now: Instant,
    ) -> Option<(String, Vec<Stored>)> {
        let waited = self.register_by().is_some_and(|by| by <= now);
        let tables = self.stored.iter().filter(|(table, jobs)| {
            let most = jobs.len() >= company.max(LEAST_OF_SEVERAL);
            let enough = jobs.len() >= BATCH_LIMIT || waited || company == 0 || most;
            enough && may(table)
        });
        let (table, _) = tables.min_by_key(|(_, jobs)| Reverse(jobs.highest()))?;
        let table = table.clone();
        let jobs = self.stored.get_mut(&table)?;
        let batch = distinct_names(jobs);
        if jobs.is_empty() {
            self.stored.remove(&table);
        }
        if self.stored.is_empty() {
            self.stored_since = None;
        }
        Some((table, batch))
    }

    /// Stored files of tables that are `closed`, which have waited long enough and which the journal does
    /// not know as stored.
    pub fn unrecorded(&mut self, now: Instant, closed: impl Fn(&str) -> bool) -> Vec<Stored> {
        if self.register_by().is_none_or(|by| by > now) {
            return Vec::new();
        }
        let is_new = |stored: &Stored| stored.unrecorded.is_some();
        let lists = self.stored.iter_mut().filter(|(table, _)| closed(table));
        let found = lists.flat_map(|(_, jobs)| jobs.extract(is_new)).collect();
        self.stored.retain(|_, jobs| !jobs.is_empty());
        if self.stored.is_empty() {
            self.stored_since = None;
        }
        found
    }

    /// When waiting for company ends.
    pub fn register_by(&self) -> Option<Instant> {
        self.stored_since.map(|since| since + COMPANY)
    }
}

/// Takes the first jobs whose remote names differ, at most a batch, and fewer of those that go one by one: two files of one name in one call
/// could not be told apart in its answer.
fn distinct_names(jobs: &mut Ranked<Stored>) -> Vec<Stored> {
    let mut names = HashSet::new();
    let mut taken = 0;
    let kind = jobs.iter().next().map(|(_, stored)| stored.job.kind);
    let most = match kind {
        Some(Kind::Tabular) => imports::AT_ONCE,
        _ => BATCH_LIMIT,
    };
    jobs.extract(|stored| {
        let take = taken < most
            && Some(stored.job.kind) == kind
            && names.insert(stored.job.remote_name.clone());
        taken += usize::from(take);
        take
    })
}

#[cfg(test)]
pub(super) mod tests;
