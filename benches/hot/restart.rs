//! A daemon that was killed in a large file: how soon its next byte is at the server.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use redivis_drop::journal::Reader;
use redivis_drop::sandbox::{Sandbox, SessionReport, Settings};
use tokio::runtime::Runtime;

use crate::figures::{Bar, Table, note};
use crate::median_of;

/// The daemon, built as for a release.
const DAEMON: &str = env!("CARGO_BIN_EXE_redivis-drop");
const TOKEN: &str = "bench";

/// They wait behind the large one, which takes the only worker.
const JOBS: u64 = 10_000;
const SMALL: u64 = 4096;
/// A sparse file of 4 GiB: it lasts for minutes.
const LARGE: u64 = 4 << 30;
const CHUNK: u64 = 8 << 20;
/// How fast the server reads it, a second.
const SPEED: u64 = 30_000_000;

const LOOK: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_mins(2);

pub fn restart(place: &Path, table: &mut Table) -> anyhow::Result<()> {
    let runtime = Runtime::new()?;
    let seconds = median_of(|| killed_and_started(place, &runtime))?;
    let shown = format!("{:.0} ms", seconds * 1000.0);
    table.figure("restart, resumed byte", &shown, seconds, Bar::AtMost(2.0));
    note(
        "10,000 jobs wait; kill -9 in a large file; from the start to its next byte at the server",
    );
    Ok(())
}

fn killed_and_started(place: &Path, runtime: &Runtime) -> anyhow::Result<Duration> {
    let stage = Stage::set(place, runtime)?;
    // closed at once: a file that is open for writing settles no sooner
    File::create(stage.drop.join("large"))?.set_len(LARGE)?;
    let killed = stage.start()?;
    until("two chunks of the large file", || {
        Ok(stage
            .session()
            .is_some_and(|session| session.persisted >= 2 * CHUNK))
    })?;
    for number in 0..JOBS {
        let folder = stage.drop.join(format!("run-{:02}", number / 100));
        fs::create_dir_all(&folder)?;
        File::create(folder.join(format!("{number}.txt")))?.set_len(SMALL)?;
    }
    until("all jobs in the journal", || {
        let counts = Reader::open(&stage.journal())?.counts()?;
        Ok(counts.iter().map(|count| count.jobs).sum::<u64>() > JOBS)
    })?;
    drop(killed);
    until("the end of what was sent", || Ok(stage.sandbox.is_idle()))?;

    let received = stage.sandbox.report().bytes_received;
    let began = Instant::now();
    let _started = stage.start()?;
    until("the next byte", || {
        Ok(stage.sandbox.report().bytes_received > received)
    })?;
    let took = began.elapsed();
    let session = stage.session().context("the session is there")?;
    if session.resumed_at.len() != 1 {
        bail!("the session was not resumed: {session:?}");
    }
    Ok(took)
}

/// A server, a drop folder and a configuration.
struct Stage {
    sandbox: Sandbox,
    drop: PathBuf,
    folder: tempfile::TempDir,
}

impl Stage {
    fn set(place: &Path, runtime: &Runtime) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir_in(place)?;
        let settings = Settings {
            bytes_per_sec: Some(SPEED),
            ..Settings::new(folder.path().join("server"), TOKEN)
        };
        let sandbox = runtime.block_on(Sandbox::start(settings))?;
        let drop = folder.path().join("drop");
        fs::create_dir(&drop)?;
        let stage = Self {
            sandbox,
            drop,
            folder,
        };
        let config = format!(
            "[redivis]\nendpoint = \"{endpoint}\"\ntoken_file = \"\"\n\n\
             [journal]\npath = \"{journal}\"\n\n\
             [transfer]\nworkers = 1\nchunk_size = \"{CHUNK} B\"\n\n\
             [[watch]]\nname = \"bench\"\npath = \"{drop}\"\n\
             table = \"lab.bench:next.raw\"\nsettle = \"100ms\"\n",
            endpoint = stage.sandbox.endpoint(),
            journal = stage.journal().display(),
            drop = stage.drop.display(),
        );
        fs::write(stage.config(), config)?;
        Ok(stage)
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    fn journal(&self) -> PathBuf {
        self.folder.path().join("state/journal.db")
    }

    fn start(&self) -> anyhow::Result<Daemon> {
        let mut command = Command::new(DAEMON);
        command.arg("--config").arg(self.config()).arg("run");
        command.env("REDIVIS_API_TOKEN", TOKEN);
        let log = File::create(self.folder.path().join("log"))?;
        let child = command.stdout(Stdio::null()).stderr(log).spawn()?;
        Ok(Daemon(child))
    }

    fn session(&self) -> Option<SessionReport> {
        self.sandbox.report().sessions.pop()
    }
}

/// Dropped, it is killed.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        // neither fails for a child that runs
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until(what: &str, mut so: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let began = Instant::now();
    while !so()? {
        if began.elapsed() > PATIENCE {
            bail!("waited in vain: {what}");
        }
        thread::sleep(LOOK);
    }
    Ok(())
}
