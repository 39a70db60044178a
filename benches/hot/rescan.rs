//! The look at a large drop folder, against `find`.

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use redivis_drop::config::{self, Environment, Watch};
use redivis_drop::job::{Sighting, WatchName, remote_name};
use redivis_drop::journal::{Journal, JournalError, NewJob, Reader};
use redivis_drop::watch::{self, Health, Ledger, Missing};

use crate::figures::{Bar, Table, note, number};
use crate::{median_of, timed};

const FOLDERS: u64 = 10_000;
const FILES: u64 = FOLDERS * 100;
const PATIENCE: Duration = Duration::from_mins(10);

pub fn rescan(place: &Path, table: &mut Table) -> anyhow::Result<()> {
    let drop = place.join("rescan");
    make_tree(&drop)?;
    let settings = settings(place, &drop)?;
    let desk = Desk {
        journal: Journal::open(&place.join("journal/journal.db"))?,
        table: settings.table.clone(),
    };
    let first = scan(&settings, desk.clone())?.as_secs_f64();
    let after_first = peak_mib()?;
    let counts = Reader::open(&place.join("journal/journal.db"))?.counts()?;
    let known: u64 = counts.iter().map(|count| count.jobs).sum();
    ensure!(known == FILES, "{known} files of {FILES} became jobs");
    let find = median_of(|| find(&drop))?;
    let known = median_of(|| scan(&settings, desk.clone()))?;
    let walk = median_of(|| scan(&settings, KnowsAll))?;
    let shown = |seconds: f64| format!("{:.0} ms", seconds * 1000.0);
    let ratio = known / find;
    let bar = Bar::AtMost(2.0);
    table.ratio("rescan", &shown(known), &shown(find), ratio, bar);
    note(
        "1,000,000 files in 10,000 folders, all known to a real journal, against find -printf; warm",
    );
    let alone = walk / find;
    table.ratio(
        "rescan, walk alone",
        &shown(walk),
        &shown(find),
        alone,
        Bar::None,
    );
    note("the same without asking a journal: walk, filter, look at each file");
    let rate = number(FILES) / first;
    table.figure("first scan", &format!("{rate:.0} files/s"), rate, Bar::None);
    note("1,000,000 new files: walk, filter, settle (100 ms), second look, into the journal");
    let most = peak_mib()?;
    table.figure(
        "peak memory",
        &format!("{most:.0} MiB"),
        most,
        Bar::AtMost(150.0),
    );
    note(&format!(
        "of this process, the journal included; {after_first:.0} MiB after the first scan"
    ));
    Ok(())
}

/// The most memory that this process has held, in MiB.
fn peak_mib() -> anyhow::Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    let kib: u64 = kib.context("the kernel does not tell the peak")?.parse()?;
    Ok(number(kib) / 1024.0)
}

/// Folders of 100 files.
fn make_tree(root: &Path) -> anyhow::Result<()> {
    for number in 0..FOLDERS {
        let folder = root.join(format!("lab-{:02}/run-{number:05}", number % 100));
        fs::create_dir_all(&folder)?;
        for file in 0..FILES / FOLDERS {
            fs::write(folder.join(format!("lane-{file:03}.fastq.gz")), b"reads")?;
        }
    }
    Ok(())
}

fn settings(place: &Path, drop: &Path) -> anyhow::Result<Watch> {
    let file = place.join("rescan.toml");
    let text = format!(
        "[journal]\npath = \"{}\"\n\n[[watch]]\nname = \"bench\"\npath = \"{}\"\n\
         table = \"lab.bench:next.raw\"\nsettle = \"100ms\"\n",
        place.join("journal/journal.db").display(),
        drop.display()
    );
    fs::write(&file, text)?;
    let config = config::load(&file, &Environment::default())?;
    config.watches.into_iter().next().context("it has a watch")
}

/// From the start of a watch until it has seen all there is.
fn scan(settings: &Watch, ledger: impl Ledger) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let watching = watch::spawn(settings.clone(), ledger)?;
    while !watching.quiet() {
        ensure!(began.elapsed() < PATIENCE, "the watch does not get quiet");
        thread::sleep(Duration::from_millis(1));
    }
    let took = began.elapsed();
    watching.stop();
    Ok(took)
}

fn find(root: &Path) -> anyhow::Result<Duration> {
    timed(|| {
        let mut command = Command::new("find");
        command.arg(root).args(["-printf", "%s %T@ %C@ %i\\n"]);
        let status = command.stdout(Stdio::null()).status()?;
        ensure!(status.success(), "find failed");
        Ok(())
    })
}

/// As the daemon wires the two.
#[derive(Clone)]
struct Desk {
    journal: Journal,
    table: String,
}

impl Ledger for Desk {
    type Error = JournalError;

    fn unknown(
        &self,
        watch: &WatchName,
        sightings: Vec<Sighting>,
    ) -> Result<Vec<Sighting>, JournalError> {
        self.journal.unknown(watch, sightings)
    }

    fn enqueue(&self, watch: &WatchName, sightings: Vec<Sighting>) -> Result<(), JournalError> {
        let files = sightings.into_iter().map(|sighting| NewJob {
            remote_name: remote_name(&sighting.path),
            sighting,
        });
        let now = Timestamp::now();
        self.journal
            .enqueue(watch, &self.table, files.collect(), now)?;
        Ok(())
    }

    fn missing(
        &self,
        _: &WatchName,
        _: &Path,
        _: Option<&Path>,
        _: &[PathBuf],
    ) -> Result<Vec<Missing>, JournalError> {
        Ok(Vec::new())
    }

    fn report(&self, _: &WatchName, _: Health) -> Result<(), JournalError> {
        Ok(())
    }
}

/// A ledger that costs nothing.
struct KnowsAll;

impl Ledger for KnowsAll {
    type Error = Infallible;

    fn unknown(&self, _: &WatchName, _: Vec<Sighting>) -> Result<Vec<Sighting>, Infallible> {
        Ok(Vec::new())
    }

    fn enqueue(&self, _: &WatchName, _: Vec<Sighting>) -> Result<(), Infallible> {
        Ok(())
    }

    fn missing(
        &self,
        _: &WatchName,
        _: &Path,
        _: Option<&Path>,
        _: &[PathBuf],
    ) -> Result<Vec<Missing>, Infallible> {
        Ok(Vec::new())
    }

    fn report(&self, _: &WatchName, _: Health) -> Result<(), Infallible> {
        Ok(())
    }
}
