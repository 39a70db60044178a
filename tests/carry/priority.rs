//! Watches of a higher number go first.

use std::fs;

use crate::lab::{Lab, Plan, TABLE, write_noise};
use crate::process::wait_until;

#[test]
fn a_file_of_a_higher_priority_overtakes_all_that_wait() {
    // one large file at a time, and each takes a third of a second
    let lab = Lab::with(&Plan {
        transfer: "workers = 1",
        watch: "priority = -5",
        speed: Some(1_000_000),
        ..Plan::default()
    });
    let urgent = lab.elsewhere("urgent");
    fs::create_dir(&urgent).unwrap();
    let config = fs::read_to_string(&lab.config).unwrap();
    let config = format!(
        "{config}[[watch]]\nname = \"urgent\"\npath = \"{}\"\ntable = \"{TABLE}\"\nsettle = \"100ms\"\npriority = 5\n",
        urgent.display()
    );
    fs::write(&lab.config, config).unwrap();
    for n in 0..200 {
        lab.drop_file(&format!("file {n}"), 300_000, n);
    }
    let daemon = lab.start(&["run"]);
    wait_until("some are done, and all others wait", || {
        lab.total("done") >= 2 && lab.jobs().len() == 200
    });
    write_noise(&urgent.join("urgent file"), 300_000, 1_000);
    wait_until("it is done", || {
        let mut jobs = lab.jobs();
        jobs.retain(|job| job["watch"] == "urgent");
        jobs.first().is_some_and(|job| job["state"] == "done")
    });
    assert!(
        lab.total("done") < 100,
        "{} were before it",
        lab.total("done")
    );
    assert_eq!(daemon.terminate().code, Some(0));
    lab.expect_manners();
}
