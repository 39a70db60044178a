//! What is taken up when, and with what.

use super::*;
use crate::job::{Fingerprint, JobId, Kind, State, Sums, Troubles};
use crate::journal::Before;

fn w() -> WatchName {
    WatchName::new("w")
}

pub(in crate::engine) fn job(id: i64, table: &str, name: &str, size: u64) -> Job {
    Job {
        id: JobId(id),
        watch: WatchName::new("w"),
        path: name.into(),
        remote_name: name.into(),
        table: table.into(),
        kind: Kind::Files,
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
    assert_eq!(
        ids(&stock.next_to_reserve(true, i64::MIN, |_| true)),
        [1, 2]
    );
    assert_eq!(ids(&stock.next_to_reserve(true, i64::MIN, |_| true)), [3]);
    assert_eq!(ids(&stock.next_to_reserve(true, i64::MIN, |_| true)), [4]);
    assert!(stock.next_to_reserve(true, i64::MIN, |_| true).is_empty());
    let many = i64::try_from(BATCH_LIMIT).unwrap() + 1;
    stock
        .queued
        .extend((0..many).map(|id| job(id, "a", "x", 1)));
    assert_eq!(
        stock.next_to_reserve(true, i64::MIN, |_| true).len(),
        BATCH_LIMIT
    );
    assert_eq!(stock.next_to_reserve(true, i64::MIN, |_| true).len(), 1);
}

#[test]
fn the_first_batch_is_small_so_that_sending_begins_early() {
    let mut stock = Stock::default();
    let many = i64::try_from(2 * BATCH_LIMIT).unwrap();
    let jobs = (0..many).map(|id| job(id, "a", "x", 1));
    stock.queued.extend(jobs);
    assert_eq!(
        stock.next_to_reserve(false, i64::MIN, |_| true).len(),
        FIRST_BATCH
    );
    stock.make_ready([job(1, "a", "1", 1)]);
    assert_eq!(
        stock.next_to_reserve(false, i64::MIN, |_| true).len(),
        BATCH_LIMIT
    );
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
    assert!(stock.runs_low(1, &w()));
    stock.make_ready([job(1, "a", "1", RESERVED_BYTES)]);
    assert!(!stock.runs_low(1000, &w()));
    stock.next_lot(SHARES, MOST_IN_A_LOT);
    assert!(stock.runs_low(1000, &w()));
    stock.make_ready([job(2, "a", "2", 1)]);
    assert!(stock.runs_low(1, &w()));
    stock.make_ready([job(3, "a", "3", 1)]);
    assert!(!stock.runs_low(1, &w()));
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

/// Of the watches `low` and `high`; only the second one has a priority.
fn ranked() -> Stock {
    Stock::new(Priorities::new([(WatchName::new("high"), 7)]))
}

fn of(watch: &str, job: Job) -> Job {
    let watch = WatchName::new(watch);
    Job { watch, ..job }
}

#[test]
fn what_waits_for_a_worker_keeps_no_higher_priority_waiting() {
    let mut stock = ranked();
    let watches = ["low", "high"].map(WatchName::new);
    let low = |stock: &Stock| watches.each_ref().map(|watch| stock.runs_low(1, watch));
    stock.make_ready([of("low", job(1, "a", "1", RESERVED_BYTES))]);
    stock.make_ready([of("low", job(2, "a", "2", 1))]);
    assert_eq!(low(&stock), [false, true]);
    let waiting = [("low", 3), ("high", 4), ("low", 5)];
    let jobs = waiting.map(|(watch, id)| of(watch, job(id, "a", "x", 1)));
    stock.queued.extend(jobs);
    let least = stock.runs_low_from(1);
    assert_eq!(ids(&stock.next_to_reserve(true, least, |_| true)), [4]);
    assert!(stock.next_to_reserve(true, least, |_| true).is_empty());
    let ready = [
        of("high", job(4, "a", "4", 1)),
        of("high", job(6, "a", "6", 1)),
    ];
    stock.make_ready(ready);
    assert_eq!(low(&stock), [false, false]);
    assert_eq!(ids(&stock.next_lot(SHARES, MOST_IN_A_LOT)), [4, 6]);
    assert_eq!(ids(&stock.next_lot(SHARES, MOST_IN_A_LOT)), [1]);
}

#[test]
fn a_higher_priority_is_looked_at_looked_up_and_registered_first() {
    let now = Instant::now();
    let mut stock = ranked();
    let before = || {
        Last::Unproven(Before {
            remote: crate::job::RemoteId::new("r"),
            size: 1,
            md5: None,
        })
    };
    for (watch, table, id) in [
        ("low", "a", 1),
        ("low", "b", 2),
        ("high", "b", 3),
        ("high", "c", 4),
    ] {
        let job = of(watch, job(id, table, &id.to_string(), 1));
        stock.compare(job.clone(), before());
        stock.look_up([job.clone()]);
        stock.store(Stored::recorded(job), now);
    }
    let [low, high] = ["low", "high"].map(WatchName::new);
    assert_eq!((stock.to_compare(&low), stock.to_compare(&high)), (4, 2));
    assert_eq!((stock.to_register(&low), stock.to_register(&high)), (8, 4));
    let compared: Vec<_> = stock
        .next_to_compare(3)
        .into_iter()
        .map(|(job, _)| job)
        .collect();
    assert_eq!(ids(&compared), [3, 4, 1]);
    let looked_up: Vec<_> = (0..3)
        .map(|_| ids(&stock.next_to_look_up(|_| true)))
        .collect();
    assert_eq!(looked_up, [vec![3, 2], vec![4], vec![1]]);
    let registered: Vec<_> = (0..3)
        .map(|_| stored_ids(&stock.next_to_register(|_| true, 0, now).unwrap().1))
        .collect();
    assert_eq!(registered, [vec![3, 2], vec![4], vec![1]]);
}
