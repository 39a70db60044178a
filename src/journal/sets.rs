//! Whether a folder has arrived: the last thing of a set waits for that.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use super::rows::{path as row_path, path_bytes};
use super::{Journal, JournalError, OFTEN};
use crate::job::{ParkReason, WatchName};

/// A file that is not in its table yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unarrived {
    /// Relative to the root.
    pub path: PathBuf,
    /// It is parked, or failed [`OFTEN`] times in a row.
    pub failed: bool,
}

/// No more of them are told at once, but for other versions of the last one, and no row is read after them: the question
/// comes again every few seconds.
pub const UNARRIVED_TOLD: usize = 100;

/// What is still to be done, or cannot be, for a file of a watch whose path is in this range. What was left here by the
/// watch's own policy is not to be done; what is gone, or has a newer version, neither. The index `jobs_open` has no others.
pub(super) const OPEN: &str = "SELECT path, state = 'parked' OR attempts >= ?5 AS failed FROM jobs \
     WHERE watch = ?1 AND path >= ?2 AND path < ?3 \
     AND state <> 'registered' AND state <> 'done' AND state <> 'superseded' AND state <> 'missing' \
     AND NOT (state = 'parked' AND reason = ?4) ORDER BY path";

impl Journal {
    /// The versions that are known below a folder of the watch and not in its table, other than those at the paths
    /// `but`, in the order of their paths: [`UNARRIVED_TOLD`] of them, or a few more, if there are so many; further ones
    /// for who asks what comes `after` the last. The empty path is the root. For a thread that may block.
    pub fn unarrived(
        &self,
        watch: &WatchName,
        folder: &Path,
        after: Option<&Path>,
        but: &[PathBuf],
    ) -> Result<Vec<Unarrived>, JournalError> {
        let (watch, folder, but) = (watch.clone(), folder.to_path_buf(), but.to_vec());
        let after = after.map(Path::to_path_buf);
        self.read_blocking(move |connection| {
            those_open(connection, &watch, &folder, after.as_deref(), &but)
        })
    }
}

pub(super) fn those_open(
    connection: &Connection,
    watch: &WatchName,
    folder: &Path,
    after: Option<&Path>,
    but: &[PathBuf],
) -> rusqlite::Result<Vec<Unarrived>> {
    // every path below begins with the folder and a `/`, which is followed by `0`; none begins with FF alone
    let (from, to) = match path_bytes(folder) {
        [] => (Vec::new(), vec![0xff; 4096]),
        folder => ([folder, b"/"].concat(), [folder, b"0"].concat()),
    };
    let from = match after {
        // the very next text, in the order of bytes
        Some(after) => [path_bytes(after), b"\0"].concat(),
        None => from,
    };
    let mut statement = connection.prepare_cached(OPEN)?;
    let skipped = ParkReason::Skipped.code();
    let mut rows = statement.query(params![watch.as_str(), from, to, skipped, OFTEN])?;
    let mut open: Vec<Unarrived> = Vec::new();
    // no LIMIT: how many rows lie at the paths `but` is not known before
    while let Some(row) = rows.next()? {
        let (path, failed) = (row_path(row)?, row.get("failed")?);
        // of one path there may be several versions, and none is told later
        if open.len() >= UNARRIVED_TOLD && open.last().is_some_and(|last| last.path != path) {
            break;
        }
        if !but.contains(&path) {
            open.push(Unarrived { path, failed });
        }
    }
    Ok(open)
}
