//! Files that change while they are watched.

use std::fs::{File, FileTimes};
use std::io::Write as _;
use std::thread;

use super::*;

/// Whatever the machine does to the writer's pace: a version that arrives before the last one must have been
/// left alone for the quiet time by the writer's own clock.
#[test]
fn a_slow_writer_is_left_alone_until_it_is_done() {
    let stage = Setting::new().start_quiet();
    // Before and after each write: a version can be seen from the begin of its write to the end of the next.
    let before = Instant::now();
    let mut file = File::create(stage.root.join("slow")).unwrap();
    let mut written = vec![(before, Instant::now())];
    for _ in 0..100 {
        thread::sleep(Duration::from_millis(10));
        let before = Instant::now();
        file.write_all(b"x").unwrap();
        written.push((before, Instant::now()));
    }
    drop(file);
    loop {
        let (sighting, at) = stage.next();
        let size = usize::try_from(sighting.seen.size).unwrap();
        let quiet = written.get(size + 1).map_or(at, |next| next.1) - written[size].0;
        // After the last write comes a close.
        let least = if size == 100 { SETTLE / 4 } else { SETTLE };
        assert!(
            quiet >= least,
            "arrived with {size} bytes, {quiet:?} before the next"
        );
        if size == 100 {
            break;
        }
    }
    assert_eq!(stage.until_sentinel(), paths(&[]));
}

#[test]
fn rewritten_while_settling_only_the_last_version_arrives() {
    let mut setting = Setting::new();
    setting.watch.settle = Duration::from_millis(1_600);
    let stage = setting.start_quiet();
    for round in 0..20 {
        let name = format!("file {round}");
        let begun = Instant::now();
        stage.write(&name, "first");
        stage.wait_for(|phase| matches!(phase, Phase::Settling(_)));
        stage.write(&name, "the second");
        let in_time = begun.elapsed() < Duration::from_millis(300);
        let (sighting, at) = stage.next();
        if in_time {
            assert_eq!(sighting.seen.size, 10, "the first version arrived");
            // The first close was no promise, and the second one is not believed.
            assert!(at - begun >= Duration::from_millis(1_600));
            assert_eq!(stage.until_sentinel(), paths(&[]));
            return;
        }
        // The machine was too slow for this to be the case at hand.
        stage.wait_for(|phase| phase == Phase::Quiet);
        for _ in stage.heard.try_iter() {}
    }
    panic!("the machine is too slow for this test");
}

#[test]
fn new_content_under_the_old_size_and_time_is_a_new_version() {
    let stage = Setting::new().start_quiet();
    let path = stage.root.join("copy");
    let old = FileTimes::new().set_modified(std::time::UNIX_EPOCH + Duration::from_hours(24));
    let mut versions = Vec::new();
    for text in ["aaaa", "bbbb"] {
        fs::write(&path, text).unwrap();
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_times(old)
            .unwrap();
        // A slow machine may show more versions, from before the time was set.
        let old = |seen: &Fingerprint| seen.mtime_ns == 86_400_000_000_000 && seen.size == 4;
        versions.push(
            std::iter::repeat_with(|| stage.next().0.seen)
                .find(old)
                .unwrap(),
        );
    }
    assert_ne!(versions[0], versions[1]);
}

#[test]
fn what_goes_away_while_settling_never_arrives() {
    let mut setting = Setting::new();
    setting.watch.settle = Duration::from_hours(1);
    let stage = setting.start_quiet();
    stage.write("short-lived", "");
    fs::create_dir(stage.root.join("folder")).unwrap();
    stage.write("folder/file", "");
    stage.wait_for(|phase| phase == Phase::Settling(2));
    fs::remove_file(stage.root.join("short-lived")).unwrap();
    fs::remove_dir_all(stage.root.join("folder")).unwrap();
    stage.wait_for(|phase| phase == Phase::Quiet);
    assert_eq!(stage.offered(), paths(&[]));
}

#[test]
fn a_known_version_is_not_offered_again() {
    let setting = Setting::new();
    for n in 0..2_500 {
        fs::write(setting.root().join(format!("{n}")), "").unwrap();
    }
    let stage = setting.start_quiet();
    stage.next_paths(2_500);
    assert_eq!(stage.offered().len(), 2_500);
    stage.watching.outlet.send(super::super::hint::Hint::Rescan);
    let begun = stage.report(|health| health.overflows == 1);
    let ended = stage.report(|health| health.last_scan_at > begun.last_scan_at);
    assert_eq!(ended.settling, 0, "what is known does not settle again");
    assert_eq!(stage.offered().len(), 2_500);
    assert!(stage.book.lock().unwrap().most_asked <= 1_000);
}

#[test]
fn reading_files_makes_no_work() {
    let setting = Setting::new();
    for n in 0..50 {
        fs::write(setting.root().join(format!("{n}")), "text").unwrap();
    }
    let stage = setting.start_quiet();
    stage.next_paths(50);
    for entry in fs::read_dir(&stage.root).unwrap() {
        fs::read(entry.unwrap().path()).unwrap();
    }
    stage.until_sentinel();
    assert_eq!(stage.offered().len(), 51);
}
