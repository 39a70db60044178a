//! Settled files become jobs.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::existing::Baseline;
use super::known::{Same, same, those_unknown};
use super::names::{Standing, Wish};
use super::rows::{millis, path_bytes, signed, stored_size};
use super::{Journal, JournalError};
use crate::crash_point::{self, Write};
use crate::job::{ParkReason, Sighting, StateName, WatchName};

/// A settled version of a file and where it is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// The file and its version.
    pub sighting: Sighting,
    /// Its name in the table.
    pub remote_name: String,
}

const INSERT: &str = "INSERT INTO jobs (watch, path, dev, ino, size, mtime_ns, ctime_ns, \
     remote_name, table_ref, created_at, kind, state, reason, error, finished_at) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, \
     coalesce((SELECT kind FROM watches WHERE name = ?1), 'files'), ?11, ?12, ?13, ?14)";

/// A version that was given up because it seemed gone or changed, and is there all the same (a share
/// was not mounted, a disk did not answer), gets a second life.
const REVIVE: &str = "UPDATE jobs SET table_ref = ?2, remote_name = ?3, attempts = 0, \
     kind = coalesce((SELECT kind FROM watches WHERE name = jobs.watch), kind), \
     failing_since = NULL, next_attempt_at = 0, state = ?4, reason = ?5, error = ?6, \
     finished_at = ?7 WHERE id = ?1";

/// Older versions of the same file that are not stored yet: they will never be whole again.
/// One that waits for the answer of its registration is not touched: that must be resolved.
/// All that is to be known of the others is that they are over, in the words of the index.
const OLDER: &str = "SELECT id FROM jobs INDEXED BY jobs_open WHERE watch = ?1 AND path = ?2 AND id <> ?3 \
     AND state <> 'registered' AND state <> 'done' AND state <> 'superseded' AND state <> 'missing' \
     AND (state = 'queued' OR state = 'reserved' OR state = 'uploading' \
     OR (state = 'parked' AND intent IS NULL))";

/// Whether the same holds for one job.
const OPEN: &str = "SELECT 1 FROM jobs WHERE id = ?1 AND \
     (state = 'queued' OR state = 'reserved' OR state = 'uploading' \
     OR (state = 'parked' AND intent IS NULL))";

const SUPERSEDE: &str = "UPDATE jobs SET state = 'superseded', finished_at = ?2, claimed = 0, \
     temp_id = NULL, temp_url = NULL, resumable = NULL, reserved_at = NULL, session_url = NULL, \
     session_at = NULL, session_boot = NULL, session_awake = NULL, confirmed = NULL, bound = NULL, hash_state = NULL, reason = NULL \
     WHERE id = ?1";

/// By the start that goes on now.
const HISTORY: &str = "INSERT INTO history (job, at, state, note, start) \
     VALUES (?1, ?2, ?3, ?4, (SELECT max(id) FROM starts))";

impl Journal {
    /// Those of the sightings whose exact version is in no job of this watch, or in one that was
    /// given up because the file seemed gone or changed, in the order of their paths. Without those that lay there before the watch began,
    /// where these are left out: they are written down here, and refused while the journal's disk is full.
    pub fn unknown(
        &self,
        watch: &WatchName,
        sightings: Vec<Sighting>,
    ) -> Result<Vec<Sighting>, JournalError> {
        if !self.is_first_scan(watch)? {
            let watch = watch.clone();
            return self
                .read_blocking(move |connection| those_unknown(connection, &watch, &sightings));
        }
        if self.notice.is_full() {
            return Err(self.notice.error());
        }
        let watch = watch.clone();
        self.write_blocking(move |connection| those_unknown(connection, &watch, &sightings))
    }

    /// Whether files that lie there already are to be written down.
    fn is_first_scan(&self, watch: &WatchName) -> Result<bool, JournalError> {
        let watch = watch.clone();
        self.read_blocking(move |connection| {
            let baseline = Baseline::of(connection, &watch)?;
            Ok(baseline.is_some_and(|baseline| baseline.is_open()))
        })
    }

    /// Makes a job of each version that has none; a newer version supersedes older ones.
    /// One whose name another file has is parked, and the first of them is logged. Durable when this
    /// returns. Returns how many are new. Refused while the journal's disk is full.
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
        Ok(self.taken_in(&new))
    }
}

/// What became of files that were to become jobs.
#[derive(Debug, Default)]
pub(super) struct TakenIn {
    /// How many are new.
    new: usize,
    /// How many of those were parked for their names.
    collided: usize,
    /// Why, of the first.
    why: Option<String>,
}

impl Journal {
    /// Tells whom it concerns, and returns how many are new.
    pub(super) fn taken_in(&self, files: &TakenIn) -> usize {
        if let Some(why) = &files.why {
            let (reason, files) = (ParkReason::NameCollision, files.collided);
            tracing::error!(%reason, files, why, "files need a person");
        }
        if files.new > files.collided {
            self.announce();
        }
        files.new
    }
}

/// Whether a file is to stay where it lies.
fn is_left_out(
    connection: &Connection,
    baseline: Option<&Baseline>,
    sighting: &Sighting,
) -> rusqlite::Result<bool> {
    baseline.map_or(Ok(false), |it| it.leaves_out(connection, sighting))
}

/// The work of [`Journal::enqueue`].
pub(super) fn insert_new(
    connection: &Connection,
    watch: &WatchName,
    table: &str,
    files: &[NewJob],
    now: Timestamp,
) -> rusqlite::Result<TakenIn> {
    let baseline = Baseline::of(connection, watch)?;
    let mut taken_in = TakenIn::default();
    for file in files {
        if is_left_out(connection, baseline.as_ref(), &file.sighting)? {
            continue;
        }
        match insert(connection, watch, table, file, now)? {
            Inserted::Known => {}
            Inserted::New => taken_in.new += 1,
            Inserted::Parked(why) => {
                taken_in.new += 1;
                taken_in.collided += 1;
                taken_in.why.get_or_insert(why);
            }
        }
    }
    Ok(taken_in)
}

/// What became of one file.
enum Inserted {
    /// It has its job already.
    Known,
    New,
    /// Another file has its name; which one.
    Parked(String),
}

fn insert(
    connection: &Connection,
    watch: &WatchName,
    table: &str,
    file: &NewJob,
    now: Timestamp,
) -> rusqlite::Result<Inserted> {
    let given_up = match same(connection, watch, &file.sighting)? {
        Same::Known => return Ok(Inserted::Known),
        Same::GivenUp(id) => Some(id),
        Same::New => None,
    };
    let wish = Wish {
        watch,
        table,
        name: &file.remote_name,
        file: &file.sighting,
        job: given_up.unwrap_or_default(),
    };
    let standing = wish.standing(connection)?;
    let moved = match standing {
        Standing::Moved(from) => connection
            .prepare_cached(OPEN)?
            .exists([from])?
            .then_some(from),
        Standing::Free | Standing::Taken(_) => None,
    };
    if moved.is_some() && given_up.is_some() {
        // two names of one file, of which one is on its way: they would supersede each other for ever
        return Ok(Inserted::Known);
    }
    let collision = match &standing {
        Standing::Taken(why) => Some(why.as_str()),
        Standing::Free | Standing::Moved(_) => None,
    };
    let id = write(connection, &wish, given_up, collision, now)?;
    crash_point::writing(Write::ENQUEUE);
    let (state, text) = match collision {
        None => (StateName::Queued, "the file settled"),
        Some(why) => (StateName::Parked, why),
    };
    note(connection, id, now, state.as_str(), text)?;
    let mut statement = connection.prepare_cached(OLDER)?;
    let path = path_bytes(&file.sighting.path);
    let older = statement.query_map(params![watch.as_str(), path, id], |row| row.get(0))?;
    for older in older.collect::<rusqlite::Result<Vec<i64>>>()? {
        let text = format!("job {id} is a newer version of the file");
        supersede(connection, older, &text, now)?;
    }
    if let Some(from) = moved {
        let text = format!("job {id} is the same file at another path");
        supersede(connection, from, &text, now)?;
    }
    Ok(match standing {
        Standing::Taken(why) => Inserted::Parked(why),
        Standing::Free | Standing::Moved(_) => Inserted::New,
    })
}

/// Writes the job's row, and returns its number.
fn write(
    connection: &Connection,
    wish: &Wish<'_>,
    given_up: Option<i64>,
    collision: Option<&str>,
    now: Timestamp,
) -> rusqlite::Result<i64> {
    let state = collision.map_or(StateName::Queued, |_| StateName::Parked);
    let reason = collision.map(|_| ParkReason::NameCollision.code());
    let finished_at = collision.map(|_| millis(now));
    if let Some(id) = given_up {
        connection.prepare_cached(REVIVE)?.execute(params![
            id,
            wish.table,
            wish.name,
            state.as_str(),
            reason,
            collision,
            finished_at,
        ])?;
        return Ok(id);
    }
    let Sighting { path, seen } = wish.file;
    connection.prepare_cached(INSERT)?.execute(params![
        wish.watch.as_str(),
        path_bytes(path),
        signed(seen.dev),
        signed(seen.ino),
        stored_size(seen.size),
        seen.mtime_ns,
        seen.ctime_ns,
        wish.name,
        wish.table,
        millis(now),
        state.as_str(),
        reason,
        collision,
        finished_at,
    ])?;
    Ok(connection.last_insert_rowid())
}

/// A job that is over before its file was stored.
pub(super) fn supersede(
    connection: &Connection,
    id: i64,
    why: &str,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let mut supersede = connection.prepare_cached(SUPERSEDE)?;
    supersede.execute(params![id, millis(now)])?;
    note(connection, id, now, StateName::Superseded.as_str(), why)
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
