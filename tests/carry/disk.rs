//! The journal's disk: full, failing, damaged, gone.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use redivis_drop::sandbox::Call;

use crate::lab::{Holding, KIB, Lab, PROGRAM, Plan};
use crate::namespace::{in_a_namespace, mount};
use crate::process::{Running, wait_for, wait_until};
use crate::strace::{can_trace, run_once};

// ---- full

/// So many files of [`SIZE`] bytes, each at this many bytes a second, take long enough for a disk to become
/// full in between.
const FILES: u64 = 400;
const SIZE: usize = 100 * KIB;
const SLOW: u64 = 200_000;

/// A laboratory whose journal has a disk of its own, of 40 MiB.
fn with_a_small_disk(plan: &Plan) -> Lab {
    let lab = Lab::with(plan);
    lab.make_state_folder();
    mount(folder(&lab), "size=40m,mode=700");
    lab
}

fn folder(lab: &Lab) -> &Path {
    lab.journal.parent().unwrap()
}

/// Takes all room that is left on the journal's disk.
fn fill(lab: &Lab) {
    let path = folder(lab).join("fill");
    let mut file = File::options()
        .append(true)
        .create(true)
        .open(path)
        .unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}
}

fn empty(lab: &Lab) {
    fs::remove_file(folder(lab).join("fill")).unwrap();
}

fn drop_files(lab: &Lab, names: impl IntoIterator<Item = u64>) -> Vec<Holding> {
    let drop = |n| lab.drop_file(&format!("file {n}"), SIZE, n);
    names.into_iter().map(drop).collect()
}

/// What `status` says of the disk.
fn said_full(lab: &Lab) -> Option<String> {
    let status = lab.status()?;
    status["journal"]["disk_full"].as_str().map(str::to_owned)
}

/// Fills the disk again and again, until a daemon that is at work can record nothing more.
fn fill_to_the_brim(lab: &Lab, daemon: &Running) {
    wait_until("nothing fits any more", || {
        fill(lab);
        daemon.said().contains("everything waits for room")
    });
}

#[test]
fn a_disk_that_becomes_full_in_the_middle_loses_nothing_and_repeats_nothing() {
    if !in_a_namespace(
        "disk::a_disk_that_becomes_full_in_the_middle_loses_nothing_and_repeats_nothing",
    ) {
        return;
    }
    let lab = with_a_small_disk(&Plan {
        speed: Some(SLOW),
        // so that the table is listed only for what is uncertain
        watch: "adopt_existing = false",
        ..Plan::default()
    });
    let mut wanted = drop_files(&lab, 0..FILES);
    let daemon = lab.start(&["run"]);
    wait_until("some files have arrived", || lab.registered().len() >= 10);
    fill(&lab);
    let advice = wait_for("status says so", || said_full(&lab));
    let path = lab.journal.display().to_string();
    assert!(
        advice.contains(&path) && advice.contains("20 MiB free"),
        "{advice}"
    );
    let text = lab.output(&["status"]).stdout;
    assert!(
        String::from_utf8(text)
            .unwrap()
            .contains("the journal's disk is full: make")
    );
    let enough = lab.registered().len() + 10;
    wait_until("known files go on", || lab.registered().len() >= enough);
    // new ones are seen, and wait
    wanted.extend(drop_files(&lab, FILES..FILES + 100));
    wait_until("the watch says why its files wait", || {
        let status = lab.status().unwrap();
        let error = status["watches"][0]["error"].as_str().unwrap_or_default();
        error.contains("disk is full") && error.contains(&path)
    });
    fill_to_the_brim(&lab, &daemon);
    assert!(said_full(&lab).is_some());
    let before = lab.registered();
    let jobs = lab.jobs();
    assert!(jobs.len() < wanted.len());
    let done = jobs.iter().filter(|job| job["state"] == "done").count();
    assert!(
        done <= before.len() && before.len() < wanted.len() - 100,
        "{done} {}",
        before.len()
    );

    empty(&lab);
    wait_until("everything has arrived", || {
        lab.total("done") == FILES + 100
    });
    assert_eq!(said_full(&lab), None);
    lab.expect(wanted);
    let ended = daemon.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    assert!(ended.said.contains("has room again"), "{}", ended.said);
    assert_eq!(
        lab.report().requests(Call::List),
        0,
        "nothing was uncertain"
    );
}

#[test]
fn a_daemon_on_a_full_disk_stops_within_seconds_and_can_be_killed() {
    if !in_a_namespace("disk::a_daemon_on_a_full_disk_stops_within_seconds_and_can_be_killed") {
        return;
    }
    for kill in [false, true] {
        let lab = with_a_small_disk(&Plan {
            speed: Some(SLOW),
            ..Plan::default()
        });
        let wanted = drop_files(&lab, 0..FILES);
        let daemon = lab.start(&["run"]);
        wait_until("some files have arrived", || lab.registered().len() >= 10);
        fill(&lab);
        fill_to_the_brim(&lab, &daemon);
        if kill {
            daemon.kill();
        } else {
            let told = Instant::now();
            let ended = daemon.terminate();
            assert_eq!(ended.code, Some(0), "{}", ended.said);
            assert!(
                told.elapsed() < Duration::from_secs(20),
                "{:?}",
                told.elapsed()
            );
        }
        assert!(lab.registered().len() < wanted.len());
        fill(&lab);
        let ended = lab.run_once();
        // a WAL that is left may have room for a start
        if ended.code != Some(0) {
            assert_eq!(ended.code, Some(74), "{}", ended.said);
            assert!(ended.said.contains("disk is full"), "{}", ended.said);
        }
        empty(&lab);
        lab.carry_all();
        lab.expect(wanted);
    }
}

// ---- failing

#[test]
fn a_sync_that_fails_once_ends_the_daemon_and_the_next_one_reads_the_journal_again() {
    if !can_trace() {
        return;
    }
    let (mut failed, mut nth) = (0, 1);
    loop {
        let lab = Lab::new();
        let wanted = drop_files(&lab, 0..20);
        // of each thread; all others work
        let inject = format!("inject=fsync,fdatasync:error=EIO:when={nth}");
        let (ended, trace) = run_once(&lab, &["trace=fsync,fdatasync", &inject]);
        if !trace.contains("INJECTED") {
            // so many syncs there are not
            assert_eq!(ended.code, Some(0), "{}", ended.said);
            break;
        }
        let after = trace.rsplit("INJECTED").next().unwrap_or_default();
        let of_a_file = |line: &&str| line.contains("INJECTED") && line.contains("journal.db");
        if ended.code == Some(0) {
            // of the folder alone (how the sync of one went in which it has made a file, SQLite does not ask), or in the
            // last act, at which nothing can be lost any more
            let is_last = ended.said.contains("the next start does it");
            let files = trace.lines().filter(of_a_file).count();
            assert!(is_last || files == 0, "sync {nth}: {trace} {}", ended.said);
        } else {
            assert_eq!(ended.code, Some(74), "sync {nth}: {}", ended.said);
            let says_why = ["I/O error", "`wal` is needed"];
            assert!(
                says_why.iter().any(|why| ended.said.contains(why)),
                "sync {nth}: {}",
                ended.said
            );
            // when a new database cannot be made, taking that back is synced
            assert!(after.matches("sync(").count() <= 1, "synced again: {trace}");
            failed += 1;
        }
        lab.carry_all();
        lab.expect(wanted);
        nth += 1;
    }
    assert!(failed >= 8, "{failed} of {nth}");
}

// ---- elsewhere

#[test]
fn a_journal_on_a_network_file_system_is_refused() {
    let lab = Lab::new();
    lab.drop_file("a", 10, 1);
    lab.make_state_folder();
    let inner = lab.command(&["run", "--once"]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/carry/fuse.py");
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "python3", script])
        .arg(folder(&lab))
        .arg(PROGRAM)
        .args(inner.get_args())
        .output();
    let output = match output {
        Ok(output) if output.stdout.starts_with(b"mounted") => output,
        other => {
            eprintln!("skipped: {other:?}");
            return;
        }
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(74), "{said}");
    let path = lab.journal.display().to_string();
    for words in [&*path, "would be on FUSE", "on a disk of this machine"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(lab.report().requests(Call::TempUploads), 0);
}

// ---- damaged, gone

/// A daemon that is killed with most files done, and its journal's files.
fn killed_with_some_done() -> (Lab, Vec<Holding>) {
    let lab = Lab::with(&Plan {
        speed: Some(SLOW),
        ..Plan::default()
    });
    let mut wanted = drop_files(&lab, 0..10);
    let daemon = lab.start(&["run"]);
    wait_until("files are done", || lab.total("done") == 10);
    wanted.push(lab.drop_file("slow", 400 * KIB, 99));
    wait_until("another is on its way", || {
        lab.total("reserved") + lab.total("uploading") == 1
    });
    daemon.kill();
    (lab, wanted)
}

fn beside(lab: &Lab, suffix: &str) -> PathBuf {
    let mut name = lab.journal.clone().into_os_string();
    name.push(suffix);
    name.into()
}

#[test]
fn a_lost_wal_is_noticed_before_anything_is_registered_twice() {
    let (lab, wanted) = killed_with_some_done();
    let (wal, kept) = (beside(&lab, "-wal"), lab.elsewhere("kept"));
    fs::rename(&wal, &kept).unwrap();
    let database = fs::read(&lab.journal).unwrap();
    let ended = lab.run_once();
    assert_eq!(ended.code, Some(74), "{}", ended.said);
    let count = beside(&lab, "-count");
    for words in [
        "its -wal file is missing",
        &*lab.journal.to_string_lossy(),
        &*count.to_string_lossy(),
    ] {
        assert!(ended.said.contains(words), "{words}: {}", ended.said);
    }
    assert_eq!(fs::read(&lab.journal).unwrap(), database);
    let sent = lab.report().requests(Call::RawFiles);

    // as the message says: either put it back
    let spare = lab.elsewhere("spare");
    for (from, to) in [("", "db"), ("-count", "count")] {
        fs::create_dir_all(&spare).unwrap();
        fs::copy(beside(&lab, from), spare.join(to)).unwrap();
    }
    let _ = fs::remove_file(&wal);
    fs::copy(&kept, &wal).unwrap();
    lab.carry_all();
    lab.expect(wanted.clone());
    assert_eq!(
        lab.report().requests(Call::RawFiles),
        sent + 1,
        "only what was on its way"
    );

    // or go on without
    fs::copy(spare.join("db"), &lab.journal).unwrap();
    let _ = fs::remove_file(&wal);
    fs::copy(spare.join("count"), &count).unwrap();
    assert_eq!(lab.run_once().code, Some(74));
    fs::remove_file(&count).unwrap();
    lab.carry_all();
    expect_at_least_once(&lab, &wanted);
}

/// The journal that knew what was in the table is gone, so that is sent again; the message that leads here
/// says so. Nothing may be missing, nothing else may be there.
fn expect_at_least_once(lab: &Lab, wanted: &[Holding]) {
    let mut held = lab.registered();
    held.dedup();
    let mut wanted = wanted.to_vec();
    wanted.sort();
    assert_eq!(held, wanted);
    lab.expect_manners();
}

#[test]
fn a_journal_that_was_moved_away_is_rebuilt_by_a_scan() {
    let (lab, wanted) = killed_with_some_done();
    fs::write(&lab.journal, "damaged").unwrap();
    let ended = lab.run_once();
    assert_eq!(ended.code, Some(74), "{}", ended.said);
    assert!(
        ended.said.contains("may stand there twice"),
        "{}",
        ended.said
    );
    // as the message says
    for entry in fs::read_dir(folder(&lab)).unwrap() {
        let path = entry.unwrap().path();
        fs::rename(&path, lab.elsewhere("").join(path.file_name().unwrap())).unwrap();
    }
    lab.carry_all();
    expect_at_least_once(&lab, &wanted);
    assert_eq!(lab.total("done"), 11);
}
