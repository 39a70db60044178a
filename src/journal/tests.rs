//! The journal as its callers see it: a real file, opened again and again.

mod accounts;
mod after;
mod arrival;
mod bench;
#[cfg(debug_assertions)]
mod crash_points;
mod crashes;
mod damage;
mod existing;
mod follow;
mod full;
mod groups;
pub(super) mod heard;
mod history;
mod home;
mod imported;
mod imports;
mod known;
mod listings;
mod names;
mod next_versions;
mod prefixes;
mod receipts;
mod reports;
mod told;
mod upgrade;
mod wal;

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::job::{
    Awake, ByteOffset, HashState, Job, Md5, Moment, Naming, ParkReason, Progress, RemoteId,
    Reservation, SessionUrl, Sighting, State, StateName, Sums, TempUploadId, TempUrl, Template,
    WatchName,
};

use bench::*;

#[test]
fn a_version_becomes_one_job_however_often_it_is_seen() {
    let bench = Bench::new();
    assert_eq!(bench.enqueue(&[("a", 1), ("b", u64::MAX)]), 2);
    assert_eq!(bench.enqueue(&[("a", 1), ("b", u64::MAX)]), 0);
    let unknown = bench
        .journal()
        .unknown(
            &watch(),
            vec![sighting("a", 1), sighting("a", 2), sighting("b", u64::MAX)],
        )
        .unwrap();
    assert_eq!(unknown, [sighting("a", 2)]);
    assert_eq!(bench.jobs()[1].seen, sighting("b", u64::MAX).seen);
}

#[test]
fn new_jobs_are_announced_and_known_ones_are_not() {
    let bench = Bench::new();
    let mut news = bench.journal().news();
    bench.enqueue(&[("a", 1)]);
    assert!(news.has_changed().unwrap());
    news.mark_unchanged();
    bench.enqueue(&[("a", 1)]);
    assert!(!news.has_changed().unwrap());
}

#[test]
fn a_newer_version_supersedes_those_that_are_not_stored_yet() {
    let bench = Bench::new();
    bench.enqueue(&[("a", 1)]);
    let claimed = claim(&bench.journal(), Queue::Queued).remove(0);
    bench.enqueue(&[("a", 2), ("b", 1)]);
    let states: Vec<_> = bench.jobs().iter().map(|job| job.state.name()).collect();
    assert_eq!(
        states,
        [StateName::Superseded, StateName::Queued, StateName::Queued]
    );
    // and the worker that had the old one is told
    let mut job = claimed;
    job.state = job.state.reserve(reservation()).unwrap();
    assert!(!record(&bench.journal(), StateName::Queued, job, Hold::Keep).unwrap());
}

#[test]
fn a_job_is_claimed_once_and_free_again_after_a_restart() {
    let mut bench = Bench::new();
    bench.enqueue(&[("a", 1), ("b", 1)]);
    assert_eq!(claim(&bench.journal(), Queue::Queued).len(), 2);
    assert_eq!(claim(&bench.journal(), Queue::Queued).len(), 0);
    bench.reopen();
    assert_eq!(claim(&bench.journal(), Queue::Queued).len(), 2);
}

#[test]
fn a_job_that_backs_off_is_handed_out_when_its_time_has_come() {
    let bench = Bench::new();
    bench.enqueue(&[("a", 1)]);
    let job = claim(&bench.journal(), Queue::Queued).remove(0);
    let later = now() + SignedDuration::from_secs(60);
    assert!(record(&bench.journal(), StateName::Queued, job, Hold::Until(later)).unwrap());
    assert!(claim(&bench.journal(), Queue::Queued).is_empty());
    assert_eq!(
        block(bench.journal().next_due(Queue::Queued, &watch())).unwrap(),
        Some(later)
    );
    assert_eq!(
        block(bench.journal().claim(Queue::Queued, &watch(), 10, later))
            .unwrap()
            .len(),
        1
    );
}

fn reservation() -> Reservation {
    let (temp, url) = (TempUploadId::new("t1"), TempUrl::new("http://127.0.0.1/u"));
    Reservation {
        temp,
        url,
        resumable: true,
        at: now(),
    }
}

/// The whole way, and every way out of it.
fn ways() -> Vec<Vec<State>> {
    let sums = Sums {
        crc32c: u32::MAX,
        md5: Some(Md5([7; 16])),
    };
    let progress = Progress {
        session: SessionUrl::new("http://127.0.0.1/s"),
        opened: Moment {
            at: now(),
            awake: Some(Awake {
                boot: "boot".into(),
                millis: 12,
            }),
        },
        confirmed: ByteOffset::ZERO,
        bound: ByteOffset::new(1 << 20),
        hash: HashState(vec![1, 2, 3]),
    };
    let reserved = State::Queued.reserve(reservation()).unwrap();
    let uploading = reserved.clone().open_session(progress).unwrap();
    let (at, bound) = (ByteOffset::new(1 << 20), ByteOffset::new(1 << 21));
    let further = uploading
        .clone()
        .confirm(at, bound, HashState(vec![4]))
        .unwrap();
    let uploaded = further.clone().complete(sums).unwrap();
    let registering = uploaded.clone().intend(now()).unwrap();
    let again = registering.clone().intend(now()).unwrap();
    let registered = again.clone().register(RemoteId::new("r1")).unwrap();
    let done = registered.clone().finish().unwrap();
    let parked = again.clone().park(ParkReason::RemoteDiffers).unwrap();
    let no_md5 = reserved
        .clone()
        .complete(Sums { md5: None, ..sums })
        .unwrap();
    vec![
        vec![
            reserved.clone(),
            uploading,
            further,
            uploaded,
            registering,
            again.clone(),
            registered,
            done,
        ],
        vec![
            reserved.clone(),
            no_md5.clone(),
            no_md5.intend(now()).unwrap(),
            parked,
        ],
        vec![reserved.clone(), reserved.clone().renew().unwrap()],
        vec![reserved.clone().supersede().unwrap()],
        vec![reserved.miss().unwrap()],
    ]
}

#[test]
fn the_version_before_and_newer_ones_are_known() {
    let bench = Bench::new();
    bench.enqueue(&[("a", 1), ("b", 1)]);
    let journal = bench.journal();
    let jobs = claim(&journal, Queue::Queued);
    assert!(block(journal.last(&jobs)).unwrap().is_empty());
    assert!(block(journal.outdated(&jobs)).unwrap().is_empty());
    let first = jobs[0].clone();
    let mut way = ways().remove(0).into_iter();
    let done = way.find(|state| state.name() == StateName::Done).unwrap();
    let job = Job {
        state: done.clone(),
        ..first.clone()
    };
    assert!(record(&journal, StateName::Queued, job, Hold::Keep).unwrap());
    bench.enqueue(&[("a", 2)]);
    let again = claim(&journal, Queue::Queued);
    let before = block(journal.last(&again)).unwrap();
    let Last::InTable(before) = &before[&again[0].id] else {
        panic!("{before:?}");
    };
    assert_eq!(Some(&before.remote), done.remote_id());
    assert_eq!((before.size, before.md5), (first.seen.size, done.md5()));
    let outdated = block(journal.outdated(&jobs)).unwrap();
    assert_eq!(outdated, [first.id].into());

    // the second one is about to be registered: a third waits for it
    let mut way = ways().remove(0).into_iter();
    let registering = way.find(|state| state.name() == StateName::Registering);
    let job = Job {
        state: registering.unwrap(),
        ..again[0].clone()
    };
    assert!(record(&journal, StateName::Queued, job, Hold::Keep).unwrap());
    bench.enqueue(&[("a", 3)]);
    let third = claim(&journal, Queue::Queued);
    assert_eq!(
        block(journal.last(&third)).unwrap(),
        [(third[0].id, Last::UnderWay)].into()
    );

    // the first one is in the table: what came after does not take that away
    assert!(block(journal.superseded(&jobs)).unwrap().is_empty());
    bench.enqueue(&[("b", 2)]);
    let superseded = block(journal.superseded(&jobs)).unwrap();
    assert_eq!(superseded, [jobs[1].id].into());
}

#[test]
fn a_wrong_clock_keeps_nobody_waiting_for_years() {
    let bench = Bench::new();
    bench.enqueue(&[("a", 1), ("b", 1)]);
    let mut jobs = claim(&bench.journal(), Queue::Queued);
    let far = now() + SignedDuration::from_hours(24 * 365 * 30);
    let soon = now() + SignedDuration::from_mins(4);
    for (job, at) in [(jobs.remove(0), far), (jobs.remove(0), soon)] {
        record(&bench.journal(), StateName::Queued, job, Hold::Until(at)).unwrap();
    }
    assert!(block(bench.journal().mend_waits(now())).unwrap());
    let free: Vec<_> = claim(&bench.journal(), Queue::Queued);
    assert_eq!(free.len(), 1, "the other one waits as it should");
    assert_eq!(free[0].remote_name, "a");
    assert!(!block(bench.journal().mend_waits(now())).unwrap());
}

#[test]
fn jobs_of_a_watch_that_is_no_more_are_parked_until_it_is_again() {
    let bench = Bench::new();
    bench.enqueue(&[("a", 1), ("b", 1)]);
    let begin = |watches| block(bench.journal().begin("1", watches, now())).unwrap();
    let mine = || vec![configured("/w", "t")];
    begin(Vec::new());
    let states = || -> Vec<_> { bench.jobs().iter().map(|job| job.state.name()).collect() };
    assert_eq!(states(), [StateName::Parked, StateName::Parked]);
    begin(mine());
    assert_eq!(states(), [StateName::Queued, StateName::Queued]);
}

#[test]
fn every_state_reads_back_as_it_was_written() {
    for way in ways() {
        let bench = Bench::new();
        bench.enqueue(&[("a", 1)]);
        let mut job = claim(&bench.journal(), Queue::Queued).remove(0);
        for state in way {
            let from = std::mem::replace(&mut job.state, state).name();
            assert!(record(&bench.journal(), from, job.clone(), Hold::Keep).unwrap());
            assert_eq!(bench.jobs(), [job.clone()]);
        }
    }
}

#[test]
fn an_interrupted_job_is_handed_out_with_its_session() {
    let mut bench = Bench::new();
    bench.enqueue(&[("a", 1)]);
    let mut job = claim(&bench.journal(), Queue::Queued).remove(0);
    for state in &ways()[0][..3] {
        let from = std::mem::replace(&mut job.state, state.clone()).name();
        record(&bench.journal(), from, job.clone(), Hold::Keep).unwrap();
    }
    bench.reopen();
    assert_eq!(claim(&bench.journal(), Queue::Queued), []);
    assert_eq!(claim(&bench.journal(), Queue::Interrupted), [job]);
}

#[test]
fn an_impossible_record_is_refused_alone() {
    let bench = Bench::new();
    bench.enqueue(&[("a", 1), ("b", 1)]);
    let mut jobs = claim(&bench.journal(), Queue::Queued);
    let (mut good, mut bad) = (jobs.remove(0), jobs.remove(0));
    good.state = good.state.reserve(reservation()).unwrap();
    let mut way = ways().remove(0);
    bad.state = match way.remove(2) {
        // beyond the end of the file
        State::Uploading(reservation, progress) => State::Uploading(
            reservation,
            Progress {
                bound: ByteOffset::new(1 << 50),
                ..progress
            },
        ),
        other => other,
    };
    let journal = bench.journal();
    let (one, two) = block(async {
        let entry = |job: Job| {
            let hold = Hold::Keep;
            Entry {
                job,
                from: StateName::Queued,
                hold,
                error: None,
                note: String::new(),
            }
        };
        tokio::join!(
            journal.record(entry(good), now()),
            journal.record(entry(bad), now())
        )
    });
    assert!(one.unwrap());
    assert!(matches!(two, Err(JournalError::Rejected(_))));
    let states: Vec<_> = bench.jobs().iter().map(|job| job.state.name()).collect();
    assert_eq!(states, [StateName::Reserved, StateName::Queued]);
}

#[test]
fn a_job_that_is_done_keeps_no_secret() {
    let bench = Bench::new();
    bench.enqueue(&[("a", 1)]);
    let mut job = claim(&bench.journal(), Queue::Queued).remove(0);
    for state in ways().remove(0) {
        let from = std::mem::replace(&mut job.state, state).name();
        record(&bench.journal(), from, job.clone(), Hold::Keep).unwrap();
    }
    let connection = rusqlite::Connection::open(&bench.path).unwrap();
    let urls: i64 = connection
        .query_row(
            "SELECT count(temp_url) + count(session_url) FROM jobs",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(urls, 0);
}

#[test]
fn a_version_that_only_seemed_to_be_gone_gets_a_second_life() {
    let bench = Bench::new();
    bench.enqueue(&[("a", 1)]);
    let mut job = claim(&bench.journal(), Queue::Queued).remove(0);
    job.state = job.state.miss().unwrap();
    let id = job.id;
    record(&bench.journal(), StateName::Queued, job, Hold::Keep).unwrap();
    let seen = vec![sighting("a", 1)];
    let unknown = bench.journal().unknown(&watch(), seen.clone()).unwrap();
    assert_eq!(unknown, seen);
    assert_eq!(bench.enqueue(&[("a", 1)]), 1);
    let again = claim(&bench.journal(), Queue::Queued).remove(0);
    assert_eq!((again.id, again.state), (id, State::Queued));
    // but what is on its way, or done, does not begin again
    assert_eq!(bench.enqueue(&[("a", 1)]), 0);
}

#[test]
fn a_start_tries_parked_jobs_again_but_not_what_the_table_has_otherwise() {
    let bench = Bench::new();
    bench.enqueue(&[("refused", 1), ("foreign", 1), ("unanswered", 1)]);
    let unresolved = ways()[0][4].clone();
    for (mut job, (state, reason)) in claim(&bench.journal(), Queue::Queued).into_iter().zip([
        (State::Queued, ParkReason::Refused),
        (unresolved.clone(), ParkReason::RemoteDiffers),
        (unresolved, ParkReason::GaveUp),
    ]) {
        job.state = state.park(reason).unwrap();
        record(&bench.journal(), StateName::Queued, job, Hold::Keep).unwrap();
    }
    let watches = vec![configured("/drop", "lab.data.other")];
    block(bench.journal().begin("1", watches, now())).unwrap();
    let states: Vec<_> = bench
        .jobs()
        .iter()
        .map(|job| (job.state.name(), job.table.clone()))
        .collect();
    let (old, new) = ("lab.data.raw".to_owned(), "lab.data.other".to_owned());
    assert_eq!(
        states,
        [
            (StateName::Queued, new),
            (StateName::Parked, old.clone()),
            (StateName::Registering, old),
        ]
    );
}

#[test]
fn a_closed_journal_is_free_at_once_whoever_has_a_handle() {
    let bench = Bench::new();
    let journal = bench.journal();
    block(journal.close());
    drop(Journal::open(&bench.path).unwrap());
    assert!(matches!(
        journal.unknown(&watch(), Vec::new()),
        Err(JournalError::Closed)
    ));
}

#[test]
fn a_run_that_waits_for_nothing_tries_at_once_what_failed_before() {
    let bench = Bench::new();
    bench.enqueue(&[("a", 1)]);
    let mut job = claim(&bench.journal(), Queue::Queued).remove(0);
    job.attempts = OFTEN;
    let later = now() + SignedDuration::from_secs(60);
    record(&bench.journal(), StateName::Queued, job, Hold::Until(later)).unwrap();
    let failing = |bench: &Bench| Reader::open(&bench.path).unwrap().counts().unwrap()[0].failing;
    assert_eq!(failing(&bench), 1);
    block(bench.journal().wait_for_nothing()).unwrap();
    assert_eq!(failing(&bench), 0);
    assert_eq!(claim(&bench.journal(), Queue::Queued)[0].attempts, 0);
}
