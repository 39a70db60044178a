//! Small limits on inotify: everything arrives all the same, and the report names the limit.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::process::Command;

use crate::lab::{Holding, Lab, PROGRAM, Plan, holding, write_noise};
use crate::process::{Running, wait_until};

/// More folders than the limit allows watches.
const FOLDERS: usize = 40;

const SHORT_POLLS: Plan = Plan {
    transfer: "",
    watch: "poll_interval = \"200ms\"",
    speed: None,
    lenient: false,
    rate_limit: None,
};

#[test]
fn with_few_watches_everything_arrives_and_the_report_names_the_limit() {
    for watches in [20, 1, 0] {
        hold(
            "max_inotify_watches",
            watches,
            "fs.inotify.max_user_watches",
        );
    }
}

#[test]
fn without_an_inotify_instance_everything_arrives_and_the_report_names_the_limit() {
    hold("max_inotify_instances", 0, "fs.inotify.max_user_instances");
}

/// Each folder wants an instance of its own: one of the two gets it.
#[test]
fn with_one_inotify_instance_one_of_two_folders_is_polled_and_both_arrive() {
    const SECOND: &str = "my_lab.sequencing:next.second";
    let lab = Lab::with(&SHORT_POLLS);
    let second = lab.elsewhere("second");
    fs::create_dir(&second).unwrap();
    let mut config = OpenOptions::new().append(true).open(&lab.config).unwrap();
    writeln!(
        config,
        "[[watch]]\nname = \"second\"\npath = \"{}\"\ntable = \"{SECOND}\"\n\
         settle = \"100ms\"\npoll_interval = \"200ms\"",
        second.display()
    )
    .unwrap();
    let Some(daemon) = start_with(&lab, "max_inotify_instances", 1) else {
        return eprintln!("skipped: no user namespace with a limit of its own");
    };
    wait_until("both are watched", || {
        let status = lab.status().unwrap_or_default();
        let scanned = |watch: usize| !status["watches"][watch]["last_scan_at"].is_null();
        scanned(0) && scanned(1)
    });
    let first = lab.drop_file("first", 100, 1);
    let path = second.join("other");
    write_noise(&path, 200, 2);
    let other = holding("other", &path);
    wait_until("both are in their tables", || {
        lab.registered() == [first.clone()] && lab.registered_in(SECOND) == [other.clone()]
    });
    let status = lab.status().unwrap();
    let told = (0..2)
        .map(|watch| status["watches"][watch].to_string())
        .filter(|watch| watch.contains("fs.inotify.max_user_instances"));
    assert_eq!(told.count(), 1, "{status}");
    assert_eq!(daemon.terminate().code, Some(0));
    lab.expect(vec![first]);
}

/// Files that are there at the start, later ones beside them, and later ones in folders that are new then.
fn hold(limit: &str, value: u64, named: &str) {
    let lab = Lab::with(&SHORT_POLLS);
    let mut wanted = Vec::new();
    drop_in_each(&lab, "folder", "early", &mut wanted);
    let Some(daemon) = start_with(&lab, limit, value) else {
        return eprintln!("skipped: no user namespace with a limit of its own");
    };
    expect_in_time(&lab, &wanted);
    drop_in_each(&lab, "folder", "late", &mut wanted);
    drop_in_each(&lab, "fresh/deep", "late", &mut wanted);
    expect_in_time(&lab, &wanted);
    let watch = lab.status().unwrap()["watches"][0].to_string();
    eprintln!("{limit} = {value}: {watch}");
    assert!(watch.contains(named), "{watch}");
    assert_eq!(daemon.terminate().code, Some(0));
    lab.expect(wanted);
}

/// Each of another size, so that no two are alike.
fn drop_in_each(lab: &Lab, folder: &str, name: &str, wanted: &mut Vec<Holding>) {
    for number in 0..FOLDERS {
        let seed = wanted.len();
        wanted.push(lab.drop_file(
            &format!("{folder}-{number}/{name}"),
            100 + seed,
            seed as u64,
        ));
    }
}

fn expect_in_time(lab: &Lab, wanted: &[Holding]) {
    wait_until("everything is in the table", || {
        let held = lab.registered();
        wanted.iter().all(|one| held.binary_search(one).is_ok())
    });
}

/// The program in a user namespace of its own, whose limit is lowered for real. `None`: there is none to be had.
fn start_with(lab: &Lab, limit: &str, value: u64) -> Option<Running> {
    let lowered = |then: &str| {
        let script = format!("echo {value} > /proc/sys/user/{limit} && exec {then}");
        let mut command = Command::new("unshare");
        command
            .args(["--user", "--map-root-user", "sh", "-c", &script])
            .arg(PROGRAM);
        command
    };
    let possible = lowered("true").output();
    possible.ok().filter(|tried| tried.status.success())?;
    let mut command = lowered("\"$0\" \"$@\"");
    command.arg("--config").arg(&lab.config).arg("run");
    Some(Running::start(command, &lab.elsewhere("log.txt")))
}
