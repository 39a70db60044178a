//! What reports read.

use super::heard::heard;
use super::*;

fn rows(bench: &Bench) -> Vec<JobRow> {
    let mut rows = Vec::new();
    let each = |row| {
        rows.push(row);
        true
    };
    let reader = Reader::open(&bench.path).unwrap();
    reader.jobs(&Filter::default(), each).unwrap();
    rows
}

#[test]
fn a_limited_listing_does_not_grow_by_what_comes_meanwhile() {
    let bench = Bench::new();
    bench.enqueue(&[("a", 1), ("b", 1), ("c", 1)]);
    let reader = Reader::open(&bench.path).unwrap();
    for limit in [1, 2] {
        let mut names = Vec::new();
        let filter = Filter {
            limit: Some(limit),
            ..Filter::default()
        };
        let each = |row: JobRow| {
            names.push(row.job.remote_name);
            let name = format!("{} of {limit}", names.len());
            names.len() < 9 && bench.enqueue(&[(&name, 1)]) == 1
        };
        reader.jobs(&filter, each).unwrap();
        assert_eq!(names.len(), limit, "{names:?}");
    }
}

#[test]
fn a_job_tells_when_it_may_go_on_while_it_waits_for_that() {
    let bench = Bench::new();
    bench.enqueue(&[("a", 1)]);
    let next = |bench: &Bench| rows(bench)[0].next_attempt_at;
    assert_eq!(next(&bench), None);
    let job = claim(&bench.journal(), Queue::Queued).remove(0);
    let later = now() + SignedDuration::from_secs(60);
    record(&bench.journal(), StateName::Queued, job, Hold::Until(later)).unwrap();
    assert_eq!(next(&bench), Some(later));
    block(bench.journal().claim(Queue::Queued, &watch(), 1, later)).unwrap();
    assert_eq!(next(&bench), None, "it is in hand");
}

#[test]
fn the_last_error_is_the_newest_of_those_that_still_matter() {
    let bench = Bench::new();
    bench.enqueue(&[("a", 1), ("b", 1), ("c", 1)]);
    let last = || Reader::open(&bench.path).unwrap().last_error().unwrap();
    assert_eq!(last(), None);
    let mut jobs = claim(&bench.journal(), Queue::Queued).into_iter();
    let mut fail = |error: &str, second: i64, state: Option<State>| {
        let mut job = jobs.next().unwrap();
        job.failing_since = Some(now() + SignedDuration::from_secs(second));
        job.state = state.unwrap_or(job.state);
        let entry = Entry {
            job,
            from: StateName::Queued,
            hold: Hold::Until(now()),
            error: Some(error.into()),
            note: String::new(),
        };
        assert!(block(bench.journal().record(entry, now())).unwrap());
    };
    fail("the newer", 2, None);
    fail("the older", 1, None);
    assert_eq!(last().as_deref(), Some("the newer"));
    fail("overcome", 3, Some(ways()[0][7].clone()));
    assert_eq!(last().as_deref(), Some("the newer"));
}

#[test]
fn what_a_watch_says_of_itself_is_there_for_whoever_asks() {
    let bench = Bench::new();
    let journal = bench.journal();
    block(journal.begin("1", vec![configured("/w", "t")], now())).unwrap();
    let row = WatchRow {
        account: "redivis".into(),
        name: watch(),
        path: "/w".into(),
        table: "t".into(),
        mode: "poll".into(),
        mode_reason: "a network".into(),
        settling: 1,
        held: 2,
        overflows: 3,
        last_scan_at: Some(now()),
        error: Some("one folder cannot be read".into()),
        closed: None,
    };
    journal.report_watch(row.clone()).unwrap();
    assert_eq!(Reader::open(&bench.path).unwrap().watches().unwrap(), [row]);
}

#[test]
fn a_start_after_a_crash_says_so_and_one_after_an_orderly_stop_does_not() {
    let mut bench = Bench::new();
    bench.enqueue(&[("a", 1)]);
    for (crash, want) in [(true, true), (false, false)] {
        claim(&bench.journal(), Queue::Queued);
        if !crash {
            block(bench.journal().close());
        }
        let (text, ()) = heard(|| bench.reopen());
        assert_eq!(text.contains("did not stop in order"), want, "{text}");
    }
}

#[test]
fn what_the_engine_says_of_itself_is_there_for_whoever_asks() {
    let bench = Bench::new();
    let (journal, reader) = (bench.journal(), Reader::open(&bench.path).unwrap());
    block(journal.begin("1", vec![configured("/w", "t")], now())).unwrap();
    block(journal.report_account(
        "redivis",
        AccountState::Paused,
        "no".into(),
        Some(now()),
        Some(7),
    ))
    .unwrap();
    block(journal.report_rate("redivis", 1234)).unwrap();
    block(journal.report_table("redivis", "t".into(), Some("released".into()))).unwrap();
    let row = reader.daemon().unwrap().unwrap();
    let account = reader.accounts().unwrap().remove(0);
    assert_eq!((&*account.state, &*account.reason), ("paused", "no"));
    assert_eq!(
        (account.throttled_until, account.budget_left),
        (Some(now()), Some(7))
    );
    assert_eq!((row.pid, row.rate), (std::process::id(), 1234));
    let closed = || reader.watches().unwrap().remove(0).closed;
    assert_eq!(closed(), Some("released".into()));
    block(journal.report_table("redivis", "another".into(), None)).unwrap();
    assert_eq!(closed(), Some("released".into()), "that was another table");
    block(journal.report_table("redivis", "t".into(), None)).unwrap();
    assert_eq!(closed(), None);
}

#[test]
fn the_history_tells_the_way() {
    let bench = Bench::new();
    bench.enqueue(&[("a", 1)]);
    let mut job = claim(&bench.journal(), Queue::Queued).remove(0);
    for state in ways().remove(0) {
        let from = std::mem::replace(&mut job.state, state).name();
        record(&bench.journal(), from, job.clone(), Hold::Keep).unwrap();
    }
    let history = Reader::open(&bench.path).unwrap().history(job.id).unwrap();
    let states: Vec<_> = history.iter().map(|row| row.state.as_str()).collect();
    let want = [
        "queued",
        "reserved",
        "uploading",
        "uploaded",
        "registering",
        "registered",
        "done",
    ];
    assert_eq!(states, want);
}
