//! A folder in which everything happens at once, and a daemon that does not hear of half of it.
//!
//! Before each part but the last the daemon is stopped and its queue of events is filled up, so that nothing of
//! what is done next is told to it. Then it goes on, in the middle of the part.

use std::fs::{self, File};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};

use crate::census::Census;
use crate::chance::Chance;
use crate::lab::{Holding, Lab, TABLE, holding};
use crate::process::{PATIENCE, Running, wait_until};
use crate::scale::{so_many, wait_long};
use crate::writer::Writer;

/// Without `REDIVIS_DROP_CHURN`.
const FILES: u64 = 1_200;

/// Up to so many files are also carried; of more, watching alone is looked at.
const CARRIED: u64 = 5_000;

/// Writers at work at the same time.
const LANES: u64 = 3;

/// So often the daemon is stopped and its queue filled up, at least.
const STALLS: u64 = 2;

/// Between two stalls of a long run.
const FILES_A_STALL: u64 = 10_000;

/// So many files are allowed another second to be enqueued.
const FILES_A_SECOND: u64 = 2_000;

/// Between two scans, when nothing is wrong: what the daemon does when nothing is configured.
const INTERVAL: Duration = Duration::from_mins(10);

#[test]
fn in_a_churning_folder_every_file_is_enqueued_once_within_a_scan_interval() {
    let files = so_many("REDIVIS_DROP_CHURN", FILES);
    let chance = Chance::new(seed(files));
    let lab = Lab::new();
    let carries = files <= CARRIED;
    let endpoint = if carries {
        lab.endpoint()
    } else {
        nobody_there()
    };
    configure(&lab, &endpoint);

    let mut daemon = lab.start(&["run"]);
    wait_until("the first scan", || !watch(&lab)["last_scan_at"].is_null());
    let began = Instant::now();
    let stalls = STALLS.max(files / FILES_A_STALL);
    let silent = churn(&lab, &daemon, &chance, files, stalls);
    let (writing, quiet) = (began.elapsed(), Timestamp::now());

    // well before the next scan would find everything, except in the longest runs
    let patience = (PATIENCE + Duration::from_secs(files / FILES_A_SECOND)).min(INTERVAL);
    let in_time = wait_long(patience, Duration::from_millis(500), || {
        (live_jobs(&lab) >= files && Census::take(&lab).is_right()).then_some(())
    });
    let census = Census::take(&lab);
    let after = census
        .last
        .and_then(|last| Duration::try_from(last.duration_since(quiet)).ok())
        .unwrap_or_default();
    let (overflows, watch) = (watch(&lab)["overflows"].clone(), watch(&lab));
    eprintln!(
        "{files} files written in {writing:.1?}, {silent} of them while the daemon was stopped; {stalls} stalls, {overflows} overflows\n\
         {} files, {} jobs: {} missing, {} twice, {} outdated; {} of earlier versions, {} of files that lie elsewhere now\n\
         the last one enqueued {after:.1?} after the last write; {watch}",
        census.files,
        census.jobs,
        census.missing,
        census.twice,
        census.outdated,
        census.earlier,
        census.elsewhere,
    );
    assert_eq!(census.files, files);
    assert!(census.is_right(), "{:#?}", census.wrong());
    assert!(in_time.is_some(), "not within {patience:?}");

    if carries {
        expect_all_in_the_table(&lab);
    }
    assert!(!daemon.has_ended());
    let ended = daemon.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    eprintln!("peak memory {} KiB", ended.peak_kib);
}

fn seed(files: u64) -> u64 {
    let seed = Chance::seed();
    eprintln!("REDIVIS_DROP_SEED={seed} REDIVIS_DROP_CHURN={files}");
    seed
}

/// Writes all files in parts, with the stalls. Returns how many were written while the daemon was stopped.
fn churn(lab: &Lab, daemon: &Running, chance: &Chance, files: u64, stalls: u64) -> u64 {
    let written = AtomicU64::new(0);
    let most = 20 + files / 5_000;
    let writer = |lane: u64| {
        let outside = lab.elsewhere(&format!("outside/{lane}"));
        let lane_folder = lab.drop_folder.join(format!("lane-{lane}"));
        Writer::new(lane_folder, outside, chance.branch(lane), most, &written)
    };
    let mut writers: Vec<_> = (0..LANES).map(writer).collect();
    let mut silent = 0;
    // the last part is told to the daemon, so that what it misses then no overflow makes good
    let parts = stalls + 1;
    for part in 0..parts {
        let so_many = share(files, parts, part);
        let stalled = (part < stalls).then(|| Stall::begin(lab, daemon));
        let before = written.load(Ordering::Relaxed);
        thread::scope(|scope| {
            for (lane, writer) in (0..LANES).zip(&mut writers) {
                let so_many = share(so_many, LANES, lane);
                scope.spawn(move || writer.write(so_many));
            }
            let Some(stall) = stalled else {
                return;
            };
            // should a writer panic, the rest of the test tells
            wait_long(Duration::from_mins(5), Duration::from_millis(1), || {
                let now = written.load(Ordering::Relaxed) - before;
                (now >= so_many / 2).then_some(())
            });
            silent += written.load(Ordering::Relaxed) - before;
            stall.end(lab);
        });
    }
    silent
}

/// While the daemon is stopped, with its queue of events filled up.
struct Stall {
    daemon: Pid,
    overflows: u64,
}

impl Stall {
    fn begin(lab: &Lab, daemon: &Running) -> Self {
        let stall = Self {
            daemon: Pid::from_raw(daemon.id().try_into().unwrap()).unwrap(),
            overflows: overflows(lab),
        };
        kill_process(stall.daemon, Signal::STOP).unwrap();
        fill_the_queue(lab);
        stall
    }

    fn end(self, lab: &Lab) {
        kill_process(self.daemon, Signal::CONT).unwrap();
        wait_until("an overflow that the daemon noticed", || {
            overflows(lab) > self.overflows
        });
    }
}

/// One of so many parts of a whole, of which none is forgotten.
fn share(whole: u64, parts: u64, part: u64) -> u64 {
    whole * (part + 1) / parts - whole * part / parts
}

/// Makes as many events as the kernel keeps, about files that nobody wants. The kernel drops one that
/// is like the last one, so there are two files.
fn fill_the_queue(lab: &Lab) {
    let most = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let most: u64 = most.trim().parse().unwrap();
    for _ in 0..=most / 2 {
        for name in [".noise-1", ".noise-2"] {
            drop(File::create(lab.drop_folder.join(name)).unwrap());
        }
    }
}

fn expect_all_in_the_table(lab: &Lab) {
    let mut wanted: Vec<Holding> = Vec::new();
    Census::each_file(lab, |name, path| wanted.push(holding(name, path)));
    let mut held = Vec::new();
    wait_until("everything is in the table", || {
        held = lab.registered();
        wanted.iter().all(|one| held.binary_search(one).is_ok())
    });
    wait_until("every job has ended", || {
        lab.jobs().iter().all(|job| !job["finished_at"].is_null())
    });
    let mut held = lab.registered();
    let all = held.len();
    held.dedup();
    assert_eq!(
        all - held.len(),
        0,
        "the same version twice under the same name"
    );
    assert_eq!(lab.total("parked"), 0);
    lab.expect_manners();
    eprintln!("{all} versions in the table, {} wanted", wanted.len());
}

fn configure(lab: &Lab, endpoint: &str) {
    let text = format!(
        r#"[redivis]
endpoint = "{endpoint}"
token_file = "{token}"
[journal]
path = "{journal}"
[status]
listen = ""
[[watch]]
name = "sequencer"
path = "{drop_folder}"
table = "{TABLE}"
settle = "200ms"
rescan_interval = "{interval}s"
"#,
        token = lab.token.display(),
        journal = lab.journal.display(),
        drop_folder = lab.drop_folder.display(),
        interval = INTERVAL.as_secs(),
    );
    fs::write(&lab.config, text).unwrap();
}

/// An endpoint at which nobody listens any more.
fn nobody_there() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/api/v1", listener.local_addr().unwrap())
}

/// What the daemon says of its watch.
fn watch(lab: &Lab) -> serde_json::Value {
    lab.status().unwrap_or_default()["watches"][0].clone()
}

fn overflows(lab: &Lab) -> u64 {
    watch(lab)["overflows"].as_u64().unwrap_or(0)
}

/// Jobs that were not given up.
fn live_jobs(lab: &Lab) -> u64 {
    const LIVE: [&str; 8] = [
        "queued",
        "reserved",
        "uploading",
        "uploaded",
        "registering",
        "registered",
        "done",
        "parked",
    ];
    let status = lab.status().unwrap_or_default();
    let count = |state: &str| status["totals"][state].as_u64().unwrap_or(0);
    LIVE.iter().map(|state| count(state)).sum()
}
