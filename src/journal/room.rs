//! Room on the journal's disk: whether there is any, who waits for it, and what people are told.
//!
//! | The disk         | New jobs          | Records of existing jobs                            |
//! |------------------|-------------------|-----------------------------------------------------|
//! | has room         | taken             | written                                             |
//! | is full          | refused at once   | written, in the room that the reserve held          |
//! | is full to the brim | refused at once | wait, tried again every second; nobody acts on them |
//!
//! It heals by itself: when there is room the reserve is made again, and with it new jobs are taken.
//! Files that were refused are offered again by their watch.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use super::JournalError;
use super::reserve::{Reserve, WANTED};

/// Between two looks whether there is room again.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// What the writer and the handles both know.
#[derive(Debug)]
pub(super) struct Notice {
    journal: PathBuf,
    full: AtomicBool,
    patient: AtomicBool,
    /// Changes with each try to write that met a full disk.
    tries: watch::Sender<()>,
}

impl Notice {
    /// The disk is full: no new jobs.
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Whether records wait for room, or are refused.
    pub fn is_patient(&self) -> bool {
        self.patient.load(Ordering::Relaxed)
    }

    pub fn set_patient(&self, patient: bool) {
        self.patient.store(patient, Ordering::Relaxed);
    }

    /// Changes with each try that met a full disk.
    pub fn tries(&self) -> watch::Receiver<()> {
        self.tries.subscribe()
    }

    /// What to tell those who are refused.
    pub fn error(&self) -> JournalError {
        JournalError::Full(advice(&self.journal))
    }
}

/// Where the disk is full, and what to do.
pub(super) fn advice(journal: &Path) -> String {
    format!(
        "make {WANTED} free where {} is. Nothing is lost: new files are not taken until then, what is on \
         its way goes on as far as there is room, and all goes on by itself",
        journal.display()
    )
}

/// The writer's side.
#[derive(Debug)]
pub(super) struct Room {
    reserve: Reserve,
    notice: Arc<Notice>,
    /// Whether records wait, so that it is told once.
    waiting: bool,
}

impl Room {
    /// As the last daemon left it.
    pub fn of(journal: &Path) -> Self {
        Self {
            reserve: Reserve::of(journal),
            notice: Arc::new(Notice {
                journal: journal.into(),
                full: AtomicBool::new(false),
                patient: AtomicBool::new(false),
                tries: watch::channel(()).0,
            }),
            waiting: false,
        }
    }

    pub fn notice(&self) -> Arc<Notice> {
        Arc::clone(&self.notice)
    }

    /// When to look again, if the disk is full.
    pub fn look_again(&self) -> Option<Duration> {
        (!self.reserve.is_held()).then_some(LOOK)
    }

    /// Takes new jobs again if there is room, and none if there is not.
    pub fn look(&mut self) {
        let made = self.reserve.make();
        let full = !self.reserve.is_held();
        if self.notice.full.swap(full, Ordering::Relaxed) == full {
            return;
        }
        let journal = self.notice.journal.display();
        match made {
            Ok(()) => {
                tracing::info!(%journal, "the journal's disk has room again; new files are taken");
            }
            Err(error) => {
                tracing::error!(%journal, %error, "the journal's disk is full: {}", advice(&self.notice.journal));
            }
        }
    }

    /// A record met a full disk. `true`: the reserve was let go, it may fit now.
    pub fn give_way(&mut self) -> bool {
        let released = self.reserve.release();
        if released {
            self.notice.full.store(true, Ordering::Relaxed);
            let journal = self.notice.journal.display();
            tracing::error!(%journal, "the journal's disk is full: {}", advice(&self.notice.journal));
        }
        released
    }

    /// Even so it did not fit.
    pub fn met_a_full_disk(&mut self) {
        self.notice.tries.send_replace(());
        if !std::mem::replace(&mut self.waiting, true) {
            let journal = self.notice.journal.display();
            tracing::error!(%journal, "not a single record fits on the journal's disk; everything waits for room");
        }
    }

    /// Something was written.
    pub fn wrote(&mut self) {
        if std::mem::replace(&mut self.waiting, false) {
            let journal = self.notice.journal.display();
            tracing::info!(%journal, "records fit on the journal's disk again");
        }
    }
}
