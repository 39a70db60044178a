//! A watch that names another version of its table.

use super::*;
use crate::job::RemoteId;

fn tables(bench: &Bench) -> Vec<(StateName, String)> {
    let jobs = bench.jobs().into_iter();
    jobs.map(|job| (job.state.name(), job.table)).collect()
}

fn begin(bench: &Bench, table: &str) {
    let watches = vec![configured("/drop", table)];
    block(bench.journal().begin("1", watches, now())).unwrap();
}

#[test]
fn what_cannot_be_in_the_table_yet_goes_to_the_version_that_is_named_now() {
    let bench = Bench::new();
    begin(&bench, "lab.data.raw");
    let way = ways().remove(0);
    let importing = way[4].clone().import(RemoteId::new("/uploads/1")).unwrap();
    let states: Vec<_> = way.into_iter().chain([importing]).collect();
    let files: Vec<_> = (0..=states.len()).map(|n| format!("{n}")).collect();
    let files: Vec<_> = files.iter().map(|name| (name.as_str(), 1)).collect();
    bench.enqueue(&files);
    // the first stays queued
    for (job, state) in claim(&bench.journal(), Queue::Queued)
        .into_iter()
        .skip(1)
        .zip(&states)
    {
        let job = Job {
            state: state.clone(),
            ..job
        };
        assert!(record(&bench.journal(), StateName::Queued, job, Hold::Keep).unwrap());
    }
    let before = tables(&bench);
    assert_eq!(before.len(), 10);
    begin(&bench, "lab.data.another");
    let same: Vec<_> = tables(&bench).into_iter().map(|(_, table)| table).collect();
    assert_eq!(
        same, ["lab.data.raw"; 10],
        "another table is no other version"
    );
    bench.edit("UPDATE jobs SET remote_name = 'old-' || id");
    begin(&bench, "lab.data:next.raw");
    // what is on its way keeps the name under which it was begun
    for job in bench.jobs() {
        let is_new = job.remote_name == job.path.to_string_lossy();
        let is_queued = job.state.name() == StateName::Queued;
        assert_eq!(is_new, is_queued, "{:?}: {}", job.state, job.remote_name);
    }
    for (state, table) in tables(&bench) {
        let is_there = [
            StateName::Registering,
            StateName::Importing,
            StateName::Registered,
            StateName::Done,
        ]
        .contains(&state);
        let want = if is_there {
            "lab.data.raw"
        } else {
            "lab.data:next.raw"
        };
        assert_eq!(table, want, "{state:?}");
    }
}
