//! Settled files become jobs.

use jiff::Timestamp;
use rusqlite::{Connection, named_params};

use super::rows::{millis, path_bytes, signed, stored_size};
use super::{Journal, JournalError};
use crate::job::{Sighting, WatchName};

/// A settled version of a file and where it is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// The file and its version.
    pub sighting: Sighting,
    /// Its name in the table.
    pub remote_name: String,
}

const KNOWN: &str = "SELECT 1 FROM jobs WHERE watch = :watch AND path = :path AND dev = :dev \
     AND ino = :ino AND size = :size AND mtime_ns = :mtime_ns AND ctime_ns = :ctime_ns \
     AND state NOT IN ('missing', 'superseded')";

/// A version that was given up because it seemed gone or changed, and is there all the same (a share
/// was not mounted, a disk did not answer), gets a second life.
const INSERT: &str = "INSERT INTO jobs (watch, path, remote_name, table_ref, kind, dev, ino, size, \
     mtime_ns, ctime_ns, state, created_at) VALUES (:watch, :path, :remote_name, :table_ref, \
     'files', :dev, :ino, :size, :mtime_ns, :ctime_ns, 'queued', :now) ON CONFLICT \
     (watch, path, dev, ino, size, mtime_ns, ctime_ns) DO UPDATE SET state = 'queued', \
     table_ref = :table_ref, attempts = 0, failing_since = NULL, next_attempt_at = 0, error = NULL, \
     finished_at = NULL WHERE state IN ('missing', 'superseded') RETURNING id";

/// Older versions of the same file that are not stored yet: they will never be whole again.
/// One that waits for the answer of its registration is not touched: that must be resolved.
const SUPERSEDE: &str = "UPDATE jobs SET state = 'superseded', finished_at = :now, claimed = 0, \
     temp_id = NULL, temp_url = NULL, resumable = NULL, reserved_at = NULL, session_url = NULL, \
     session_at = NULL, confirmed = NULL, bound = NULL, hash_state = NULL, reason = NULL \
     WHERE watch = :watch AND path = :path AND id <> :id AND (state IN ('queued', 'reserved', \
     'uploading') OR (state = 'parked' AND intent IS NULL)) RETURNING id";

const HISTORY: &str =
    "INSERT INTO history (job, at, state, note) VALUES (:job, :at, :state, :note)";

impl Journal {
    /// Those of the sightings whose exact version is in no job of this watch, or in one that was
    /// given up because the file seemed gone or changed.
    pub fn unknown(
        &self,
        watch: &WatchName,
        sightings: Vec<Sighting>,
    ) -> Result<Vec<Sighting>, JournalError> {
        let watch = watch.clone();
        self.write_blocking(move |connection| {
            let mut known = connection.prepare_cached(KNOWN)?;
            let mut unknown = Vec::new();
            for sighting in &sightings {
                let seen = &sighting.seen;
                let found = known.exists(named_params! {
                    ":watch": watch.as_str(),
                    ":path": path_bytes(&sighting.path),
                    ":dev": signed(seen.dev),
                    ":ino": signed(seen.ino),
                    ":size": stored_size(seen.size),
                    ":mtime_ns": seen.mtime_ns,
                    ":ctime_ns": seen.ctime_ns,
                })?;
                if !found {
                    unknown.push(sighting.clone());
                }
            }
            Ok(unknown)
        })
    }

    /// Makes a job of each version that has none; a newer version supersedes older ones.
    /// Durable when this returns. Returns how many are new. Refused while the journal's disk is full.
    pub fn enqueue(
        &self,
        watch: &WatchName,
        table: &str,
        files: Vec<NewJob>,
        now: Timestamp,
    ) -> Result<usize, JournalError> {
        self.room_for_new_jobs()?;
        let (watch, table) = (watch.clone(), table.to_owned());
        let new = self.write_blocking(move |connection| {
            let mut new = 0;
            for file in &files {
                new += usize::from(insert(connection, &watch, &table, file, now)?);
            }
            Ok(new)
        })?;
        if new > 0 {
            self.announce();
        }
        Ok(new)
    }
}

fn insert(
    connection: &Connection,
    watch: &WatchName,
    table: &str,
    file: &NewJob,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let Sighting { path, seen } = &file.sighting;
    let mut statement = connection.prepare_cached(INSERT)?;
    let mut inserted = statement.query(named_params! {
        ":watch": watch.as_str(),
        ":path": path_bytes(path),
        ":remote_name": file.remote_name,
        ":table_ref": table,
        ":dev": signed(seen.dev),
        ":ino": signed(seen.ino),
        ":size": stored_size(seen.size),
        ":mtime_ns": seen.mtime_ns,
        ":ctime_ns": seen.ctime_ns,
        ":now": millis(now),
    })?;
    let Some(id) = inserted.next()?.map(|row| row.get("id")).transpose()? else {
        return Ok(false);
    };
    // the statement has to be run to its end before it counts as done
    while inserted.next()?.is_some() {}
    note(connection, id, now, "queued", "the file settled")?;
    let mut supersede = connection.prepare_cached(SUPERSEDE)?;
    let mut older = supersede.query(named_params! {
        ":watch": watch.as_str(), ":path": path_bytes(path), ":id": id, ":now": millis(now),
    })?;
    while let Some(row) = older.next()? {
        let text = format!("job {id} is a newer version of the file");
        note(connection, row.get("id")?, now, "superseded", &text)?;
    }
    Ok(true)
}

/// One line in a job's history.
pub(super) fn note(
    connection: &Connection,
    job: i64,
    at: Timestamp,
    state: &str,
    note: &str,
) -> rusqlite::Result<()> {
    connection.prepare_cached(HISTORY)?.execute(named_params! {
        ":job": job, ":at": millis(at), ":state": state, ":note": (!note.is_empty()).then_some(note),
    })?;
    Ok(())
}
