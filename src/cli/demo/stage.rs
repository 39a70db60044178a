//! Where the demo takes place: a folder of its own, the practice server in this process, the
//! daemon as a child, and the journal to look into.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::super::error::{Exit, Failure};
use super::daemon::{self, Daemon};
use super::files::{self, LARGE, LATE, Planned, SMALL};
use super::screen::{Progress, Screen};
use crate::job::State;
use crate::journal::{Filter, Reader};
use crate::sandbox::{RegisteredFile, Report, Sandbox, SessionReport, Settings};

/// Bytes in a chunk: what an interruption costs at most.
pub(super) const CHUNK: u64 = 4 * 1024 * 1024;
/// All but the large file are smaller.
const RESUMABLE_ABOVE: u64 = 8_000_000;
/// So fast does the practice server read each upload: slow enough to watch.
pub(super) const BYTES_PER_SEC: u64 = 10_000_000;
/// All files of the demo.
pub(super) const FILES: usize = SMALL.len() + 2;

const TABLE: &str = "demo_lab.demo:next.raw_files";
const TOKEN: &str = "practice-token";

/// No step may take longer.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often conditions are looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Everything that runs. Dropping it kills the daemon; the server ends with the runtime.
#[derive(Debug)]
pub(super) struct Stage {
    folder: PathBuf,
    pub screen: Screen,
    sandbox: Sandbox,
    daemon: Option<Daemon>,
    /// Not while a daemon starts: then it may be in the making.
    has_journal: bool,
    progress: Progress,
}

impl Stage {
    /// Makes the folders and the configuration, and starts the server.
    pub async fn set(folder: &Path) -> Result<Self, Failure> {
        let settings = Settings {
            upload_listen: Some(([127, 0, 0, 1], 0).into()),
            bytes_per_sec: Some(BYTES_PER_SEC),
            ..Settings::new(folder.join("server"), TOKEN)
        };
        let sandbox = Sandbox::start(settings)
            .await
            .map_err(|error| Failure::new(Exit::Unexpected, error.to_string()))?;
        let stage = Self {
            folder: folder.to_owned(),
            screen: Screen::new(),
            sandbox,
            daemon: None,
            has_journal: false,
            progress: Progress::default(),
        };
        fs::create_dir(stage.drop_folder())?;
        write_private(&stage.token(), TOKEN)?;
        write_private(&stage.config(), &stage.configuration()?)?;
        Ok(stage)
    }

    fn configuration(&self) -> Result<String, Failure> {
        let (endpoint, token) = (self.sandbox.endpoint(), quoted(&self.token())?);
        let (journal, watch) = (quoted(&self.journal())?, quoted(&self.drop_folder())?);
        Ok(format!(
            r#"# made by `redivis-drop demo`
[redivis]
endpoint = "{endpoint}"
token_file = {token}

[journal]
path = {journal}

[transfer]
resumable_above = "{RESUMABLE_ABOVE} B"
chunk_size = "{CHUNK} B"

[retry]
initial = "200ms"

[status]
listen = ""

[[watch]]
name = "demo"
path = {watch}
table = "{TABLE}"
settle = "500ms"
"#
        ))
    }

    // ---- what there is

    /// Where files are dropped.
    pub fn drop_folder(&self) -> PathBuf {
        self.folder.join("drop")
    }

    /// The daemon's configuration.
    pub fn config(&self) -> PathBuf {
        self.folder.join("config.toml")
    }

    /// What the daemons said, one after the other.
    pub fn log(&self) -> PathBuf {
        self.folder.join("daemon.log")
    }

    fn token(&self) -> PathBuf {
        self.folder.join("token")
    }

    fn journal(&self) -> PathBuf {
        self.folder.join("state/journal.db")
    }

    /// The practice server.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// What the practice server saw.
    pub fn report(&self) -> Report {
        self.sandbox.report()
    }

    /// What the table holds, as the server lists it.
    pub fn registered(&self) -> Vec<RegisteredFile> {
        self.sandbox.registered(TABLE)
    }

    /// The session of the large file.
    pub fn session(&self) -> Option<SessionReport> {
        let sessions = self.report().sessions;
        sessions
            .into_iter()
            .rfind(|session| session.size == LARGE.size)
    }

    /// Puts a whole file into the drop folder.
    pub fn drop_file(&self, file: Planned) -> Result<(), Failure> {
        files::drop_into(&self.drop_folder(), &self.folder.join("making"), file)
            .map_err(|error| self.failed(&format!("{} cannot be made: {error}", file.name)))
    }

    /// All the names that the demo drops.
    pub fn planned() -> impl Iterator<Item = Planned> {
        SMALL.into_iter().chain([LARGE, LATE])
    }

    /// How far the journal said everything is, at the last look.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// How far the journal says everything is now. A parked file ends the demo.
    pub fn read_progress(&self) -> Result<Progress, Failure> {
        let mut progress = Progress::default();
        let mut parked = None;
        let reader = Reader::open(&self.journal());
        let reader = reader.map_err(|error| self.failed(&error.to_string()))?;
        let read = reader.jobs(&Filter::default(), |row| {
            let job = row.job;
            if job.remote_name == LARGE.name {
                progress.large = job.state.confirmed_bytes(job.seen.size);
            }
            match job.state {
                State::Registered(..) | State::Done(..) => progress.arrived += 1,
                State::Parked(reason, _) => parked = Some((job.remote_name, reason)),
                _ => {}
            }
            true
        });
        read.map_err(|error| self.failed(&error.to_string()))?;
        match parked {
            Some((name, reason)) => Err(self.failed(&format!(
                "{name} is parked ({}), and nothing in the demo should be",
                reason.code()
            ))),
            None => Ok(progress),
        }
    }

    // ---- the daemon

    /// Starts the daemon, waits until its journal is its own, and tells its process id.
    pub async fn start_daemon(&mut self) -> Result<u32, Failure> {
        let daemon = Daemon::start(&self.config(), &self.log())?;
        let pid = daemon.pid();
        self.daemon = Some(daemon);
        self.has_journal = false;
        self.until("the daemon should be running", |stage| {
            // as long as it is being made, the journal cannot be read
            let row = Reader::open(&stage.journal())
                .ok()
                .map(|reader| reader.daemon());
            let row = row.and_then(Result::ok).flatten();
            Ok(row.filter(|row| row.pid == pid))
        })
        .await?;
        self.has_journal = true;
        Ok(pid)
    }

    /// Kills the daemon; its process id.
    pub fn kill_daemon(&mut self) -> Result<u32, Failure> {
        let Some(daemon) = self.daemon.take() else {
            return Err(self.failed("no daemon is running"));
        };
        let pid = daemon.pid();
        if daemon.kill()? {
            Ok(pid)
        } else {
            Err(self.failed("the daemon ended before it was killed"))
        }
    }

    /// Stops the daemon as systemd does, and then the server.
    pub async fn close(mut self) -> Result<(), Failure> {
        if let Some(daemon) = self.daemon.take() {
            match daemon.stop().await? {
                Some(status) if status.success() => {}
                Some(status) => {
                    return Err(
                        self.failed(&format!("asked to stop, the daemon ended with {status}"))
                    );
                }
                None => {
                    return Err(self.failed("the daemon did not stop within 10 s, and was killed"));
                }
            }
        }
        self.sandbox.stop().await;
        Ok(())
    }

    // ---- waiting

    /// Looks until there is something, and shows the progress meanwhile. Fails when it takes over
    /// a minute, or when the daemon ends by itself.
    pub async fn until<T>(
        &mut self,
        what: &str,
        mut look: impl FnMut(&Self) -> Result<Option<T>, Failure>,
    ) -> Result<T, Failure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if self.has_journal {
                self.progress = self.read_progress()?;
                self.screen.progress(self.progress, FILES);
            }
            if let Some(found) = look(self)? {
                return Ok(found);
            }
            if Instant::now() >= deadline {
                let seconds = PATIENCE.as_secs();
                return Err(self.failed(&format!("waited {seconds} s in vain: {what}")));
            }
            self.pause().await?;
        }
    }

    /// A moment, in which the daemon must not end.
    pub async fn pause(&mut self) -> Result<(), Failure> {
        self.check_daemon()?;
        sleep(LOOK).await;
        Ok(())
    }

    fn check_daemon(&mut self) -> Result<(), Failure> {
        let ended = match &mut self.daemon {
            Some(daemon) => daemon.ended()?,
            None => None,
        };
        match ended {
            Some(status) => Err(self.failed(&format!("the daemon ended by itself, with {status}"))),
            None => Ok(()),
        }
    }

    /// What went wrong, and the end of the daemon's log.
    pub fn failed(&self, what: &str) -> Failure {
        let (log, tail) = (self.log(), daemon::tail(&self.log()));
        Failure::new(
            Exit::Unexpected,
            format!(
                "the demo failed: {what}\nthe end of {}:\n{tail}",
                log.display()
            ),
        )
    }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())
}

/// A path as TOML writes it.
fn quoted(path: &Path) -> Result<String, Failure> {
    match path.to_str() {
        Some(text) => Ok(toml::Value::from(text).to_string()),
        None => Err(Failure::new(
            Exit::Unexpected,
            format!(
                "the folder for temporary files, {}, is no text",
                path.display()
            ),
        )
        .hint("name another in TMPDIR")),
    }
}
