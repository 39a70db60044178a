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
        added_at: None,
    }
}

fn begin(bench: &Bench, table: &str) -> ListingId {
    block(bench.journal().begin_listing(table, now())).unwrap()
}

fn add(bench: &Bench, listing: ListingId, rows: Vec<Listed>) {
    block(bench.journal().add_to_listing(listing, rows)).unwrap();
}

fn end(bench: &Bench, table: &str, listing: ListingId) {
    block(bench.journal().end_listing(table, listing)).unwrap();
}

/// Listings and rows of listings, whether they count or not.
fn kept(bench: &Bench) -> (i64, i64) {
    let connection = rusqlite::Connection::open(&bench.path).unwrap();
    let count = |table: &str| {
        let sql = format!("SELECT count(*) FROM {table}");
        connection.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    (count("listings"), count("listed"))
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
    Last::Listed(Held {
        so_named: Some(before),
        numbered: Vec::new(),
        at: now(),
    })
}

#[test]
fn a_listing_counts_when_it_is_whole_and_until_the_next_one_is() {
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
    end(&bench, &table, listing);
    assert_eq!(last(&bench, &jobs), [Some(listed(2)), None]);
    assert_eq!(tables(&bench), std::slice::from_ref(&table));

    let other_table = format!("{table}.another");
    let another = begin(&bench, &other_table);
    add(&bench, another, vec![row("b", 4)]);
    end(&bench, &other_table, another);
    assert_eq!(
        last(&bench, &jobs),
        [Some(listed(2)), None],
        "another table's"
    );
    assert_eq!(tables(&bench).len(), 2);

    // while the next one comes in, the earlier one counts
    let listing = begin(&bench, &table);
    add(&bench, listing, vec![row("b", 5)]);
    assert_eq!(last(&bench, &jobs), [Some(listed(2)), None]);
    assert_eq!(tables(&bench).len(), 2);
    end(&bench, &table, listing);
    assert_eq!(last(&bench, &jobs), [None, Some(listed(5))]);
    assert_eq!(kept(&bench), (2, 2), "the earlier one is gone");
}

#[test]
fn of_two_listings_at_once_each_is_whole_and_the_one_that_began_later_stays() {
    for later_ends_first in [false, true] {
        let bench = Bench::new();
        bench.enqueue(&[("a", 1), ("b", 2)]);
        let jobs = claim(&bench.journal(), Queue::Queued);
        let table = jobs[0].table.clone();
        let (one, other) = (begin(&bench, &table), begin(&bench, &table));
        add(&bench, one, vec![row("a", 1)]);
        add(&bench, other, vec![row("a", 2), row("b", 3)]);
        let both = [Some(listed(2)), Some(listed(3))];
        if later_ends_first {
            end(&bench, &table, other);
            assert_eq!(last(&bench, &jobs), both);
            add(&bench, one, vec![row("c", 4)]);
            end(&bench, &table, one);
        } else {
            end(&bench, &table, one);
            assert_eq!(last(&bench, &jobs), [Some(listed(1)), None]);
            end(&bench, &table, other);
        }
        assert_eq!(last(&bench, &jobs), both);
        assert_eq!(kept(&bench), (1, 2));
    }
}

#[test]
fn a_listing_that_was_begun_before_the_clock_was_set_back_is_replaced() {
    let bench = Bench::new();
    bench.enqueue(&[("a", 1)]);
    let jobs = claim(&bench.journal(), Queue::Queued);
    let table = jobs[0].table.clone();
    let tomorrow = now() + SignedDuration::from_hours(24);
    let ahead = block(bench.journal().begin_listing(&table, tomorrow)).unwrap();
    end(&bench, &table, ahead);
    let listing = begin(&bench, &table);
    add(&bench, listing, vec![row("a", 1)]);
    end(&bench, &table, listing);
    assert_eq!(last(&bench, &jobs), [Some(listed(1))]);
}

#[test]
fn one_that_is_given_up_or_cut_off_leaves_the_earlier_one_and_nothing_else() {
    let mut bench = Bench::new();
    bench.enqueue(&[("a", 1)]);
    let jobs = claim(&bench.journal(), Queue::Queued);
    let table = jobs[0].table.clone();
    let listing = begin(&bench, &table);
    add(&bench, listing, vec![row("a", 1)]);
    end(&bench, &table, listing);

    // more than goes in one commit
    let many = |number| (0..2_500).map(move |n| row(&n.to_string(), number));
    let refused = begin(&bench, &table);
    add(&bench, refused, many(2).collect());
    block(bench.journal().give_up_listing(refused)).unwrap();
    assert_eq!(kept(&bench), (1, 1));

    let cut_off = begin(&bench, &table);
    add(&bench, cut_off, many(3).collect());
    assert_eq!(kept(&bench), (2, 2_501));
    bench.reopen();
    assert_eq!(kept(&bench), (1, 1));
    assert_eq!(last(&bench, &jobs), [Some(listed(1))]);
    assert_eq!(tables(&bench), [table]);
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
    end(&bench, &jobs[0].table, listing);
    assert!(matches!(last(&bench, &jobs)[0], Some(Last::InTable(_))));
    assert_eq!(by_listing(), Some(listed(7)));
}

#[test]
fn of_several_files_with_one_name_the_one_that_came_last_counts() {
    let bench = Bench::new();
    bench.enqueue(&[("a", 1)]);
    let jobs = bench.jobs();
    let at = |number: u8, seconds: Option<i64>| Listed {
        added_at: seconds.map(|seconds| now() + SignedDuration::from_secs(seconds)),
        ..row("a", number)
    };
    for (rows, wanted) in [
        ([at(1, Some(5)), at(2, Some(9))], 2),
        ([at(1, Some(9)), at(2, Some(5))], 1),
        ([at(1, Some(5)), at(2, Some(5))], 2),
        // by their order, where nothing is told
        ([at(1, None), at(2, Some(5))], 2),
        ([at(1, Some(5)), at(2, None)], 2),
    ] {
        let listing = begin(&bench, "lab.data.raw");
        add(&bench, listing, rows.to_vec());
        end(&bench, "lab.data.raw", listing);
        assert_eq!(last(&bench, &jobs), [Some(listed(wanted))], "{rows:?}");
    }
}

/// Redivis gives rows whose name is taken a number.
#[test]
fn of_rows_what_has_a_number_may_be_the_same_file() {
    let bench = Bench::new();
    bench.enqueue(&[("a.csv", 7)]);
    let files = bench.jobs();
    let size = files[0].seen.size;
    let named = |name: &str, number: u8, size: u64| Listed {
        size,
        ..row(name, number)
    };
    let listing = begin(&bench, "lab.data.raw");
    let rows = vec![
        named("a.csv", 1, size + 1),
        named("a.csv-2", 2, size),
        named("a-3.csv", 3, size),
        // other content, and another name
        named("a.csv-4", 4, size + 1),
        named("ab.csv", 5, size),
        named("b.csv-2", 6, size),
    ];
    add(&bench, listing, rows);
    end(&bench, "lab.data.raw", listing);
    let remotes = |last: Option<Last>| match last {
        Some(Last::Listed(held)) => {
            let mut remotes: Vec<_> = held.all().map(|before| before.remote.clone()).collect();
            remotes.sort_by(|one, other| one.as_str().cmp(other.as_str()));
            remotes
        }
        other => panic!("{other:?}"),
    };
    let ids = |numbers: &[u8]| -> Vec<_> {
        let ids = numbers.iter();
        ids.map(|n| RemoteId::new(format!("r{n}"))).collect()
    };
    let known = |bench: &Bench| last(bench, &bench.jobs()).swap_remove(0);
    assert_eq!(remotes(known(&bench)), ids(&[1]), "of files");
    bench.edit("UPDATE jobs SET kind = 'tabular'");
    assert_eq!(remotes(known(&bench)), ids(&[1, 2, 3]));

    // what was registered from here last is looked for by its address
    carry_path(&bench, "a.csv");
    let remote = "UPDATE jobs SET remote_id = 'r3' WHERE remote_name = 'a.csv'";
    bench.edit(remote);
    bench.enqueue(&[("a.csv", 8)]);
    bench.edit("UPDATE jobs SET kind = 'tabular'");
    let again = vec![bench.jobs().pop().unwrap()];
    let mut listed = block(bench.journal().last_listed(&again)).unwrap();
    assert_eq!(remotes(listed.remove(&again[0].id)), ids(&[3]));
}

/// Whether a file is there may hang on any of them.
#[test]
fn of_rows_with_numbers_none_is_left_out_however_many_there_are() {
    const ROWS: usize = 500;
    let bench = Bench::new();
    bench.enqueue(&[("a.csv", 7)]);
    bench.edit("UPDATE jobs SET kind = 'tabular'");
    let job = bench.jobs().swap_remove(0);
    let numbered = |number: usize| Listed {
        name: format!("a.csv-{number}"),
        remote: RemoteId::new(format!("n{number}")),
        size: job.seen.size,
        ..row("a.csv", 0)
    };
    let listing = begin(&bench, "lab.data.raw");
    add(&bench, listing, (2..2 + ROWS).map(numbered).collect());
    end(&bench, "lab.data.raw", listing);
    let known = last(&bench, std::slice::from_ref(&job)).swap_remove(0);
    let Some(Last::Listed(held)) = known else {
        panic!("{known:?}");
    };
    assert_eq!(held.all().count(), ROWS);
    for (more, may_be) in [(0, true), (1, false)] {
        assert_eq!(held.may_be(job.seen.size + more), may_be);
    }
}

/// What was changed and changed back has the content of an earlier row, and is not it.
#[test]
fn a_row_of_another_version_is_known_as_such_and_a_jobs_own_is_not() {
    let bench = Bench::new();
    let mut rows = Vec::new();
    for version in [7, 8] {
        bench.enqueue(&[("a.csv", version)]);
        carry_path(&bench, "a.csv");
        let job = bench.jobs().pop().unwrap();
        let others = block(bench.journal().rows_of_others(std::slice::from_ref(&job))).unwrap();
        let known: std::collections::HashSet<RemoteId> = rows.iter().cloned().collect();
        assert_eq!(others, known);
        rows.push(job.state.remote_id().unwrap().clone());
    }
}
