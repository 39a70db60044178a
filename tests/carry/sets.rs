//! Folders that go as one set: the marker is the last thing that the table gets.

use std::fs;

use redivis_drop::sandbox::{Action, Call, Fault};

use crate::lab::{Lab, Plan, holding};
use crate::process::wait_until;

const MARKED: Plan = Plan {
    transfer: "",
    watch: "release_on = { require_all = [\"RTAComplete.txt\", \"CopyComplete.txt\"] }",
    speed: None,
    lenient: false,
    rate_limit: None,
};

fn held(lab: &Lab) -> u64 {
    let status = lab.status().unwrap_or_default();
    status["watches"][0]["held"].as_u64().unwrap_or(0)
}

#[test]
fn a_run_folder_arrives_whole_and_its_markers_last_whatever_happens_on_the_way() {
    let lab = Lab::with(&MARKED);
    let mut wanted = vec![lab.drop_file("run/RTAComplete.txt", 0, 0)];
    for n in 0..20 {
        wanted.push(lab.drop_file(&format!("run/lane {}/{n}", n % 3), 3_000, n));
    }
    lab.drop_file("other/incomplete", 10, 1);
    lab.carry_all();
    assert_eq!(
        lab.report().requests(Call::TempUploads),
        0,
        "nothing is complete"
    );

    let daemon = lab.start(&["run"]);
    let text = || String::from_utf8(lab.output(&["status"]).stdout).unwrap();
    wait_until("all wait for the marker", || {
        text().contains("21 files wait for the marker")
    });
    wait_until("for scripts too", || held(&lab) == 21);
    // one upload is held up, and the daemon is killed in between
    let stall = Action::Stall {
        after: 0,
        seconds: Some(600.0),
    };
    lab.script(vec![Fault::new(Call::Put, stall)]);
    wanted.push(lab.drop_file("run/CopyComplete.txt", 30, 7));
    wait_until("all but one have arrived", || lab.total("done") == 19);
    assert_eq!(lab.jobs().len(), 20, "no marker is a job yet");
    daemon.kill();
    lab.script(Vec::new());
    lab.carry_all();
    lab.expect(wanted);
    let jobs = lab.jobs();
    let markers: Vec<_> = jobs[20..].iter().map(|job| &job["remote_name"]).collect();
    assert_eq!(jobs.len(), 22);
    assert!(
        markers
            .iter()
            .all(|name| name.as_str().unwrap().ends_with("Complete.txt"))
    );
    // each was begun when all files had ended
    let ended = jobs[..20]
        .iter()
        .map(|job| job["finished_at"].as_str().unwrap());
    let begun = jobs[20..]
        .iter()
        .map(|job| job["created_at"].as_str().unwrap());
    assert!(ended.max() <= begun.min());
}

#[test]
fn a_set_with_a_file_that_failed_keeps_its_marker_back_and_once_ends() {
    let lab = Lab::with(&MARKED);
    let mut wanted = vec![lab.drop_file("run/good", 3_000, 1)];
    let bad = lab.path("run/bad");
    fs::write(&bad, "two names").unwrap();
    fs::hard_link(&bad, lab.elsewhere("another name")).unwrap();
    for marker in ["RTAComplete.txt", "CopyComplete.txt"] {
        lab.drop_file(&format!("run/{marker}"), 10, 1);
    }
    assert_eq!(lab.run_once().code, Some(3));
    lab.expect(wanted.clone());
    // mended: the rest follows
    fs::remove_file(lab.elsewhere("another name")).unwrap();
    lab.carry_all();
    for name in ["run/bad", "run/RTAComplete.txt", "run/CopyComplete.txt"] {
        wanted.push(holding(name, &lab.path(name)));
    }
    lab.expect(wanted);
}

#[test]
fn sets_that_lay_there_first_stay_with_their_markers_where_that_is_wanted() {
    let lab = Lab::with(&Plan {
        watch: "release_on = \"Done\"\nexisting = \"ignore\"",
        ..MARKED
    });
    for name in ["old/file", "old/Done", "begun/file"] {
        lab.drop_file(name, 100, 1);
    }
    lab.carry_all();
    let wanted = ["begun/later", "new/file", "new/Done", "begun/Done"];
    let wanted = wanted.map(|name| lab.drop_file(name, 100, 2));
    lab.carry_all();
    lab.expect(wanted.to_vec());
}
