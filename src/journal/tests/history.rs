//! What was done to a job, when, why, and by whom: for good.

use super::receipts::carry_path;
use super::*;
use crate::job::JobId;

fn start(bench: &Bench, version: &'static str) {
    let watches = vec![configured("/drop", "lab.data.raw")];
    block(bench.journal().begin(version, watches, now())).unwrap();
}

fn by(bench: &Bench, id: JobId) -> Vec<Option<String>> {
    let history = Reader::open(&bench.path).unwrap().history(id).unwrap();
    history.into_iter().map(|line| line.by).collect()
}

#[test]
fn each_line_says_which_start_of_the_daemon_wrote_it() {
    let bench = Bench::new();
    bench.enqueue(&[("a", 1)]);
    let id = bench.jobs()[0].id;
    assert_eq!(by(&bench, id), [None], "nobody had said who they are");
    for version in ["1.0.0", "1.1.0"] {
        start(&bench, version);
        bench.enqueue(&[(version, 2)]);
    }
    carry_path(&bench, "1.0.0");
    let lines = by(&bench, bench.jobs()[1].id);
    let starts = [
        "redivis-drop 1.0.0, process ",
        "redivis-drop 1.1.0, process ",
    ];
    assert_eq!(lines.len(), starts.len());
    for (line, start) in lines.into_iter().zip(starts) {
        let line = line.unwrap();
        assert!(line.starts_with(start), "{line}");
        assert!(
            line.contains(" of user ") && line.contains(" on "),
            "{line}"
        );
    }
}

#[test]
fn no_line_is_changed_and_none_goes_before_its_job_has_ended() {
    let bench = Bench::new();
    bench.enqueue(&[("done", 1), ("open", 2), ("parked", 3)]);
    carry_path(&bench, "done");
    let connection = rusqlite::Connection::open(&bench.path).unwrap();
    let park = "UPDATE jobs SET state = 'parked', reason = 'gave-up', finished_at = 1 WHERE id = 3";
    connection.execute(park, []).unwrap();
    let refused = |sql: &str| connection.execute(sql, []).unwrap_err().to_string();
    let changed = refused("UPDATE history SET note = 'another' WHERE job = 1");
    assert_eq!(changed, "a history is never changed");
    for job in [2, 3] {
        let removed = refused(&format!("DELETE FROM history WHERE job = {job}"));
        assert_eq!(
            removed,
            "the history of a job that has not ended is never removed"
        );
    }
    let gone = connection.execute("DELETE FROM history WHERE job = 1", []);
    assert!(gone.unwrap() > 0);
}
