//! Notices files in a drop folder and tells the ledger about those that are finished.
//!
//! Events are hints; the scan is the truth. A hint from the [`source`] and a file that the
//! [`scan`] comes by lead to the same question: is this version settled ([`settle`]), and does the
//! [`Ledger`] know it already?
//!
//! | File       | For                                                             |
//! |------------|-----------------------------------------------------------------|
//! | `folder`   | the loop of one watch: waits, and does what is due              |
//! | `look`     | one file: looked at, settled, handed to the ledger              |
//! | `round`    | scans, a slice at a time                                        |
//! | `source`   | events as hints; the only one that names `notify`              |
//! | `polled`   | folders that no event tells of                                  |
//! | `hint`     | the bounded way from the source to the loop                     |
//! | `happening`| the same for somebody who learns: what happened, and when       |
//! | `scan`     | walks a folder beneath the root                                 |
//! | `agenda`   | which folders are still to be walked                            |
//! | `sets`     | pure: which folders are released by their markers               |
//! | `complete` | lets files and markers go by that                               |
//! | `settle`   | pure: when a file is finished                                   |
//! | `writers`  | whether somebody has a file open for writing                    |
//! | `filter`   | pure: which paths are wanted                                    |
//! | `health`   | what is wrong, and when to say so                               |
//! | `ledger`   | what a watch needs from the outside                             |
//!
//! # Promises
//!
//! - A version is handed over only after two equal looks, `settle` apart, or a quarter of that after a close by its
//!   writer or a renaming into place; a file that keeps changing never is, nor one that is known to be open for writing.
//! - A file that is there, wanted and readable is handed over in the end, whatever happens to events: a full scan
//!   runs at the start, after every loss of events, and every `rescan_interval` (`poll_interval` without events).
//! - A file that the ledger did not take stays, and is offered again.
//! - Links, FIFOs, sockets, devices are never opened, nor is anything behind a link.
//! - A missing root is a wait, never an end.
//!
//! It reads no file (it opens one that would be settled, to ask for its writers), writes nothing, and knows nothing
//! of uploads. One watch is one thread of its own that only wakes when something is due; it never runs on an async
//! runtime.

mod agenda;
mod complete;
mod filter;
mod folder;
mod happening;
mod health;
mod hint;
mod ledger;
mod look;
mod polled;
mod round;
mod scan;
mod sets;
mod settle;
mod source;
#[cfg(test)]
mod tests;
mod writers;

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::sync::watch;
use tracing::warn;

use crate::config::Watch;
use crate::job::WatchName;
use folder::{Folder, Pace};
use hint::Outlet;

pub use filter::{Filter, PatternError};
pub use happening::{Happening, Witness};
pub use ledger::{Health, Ledger, MISSING_TOLD, Missing, Mode};

/// As many hints wait as the kernel keeps events by default; more are lost and lead to a scan.
const HINTS: usize = 16_384;

/// A file system that does not answer can hold the thread for ever; stopping does not wait for that. However many
/// watches are stopped together, it is for all of them: a share that is gone holds every watch on it.
const PATIENCE: Duration = Duration::from_secs(5);

/// A watch at work.
///
/// Dropping it stops it too, without waiting for the end.
#[derive(Debug)]
pub struct Watching {
    name: WatchName,
    outlet: Outlet,
    phase: watch::Receiver<Phase>,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

/// What a watch is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The root is missing or not readable; it is looked for again and again.
    Waiting,
    /// A walk through some or all folders is on its way, or has to be repeated.
    Scanning,
    /// All folders were walked; so many files are not settled, or settled and not recorded.
    Settling(u64),
    /// All folders were walked, and all that was found there is recorded, except for markers that wait until
    /// the rest of their sets is in its table.
    Completing,
    /// The same, and none of them goes by itself: files of their sets have failed, or cannot be read.
    Stuck,
    /// All folders were walked, and all that was found there is recorded.
    Quiet,
}

/// Why a watch could not begin.
#[derive(Debug, Error)]
pub enum SpawnError {
    /// A checked configuration has no such pattern.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// The system gives no thread.
    #[error("no thread for a watch: {0}")]
    Thread(io::Error),
}

/// Begins to watch one drop folder, which need not exist yet.
pub fn spawn(settings: Watch, ledger: impl Ledger) -> Result<Watching, SpawnError> {
    spawn_with(Pace::default(), settings, ledger)
}

fn spawn_with(pace: Pace, settings: Watch, ledger: impl Ledger) -> Result<Watching, SpawnError> {
    let name = settings.name.clone();
    let markers = settings.release_on.as_ref();
    let markers = markers.map_or(&[][..], |release| &release.markers);
    let filter = Filter::new(&settings.include, &settings.exclude)?.with_markers(markers);
    let (outlet, inbox) = hint::channel(HINTS);
    let (phase, phases) = watch::channel(Phase::Waiting);
    let (alive, ended) = channel();
    let hints = outlet.clone();
    let thread = std::thread::Builder::new()
        .name("watch".into())
        .spawn(move || {
            let _alive = alive;
            Folder::new(pace, settings, filter, ledger, (hints, inbox), phase).run();
        })
        .map_err(SpawnError::Thread)?;
    Ok(Watching {
        name,
        outlet,
        phase: phases,
        ended,
        thread: Some(thread),
    })
}

/// Stops watches and waits for their threads, for all of them together not longer than a few seconds. Files that are
/// not settled are found again at the next start.
pub fn stop_all(watches: Vec<Watching>) {
    stop_all_within(PATIENCE, watches);
}

fn stop_all_within(patience: Duration, watches: Vec<Watching>) {
    // all are told before any is waited for, so that they end side by side
    for watching in &watches {
        watching.outlet.stop();
    }
    let deadline = Instant::now() + patience;
    for watching in watches {
        watching.wait_until(deadline);
    }
}

impl Watching {
    /// The watch's name.
    pub fn name(&self) -> &WatchName {
        &self.name
    }

    /// What it is doing, now and from now on. The channel closes when the thread ends; without
    /// [`Watching::stop`] that means a panic, and nobody watches the folder any more.
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.clone()
    }

    /// Whether all that is there is recorded.
    pub fn quiet(&self) -> bool {
        *self.phase.borrow() == Phase::Quiet
    }

    /// Stops the watch and waits for its thread, not longer than a few seconds. Files that are not
    /// settled are found again at the next start.
    pub fn stop(self) {
        stop_all(vec![self]);
    }

    /// Waits for the thread of a watch that was told to stop.
    fn wait_until(mut self, deadline: Instant) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        // also with no time left, a thread that has ended is not called one that does not answer
        let patience = deadline.saturating_duration_since(Instant::now());
        if let Err(RecvTimeoutError::Timeout) = self.ended.recv_timeout(patience) {
            warn!(watch = %self.name, "the drop folder does not answer; its watch is left behind");
        } else if thread.join().is_err() {
            warn!(watch = %self.name, "the watch had panicked");
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.outlet.stop();
    }
}
