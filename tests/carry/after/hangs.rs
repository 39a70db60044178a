//! Shares that do not answer: whoever is on one waits for it for ever, and nobody else waits for him.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::{After, Scene};
use crate::lab::{Plan, TABLE};
use crate::namespace::in_a_namespace;
use crate::process::{Running, wait_until};

/// As many threads as the daemon has for what may block.
const THREADS: usize = 16;

/// A file system that is mounted there until this goes, and does not answer while `silent` exists.
struct Share {
    server: Child,
    silent: PathBuf,
}

impl Share {
    /// `None`, loudly: such a thing cannot be mounted here.
    fn mount(at: &Path, silent: PathBuf) -> Option<Self> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/carry/fuse.py");
        let mut server = Command::new("python3")
            .env("SILENT_WHILE", &silent)
            .arg(script)
            .arg(at)
            .arg("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = [0; 7];
        let stdout = server.stdout.as_mut().unwrap();
        if std::io::Read::read_exact(stdout, &mut said).is_err() {
            eprintln!("skipped: {:?}", server.wait());
            return None;
        }
        Some(Self { server, silent })
    }

    /// Whether the kernel tells here what a thread waits for; says so loudly where not.
    fn shows_who_waits(&self) -> bool {
        // it waits for its command
        let place = || fs::read_to_string(format!("/proc/{}/wchan", self.server.id()));
        let told = (0..200).any(|_| {
            thread::sleep(Duration::from_millis(10));
            place().is_ok_and(|place| place.len() > 1)
        });
        if !told {
            eprintln!("skipped: /proc does not tell what a thread waits for");
        }
        told
    }

    fn goes_silent(&self) {
        fs::write(&self.silent, "").unwrap();
    }

    fn answers(&self) {
        fs::remove_file(&self.silent).unwrap();
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// How many threads of the program wait for a FUSE file system.
fn hanging(daemon: &Running) -> usize {
    let threads = fs::read_dir(format!("/proc/{}/task", daemon.id())).unwrap();
    let wait_in = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("wchan"));
    let waits = |place: &String| place.contains("request_wait_answer");
    threads.flatten().flat_map(wait_in).filter(waits).count()
}

#[test]
fn nothing_waits_for_ever_for_a_share_that_does_not_answer() {
    if !in_a_namespace("after::hangs::nothing_waits_for_ever_for_a_share_that_does_not_answer") {
        return;
    }
    let mut scene = Scene::new(After::Move, "").unwrap();
    let Some(share) = Share::mount(&scene.done, scene.lab.elsewhere("silent")) else {
        return;
    };
    if !share.shows_who_waits() {
        return;
    }
    let done = scene.done.display();
    let mut watches = format!("after_upload = \"move\"\nmove_to = \"{done}\"\n");
    for number in 1..=THREADS {
        let folder = scene.lab.elsewhere(&format!("drop-{number}"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join(format!("file-{number}")), [1; 100]).unwrap();
        write!(
            watches,
            "[[watch]]\nname = \"w{number}\"\npath = \"{}\"\ntable = \"{TABLE}\"\nsettle = \"100ms\"\n\
             after_upload = \"move\"\nmove_to = \"{done}\"\n",
            folder.display()
        )
        .unwrap();
    }
    let plan = Plan {
        watch: watches.leak(),
        ..Plan::default()
    };
    scene.lab.configure(&plan, &scene.lab.endpoint());
    scene.drop_file("file", 1_000, 1);
    for reloads in [false, true] {
        // from the beginning, so that all hang at the same first step, and not one for the lock of another
        share.goes_silent();
        let daemon = scene.lab.start(&["run"]);
        wait_until("all threads that may wait for the share do", || {
            hanging(&daemon) == THREADS
        });
        if reloads {
            daemon.reload();
            let ended = daemon.wait();
            assert_eq!(ended.code, Some(1), "{}", ended.said);
            let why = "so the configuration cannot be reloaded beside that";
            assert!(ended.said.contains(why), "{}", ended.said);
        } else {
            let ended = daemon.terminate();
            assert_eq!(ended.code, Some(0), "{}", ended.said);
            let why = "a disk or a share does not answer";
            assert!(ended.said.contains(why), "{}", ended.said);
        }
        share.answers();
        scene.nothing_is_missing();
    }
}
