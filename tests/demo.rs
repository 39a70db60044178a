//! `redivis-drop demo` as CI runs it: the real binary, through a pipe.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// A demo whose temporary folder is made in `tmp`, so that its traces can be told from others'.
fn demo(tmp: &Path, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_redivis-drop"))
        .arg("demo")
        .args(arguments)
        .env("TMPDIR", tmp)
        // what a user may have set for the real daemon must not disturb
        .env("REDIVIS_API_ENDPOINT", "https://redivis.invalid/api/v1")
        .env("REDIVIS_API_TOKEN", "not for practice")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Its stdout up to and including the first line that contains `text`.
fn read_until(child: &mut Child, text: &str) -> (String, impl BufRead + use<>) {
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut all = String::new();
    while !all.contains(text) {
        let read = out.read_line(&mut all).unwrap();
        assert!(read > 0, "`{text}` never came:\n{all}");
    }
    (all, out)
}

/// Processes that were started with a path below `tmp`, as the demo's daemons are.
fn daemons(tmp: &Path) -> Vec<String> {
    let needle = tmp.to_str().unwrap();
    let commands = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        // processes come and go meanwhile
        let command = fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&command).replace('\0', " "))
    });
    commands
        .filter(|command| command.contains(needle))
        .collect()
}

fn nothing_is_left(tmp: &Path) {
    assert_eq!(daemons(tmp), Vec::<String>::new());
    let left: Vec<_> = fs::read_dir(tmp).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_demo_resumes_proves_equality_and_leaves_nothing_behind() {
    let tmp = tempfile::tempdir().unwrap();
    let output = demo(tmp.path(), &[]).wait_with_output().unwrap();
    let (out, err) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(0), "{out}\n{err}");
    assert!(err.is_empty(), "{err}");
    let count = |text: &str| out.lines().filter(|line| line.contains(text)).count();

    assert_eq!(count("went on at byte "), 2, "{out}");
    assert_eq!(count("kill -9 of the daemon"), 1, "{out}");
    let same = out.lines().filter(|line| line.ends_with("  same")).count();
    assert_eq!(same, 8, "{out}");
    assert!(count("✓") >= 5 && count("✗") == 0, "{out}");
    // a pipe gets plain lines, and they fit a screen
    assert!(!out.contains('\x1b') && !out.contains('\r'), "{out}");
    assert!(out.lines().count() <= 50, "{out}");
    nothing_is_left(tmp.path());
}

#[test]
fn an_interrupted_demo_leaves_nothing_behind() {
    let tmp = tempfile::tempdir().unwrap();
    let mut child = demo(tmp.path(), &[]);
    let (_, mut rest) = read_until(&mut child, "dropped");
    assert_eq!(daemons(tmp.path()).len(), 1);

    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let mut more = String::new();
    rest.read_to_string(&mut more).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{more}");
    nothing_is_left(tmp.path());
}

#[test]
fn a_kept_demo_carries_files_of_ones_own_until_it_is_interrupted() {
    let tmp = tempfile::tempdir().unwrap();
    let mut child = demo(tmp.path(), &["--keep"]);
    let (out, mut rest) = read_until(&mut child, "_sandbox/registered");
    let folder = fs::read_dir(tmp.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    assert!(out.contains(&format!(
        "Drop files of your own into {}",
        folder.join("drop").display()
    )));

    fs::write(folder.join("drop/my own.txt"), "mine").unwrap();
    let mut line = String::new();
    while !line.contains("in the table: my own.txt (4 B, md5 918b81db5e91d031548b963c93845e5b)") {
        line.clear();
        assert!(rest.read_line(&mut line).unwrap() > 0, "{out}");
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(daemons(tmp.path()), Vec::<String>::new());
    assert!(folder.join("daemon.log").exists());
}
