//! What Redivis has taken in, and nothing proves yet or any more.

use super::imports::{import, import_first};
use super::*;
use crate::job::{JobId, Sums, address};

fn park(bench: &Bench, job: &Job, reason: ParkReason) {
    let from = job.state.name();
    let parked = Job {
        state: job.state.clone().park(reason).unwrap(),
        ..job.clone()
    };
    assert!(record(&bench.journal(), from, parked, Hold::Keep).unwrap());
}

/// The next version of `a`, and what is known of the one before.
fn next_version(bench: &Bench, ino: u64) -> (Job, Option<Last>) {
    assert_eq!(bench.enqueue(&[("a", ino)]), 1);
    let job = claim(&bench.journal(), Queue::Queued).remove(0);
    let last = block(bench.journal().last(std::slice::from_ref(&job)));
    let last = last.unwrap().remove(&job.id);
    (job, last)
}

fn rows(bench: &Bench) -> i64 {
    let connection = rusqlite::Connection::open(&bench.path).unwrap();
    let count = "SELECT count(*) FROM imports";
    connection.query_row(count, [], |row| row.get(0)).unwrap()
}

/// As [`import_first`] has it.
fn before() -> Before {
    Before {
        remote: RemoteId::new("/u/a"),
        size: 1 << 40,
        md5: Some(Md5([7; 16])),
    }
}

#[test]
fn a_version_without_a_proof_is_known_and_one_that_came_to_nothing_is_not() {
    let known = || Some(Last::Unproven(before()));
    for (reason, want) in [
        (ParkReason::NotProven, known()),
        (ParkReason::ImportFailed, None),
        (ParkReason::NoRows, None),
        (ParkReason::RemoteDiffers, None),
    ] {
        let bench = Bench::new();
        bench.enqueue(&[("a", 1)]);
        let first = import_first(&bench);
        park(&bench, &first, reason);
        let (_, last) = next_version(&bench, 2);
        assert_eq!(last, want, "{reason}");
    }
}

#[test]
fn what_a_version_without_a_proof_had_goes_over_to_the_one_with_its_content() {
    let bench = Bench::new();
    bench.enqueue(&[("a", 1)]);
    park(&bench, &import_first(&bench), ParkReason::NotProven);
    for ino in 2..4 {
        let (job, last) = next_version(&bench, ino);
        assert_eq!(last, Some(Last::Unproven(before())));
        park(&bench, &job, ParkReason::NotProven);
        // the versions before are over, and go; the last one waits for a person, and stays
        receipts::prune(&bench);
        assert_eq!((bench.jobs().len(), rows(&bench)), (1, 1));
    }
    // one that waits in the queue has nothing of it
    let (waiting, _) = next_version(&bench, 4);
    park(&bench, &waiting, ParkReason::Refused);
    assert_eq!(rows(&bench), 1);
    // given up because it seemed changed, and there all the same: its own import counts
    let (job, _) = next_version(&bench, 5);
    assert_eq!(bench.jobs()[0].state.name(), StateName::Superseded);
    let gone = Job {
        state: State::Missing,
        ..job
    };
    assert!(record(&bench.journal(), StateName::Queued, gone, Hold::Keep).unwrap());
    let (job, last) = next_version(&bench, 3);
    assert_eq!(job.id, bench.jobs()[0].id);
    assert_eq!(last, Some(Last::Unproven(before())));
}

#[test]
fn what_is_proven_has_a_receipt_and_needs_no_other_memory() {
    for finished in [false, true] {
        let bench = Bench::new();
        bench.enqueue(&[("a", 1)]);
        let importing = import_first(&bench);
        assert_eq!(rows(&bench), 1);
        let state = importing.state.clone().register(RemoteId::new("/u/a"));
        let state = state.unwrap();
        let proven = Job {
            state: if finished {
                state.finish().unwrap()
            } else {
                state
            },
            ..importing
        };
        let hold = Hold::Until(now());
        assert!(record(&bench.journal(), StateName::Importing, proven, hold).unwrap());
        assert_eq!(rows(&bench), 0);
        let (_, last) = next_version(&bench, 2);
        assert_eq!(last, Some(Last::InTable(before())));
    }
}

fn prove(bench: &Bench, job: Job) {
    let from = job.state.name();
    let sums = Sums {
        crc32c: 1,
        md5: Some(Md5([7; 16])),
    };
    let state = State::Done(RemoteId::new("/u"), sums);
    let proven = Job { state, ..job };
    assert!(record(&bench.journal(), from, proven, Hold::Keep).unwrap());
}

/// Its rows may be in the first table, whatever came of it in the other.
#[test]
fn what_nothing_proves_is_remembered_where_it_is_when_the_watch_goes_and_comes_back() {
    let mut bench = Bench::new();
    let there = address::at("https://eu.example/api/v1", "lab.data.raw");
    let begin = |bench: &Bench, table: &str| {
        let watches = vec![configured("/w", table)];
        block(bench.journal().begin("1", watches, now())).unwrap();
    };
    begin(&bench, "lab.data.raw");
    bench.enqueue(&[("a", 1)]);
    park(&bench, &import_first(&bench), ParkReason::NotProven);
    bench.reopen();
    begin(&bench, &there);
    let job = claim(&bench.journal(), Queue::Queued).remove(0);
    assert_eq!(job.table, there);
    let importing = import(&bench, job, "/u/b");
    assert_eq!(rows(&bench), 2);
    prove(&bench, importing);
    assert_eq!(rows(&bench), 1);
    bench.reopen();
    begin(&bench, "lab.data.raw");
    assert!(
        bench.jobs().is_empty(),
        "its receipt is for the other table"
    );
    let (_, last) = next_version(&bench, 1);
    assert_eq!(last, Some(Last::Unproven(before())));
}

/// The rows were put right by hand, or the file is registered as a file.
#[test]
fn what_is_proven_another_way_needs_no_memory_of_an_import_and_may_leave() {
    let mut bench = Bench::new();
    let watches = |table: &str| vec![configured("/w", table)];
    bench.enqueue(&[("a", 1)]);
    park(&bench, &import_first(&bench), ParkReason::ImportFailed);
    block(bench.journal().begin("1", watches("lab.data.raw"), now())).unwrap();
    prove(&bench, claim(&bench.journal(), Queue::Queued).remove(0));
    assert_eq!(rows(&bench), 0);
    let there = address::at("https://eu.example/api/v1", "lab.data.raw");
    bench.reopen();
    block(bench.journal().begin("1", watches(&there), now())).unwrap();
    assert!(bench.jobs().is_empty());
}

/// A start that is orderly tries an import again that failed, and what it is taken in as then counts.
#[test]
fn the_address_of_an_import_that_failed_is_known_until_the_next() {
    let bench = Bench::new();
    bench.enqueue(&[("a", 1)]);
    let importing = import_first(&bench);
    let knows = |uri: &str| {
        let uri = RemoteId::new(uri);
        block(bench.journal().is_address_known(&importing.table, &uri)).unwrap()
    };
    park(&bench, &importing, ParkReason::ImportFailed);
    assert!(knows("/u/a") && !knows("/u/b"));
    let watches = vec![configured("/w", "lab.data.raw")];
    block(bench.journal().begin("1", watches, now())).unwrap();
    let job = claim(&bench.journal(), Queue::Queued).remove(0);
    import(&bench, job, "/u/b");
    assert!(knows("/u/b") && !knows("/u/a"));
    assert_eq!(rows(&bench), 1);
}

#[test]
fn an_import_is_asked_about_since_it_was_first_asked_about() {
    let bench = Bench::new();
    bench.enqueue(&[("a", 1), ("b", 1)]);
    let first = import_first(&bench);
    let at = |millis: u64| Moment {
        at: now() + SignedDuration::from_millis(i64::try_from(millis).unwrap()),
        awake: Some(Awake {
            boot: "boot".into(),
            millis,
        }),
    };
    let since = |table: &str, millis: u64| {
        let asked = block(bench.journal().asked_since(table, at(millis))).unwrap();
        let mut asked: Vec<(JobId, Moment)> = asked.into_iter().collect();
        asked.sort_by_key(|(job, _)| *job);
        asked
    };
    assert_eq!(since("another", 1), []);
    assert_eq!(since(&first.table, 2), [(first.id, at(2))]);
    let second = bench.jobs().remove(1);
    import(&bench, second.clone(), "/u/b");
    let both = [(first.id, at(2)), (second.id, at(3))];
    assert_eq!(since(&first.table, 3), both);
    assert_eq!(since(&first.table, 4), both);
    park(&bench, &first, ParkReason::NotProven);
    assert_eq!(since(&first.table, 5), both[1..]);
}
