//! What follows when the daemon crashes again and again.

use super::rows::millis;
use super::*;

/// A start, `hours` after the first one.
fn begin(bench: &Bench, hours: i64) -> Timestamp {
    let at = now() + SignedDuration::from_hours(hours);
    let configured = configured("/drop", "lab.data.raw");
    block(bench.journal().begin("1", vec![configured], at)).unwrap();
    at
}

/// Everything that may go on at `at`.
fn claim_all(bench: &Bench, at: Timestamp) -> Vec<Job> {
    let claim = |queue| block(bench.journal().claim(queue, &watch(), 10_000, at)).unwrap();
    Queue::ALL.into_iter().flat_map(claim).collect()
}

/// No progress, but the daemon lives on: the server cannot be reached, say.
fn give_back(bench: &Bench, job: Job, at: Timestamp) {
    let later = at + SignedDuration::from_hours(1);
    let from = job.state.name();
    assert!(record(&bench.journal(), from, job, Hold::Until(later)).unwrap());
}

/// A life of the daemon, second by second, in which the file `culprit` kills it. Returns what it had in
/// hand then; nothing if that never was in hand.
fn live(bench: &mut Bench, begun: Timestamp, culprit: &str) -> Vec<String> {
    for second in 0..1000 {
        let at = begun + SignedDuration::from_secs(second);
        let taken = claim_all(bench, at);
        if taken.iter().any(|job| job.remote_name == culprit) {
            bench.reopen();
            return taken.into_iter().map(|job| job.remote_name).collect();
        }
        for job in taken {
            give_back(bench, job, at);
        }
    }
    Vec::new()
}

fn column(bench: &Bench, column: &str) -> Vec<i64> {
    let connection = rusqlite::Connection::open(&bench.path).unwrap();
    let sql = format!("SELECT {column} FROM jobs ORDER BY id");
    let mut statement = connection.prepare(&sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<rusqlite::Result<_>>().unwrap()
}

fn with_files(count: u64) -> (Bench, Vec<String>) {
    let bench = Bench::new();
    let names: Vec<String> = (0..count).map(|n| format!("file {n}")).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
    bench.enqueue(&files);
    (bench, names)
}

#[test]
fn a_file_that_crashes_the_daemon_each_time_is_parked_and_the_others_go_on() {
    let (mut bench, names) = with_files(40);
    let mut in_hand = Vec::new();
    for life in 0.. {
        let begun = begin(&bench, life);
        let taken = live(&mut bench, begun, &names[17]);
        if taken.is_empty() {
            break;
        }
        in_hand.push(taken.len());
    }
    assert_eq!(in_hand, [40, 40, 40, 40, 15, 1]);
    for (job, name) in bench.jobs().into_iter().zip(&names) {
        let want = if *name == names[17] {
            State::Parked(ParkReason::CrashLoop, None)
        } else {
            State::Queued
        };
        assert_eq!(job.state, want, "{name}");
    }
    let charged: i64 = column(&bench, "crashes").iter().sum();
    assert_eq!(charged, 6, "all others are acquitted");
    let reader = Reader::open(&bench.path).unwrap();
    let history = reader.history(bench.jobs()[17].id).unwrap();
    let note = history.last().unwrap().note.as_deref().unwrap();
    assert!(note.contains("crashed 6 times in a row"), "{note}");
}

#[test]
fn what_was_parked_for_crashes_is_tried_again_alone_after_an_orderly_stop_only() {
    let (mut bench, names) = with_files(3);
    for life in 0..6 {
        let begun = begin(&bench, life);
        assert!(!live(&mut bench, begun, &names[1]).is_empty());
    }
    let parked = |bench: &Bench| bench.jobs()[1].state.name() == StateName::Parked;
    let begun = begin(&bench, 6);
    assert!(parked(&bench));
    // the next crash has another cause, and is no reason to try this one again
    assert!(!live(&mut bench, begun, &names[0]).is_empty());
    begin(&bench, 7);
    assert!(parked(&bench));
    block(bench.journal().close());
    bench.reopen();
    let begun = begin(&bench, 8);
    assert!(!parked(&bench));
    assert_eq!(live(&mut bench, begun, &names[1]), [names[1].as_str()]);
    begin(&bench, 9);
    assert!(parked(&bench), "one more crash is enough");
}

/// Each try leaves an upload that failed in the table.
#[test]
fn an_import_that_failed_is_tried_again_after_an_orderly_stop_only() {
    let (mut bench, _) = with_files(2);
    let begun = begin(&bench, 0);
    let job = claim_all(&bench, begun).remove(0);
    let entry = Entry {
        from: job.state.name(),
        job: Job {
            state: State::Parked(ParkReason::ImportFailed, None),
            ..job
        },
        hold: Hold::Keep,
        error: None,
        note: String::new(),
    };
    assert!(block(bench.journal().record(entry, begun)).unwrap());
    // the other one is still in hand
    bench.reopen();
    begin(&bench, 1);
    assert_eq!(bench.jobs()[0].state.name(), StateName::Parked);
    block(bench.journal().close());
    bench.reopen();
    begin(&bench, 2);
    assert_eq!(bench.jobs()[0].state.name(), StateName::Queued);
}

#[test]
fn nobody_is_charged_with_an_orderly_stop() {
    let (mut bench, _) = with_files(2);
    claim_all(&bench, now());
    block(bench.journal().close());
    bench.reopen();
    assert_eq!(column(&bench, "crashes"), [0, 0]);
    assert_eq!(column(&bench, "claimed"), [0, 0]);
    claim_all(&bench, now());
    bench.reopen();
    bench.reopen();
    assert_eq!(column(&bench, "crashes"), [1, 1], "once a crash");
    assert_eq!(column(&bench, "claimed"), [0, 0]);
}

/// Each move of [`ways`], with a crash before it: whether it acquits.
#[test]
fn coming_further_than_before_acquits_and_going_in_circles_does_not() {
    let uploaded = ways()[0][3].clone();
    let registering = ways()[0][4].clone();
    for (name, way, want) in [
        // reserved, uploading, confirmed, uploaded, registering, again, registered, done
        ("whole", ways()[0].clone(), vec![1, 2, 0, 0, 1, 2, 0, 0]),
        // by a plain PUT; parked by a daemon that lives
        ("plain", ways()[1].clone(), vec![1, 0, 1, 2]),
        ("renewed", ways()[2].clone(), vec![1, 2]),
        (
            "withdrawn",
            vec![ways()[0][0].clone(), registering, uploaded],
            vec![1, 0, 1],
        ),
    ] {
        let (mut bench, _) = with_files(1);
        for (state, crashes) in way.into_iter().zip(want) {
            let mut job = claim_all(&bench, now()).remove(0);
            bench.reopen();
            assert_eq!(claim_all(&bench, now()).len(), 1);
            let from = std::mem::replace(&mut job.state, state).name();
            assert!(record(&bench.journal(), from, job.clone(), Hold::Keep).unwrap());
            let seen = column(&bench, "crashes")[0];
            assert_eq!(seen, crashes, "{name}: {from} to {}", job.state.name());
            // free again, for the next crash
            bench.edit("UPDATE jobs SET claimed = 0");
        }
    }
}

#[test]
fn a_job_that_is_given_back_is_acquitted() {
    let (mut bench, _) = with_files(1);
    claim_all(&bench, now());
    bench.reopen();
    let job = claim_all(&bench, now()).remove(0);
    assert_eq!(column(&bench, "crashes"), [1]);
    give_back(&bench, job, now());
    assert_eq!(column(&bench, "crashes"), [0]);
}

#[test]
fn a_registered_job_is_never_parked_but_still_set_apart() {
    let (mut bench, _) = with_files(2);
    let mut job = claim(&bench.journal(), Queue::Queued).remove(0);
    for state in ways()[0][..7].iter().cloned() {
        let from = std::mem::replace(&mut job.state, state).name();
        record(&bench.journal(), from, job.clone(), Hold::Keep).unwrap();
    }
    for life in 0..8 {
        bench.reopen();
        begin(&bench, life);
        claim_all(&bench, now() + SignedDuration::from_hours(life + 1));
    }
    let states: Vec<_> = bench.jobs().iter().map(|job| job.state.name()).collect();
    assert_eq!(states, [StateName::Registered, StateName::Parked]);
}

#[test]
fn whoever_was_in_hand_with_the_culprit_is_acquitted_and_waits_no_longer() {
    let (mut bench, _) = with_files(3);
    // the second was set apart as a suspect; the third also failed, and backs off
    let later = millis(now() + SignedDuration::from_hours(2));
    bench.edit(&format!(
        "UPDATE jobs SET claimed = id = 1, crashes = 6 - id, attempts = id = 3, next_attempt_at = {later}"
    ));
    bench.reopen();
    begin(&bench, 1);
    assert_eq!(bench.jobs()[0].state.name(), StateName::Parked);
    assert_eq!(column(&bench, "crashes"), [6, 0, 0]);
    assert_eq!(column(&bench, "next_attempt_at")[1..], [0, later]);
}
