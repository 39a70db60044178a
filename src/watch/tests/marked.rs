//! Folders that go as one set, when their marker is there.

use super::*;
use crate::config::Release;
use crate::watch::MISSING_TOLD;

fn setting(markers: &[&str], all: bool) -> Setting {
    let mut setting = Setting::new();
    setting.watch.release_on = Some(Release {
        markers: markers.iter().map(ToString::to_string).collect(),
        all,
    });
    setting
}

/// Looks for the root, where nothing else can be waited for.
fn waits_held(stage: &Stage, files: u64) {
    stage.report(|health| health.held == files);
}

#[test]
fn nothing_of_a_set_goes_before_its_marker_and_the_marker_goes_last() {
    let setting = setting(&["Done"], true);
    fs::create_dir_all(setting.root().join("run/deep")).unwrap();
    for path in ["loose", "run/1", "run/deep/2"] {
        fs::write(setting.root().join(path), "").unwrap();
    }
    let stage = setting.start();
    waits_held(&stage, 3);
    stage.wait_for(|phase| phase == Phase::Quiet);
    // new ones and moved ones wait as well
    stage.write("run/3", "");
    fs::create_dir(stage.beside.join("other")).unwrap();
    fs::write(stage.beside.join("other/4"), "").unwrap();
    fs::rename(stage.beside.join("other"), stage.root.join("other")).unwrap();
    let missing = |failed| Missing {
        path: "run/1".into(),
        failed,
    };
    let say = |missing| {
        let mut book = stage.book.lock().unwrap();
        book.under_way.insert("run".into(), vec![missing]);
    };
    say(missing(false));
    stage.write("run/Done", "");
    assert_eq!(
        stage.next_paths(3),
        paths(&["run/1", "run/3", "run/deep/2"])
    );
    stage.wait_for(|phase| phase == Phase::Completing);
    let asked = |stage: &Stage| stage.book.lock().unwrap().asked.len();
    let before = asked(&stage);
    while asked(&stage) < before + 2 {
        std::thread::yield_now();
    }
    assert_eq!(stage.offered().len(), 3, "the rest has not arrived");
    say(missing(true));
    stage.wait_for(|phase| phase == Phase::Stuck);
    stage.report(|health| {
        let why = "the marker of run waits: run/1 did not arrive";
        health.error.as_deref() == Some(why)
    });
    stage.book.lock().unwrap().under_way.clear();
    assert_eq!(stage.next_paths(1), paths(&["run/Done"]));
    stage.wait_for(|phase| phase == Phase::Quiet);
    let last = stage.book.lock().unwrap().asked.pop().unwrap();
    assert_eq!(last, ("run".into(), paths(&["run/Done"])));
    // later files of a released folder go, those of others do not
    stage.write("other/5", "");
    stage.write("run/6", "");
    assert_eq!(stage.next_paths(1), paths(&["run/6"]));
    assert_eq!(stage.offered().len(), 5);
}

#[test]
fn a_folder_waits_for_all_of_its_markers_or_for_any() {
    for all in [true, false] {
        let setting = setting(&["A", "B"], all);
        for path in ["one", "two"] {
            fs::create_dir(setting.root().join(path)).unwrap();
            fs::write(setting.root().join(path).join("file"), "").unwrap();
            fs::write(setting.root().join(path).join("A"), "").unwrap();
        }
        fs::write(setting.root().join("two/B"), "").unwrap();
        let stage = setting.start();
        let want = if all {
            paths(&["two/A", "two/B", "two/file"])
        } else {
            paths(&["one/A", "one/file", "two/A", "two/B", "two/file"])
        };
        assert_eq!(stage.next_paths(want.len()), want);
        stage.wait_for(|phase| phase == Phase::Quiet);
        assert_eq!(stage.offered().len(), want.len());
    }
}

/// What failed and is gone belongs to no set, however much of it there is; what lies after it does.
#[test]
fn a_marker_waits_while_more_is_missing_than_is_told() {
    let stage = setting(&["Done"], true).start();
    fs::create_dir(stage.root.join("run")).unwrap();
    let gone = |number| Missing {
        path: format!("run/gone-{number:03}").into(),
        failed: true,
    };
    let mut missing: Vec<_> = (0..2 * MISSING_TOLD).map(gone).collect();
    let last = missing.last_mut().unwrap();
    last.path = "run/there".into();
    stage.write("run/there", "");
    let mut book = stage.book.lock().unwrap();
    book.under_way.insert("run".into(), missing);
    drop(book);
    stage.write("run/Done", "");
    assert_eq!(stage.next_paths(1), paths(&["run/there"]));
    stage.wait_for(|phase| phase == Phase::Stuck);
    fs::remove_file(stage.root.join("run/there")).unwrap();
    assert_eq!(stage.next_paths(1), paths(&["run/Done"]));
}

#[test]
fn after_a_restart_a_released_folder_is_released_again_and_its_marker_does_not_go_twice() {
    let setting = setting(&["Done"], true);
    let root = setting.root().to_path_buf();
    fs::create_dir(root.join("run")).unwrap();
    fs::write(root.join("run/1"), "").unwrap();
    fs::write(root.join("run/Done"), "").unwrap();
    let (watch, pace) = (setting.watch.clone(), setting.pace);
    let stage = setting.start();
    assert_eq!(stage.next_paths(2), paths(&["run/1", "run/Done"]));
    stage.wait_for(|phase| phase == Phase::Quiet);
    let known = std::mem::take(&mut stage.book.lock().unwrap().known);
    stage.watching.stop();
    fs::write(root.join("run/2"), "").unwrap();
    let setting = Setting {
        dir: tempfile::tempdir().unwrap(),
        watch,
        pace,
        book: Book {
            known,
            ..Book::default()
        },
    };
    let again = setting.start();
    assert_eq!(again.next_paths(1), paths(&["run/2"]));
    again.wait_for(|phase| phase == Phase::Quiet);
    assert_eq!(again.offered(), paths(&["run/2"]));
}

#[test]
fn a_folder_of_the_same_name_waits_for_a_marker_of_its_own() {
    for polling in [false, true] {
        let mut setting = setting(&["Done"], true);
        if polling {
            setting = setting.polling(50);
        }
        fs::create_dir(setting.root().join("run")).unwrap();
        fs::write(setting.root().join("run/Done"), "").unwrap();
        let stage = setting.start();
        assert_eq!(stage.next_paths(1), paths(&["run/Done"]));
        fs::rename(stage.root.join("run"), stage.beside.join("run 1")).unwrap();
        fs::create_dir(stage.beside.join("run 2")).unwrap();
        fs::write(stage.beside.join("run 2/file"), "").unwrap();
        fs::rename(stage.beside.join("run 2"), stage.root.join("run")).unwrap();
        waits_held(&stage, 1);
        assert_eq!(stage.offered().len(), 1);
        fs::write(stage.beside.join("Done"), "again").unwrap();
        fs::rename(stage.beside.join("Done"), stage.root.join("run/Done")).unwrap();
        assert_eq!(stage.next_paths(1), paths(&["run/file"]));
        assert_eq!(stage.next_paths(1), paths(&["run/Done"]));
    }
}

#[test]
fn an_excluded_marker_releases_its_folder_and_stays() {
    let setting = setting(&[".done"], true);
    fs::create_dir(setting.root().join("run")).unwrap();
    fs::write(setting.root().join("run/file"), "").unwrap();
    fs::create_dir(setting.root().join(".hidden")).unwrap();
    fs::write(setting.root().join(".hidden/.done"), "").unwrap();
    let stage = setting.start();
    waits_held(&stage, 1);
    stage.write("run/.done", "");
    assert_eq!(stage.next_paths(1), paths(&["run/file"]));
    stage.wait_for(|phase| phase == Phase::Quiet);
    assert_eq!(stage.offered(), paths(&["run/file"]));
}

#[test]
fn a_marker_does_not_go_before_files_that_cannot_be_looked_at_yet() {
    let setting = setting(&["Done"], true);
    let deep = "d".repeat(250);
    let mut folder = setting.root().join("run");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("file"), "").unwrap();
    fs::write(folder.join("Done"), "").unwrap();
    // beyond the longest path: a walk cannot look there
    let open = |at: &Path| {
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY;
        rustix::fs::open(at, flags, rustix::fs::Mode::empty()).unwrap()
    };
    let mut at = open(&folder);
    for _ in 0..17 {
        rustix::fs::mkdirat(&at, &deep, rustix::fs::Mode::from_raw_mode(0o700)).unwrap();
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY;
        at = rustix::fs::openat(&at, &deep, flags, rustix::fs::Mode::empty()).unwrap();
    }
    folder.push(&deep);
    let stage = setting.start();
    assert_eq!(stage.next_paths(1), paths(&["run/file"]));
    stage.wait_for(|phase| phase == Phase::Stuck);
    fs::rename(&folder, stage.beside.join("deep")).unwrap();
    stage.watching.outlet.send(super::super::hint::Hint::Rescan);
    assert_eq!(stage.next_paths(1), paths(&["run/Done"]));
}

#[test]
fn a_set_that_is_never_complete_is_told() {
    let mut setting = setting(&["Done"], true);
    setting.watch.max_wait = setting.watch.settle;
    setting.watch.rescan_interval = Duration::from_millis(50);
    fs::create_dir(setting.root().join("run")).unwrap();
    fs::write(setting.root().join("run/file"), "").unwrap();
    let stage = setting.start();
    let health = stage.report(|health| health.error.is_some());
    assert_eq!(
        health.error.unwrap(),
        "1 files in run still wait for Done: nothing of a set goes before its marker is there"
    );
    stage.write("run/Done", "");
    stage.report(|health| health.error.is_none());
    stage.wait_for(|phase| phase == Phase::Quiet);
    assert_eq!(stage.offered(), paths(&["run/file", "run/Done"]));
}

/// As instruments do that mark parts of a run by one of the names that are required together for the whole.
#[test]
fn a_marker_that_releases_nothing_goes_with_the_set_around_it() {
    let setting = setting(&["A", "B"], true);
    fs::create_dir_all(setting.root().join("run/part")).unwrap();
    for path in ["run/part/A", "run/part/file", "run/A"] {
        fs::write(setting.root().join(path), "").unwrap();
    }
    let stage = setting.start();
    waits_held(&stage, 1);
    stage.write("run/B", "");
    let inner = paths(&["run/part/A", "run/part/file"]);
    assert_eq!(stage.next_paths(2), inner);
    assert_eq!(stage.next_paths(2), paths(&["run/A", "run/B"]));
    stage.wait_for(|phase| phase == Phase::Quiet);
    // the second one of the part makes a set of its own of it
    stage.write("run/part/B", "");
    assert_eq!(stage.next_paths(1), paths(&["run/part/B"]));
}

/// A file that changed after it was handed on is in no job until it is noticed, and without events that takes a while.
#[test]
fn a_file_that_changed_unnoticed_goes_before_the_marker() {
    let mut setting = setting(&["Done"], true).polling(3_600_000);
    setting.pace.retry = Duration::from_millis(300);
    fs::create_dir(setting.root().join("run")).unwrap();
    fs::write(setting.root().join("run/file"), "").unwrap();
    fs::write(setting.root().join("run/Done"), "").unwrap();
    let stage = setting.start();
    assert_eq!(stage.next_paths(1), paths(&["run/file"]));
    fs::write(stage.beside.join("file"), "new").unwrap();
    fs::rename(stage.beside.join("file"), stage.root.join("run/file")).unwrap();
    assert_eq!(stage.next_paths(1), paths(&["run/file"]));
    assert_eq!(stage.next_paths(1), paths(&["run/Done"]));
}
