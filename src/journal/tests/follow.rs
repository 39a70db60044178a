//! A watch that names another table, another version of it, or makes rows of its files.

use super::*;
use crate::job::{Kind, RemoteId};

fn tables(bench: &Bench) -> Vec<(StateName, String)> {
    let jobs = bench.jobs().into_iter();
    jobs.map(|job| (job.state.name(), job.table)).collect()
}

fn begin(bench: &Bench, table: &str) {
    let watches = vec![configured("/drop", table)];
    block(bench.journal().begin("1", watches, now())).unwrap();
}

/// One job for each step of the longest way, as far as that step; the first is queued, and the last is imported.
fn one_of_each(bench: &Bench) {
    begin(bench, "lab.data.raw");
    let way = ways().remove(0);
    let importing = way[4].clone().import(RemoteId::new("/uploads/1")).unwrap();
    let states: Vec<_> = way.into_iter().chain([importing]).collect();
    let files: Vec<_> = (0..=states.len()).map(|n| format!("{n}")).collect();
    let files: Vec<_> = files.iter().map(|name| (name.as_str(), 1)).collect();
    bench.enqueue(&files);
    let jobs = claim(&bench.journal(), Queue::Queued).into_iter().skip(1);
    for (job, state) in jobs.zip(states) {
        let job = Job { state, ..job };
        assert!(record(&bench.journal(), StateName::Queued, job, Hold::Keep).unwrap());
    }
    assert_eq!(bench.jobs().len(), 10);
    bench.edit("UPDATE jobs SET remote_name = 'old-' || id");
}

/// Whether it may be in its table already, or come to be.
fn may_be_there(state: StateName) -> bool {
    use StateName::{Done, Importing, Registered, Registering};
    [Registering, Importing, Registered, Done].contains(&state)
}

#[test]
fn what_cannot_be_in_the_table_yet_goes_to_the_version_that_is_named_now_with_the_bytes_it_has() {
    let bench = Bench::new();
    one_of_each(&bench);
    let before: Vec<_> = bench.jobs().into_iter().map(|job| job.state).collect();
    begin(&bench, "lab.data:next.raw");
    let after: Vec<_> = bench.jobs().into_iter().map(|job| job.state).collect();
    assert_eq!(after, before);
    // what is on its way keeps the name under which it was begun
    for job in bench.jobs() {
        let is_new = job.remote_name == job.path.to_string_lossy();
        let is_queued = job.state.name() == StateName::Queued;
        assert_eq!(is_new, is_queued, "{:?}: {}", job.state, job.remote_name);
    }
    for (state, table) in tables(&bench) {
        let want = if may_be_there(state) {
            "lab.data.raw"
        } else {
            "lab.data:next.raw"
        };
        assert_eq!(table, want, "{state:?}");
    }
}

/// Perhaps the first one was a mistake, and does not exist.
#[test]
fn what_cannot_be_in_the_table_yet_begins_anew_for_another_table_and_for_another_kind() {
    for (table, kind) in [
        ("lab.data.another", Kind::Files),
        ("lab.data.raw", Kind::Tabular),
        ("lab.data:next.raw", Kind::Tabular),
    ] {
        let bench = Bench::new();
        one_of_each(&bench);
        let before = bench.jobs();
        for _ in 0..2 {
            let watch = Configured {
                kind,
                ..configured("/drop", table)
            };
            block(bench.journal().begin("1", vec![watch], now())).unwrap();
            for (job, before) in bench.jobs().into_iter().zip(&before) {
                let state = job.state.name();
                if may_be_there(before.state.name()) {
                    assert_eq!(&job, before);
                } else {
                    assert_eq!((&*job.table, job.kind), (table, kind), "{state:?}");
                    assert_eq!(state, StateName::Queued);
                    assert_eq!(job.remote_name, job.path.to_string_lossy());
                }
            }
        }
        // each says why, and once
        let reader = Reader::open(&bench.path).unwrap();
        for job in before.iter().filter(|job| !may_be_there(job.state.name())) {
            let history = reader.history(job.id).unwrap();
            let notes = history.iter().filter_map(|row| row.note.as_deref());
            let said: Vec<_> = notes.filter(|note| note.contains("begins anew")).collect();
            assert_eq!(said.len(), 1, "{said:?}");
        }
    }
}

#[test]
fn a_file_whose_name_was_taken_is_of_the_kind_that_its_watch_has_when_it_is_free() {
    let bench = Bench::new();
    begin(&bench, "lab.data.raw");
    bench.enqueue(&[("a", 1)]);
    bench.edit(
        "UPDATE jobs SET state = 'parked', reason = 'name-collision', finished_at = 1, error = 'taken'",
    );
    let watch = Configured {
        kind: Kind::Tabular,
        ..configured("/drop", "lab.data.rows")
    };
    block(bench.journal().begin("1", vec![watch], now())).unwrap();
    let job = bench.jobs().remove(0);
    assert_eq!(job.state, State::Queued);
    assert_eq!((&*job.table, job.kind), ("lab.data.rows", Kind::Tabular));
}
