//! The journal's home, and watches that go to another endpoint and come back.

use super::heard::said;
use super::*;
use crate::job::{AfterIntent, Deed, address};

const HERE: &str = "lab.data.raw";
const FIRST: &str = "https://redivis.example/api/v1";
const OTHER: &str = "https://practice.example/api/v1";

fn start(bench: &Bench, table: &str) {
    let watches = vec![configured("/drop", table)];
    block(bench.journal().begin("1", watches, now())).unwrap();
}

fn enqueue_at(bench: &Bench, table: &str, name: &str) {
    let file = NewJob {
        sighting: sighting(name, 1),
        remote_name: name.into(),
    };
    let new = bench
        .journal()
        .enqueue(&watch(), table, vec![file], now())
        .unwrap();
    assert_eq!(new, 1, "{name}");
}

fn unknown(bench: &Bench, names: &[&str]) -> Vec<String> {
    let asked = names.iter().map(|name| sighting(name, 1)).collect();
    let unknown = bench.journal().unknown(&watch(), asked).unwrap();
    let paths = unknown.iter().map(|file| file.path.display().to_string());
    paths.collect()
}

fn standing(bench: &Bench) -> Vec<(String, &'static str, String)> {
    let jobs = bench.jobs().into_iter();
    let standing = jobs.map(|job| (job.remote_name, job.state.name().as_str(), job.table));
    standing.collect()
}

#[test]
fn a_journal_is_at_home_where_it_was_first_and_stays() {
    let mut bench = Bench::new();
    let read = |bench: &Bench| Reader::open(&bench.path).unwrap().home().unwrap();
    assert_eq!(read(&bench), None);
    for configured in [FIRST, OTHER] {
        let journal = bench.journal();
        let begun = journal.begin_at(configured.into(), "1", Vec::new(), now());
        block(begun).unwrap();
        drop(journal);
        assert_eq!(
            block(bench.journal().home()).unwrap().as_deref(),
            Some(FIRST)
        );
        bench.reopen();
        assert_eq!(read(&bench).as_deref(), Some(FIRST));
    }
    let connection = rusqlite::Connection::open(&bench.path).unwrap();
    for sql in ["UPDATE home SET endpoint = 'x'", "DELETE FROM home"] {
        let refused = connection.execute(sql, []).unwrap_err().to_string();
        assert!(
            refused.contains("the home of a journal is never"),
            "{refused}"
        );
    }
    // as an older version wrote it
    bench.edit("ALTER TABLE home RENAME TO of_later");
    assert_eq!(read(&bench), None);
}

#[test]
fn what_is_done_counts_at_its_own_endpoint_and_again_when_its_watch_comes_back() {
    let bench = Bench::new();
    let there = address::at(OTHER, HERE);
    start(&bench, HERE);
    bench.enqueue(&[("a", 1), ("b", 1), ("c", 1), ("d", 1), ("open", 1)]);
    for name in ["a", "b", "c", "d"] {
        receipts::carry_path(&bench, name);
    }
    let all = ["a", "b", "c", "d", "open"];
    assert_eq!(unknown(&bench, &all), [""; 0]);
    for left in ["files=4", ""] {
        let text = said(|| start(&bench, &there));
        assert_eq!(text.contains("its receipts stay"), !left.is_empty());
        assert!(text.contains(left), "{text}");
        assert_eq!(
            standing(&bench),
            [("open".to_owned(), "queued", there.clone())]
        );
        assert_eq!(unknown(&bench, &all), ["a", "b", "c", "d"]);
    }

    // there they are taken in, but not all of them arrive
    for name in ["a", "b", "c", "d"] {
        enqueue_at(&bench, &there, name);
    }
    receipts::carry_path(&bench, "d");
    for (name, reason) in [("b", "gave-up"), ("c", "name-collision")] {
        bench.edit(&format!(
            "UPDATE jobs SET state = 'parked', reason = '{reason}', finished_at = 1 WHERE remote_name = '{name}'"
        ));
    }
    start(&bench, HERE);
    let ended = |name: &str, table: &str| (name.to_owned(), "superseded", table.to_owned());
    let wanted = [
        ("open".to_owned(), "queued", HERE.to_owned()),
        ended("a", &there),
        // a start has called it back already
        ended("b", HERE),
        ended("c", &there),
    ];
    assert_eq!(standing(&bench), wanted);
    assert_eq!(unknown(&bench, &all), [""; 0]);
    assert_eq!(claim(&bench.journal(), Queue::Queued).len(), 1);
    let reader = Reader::open(&bench.path).unwrap();
    let history = reader.history(bench.jobs()[1].id).unwrap().pop().unwrap();
    let why = "job 1 has carried this version to where its watch goes now";
    assert_eq!(history.note.as_deref(), Some(why));

    // and what arrived there is known there, as is that the others did not
    start(&bench, &there);
    assert_eq!(unknown(&bench, &all), ["a", "b", "c"]);
    let mut receipts = Vec::new();
    let each = |receipt: Receipt| {
        receipts.push((receipt.remote_name, receipt.table == HERE));
        true
    };
    reader.receipts(&ReceiptFilter::default(), each).unwrap();
    let names = [
        ("a", true),
        ("b", true),
        ("c", true),
        ("d", true),
        ("d", false),
    ];
    assert_eq!(receipts, names.map(|(name, here)| (name.to_owned(), here)));
    for (table, is_whole, count) in [
        (HERE, false, 5),
        (HERE, true, 4),
        (&there, false, 1),
        (&there, true, 1),
    ] {
        let table = Some(table.to_owned());
        let filter = ReceiptFilter {
            table,
            is_whole,
            ..ReceiptFilter::default()
        };
        assert_eq!(
            receipts::receipts(&bench, &filter).len(),
            count,
            "{filter:?}"
        );
    }
    let proofs = |name: &str, table: &str| reader.proofs(&watch(), Path::new(name), table);
    assert_eq!(proofs("a", HERE).unwrap().len(), 1);
    assert_eq!(proofs("a", &there).unwrap(), []);
}

#[test]
fn no_file_is_moved_or_deleted_on_the_word_of_an_endpoint_that_its_watch_goes_to_no_more() {
    let bench = Bench::new();
    start(&bench, HERE);
    bench.enqueue(&[("a", 1), ("begun", 1)]);
    let way = ways().remove(0);
    let registered = way
        .into_iter()
        .find(|state| state.name() == StateName::Registered)
        .unwrap();
    for job in claim(&bench.journal(), Queue::Queued) {
        let job = Job {
            state: registered.clone(),
            ..job
        };
        assert!(record(&bench.journal(), StateName::Queued, job, Hold::Keep).unwrap());
    }
    let begun = bench.jobs()[1].id;
    let intent = AfterIntent {
        deed: Deed::Delete,
        root: "/drop".into(),
        aside: ".aside".into(),
    };
    block(bench.journal().intend_after(vec![(begun, intent)], now())).unwrap();
    start(&bench, &address::at(OTHER, HERE));
    // what has begun is ended
    assert_eq!(
        standing(&bench),
        [("begun".to_owned(), "registered", HERE.to_owned())]
    );
    assert_eq!(unknown(&bench, &["a"]), ["a"]);
}

#[test]
fn what_waits_for_a_person_because_of_its_table_begins_anew_at_another_endpoint() {
    let bench = Bench::new();
    start(&bench, HERE);
    bench.enqueue(&[("a", 1)]);
    for reason in ["no-rows", "not-proven", "remote-differs"] {
        bench.edit(&format!(
            "UPDATE jobs SET state = 'parked', reason = '{reason}', finished_at = 1"
        ));
        let before = standing(&bench);
        start(&bench, &before[0].2);
        assert_eq!(standing(&bench), before, "{reason}");
        let other = if before[0].2 == HERE {
            address::at(OTHER, HERE)
        } else {
            HERE.into()
        };
        start(&bench, &other);
        assert_eq!(
            standing(&bench),
            [("a".to_owned(), "queued", other)],
            "{reason}"
        );
    }
    let history = Reader::open(&bench.path)
        .unwrap()
        .history(crate::job::JobId(1));
    let last = history.unwrap().pop().unwrap().note.unwrap();
    assert_eq!(
        last,
        "begins anew: its watch goes to https://redivis.com/api/v1 now"
    );
}
