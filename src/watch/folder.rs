//! The loop of one watch: waits until something comes in or is due, does it, tells how it went.
//!
//! The root is opened anew for each turn. Held for longer, it would keep a share from being
//! unmounted; and opening it again is how a missing, unmounted or replaced root is noticed. Then nothing of
//! what was known about its files counts any more, and it begins again with a full scan when
//! it is back: an unmounted share is a pause, never "all files gone".

use std::io;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::io::Errno;
use tokio::sync::watch;
use tracing::{debug, info, warn};

use super::Phase;
use super::agenda::Agenda;
use super::complete::Progress;
use super::filter::Filter;
use super::health::{Bulletin, Troubles};
use super::hint::{Hint, Inbox, Outlet};
use super::ledger::{Health, Ledger, Mode};
use super::sets::Sets;
use super::settle::Settle;
use super::source::Source;
use super::writers::{Means, Writers};
use crate::beneath::{Identity, OpenError, Root};
use crate::config::{Backend, Watch};

/// So many hints are taken in at once, so that a flood of them leaves room for the rest.
const HINTS: usize = 4_096;

/// The loop's own times and bounds, which nobody configures.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Between two looks for the root, there or not.
    pub root: Duration,
    /// Until something that failed is tried again.
    pub retry: Duration,
    /// Between two reports that differ in a count only.
    pub report: Duration,
    /// With so many files not settled, scans wait. It bounds the memory: about 30 MB.
    pub settling: usize,
    /// How open writers are looked for.
    pub writers: Means,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            root: Duration::from_secs(5),
            retry: Duration::from_secs(5),
            report: Duration::from_secs(1),
            settling: 100_000,
            writers: Means::Lease,
        }
    }
}

/// Whether it failed for want of descriptors or memory: of this moment, not of what was looked at.
pub(super) fn is_exhaustion(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM))
}

/// One watch.
pub(super) struct Folder<L> {
    pub settings: Watch,
    pub pace: Pace,
    pub filter: Filter,
    pub ledger: L,
    pub inbox: Inbox,
    pub agenda: Agenda,
    pub settle: Settle,
    pub writers: Writers,
    pub troubles: Troubles,
    /// If folders go as sets.
    pub sets: Option<Sets>,
    /// There as long as the root is.
    pub source: Option<Source>,
    /// When the next full scan is due; `None` while one is on its way.
    pub next_scan: Option<Instant>,
    /// When the folders without a watch are looked at next.
    pub next_poll: Option<Instant>,
    /// How far the sets are whose markers wait.
    pub progress: Progress,
    /// When to scan again because something failed.
    pub retry: Option<Instant>,
    pub last_scan_at: Option<Timestamp>,
    outlet: Outlet,
    phase: watch::Sender<Phase>,
    bulletin: Bulletin,
    root: Option<Identity>,
    /// Nothing can be done before, for want of resources.
    resting: Option<Instant>,
    next_look: Instant,
    overflows: u64,
    /// The trouble that was logged last.
    logged: Option<String>,
}

impl<L: Ledger> Folder<L> {
    pub fn new(
        pace: Pace,
        settings: Watch,
        filter: Filter,
        ledger: L,
        (outlet, inbox): (Outlet, Inbox),
        phase: watch::Sender<Phase>,
    ) -> Self {
        Self {
            pace,
            filter,
            ledger,
            inbox,
            agenda: Agenda::new(settings.recursive),
            settle: Settle::new(settings.settle, settings.max_wait),
            writers: Writers::new(pace.writers),
            troubles: Troubles::default(),
            sets: settings.release_on.clone().map(Sets::new),
            progress: Progress::default(),
            source: None,
            next_scan: None,
            next_poll: None,
            retry: None,
            last_scan_at: None,
            outlet,
            phase,
            bulletin: Bulletin::new(pace.report),
            root: None,
            resting: None,
            next_look: Instant::now(),
            overflows: 0,
            logged: None,
            settings,
        }
    }

    /// Runs until it is asked to stop.
    pub fn run(mut self) {
        while !self.inbox.stopped() {
            self.step();
        }
    }

    /// Waits for the next thing to do and does it.
    pub fn step(&mut self) {
        let hints = self.inbox.wait(self.patience(), HINTS);
        if !self.inbox.stopped() {
            if let Some(root) = self.root() {
                self.turn(&root, hints);
            }
            self.publish();
        }
    }

    /// How long nothing is to be done, unless a hint comes in.
    pub fn patience(&self) -> Duration {
        let now = Instant::now();
        if let Some(rest) = self.resting {
            return rest.saturating_duration_since(now);
        }
        if self.root.is_some() && !self.agenda.is_idle() && self.has_room() {
            return Duration::ZERO;
        }
        [
            Some(self.next_look),
            self.settle.next_due(),
            self.next_scan,
            self.next_poll,
            self.progress.due,
            self.retry,
            self.bulletin.due(&self.health(), now),
        ]
        .into_iter()
        .flatten()
        .min()
        .map_or(self.pace.root, |next| next.saturating_duration_since(now))
    }

    fn turn(&mut self, root: &Root, hints: Vec<Hint>) {
        let now = Instant::now();
        for due in [&mut self.next_scan, &mut self.retry] {
            if due.take_if(|due| *due <= now).is_some() {
                self.agenda.add_all();
            }
        }
        if self.next_poll.take_if(|due| *due <= now).is_some()
            && let Some(source) = &self.source
        {
            for folder in source.polled().folders() {
                self.agenda.add(folder.to_path_buf());
            }
        }
        let paths = self.sort(hints);
        self.look(root, paths);
        self.walk(root);
        self.hand_on_markers(root);
    }

    /// Opens the root, and begins anew when it is another than before.
    fn root(&mut self) -> Option<Root> {
        self.resting = None;
        self.next_look = Instant::now() + self.pace.root;
        let opened = Root::open(&self.settings.path).and_then(|root| Ok((root.identity()?, root)));
        match opened {
            Ok((identity, root)) if self.root == Some(identity) => Some(root),
            Ok((identity, root)) => match root.list("".as_ref()) {
                Ok(_) => {
                    // what cannot be told is taken for a disk of this machine
                    let network = root.network("".as_ref()).unwrap_or_default();
                    self.begin(identity, network);
                    Some(root)
                }
                Err(OpenError::Io(error)) if is_exhaustion(&error) => self.wait_for_resources(),
                Err(error) => self.pause(&error),
            },
            Err(error) if is_exhaustion(&error) => self.wait_for_resources(),
            Err(error) => self.pause(&error),
        }
    }

    /// This machine has no descriptor or memory to spare now, which says nothing about the root. What was noticed
    /// meanwhile is found by a scan.
    fn wait_for_resources(&mut self) -> Option<Root> {
        self.scan_again();
        self.resting = Some(Instant::now() + self.pace.retry);
        None
    }

    fn begin(&mut self, identity: Identity, network: Option<&'static str>) {
        self.drop_all();
        let Watch { backend, path, .. } = &self.settings;
        let source = Source::start(*backend, network, path, self.outlet.clone());
        info!(watch = %self.settings.name, mode = source.mode().as_str(), reason = source.reason(), "watching");
        self.source = Some(source);
        self.root = Some(identity);
        self.troubles.root(None);
        self.agenda.add_all();
    }

    fn pause(&mut self, error: &dyn std::error::Error) -> Option<Root> {
        self.drop_all();
        self.troubles.root(Some(format!(
            "the drop folder {} cannot be watched: {error}; waiting for it",
            crate::job::printable(&self.settings.path)
        )));
        None
    }

    /// Nothing that was known about the root's files counts any more.
    fn drop_all(&mut self) {
        self.root = None;
        self.source = None;
        self.settle.clear();
        self.writers.clear();
        self.agenda.clear();
        self.next_scan = None;
        self.next_poll = None;
        self.progress = Progress::default();
        if let Some(sets) = &mut self.sets {
            sets.clear();
        }
        self.retry = None;
    }

    /// Whether more files may begin to settle.
    pub fn has_room(&self) -> bool {
        self.settle.len() < self.pace.settling
    }

    /// Scans again in a while, because something failed that a scan makes good.
    pub fn scan_again(&mut self) {
        let again = Instant::now() + self.pace.retry;
        self.retry = Some(self.retry.map_or(again, |sooner| sooner.min(again)));
    }

    /// Events were lost.
    pub fn overflow(&mut self) {
        self.overflows += 1;
        if let Some(source) = &mut self.source {
            source.lost_events();
        }
        warn!(watch = %self.settings.name, overflows = self.overflows, "events were lost; scanning everything");
        self.agenda.add_all();
    }

    fn phase(&self) -> Phase {
        if self.root.is_none() {
            Phase::Waiting
        } else if !self.agenda.is_idle() || self.retry.is_some() {
            Phase::Scanning
        } else if self.settle.len() > 0 {
            Phase::Settling(self.settle.len() as u64)
        } else if self.progress.stuck().is_some() {
            Phase::Stuck
        } else if self
            .sets
            .as_ref()
            .is_some_and(|sets| sets.waiting().next().is_some())
        {
            Phase::Completing
        } else {
            Phase::Quiet
        }
    }

    fn health(&self) -> Health {
        let (mode, reason) = match (&self.source, self.settings.backend) {
            (Some(source), _) => (source.mode(), source.reason()),
            (None, Backend::Poll) => (Mode::Poll, "configured".to_owned()),
            (None, Backend::Auto | Backend::Inotify) => {
                (Mode::Inotify, "waiting for the folder".to_owned())
            }
        };
        Health {
            mode,
            mode_reason: self.writers.explain(&reason),
            settling: self.settle.len() as u64,
            held: self.sets.as_ref().map_or(0, Sets::held),
            overflows: self.overflows,
            last_scan_at: self.last_scan_at,
            error: self
                .troubles
                .text()
                .or_else(|| self.settle.restless())
                .or_else(|| self.progress.text())
                .or_else(|| self.stale()),
        }
    }

    /// That sets have waited for their markers for long.
    fn stale(&self) -> Option<String> {
        let wait = i64::try_from(self.settings.max_wait.as_nanos()).unwrap_or(i64::MAX);
        let now = i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX);
        self.sets.as_ref()?.stale(now.saturating_sub(wait))
    }

    /// Tells the log, the ledger and whoever waits what changed.
    fn publish(&mut self) {
        let health = self.health();
        // Files that do not get quiet are logged one by one.
        let trouble = self.troubles.text();
        if trouble != self.logged {
            if let Some(error) = &trouble {
                warn!(watch = %self.settings.name, error, "not everything can be watched");
            } else {
                info!(watch = %self.settings.name, "everything can be watched again");
            }
            self.logged = trouble;
        }
        let now = Instant::now();
        if self
            .bulletin
            .due(&health, now)
            .is_some_and(|due| due <= now)
        {
            let told = self.ledger.report(&self.settings.name, health.clone());
            if let Err(error) = &told {
                debug!(watch = %self.settings.name, %error, "the report was refused");
            }
            self.bulletin.reported(health, now, told.is_ok());
        }
        let phase = self.phase();
        self.phase.send_if_modified(|before| {
            let changed = *before != phase;
            *before = phase;
            changed
        });
    }
}
