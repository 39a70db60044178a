//! The jobs in hand, between the stages.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::register::Stored;
use crate::job::Job;
use crate::redivis::BATCH_LIMIT;

/// Bytes that are reserved at a time: about what a fast link moves while a temporary upload stays
/// fresh. One file more is always allowed.
const RESERVED_BYTES: u64 = 4 << 30;
/// A worker carries one large file, or so many small ones: they are mostly waiting for answers.
pub(super) const SHARES: usize = 16;
/// A file takes one share for each of these bytes, up to a whole worker.
const SHARE_BYTES: u64 = 16 * 1024;
/// Stored files wait this long for company before they are registered while others are in flight.
const COMPANY: Duration = Duration::from_secs(1);

/// Claimed jobs that wait for their next stage.
#[derive(Debug, Default)]
pub(super) struct Stock {
    /// To be reserved.
    pub queued: VecDeque<Job>,
    /// Reserved or interrupted: to be transferred.
    ready: VecDeque<Job>,
    ready_bytes: u64,
    /// Their registration got no answer: to be looked up.
    pub unresolved: Vec<Job>,
    /// To be registered, by table.
    stored: BTreeMap<String, Vec<Stored>>,
    /// Since when the oldest of them waits.
    stored_since: Option<Instant>,
}

/// How much of a worker a file of this size takes, in 1 ..= [`SHARES`].
pub(super) fn shares(size: u64) -> usize {
    usize::try_from(size / SHARE_BYTES).map_or(SHARES, |more| SHARES.min(1 + more))
}

impl Stock {
    /// Jobs to be transferred, in this order.
    pub fn make_ready(&mut self, jobs: impl IntoIterator<Item = Job>) {
        for job in jobs {
            self.ready_bytes = self.ready_bytes.saturating_add(job.seen.size);
            self.ready.push_back(job);
        }
    }

    /// The next job to transfer, if it takes no more than `free` shares.
    pub fn next_to_transfer(&mut self, free: usize) -> Option<Job> {
        let job = self
            .ready
            .pop_front_if(|job| shares(job.seen.size) <= free)?;
        self.ready_bytes = self.ready_bytes.saturating_sub(job.seen.size);
        Some(job)
    }

    /// Whether jobs wait for a worker.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Whether so little waits that workers with `capacity` shares may soon stand idle.
    pub fn runs_low(&self, capacity: usize) -> bool {
        self.ready.len() < capacity && self.ready_bytes < RESERVED_BYTES
    }

    /// A job whose bytes are stored.
    pub fn store(&mut self, stored: Stored, now: Instant) {
        self.stored_since.get_or_insert(now);
        let table = stored.job.table.clone();
        self.stored.entry(table).or_default().push(stored);
    }

    /// The next jobs to reserve: of one table, as many as can be sent soon.
    pub fn next_to_reserve(&mut self) -> Vec<Job> {
        let Some(table) = self.queued.front().map(|job| job.table.clone()) else {
            return Vec::new();
        };
        let mut batch = Vec::new();
        let mut bytes = 0_u64;
        let mut others = VecDeque::new();
        while let Some(job) = self.queued.pop_front() {
            if job.table != table || batch.len() == BATCH_LIMIT || bytes > RESERVED_BYTES {
                others.push_back(job);
            } else {
                bytes = bytes.saturating_add(job.seen.size);
                batch.push(job);
            }
        }
        self.queued = others;
        batch
    }

    /// The jobs to look up next: all of one table.
    pub fn next_to_look_up(&mut self) -> Vec<Job> {
        let Some(table) = self.unresolved.first().map(|job| job.table.clone()) else {
            return Vec::new();
        };
        let jobs = std::mem::take(&mut self.unresolved);
        let (batch, others) = jobs.into_iter().partition(|job| job.table == table);
        self.unresolved = others;
        batch
    }

    /// The next jobs to register, of a table that is not `busy`, once they are a full batch, have
    /// waited for company, or none is to be expected.
    pub fn next_to_register(
        &mut self,
        busy: &HashSet<String>,
        company_comes: bool,
        now: Instant,
    ) -> Option<(String, Vec<Stored>)> {
        let waited = self.register_by().is_some_and(|by| by <= now);
        let table = self.stored.iter().find_map(|(table, jobs)| {
            let enough = jobs.len() >= BATCH_LIMIT || waited || !company_comes;
            (enough && !busy.contains(table)).then(|| table.clone())
        })?;
        let (batch, others) = distinct_names(self.stored.remove(&table)?);
        if !others.is_empty() {
            self.stored.insert(table.clone(), others);
        }
        if self.stored.is_empty() {
            self.stored_since = None;
        }
        Some((table, batch))
    }

    /// Stored files that have waited long enough and that the journal does not know as stored.
    pub fn unrecorded(&mut self, now: Instant) -> Vec<Stored> {
        if self.register_by().is_none_or(|by| by > now) {
            return Vec::new();
        }
        let is_new = |stored: &mut Stored| stored.unrecorded.is_some();
        let lists = self.stored.values_mut();
        let found = lists.flat_map(|jobs| jobs.extract_if(.., is_new)).collect();
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

/// The first jobs whose remote names differ, at most a batch, and the rest: two files of one name
/// in one call could not be told apart in its answer.
fn distinct_names(jobs: Vec<Stored>) -> (Vec<Stored>, Vec<Stored>) {
    let mut names = HashSet::new();
    let mut taken = 0;
    jobs.into_iter().partition(|stored| {
        let take = taken < BATCH_LIMIT && names.insert(stored.job.remote_name.clone());
        taken += usize::from(take);
        take
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Fingerprint, JobId, State, Sums, Troubles, WatchName};

    fn job(id: i64, table: &str, name: &str, size: u64) -> Job {
        Job {
            id: JobId(id),
            watch: WatchName::new("w"),
            path: name.into(),
            remote_name: name.into(),
            table: table.into(),
            seen: Fingerprint {
                dev: 0,
                ino: 0,
                size,
                mtime_ns: 0,
                ctime_ns: 0,
            },
            state: State::Queued,
            attempts: 0,
            failing_since: None,
            troubles: Troubles::default(),
        }
    }

    fn ids<'a>(jobs: impl IntoIterator<Item = &'a Job>) -> Vec<i64> {
        jobs.into_iter().map(|job| job.id.0).collect()
    }

    #[test]
    fn a_batch_to_reserve_is_of_one_table_and_of_bounded_size() {
        let big = RESERVED_BYTES + 1;
        let mut stock = Stock::default();
        stock.queued.extend([
            job(1, "a", "1", 1),
            job(2, "b", "2", 1),
            job(3, "a", "3", big),
            job(4, "a", "4", 1),
        ]);
        assert_eq!(ids(&stock.next_to_reserve()), [1, 3]);
        assert_eq!(ids(&stock.next_to_reserve()), [2]);
        assert_eq!(ids(&stock.next_to_reserve()), [4]);
        assert!(stock.next_to_reserve().is_empty());
        let many = i64::try_from(BATCH_LIMIT).unwrap() + 1;
        stock
            .queued
            .extend((0..many).map(|id| job(id, "a", "x", 1)));
        assert_eq!(stock.next_to_reserve().len(), BATCH_LIMIT);
        assert_eq!(stock.next_to_reserve().len(), 1);
    }

    fn stored(id: i64, name: &str) -> Stored {
        Stored::recorded(job(id, "a", name, 1))
    }

    fn stored_ids(jobs: &[Stored]) -> Vec<i64> {
        ids(jobs.iter().map(|stored| &stored.job))
    }

    #[test]
    fn small_files_share_a_worker_and_a_large_one_takes_it_whole() {
        let sizes = [0, 4096, SHARE_BYTES, 4 * SHARE_BYTES, 1 << 20, u64::MAX];
        assert_eq!(sizes.map(shares), [1, 1, 2, 5, SHARES, SHARES]);
        let mut stock = Stock::default();
        stock.make_ready([job(1, "a", "1", 1 << 20), job(2, "a", "2", 1)]);
        assert!(stock.next_to_transfer(SHARES - 1).is_none(), "in order");
        assert_eq!(stock.next_to_transfer(SHARES).unwrap().id.0, 1);
        assert_eq!(stock.next_to_transfer(1).unwrap().id.0, 2);
    }

    #[test]
    fn stock_runs_low_by_number_and_is_high_by_bytes() {
        let mut stock = Stock::default();
        assert!(stock.runs_low(1));
        stock.make_ready([job(1, "a", "1", RESERVED_BYTES)]);
        assert!(!stock.runs_low(1000));
        stock.next_to_transfer(SHARES);
        assert!(stock.runs_low(1000));
        stock.make_ready([job(2, "a", "2", 1)]);
        assert!(!stock.runs_low(1));
    }

    #[test]
    fn files_are_registered_when_no_company_comes_or_after_a_while() {
        let now = Instant::now();
        let none = HashSet::new();
        let mut stock = Stock::default();
        stock.store(stored(1, "1"), now);
        assert!(stock.next_to_register(&none, true, now).is_none());
        let (table, batch) = stock.next_to_register(&none, false, now).unwrap();
        assert_eq!((table.as_str(), stored_ids(&batch)), ("a", vec![1]));
        stock.store(stored(2, "2"), now);
        assert!(stock.next_to_register(&none, true, now + COMPANY).is_some());
        assert_eq!(stock.register_by(), None);
    }

    #[test]
    fn what_cannot_be_registered_is_at_least_recorded_once() {
        let now = Instant::now();
        let mut stock = Stock::default();
        let sums = Sums {
            crc32c: 0,
            md5: None,
        };
        let unrecorded = Some(sums);
        let job = job(1, "a", "1", 1);
        let since = None;
        stock.store(
            Stored {
                job,
                unrecorded,
                since,
            },
            now,
        );
        stock.store(stored(2, "2"), now);
        assert!(stock.unrecorded(now).is_empty(), "company may come");
        assert_eq!(stored_ids(&stock.unrecorded(now + COMPANY)), [1]);
        assert!(stock.unrecorded(now + COMPANY).is_empty());
        let (_, batch) = stock.next_to_register(&HashSet::new(), false, now).unwrap();
        assert_eq!(stored_ids(&batch), [2]);
    }

    #[test]
    fn one_table_has_one_registration_at_a_time_and_no_name_twice_in_it() {
        let now = Instant::now();
        let mut stock = Stock::default();
        for (id, name) in [(1, "x"), (2, "y"), (3, "x")] {
            stock.store(stored(id, name), now);
        }
        let busy = HashSet::from(["a".to_owned()]);
        assert!(stock.next_to_register(&busy, false, now).is_none());
        let none = HashSet::new();
        let (_, batch) = stock.next_to_register(&none, false, now).unwrap();
        assert_eq!(stored_ids(&batch), [1, 2]);
        let (_, batch) = stock.next_to_register(&none, false, now).unwrap();
        assert_eq!(stored_ids(&batch), [3]);
    }
}
