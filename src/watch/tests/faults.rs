//! Roots that come and go, a ledger that refuses, limits that are reached.

use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use rustix::fs::{CWD, Mode, OFlags};

use super::super::hint::Hint;
use super::super::{Mode as WatchMode, SpawnError, stop_all_within};
use super::*;

#[test]
fn a_missing_root_is_waited_for() {
    let setting = Setting::new();
    fs::remove_dir(setting.root()).unwrap();
    let stage = setting.start();
    let health = stage.report(|health| health.error.is_some());
    let error = health.error.unwrap();
    assert!(
        error.contains("drop") && error.contains("No such file"),
        "{error}"
    );
    stage.wait_for(|phase| phase == Phase::Waiting);
    fs::write(stage.beside.join("file"), "").unwrap();
    fs::rename(&stage.beside, &stage.root).unwrap();
    assert_eq!(stage.next_paths(1), paths(&["file"]));
    stage.write("next", "");
    assert_eq!(stage.next_paths(1), paths(&["next"]));
    stage.report(|health| health.error.is_none());
}

#[test]
fn a_root_that_goes_away_is_a_pause() {
    let stage = Setting::new().start_quiet();
    stage.write("1", "");
    assert_eq!(stage.next_paths(1), paths(&["1"]));
    let away = stage.beside.join("away");
    fs::rename(&stage.root, &away).unwrap();
    stage.wait_for(|phase| phase == Phase::Waiting);
    fs::write(away.join("2"), "while it was away").unwrap();
    fs::rename(&away, &stage.root).unwrap();
    assert_eq!(stage.next_paths(1), paths(&["2"]));
    assert_eq!(stage.until_sentinel(), paths(&[]));
}

/// As when a share is mounted over the folder or unmounted from it: the path never is missing, and no
/// event tells.
#[test]
fn another_folder_in_the_place_of_the_root_is_a_new_start() {
    for polling in [false, true] {
        let mut setting = Setting::new();
        if polling {
            setting = setting.polling(3_600_000);
        }
        let stage = setting.start_quiet();
        let other = stage.beside.join("other");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("file"), "").unwrap();
        let flags = rustix::fs::RenameFlags::EXCHANGE;
        rustix::fs::renameat_with(CWD, &stage.root, CWD, &other, flags).unwrap();
        assert_eq!(stage.next_paths(1), paths(&["file"]));
    }
}

#[test]
fn what_the_ledger_refuses_is_offered_until_it_is_taken() {
    let mut setting = Setting::new();
    setting.book.failures = 3;
    for n in 0..20 {
        fs::write(setting.root().join(format!("old {n}")), "").unwrap();
    }
    let stage = setting.start();
    stage.report(|health| health.error.as_deref() == Some("the journal is full"));
    let arrived: HashSet<_> = stage.next_paths(20).into_iter().collect();
    assert_eq!(arrived.len(), 20);
    stage.wait_for(|phase| phase == Phase::Quiet);
    stage.book.lock().unwrap().failures = 3;
    for n in 0..20 {
        stage.write(&format!("new {n}"), "");
    }
    let arrived: HashSet<_> = stage.next_paths(20).into_iter().collect();
    assert_eq!(arrived.len(), 20);
    stage.wait_for(|phase| phase == Phase::Quiet);
    assert_eq!(stage.book.lock().unwrap().failures, 0);
}

#[test]
fn lost_events_are_counted_and_made_good_by_a_scan() {
    // Nothing but the hint can lead to this file.
    let stage = Setting::new().polling(3_600_000).start_quiet();
    let before = stage.report(|health| health.last_scan_at.is_some());
    fs::create_dir(stage.root.join("a")).unwrap();
    stage.write("a/file", "");
    stage.watching.outlet.send(Hint::Rescan);
    assert_eq!(stage.next_paths(1), paths(&["a/file"]));
    stage.watching.outlet.send(Hint::Rescan);
    let health = stage.report(|health| health.overflows == 2);
    assert!(health.last_scan_at > before.last_scan_at);
    assert_eq!(health.mode, WatchMode::Poll);
}

#[test]
fn stopping_is_prompt_while_idle_and_while_settling() {
    for settling in [false, true] {
        let mut setting = Setting::new();
        setting.pace.root = Duration::from_hours(1);
        setting.watch.settle = Duration::from_hours(1);
        if settling {
            fs::write(setting.root().join("file"), "").unwrap();
        }
        let stage = setting.start();
        let want = if settling {
            Phase::Settling(1)
        } else {
            Phase::Quiet
        };
        stage.wait_for(|phase| phase == want);
        assert_eq!(stage.watching.quiet(), !settling);
        let mut phases = stage.watching.phase();
        let begun = Instant::now();
        stage.watching.stop();
        assert!(
            begun.elapsed() < Duration::from_secs(4),
            "{:?}",
            begun.elapsed()
        );
        // The thread is gone, not only told to go.
        phases.mark_unchanged();
        assert!(phases.has_changed().is_err());
        assert!(stage.book.lock().unwrap().offered.is_empty());
    }
}

/// Holds whoever reports to it, as a share that does not answer does.
struct Hung {
    held: Sender<()>,
    gate: Arc<Mutex<()>>,
}

impl Ledger for Hung {
    type Error = std::io::Error;

    fn unknown(&self, _: &WatchName, _: Vec<Sighting>) -> std::io::Result<Vec<Sighting>> {
        Ok(Vec::new())
    }

    fn missing(
        &self,
        _: &WatchName,
        _: &Path,
        _: Option<&Path>,
        _: &[PathBuf],
    ) -> std::io::Result<Vec<Missing>> {
        Ok(Vec::new())
    }

    fn enqueue(&self, _: &WatchName, _: Vec<Sighting>) -> std::io::Result<()> {
        Ok(())
    }

    fn report(&self, _: &WatchName, _: Health) -> std::io::Result<()> {
        let _ = self.held.send(());
        drop(self.gate.lock());
        Ok(())
    }
}

#[test]
fn watches_that_hang_are_waited_for_together_and_not_in_turn() {
    const PATIENCE_FOR_ALL: Duration = Duration::from_millis(500);
    let setting = Setting::new().polling(3_600_000);
    let (held, holds) = channel();
    let gate = Arc::new(Mutex::new(()));
    let shut = gate.lock().unwrap();
    let start = |_| {
        let ledger = Hung {
            held: held.clone(),
            gate: Arc::clone(&gate),
        };
        spawn_with(setting.pace, setting.watch.clone(), ledger).unwrap()
    };
    let mut watches: Vec<_> = (0..8).map(start).collect();
    for _ in 0..8 {
        holds.recv_timeout(PATIENCE).expect("no watch hangs");
    }
    let mut hung = watches[0].phase();
    // behind all of them, one that answers
    let well = Setting::new().start_quiet();
    let mut ended = well.watching.phase();
    watches.push(well.watching);

    let begun = Instant::now();
    stop_all_within(PATIENCE_FOR_ALL, watches);
    let took = begun.elapsed();
    assert!(took >= PATIENCE_FOR_ALL, "none was waited for: {took:?}");
    // in turn it would be eight times as long
    assert!(took < PATIENCE_FOR_ALL * 4, "{took:?}");
    ended.mark_unchanged();
    assert!(ended.has_changed().is_err(), "its thread is gone");
    hung.mark_unchanged();
    assert!(hung.has_changed().is_ok(), "its thread was left behind");

    // they were told to stop, and do when they can
    drop(shut);
    let begun = Instant::now();
    while hung.has_changed().is_ok() {
        assert!(begun.elapsed() < PATIENCE, "it does not end");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_folder_too_deep_to_be_read_is_told_and_does_not_hold_up_the_others() {
    let setting = Setting::new();
    let name = "d".repeat(250);
    let folder = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at: OwnedFd = rustix::fs::open(setting.root(), folder, Mode::empty()).unwrap();
    for _ in 0..20 {
        rustix::fs::mkdirat(&at, &name, Mode::from_raw_mode(0o700)).unwrap();
        at = rustix::fs::openat(&at, &name, folder, Mode::empty()).unwrap();
    }
    fs::write(setting.root().join(&name).join("file"), "").unwrap();
    let stage = setting.start();
    let health = stage.report(|health| health.error.is_some());
    let error = health.error.unwrap();
    assert!(
        error.starts_with("cannot read ddd") && error.contains("too long"),
        "{error}"
    );
    assert_eq!(
        health.mode,
        WatchMode::Inotify,
        "one folder is no reason to poll"
    );
    stage.wait_for(|phase| phase == Phase::Quiet);
    stage.write("sentinel", "");
    stage.report(|health| health.settling > 0);
}

#[test]
fn a_pattern_that_is_no_glob_is_an_error_and_no_thread() {
    let mut setting = Setting::new();
    setting.watch.exclude = vec!["[".into()];
    let (tell, _heard) = channel();
    let ledger = Recorder {
        book: Arc::default(),
        tell,
    };
    let error = spawn_with(setting.pace, setting.watch.clone(), ledger).unwrap_err();
    assert!(matches!(error, SpawnError::Pattern(_)), "{error}");
}

/// Runs itself again in a user namespace, whose limit on watches is lowered for real.
#[test]
fn at_the_limit_of_watches_folders_are_polled_and_the_reason_is_told() {
    let limit = fs::read_to_string("/proc/sys/user/max_inotify_watches");
    if limit.is_ok_and(|limit| limit.trim() != "5") {
        let script = "echo 5 > /proc/sys/user/max_inotify_watches && exec \"$0\" --exact \
             watch::tests::faults::at_the_limit_of_watches_folders_are_polled_and_the_reason_is_told";
        let output = Command::new("unshare")
            .args(["--user", "--map-root-user", "sh", "-c", script])
            .arg(std::env::current_exe().unwrap())
            .output();
        match output {
            Ok(output) if !String::from_utf8_lossy(&output.stdout).contains("running 1 test") => {
                eprintln!("skipped: no user namespace with a limit of its own");
            }
            Err(error) => eprintln!("skipped: unshare: {error}"),
            Ok(output) => assert!(output.status.success(), "{output:?}"),
        }
        return;
    }
    let mut setting = Setting::new();
    setting.watch.backend = Backend::Auto;
    setting.watch.poll_interval = Duration::from_millis(50);
    for n in 0..20 {
        fs::create_dir(setting.root().join(format!("{n}"))).unwrap();
        fs::write(setting.root().join(format!("{n}/file")), "").unwrap();
    }
    let stage = setting.start();
    stage.wait_for(|phase| phase == Phase::Quiet);
    let most = "the kernel reports changes; 16 folders, one of them ";
    let health = stage.report(|health| health.mode_reason.starts_with(most));
    assert_eq!(health.mode, WatchMode::Inotify);
    for words in ["are polled: ", "fs.inotify.max_user_watches"] {
        assert!(health.mode_reason.contains(words), "{health:?}");
    }
    for n in 0..20 {
        stage.write(&format!("{n}/later"), "");
    }
    let mut later = 0;
    while later < 20 {
        later += usize::from(stage.next().0.path.ends_with("later"));
    }
    assert_eq!(stage.offered().len(), 40);
    // folders that are gone are polled no more, and make room for others
    for n in 0..18 {
        fs::remove_dir_all(stage.root.join(format!("{n}"))).unwrap();
    }
    stage.report(|health| health.mode_reason == "the kernel reports changes");
}

#[test]
fn a_folder_that_may_not_be_read_is_polled_until_it_may() {
    let name = "watch::tests::faults::a_folder_that_may_not_be_read_is_polled_until_it_may";
    if rustix::process::geteuid().is_root() {
        // who may do everything cannot be refused
        let output = Command::new("setpriv")
            .args([
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                "--inh-caps=-all",
            ])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env("TMPDIR", "/tmp")
            .output();
        match output {
            Ok(output) if !String::from_utf8_lossy(&output.stdout).contains("running 1 test") => {
                eprintln!("skipped: nobody else may run the tests here");
            }
            Err(error) => eprintln!("skipped: setpriv: {error}"),
            Ok(output) => assert!(output.status.success(), "{output:?}"),
        }
        return;
    }
    let mut setting = Setting::new();
    setting.watch.poll_interval = Duration::from_millis(50);
    let closed = setting.root().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::create_dir(closed.join("below")).unwrap();
    fs::write(closed.join("below/file"), "").unwrap();
    fs::write(setting.root().join("beside"), "").unwrap();
    let allow = |mode| fs::set_permissions(&closed, fs::Permissions::from_mode(mode)).unwrap();
    allow(0o000);
    let stage = setting.start();
    let health = stage.report(|health| health.error.is_some());
    assert_eq!(
        health.error.unwrap(),
        "cannot read closed: permission denied"
    );
    let reason = health.mode_reason;
    assert!(reason.contains("the folder closed is polled: "), "{reason}");
    allow(0o755);
    let health = stage.report(|health| health.error.is_none());
    assert_eq!(health.mode_reason, "the kernel reports changes");
    stage.wait_for(|phase| phase == Phase::Quiet);
    let mut offered = stage.offered();
    offered.sort();
    assert_eq!(offered, paths(&["beside", "closed/below/file"]));
}

/// An idle watch sleeps until the next look for its root; nothing else wakes it.
#[test]
fn an_idle_watch_sleeps_until_something_is_due() {
    use super::super::filter::Filter;
    use super::super::folder::Folder;

    let mut setting = Setting::new();
    setting.pace.root = Duration::from_hours(2);
    setting.watch.settle = Duration::from_hours(1);
    fs::write(setting.root().join("file"), "").unwrap();
    let (tell, _heard) = channel();
    let ledger = Recorder {
        book: Arc::default(),
        tell,
    };
    let filter = Filter::new(&setting.watch.include, &setting.watch.exclude).unwrap();
    let (phase, phases) = tokio::sync::watch::channel(Phase::Waiting);
    let way = super::super::hint::channel(100);
    let mut folder = Folder::new(setting.pace, setting.watch, filter, ledger, way, phase);
    while *phases.borrow() != Phase::Settling(1) {
        folder.step();
    }
    let minutes = folder.patience().as_secs() / 60;
    assert!((50..=60).contains(&minutes), "wakes up in {minutes} min");
}
