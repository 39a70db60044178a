//! The programs that are measured, each against a sink of its own.

use std::env;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use tempfile::TempDir;

use crate::books::Report;
use crate::process::{Cost, Running, run, run_well};
use crate::sink::{ARGUMENT, Manner};

/// The daemon, built as for a release.
const DAEMON: &str = env!("CARGO_BIN_EXE_redivis-drop");
const ADD_FILES: &str = include_str!("add_files.py");

// ---- the sink

/// A sink in a process of its own; it ends when this is dropped.
pub struct Sink {
    port: u16,
    _running: Running,
}

impl Sink {
    pub fn start(manner: Manner) -> anyhow::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.arg(ARGUMENT).arg(serde_json::to_string(&manner)?);
        let mut running = Running::start(command.stdout(Stdio::piped()))?;
        let out = running.0.stdout.take().context("it is piped")?;
        let mut port = String::new();
        BufReader::new(out).read_line(&mut port)?;
        Ok(Self {
            port: port.trim().parse().context("the sink tells its port")?,
            _running: running,
        })
    }

    pub fn report(&self) -> anyhow::Result<Report> {
        self.ask("report")
    }

    /// The report without the names.
    pub fn brief(&self) -> anyhow::Result<Report> {
        self.ask("brief")
    }

    fn ask(&self, what: &str) -> anyhow::Result<Report> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.write_all(format!("GET /_sink/{what} HTTP/1.1\r\n\r\n").as_bytes())?;
        let mut reader = BufReader::new(stream);
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line)? > 2 {
            if let Some(value) = line.strip_prefix("Content-Length: ") {
                length = value.trim().parse()?;
            }
            line.clear();
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        Ok(serde_json::from_slice(&body)?)
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/api/v1", self.port)
    }
}

// ---- the daemon

/// A daemon's configuration and journal, in a folder of their own.
pub struct Daemon {
    place: TempDir,
}

/// What differs from bench to bench.
#[derive(Debug, Clone)]
pub struct Setup<'a> {
    drop: &'a Path,
    settle: &'a str,
    transfer: String,
}

impl<'a> Setup<'a> {
    /// The shortest settle time; `transfer`: further lines of `[transfer]`.
    pub fn new(drop: &'a Path, transfer: &str) -> Self {
        Self {
            drop,
            settle: "100ms",
            transfer: transfer.to_owned(),
        }
    }

    /// Another settle time.
    pub fn settle(self, settle: &'a str) -> Self {
        Self { settle, ..self }
    }

    /// One more line of `[transfer]`.
    pub fn transfer(mut self, line: &str) -> Self {
        self.transfer.push_str(line);
        self.transfer.push('\n');
        self
    }

    /// A daemon whose configuration and journal live in a new folder in `place`.
    pub fn daemon(&self, place: &Path) -> anyhow::Result<Daemon> {
        let place = tempfile::Builder::new()
            .prefix("daemon-")
            .tempdir_in(place)?;
        let config = format!(
            "[redivis]\ntoken_file = \"\"\n\n\
             [journal]\npath = \"{journal}\"\n\n\
             [transfer]\n{transfer}\n\
             [[watch]]\nname = \"bench\"\npath = \"{drop}\"\n\
             table = \"lab.bench:next.raw\"\nsettle = \"{settle}\"\n\
             allow_hard_links = true\n",
            journal = place.path().join("journal/journal.db").display(),
            transfer = self.transfer,
            drop = self.drop.display(),
            settle = self.settle,
        );
        fs::write(place.path().join("config.toml"), config)?;
        Ok(Daemon { place })
    }
}

impl Daemon {
    /// Where its journal is.
    pub fn journal(&self) -> PathBuf {
        self.place.path().join("journal/journal.db")
    }

    fn config(&self) -> PathBuf {
        self.place.path().join("config.toml")
    }

    /// Whether this build knows all that the configuration asks for.
    pub fn is_able(&self) -> anyhow::Result<bool> {
        let mut command = Command::new(DAEMON);
        command.arg("--config").arg(self.config()).arg("check");
        command.env("REDIVIS_API_TOKEN", "bench");
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Ok(run(&mut command)?.code != Some(78))
    }

    /// Uploads all there is.
    pub fn once(&self, sink: &Sink) -> anyhow::Result<Cost> {
        let mut command = self.command(sink)?;
        command.arg("--once");
        run_well(&mut command).with_context(|| self.last_words())
    }

    /// Starts it, to stay.
    pub fn stay(&self, sink: &Sink) -> anyhow::Result<Running> {
        Running::start(&mut self.command(sink)?)
    }

    fn command(&self, sink: &Sink) -> anyhow::Result<Command> {
        let mut command = Command::new(DAEMON);
        command.arg("--config").arg(self.config()).arg("run");
        command.env("REDIVIS_API_ENDPOINT", sink.endpoint());
        command.env("REDIVIS_API_TOKEN", "bench");
        without_proxy(&mut command);
        // as under a service manager: every line is written somewhere
        command.stdout(Stdio::null());
        command.stderr(File::create(self.place.path().join("log"))?);
        Ok(command)
    }

    /// The end of its log.
    pub fn last_words(&self) -> String {
        let log = fs::read_to_string(self.place.path().join("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }
}

fn without_proxy(command: &mut Command) {
    command
        .env("NO_PROXY", "127.0.0.1")
        .env("no_proxy", "127.0.0.1");
}

// ---- the others

/// `curl -T FILE`
pub fn curl(sink: &Sink, file: &Path) -> anyhow::Result<Cost> {
    let mut command = Command::new("curl");
    command.args([
        "--silent",
        "--show-error",
        "--fail",
        "--output",
        "/dev/null",
        "-T",
    ]);
    command.arg(file);
    command.arg(format!("http://127.0.0.1:{}/sink", sink.port));
    without_proxy(&mut command);
    run_well(&mut command)
}

/// `openssl md5 FILE`
pub fn openssl_md5(file: &Path) -> anyhow::Result<Cost> {
    let mut command = Command::new("openssl");
    run_well(command.arg("md5").arg(file).stdout(Stdio::null()))
}

/// The official client's `add_files`.
pub fn add_files(python: &Path, sink: &Sink, folder: &Path) -> anyhow::Result<Cost> {
    let mut command = Command::new(python);
    command.arg("-c").arg(ADD_FILES).arg(folder);
    command.env("REDIVIS_API_ENDPOINT", sink.endpoint());
    command.env("REDIVIS_API_TOKEN", "bench");
    without_proxy(&mut command);
    run_well(&mut command)
}

/// An interpreter that has `redivis`: what `PYTHON` names, else one in the target folder, made
/// and filled at the first time.
pub fn python() -> anyhow::Result<PathBuf> {
    if let Some(named) = env::var_os("PYTHON") {
        let named = PathBuf::from(named);
        import_redivis(&named)?;
        return Ok(named);
    }
    // target/release/deps/wire-… → target
    let exe = env::current_exe()?;
    let target = exe.ancestors().nth(3).context("no target folder")?;
    let venv = target.join("bench-venv");
    let python = venv.join("bin/python");
    if import_redivis(&python).is_err() {
        eprintln!("making {} with the official client …", venv.display());
        run_well(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
        let mut pip = Command::new(venv.join("bin/pip"));
        run_well(pip.args(["install", "--quiet", "redivis"]))?;
        import_redivis(&python)?;
    }
    Ok(python)
}

fn import_redivis(python: &Path) -> anyhow::Result<()> {
    let mut command = Command::new(python);
    command.args(["-c", "import redivis"]);
    let cost = run(command.stdout(Stdio::null()).stderr(Stdio::null()))?;
    if cost.code != Some(0) {
        bail!("{} has no `redivis`", python.display());
    }
    Ok(())
}
