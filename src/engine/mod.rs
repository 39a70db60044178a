//! The engine: takes jobs out of the journal and carries them into their tables.
//!
//! ```text
//! claim → reserve (batch) → transfer (one worker a file) → register (batch) → done
//!                                     of rows: → imports (one by one) → poll → done
//! ```
//!
//! The three stages overlap; each hands its jobs on as soon as they are recorded. One loop
//! ([`pool`](self)) decides what starts, everything else performs one step and reports. Every
//! step is recorded before the next begins, so that the engine can be killed anywhere.
//!
//! Never here: SQL, HTTP details, or waiting inside a worker. A job that fails is given back
//! to the journal with the time of its next attempt.

mod already;
mod answer;
mod batch;
mod body;
mod compare;
mod condition;
mod conflicts;
mod destinations;
mod drive;
mod hash;
mod imports;
mod inquiries;
mod lanes;
mod leave;
mod limiter;
mod lot;
mod machine;
mod md5;
mod next_version;
mod patience;
mod pauses;
mod plan;
mod pool;
mod priority;
mod put;
mod rate;
mod reconcile;
mod refusals;
mod register;
mod remote;
mod reserve;
mod retry;
#[cfg(test)]
mod simulation;
mod source;
mod squeeze;
mod stock;
mod surroundings;
mod window;
mod worker;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::config::{
    AfterUpload, Config, NextVersion, OnConflict, Retry, Tabular, Transfer, Verify, Watch,
};
use crate::job::{Job, Kind, Moment, WatchName};
use crate::journal::{Journal, JournalError};
use crate::redivis::Bearer;

use limiter::Limiter;
use remote::Remote;
use surroundings::Surroundings;

pub use condition::{Account, Condition};
pub use machine::Machine;
pub use pool::{Engine, Pulse};
pub use retry::delay as retry_delay;
pub use surroundings::this_moment;

/// Reads the credential again: it may have been rotated. An error is a text for people.
pub type Credential = Arc<dyn Fn() -> Result<Bearer, String> + Send + Sync>;

/// What all steps share.
struct Shared {
    journal: Journal,
    /// Its name.
    account: String,
    client: Arc<dyn Remote>,
    credential: Credential,
    surroundings: Surroundings,
    transfer: Transfer,
    retry: Retry,
    limiter: Arc<Limiter>,
    folders: HashMap<WatchName, Folder>,
    /// The tables whose datasets get their next version from here.
    makes_next_version: HashSet<String>,
    /// Bytes handed to the network since the start.
    sent: AtomicU64,
    /// One more holder for each file that is streamed.
    streams: Arc<()>,
    uploads: UploadServer,
    /// Imports that the lists of their tables do not have.
    unlisted: imports::Unlisted,
}

/// What those who send tell the loop about the upload server.
#[derive(Debug, Default)]
struct UploadServer {
    /// It is in trouble: the first answer ends that.
    ails: AtomicBool,
    answered: Notify,
    /// When it last stored something.
    stored: Mutex<Option<Instant>>,
}

impl UploadServer {
    /// It has answered, with an excuse or not.
    fn hear(&self, status: u16) {
        let is_excuse = status >= 500 || status == 429;
        if !is_excuse
            && self.ails.load(Ordering::Relaxed)
            && self.ails.swap(false, Ordering::Relaxed)
        {
            self.answered.notify_one();
        }
    }

    /// It has stored a file.
    fn stores(&self) {
        *self.stored.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether it has stored anything lately, so that what fails with it fails by itself.
    fn is_known_well(&self) -> bool {
        const LATELY: Duration = Duration::from_hours(1);
        let stored = *self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        stored.is_some_and(|at| at.elapsed() < LATELY)
    }
}

/// A drop folder, as far as reading from it goes.
#[derive(Debug, Clone)]
struct Folder {
    path: PathBuf,
    allow_hard_links: bool,
    on_conflict: OnConflict,
    tabular: Tabular,
    /// Nothing remains to be done when its files are in their table.
    keeps: bool,
    adopt_existing: bool,
}

impl Shared {
    fn new(
        config: &Config,
        journal: Journal,
        client: Arc<dyn Remote>,
        credential: Credential,
        surroundings: Surroundings,
        machine: &Machine,
    ) -> Self {
        let folders = config.watches.iter().map(|watch| {
            let folder = Folder {
                path: watch.path.clone(),
                allow_hard_links: watch.allow_hard_links,
                on_conflict: watch.on_conflict,
                tabular: watch.tabular.clone(),
                keeps: watch.after_upload == AfterUpload::Keep,
                adopt_existing: watch.adopt_existing,
            };
            (watch.name.clone(), folder)
        });
        let makes = |watch: &&Watch| watch.next_version == NextVersion::Made;
        let makes = config.watches.iter().filter(makes);
        Self {
            journal,
            account: config.redivis.name.clone(),
            client,
            credential,
            surroundings,
            transfer: config.transfer.clone(),
            retry: config.retry,
            limiter: machine.limiter.clone(),
            folders: folders.collect(),
            makes_next_version: makes.map(|watch| watch.table.clone()).collect(),
            sent: AtomicU64::new(0),
            streams: Arc::new(()),
            uploads: UploadServer::default(),
            unlisted: imports::Unlisted::default(),
        }
    }

    /// What is to prove that a job's bytes arrived. An import is proven by its md5 alone: its upload has no other
    /// checksum to be found by.
    fn verify(&self, job: &Job) -> Verify {
        match job.kind {
            Kind::Files => self.transfer.verify,
            Kind::Tabular => Verify::Md5,
        }
    }

    /// Bytes handed to the network since the start.
    fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// The time of day, which may jump.
    fn now(&self) -> Timestamp {
        (self.surroundings.now)()
    }

    /// Now, by both clocks.
    fn moment(&self) -> Moment {
        Moment {
            at: self.now(),
            awake: (self.surroundings.awake)(),
        }
    }

    /// Whether nothing remains to be done with the job's file when it is in its table.
    fn keeps(&self, job: &Job) -> bool {
        let folder = self.folders.get(&job.watch);
        folder.is_none_or(|folder| folder.keeps)
    }

    /// A number in 0 ..= 1 for spreading retries.
    fn chance(&self) -> f64 {
        (self.surroundings.chance)()
    }
}

/// The journal failed: the engine cannot go on, since it must not act on what is not recorded.
type Recorded<T> = Result<T, JournalError>;
