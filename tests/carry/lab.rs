//! A laboratory: a drop folder, a configuration, a journal and a practice server of its own.

use std::cell::Cell;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use md5::{Digest as _, Md5};
use redivis_drop::sandbox::{Fault, RateLimit, Report, Sandbox, Settings};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::process::{Ended, Running};

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_redivis-drop");

/// The token that the server accepts.
pub const TOKEN: &str = "the-right-token";

/// The table that the files go to.
pub const TABLE: &str = "my_lab.sequencing:next.raw_reads";

pub const KIB: usize = 1024;
pub const MIB: usize = 1024 * KIB;

/// What a table holds, or should: name, bytes, md5. Ordered, so that two can be compared.
pub type Holding = (String, u64, String);

/// What differs from lab to lab.
#[derive(Default)]
pub struct Plan {
    /// Lines for `[transfer]`.
    pub transfer: &'static str,
    /// Lines for the `[[watch]]`.
    pub watch: &'static str,
    /// How fast each upload is read, in bytes a second.
    pub speed: Option<u64>,
    /// Whether the server lets a temporary upload be registered twice.
    pub lenient: bool,
    /// How often the API may be asked; without, the server does not say, and the daemon asks once a second.
    pub rate_limit: Option<RateLimit>,
}

/// The laboratory. Its server and its folders go with it.
pub struct Lab {
    pub drop_folder: PathBuf,
    pub config: PathBuf,
    pub journal: PathBuf,
    pub token: PathBuf,
    pub sandbox: Sandbox,
    runtime: Runtime,
    dir: TempDir,
    logs: Cell<u32>,
}

impl Lab {
    pub fn new() -> Self {
        Self::with(&Plan::default())
    }

    /// The API on one port, uploads on another: two origins, of which one may see the token.
    pub fn with(plan: &Plan) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let settings = Settings {
            upload_listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            bytes_per_sec: plan.speed,
            lenient: plan.lenient,
            rate_limit: plan.rate_limit,
            ..Settings::new(at("server"), TOKEN)
        };
        let sandbox = runtime.block_on(Sandbox::start(settings)).unwrap();
        assert_ne!(sandbox.api_addr(), sandbox.upload_addr());
        let drop_folder = at("drop");
        fs::create_dir(&drop_folder).unwrap();
        let lab = Self {
            drop_folder,
            config: at("config.toml"),
            journal: at("state/journal.db"),
            token: at("token"),
            sandbox,
            runtime,
            dir,
            logs: Cell::new(0),
        };
        lab.write_token(TOKEN);
        lab.configure(plan, &lab.sandbox.endpoint());
        lab
    }

    // ---- what the program is given

    /// Waits are short, so that a test of what follows a failure is.
    pub fn configure(&self, plan: &Plan, endpoint: &str) {
        let text = format!(
            r#"[redivis]
endpoint = "{endpoint}"
token_file = "{token}"
[journal]
path = "{journal}"
[transfer]
{transfer}
[retry]
initial = "10ms"
max = "200ms"
[status]
listen = ""
[[watch]]
name = "sequencer"
path = "{drop_folder}"
table = "{TABLE}"
settle = "100ms"
{watch}
"#,
            token = self.token.display(),
            journal = self.journal.display(),
            transfer = plan.transfer,
            drop_folder = self.drop_folder.display(),
            watch = plan.watch,
        );
        fs::write(&self.config, text).unwrap();
    }

    pub fn write_token(&self, token: &str) {
        fs::write(&self.token, token).unwrap();
        fs::set_permissions(&self.token, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// The folder that the journal lives in, for what is to lie there before it.
    pub fn make_state_folder(&self) {
        let folder = self.journal.parent().unwrap();
        DirBuilder::new().mode(0o700).create(folder).unwrap();
    }

    /// As on a machine that has never run it: the journal is gone.
    pub fn forget_everything(&self) {
        fs::remove_dir_all(self.journal.parent().unwrap()).unwrap();
    }

    /// A path that no one watches.
    pub fn elsewhere(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A file in the drop folder, by any bytes as its name; folders on the way are made.
    pub fn path(&self, name: impl AsRef<[u8]>) -> PathBuf {
        let path = self.drop_folder.join(OsStr::from_bytes(name.as_ref()));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    /// Drops a file; what the table should hold of it, if its name stays as it is.
    pub fn drop_file(&self, name: &str, size: usize, seed: u64) -> Holding {
        let path = self.path(name);
        write_noise(&path, size, seed);
        holding(name, &path)
    }

    // ---- the program

    /// A command with nothing of our own environment in it.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .env_clear()
            .current_dir(self.dir.path())
            .arg("--config")
            .arg(&self.config)
            .args(arguments);
        command
    }

    /// Runs a command that ends by itself.
    pub fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub fn start(&self, arguments: &[&str]) -> Running {
        self.begin(self.command(arguments))
    }

    /// Any command that runs the program, to its end.
    pub fn run(&self, command: Command) -> Ended {
        self.begin(command).wait()
    }

    fn begin(&self, command: Command) -> Running {
        self.logs.set(self.logs.get() + 1);
        let log = self.elsewhere(&format!("log-{}.txt", self.logs.get()));
        Running::start(command, &log)
    }

    /// Writes something else into the configuration, wherever it stands.
    pub fn reconfigure(&self, from: &str, to: &str) {
        let config = fs::read_to_string(&self.config).unwrap();
        assert!(config.contains(from));
        fs::write(&self.config, config.replace(from, to)).unwrap();
    }

    /// `run --once`, to its end.
    pub fn run_once(&self) -> Ended {
        self.start(&["run", "--once"]).wait()
    }

    /// `run --once`, which must carry everything.
    pub fn carry_all(&self) -> Ended {
        let ended = self.run_once();
        assert_eq!(ended.code, Some(0), "{}", ended.said);
        ended
    }

    /// `jobs --json`; nothing while there is no journal.
    pub fn jobs(&self) -> Vec<Value> {
        let output = self.output(&["jobs", "--json"]);
        let lines = output.stdout.split(|byte| *byte == b'\n');
        lines
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }

    /// The one job of a file that was dropped once.
    pub fn job(&self, name: &str) -> Value {
        let mut jobs = self.jobs();
        jobs.retain(|job| job["remote_name"] == name);
        assert_eq!(jobs.len(), 1, "{jobs:?}");
        jobs.remove(0)
    }

    /// `status --json`; `None` while there is no journal.
    pub fn status(&self) -> Option<Value> {
        let output = self.output(&["status", "--json"]);
        serde_json::from_slice(&output.stdout).ok()
    }

    /// How many jobs stand in a state.
    pub fn total(&self, state: &str) -> u64 {
        let status = self.status().unwrap_or_default();
        status["totals"][state].as_u64().unwrap_or(0)
    }

    // ---- the server

    pub fn script(&self, faults: Vec<Fault>) {
        self.sandbox.script(faults);
    }

    pub fn endpoint(&self) -> String {
        self.sandbox.endpoint()
    }

    pub fn report(&self) -> Report {
        self.sandbox.report()
    }

    /// The table's dataset is released: it takes nothing until it has a next version.
    pub fn release(&self) {
        let (dataset, _) = TABLE.rsplit_once('.').unwrap();
        self.sandbox.release(dataset.trim_end_matches(":next"));
    }

    /// Somebody makes the next version of the table's dataset.
    pub fn make_next_version(&self) {
        let (dataset, _) = TABLE.rsplit_once('.').unwrap();
        let dataset = dataset.trim_end_matches(":next");
        let address = self.sandbox.api_addr();
        let mut server = TcpStream::connect(address).unwrap();
        let request = format!(
            "POST /api/v1/datasets/{dataset}/versions HTTP/1.1\r\nHost: {address}\r\n\
             Authorization: Bearer {TOKEN}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        server.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        server.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
    }

    /// What the API answers to a GET of an address below its own.
    pub fn get(&self, path: &str) -> Value {
        let address = self.sandbox.api_addr();
        let mut server = TcpStream::connect(address).unwrap();
        let path = path.trim_start_matches('/');
        let request = format!(
            "GET /api/v1/{path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n"
        );
        server.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        server.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
        serde_json::from_str(body).unwrap()
    }

    /// Somebody changes what the server holds, behind everyone's back: from now on there is one with other books,
    /// at the same address.
    pub fn rewrite_the_books(&mut self, rewrite: impl FnOnce(&mut Vec<Value>)) {
        let ledger = "ledger.jsonl";
        let lines = fs::read_to_string(self.elsewhere("server").join(ledger)).unwrap();
        let entries = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        let mut entries: Vec<Value> = entries.collect();
        rewrite(&mut entries);
        let lines: Vec<_> = entries.iter().map(Value::to_string).collect();
        let lines = lines.join("\n") + "\n";
        let other = self.elsewhere("other-server");
        fs::create_dir(&other).unwrap();
        fs::write(other.join(ledger), lines).unwrap();
        let settings = Settings {
            listen: self.sandbox.api_addr(),
            ..Settings::new(other, TOKEN)
        };
        let meanwhile = Settings::new(self.elsewhere("no-server"), TOKEN);
        self.runtime.block_on(async {
            let meanwhile = Sandbox::start(meanwhile).await.unwrap();
            std::mem::replace(&mut self.sandbox, meanwhile).stop().await;
            self.sandbox = Sandbox::start(settings).await.unwrap();
        });
        self.configure(&Plan::default(), &self.sandbox.endpoint());
    }

    /// What the table holds.
    pub fn registered(&self) -> Vec<Holding> {
        self.registered_in(TABLE)
    }

    /// What any table holds.
    pub fn registered_in(&self, table: &str) -> Vec<Holding> {
        let files = self.sandbox.registered(table).into_iter();
        let mut held: Vec<_> = files.map(|file| (file.name, file.size, file.md5)).collect();
        held.sort();
        held
    }

    /// The judgement: the table holds exactly this, each once, and on the way no rule of the
    /// protocol was broken and no token was shown where none belongs.
    pub fn expect(&self, mut wanted: Vec<Holding>) {
        wanted.sort();
        let held = self.registered();
        let missing = wanted.iter().find(|one| !held.contains(one));
        let extra = held.iter().find(|one| !wanted.contains(one));
        assert!(
            held == wanted,
            "{} held, {} wanted; missing {missing:?}, not wanted {extra:?}",
            held.len(),
            wanted.len()
        );
        self.expect_manners();
    }

    /// No rule broken, no token shown.
    pub fn expect_manners(&self) {
        let report = self.report();
        assert_eq!(report.violations, []);
        assert_eq!(report.token_seen_elsewhere, 0);
    }

    /// Every scripted fault has happened.
    pub fn expect_faults_done(&self) {
        assert_eq!(self.report().faults_pending, []);
    }
}

/// Connections that a killed process left behind may still be served; nobody waits for them.
impl Drop for Lab {
    fn drop(&mut self) {
        let runtime = Builder::new_current_thread().build().unwrap();
        std::mem::replace(&mut self.runtime, runtime).shutdown_background();
    }
}

// ---- files

/// What a table should hold of a file.
pub fn holding(name: &str, path: &Path) -> Holding {
    let mut file = File::open(path).unwrap();
    let (mut size, mut md5, mut block) = (0, Md5::new(), vec![0; MIB]);
    loop {
        let read = file.read(&mut block).unwrap();
        if read == 0 {
            break;
        }
        size += read as u64;
        md5.update(&block[..read]);
    }
    let hex = md5.finalize().into_iter().map(|byte| format!("{byte:02x}"));
    (name.to_owned(), size, hex.collect())
}

/// Writes bytes that look random, depend on the seed, and differ from MiB to MiB, so that no two
/// pieces could be exchanged unnoticed.
pub fn write_noise(path: &Path, size: usize, seed: u64) {
    let mut file = File::create(path).unwrap();
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut block = Vec::with_capacity(size.min(MIB) + 8);
    while block.len() < size.min(MIB) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        block.extend_from_slice(&state.to_le_bytes());
    }
    let (mut left, mut number) = (size, 0_u64);
    while left > 0 {
        let piece = left.min(MIB);
        if piece >= 8 {
            block[..8].copy_from_slice(&(seed ^ number.rotate_left(32)).to_le_bytes());
        }
        file.write_all(&block[..piece]).unwrap();
        left -= piece;
        number += 1;
    }
}
