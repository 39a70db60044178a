//! The same name again: with the same content, and with another.

use std::fs::{self, FileTimes, OpenOptions};
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, SystemTime};

use redivis_drop::sandbox::{Action, Call, Fault};

use crate::lab::{Lab, Plan, holding, write_noise};
use crate::process::wait_until;

#[test]
fn the_same_content_again_is_not_sent_again() {
    let lab = Lab::new();
    let wanted = vec![lab.drop_file("a", 5_000, 1), lab.drop_file("b", 300_000, 2)];
    lab.carry_all();
    let before = lab.report();
    // touched, made unreadable for others, and written anew
    let times = FileTimes::new().set_modified(SystemTime::now() - Duration::from_hours(1));
    let file = OpenOptions::new().write(true).open(lab.path("a")).unwrap();
    file.set_times(times).unwrap();
    // what is open for writing is waited for
    drop(file);
    fs::set_permissions(lab.path("b"), fs::Permissions::from_mode(0o600)).unwrap();
    lab.carry_all();
    fs::remove_file(lab.path("a")).unwrap();
    lab.drop_file("a", 5_000, 1);
    lab.carry_all();
    assert_eq!(lab.total("done"), 5);
    assert_eq!(lab.report(), before, "nothing was asked of the server");
    lab.expect(wanted);
}

#[test]
fn a_renamed_file_goes_again_under_its_new_name() {
    let lab = Lab::new();
    let mut wanted = vec![lab.drop_file("a", 5_000, 1)];
    lab.carry_all();
    fs::rename(lab.path("a"), lab.path("folder/b")).unwrap();
    wanted.push(holding("folder/b", &lab.path("folder/b")));
    lab.carry_all();
    assert_eq!(lab.report().requests(Call::Put), 2);
    // the row of the old name stays: nothing is ever removed from a table
    lab.expect(wanted);
}

#[test]
fn other_content_under_a_known_name_goes_by_the_policy() {
    for (policy, code, state, reason, sent) in [
        ("on_conflict = \"new_version\"", 0, "done", None, true),
        (
            "on_conflict = \"skip\"",
            0,
            "parked",
            Some("skipped"),
            false,
        ),
        (
            "on_conflict = \"fail\"",
            3,
            "parked",
            Some("conflict"),
            false,
        ),
    ] {
        // of another size, and of the same
        for size in [6_000, 5_000] {
            let lab = Lab::with(&Plan {
                watch: policy,
                ..Plan::default()
            });
            let mut wanted = vec![lab.drop_file("a", 5_000, 1)];
            lab.carry_all();
            let path = lab.path("a");
            write_noise(&path, size, 2);
            let ended = lab.run_once();
            assert_eq!(ended.code, Some(code), "{policy}: {}", ended.said);
            let job = lab.jobs().pop().unwrap();
            assert_eq!(job["state"], state, "{policy}");
            assert_eq!(job["reason"].as_str(), reason, "{policy}");
            if sent {
                wanted.push(holding("a", &path));
            }
            assert_eq!(lab.report().requests(Call::Put), wanted.len() as u64);
            lab.expect(wanted);
        }
    }
}

/// A hint is as good as a scan: the second version settles while the first is being registered.
#[test]
fn a_file_that_is_touched_while_it_is_registered_is_not_sent_again() {
    let lab = Lab::new();
    let wanted = lab.drop_file("a", 5_000, 1);
    let stall = Action::Stall {
        after: 0,
        seconds: Some(2.0),
    };
    lab.script(vec![Fault::new(Call::RawFiles, stall)]);
    let daemon = lab.start(&["run"]);
    wait_until("it is being registered", || {
        let jobs = lab.jobs();
        jobs.first()
            .is_some_and(|job| job["state"] == "registering")
    });
    let times = FileTimes::new().set_modified(SystemTime::now() - Duration::from_hours(1));
    let file = OpenOptions::new().write(true).open(lab.path("a")).unwrap();
    file.set_times(times).unwrap();
    drop(file);
    wait_until("both versions are done", || lab.total("done") == 2);
    assert_eq!(daemon.terminate().code, Some(0));
    lab.expect(vec![wanted]);
}
