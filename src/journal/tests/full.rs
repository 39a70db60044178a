//! A journal on a disk that becomes full. The disk is a small tmpfs of the test's own.

use std::fs::{self, File};
use std::io::Write as _;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::*;

/// Runs the test `name` again, in a mount namespace of its own with a tmpfs of so many MiB. `Some`: this
/// is that run, and here is the disk.
fn small_disk(name: &str, mib: u32) -> Option<PathBuf> {
    const PLACE: &str = "/mnt";
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    if mounts.contains("small-disk-of-a-test") {
        return Some(PLACE.into());
    }
    let script = format!(
        "mount -t tmpfs -o size={mib}m small-disk-of-a-test {PLACE} && exec \"$0\" --exact --nocapture \
         journal::tests::full::{name}"
    );
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .output();
    match output {
        Err(error) => eprintln!("skipped: unshare: {error}"),
        Ok(output) if !String::from_utf8_lossy(&output.stdout).contains("running 1 test") => {
            eprintln!("skipped: no mount namespace: {output:?}");
        }
        Ok(output) => {
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert!(output.status.success(), "{said}");
        }
    }
    None
}

/// Takes all room that is left.
fn fill(disk: &Path) {
    let mut file = File::options()
        .append(true)
        .create(true)
        .open(disk.join("fill"))
        .unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}
}

fn empty(disk: &Path) {
    fs::remove_file(disk.join("fill")).unwrap();
}

fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !so() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        thread::yield_now();
    }
}

fn bench_on(disk: &Path) -> Bench {
    let folder = tempfile::tempdir_in(disk).unwrap();
    let path = folder.path().join("journal.db");
    let journal = Some(Journal::open(&path).unwrap());
    Bench {
        _folder: folder,
        path,
        journal,
    }
}

fn try_enqueue(bench: &Bench, ino: u64) -> Result<usize, JournalError> {
    let file = NewJob {
        sighting: sighting("new", ino),
        remote_name: "new".into(),
    };
    bench
        .journal()
        .enqueue(&watch(), "lab.data.raw", vec![file], now())
}

/// Moves so many jobs on, each by a record of its own.
fn reserve_some(bench: &Bench, jobs: &mut Vec<Job>, count: usize) {
    for _ in 0..count {
        let mut job = jobs.remove(0);
        job.state = job.state.reserve(reservation()).unwrap();
        assert!(record(&bench.journal(), StateName::Queued, job, Hold::Keep).unwrap());
    }
}

fn tries_again(bench: &Bench) {
    let mut tries = bench.journal().tries_on_a_full_disk();
    tries.mark_unchanged();
    wait_until("a try", || tries.has_changed().unwrap());
}

#[test]
fn on_a_full_disk_known_jobs_go_on_and_new_ones_wait_until_there_is_room() {
    let name = "on_a_full_disk_known_jobs_go_on_and_new_ones_wait_until_there_is_room";
    let Some(disk) = small_disk(name, 40) else {
        return;
    };
    let mut bench = bench_on(&disk);
    bench.journal().wait_for_room(true);
    let names: Vec<String> = (0..400).map(|n| format!("file {n}")).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
    bench.enqueue(&files);
    let mut jobs = block(bench.journal().claim(Queue::Queued, &watch(), 1000, now())).unwrap();
    let troubles = |bench: &Bench| Reader::open(&bench.path).unwrap().troubles();
    assert_eq!(troubles(&bench).disk_full, None);

    fill(&disk);
    // so few records that the WAL is not as long as it gets: in that one, they would go on fitting
    // it is noticed by the first record that does not fit, which then has the room of the reserve
    reserve_some(&bench, &mut jobs, 20);
    let advice = troubles(&bench).disk_full.unwrap();
    assert!(
        advice.contains("journal.db") && advice.contains("20 MiB"),
        "{advice}"
    );
    let Err(JournalError::Full(text)) = try_enqueue(&bench, 1) else {
        panic!("a new job on a full disk");
    };
    assert_eq!(text, advice);
    reserve_some(&bench, &mut jobs, 20);

    // others take the rest; some records fit in what the WAL has already
    fill(&disk);
    let (journal, some) = (bench.journal(), jobs.drain(..50).collect::<Vec<_>>());
    let id = some.last().unwrap().id;
    let waiting = thread::spawn(move || {
        some.into_iter().all(|mut job| {
            job.state = job.state.reserve(reservation()).unwrap();
            record(&journal, StateName::Queued, job, Hold::Keep).unwrap()
        })
    });
    tries_again(&bench);
    tries_again(&bench);
    assert!(!waiting.is_finished(), "it waits for room");
    assert!(matches!(try_enqueue(&bench, 1), Err(JournalError::Full(_))));
    let unknown = bench.journal().unknown(&watch(), vec![sighting("new", 1)]);
    assert_eq!(
        unknown.unwrap().len(),
        1,
        "watches look on beside the writer"
    );
    let state = |bench: &Bench| {
        let jobs = bench.jobs();
        jobs.iter().find(|job| job.id == id).unwrap().state.name()
    };
    assert_eq!(state(&bench), StateName::Queued);

    empty(&disk);
    assert!(waiting.join().unwrap());
    assert_eq!(state(&bench), StateName::Reserved);
    wait_until("new jobs are taken", || try_enqueue(&bench, 1).is_ok());
    assert_eq!(troubles(&bench).disk_full, None);
    reserve_some(&bench, &mut jobs, 50);
    bench.reopen();
    let reserved = bench.jobs().into_iter();
    let reserved = reserved.filter(|job| job.state.name() == StateName::Reserved);
    assert_eq!(reserved.count(), 140);
}

#[test]
fn a_stop_does_not_wait_for_room_and_a_start_does_not_either() {
    let name = "a_stop_does_not_wait_for_room_and_a_start_does_not_either";
    let Some(disk) = small_disk(name, 40) else {
        return;
    };
    let bench = bench_on(&disk);
    bench.journal().wait_for_room(true);
    bench.enqueue(&[("a", 1), ("b", 1)]);
    let mut jobs = claim(&bench.journal(), Queue::Queued);
    // as often as it takes to use up the room that the WAL has already
    let (journal, job) = (bench.journal(), jobs.remove(0));
    let recording = thread::spawn(move || {
        loop {
            fill(&disk);
            let later = Hold::Until(now());
            match record(&journal, StateName::Queued, job.clone(), later) {
                Ok(_) => {}
                Err(error) => return (disk, error),
            }
        }
    });
    tries_again(&bench);
    bench.journal().wait_for_room(false);
    let (disk, error) = recording.join().unwrap();
    assert!(matches!(error, JournalError::Full(_)), "{error}");
    block(bench.journal().close());
    fill(&disk);
    // a start needs room for a WAL and its index
    match Journal::open(&bench.path) {
        Err(error @ OpenError::Full { .. }) => {
            let text = error.to_string();
            assert!(
                text.contains("disk is full") && text.contains("20 MiB"),
                "{text}"
            );
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("a start on a disk that is full to the brim"),
    }
    empty(&disk);
    let journal = Journal::open(&bench.path).unwrap();
    assert_eq!(claim(&journal, Queue::Queued).len(), 2);
}

#[test]
fn a_start_on_a_full_disk_uses_the_reserve_of_the_last_daemon() {
    let name = "a_start_on_a_full_disk_uses_the_reserve_of_the_last_daemon";
    let Some(disk) = small_disk(name, 40) else {
        return;
    };
    let mut bench = bench_on(&disk);
    bench.enqueue(&[("a", 1)]);
    block(bench.journal().close());
    fill(&disk);
    bench.reopen();
    assert_eq!(claim(&bench.journal(), Queue::Queued).len(), 1);
    assert!(matches!(try_enqueue(&bench, 1), Err(JournalError::Full(_))));
    assert!(
        Reader::open(&bench.path)
            .unwrap()
            .troubles()
            .disk_full
            .is_some()
    );
    empty(&disk);
    wait_until("new jobs are taken", || try_enqueue(&bench, 1).is_ok());
}

#[test]
fn on_a_full_disk_nothing_is_taken_for_a_file_that_lay_there() {
    let name = "on_a_full_disk_nothing_is_taken_for_a_file_that_lay_there";
    let Some(disk) = small_disk(name, 40) else {
        return;
    };
    let mut bench = bench_on(&disk);
    let leaving = Configured {
        leaves_existing: true,
        ..configured("/w", "t")
    };
    block(bench.journal().begin("1", vec![leaving], now())).unwrap();
    let names: Vec<String> = (0..400).map(|n| format!("file {n}")).collect();
    let files = names.iter().map(|name| NewJob {
        sighting: sighting(name, 1),
        remote_name: name.clone(),
    });
    let other = WatchName::new("other");
    let journal = bench.journal();
    journal
        .enqueue(&other, "t", files.collect(), now())
        .unwrap();
    let mut jobs = block(journal.claim(Queue::Queued, &other, 1000, now())).unwrap();
    drop(journal);
    fill(&disk);
    reserve_some(&bench, &mut jobs, 100);
    let mut old = sighting("old", 1);
    old.seen.ctime_ns = 0;
    let ask = |bench: &Bench| bench.journal().unknown(&watch(), vec![old.clone()]);
    assert!(matches!(ask(&bench), Err(JournalError::Full(_))));
    empty(&disk);
    bench.reopen();
    assert_eq!(ask(&bench).unwrap(), []);
}

#[test]
fn a_lock_holds_on_a_full_disk_although_nobody_learns_whose_it_is() {
    let name = "a_lock_holds_on_a_full_disk_although_nobody_learns_whose_it_is";
    let Some(disk) = small_disk(name, 1) else {
        return;
    };
    fill(&disk);
    let journal = disk.join("journal.db");
    let _lock = lock::Lock::take(&journal).unwrap().unwrap();
    let holder = lock::holder(&journal).unwrap();
    assert_eq!(holder, Some(Holder { pid: None }));
    assert!(matches!(lock::Lock::take(&journal), Ok(Err(_))));
}

#[test]
fn the_reserve_is_made_only_where_it_leaves_room_besides() {
    let name = "the_reserve_is_made_only_where_it_leaves_room_besides";
    let Some(disk) = small_disk(name, 40) else {
        return;
    };
    let leave = |bytes: u64| {
        let room = rustix::fs::statvfs(&disk).unwrap();
        let taken = room.f_bavail * room.f_frsize - bytes;
        let taken = vec![1; usize::try_from(taken).unwrap()];
        fs::write(disk.join("fill"), taken).unwrap();
    };
    let page = 4096;
    for (free, want) in [
        ((20 << 20) - page, false),
        (20 << 20, true),
        ((20 << 20) + page, true),
    ] {
        leave(free);
        let mut reserve = reserve::Reserve::of(&disk.join("journal.db"));
        assert_eq!(reserve.make().is_ok(), want, "{free} bytes");
        assert_eq!(reserve.is_held(), want, "{free} bytes");
        reserve.release();
        empty(&disk);
    }
}
