//! Files that come in, in all the ways that files do.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use super::*;

#[test]
fn what_is_there_at_the_start_is_found_with_events_and_without() {
    for polling in [false, true] {
        let mut setting = Setting::new();
        if polling {
            setting = setting.polling(50);
        }
        let root = setting.root().to_path_buf();
        fs::create_dir_all(root.join("a/b/c")).unwrap();
        fs::create_dir_all(root.join(".git")).unwrap();
        for path in ["1", "a/2", "a/b/c/3", "a/x.tmp", ".git/config", ".hidden"] {
            fs::write(root.join(path), path).unwrap();
        }
        fs::write(root.join(OsStr::from_bytes(b"\xff\n")), "").unwrap();
        let stage = setting.start_quiet();
        let mut want = paths(&["1", "a/2", "a/b/c/3"]);
        want.push(OsStr::from_bytes(b"\xff\n").into());
        assert_eq!(stage.next_paths(4), want);
        assert_eq!(stage.until_sentinel(), paths(&[]));
        stage.watching.stop();
    }
}

#[test]
fn a_new_file_arrives_after_the_quiet_time_and_soon_after_it() {
    let stage = Setting::new().start_quiet();
    let begun = Instant::now();
    stage.write("file", "");
    let (sighting, at) = stage.next();
    assert_eq!(sighting.path, Path::new("file"));
    let took = at.duration_since(begun);
    assert!(took >= SETTLE / 4, "after {took:?}");
    assert!(took < SETTLE + Duration::from_secs(10), "after {took:?}");
    stage.wait_for(|phase| phase == Phase::Quiet);
}

#[test]
fn every_file_in_fresh_nested_folders_arrives_exactly_once() {
    let stage = Setting::new().start_quiet();
    let mut want = Vec::new();
    for folder in 0..200 {
        // Some side by side, some deep, some filled from the top and some from the bottom.
        let folder = match folder % 3 {
            0 => format!("flat {folder}"),
            1 => format!("deep {}/x/y/z/{folder}", folder / 10),
            _ => format!("pair {}/{folder}", folder / 2),
        };
        fs::create_dir_all(stage.root.join(&folder)).unwrap();
        for file in 0..10 {
            let path = format!("{folder}/{file}");
            stage.write(&path, "");
            want.push(PathBuf::from(path));
        }
    }
    want.sort();
    assert_eq!(stage.next_paths(2_000), want);
    assert_eq!(stage.until_sentinel(), paths(&[]));
    let versions = stage.book.lock().unwrap().known.len();
    assert_eq!(versions, 2_001, "each in one version");
}

#[test]
fn a_file_renamed_into_place_arrives_under_its_last_name_only() {
    let stage = Setting::new().start_quiet();
    stage.write("1.tmp", "excluded while it grows");
    fs::rename(stage.root.join("1.tmp"), stage.root.join("1")).unwrap();
    fs::write(stage.beside.join("2"), "from outside").unwrap();
    fs::rename(stage.beside.join("2"), stage.root.join("2")).unwrap();
    assert_eq!(stage.next_paths(2), paths(&["1", "2"]));
    assert_eq!(stage.until_sentinel(), paths(&[]));
}

#[test]
fn a_folder_moved_in_brings_its_files_and_is_watched_from_then_on() {
    let stage = Setting::new().start_quiet();
    fs::create_dir_all(stage.beside.join("run/raw")).unwrap();
    for path in ["run/1", "run/raw/2", "run/raw/x.tmp"] {
        fs::write(stage.beside.join(path), path).unwrap();
    }
    fs::rename(stage.beside.join("run"), stage.root.join("run")).unwrap();
    assert_eq!(stage.next_paths(2), paths(&["run/1", "run/raw/2"]));
    stage.write("run/raw/3", "later");
    assert_eq!(stage.next_paths(1), paths(&["run/raw/3"]));
    // Renamed within the root: other paths, and still watched.
    fs::rename(stage.root.join("run"), stage.root.join("done")).unwrap();
    assert_eq!(
        stage.next_paths(3),
        paths(&["done/1", "done/raw/2", "done/raw/3"])
    );
    stage.write("done/raw/4", "");
    assert_eq!(stage.next_paths(1), paths(&["done/raw/4"]));
}

#[test]
fn polling_finds_new_files_and_new_folders() {
    let stage = Setting::new().polling(50).start_quiet();
    fs::create_dir_all(stage.root.join("a/b")).unwrap();
    stage.write("a/b/1", "");
    stage.write("2", "");
    assert_eq!(stage.next_paths(2), paths(&["2", "a/b/1"]));
    assert_eq!(stage.until_sentinel(), paths(&[]));
}

#[test]
fn without_recursion_folders_are_left_alone() {
    let mut setting = Setting::new();
    setting.watch.recursive = false;
    fs::create_dir(setting.root().join("old")).unwrap();
    fs::write(setting.root().join("old/1"), "").unwrap();
    let stage = setting.start_quiet();
    stage.write("old/2", "");
    fs::create_dir(stage.root.join("new")).unwrap();
    stage.write("new/3", "");
    stage.write("4", "");
    assert_eq!(stage.next_paths(1), paths(&["4"]));
    assert_eq!(stage.until_sentinel(), paths(&[]));
}

#[test]
fn more_files_than_may_settle_at_once_all_arrive() {
    for polling in [false, true] {
        let mut setting = Setting::new();
        if polling {
            setting = setting.polling(50);
        }
        setting.pace.settling = 10;
        for n in 0..100 {
            fs::write(setting.root().join(format!("old {n}")), "").unwrap();
        }
        let stage = setting.start();
        for n in 0..100 {
            stage.write(&format!("new {n}"), "");
        }
        let arrived: HashSet<_> = stage.next_paths(200).into_iter().collect();
        assert_eq!(arrived.len(), 200);
    }
}
