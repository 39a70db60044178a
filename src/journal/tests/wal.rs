//! The WAL stays short; somebody who reads for long makes it grow by what is written, and no longer.

use std::time::{Duration, Instant};

use super::*;

/// Bytes that a journal's WAL may have when nobody is in the way.
const BOUND: u64 = 8 << 20;

fn wal_bytes(bench: &Bench) -> u64 {
    Reader::open(&bench.path).unwrap().troubles().wal_bytes
}

/// So many records, some in a commit, as while files are on their way; then the jobs are given back.
fn write(bench: &Bench, records: usize) {
    const TOGETHER: usize = 25;
    let journal = bench.journal();
    let jobs = block(journal.claim(Queue::Queued, &watch(), 1000, now())).unwrap();
    assert_eq!(jobs.len(), 1000);
    // what does not change a row is not written
    let mut attempts = 0;
    let mut record = |jobs: &[Job], hold| {
        attempts += 1;
        let entries = jobs.iter().map(|job| {
            let job = job.clone();
            entry(Job { attempts, ..job }, hold)
        });
        let applied = block(journal.record_all(entries.collect(), now())).unwrap();
        assert_eq!(applied.len(), jobs.len());
    };
    let groups = jobs.chunks(TOGETHER).cycle();
    groups
        .take(records / TOGETHER)
        .for_each(|group| record(group, Hold::Keep));
    record(&jobs, Hold::Until(now()));
}

fn entry(job: Job, hold: Hold) -> Entry {
    Entry {
        job,
        from: StateName::Queued,
        hold,
        error: None,
        note: String::new(),
    }
}

fn with_jobs() -> Bench {
    let bench = Bench::new();
    let names: Vec<String> = (0..1000).map(|n| format!("file {n}")).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
    bench.enqueue(&files);
    bench
}

#[test]
fn the_wal_is_bounded_however_much_is_written() {
    let bench = with_jobs();
    let mut before = 0;
    for _ in 0..8 {
        write(&bench, 2_500);
        let bytes = wal_bytes(&bench);
        assert!(bytes <= BOUND, "{bytes}");
        // and when it begins anew, what it has of the disk stays with it
        assert!(bytes >= before, "{bytes} after {before}");
        before = bytes;
    }
    assert_eq!(Reader::open(&bench.path).unwrap().troubles().long_wal, None);
}

#[test]
fn a_reader_that_stays_lets_the_wal_grow_and_then_it_shrinks_again() {
    let bench = with_jobs();
    let guest = rusqlite::Connection::open(&bench.path).unwrap();
    guest.execute_batch("BEGIN").unwrap();
    let seen = |guest: &rusqlite::Connection| -> i64 {
        let sql = "SELECT count(*) FROM jobs WHERE next_attempt_at > 0";
        guest.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(seen(&guest), 0);
    let mut written = 0;
    let warning = loop {
        write(&bench, 10_000);
        written += 11_000;
        let warning = Reader::open(&bench.path).unwrap().troubles().long_wal;
        if let Some(warning) = warning.filter(|_| written >= 50_000) {
            break warning;
        }
        assert!(written < 1_000_000, "never told");
    };
    assert!(
        warning.contains("MiB") && warning.contains("-wal"),
        "{warning}"
    );
    let grown = wal_bytes(&bench);
    eprintln!(
        "{written} records beside a reader: a WAL of {} MiB",
        grown >> 20
    );
    // the reader still has its view, and the next daemon would have all
    assert_eq!(seen(&guest), 0);
    guest.execute_batch("COMMIT").unwrap();
    // by itself: what is written from time to time is enough
    let deadline = Instant::now() + Duration::from_mins(1);
    while wal_bytes(&bench) > BOUND {
        assert!(Instant::now() < deadline, "{}", wal_bytes(&bench));
        write(&bench, 0);
    }
    assert_eq!(Reader::open(&bench.path).unwrap().troubles().long_wal, None);
    assert!(seen(&guest) > 0);
}

#[test]
fn a_listing_holds_no_transaction_while_its_rows_are_shown() {
    let bench = with_jobs();
    let names: Vec<String> = (1000..2500).map(|n| format!("file {n}")).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
    bench.enqueue(&files);
    let reader = Reader::open(&bench.path).unwrap();
    let other = rusqlite::Connection::open(&bench.path).unwrap();
    other.busy_timeout(Duration::ZERO).unwrap();
    let mut names = Vec::new();
    let in_the_way = |other: &rusqlite::Connection| -> bool {
        let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
        other.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    reader
        .jobs(&Filter::default(), |row| {
            if names.len() % 700 == 0 {
                assert!(!in_the_way(&other), "after {} rows", names.len());
            }
            names.push(row.job.remote_name);
            true
        })
        .unwrap();
    let all: Vec<String> = (0..2500).map(|n| format!("file {n}")).collect();
    assert_eq!(names, all);

    // the newest, over the border of a page; no more than asked for; and no more than wanted
    let list = |filter: &Filter, wanted: usize| {
        let mut names = Vec::new();
        let mut each = |row: JobRow| {
            names.push(row.job.remote_name);
            names.len() < wanted
        };
        reader.jobs(filter, &mut each).unwrap();
        names
    };
    for limit in [0, 1, 1000, 1001, 2499, 9000] {
        let filter = Filter {
            limit: Some(limit),
            ..Filter::default()
        };
        let newest = &all[all.len().saturating_sub(limit)..];
        assert_eq!(list(&filter, usize::MAX), newest, "{limit}");
        let some = &newest[..newest.len().min(3)];
        assert_eq!(list(&filter, 3), some, "{limit}");
    }
}
