//! The same names again, and the same program again.

use jiff::Timestamp;
use redivis_drop::sandbox::Call;
use serde_json::Value;

use crate::lab::{Lab, holding, write_noise};
use crate::process::wait_until;

#[test]
fn a_file_that_is_put_again_with_new_content_is_registered_again() {
    let lab = Lab::new();
    let daemon = lab.start(&["run"]);
    let mut wanted = Vec::new();
    // as long as before or not: the content counts
    for (size, seed, done) in [(5_000, 1, 1), (5_000, 2, 2), (0, 3, 3)] {
        let path = lab.path("folder/file");
        write_noise(&path, size, seed);
        wanted.push(holding("folder/file", &path));
        wait_until("it is done", || lab.total("done") == done);
    }
    assert_eq!(daemon.terminate().code, Some(0));
    lab.expect(wanted.clone());

    // and by a program that was not there when it happened
    let path = lab.path("folder/file");
    write_noise(&path, 5_000, 4);
    wanted.push(holding("folder/file", &path));
    lab.carry_all();
    lab.expect(wanted);
}

#[test]
fn starting_again_with_nothing_new_asks_nothing() {
    let lab = Lab::new();
    let wanted = [
        lab.drop_file("a", 5_000, 1),
        lab.drop_file("b/c", 0, 2),
        lab.drop_file("d", 300_000, 3),
    ];
    lab.carry_all();
    let before = lab.report();
    for _ in 0..2 {
        let daemon = lab.start(&["run"]);
        wait_until("the folder has been scanned", || {
            let status = lab.status().unwrap_or_default();
            let scanned = time(&status["watches"][0]["last_scan_at"]);
            status["daemon"]["pid"] == daemon.id()
                && scanned.is_some_and(|at| Some(at) >= time(&status["daemon"]["since"]))
                && status["totals"]["settling"] == 0
        });
        assert_eq!(daemon.terminate().code, Some(0));
    }
    lab.carry_all();
    assert_eq!(lab.report(), before);
    lab.expect(wanted.into());
}

fn time(field: &Value) -> Option<Timestamp> {
    field.as_str()?.parse().ok()
}

#[test]
fn files_that_come_while_the_daemon_runs_go_in_few_calls() {
    let lab = Lab::new();
    let daemon = lab.start(&["run"]);
    wait_until("the daemon watches", || {
        let status = lab.status().unwrap_or_default();
        !status["watches"][0]["last_scan_at"].is_null()
    });
    // folders that are made and filled before anyone can watch them
    let wanted: Vec<_> = (0..300)
        .map(|n| lab.drop_file(&format!("run {}/{}/{n}", n % 7, n % 11), 1_000, n))
        .collect();
    wait_until("all are done", || lab.total("done") == 300);
    assert_eq!(daemon.terminate().code, Some(0));
    lab.expect(wanted);
    let report = lab.report();
    for call in [Call::TempUploads, Call::RawFiles] {
        let calls = report.requests(call);
        // how many at once depends on how fast they are dropped
        assert!(calls <= 75, "{calls} {call:?} for 300 files");
    }
}
