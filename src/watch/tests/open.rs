//! Files that somebody still has open, and signs that they are finished.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use super::super::filter::Filter;
use super::super::folder::Folder;
use super::super::hint::{self, Hint, Sign};
use super::super::source::Source;
use super::super::writers::{Means, Writers};
use super::*;
use crate::beneath::Root;

/// Another process that has a file open for appending, until its input ends.
fn hold(path: &Path) -> Child {
    let mut child = Command::new("sh")
        .args(["-c", "exec 3>>\"$0\" && echo open && read -r _"])
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "open\n");
    child
}

fn let_go(mut child: Child) {
    drop(child.stdin.take());
    child.wait().unwrap();
}

#[test]
fn a_file_that_is_open_for_writing_waits_until_it_is_closed() {
    for (means, polling) in [
        (Means::Lease, false),
        (Means::Processes, false),
        (Means::Lease, true),
        (Means::Processes, true),
    ] {
        let mut setting = Setting::new();
        if polling {
            setting = setting.polling(50);
        }
        setting.pace.writers = means;
        let stage = setting.start_quiet();
        let here = File::create(stage.root.join("here")).unwrap();
        let there = hold(&stage.root.join("there"));
        assert_eq!(stage.until_sentinel(), paths(&[]), "{means:?}");
        drop(here);
        assert_eq!(stage.next_paths(1), paths(&["here"]), "{means:?}");
        assert_eq!(stage.until_sentinel(), paths(&[]), "{means:?}");
        let_go(there);
        assert_eq!(stage.next_paths(1), paths(&["there"]), "{means:?}");
        // What is only read does not wait.
        stage.write("read", "");
        let _reader = File::open(stage.root.join("read")).unwrap();
        assert_eq!(stage.next_paths(1), paths(&["read"]), "{means:?}");
    }
}

#[test]
fn a_file_that_may_be_open_is_given_six_quiet_times_and_no_more() {
    let mut setting = Setting::new();
    setting.pace.writers = Means::Nothing;
    let stage = setting.start_quiet();
    let begun = Instant::now();
    let mut file = File::create(stage.root.join("file")).unwrap();
    file.write_all(b"text").unwrap();
    let (sighting, at) = stage.next();
    assert_eq!(sighting.seen.size, 4);
    let took = at - begun;
    assert!(took >= SETTLE * 6, "after {took:?}");
}

#[test]
fn a_file_that_does_not_get_quiet_is_told_of_and_arrives_when_it_does() {
    for writing in [false, true] {
        let mut setting = Setting::new();
        setting.watch.max_wait = Duration::from_millis(300);
        if writing {
            setting.pace.writers = Means::Nothing;
        }
        let stage = setting.start_quiet();
        let mut file = File::create(stage.root.join("restless")).unwrap();
        let begun = Instant::now();
        let told = loop {
            if writing {
                file.write_all(b"x").unwrap();
            }
            match stage.heard.recv_timeout(Duration::from_millis(1)) {
                Ok(Heard::Report(Health {
                    error: Some(error), ..
                })) => break error,
                Ok(Heard::New(file, _)) => panic!("{file:?} arrived"),
                _ => assert!(begun.elapsed() < PATIENCE, "nothing is told"),
            }
        };
        let want = "restless has not got quiet within max_wait";
        assert!(told.starts_with(want), "{told}");
        drop(file);
        assert_eq!(stage.next_paths(1), paths(&["restless"]));
        stage.report(|health| health.error.is_none());
    }
}

/// The quiet time that a real watch gives to what really happened, without waiting for it.
#[test]
fn signs_of_the_file_system_decide_how_long_the_quiet_time_is() {
    type Act = fn(&Path, &Path) -> Option<File>;
    let found: Act = |root, beside| {
        fs::write(beside.join("file"), "text").unwrap();
        fs::hard_link(beside.join("file"), root.join("file")).unwrap();
        None
    };
    let closed: Act = |root, _| {
        fs::write(root.join("file"), "text").unwrap();
        None
    };
    let open: Act = |root, _| {
        let mut file = File::create(root.join("file")).unwrap();
        file.write_all(b"text").unwrap();
        Some(file)
    };
    let placed: Act = |root, beside| {
        fs::write(beside.join("file"), "text").unwrap();
        fs::rename(beside.join("file"), root.join("file")).unwrap();
        None
    };
    let renamed: Act = |root, _| {
        fs::write(root.join("file.tmp"), "text").unwrap();
        fs::rename(root.join("file.tmp"), root.join("file")).unwrap();
        None
    };
    let aside: Act = |root, _| {
        let mut file = File::create(root.join("log")).unwrap();
        file.write_all(b"text").unwrap();
        fs::rename(root.join("log"), root.join("file")).unwrap();
        Some(file)
    };
    let appended: Act = |root, _| {
        for _ in 0..2 {
            let mut file = File::options();
            let file = file.append(true).create(true).open(root.join("file"));
            file.unwrap().write_all(b"text").unwrap();
        }
        None
    };
    for (case, act, loss, minutes) in [
        ("linked in: no sign", found, false, 60),
        ("closed", closed, false, 15),
        ("closed, and then events were lost", closed, true, 60),
        ("still open", open, false, 60),
        ("renamed in", placed, false, 15),
        ("renamed within", renamed, false, 15),
        ("a log moved aside", aside, false, 60),
        ("appended to after a close", appended, false, 60),
    ] {
        let mut setting = Setting::new();
        setting.pace.root = Duration::from_hours(2);
        setting.watch.settle = Duration::from_hours(1);
        setting.watch.rescan_interval = Duration::from_hours(2);
        let root = setting.root().to_path_buf();
        let beside = setting.dir.path().join("beside");
        let (tell, _heard) = channel();
        let book = Arc::default();
        let filter = Filter::new(&setting.watch.include, &setting.watch.exclude).unwrap();
        let (phase, phases) = tokio::sync::watch::channel(Phase::Waiting);
        let way = hint::channel(1_000);
        let outlet = way.0.clone();
        let ledger = Recorder { book, tell };
        let mut folder = Folder::new(setting.pace, setting.watch, filter, ledger, way, phase);
        while *phases.borrow() != Phase::Quiet {
            folder.step();
        }
        let _file = act(&root, &beside);
        // A last file whose events come after all others.
        fs::write(root.join("sentinel"), "").unwrap();
        let begun = Instant::now();
        while !folder.settle.holds(Path::new("sentinel")) {
            folder.step();
            assert!(begun.elapsed() < PATIENCE, "{case}: no event comes");
            outlet.send(Hint::Path("nothing".into(), Sign::Other));
        }
        if loss {
            outlet.send(Hint::Rescan);
            folder.step();
        }
        folder.settle.forget(Path::new("sentinel"));
        let due = folder.settle.next_due().unwrap() - Instant::now();
        let wait = due.as_secs().div_ceil(60);
        assert!(
            (minutes - 2..=minutes).contains(&wait),
            "{case}: {wait} min"
        );
    }
}

#[test]
fn asking_for_writers_is_no_reason_to_look() {
    let setting = Setting::new();
    let path = setting.root().join("file");
    fs::write(&path, "text").unwrap();
    let (outlet, mut inbox) = hint::channel(1_000);
    let mut source = Source::start(Backend::Inotify, None, setting.root(), outlet);
    source.watch(Path::new(""), None);
    let root = Root::open(setting.root()).unwrap();
    let (seen, _) = root.stat(Path::new("file")).unwrap();
    let file = Sighting {
        path: "file".into(),
        seen,
    };
    for means in [Means::Lease, Means::Processes] {
        for _ in 0..10 {
            Writers::new(means).ask(&root, &file, Instant::now());
        }
    }
    fs::write(setting.root().join("sentinel"), "").unwrap();
    let mut hints = Vec::new();
    let closed = Hint::Path("sentinel".into(), Sign::Closed);
    while !hints.contains(&closed) {
        let more = inbox.wait(PATIENCE, 1_000);
        assert!(!more.is_empty(), "no event comes");
        hints.extend(more);
    }
    for hint in hints {
        assert!(
            matches!(&hint, Hint::Path(path, _) if path == Path::new("sentinel")),
            "{hint:?}"
        );
    }
}
