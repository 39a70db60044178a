//! Which versions of files the journal knows: asked for one when it becomes a job, and for thousands by each scan.

use rusqlite::{Connection, Row, params};

use super::existing::Baseline;
use super::rows::{path_bytes, signed, stored_size};
use crate::job::{Sighting, WatchName};

/// The one job of exactly this version.
///
/// The device does not count, as in [`crate::job::Fingerprint::is_version`]. It comes first in the index all the same, so
/// each one that the path was ever on is asked for, of which there are few, where there may be thousands of versions.
const SAME: &str = "WITH RECURSIVE device (dev) AS ( \
         SELECT min(dev) FROM jobs WHERE watch = ?1 AND path = ?2 \
         UNION ALL SELECT (SELECT min(dev) FROM jobs WHERE watch = ?1 AND path = ?2 AND dev > device.dev) \
         FROM device WHERE device.dev IS NOT NULL) \
     SELECT id, state = 'missing' OR state = 'superseded' AS given_up FROM device CROSS JOIN jobs \
     ON watch = ?1 AND path = ?2 AND jobs.dev = device.dev \
     AND ino = ?3 AND size = ?4 AND mtime_ns = ?5 AND ctime_ns = ?6 \
     ORDER BY given_up, id DESC LIMIT 1";

/// All versions from one path to another, in the order of their paths, and whether each still counts. Indexes
/// answer all of it: that no job is opened for its state is two thirds of the time.
pub(super) const BETWEEN: &str = "SELECT path, ino, size, mtime_ns, ctime_ns, NOT EXISTS (\
         SELECT 1 FROM jobs AS given_up INDEXED BY jobs_given_up \
         WHERE given_up.watch = jobs.watch AND given_up.path = jobs.path AND given_up.id = jobs.id \
         AND (given_up.state = 'missing' OR given_up.state = 'superseded')) \
     FROM jobs WHERE watch = ?1 AND path >= ?2 AND path <= ?3 ORDER BY path";

/// The versions that came to be in a table at the endpoint that their watch goes to, their jobs being there or not.
pub(super) const RECEIVED: &str = "SELECT path, ino, size, mtime_ns, ctime_ns, 1 FROM receipts \
     WHERE watch = ?1 AND path >= ?2 AND path <= ?3 AND there = coalesce((\
         SELECT substr(table_ref, 1, instr(table_ref, '#')) FROM watches WHERE name = ?1), '') ORDER BY path";

const RECEIPT: &str = "SELECT 1 FROM receipts WHERE watch = ?1 AND path = ?2 AND ino = ?3 AND size = ?4 \
     AND mtime_ns = ?5 AND ctime_ns = ?6 AND there = coalesce((\
         SELECT substr(table_ref, 1, instr(table_ref, '#')) FROM watches WHERE name = ?1), '')";

/// So many jobs of other files are stepped over before the next file is looked for, and so many other versions before
/// the one is asked for.
const STRANGERS: u32 = 16;

/// What the journal has of a version of a file.
pub(super) enum Same {
    /// Nothing.
    New,
    /// A job that was given up.
    GivenUp(i64),
    /// A job.
    Known,
}

/// What the journal has of one version.
pub(super) fn same(
    connection: &Connection,
    watch: &WatchName,
    sighting: &Sighting,
) -> rusqlite::Result<Same> {
    let Sighting { path, seen } = sighting;
    let version = params![
        watch.as_str(),
        path_bytes(path),
        signed(seen.ino),
        stored_size(seen.size),
        seen.mtime_ns,
        seen.ctime_ns,
    ];
    let mut statement = connection.prepare_cached(SAME)?;
    let mut rows = statement.query(version)?;
    let found = match rows.next()? {
        None => Same::New,
        Some(row) if row.get(1)? => Same::GivenUp(row.get(0)?),
        Some(_) => return Ok(Same::Known),
    };
    // its job may have been pruned
    let received = connection.prepare_cached(RECEIPT)?.exists(version)?;
    Ok(if received { Same::Known } else { found })
}

/// The work of [`super::Journal::unknown`]. Each path should come once; of another version with the same path it may
/// be said that it is unknown, and [`same`] tells then.
pub(super) fn those_unknown(
    connection: &Connection,
    watch: &WatchName,
    sightings: &[Sighting],
) -> rusqlite::Result<Vec<Sighting>> {
    let baseline = Baseline::of(connection, watch)?;
    let mut files = Vec::with_capacity(sightings.len());
    for sighting in sightings {
        let left_out = match &baseline {
            Some(baseline) => baseline.leaves_out(connection, sighting)?,
            None => false,
        };
        if !left_out {
            files.push(sighting);
        }
    }
    // as the journal's index has them, where the files of a folder lie side by side: to go from one to the next
    // takes a third of the time of looking for each
    files.sort_unstable_by_key(|file| path_bytes(&file.path));
    let unknown = those_not_among(connection, BETWEEN, watch, files)?;
    // of these, new files mostly, the jobs of some may have been pruned
    let unknown = those_not_among(connection, RECEIVED, watch, unknown)?;
    Ok(unknown.into_iter().cloned().collect())
}

/// Those of the files, in the order of their paths, of which `between` has no version that counts.
fn those_not_among<'a>(
    connection: &Connection,
    between: &str,
    watch: &WatchName,
    files: Vec<&'a Sighting>,
) -> rusqlite::Result<Vec<&'a Sighting>> {
    let Some(last) = files.last().map(|file| path_bytes(&file.path)) else {
        return Ok(Vec::new());
    };
    let mut files = files.into_iter().peekable();
    let mut unknown = Vec::new();
    let mut between = connection.prepare_cached(between)?;
    'seek: while let Some(first) = files.peek() {
        let from = path_bytes(&first.path);
        let mut jobs = between.query(params![watch.as_str(), from, last])?;
        let mut strangers = 0;
        while let Some(job) = jobs.next()? {
            let path = job.get_ref(0)?.as_blob()?;
            while let Some(file) = files.next_if(|file| path_bytes(&file.path) < path) {
                unknown.push(file);
            }
            let Some(file) = files.peek() else {
                break 'seek;
            };
            strangers += 1;
            if path_bytes(&file.path) == path {
                if is_known(job, file)? {
                    files.next();
                    strangers = 0;
                } else if strangers > STRANGERS {
                    let known = matches!(same(connection, watch, file)?, Same::Known);
                    unknown.extend(files.next().filter(|_| !known));
                    continue 'seek;
                }
            } else if strangers > STRANGERS {
                continue 'seek;
            }
        }
        unknown.extend(files.by_ref());
    }
    Ok(unknown)
}

/// Whether a job is of this version, and not given up.
fn is_known(job: &Row<'_>, Sighting { seen, .. }: &Sighting) -> rusqlite::Result<bool> {
    let version: (i64, i64, i64, i64) = (job.get(1)?, job.get(2)?, job.get(3)?, job.get(4)?);
    let wanted = (
        signed(seen.ino),
        stored_size(seen.size),
        seen.mtime_ns,
        seen.ctime_ns,
    );
    Ok(version == wanted && job.get(5)?)
}
