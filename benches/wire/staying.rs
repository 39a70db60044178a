//! The daemon as it is most of the time: it stays.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use jiff::Timestamp;
use redivis_drop::job::{Fingerprint, Sighting, WatchName};
use redivis_drop::journal::{Journal, NewJob, Reader};

use crate::Bench;
use crate::books::{Report, now};
use crate::drops::{Noise, Sums};
use crate::figures::{Bar, median, note, number};
use crate::large::{eight_files, large_file};
use crate::programs::Sink;
use crate::sink::Manner;

/// What is waited for longer than this will not happen.
const PATIENCE: Duration = Duration::from_mins(1);

// ---- queued

const JOBS: u64 = 100_000;
/// The daemon has started and found that it can do nothing.
const CALM_DOWN: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(10);
/// The watch's look at its folder every 5 s: twice in that time, or a third time at its edge.
const TIMERS: f64 = 3.0;

/// 100,000 queued jobs, and a token that is refused: there is nothing to do but wait.
pub fn queued(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let drop = bench.place.join("empty");
    fs::create_dir_all(&drop)?;
    let daemon = bench.setup(&drop).settle("10s").daemon(bench.place)?;
    let rate = enqueue(&daemon.journal())?;
    let bar = Bar::AtLeast(20_000.0);
    bench
        .table
        .figure("queued, enqueue", &format!("{rate:.0} jobs/s"), rate, bar);
    let sink = Sink::start(Manner {
        closed: true,
        ..Manner::default()
    })?;
    let mut running = daemon.stay(&sink)?;
    thread::sleep(CALM_DOWN);
    let before = running.wake_ups()?;
    thread::sleep(IDLE);
    if let Some(code) = running.ended()? {
        bail!("the daemon ended with {code}: {}", daemon.last_words());
    }
    let wake_ups = running.wake_ups()? - before;
    let resident = number(running.memory_kib("VmRSS:")?) / 1024.0;
    let peak = number(running.memory_kib("VmHWM:")?) / 1024.0;
    let shown = format!("{resident:.1} MiB");
    bench
        .table
        .figure("queued, idle memory", &shown, resident, Bar::AtMost(20.0));
    note(&format!(
        "resident, of which the program's own file is a part; peak {peak:.1} MiB"
    ));
    let shown = wake_ups.to_string();
    let bar = Bar::AtMost(TIMERS);
    bench
        .table
        .figure("queued, wake-ups", &shown, number(wake_ups), bar);
    note("in 10 s; the watch looks after its folder every 5 s, nothing else is due");
    Ok(())
}

fn enqueue(path: &Path) -> anyhow::Result<f64> {
    let journal = Journal::open(path)?;
    let watch = WatchName::new("bench");
    let began = Instant::now();
    for first in (0..JOBS).step_by(1000) {
        let files = (first..first + 1000).map(|number| new_job(number, now()));
        let files = files.collect();
        journal.enqueue(&watch, "lab.bench:next.raw", files, Timestamp::now())?;
    }
    let rate = number(JOBS) / began.elapsed().as_secs_f64();
    drop(journal);
    // its thread tidies up before it lets go of the file
    while Reader::open(path)?.holder()?.is_some() {
        ensure!(began.elapsed() < PATIENCE, "the journal is not let go");
        thread::sleep(Duration::from_millis(10));
    }
    Ok(rate)
}

fn new_job(number: u64, at: u64) -> NewJob {
    let name = format!("run-{:03}/lane-{number:06}.fastq.gz", number / 1000);
    let at = i64::try_from(at).unwrap_or_default();
    NewJob {
        sighting: Sighting {
            path: name.clone().into(),
            seen: Fingerprint {
                dev: 1,
                ino: number,
                size: 4096,
                mtime_ns: at,
                ctime_ns: at,
            },
        },
        remote_name: name,
    }
}

// ---- bandwidth

const LIMIT: &str = "20 MB/s";
const LIMIT_BYTES: f64 = 20e6;
const OVER: Duration = Duration::from_secs(10);

/// `bandwidth_limit` with one file and with eight.
pub fn bandwidth(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let one = large_file(bench.place)?;
    let one = one.parent().unwrap_or(bench.place).to_owned();
    let eight = eight_files(bench.place)?;
    let transfer = format!("bandwidth_limit = \"{LIMIT}\"");
    for (name, drop) in [("bandwidth, 1 file", one), ("bandwidth, 8 files", eight)] {
        let setup = bench.setup(&drop).transfer(&transfer);
        if !setup.daemon(bench.place)?.is_able()? {
            bench
                .table
                .unavailable(name, "this build knows no bandwidth_limit");
            continue;
        }
        let mut rates = Vec::new();
        for _ in 0..bench.runs {
            let sink = Sink::start(Manner::default())?;
            let daemon = setup.daemon(bench.place)?;
            let _running = daemon.stay(&sink)?;
            rates.push(rate_over(&sink)?);
        }
        let rate = median(rates);
        let off = (rate / LIMIT_BYTES - 1.0).abs() * 100.0;
        let shown = format!("{:.2} MB/s", rate / 1e6);
        bench.table.figure(name, &shown, off, Bar::AtMost(5.0));
        note(&format!(
            "{off:.1} % off {LIMIT}, over 10 s from the first byte on"
        ));
    }
    Ok(())
}

/// Bytes per second from the first byte on.
fn rate_over(sink: &Sink) -> anyhow::Result<f64> {
    let report = wait_for(sink, |report| report.bytes > 0)?;
    let (began, first) = (Instant::now(), report.bytes);
    thread::sleep(OVER);
    let bytes = sink.brief()?.bytes;
    // what the first look already saw belongs to the time before it
    Ok(number(bytes - first) / began.elapsed().as_secs_f64())
}

fn wait_for(sink: &Sink, wanted: impl Fn(&Report) -> bool) -> anyhow::Result<Report> {
    let began = Instant::now();
    loop {
        let report = sink.brief()?;
        if wanted(&report) {
            return Ok(report);
        }
        ensure!(began.elapsed() < PATIENCE, "nothing came: {report:?}");
        thread::sleep(Duration::from_millis(1));
    }
}

// ---- first byte

const DROPS: u64 = 1000;
const BETWEEN: Duration = Duration::from_millis(20);
const DROP_SIZE: usize = 64 << 10;
const LARGE_DROPS: u64 = 5;
const BETWEEN_LARGE: Duration = Duration::from_secs(4);
/// `settle` is 1 s. After a close or a renaming into place a quarter of it passes; each file here has one.
const QUIET_MS: f64 = 250.0;

/// From the close of a file to its first byte at the server, while others come, small and large.
pub fn first_byte(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let copies = large_copies(bench.place, &large_file(bench.place)?)?;
    let drop = bench.place.join("first-byte");
    fs::create_dir_all(&drop)?;
    let daemon = bench.setup(&drop).settle("1s").daemon(bench.place)?;
    let sink = Sink::start(Manner::default())?;
    let _running = daemon.stay(&sink)?;
    thread::sleep(Duration::from_secs(1));
    let closed = thread::scope(|scope| {
        let load = scope.spawn(|| drop_large(&drop, &copies));
        let closed = drop_steadily(&drop);
        load.join()
            .unwrap_or_else(|_| bail!("the load has panicked"))?;
        closed
    })?;
    wait_for(&sink, |report| report.registered == DROPS + LARGE_DROPS)?;
    let begun = sink.report()?.first_bytes;
    let mut delays = Vec::new();
    for (name, closed) in closed {
        let Some(begun) = begun.get(&name) else {
            bail!("{name} never came");
        };
        delays.push(number(begun - closed) / 1e6);
    }
    delays.sort_by(f64::total_cmp);
    let at = |percent: usize| delays[(delays.len() * percent).div_ceil(100) - 1];
    let p99 = at(99) - QUIET_MS;
    let shown = format!("+{p99:.0} ms");
    bench
        .table
        .figure("first-byte, p99", &shown, p99, Bar::AtMost(100.0));
    note(&format!(
        "after the quiet time of 250 ms, a quarter of settle; half within +{:.0} ms, the last +{:.0} ms; \
         50 files of 64 KiB a second for 20 s, and 1 GiB every 4 s",
        at(50) - QUIET_MS,
        at(100) - QUIET_MS
    ));
    Ok(())
}

/// Name and time of the close of each file.
fn drop_steadily(drop: &Path) -> anyhow::Result<Vec<(String, u64)>> {
    let mut noise = Noise::new(3);
    let mut closed = Vec::new();
    let began = Instant::now();
    for number in 0..DROPS {
        let content = noise.take(DROP_SIZE);
        let name = Sums::of(&content).name(&format!("{number:06}"));
        fs::write(drop.join(&name), content)?;
        closed.push((name, now()));
        let next = BETWEEN * u32::try_from(number + 1)?;
        thread::sleep(next.saturating_sub(began.elapsed()));
    }
    Ok(closed)
}

/// Large files to be renamed into the drop folder.
fn large_copies(place: &Path, large: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let folder = place.join("copies");
    fs::create_dir_all(&folder)?;
    let name = large.file_name().unwrap_or_default().to_string_lossy();
    let copies = (0..LARGE_DROPS).map(|number| {
        let copy = folder.join(format!("{number}-{name}"));
        fs::copy(large, &copy)?;
        Ok(copy)
    });
    let copies = copies.collect();
    rustix::fs::sync();
    copies
}

/// Hands over one large file after the other.
fn drop_large(drop: &Path, copies: &[PathBuf]) -> anyhow::Result<()> {
    for copy in copies {
        fs::rename(copy, drop.join(copy.file_name().unwrap_or_default()))?;
        thread::sleep(BETWEEN_LARGE);
    }
    Ok(())
}
