//! What takes longer than an upload session lives, and what the machine has too little of.

use std::collections::HashSet;
use std::fs;
use std::process::Command;

use redivis_drop::sandbox::{Action, Call, Fault};
use rusqlite::Connection;
use serde_json::Value;

use crate::lab::{Lab, MIB, Plan};
use crate::process::{Running, wait_until};

#[test]
fn a_file_whose_sessions_die_of_age_is_parked_with_a_reason_that_people_understand() {
    let lab = Lab::with(&Plan {
        transfer: "resumable_above = \"1 MB\"\nchunk_size = \"256 KiB\"",
        speed: Some(2 * MIB as u64),
        ..Plan::default()
    });
    lab.drop_file("large", 8 * MIB, 1);
    let daemon = lab.start(&["run"]);
    wait_until("some of it is sent", || {
        lab.jobs()
            .first()
            .is_some_and(|job| job["confirmed_bytes"].as_u64() > Some(MIB as u64))
    });
    daemon.kill();
    // a day goes by, and the session before it had the same fate
    let journal = Connection::open(&lab.journal).unwrap();
    let aged = "UPDATE jobs SET session_at = session_at - 86400000, session_boot = 'another', sessions_lost = 1";
    assert_eq!(journal.execute(aged, []).unwrap(), 1);
    drop(journal);
    lab.script(vec![
        Fault::new(Call::Query, Action::ExpireSession(410)).times(1),
    ]);
    let ended = lab.run_once();
    assert_eq!(ended.code, Some(3), "{}", ended.said);
    let job = lab.job("large");
    assert_eq!(
        (&job["state"], &job["reason"]),
        (&"parked".into(), &"too-slow".into())
    );
    let why = job["error"].as_str().unwrap();
    assert!(
        why.contains("2 upload sessions") && why.contains("24 h 00 min"),
        "{why}"
    );
    // a start is a person's word that the link is faster now
    lab.carry_all();
    assert_eq!(lab.total("done"), 1);
}

#[test]
fn with_few_open_files_allowed_everything_arrives_and_nothing_is_parked() {
    let lab = Lab::new();
    let wanted: Vec<_> = (0..400)
        .map(|n| lab.drop_file(&format!("{}/{n}", n % 20), 2_000, n))
        .collect();
    // as `ulimit -n 44`: fewer than the workers would like to have
    let mut command = Command::new("prlimit");
    let program = lab.command(&["run", "--once"]);
    command
        .args(["--nofile=44:44", "--"])
        .arg(program.get_program())
        .args(program.get_args())
        .env_clear();
    let ended = lab.run(command);
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    lab.expect(wanted);
    assert_eq!(lab.total("parked"), 0);
}

/// That nothing can be opened says nothing about the folder: it is not taken for gone, nor are its files.
#[test]
fn a_folder_that_cannot_be_opened_for_want_of_descriptors_is_not_taken_for_gone() {
    let lab = Lab::with(&Plan {
        watch: "rescan_interval = \"100ms\"",
        ..Plan::default()
    });
    let mut wanted = vec![lab.drop_file("first", 2_000, 0)];
    let daemon = lab.start(&["run"]);
    wait_until("the first file is done", || lab.total("done") == 1);
    let last_scan = || lab.status().unwrap()["watches"][0]["last_scan_at"].clone();
    // none may be opened, or one, for the drop folder itself
    for (seed, spare) in (1..).zip([0, 1]) {
        allow(&daemon, first_free(&daemon, spare));
        wanted.push(lab.drop_file(&format!("new/{spare}"), 2_000, seed));
        let (mut before, mut still) = (last_scan(), 0);
        wait_until("no scan ends any more", || {
            let now = last_scan();
            still = if now == before { still + 1 } else { 0 };
            before = now;
            still >= 100
        });
        let status = lab.status().unwrap();
        let watch = &status["watches"][0];
        assert_eq!(
            (&watch["error"], &watch["mode"]),
            (&Value::Null, &"inotify".into()),
            "{}",
            daemon.said()
        );
        allow(&daemon, 1024);
        wait_until("it arrives", || lab.total("done") == 1 + seed);
    }
    assert!(
        !daemon.said().contains("cannot be watched"),
        "{}",
        daemon.said()
    );
    assert_eq!(daemon.terminate().code, Some(0));
    lab.expect(wanted);
}

/// From now on the process may open no descriptor of this number or a higher one.
fn allow(daemon: &Running, number: u64) {
    let status = Command::new("prlimit")
        .args(["--pid", &daemon.id().to_string()])
        .arg(format!("--nofile={number}:1024"))
        .status();
    assert!(status.unwrap().success());
}

/// The number of the descriptor that the process would open next, after so many others.
fn first_free(daemon: &Running, others: usize) -> u64 {
    let folder = format!("/proc/{}/fd", daemon.id());
    let open: HashSet<u64> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| name.parse().unwrap())
        .collect();
    let mut free = (0..).filter(|number| !open.contains(number));
    free.nth(others).unwrap()
}
