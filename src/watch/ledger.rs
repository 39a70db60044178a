//! What a watch needs from the outside: somebody who remembers.
//!
//! The watch defines it and the journal provides it, so that neither room knows the other.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::job::{Sighting, WatchName};

/// Of so many missing files that are told there may be more.
pub const MISSING_TOLD: usize = 100;

/// Remembers which versions of which files were seen settled.
///
/// Calls come from a thread of the watch's own and may block. An error is taken as "not now": the
/// same sightings are offered again later.
pub trait Ledger: Send + 'static {
    /// Why it did not work; its text ends up in [`Health::error`].
    type Error: std::error::Error + Send + Sync + 'static;

    /// Those of the sightings whose exact version (path and fingerprint) is not known for this watch.
    /// At most 1,000 are asked for at once.
    fn unknown(
        &self,
        watch: &WatchName,
        sightings: Vec<Sighting>,
    ) -> Result<Vec<Sighting>, Self::Error>;

    /// What is known below a folder (the empty path is the root) and not in its table, except for these paths, in the
    /// order of their bytes. Not all of it if it is much, but [`MISSING_TOLD`] or more then; the rest is told to who
    /// asks again, for what comes `after` the last of these.
    fn missing(
        &self,
        watch: &WatchName,
        folder: &Path,
        after: Option<&Path>,
        but: &[PathBuf],
    ) -> Result<Vec<Missing>, Self::Error>;

    /// Records settled versions, durably when this returns; those already known are left alone.
    /// At most 1,000 come at once.
    fn enqueue(&self, watch: &WatchName, sightings: Vec<Sighting>) -> Result<(), Self::Error>;

    /// Takes note of how the watch is doing. Called when something changed, a changed
    /// count of settling files at most once a second.
    fn report(&self, watch: &WatchName, health: Health) -> Result<(), Self::Error>;
}

/// A file that is not in its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Relative to the root.
    pub path: PathBuf,
    /// It is not to be expected there: it waits for a person, or fails again and again.
    pub failed: bool,
}

/// How a watch is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// How changes are noticed.
    pub mode: Mode,
    /// Why in this way, for people.
    pub mode_reason: String,
    /// Files that are not settled, or settled and not recorded.
    pub settling: u64,
    /// Files that wait for the marker of their set, by the last scans.
    pub held: u64,
    /// How often events were lost and a full scan made up for it, since the start.
    pub overflows: u64,
    /// When the last complete scan ended.
    pub last_scan_at: Option<Timestamp>,
    /// What is wrong now, and what to do about it.
    pub error: Option<String>,
}

/// How changes are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// By events, and a scan now and then.
    Inotify,
    /// By scans only.
    Poll,
}

impl Mode {
    /// As in `status --json`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inotify => "inotify",
            Self::Poll => "poll",
        }
    }
}
