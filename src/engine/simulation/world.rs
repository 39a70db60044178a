//! One world: its clock, its server, its trace, and the moment at which everything may stop.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::chance::Chance;
use super::faults::Weather;
use super::server::Server;
use crate::job::Fingerprint;

/// An event that counts as a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// A request, at the server's door.
    Request,
    /// A request that is carried out although its sender has given up.
    Late,
    /// A commit that changed the journal.
    Commit,
    /// Somebody did something to a file.
    User,
    /// The drop folders were looked through.
    Scan,
    /// The weather, the clock, the account or a table changed.
    Change,
    /// Time went by.
    Time,
    /// The engine was started, stopped or killed.
    Life,
}

/// Whom a request goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Host {
    Api,
    Uploads,
}

/// What a table should list: table, remote name, size, md5.
pub(super) type Content = (String, String, u64, [u8; 16]);
/// A version of a file: watch, path and fingerprint.
pub(super) type Version = (usize, PathBuf, Fingerprint);

/// Something that a request will do at the server, whoever still waits for it.
type Effect = Box<dyn FnOnce(&mut Server, i64) + Send>;

/// A request between its sender and the server's work on it.
struct UnderWay {
    due: i64,
    order: u64,
    /// Its sender has given up before.
    late: bool,
    effect: Effect,
}

pub(super) struct World {
    inside: Mutex<Inside>,
    crash: Notify,
}

pub(super) struct Inside {
    pub chance: Chance,
    pub server: Server,
    pub weather: Weather,
    /// The contents that existed whole under a name, and the versions of them that were offered to the
    /// journal.
    pub whole: HashMap<Content, HashSet<Version>>,
    /// What is wrong with this world's engine.
    pub violations: Vec<String>,
    /// Requests that are waiting at an address: no two may.
    pub open: HashSet<String>,
    pub steps: BTreeMap<Step, u64>,
    /// When each host was asked something.
    pub requests: Vec<(Host, i64)>,
    pub trace: Vec<String>,
    /// Of the token that the server accepts, and of the one that the credential holds.
    pub token: u32,
    pub credential: u32,
    under_way: Vec<UnderWay>,
    sent: u64,
    /// Milliseconds since 1970 when this life began, and that moment.
    since: i64,
    began: Option<Instant>,
    /// The machine's clock minus the true time.
    pub skew: i64,
    /// Gates that may still be passed before the crash.
    gates_left: Option<u64>,
    crashed: bool,
}

/// When worlds begin.
pub(super) const GENESIS: i64 = 1_800_000_000_000;

impl World {
    pub fn new(chance: Chance, server: Server, weather: Weather) -> Arc<Self> {
        let inside = Inside {
            chance,
            server,
            weather,
            whole: HashMap::new(),
            violations: Vec::new(),
            open: HashSet::new(),
            steps: BTreeMap::new(),
            requests: Vec::new(),
            trace: Vec::new(),
            token: 0,
            credential: 0,
            under_way: Vec::new(),
            sent: 0,
            since: GENESIS,
            began: None,
            skew: 0,
            gates_left: None,
            crashed: false,
        };
        Arc::new(Self {
            inside: Mutex::new(inside),
            crash: Notify::new(),
        })
    }

    /// Everything, as it is now: what was under way for longer than until now has happened.
    pub fn now(&self) -> MutexGuard<'_, Inside> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.catch_up();
        inside
    }

    /// To be called within a new runtime, before anything else.
    pub fn begin_life(&self, crash_after: Option<u64>) {
        let mut inside = self.now();
        inside.began = Some(Instant::now());
        inside.gates_left = crash_after;
        inside.crashed = false;
        inside.open.clear();
    }

    /// To be called before the runtime ends.
    pub fn end_life(&self) {
        let mut inside = self.now();
        inside.since = inside.true_ms();
        inside.began = None;
    }

    /// A place where the machine may die. Whoever comes here after its death goes no further.
    pub async fn gate(&self) {
        if self.dies() {
            std::future::pending::<()>().await;
        }
    }

    fn dies(&self) -> bool {
        let mut inside = self.now();
        if inside.crashed {
            return true;
        }
        match &mut inside.gates_left {
            None => return false,
            Some(0) => {}
            Some(left) => {
                *left -= 1;
                return false;
            }
        }
        inside.crashed = true;
        self.crash.notify_one();
        true
    }

    /// Waits for the crash.
    pub async fn crashed(&self) {
        self.crash.notified().await;
    }

    /// The hash of all that happened, with the times.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.now().trace.hash(&mut hasher);
        hasher.finish()
    }
}

impl Inside {
    /// The true time, which the server's clock shows.
    pub fn true_ms(&self) -> i64 {
        let here = self.began.map_or(0, |began| began.elapsed().as_millis());
        self.since + i64::try_from(here).unwrap_or(i64::MAX)
    }

    /// The machine's clock.
    pub fn wall(&self) -> Timestamp {
        Timestamp::from_millisecond(self.true_ms() + self.skew).expect("worlds are short")
    }

    /// The machine slept: time went by, and its timers did not notice.
    pub fn suspend(&mut self, ms: i64) {
        self.since += ms;
    }

    /// Counts a step and writes it down.
    pub fn step(&mut self, step: Step, what: std::fmt::Arguments<'_>) {
        *self.steps.entry(step).or_default() += 1;
        self.tell(what);
    }

    /// Counts a request.
    pub fn request(&mut self, host: Host, what: std::fmt::Arguments<'_>) {
        let now = self.true_ms();
        self.requests.push((host, now));
        self.step(Step::Request, what);
    }

    /// Writes something down that is no step.
    pub fn tell(&mut self, what: std::fmt::Arguments<'_>) {
        let ms = self.true_ms() - GENESIS;
        let (days, rest) = (ms / 86_400_000, ms % 86_400_000);
        let (hours, minutes) = (rest / 3_600_000, rest / 60_000 % 60);
        let (seconds, millis) = (rest / 1000 % 60, rest % 1000);
        let mut line = format!("{days}d {hours:02}:{minutes:02}:{seconds:02}.{millis:03}  ");
        write!(line, "{what}").expect("a String takes everything");
        self.trace.push(line);
    }

    pub fn violation(&mut self, what: String) {
        self.tell(format_args!("VIOLATION: {what}"));
        self.violations.push(what);
    }

    /// Lets something happen at the server later, whatever becomes of the engine.
    pub fn later(&mut self, due: i64, late: bool, effect: Effect) {
        self.sent += 1;
        self.under_way.push(UnderWay {
            due,
            order: self.sent,
            late,
            effect,
        });
    }

    /// Whether something is under way of which its sender does not know.
    pub fn holds_its_breath(&self) -> bool {
        self.under_way.iter().any(|one| one.late)
    }

    fn catch_up(&mut self) {
        let now = self.true_ms();
        while let Some(next) = self.next_due(now) {
            let next = self.under_way.swap_remove(next);
            (next.effect)(&mut self.server, next.due);
            if next.late {
                self.step(Step::Late, format_args!("  … carried out late"));
            }
        }
        let misdeeds = std::mem::take(&mut self.server.misdeeds);
        for misdeed in misdeeds {
            self.violation(misdeed);
        }
    }

    fn next_due(&self, now: i64) -> Option<usize> {
        let due = self.under_way.iter().enumerate();
        due.filter(|(_, one)| one.due <= now)
            .min_by_key(|(_, one)| (one.due, one.order))
            .map(|(index, _)| index)
    }
}
