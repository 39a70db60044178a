//! What tables held when they were listed.

use super::receipts::carry_path;
use super::*;
use crate::job::{Md5, RemoteId};

fn row(name: &str, number: u8) -> Listed {
    Listed {
        name: name.into(),
        remote: RemoteId::new(format!("r{number}")),
        size: u64::from(number),
        md5: Md5([number; 16]),
    }
}

fn begin(bench: &Bench, table: &str) -> ListingId {
    block(bench.journal().begin_listing(table, now())).unwrap()
}

fn add(bench: &Bench, listing: ListingId, rows: Vec<Listed>) {
    block(bench.journal().add_to_listing(listing, rows)).unwrap();
}

fn end(bench: &Bench, listing: ListingId) {
    block(bench.journal().end_listing(listing)).unwrap();
}

fn tables(bench: &Bench) -> Vec<String> {
    let tables = block(bench.journal().listed_tables()).unwrap();
    tables.into_iter().collect()
}

/// What is known of each job's name.
fn last(bench: &Bench, jobs: &[Job]) -> Vec<Option<Last>> {
    let mut last = block(bench.journal().last(jobs)).unwrap();
    jobs.iter().map(|job| last.remove(&job.id)).collect()
}

fn listed(number: u8) -> Last {
    let before = Before {
        remote: RemoteId::new(format!("r{number}")),
        size: u64::from(number),
        md5: Some(Md5([number; 16])),
    };
    Last::Listed(before, now())
}

#[test]
fn a_listing_counts_when_it_is_whole_and_until_the_next_one_begins() {
    let bench = Bench::new();
    bench.enqueue(&[("a", 1), ("b", 2)]);
    let jobs = claim(&bench.journal(), Queue::Queued);
    let table = jobs[0].table.clone();
    assert_eq!(jobs[0].remote_name, "a");

    let listing = begin(&bench, &table);
    add(&bench, listing, vec![row("a", 1), row("c", 3)]);
    assert_eq!(last(&bench, &jobs), [None, None], "it is not whole");
    assert!(tables(&bench).is_empty());
    // of two files of one name the later counts, in whatever part it comes
    add(&bench, listing, vec![row("a", 2)]);
    end(&bench, listing);
    assert_eq!(last(&bench, &jobs), [Some(listed(2)), None]);
    assert_eq!(tables(&bench), std::slice::from_ref(&table));

    let another = begin(&bench, &format!("{table}.another"));
    add(&bench, another, vec![row("b", 4)]);
    end(&bench, another);
    assert_eq!(
        last(&bench, &jobs),
        [Some(listed(2)), None],
        "another table's"
    );
    assert_eq!(tables(&bench).len(), 2);

    // begun anew, it says nothing, and what it said is forgotten
    let listing = begin(&bench, &table);
    assert_eq!(last(&bench, &jobs), [None, None]);
    assert_eq!(tables(&bench).len(), 1);
    add(&bench, listing, vec![row("b", 5)]);
    end(&bench, listing);
    assert_eq!(last(&bench, &jobs), [None, Some(listed(5))]);
}

#[test]
fn what_was_registered_from_here_counts_unless_the_listing_alone_is_asked() {
    let bench = Bench::new();
    bench.enqueue(&[("a", 1)]);
    carry_path(&bench, "a");
    bench.enqueue(&[("a", 2)]);
    let jobs = claim(&bench.journal(), Queue::Queued);
    let by_listing = || {
        let mut last = block(bench.journal().last_listed(&jobs)).unwrap();
        last.remove(&jobs[0].id)
    };
    assert!(matches!(last(&bench, &jobs)[0], Some(Last::InTable(_))));
    assert_eq!(by_listing(), None);
    let listing = begin(&bench, &jobs[0].table);
    add(&bench, listing, vec![row("a", 7)]);
    end(&bench, listing);
    assert!(matches!(last(&bench, &jobs)[0], Some(Last::InTable(_))));
    assert_eq!(by_listing(), Some(listed(7)));
}
