//! Large files, against `curl -T` and `openssl md5`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::ensure;

use crate::Bench;
use crate::books::Report;
use crate::drops;
use crate::figures::{Bar, median, note, number};
use crate::process::Cost;
use crate::programs::{Sink, curl, openssl_md5};
use crate::sink::Manner;

const SIZE: u64 = 1 << 30;
const SETTLE: f64 = 0.1;

/// One program's runs, in seconds.
#[derive(Default)]
struct Runs {
    wall: Vec<f64>,
    /// From the first request to the last answer.
    wire: Vec<f64>,
    cpu: Vec<f64>,
}

impl Runs {
    fn add(&mut self, cost: Cost, report: &Report) {
        self.wall.push(cost.wall.as_secs_f64());
        let wire = report.last_answer - report.first_request;
        self.wire.push(number(wire) / 1e9);
        self.cpu.push(cost.cpu.as_secs_f64());
    }
}

/// One file of 1 GiB: wall time with either verification, and processor time.
pub fn large(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let file = large_file(bench.place)?;
    let drop = file.parent().unwrap_or(bench.place).to_owned();
    let (mut with_curl, mut crc32c, mut md5) = (Runs::default(), Runs::default(), Runs::default());
    let mut openssl = Vec::new();
    for _ in 0..bench.runs {
        for (verify, runs) in [("crc32c", &mut crc32c), ("md5", &mut md5)] {
            let sink = Sink::start(Manner::default())?;
            let transfer = format!("verify = \"{verify}\"");
            let setup = bench.setup(&drop).transfer(&transfer);
            let cost = setup.daemon(bench.place)?.once(&sink)?;
            let report = sink.brief()?;
            ensure!(report.registered == 1, "it was not registered: {report:?}");
            runs.add(cost, &report);
        }
        let sink = Sink::start(Manner::default())?;
        let cost = curl(&sink, &file)?;
        with_curl.add(cost, &sink.brief()?);
        openssl.push(openssl_md5(&file)?.wall.as_secs_f64());
    }
    let wall = |runs: &Runs| median(runs.wall.iter().copied());
    let (curl, openssl) = (wall(&with_curl), median(openssl));
    let shown = |seconds: f64| format!("{seconds:.2} s");
    let rows = [
        ("large, crc32c", &crc32c, curl, "curl -T", 1.15),
        (
            "large, md5",
            &md5,
            curl.max(openssl),
            "the slower of curl -T and openssl md5",
            1.1,
        ),
    ];
    for (name, runs, theirs, who, bar) in rows {
        let ours = wall(runs) - SETTLE;
        let bar = Bar::AtMost(bar);
        bench
            .table
            .ratio(name, &shown(ours), &shown(theirs), ours / theirs, bar);
        let wire = median(runs.wire.iter().copied());
        note(&format!(
            "the whole process, less the settle time of 100 ms, against {who}; \
             first request to last answer: {wire:.2} s"
        ));
    }
    let wire = median(with_curl.wire.iter().copied());
    note(&format!(
        "curl -T {curl:.2} s (first request to last answer: {wire:.2} s), openssl md5 {openssl:.2} s"
    ));
    let (ours, theirs) = (median(crc32c.cpu), median(with_curl.cpu));
    let bar = Bar::AtMost(1.5);
    bench.table.ratio(
        "large, CPU",
        &shown(ours),
        &shown(theirs),
        ours / theirs,
        bar,
    );
    note(&format!(
        "processor seconds per GiB without md5, against curl -T; with md5: {:.2} s",
        median(md5.cpu)
    ));
    Ok(())
}

/// Eight files of 1 GiB at once.
pub fn eight(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let drop = eight_files(bench.place)?;
    let (mut peaks, mut walls) = (Vec::new(), Vec::new());
    for _ in 0..bench.runs.min(3) {
        let sink = Sink::start(Manner::default())?;
        let cost = bench.setup(&drop).daemon(bench.place)?.once(&sink)?;
        let report = sink.brief()?;
        ensure!(
            report.registered == 8,
            "not all were registered: {report:?}"
        );
        peaks.push(number(cost.peak_kib) / 1024.0);
        walls.push(cost.wall.as_secs_f64());
    }
    let most = peaks.into_iter().fold(0.0, f64::max);
    let bar = Bar::AtMost(48.0);
    bench
        .table
        .figure("eight", &format!("{most:.1} MiB"), most, bar);
    let wall = median(walls);
    note(&format!(
        "the highest peak of 3 runs with md5; {wall:.1} s for 8 GiB"
    ));
    Ok(())
}

/// The file of 1 GiB, alone in its folder; made once.
pub fn large_file(place: &Path) -> anyhow::Result<PathBuf> {
    let folder = place.join("large");
    if let Ok(mut entries) = fs::read_dir(&folder)
        && let Some(entry) = entries.next()
    {
        return Ok(entry?.path());
    }
    Ok(drops::large_file(&folder, SIZE)?)
}

/// Eight names of one file of 1 GiB: what the daemon does is the same as with eight files, and
/// the page cache holds them on any machine.
pub fn eight_files(place: &Path) -> anyhow::Result<PathBuf> {
    let folder = place.join("eight");
    if !folder.exists() {
        // a file of its own: links would change the other's status time between two runs
        let file = drops::large_file(&place.join("eighth"), SIZE)?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        fs::create_dir_all(&folder)?;
        for number in 0..8 {
            fs::hard_link(&file, folder.join(format!("{number}-{name}")))?;
        }
    }
    Ok(folder)
}
