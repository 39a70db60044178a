//! `redivis-drop observe` as a process: a real folder, a real writer, real signals. What it prints is put into a
//! configuration, which `redivis-drop check` must take.

#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first surprise, also in its helpers"
)]

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_redivis-drop");

/// Longer than anything may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// An observer at work, ended here at the latest.
struct Observer {
    child: Child,
    stderr: PathBuf,
}

impl Observer {
    fn start(dir: &TempDir, folder: &Path, lasts: &str) -> Self {
        let stderr = dir.path().join("stderr");
        let child = Command::new(PROGRAM)
            .args(["observe", "--for", lasts])
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&stderr).unwrap())
            .spawn()
            .unwrap();
        let observer = Self { child, stderr };
        wait_until("it listens", || {
            observer.said().contains("from now on every change is seen")
        });
        observer
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap()
    }

    /// Waits until it hears what happens in this folder: until the kernel says so.
    fn hears(&self, folder: &Path) {
        let inode = format!(" ino:{:x} ", fs::metadata(folder).unwrap().ino());
        let listed = format!("/proc/{}/fdinfo", self.child.id());
        wait_until("it is in the new folder", || {
            let mut all = fs::read_dir(&listed).unwrap().flatten();
            all.any(|fd| fs::read_to_string(fd.path()).is_ok_and(|text| text.contains(&inode)))
        });
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// Its end: how, and the block.
    fn end(mut self) -> (ExitStatus, String) {
        let mut block = String::new();
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut block)
            .unwrap();
        let mut status = None;
        wait_until("it ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        (status.unwrap(), block)
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        // both fail for a process that has ended and was waited for
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// `redivis-drop check` takes a configuration with this block, its table filled in.
fn check(dir: &TempDir, block: &str) {
    let config = dir.path().join("config.toml");
    fs::write(
        &config,
        block.replace(
            "owner.dataset:next.table",
            "my_lab.sequencing:next.raw_reads",
        ),
    )
    .unwrap();
    let output = Command::new(PROGRAM)
        .arg("--config")
        .arg(&config)
        .arg("check")
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}\n{block}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Everything below a folder, with its bytes.
fn snapshot(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    let mut ahead = vec![folder.to_owned()];
    while let Some(folder) = ahead.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                ahead.push(path);
            } else {
                let bytes = fs::read(&path).unwrap();
                all.push((path, bytes));
            }
        }
    }
    all.sort();
    all
}

#[test]
fn it_proposes_what_fits_a_writer_and_check_takes_it() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("drop folder");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("old.csv"), "from before").unwrap();
    let observer = Observer::start(&dir, &folder, "1h");

    for run in ["run1", "run2"] {
        let data = folder.join(run).join("Data");
        fs::create_dir_all(&data).unwrap();
        observer.hears(&folder.join(run));
        observer.hears(&data);
        for name in ["a.bcl", "b.bcl"] {
            let part = data.join(format!("{name}.filepart"));
            let mut file = File::create(&part).unwrap();
            for _ in 0..3 {
                file.write_all(&[7; 1000]).unwrap();
            }
            drop(file);
            fs::rename(part, data.join(name)).unwrap();
        }
        fs::write(folder.join(run).join("CopyComplete.txt"), "").unwrap();
    }
    wait_until("the last events are read", || {
        observer.said().contains(": 6 files came")
    });
    let before = snapshot(&folder);
    observer.signal(Signal::INT);
    let (status, block) = observer.end();

    assert_eq!(status.code(), Some(0), "{block}");
    for want in [
        "\n# 6 files came, 12.0 kB (1 file with 11 B there before).\n",
        "\nname = \"drop-folder\"\n",
        "CopyComplete.txt (empty) appeared last in 2 folders, such as run",
        "NAME.filepart becomes NAME",
        "\"**/*.filepart\"]\n",
        "\nrecursive = true\n",
        "\nsettle = \"10s\"\n",
        "release_on = \"CopyComplete.txt\"\n",
    ] {
        assert!(block.contains(want), "{want:?} is missing in\n{block}");
    }
    check(&dir, &block);
    assert_eq!(snapshot(&folder), before, "it wrote something");
}

#[test]
fn a_pause_of_a_writer_is_measured() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("drop");
    fs::create_dir(&folder).unwrap();
    let observer = Observer::start(&dir, &folder, "1h");
    let path = folder.join("slow.raw");
    fs::write(&path, "one").unwrap();
    let pause = Instant::now();
    wait_until("the writer pauses", || {
        pause.elapsed() > Duration::from_secs(2)
    });
    OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(b"two")
        .unwrap();
    let quiet = Instant::now();
    wait_until("the last events are read", || {
        quiet.elapsed() > Duration::from_millis(500)
    });
    observer.signal(Signal::TERM);
    let (status, block) = observer.end();
    assert_eq!(status.code(), Some(0), "{block}");
    assert!(block.contains("went on growing:"), "{block}");
    assert!(block.contains("in slow.raw"), "{block}");
    check(&dir, &block);
}

#[test]
fn a_folder_that_is_away_is_waited_for_and_nothing_in_it_counts_as_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, aside) = (dir.path().join("drop"), dir.path().join("aside"));
    fs::create_dir(&folder).unwrap();
    let observer = Observer::start(&dir, &folder, "1h");
    fs::write(folder.join("a.csv"), "text").unwrap();
    wait_until("it has seen the file", || {
        observer.said().contains(": 1 file came")
    });
    fs::rename(&folder, &aside).unwrap();
    wait_until("it misses the folder", || {
        observer.said().contains("the folder is away: ")
    });
    fs::rename(&aside, &folder).unwrap();
    wait_until("it is back", || {
        observer.said().contains("the folder is there again")
    });
    observer.signal(Signal::INT);
    let (status, block) = observer.end();
    assert_eq!(status.code(), Some(0), "{block}");
    assert!(block.contains("# 1 file came, 4 B.\n"), "{block}");
    assert!(block.contains("# The folder was away 1 time.\n"), "{block}");
    assert!(!block.contains("went away again"), "{block}");
}

#[test]
fn when_nothing_happens_it_says_so_and_ends_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("drop");
    fs::create_dir(&folder).unwrap();
    let (status, block) = Observer::start(&dir, &folder, "1s").end();
    assert_eq!(status.code(), Some(0));
    assert!(
        block.contains("# Nothing was written in this time;"),
        "{block}"
    );
    check(&dir, &block);
}

#[test]
fn what_cannot_be_observed_is_wrong_usage() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let closed = dir.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    let ask = |arguments: &[&Path]| -> Output {
        Command::new(PROGRAM)
            .arg("observe")
            .args(arguments)
            .output()
            .unwrap()
    };
    let mut cases = vec![
        (
            vec![dir.path().join("missing")],
            "missing cannot be observed: No such file",
        ),
        (vec![file], "file cannot be observed: Not a directory"),
        (
            vec![dir.path().into(), "--for".into(), "10".into()],
            "--for 10: that is no time",
        ),
        (
            vec![dir.path().into(), "--for".into(), "10ms".into()],
            "--for 10ms: that is too short",
        ),
        (
            vec![dir.path().into(), "--for".into(), "8d".into()],
            "--for 8d: that is too long",
        ),
    ];
    if !rustix::process::geteuid().is_root() {
        cases.push((vec![closed], "closed cannot be observed: Permission denied"));
    }
    for (arguments, want) in cases {
        let paths: Vec<&Path> = arguments.iter().map(PathBuf::as_path).collect();
        let output = ask(&paths);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(want) && said.contains("hint: "), "{said}");
        assert!(output.stdout.is_empty());
    }
}
