//! What lay in a drop folder when it was watched for the first time, where that is to stay there.
//!
//! The first start of a watch notes the time, and its first complete scan, over as many starts as it takes,
//! writes down every file that was last changed before it. Later only those very versions are left out: a
//! file that changes, also one that is renamed, is a new version. In doubt a file goes: one that was touched
//! by a clock that is ahead, or that could not be looked at in that scan, is uploaded.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, named_params, params};

use super::rows::{path_bytes, signed, stored_size};
use crate::crash_point::{self, Write};
use crate::job::{Sighting, WatchName};

/// The first start of a watch whose existing files stay where they are.
pub(super) struct Baseline {
    id: i64,
    began_ns: i64,
    done: bool,
}

/// Notes that a drop folder is watched from `now` on, unless it was before. Returns what counts for it, if
/// existing files are `ignored`; else it has had its first start, whatever is configured later.
pub(super) fn begin(
    connection: &Connection,
    (watch, path): (&WatchName, &Path),
    ignored: bool,
    now: Timestamp,
) -> rusqlite::Result<Option<i64>> {
    let mut begin = connection.prepare_cached(
        "INSERT INTO baselines (watch, path, began_ns, done) VALUES (:watch, :path, :now, :done) \
         ON CONFLICT DO UPDATE SET done = max(done, excluded.done) RETURNING id",
    )?;
    let id = begin.query_row(
        named_params! {
            ":watch": watch.as_str(),
            ":path": path_bytes(path),
            ":now": i64::try_from(now.as_nanosecond()).unwrap_or(i64::MAX),
            ":done": !ignored,
        },
        |row| row.get(0),
    )?;
    Ok(ignored.then_some(id))
}

/// The first complete scan of a watch has ended, or an earlier one had.
pub(super) fn end(connection: &Connection, watch: &WatchName) -> rusqlite::Result<()> {
    let mut end = connection.prepare_cached(
        "UPDATE baselines SET done = 1 WHERE done = 0 \
         AND id = (SELECT baseline FROM watches WHERE name = ?1)",
    )?;
    end.execute([watch.as_str()]).map(drop)
}

impl Baseline {
    /// Of a watch; `None` where everything is uploaded.
    pub fn of(connection: &Connection, watch: &WatchName) -> rusqlite::Result<Option<Self>> {
        let mut statement = connection.prepare_cached(
            "SELECT baselines.id, began_ns, done FROM watches \
             JOIN baselines ON baselines.id = watches.baseline WHERE name = ?1",
        )?;
        let row = statement.query_row([watch.as_str()], |row| {
            Ok(Self {
                id: row.get("id")?,
                began_ns: row.get("began_ns")?,
                done: row.get("done")?,
            })
        });
        row.optional()
    }

    /// Whether files may still be written down.
    pub fn is_open(&self) -> bool {
        !self.done
    }

    /// Whether this version is to stay where it is; one that is found to be is written down.
    ///
    /// The device is not looked at: a share may have another number each time it is mounted, and what was
    /// left out would go after all.
    pub fn leaves_out(
        &self,
        connection: &Connection,
        Sighting { path, seen }: &Sighting,
    ) -> rusqlite::Result<bool> {
        let version = params![
            self.id,
            path_bytes(path),
            signed(seen.ino),
            stored_size(seen.size),
            seen.mtime_ns,
            seen.ctime_ns,
        ];
        let mut known = connection.prepare_cached(
            "SELECT 1 FROM ignored WHERE baseline = ?1 AND path = ?2 AND ino = ?3 AND size = ?4 \
             AND mtime_ns = ?5 AND ctime_ns = ?6",
        )?;
        if known.exists(version)? {
            return Ok(true);
        }
        if self.done || seen.ctime_ns >= self.began_ns {
            return Ok(false);
        }
        let mut leave = connection.prepare_cached(
            "INSERT OR REPLACE INTO ignored (baseline, path, ino, size, mtime_ns, ctime_ns) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        leave.execute(version)?;
        crash_point::writing(Write::ENQUEUE);
        Ok(true)
    }
}
