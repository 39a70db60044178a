//! One version of one file on its way.

use std::path::PathBuf;

use jiff::Timestamp;

use super::{Fingerprint, JobId, Kind, State, Troubles, WatchName};

/// A settled file that is not in the journal yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Relative to the drop folder's root.
    pub path: PathBuf,
    /// The version that was seen.
    pub seen: Fingerprint,
}

/// A job as the journal has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// The watch that saw the file.
    pub watch: WatchName,
    /// Relative to the drop folder's root.
    pub path: PathBuf,
    /// Its name in the table.
    pub remote_name: String,
    /// The table, as configured when the file was seen.
    pub table: String,
    /// What its bytes become there.
    pub kind: Kind,
    /// Which version of the file.
    pub seen: Fingerprint,
    /// Where it stands.
    pub state: State,
    /// Failures since the last progress.
    pub attempts: u32,
    /// When the first of these failures was; parking counts from here.
    pub failing_since: Option<Timestamp>,
    /// What ends in parking.
    pub troubles: Troubles,
}
