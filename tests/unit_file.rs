//! The shipped systemd unit, read by systemd's own tools, and the settings that the daemon
//! relies on.
//!
//! `tests/systemd_box.sh` starts the unit for real; here it is only read. Where `systemd-analyze` is not
//! installed, the tests that need it say so and pass.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Output, Stdio};

const UNIT: &str = include_str!("../systemd/redivis-drop.service");
const USERS: &str = include_str!("../systemd/redivis-drop.sysusers.conf");

/// Where a package puts the binary, as the unit names it.
const INSTALLED: &str = "/usr/bin/redivis-drop";

/// The binary of this build, which stands in its place for the tests.
const BINARY: &str = env!("CARGO_BIN_EXE_redivis-drop");

/// The exposure that `systemd-analyze security` may report, in tenths.
const EXPOSURE: &str = "--threshold=15";

#[test]
fn systemd_has_nothing_to_say_about_the_unit() {
    let Some(folder) = unit_beside_its_binary() else {
        return;
    };
    let told = run(Command::new("systemd-analyze")
        .arg("verify")
        .arg(folder.path().join("redivis-drop.service")));
    // It exits 0 on unknown keys, so its silence is what counts.
    let words = text(&told);
    assert!(
        told.status.success() && words.is_empty(),
        "systemd-analyze verify: {words}"
    );
}

#[test]
fn a_misspelt_key_is_noticed() {
    let Some(folder) = unit_beside_its_binary() else {
        return;
    };
    let unit = folder.path().join("redivis-drop.service");
    let misspelt = UNIT
        .replace(INSTALLED, BINARY)
        .replace("\nWatchdogSec=", "\nWatchdogSecs=");
    fs::write(&unit, misspelt).unwrap();
    let told = run(Command::new("systemd-analyze").arg("verify").arg(unit));
    assert!(
        text(&told).contains("WatchdogSecs"),
        "the check above would see nothing"
    );
}

#[test]
fn the_unit_is_hardened() {
    let Some(folder) = unit_beside_its_binary() else {
        return;
    };
    let told = run(Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager", EXPOSURE])
        .arg(folder.path().join("redivis-drop.service")));
    assert!(
        told.status.success(),
        "more exposed than {EXPOSURE} allows:\n{}",
        text(&told)
    );
}

#[test]
fn the_user_of_the_unit_is_the_one_that_sysusers_creates() {
    assert_eq!(values("User"), ["redivis-drop"]);
    assert_eq!(values("Group"), ["redivis-drop"]);
    assert_eq!(
        values("DynamicUser"),
        [""; 0],
        "folders are given to a user that stays"
    );
    let line = USERS.lines().find(|line| line.starts_with("u "));
    let name = line.and_then(|line| line.split_whitespace().nth(1));
    assert_eq!(name, Some("redivis-drop"));

    if !installed("systemd-sysusers") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("usr/lib/sysusers.d");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("redivis-drop.conf"), USERS).unwrap();
    let told = run(Command::new("systemd-sysusers")
        .arg("--dry-run")
        .arg(format!("--root={}", root.path().display()))
        .arg("redivis-drop.conf"));
    let words = text(&told);
    assert!(
        told.status.success() && words.contains("redivis-drop"),
        "systemd-sysusers: {words}"
    );
}

#[test]
fn readiness_is_announced_and_a_reload_is_a_signal() {
    // `notify-reload` is unknown before systemd 253, and ignored there with a warning.
    assert_eq!(values("Type"), ["notify"]);
    assert_eq!(values("NotifyAccess"), ["main"]);
    assert_eq!(values("ExecStart"), [format!("{INSTALLED} run")]);
    assert_eq!(values("ExecReload"), ["/bin/kill -HUP $MAINPID"]);
    assert_eq!(
        values("WatchdogSec").len(),
        1,
        "a hung daemon must be noticed"
    );
}

#[test]
fn a_missing_token_reaches_the_daemon_as_a_stand_in() {
    assert_eq!(
        values("LoadCredential"),
        ["redivis-token:/etc/redivis-drop/token"]
    );
    assert_eq!(values("SetCredential"), ["redivis-token:unset"]);
    assert_eq!(
        values("Environment"),
        [""; 0],
        "the environment is no place for a token"
    );
}

#[test]
fn only_what_a_person_must_mend_is_not_tried_again() {
    assert_eq!(values("Restart"), ["on-failure"]);
    // usage, token, configuration. Not 74 and 75: a disk heals, a lock is let go.
    assert_eq!(values("RestartPreventExitStatus"), ["2 4 78"]);
    assert_eq!(
        values("StartLimitIntervalSec"),
        ["0"],
        "systemd must not give up by itself"
    );
}

#[test]
fn state_and_token_stay_private() {
    assert_eq!(values("StateDirectory"), ["redivis-drop"]);
    assert_eq!(values("StateDirectoryMode"), ["0700"]);
    assert_eq!(values("UMask"), ["0077"]);
    assert_eq!(
        values("LimitCORE"),
        ["0"],
        "the token would be in a core dump"
    );
}

#[test]
fn no_setting_takes_away_what_the_daemon_needs() {
    let taken_away = [
        (
            "RestrictSUIDSGID",
            "it refuses openat2, by which every dropped file is opened",
        ),
        (
            "PrivateNetwork",
            "the daemon talks to Redivis and to drop folders on the network",
        ),
        (
            "ProcSubset",
            "\"pid\" hides the inotify limits that the status names",
        ),
    ];
    for (key, why) in taken_away {
        assert_eq!(values(key), [""; 0], "{key}=: {why}");
    }
    for path in values("ReadWritePaths") {
        assert!(
            path.starts_with('-'),
            "{path}: without a dash a missing folder is status 226"
        );
    }
    let families: BTreeSet<_> = values("RestrictAddressFamilies")
        .iter()
        .flat_map(|value| value.split_whitespace())
        .map(str::to_owned)
        .collect();
    for needed in ["AF_UNIX", "AF_INET", "AF_INET6"] {
        assert!(families.contains(needed), "{needed} is needed");
    }
}

/// A folder with the unit, word for word but for the path of its binary, which is not installed
/// here. None, with a word about it, where systemd's tools are missing.
fn unit_beside_its_binary() -> Option<tempfile::TempDir> {
    if !installed("systemd-analyze") {
        return None;
    }
    assert_eq!(
        UNIT.matches(INSTALLED).count(),
        1,
        "the unit names its binary once"
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(
        folder.path().join("redivis-drop.service"),
        UNIT.replace(INSTALLED, BINARY),
    )
    .expect("the unit can be copied");
    Some(folder)
}

/// All values of a key of the unit, in order.
fn values(key: &str) -> Vec<String> {
    let settings = UNIT.lines().filter_map(|line| line.split_once('='));
    settings
        .filter(|(name, _)| *name == key)
        .map(|(_, value)| value.to_owned())
        .collect()
}

fn installed(tool: &str) -> bool {
    let found = Command::new(tool)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !found {
        println!("skipped: {tool} is not installed");
    }
    found
}

fn run(command: &mut Command) -> Output {
    command
        .stdin(Stdio::null())
        .output()
        .expect("the tool runs")
}

fn text(told: &Output) -> String {
    let both = [told.stdout.as_slice(), told.stderr.as_slice()].concat();
    String::from_utf8_lossy(&both).into_owned()
}
