//! What takes longer than an upload session lives, and what the machine has too little of.

use redivis_drop::sandbox::{Action, Call, Fault};
use rusqlite::Connection;

use crate::lab::{Lab, MIB, Plan};
use crate::process::wait_until;

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
    let mut command = std::process::Command::new("prlimit");
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
