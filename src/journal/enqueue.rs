//! Settled files become jobs.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::rows::{millis, path_bytes, signed, stored_size};
use super::{Journal, JournalError};
use crate::crash_point::{self, Write};
use crate::job::{Sighting, WatchName};

/// A settled version of a file and where it is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// The file and its version.
    pub sighting: Sighting,
    /// Its name in the table.
    pub remote_name: String,
}

/// The one job of exactly this version.
const SAME: &str = "SELECT id, state IN ('missing', 'superseded') FROM jobs WHERE watch = ?1 \
     AND path = ?2 AND dev = ?3 AND ino = ?4 AND size = ?5 AND mtime_ns = ?6 AND ctime_ns = ?7";

const INSERT: &str = "INSERT INTO jobs (watch, path, dev, ino, size, mtime_ns, ctime_ns, \
     remote_name, table_ref, created_at, kind, state) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 'files', 'queued')";

/// A version that was given up because it seemed gone or changed, and is there all the same (a share
/// was not mounted, a disk did not answer), gets a second life.
const REVIVE: &str = "UPDATE jobs SET state = 'queued', table_ref = ?2, attempts = 0, \
     failing_since = NULL, next_attempt_at = 0, error = NULL, finished_at = NULL WHERE id = ?1";

/// Older versions of the same file that are not stored yet: they will never be whole again.
/// One that waits for the answer of its registration is not touched: that must be resolved.
const OLDER: &str = "SELECT id FROM jobs WHERE watch = ?1 AND path = ?2 AND id <> ?3 AND \
     (state = 'queued' OR state = 'reserved' OR state = 'uploading' \
     OR (state = 'parked' AND intent IS NULL))";

const SUPERSEDE: &str = "UPDATE jobs SET state = 'superseded', finished_at = ?2, claimed = 0, \
     temp_id = NULL, temp_url = NULL, resumable = NULL, reserved_at = NULL, session_url = NULL, \
     session_at = NULL, session_boot = NULL, session_awake = NULL, confirmed = NULL, bound = NULL, hash_state = NULL, reason = NULL \
     WHERE id = ?1";

const HISTORY: &str = "INSERT INTO history (job, at, state, note) VALUES (?1, ?2, ?3, ?4)";

impl Journal {
    /// Those of the sightings whose exact version is in no job of this watch, or in one that was
    /// given up because the file seemed gone or changed.
    pub fn unknown(
        &self,
        watch: &WatchName,
        sightings: Vec<Sighting>,
    ) -> Result<Vec<Sighting>, JournalError> {
        let watch = watch.clone();
        self.read_blocking(move |connection| those_unknown(connection, &watch, &sightings))
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
            insert_new(connection, &watch, &table, &files, now)
        })?;
        if new > 0 {
            self.announce();
        }
        Ok(new)
    }
}

/// The work of [`Journal::unknown`].
pub(super) fn those_unknown(
    connection: &Connection,
    watch: &WatchName,
    sightings: &[Sighting],
) -> rusqlite::Result<Vec<Sighting>> {
    let mut unknown = Vec::new();
    for sighting in sightings {
        if !matches!(same(connection, watch, sighting)?, Same::Known) {
            unknown.push(sighting.clone());
        }
    }
    Ok(unknown)
}

/// What the journal has of a version of a file.
enum Same {
    /// Nothing.
    New,
    /// A job that was given up.
    GivenUp(i64),
    /// A job.
    Known,
}

fn same(connection: &Connection, watch: &WatchName, sighting: &Sighting) -> rusqlite::Result<Same> {
    let Sighting { path, seen } = sighting;
    let mut statement = connection.prepare_cached(SAME)?;
    let mut rows = statement.query(params![
        watch.as_str(),
        path_bytes(path),
        signed(seen.dev),
        signed(seen.ino),
        stored_size(seen.size),
        seen.mtime_ns,
        seen.ctime_ns,
    ])?;
    Ok(match rows.next()? {
        None => Same::New,
        Some(row) if row.get(1)? => Same::GivenUp(row.get(0)?),
        Some(_) => Same::Known,
    })
}

/// The work of [`Journal::enqueue`].
pub(super) fn insert_new(
    connection: &Connection,
    watch: &WatchName,
    table: &str,
    files: &[NewJob],
    now: Timestamp,
) -> rusqlite::Result<usize> {
    let mut new = 0;
    for file in files {
        new += usize::from(insert(connection, watch, table, file, now)?);
    }
    Ok(new)
}

fn insert(
    connection: &Connection,
    watch: &WatchName,
    table: &str,
    file: &NewJob,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let id = match same(connection, watch, &file.sighting)? {
        Same::Known => return Ok(false),
        Same::GivenUp(id) => {
            let mut revive = connection.prepare_cached(REVIVE)?;
            revive.execute(params![id, table])?;
            id
        }
        Same::New => {
            let Sighting { path, seen } = &file.sighting;
            connection.prepare_cached(INSERT)?.execute(params![
                watch.as_str(),
                path_bytes(path),
                signed(seen.dev),
                signed(seen.ino),
                stored_size(seen.size),
                seen.mtime_ns,
                seen.ctime_ns,
                file.remote_name,
                table,
                millis(now),
            ])?;
            connection.last_insert_rowid()
        }
    };
    crash_point::writing(Write::ENQUEUE);
    note(connection, id, now, "queued", "the file settled")?;
    supersede_older(connection, watch, &file.sighting, id, now)?;
    Ok(true)
}

fn supersede_older(
    connection: &Connection,
    watch: &WatchName,
    sighting: &Sighting,
    id: i64,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(OLDER)?;
    let path = path_bytes(&sighting.path);
    let older = statement.query_map(params![watch.as_str(), path, id], |row| row.get(0))?;
    for older in older.collect::<rusqlite::Result<Vec<i64>>>()? {
        let mut supersede = connection.prepare_cached(SUPERSEDE)?;
        supersede.execute(params![older, millis(now)])?;
        let text = format!("job {id} is a newer version of the file");
        note(connection, older, now, "superseded", &text)?;
    }
    Ok(())
}

/// One line in a job's history.
pub(super) fn note(
    connection: &Connection,
    job: i64,
    at: Timestamp,
    state: &str,
    note: &str,
) -> rusqlite::Result<()> {
    let text = (!note.is_empty()).then_some(note);
    let mut insert = connection.prepare_cached(HISTORY)?;
    insert.execute(params![job, millis(at), state, text])?;
    Ok(())
}
