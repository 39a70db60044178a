//! Receipts, and jobs that go while theirs stay.

use super::*;
use crate::job::JobId;
use crate::journal::receipts::PAGE;

/// Carries queued files into their table.
fn carry_these(bench: &Bench, jobs: impl IntoIterator<Item = Job>) {
    let mut way = ways().remove(0).into_iter();
    let done = way.find(|state| state.name() == StateName::Done).unwrap();
    for job in jobs {
        let job = Job {
            state: done.clone(),
            ..job
        };
        assert!(record(&bench.journal(), StateName::Queued, job, Hold::Keep).unwrap());
    }
}

fn carry(bench: &Bench) {
    carry_these(bench, claim(&bench.journal(), Queue::Queued));
}

/// So many new files, called by their numbers, all of them carried.
fn carry_many(bench: &Bench, count: u32) -> Vec<String> {
    let names: Vec<_> = (0..count).map(|number| format!("{number:02}")).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
    bench.enqueue(&files);
    let is_queued = |job: &Job| job.state.name() == StateName::Queued;
    while bench.jobs().iter().any(is_queued) {
        carry(bench);
    }
    names
}

/// Of a queued file, if there is one at that path.
pub(super) fn carry_path(bench: &Bench, path: &str) {
    let at = |job: &Job| job.path == Path::new(path) && job.state.name() == StateName::Queued;
    carry_these(bench, bench.jobs().into_iter().find(at));
}

pub(super) fn receipts(bench: &Bench, filter: &ReceiptFilter) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    let reader = Reader::open(&bench.path).unwrap();
    let each = |receipt| {
        receipts.push(receipt);
        true
    };
    reader.receipts(filter, each).unwrap();
    receipts
}

fn all(bench: &Bench) -> Vec<Receipt> {
    receipts(bench, &ReceiptFilter::default())
}

fn rows(bench: &Bench, table: &str) -> i64 {
    let connection = rusqlite::Connection::open(&bench.path).unwrap();
    let count = format!("SELECT count(*) FROM {table}");
    connection.query_row(&count, [], |row| row.get(0)).unwrap()
}

/// Long after everything.
pub(super) fn prune(bench: &Bench) {
    let late = now() + SignedDuration::from_hours(24 * 400);
    while block(bench.journal().prune(late)).unwrap() {}
}

#[test]
fn every_way_into_a_table_is_given_one_receipt() {
    let bench = Bench::new();
    block(
        bench
            .journal()
            .begin("1", vec![configured("/drop", "t")], now()),
    )
    .unwrap();
    for way in ways() {
        let before = all(&bench).len();
        let ino = bench.jobs().len() as u64 + 1;
        bench.enqueue(&[("a", ino)]);
        let mut job = claim(&bench.journal(), Queue::Queued).remove(0);
        let mut is_in_table = false;
        for state in way {
            let from = std::mem::replace(&mut job.state, state).name();
            record(&bench.journal(), from, job.clone(), Hold::Keep).unwrap();
            is_in_table |= job.state.remote_id().is_some();
            let given = all(&bench).len() - before;
            assert_eq!(given, usize::from(is_in_table), "{}", job.state.name());
        }
        // the next one is not to find it in hand
        bench.edit("UPDATE jobs SET claimed = 0");
    }
    let receipt = all(&bench).remove(0);
    let job = bench.jobs().remove(0);
    assert_eq!(receipt.path, Path::new("/drop/a"));
    assert_eq!((receipt.job, receipt.seen), (job.id, job.seen));
    assert_eq!(receipt.md5, job.state.md5());
    assert_eq!(Some(&receipt.remote), job.state.remote_id());
    assert_eq!((receipt.created_at, receipt.registered_at), (now(), now()));
}

#[test]
fn no_receipt_is_ever_changed_or_removed() {
    let bench = Bench::new();
    bench.enqueue(&[("a", 1)]);
    carry(&bench);
    let connection = rusqlite::Connection::open(&bench.path).unwrap();
    for sql in ["UPDATE receipts SET size = 1", "DELETE FROM receipts"] {
        let error = connection.execute(sql, []).unwrap_err().to_string();
        assert!(error.contains("a receipt is never"), "{error}");
    }
    assert_eq!(all(&bench).len(), 1);
}

#[test]
fn what_ended_long_ago_goes_with_its_history_and_its_receipt_stays() {
    let bench = Bench::new();
    carry_many(&bench, 450);
    // one of every state that is not done, as old as the others
    bench.enqueue(&[
        ("missing", 1),
        ("superseded", 1),
        ("superseded", 2),
        ("parked", 1),
        ("open", 1),
    ]);
    for (path, state, ends) in [
        ("missing", "state = 'missing'", "finished_at = 1"),
        (
            "parked",
            "state = 'parked', reason = 'gave-up'",
            "finished_at = 1",
        ),
    ] {
        bench.edit(&format!(
            "UPDATE jobs SET {state}, {ends} WHERE path = CAST('{path}' AS BLOB)"
        ));
    }
    let before = all(&bench);
    assert_eq!(before.len(), 450);
    // nothing is old enough
    assert!(!block(bench.journal().prune(Timestamp::UNIX_EPOCH)).unwrap());
    assert_eq!(bench.jobs().len(), 455);
    prune(&bench);
    let left: Vec<_> = bench
        .jobs()
        .into_iter()
        .map(|job| job.remote_name)
        .collect();
    assert_eq!(left, ["superseded", "parked", "open"]);
    assert_eq!(rows(&bench, "history"), 3);
    assert_eq!(all(&bench), before);
}

#[test]
fn a_job_without_a_receipt_is_not_forgotten() {
    let bench = Bench::new();
    bench.enqueue(&[("a", 1)]);
    carry(&bench);
    bench.edit("DROP TRIGGER receipts_stay");
    bench.edit("DELETE FROM receipts");
    prune(&bench);
    assert_eq!(bench.jobs().len(), 1);
}

#[test]
fn a_version_whose_job_was_pruned_is_known_and_another_one_is_not() {
    let bench = Bench::new();
    let names = carry_many(&bench, 60);
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
    prune(&bench);
    assert_eq!(bench.jobs(), []);
    // some are there with their jobs, and one more was given up there
    bench.enqueue(&[("07", 2), ("new", 1)]);
    bench.edit(
        "UPDATE jobs SET state = 'missing', finished_at = 1 WHERE path = CAST('new' AS BLOB)",
    );
    let ask = |files: &[(&str, u64)]| {
        let files = files.iter().map(|(name, ino)| sighting(name, *ino));
        bench.journal().unknown(&watch(), files.collect()).unwrap()
    };
    assert_eq!(ask(&files), []);
    let other = [("00", 2), ("07", 1), ("59", 1), ("5-", 1), ("new", 1)];
    let unknown = [sighting("00", 2), sighting("5-", 1), sighting("new", 1)];
    assert_eq!(ask(&other), unknown);
    // a job is made of what is new only
    assert_eq!(bench.enqueue(&files), 0);
    assert_eq!(bench.enqueue(&[("00", 2), ("59", 1)]), 1);
}

#[test]
fn a_version_that_was_given_up_under_another_device_and_sent_stays_known() {
    let bench = Bench::new();
    bench.enqueue(&[("a", 1)]);
    carry(&bench);
    // the same version, as seen while its share had another number, and given up
    bench.edit(
        "INSERT INTO jobs (watch, path, dev, ino, size, mtime_ns, ctime_ns, remote_name, table_ref, created_at, kind, \
         state, finished_at) SELECT watch, path, 7, ino, size, mtime_ns, ctime_ns, remote_name, table_ref, \
         created_at, kind, 'missing', 9000000000000 FROM jobs",
    );
    prune(&bench);
    assert_eq!(bench.jobs().len(), 1, "the other one is not old enough");
    let file = sighting("a", 1);
    assert_eq!(bench.journal().unknown(&watch(), vec![file]).unwrap(), []);
    assert_eq!(bench.enqueue(&[("a", 1)]), 0);
}

#[test]
fn a_pruned_version_is_still_the_last_one_and_still_has_its_name() {
    let bench = Bench::new();
    bench.enqueue(&[("a", 1)]);
    carry(&bench);
    let done = bench.jobs().remove(0);
    prune(&bench);
    bench.enqueue(&[("a", 2)]);
    let again = claim(&bench.journal(), Queue::Queued);
    let last = block(bench.journal().last(&again)).unwrap();
    let Last::InTable(before) = &last[&again[0].id] else {
        panic!("{last:?}");
    };
    assert_eq!(Some(&before.remote), done.state.remote_id());
    assert_eq!(
        (before.size, before.md5),
        (done.seen.size, done.state.md5())
    );
    // and an older one is outdated by it
    let older = Job {
        id: JobId(0),
        ..again[0].clone()
    };
    let missing = "UPDATE jobs SET state = 'missing', finished_at = 1, claimed = 0";
    bench.edit(missing);
    let outdated = block(bench.journal().outdated(&[older])).unwrap();
    assert_eq!(outdated.len(), 1);
    // another file may not have its name; the same one, moved, may
    let named = |path: &str, ino| NewJob {
        sighting: sighting(path, ino),
        remote_name: "a".into(),
    };
    let enqueue = |file| {
        let journal = bench.journal();
        journal
            .enqueue(&watch(), "lab.data.raw", vec![file], now())
            .unwrap();
        bench.jobs().pop().unwrap().state.name()
    };
    assert_eq!(enqueue(named("b", 9)), StateName::Parked);
    assert_eq!(enqueue(named("c", 1)), StateName::Queued);
}

#[test]
fn receipts_are_found_by_path_md5_table_watch_and_time() {
    let bench = Bench::new();
    block(
        bench
            .journal()
            .begin("1", vec![configured("/drop", "t")], now()),
    )
    .unwrap();
    bench.enqueue(&[("run/a", 1), ("run/b", 1), ("run/a", 2)]);
    carry(&bench);
    bench.enqueue(&[("run/a", 3)]);
    carry(&bench);
    let md5 = all(&bench)[0].md5;
    let filter = |fill: &dyn Fn(&mut ReceiptFilter)| {
        let mut filter = ReceiptFilter::default();
        fill(&mut filter);
        filter
    };
    let path = |text: &str| filter(&|it| it.path = Some(text.into()));
    let table = |text: &str| filter(&|it| it.table = Some(text.into()));
    let of = |text: &str| filter(&|it| it.watch = Some(text.into()));
    let since = |at| filter(&|it| it.since = Some(at));
    let before = |at| filter(&|it| it.before = Some(at));
    let later = now() + SignedDuration::from_secs(1);
    for (filter, count) in [
        (ReceiptFilter::default(), 3),
        (path("run/a"), 2),
        (path("/drop/run"), 3),
        (path("p/r"), 3),
        (path("elsewhere"), 0),
        (filter(&|it| it.md5 = md5), 3),
        (filter(&|it| it.md5 = Some(Md5([9; 16]))), 0),
        (table("lab.data.raw"), 3),
        (table("lab.data"), 0),
        (filter(&|it| it.kind = Some("tabular".into())), 0),
        (of("w"), 3),
        (of("v"), 0),
        (since(now()), 3),
        (since(later), 0),
        (before(now()), 0),
        (before(later), 3),
        (
            filter(&|it| (it.path, it.before) = (Some("b".into()), Some(later))),
            1,
        ),
    ] {
        assert_eq!(receipts(&bench, &filter).len(), count, "{filter:?}");
    }
    let replaced = |name: &str| -> Vec<bool> {
        receipts(&bench, &path(name))
            .iter()
            .map(|receipt| receipt.replaced)
            .collect()
    };
    assert_eq!(replaced("run/a"), [true, false]);
    assert_eq!(replaced("run/b"), [false]);
    let tables = |filter| Reader::open(&bench.path).unwrap().receipt_tables(&filter);
    let files = ("lab.data.raw".to_owned(), "files".to_owned());
    assert_eq!(tables(path("run/a")).unwrap(), [files]);
    assert_eq!(tables(path("elsewhere")).unwrap(), []);
    let proofs = |path: &str| {
        let reader = Reader::open(&bench.path).unwrap();
        reader
            .proofs(&watch(), Path::new(path), "lab.data.other")
            .unwrap()
    };
    // one for each version
    assert_eq!(proofs("run/a"), [(1 << 40, md5), (1 << 40, md5)]);
    assert_eq!(proofs("run/b").len(), 1);
    assert_eq!(proofs("a"), []);
}

#[test]
fn receipts_are_read_page_by_page_until_it_is_enough() {
    let bench = Bench::new();
    let count = PAGE + 10;
    carry_many(&bench, u32::try_from(count).unwrap());
    assert_eq!(all(&bench).len(), count);
    for enough in [3, PAGE + 3] {
        let mut read = 0;
        let reader = Reader::open(&bench.path).unwrap();
        assert!(reader.has_receipts().unwrap());
        let each = |_| {
            read += 1;
            read < enough
        };
        reader.receipts(&ReceiptFilter::default(), each).unwrap();
        assert_eq!(read, enough);
    }
    // as an older version wrote it
    bench.edit("ALTER TABLE receipts RENAME TO of_later");
    assert!(!Reader::open(&bench.path).unwrap().has_receipts().unwrap());
}

#[test]
fn pruning_finds_what_ended_by_an_index() {
    let bench = Bench::new();
    let connection = rusqlite::Connection::open(&bench.path).unwrap();
    let plan = format!("EXPLAIN QUERY PLAN {}", prune::ENDED);
    let mut plan = connection.prepare(&plan).unwrap();
    let steps = plan.query_map([1, 1], |row| row.get::<_, String>("detail"));
    let steps: Vec<_> = steps.unwrap().map(Result::unwrap).collect();
    assert!(steps[0].contains("jobs_ended"), "{steps:?}");
    let sorts = |step: &String| step.contains("TEMP B-TREE") || step.starts_with("SCAN");
    assert!(!steps.iter().any(sorts), "{steps:?}");
}

/// There may be millions, and each page would sort all that are left.
#[test]
fn no_page_of_a_list_is_sorted() {
    let bench = Bench::new();
    let text = || Some("x".to_owned());
    let receipts = ReceiptFilter {
        table: text(),
        kind: text(),
        watch: text(),
        ..ReceiptFilter::default()
    };
    let whole = ReceiptFilter {
        is_whole: true,
        ..receipts.clone()
    };
    let jobs = Filter {
        watch: text(),
        ..Filter::default()
    };
    let pages = [
        receipts.page(JobId(7)),
        whole.page(JobId(7)),
        jobs.page(JobId(7), 10),
    ];
    let connection = rusqlite::Connection::open(&bench.path).unwrap();
    for (sql, values) in pages {
        let mut plan = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap();
        let steps = plan.query_map(rusqlite::params_from_iter(values), |row| {
            row.get::<_, String>("detail")
        });
        let steps: Vec<_> = steps.unwrap().map(Result::unwrap).collect();
        let sorts = steps.iter().any(|step| step.contains("TEMP B-TREE"));
        assert!(!sorts, "{sql}: {steps:?}");
    }
}
