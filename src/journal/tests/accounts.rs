//! A watch that goes to another account, and what becomes of its jobs at that start.

use super::*;
use crate::job::{RemoteId, address};

fn of(account: &str, table: &str) -> Configured {
    Configured {
        account: account.into(),
        ..configured("/w", table)
    }
}

/// One job for each step of the longest way, each as far as that step; the first is queued, and one more is imported.
fn one_of_each(bench: &Bench) -> usize {
    let begun = of("redivis", "lab.data.raw");
    block(bench.journal().begin("1", vec![begun], now())).unwrap();
    let way = ways().remove(0);
    let importing = way[4].clone().import(RemoteId::new("/uploads/1")).unwrap();
    let by_rows: Vec<_> = way[..5].iter().chain([&importing]).collect();
    let ways = (0..=way.len()).map(|steps| way[..steps].iter().collect());
    for (number, steps) in (1..).zip(ways.chain([by_rows])) {
        let name = format!("file-{number}");
        bench.enqueue(&[(&name, number)]);
        let mut job = claim(&bench.journal(), Queue::Queued).remove(0);
        for state in steps {
            let from = std::mem::replace(&mut job.state, state.clone()).name();
            assert!(record(&bench.journal(), from, job.clone(), Hold::Keep).unwrap());
        }
    }
    way.len() + 2
}

/// State and table of every job, after a start with this watch.
fn started(bench: &mut Bench, watch: Configured) -> Vec<(&'static str, String)> {
    bench.reopen();
    block(bench.journal().begin("2", vec![watch], now())).unwrap();
    let mut found = Vec::new();
    let reader = Reader::open(&bench.path).unwrap();
    let each = |row: JobRow| {
        found.push((row.job.state.name().as_str(), row.job.table));
        true
    };
    reader.jobs(&Filter::default(), each).unwrap();
    found
}

const WAY: [&str; 10] = [
    "queued",
    "reserved",
    "uploading",
    "uploading",
    "uploaded",
    "registering",
    "registering",
    "registered",
    "done",
    "importing",
];

#[test]
fn under_another_account_of_the_same_api_what_is_half_sent_begins_anew_and_a_lost_answer_is_looked_up()
 {
    let mut bench = Bench::new();
    assert_eq!(one_of_each(&bench), WAY.len());
    let table = "lab.data.raw";
    let same = started(&mut bench, of("redivis", table));
    let states: Vec<_> = same.iter().map(|(state, _)| *state).collect();
    assert_eq!(states, WAY, "nothing has changed");
    let other = started(&mut bench, of("eu", table));
    let states: Vec<_> = other.iter().map(|(state, _)| *state).collect();
    let mut wanted = WAY;
    wanted[1..5].fill("queued");
    assert_eq!(states, wanted);
    assert!(other.iter().all(|(_, job)| job == table));
    let importing = |account| block(bench.journal().importing_tables(account)).unwrap();
    assert_eq!(importing("eu"), [table], "it is asked about by the new one");
    assert_eq!(importing("redivis"), [""; 0]);
    assert_eq!(claim(&bench.journal(), Queue::Queued).len(), 5);
    let history = Reader::open(&bench.path)
        .unwrap()
        .history(crate::job::JobId(2));
    let last = history.unwrap().pop().unwrap().note.unwrap();
    assert_eq!(last, "begins anew: its watch goes to the account `eu` now");
}

#[test]
fn at_another_endpoint_what_is_not_taken_in_begins_anew_and_what_is_done_leaves_its_receipts() {
    let mut bench = Bench::new();
    one_of_each(&bench);
    let there = address::at("https://eu.example/api/v1", "lab.data.raw");
    for _ in 0..2 {
        let moved = started(&mut bench, of("eu", &there));
        let mut wanted: Vec<_> = WAY.map(|state| (state, "lab.data.raw".to_owned())).into();
        wanted[..7].fill(("queued", there.clone()));
        wanted.drain(7..9);
        assert_eq!(moved, wanted);
    }
    let reader = Reader::open(&bench.path).unwrap();
    let mut receipts = 0;
    let each = |receipt: Receipt| {
        receipts += usize::from(receipt.table == "lab.data.raw");
        true
    };
    reader.receipts(&ReceiptFilter::default(), each).unwrap();
    assert_eq!(receipts, 2);
    let accounts = reader.accounts().unwrap();
    assert_eq!((accounts.len(), &*accounts[0].name), (1, "eu"));
}
