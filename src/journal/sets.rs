//! Whether a folder has arrived: the last thing of a set waits for that.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use super::rows::{path as row_path, path_bytes};
use super::{Journal, JournalError};
use crate::job::{ParkReason, WatchName};

/// What is still to be done, or cannot be, for a file of a watch whose path is in this range. What was left here by the
/// watch's own policy is not to be done; what is gone, or has a newer version, neither.
const OPEN: &str = "SELECT path FROM jobs WHERE watch = ?1 AND path >= ?2 AND path < ?3 \
     AND state <> 'registered' AND state <> 'done' AND state <> 'superseded' AND state <> 'missing' \
     AND NOT (state = 'parked' AND reason = ?4)";

impl Journal {
    /// Whether every version that is known below a folder of the watch is in its table, other than those at the
    /// paths `but`. The empty path is the root. For a thread that may block.
    pub fn arrived(
        &self,
        watch: &WatchName,
        folder: &Path,
        but: &[PathBuf],
    ) -> Result<bool, JournalError> {
        let (watch, folder, but) = (watch.clone(), folder.to_path_buf(), but.to_vec());
        self.read_blocking(move |connection| has_arrived(connection, &watch, &folder, &but))
    }
}

fn has_arrived(
    connection: &Connection,
    watch: &WatchName,
    folder: &Path,
    but: &[PathBuf],
) -> rusqlite::Result<bool> {
    // every path below begins with the folder and a `/`, which is followed by `0`; none begins with FF alone
    let (from, to) = match path_bytes(folder) {
        [] => (Vec::new(), vec![0xff; 4096]),
        folder => ([folder, b"/"].concat(), [folder, b"0"].concat()),
    };
    let mut statement = connection.prepare_cached(OPEN)?;
    let skipped = ParkReason::Skipped.code();
    let mut rows = statement.query(params![watch.as_str(), from, to, skipped])?;
    while let Some(row) = rows.next()? {
        if !but.contains(&row_path(row)?) {
            return Ok(false);
        }
    }
    Ok(true)
}
