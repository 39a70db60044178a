//! A laboratory, what was ever dropped into it, and the lives of the daemon in it.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use redivis_drop::crash_point::{ARMED_BY, Point};
use redivis_drop::job::StateName;
use redivis_drop::journal::Reader;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::judge::{Verdict, Versions};
use crate::lab::{KIB, Lab, Plan, holding, write_noise};
use crate::process::{Running, wait_until};

/// Small files go at once, larger ones as a stream, the largest in the smallest chunks there are, of which each
/// takes the server a tenth of a second. Of a registration that comes twice, this server makes two files.
pub const SMALL_CHUNKS: Plan = Plan {
    transfer: "resumable_above = \"300 KiB\"\nchunk_size = \"256 KiB\"\nworkers = 4",
    watch: "",
    speed: Some(2_500_000),
    lenient: true,
    rate_limit: None,
};

/// Chunks that are more than the system's buffers take in, so that a kill breaks them.
pub const LARGE_CHUNKS: Plan = Plan {
    transfer: "resumable_above = \"300 KiB\"\nchunk_size = \"8 MiB\"\nworkers = 4",
    watch: "",
    speed: Some(40_000_000),
    lenient: false,
    rate_limit: None,
};

/// Files that are imported. Their bytes are no rows, which an Avro file need not show to this server.
pub const ROWS: Plan = Plan {
    watch: "kind = \"tabular\"\n[watch.tabular]\ntype = \"avro\"",
    ..SMALL_CHUNKS
};

/// Longer than a registration without an answer may still arrive.
const MINUTES: Duration = Duration::from_mins(3);

/// A daemon that nothing happens to for so long waits for what only time brings.
const NOTHING_HAPPENS: Duration = Duration::from_secs(2);

/// Unless it has set files apart, of which it takes up one every ten seconds, at every start anew: those that it
/// had in hand at five kills in a row.
const SET_APART: Duration = Duration::from_secs(12);

/// A round ends then, with files still set apart: there is a limit to what is waited for at once.
const ROUND: Duration = Duration::from_secs(45);

/// So many times may a daemon end up waiting before it counts as stuck.
const ROUNDS: usize = 15;

/// States of a socket in `/proc/net/tcp`.
const LISTENS: &str = "0A";
const IS_OVER: &str = "06";

/// How a life ends.
#[derive(Debug, Clone, Copy)]
pub enum Death {
    /// When it passes the point for this time; or after the longest life, should it not.
    At(Point, u32),
    /// After so long.
    After(Duration),
}

pub struct Scene {
    pub lab: Lab,
    pub versions: Versions,
    made: usize,
}

impl Scene {
    pub fn new(plan: &Plan) -> Self {
        Self {
            lab: Lab::with(plan),
            versions: Versions::default(),
            made: 0,
        }
    }

    // ---- files

    /// Drops a new file, whole from the first moment on.
    pub fn drop_file(&mut self, size: usize, seed: u64) {
        let name = format!("file-{}", self.made);
        self.put(&name, size, seed);
    }

    /// Puts another file in the place of one, or a first one.
    pub fn put(&mut self, name: &str, size: usize, seed: u64) {
        self.made += 1;
        let aside = self.lab.elsewhere("aside");
        write_noise(&aside, size, seed);
        self.versions.add(holding(name, &aside));
        fs::rename(aside, self.lab.path(name)).unwrap();
    }

    /// Adds bytes to a file in one write.
    pub fn append(&mut self, name: &str, seed: u64) {
        let mut file = OpenOptions::new()
            .append(true)
            .open(self.lab.path(name))
            .unwrap();
        file.write_all(&seed.to_le_bytes()).unwrap();
        self.changed(name);
    }

    /// Changes the first and the last bytes of a file, so that half of one version and half of the other are
    /// neither; a tiny one grows instead.
    pub fn poke(&mut self, name: &str, seed: u64) {
        let path = self.lab.path(name);
        let size = fs::metadata(&path).unwrap().len();
        if size < 16 {
            return self.append(name, seed);
        }
        let file = OpenOptions::new().write(true).open(path).unwrap();
        for at in [0, size - 8] {
            file.write_all_at(&seed.to_le_bytes(), at).unwrap();
        }
        self.changed(name);
    }

    fn changed(&mut self, name: &str) {
        let path = self.lab.path(name);
        self.versions.add(holding(name, &path));
    }

    // ---- lives

    pub fn start(&self, death: Option<Death>) -> Running {
        let mut command = self.lab.command(&["run"]);
        if let Some(Death::At(point, count)) = death {
            command.env(ARMED_BY, format!("{}:{count}", point.name()));
        }
        Running::start(command, &self.lab.elsewhere("log.txt"))
    }

    /// Lives until the end that it is given, or the longest life. Whether it died at its point.
    pub fn live(
        &mut self,
        death: Death,
        longest: Duration,
        mut meanwhile: impl FnMut(&mut Self, Duration),
    ) -> bool {
        let (began, mut daemon) = (Instant::now(), self.start(Some(death)));
        let longest = match death {
            Death::At(..) => longest,
            Death::After(long) => long,
        };
        let mut by_itself = false;
        wait_until("the end of a life", || {
            by_itself = daemon.has_ended();
            meanwhile(self, began.elapsed());
            by_itself || began.elapsed() >= longest
        });
        if !by_itself {
            daemon.kill();
            return false;
        }
        let ended = daemon.wait();
        assert_eq!(
            ended.code, None,
            "{death:?}: the daemon ended by itself: {}",
            ended.said
        );
        true
    }

    /// Lets the time pass that makes sure what never arrived: while no daemon runs, and when the server has
    /// done all that a killed one asked for, every time in the journal moves into the past.
    pub fn let_minutes_pass(&self) {
        self.wait_until_idle();
        if !self.lab.journal.exists() {
            return;
        }
        let journal = Connection::open(&self.lab.journal).unwrap();
        // the daemon is to find the journal as the killed one left it
        journal
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
            .unwrap();
        let ago = i64::try_from(MINUTES.as_millis()).unwrap();
        let moved = journal.execute(
            "UPDATE jobs SET intended_at = intended_at - ?1, absent_awake = max(0, absent_awake - ?1), reserved_at = reserved_at - ?1, \
             session_at = session_at - ?1, failing_since = failing_since - ?1, \
             next_attempt_at = max(0, next_attempt_at - ?1)",
            [ago],
        );
        match moved {
            Err(error) if error.to_string().contains("no such table") => {}
            other => drop(other.unwrap()),
        }
    }

    pub fn wait_until_idle(&self) {
        wait_until("the server is idle", || self.is_idle());
    }

    /// Whether the server has let go of every connection, also of those that a process left behind when it
    /// was killed.
    fn is_idle(&self) -> bool {
        let ports = [self.lab.sandbox.api_addr(), self.lab.sandbox.upload_addr()];
        let sockets = fs::read_to_string("/proc/net/tcp").unwrap();
        let mut sockets = sockets.lines().skip(1).map(str::split_whitespace);
        // not even one that the kernel has accepted and the server not yet
        let any = sockets.any(|mut fields| {
            let (local, state) = (fields.nth(1).unwrap_or(""), fields.nth(1).unwrap_or(""));
            let of_ours =
                |address: &SocketAddr| local.ends_with(&format!(":{:04X}", address.port()));
            !matches!(state, LISTENS | IS_OVER) && ports.iter().any(of_ours)
        });
        !any && self.lab.sandbox.is_idle()
    }

    // ---- the end

    /// Lets the daemon finish, without another kill, and judges. The second: whether it was stuck.
    pub fn finish(&mut self) -> (Verdict, bool) {
        for _ in 0..ROUNDS {
            self.let_minutes_pass();
            let daemon = self.start(None);
            // only then does it know what a signal is
            wait_until("the daemon is ready", || daemon.said().contains(" ready"));
            let settled = self.wait_for_the_end();
            let ended = daemon.terminate();
            assert_eq!(ended.code, Some(0), "{}", ended.said);
            if settled {
                return (self.judge(), false);
            }
        }
        eprintln!("stuck: {:#?}", self.unfinished());
        (self.judge(), true)
    }

    /// Whether everything has ended, or nothing happens any more.
    fn wait_for_the_end(&self) -> bool {
        let began = Instant::now();
        let (mut last, mut since) = (None, began);
        let mut settled = false;
        wait_until("the end, or a standstill", || {
            let held = self.lab.registered();
            let open = self.open_jobs();
            settled = open == Some(0) && self.versions.all_arrived(&held);
            let now = Some((held.len(), open, self.lab.report().bytes_received));
            if now != last {
                (last, since) = (now, Instant::now());
            }
            let patience = if since.elapsed() > NOTHING_HAPPENS
                && (self.has_set_apart() || self.is_importing())
            {
                SET_APART
            } else {
                NOTHING_HAPPENS
            };
            settled || since.elapsed() > patience || began.elapsed() > ROUND
        });
        settled
    }

    /// Whether files wait to be taken up alone.
    fn has_set_apart(&self) -> bool {
        let only_read = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let journal = Connection::open_with_flags(&self.lab.journal, only_read).unwrap();
        let suspects = "SELECT 1 FROM jobs WHERE crashes >= 3 AND finished_at IS NULL";
        journal.prepare(suspects).unwrap().exists([]).unwrap()
    }

    /// Whether the daemon will ask how far imports are, which it does in rounds.
    fn is_importing(&self) -> bool {
        let reader = Reader::open(&self.lab.journal).ok();
        let counts = reader.and_then(|reader| reader.counts().ok());
        let mut counts = counts.into_iter().flatten();
        counts.any(|count| count.state == StateName::Importing)
    }

    /// Jobs that have not ended well; `None` while there is no journal.
    fn open_jobs(&self) -> Option<u64> {
        let counts = Reader::open(&self.lab.journal).ok()?.counts().ok()?;
        let open = counts
            .iter()
            .filter(|count| !count.state.is_final() || count.state == StateName::Parked);
        Some(open.map(|count| count.jobs).sum())
    }

    fn judge(&self) -> Verdict {
        let (verdict, names) = self.versions.judge(&self.lab.registered());
        for name in names {
            eprintln!("{name}");
        }
        if verdict != Verdict::default() {
            eprintln!("{:#?}", self.lab.jobs());
        }
        self.lab.expect_manners();
        verdict
    }

    fn unfinished(&self) -> Vec<serde_json::Value> {
        let mut jobs = self.lab.jobs();
        jobs.retain(|job| job["finished_at"].is_null() || job["state"] == "parked");
        jobs
    }
}

/// Sizes around every border: empty, small, read at once, streamed, and in chunks.
pub const SIZES: [usize; 10] = [
    0,
    16,
    1_000,
    20_000,
    256 * KIB,
    300 * KIB,
    300 * KIB + 1,
    512 * KIB,
    700_000,
    1_300_001,
];
