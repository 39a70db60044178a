//! The jobs in hand, between the stages.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::lanes::Lanes;
use super::register::Stored;
use crate::job::Job;
use crate::journal::Before;
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

/// Claimed jobs that wait for their next stage.
#[derive(Debug, Default)]
pub(super) struct Stock {
    /// To be reserved.
    pub queued: Lanes,
    /// Their names were registered before: to be looked at.
    pub to_compare: VecDeque<(Job, Before)>,
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
            self.ready_bytes = self.ready_bytes.saturating_sub(job.seen.size);
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

    /// Jobs that wait to be registered or looked up.
    pub fn to_register(&self) -> usize {
        self.unresolved.len() + self.stored.values().map(Vec::len).sum::<usize>()
    }

    /// Whether so little waits that workers with `capacity` shares may stand idle before more is reserved.
    pub fn runs_low(&self, capacity: usize) -> bool {
        self.ready.len() < 2 * capacity && self.ready_bytes < RESERVED_BYTES
    }

    /// A job whose bytes are stored.
    pub fn store(&mut self, stored: Stored, now: Instant) {
        self.stored_since.get_or_insert(now);
        let table = stored.job.table.clone();
        self.stored.entry(table).or_default().push(stored);
    }

    /// The next jobs to reserve: of one table that is open, as many as can be sent soon. While nothing can
    /// be sent yet, few, so that sending begins early.
    pub fn next_to_reserve(&mut self, sends: bool, open: impl Fn(&str) -> bool) -> Vec<Job> {
        let most = if sends || self.has_ready() {
            BATCH_LIMIT
        } else {
            FIRST_BATCH
        };
        self.queued.take(most, RESERVED_BYTES, open)
    }

    /// The jobs to look up next: all of one table that is open.
    pub fn next_to_look_up(&mut self, open: impl Fn(&str) -> bool) -> Vec<Job> {
        let mut tables = self.unresolved.iter().map(|job| &job.table);
        let Some(table) = tables.find(|table| open(table)).cloned() else {
            return Vec::new();
        };
        let jobs = std::mem::take(&mut self.unresolved);
        let (batch, others) = jobs.into_iter().partition(|job| job.table == table);
        self.unresolved = others;
        batch
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
        let table = self.stored.iter().find_map(|(table, jobs)| {
            let most = jobs.len() >= company.max(LEAST_OF_SEVERAL);
            let enough = jobs.len() >= BATCH_LIMIT || waited || company == 0 || most;
            (enough && may(table)).then(|| table.clone())
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

    /// Stored files of tables that are `closed`, which have waited long enough and which the journal does
    /// not know as stored.
    pub fn unrecorded(&mut self, now: Instant, closed: impl Fn(&str) -> bool) -> Vec<Stored> {
        if self.register_by().is_none_or(|by| by > now) {
            return Vec::new();
        }
        let is_new = |stored: &mut Stored| stored.unrecorded.is_some();
        let lists = self.stored.iter_mut().filter(|(table, _)| closed(table));
        let found = lists
            .flat_map(|(_, jobs)| jobs.extract_if(.., is_new))
            .collect();
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
pub(super) mod tests {
    use super::*;
    use crate::job::{Fingerprint, JobId, State, Sums, Troubles, WatchName};

    pub(in crate::engine) fn job(id: i64, table: &str, name: &str, size: u64) -> Job {
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
            job(2, "a", "2", big),
            job(3, "a", "3", 1),
            job(4, "b", "4", 1),
        ]);
        assert_eq!(ids(&stock.next_to_reserve(true, |_| true)), [1, 2]);
        assert_eq!(ids(&stock.next_to_reserve(true, |_| true)), [3]);
        assert_eq!(ids(&stock.next_to_reserve(true, |_| true)), [4]);
        assert!(stock.next_to_reserve(true, |_| true).is_empty());
        let many = i64::try_from(BATCH_LIMIT).unwrap() + 1;
        stock
            .queued
            .extend((0..many).map(|id| job(id, "a", "x", 1)));
        assert_eq!(stock.next_to_reserve(true, |_| true).len(), BATCH_LIMIT);
        assert_eq!(stock.next_to_reserve(true, |_| true).len(), 1);
    }

    #[test]
    fn the_first_batch_is_small_so_that_sending_begins_early() {
        let mut stock = Stock::default();
        let many = i64::try_from(2 * BATCH_LIMIT).unwrap();
        let jobs = (0..many).map(|id| job(id, "a", "x", 1));
        stock.queued.extend(jobs);
        assert_eq!(stock.next_to_reserve(false, |_| true).len(), FIRST_BATCH);
        stock.make_ready([job(1, "a", "1", 1)]);
        assert_eq!(stock.next_to_reserve(false, |_| true).len(), BATCH_LIMIT);
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
        let medium = 64 * 1024;
        let jobs = [(1, 1 << 20), (2, 1), (3, medium), (4, 1), (5, 1 << 20)];
        stock.make_ready(jobs.map(|(id, size)| job(id, "a", "x", size)));
        assert!(
            stock.next_lot(SHARES - 1, MOST_IN_A_LOT).is_empty(),
            "in order"
        );
        assert_eq!(ids(&stock.next_lot(SHARES, MOST_IN_A_LOT)), [1]);
        assert_eq!(ids(&stock.next_lot(SHARES, MOST_IN_A_LOT)), [2, 3, 4]);
        assert_eq!(ids(&stock.next_lot(8 * SHARES, MOST_IN_A_LOT)), [5]);
        assert!(stock.next_lot(SHARES, MOST_IN_A_LOT).is_empty());
    }

    #[test]
    fn small_files_begin_several_together() {
        let mut stock = Stock::default();
        stock.make_ready((0..20).map(|id| job(id, "a", "x", 1)));
        assert!(
            stock
                .next_lot(MOST_IN_A_LOT / 2 - 1, MOST_IN_A_LOT)
                .is_empty(),
            "waits"
        );
        assert_eq!(
            stock.next_lot(MOST_IN_A_LOT / 2, MOST_IN_A_LOT).len(),
            MOST_IN_A_LOT / 2
        );
        assert_eq!(stock.next_lot(10, MOST_IN_A_LOT).len(), 10);
        assert_eq!(
            stock.next_lot(2, MOST_IN_A_LOT).len(),
            2,
            "the last ones do not wait"
        );
    }

    #[test]
    fn stock_runs_low_by_number_and_is_high_by_bytes() {
        let mut stock = Stock::default();
        assert!(stock.runs_low(1));
        stock.make_ready([job(1, "a", "1", RESERVED_BYTES)]);
        assert!(!stock.runs_low(1000));
        stock.next_lot(SHARES, MOST_IN_A_LOT);
        assert!(stock.runs_low(1000));
        stock.make_ready([job(2, "a", "2", 1)]);
        assert!(stock.runs_low(1));
        stock.make_ready([job(3, "a", "3", 1)]);
        assert!(!stock.runs_low(1));
    }

    #[test]
    fn files_are_registered_when_no_company_comes_or_after_a_while() {
        let now = Instant::now();
        let mut stock = Stock::default();
        stock.store(stored(1, "1"), now);
        assert!(stock.next_to_register(|_| true, 1, now).is_none());
        let (table, batch) = stock.next_to_register(|_| true, 0, now).unwrap();
        assert_eq!((table.as_str(), stored_ids(&batch)), ("a", vec![1]));
        stock.store(stored(2, "2"), now);
        assert!(stock.next_to_register(|_| true, 1, now + COMPANY).is_some());
        assert_eq!(stock.register_by(), None);
    }

    #[test]
    fn towards_the_end_files_are_registered_when_as_many_are_still_to_come() {
        let now = Instant::now();
        let mut stock = Stock::default();
        for id in 0..100 {
            stock.store(stored(id, &id.to_string()), now);
        }
        assert!(stock.next_to_register(|_| true, 101, now).is_none());
        let (_, batch) = stock.next_to_register(|_| true, 100, now).unwrap();
        assert_eq!(batch.len(), 100);
        stock.store(stored(1, "1"), now);
        assert!(
            stock.next_to_register(|_| true, 1, now).is_none(),
            "too few"
        );
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
        assert!(
            stock.unrecorded(now, |_| true).is_empty(),
            "company may come"
        );
        assert_eq!(stored_ids(&stock.unrecorded(now + COMPANY, |_| true)), [1]);
        assert!(stock.unrecorded(now + COMPANY, |_| true).is_empty());
        let (_, batch) = stock.next_to_register(|_| true, 0, now).unwrap();
        assert_eq!(stored_ids(&batch), [2]);
    }

    #[test]
    fn one_table_has_one_registration_at_a_time_and_no_name_twice_in_it() {
        let now = Instant::now();
        let mut stock = Stock::default();
        for (id, name) in [(1, "x"), (2, "y"), (3, "x")] {
            stock.store(stored(id, name), now);
        }
        let busy = |table: &str| table != "a";
        assert!(stock.next_to_register(busy, 0, now).is_none());
        let (_, batch) = stock.next_to_register(|_| true, 0, now).unwrap();
        assert_eq!(stored_ids(&batch), [1, 2]);
        let (_, batch) = stock.next_to_register(|_| true, 0, now).unwrap();
        assert_eq!(stored_ids(&batch), [3]);
    }
}
