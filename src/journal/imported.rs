//! What Redivis has taken in to import, from then until it is proven to be in its table.
//!
//! It is written with the move that says so, and goes with the one that proves it. Of what is set apart, because nothing
//! proves what came of it, it stays as long as its job goes to that table, and for good when the job goes elsewhere: the rows
//! may be in the table, and the same content must not be sent there once more because its file was touched, or its watch
//! comes back. Of what failed it stays too, so that the upload that is left behind is known.

use std::collections::HashMap;

use rusqlite::{Connection, Row, params};

use super::rows::{millis, moment_or_null, stored_size};
use super::{Journal, JournalError};
use crate::job::{Job, JobId, Moment, ParkReason, RemoteId, State, StateName};

/// All of it stands in the job's row by now.
const TAKE: &str = "INSERT OR REPLACE INTO imports (job, table_ref, remote_name, uri, size, md5) \
     SELECT id, table_ref, remote_name, remote_id, size, md5 FROM jobs WHERE id = ?1";

/// From the version whose content this one has.
const INHERIT: &str = "INSERT OR REPLACE INTO imports (job, table_ref, remote_name, uri, size, md5) \
     SELECT jobs.id, imports.table_ref, imports.remote_name, imports.uri, imports.size, imports.md5 \
     FROM jobs JOIN imports ON imports.table_ref = jobs.table_ref AND imports.remote_name = jobs.remote_name \
     WHERE jobs.id = ?1 AND failed = 0 ORDER BY imports.job DESC LIMIT 1";

const FAIL: &str = "UPDATE imports SET failed = 1 WHERE job = ?1 \
     AND table_ref = (SELECT table_ref FROM jobs WHERE id = ?1)";

const FORGET: &str = "DELETE FROM imports WHERE job = ?1 \
     AND table_ref = (SELECT table_ref FROM jobs WHERE id = ?1)";

/// Those of a table that were never asked about are asked about now.
const BEGIN: &str = "UPDATE imports SET since = ?2, since_boot = ?3, since_awake = ?4 WHERE since IS NULL \
     AND table_ref = ?1 AND job IN (SELECT id FROM jobs WHERE table_ref = ?1 AND state = 'importing')";

const SINCE: &str = "SELECT job, since, since_boot, since_awake FROM jobs JOIN imports ON imports.job = jobs.id \
     AND imports.table_ref = jobs.table_ref WHERE jobs.table_ref = ?1 AND jobs.state = 'importing' AND since IS NOT NULL";

impl Journal {
    /// Since when the imports of a table are asked about. Those that never were are from now on.
    pub async fn asked_since(
        &self,
        table: &str,
        now: Moment,
    ) -> Result<HashMap<JobId, Moment>, JournalError> {
        let table = table.to_owned();
        self.write(move |connection| {
            let awake = now.awake.as_ref();
            connection.prepare_cached(BEGIN)?.execute(params![
                table,
                millis(now.at),
                awake.map(|awake| &awake.boot),
                awake.map(|awake| stored_size(awake.millis)),
            ])?;
            let mut statement = connection.prepare_cached(SINCE)?;
            let rows = statement.query_map([&table], since)?;
            rows.filter_map(Result::transpose).collect()
        })
        .await
    }

    /// Whether an upload of a table is known to be that of a job, as it was taken in last.
    pub async fn is_address_known(
        &self,
        table: &str,
        uri: &RemoteId,
    ) -> Result<bool, JournalError> {
        let (table, uri) = (table.to_owned(), uri.clone());
        self.write(move |connection| {
            let mut statement = connection
                .prepare_cached("SELECT 1 FROM imports WHERE table_ref = ?1 AND uri = ?2")?;
            statement.exists(params![table, uri.as_str()])
        })
        .await
    }
}

fn since(row: &Row<'_>) -> rusqlite::Result<Option<(JobId, Moment)>> {
    let since = moment_or_null(row, "since", "since_boot", "since_awake")?;
    let job = JobId(row.get("job")?);
    Ok(since.map(|since| (job, since)))
}

/// A job has made a move.
pub(super) fn follow(connection: &Connection, job: &Job, from: StateName) -> rusqlite::Result<()> {
    let sql = match (from, &job.state) {
        (StateName::Registering, State::Importing(..)) => TAKE,
        (StateName::Queued, State::Parked(ParkReason::NotProven, _)) => INHERIT,
        (StateName::Importing, State::Parked(reason, _)) => match reason {
            ParkReason::ImportFailed => FAIL,
            // what the table has of it is known: nothing, or something else
            ParkReason::NoRows | ParkReason::RemoteDiffers => FORGET,
            _ => return Ok(()),
        },
        (StateName::Registered, _) => return Ok(()),
        // by whatever way: the receipt tells more
        (_, State::Registered(..) | State::Done(..)) => FORGET,
        _ => return Ok(()),
    };
    connection
        .prepare_cached(sql)?
        .execute([job.id.0])
        .map(drop)
}
