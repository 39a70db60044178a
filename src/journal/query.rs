//! Reading the journal for reports: read-only, also while a daemon writes.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use super::health::{daemon_row, watch_row};
use super::open::{self, open_read_only};
use super::rows::{JOB_COLUMNS, job, time, time_or_null};
use super::{DaemonRow, Holder, JournalError, OpenError, WatchRow};
use super::{reserve, room, wal};
use crate::job::{Job, JobId, ParkReason, StateName, WatchName};

/// A connection for reports.
#[derive(Debug)]
pub struct Reader {
    pub(super) connection: Connection,
    path: PathBuf,
}

/// How the journal's own files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Troubles {
    /// Its disk is full, and what to do.
    pub disk_full: Option<String>,
    /// A reader keeps its WAL from being written back, and what to do.
    pub long_wal: Option<String>,
    /// The WAL's size.
    pub wal_bytes: u64,
}

/// Which jobs to list; everything that is given must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// One of these states; empty: any.
    pub states: Vec<StateName>,
    /// Waiting for a next attempt.
    pub waiting: bool,
    /// This watch.
    pub watch: Option<String>,
    /// The remote name contains this text.
    pub path: Option<String>,
    /// These bytes of an md5.
    pub md5: Option<[u8; 16]>,
    /// This job.
    pub id: Option<JobId>,
    /// No more than this many, the newest.
    pub limit: Option<usize>,
}

/// A job and what only reports need.
#[derive(Debug, Clone)]
pub struct JobRow {
    /// The job.
    pub job: Job,
    /// What failed last.
    pub error: Option<String>,
    /// When it may go on.
    pub next_attempt_at: Option<Timestamp>,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// Jobs of one watch in one state.
#[derive(Debug, Clone)]
pub struct Count {
    /// The watch.
    pub watch: String,
    /// The state.
    pub state: StateName,
    /// How many.
    pub jobs: u64,
    /// How many of them wait for a next attempt after a failure.
    pub waiting: u64,
    /// How many of them failed at least [`OFTEN`] times in a row.
    pub failing: u64,
    /// Of those, parked because the watch's policy leaves them here.
    pub skipped: u64,
    /// Bytes of their files.
    pub bytes: u64,
    /// Bytes of these that the server has confirmed.
    pub confirmed: u64,
}

/// Given back after a failure, and not taken up again yet.
const WAITING: &str =
    "claimed = 0 AND next_attempt_at > 0 AND attempts > 0 AND finished_at IS NULL";

/// Jobs that are read in one transaction for a listing.
const PAGE: usize = 1000;

/// So many failures in a row are no accident any more.
pub const OFTEN: u32 = 5;

/// A line of a job's history.
#[derive(Debug, Clone)]
pub struct HistoryRow {
    /// When.
    pub at: Timestamp,
    /// The state from then on.
    pub state: String,
    /// Why.
    pub note: Option<String>,
    /// Which start of the daemon did it; `None`: an older version, which did not say.
    pub by: Option<String>,
}

impl Reader {
    /// Opens the journal for reading.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Ok(Self {
            connection: open_read_only(path)?,
            path: path.into(),
        })
    }

    /// The daemon that holds the journal now, if one runs.
    pub fn holder(&self) -> io::Result<Option<Holder>> {
        open::holder(&self.path)
    }

    /// What is wrong with the journal's own files while a daemon runs, and what to do; for people.
    pub fn troubles(&self) -> Troubles {
        let running = self.holder().ok().flatten().is_some();
        let wal_bytes = wal::bytes(&self.path);
        Troubles {
            disk_full: (running && !reserve::is_held(&self.path)).then(|| room::advice(&self.path)),
            long_wal: wal::warning(wal_bytes),
            wal_bytes,
        }
    }

    /// Calls `each` for every job that the filter lets through, oldest first, until it has enough.
    ///
    /// No transaction is open meanwhile: whoever shows the rows may take as long as it takes to read them,
    /// and the WAL does not grow by it. A job that changes on the way is shown as it was or as it is.
    pub fn jobs(
        &self,
        filter: &Filter,
        mut each: impl FnMut(JobRow) -> bool,
    ) -> Result<(), JournalError> {
        let mut left = filter.limit.unwrap_or(usize::MAX);
        let mut after = match filter.limit {
            Some(limit) => self.before_the_newest(filter, limit)?,
            None => JobId(0),
        };
        loop {
            let page = self.page(filter, after, left.min(PAGE))?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = last.job.id;
            left -= page.len();
            if !page.into_iter().all(&mut each) {
                return Ok(());
            }
        }
    }

    /// The next jobs after one.
    fn page(
        &self,
        filter: &Filter,
        after: JobId,
        size: usize,
    ) -> Result<Vec<JobRow>, JournalError> {
        let (sql, values) = filter.page(after, size);
        self.select(&sql, values, job_row)
    }

    /// The job after which the newest ones follow.
    fn before_the_newest(&self, filter: &Filter, limit: usize) -> Result<JobId, JournalError> {
        let (conditions, values) = filter.sql();
        let sql = format!(
            "SELECT coalesce(min(id), 1) - 1 AS id FROM (SELECT id FROM jobs WHERE {conditions} \
             ORDER BY id DESC LIMIT {limit})"
        );
        let before = self.select(&sql, values, |row| row.get("id").map(JobId))?;
        Ok(before.first().copied().unwrap_or(JobId(0)))
    }

    /// How many jobs stand where.
    pub fn counts(&self) -> Result<Vec<Count>, JournalError> {
        let sql = format!(
            "SELECT watch, state, count(*) AS jobs, \
             sum({WAITING}) AS waiting, \
             sum(attempts >= {OFTEN} AND finished_at IS NULL) AS failing, \
             sum(reason IS '{skipped}') AS skipped, \
             sum(size) AS bytes, sum(coalesce(confirmed, 0)) AS confirmed \
             FROM jobs GROUP BY watch, state ORDER BY watch, state",
            skipped = ParkReason::Skipped.code()
        );
        self.all(&sql, count_row)
    }

    /// How the watches are doing.
    pub fn watches(&self) -> Result<Vec<WatchRow>, JournalError> {
        self.all("SELECT * FROM watches ORDER BY name", watch_row)
    }

    /// How many files each watch leaves where they lie, because they lay there at its first start.
    pub fn ignored(&self) -> Result<HashMap<WatchName, u64>, JournalError> {
        let sql = "SELECT name, (SELECT count(*) FROM ignored \
                   WHERE ignored.baseline = watches.baseline) AS files FROM watches";
        let each = self.all(sql, |row| {
            let files: i64 = row.get("files")?;
            Ok((
                WatchName::new(row.get::<_, String>("name")?),
                files.unsigned_abs(),
            ))
        });
        Ok(each?.into_iter().collect())
    }

    /// How the daemon that last used this journal is, or was, doing.
    pub fn daemon(&self) -> Result<Option<DaemonRow>, JournalError> {
        Ok(self.all("SELECT * FROM daemon", daemon_row)?.pop())
    }

    /// The most recent failure that still matters.
    pub fn last_error(&self) -> Result<Option<String>, JournalError> {
        let sql = "SELECT error FROM jobs WHERE error IS NOT NULL \
                   AND state NOT IN ('done', 'superseded') ORDER BY failing_since DESC LIMIT 1";
        Ok(self.all(sql, |row| row.get("error"))?.pop())
    }

    /// The whole history of a job.
    pub fn history(&self, id: JobId) -> Result<Vec<HistoryRow>, JournalError> {
        let sql = format!(
            "SELECT history.at, state, note, 'redivis-drop ' || version || ', process ' || pid || ' of user ' || uid \
             || ' on ' || host || ', started ' || strftime('%Y-%m-%dT%H:%M:%SZ', starts.at / 1000, 'unixepoch') AS by \
             FROM history LEFT JOIN starts ON starts.id = start WHERE job = {id} ORDER BY history.rowid"
        );
        self.all(&sql, |row| {
            Ok(HistoryRow {
                at: time(row.get("at")?)?,
                state: row.get("state")?,
                note: row.get("note")?,
                by: row.get("by")?,
            })
        })
    }

    pub(super) fn all<T>(
        &self,
        sql: &str,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, JournalError> {
        self.select(sql, Vec::new(), read)
    }

    pub(super) fn select<T>(
        &self,
        sql: &str,
        values: Vec<Value>,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, JournalError> {
        let list = || -> rusqlite::Result<Vec<T>> {
            let mut statement = self.connection.prepare(sql)?;
            statement
                .query_map(params_from_iter(values), read)?
                .collect()
        };
        list().map_err(|error| (&error).into())
    }
}

impl Filter {
    /// The next jobs after one, so many.
    pub(super) fn page(&self, after: JobId, size: usize) -> (String, Vec<Value>) {
        let (conditions, values) = self.sql();
        let sql = format!(
            "SELECT {JOB_COLUMNS}, error, iif(claimed, 0, next_attempt_at) AS next_attempt_at, \
             created_at, finished_at FROM jobs WHERE {conditions} AND id > {after} ORDER BY id LIMIT {size}"
        );
        (sql, values)
    }

    fn sql(&self) -> (String, Vec<Value>) {
        let mut conditions = vec!["1".to_owned()];
        let mut values = Vec::new();
        if !self.states.is_empty() {
            let names: Vec<_> = self
                .states
                .iter()
                .map(|state| format!("'{state}'"))
                .collect();
            conditions.push(format!("state IN ({})", names.join(", ")));
        }
        if self.waiting {
            conditions.push(WAITING.into());
        }
        if let Some(watch) = &self.watch {
            // by number, page by page: an index of the watch would have each page sorted
            conditions.push("+watch = ?".into());
            values.push(Value::Text(watch.clone()));
        }
        if let Some(text) = &self.path {
            conditions.push("instr(remote_name, ?) > 0".into());
            values.push(Value::Text(text.clone()));
        }
        if let Some(md5) = self.md5 {
            conditions.push("md5 = ?".into());
            values.push(Value::Blob(md5.to_vec()));
        }
        if let Some(JobId(id)) = self.id {
            conditions.push("id = ?".into());
            values.push(Value::Integer(id));
        }
        (conditions.join(" AND "), values)
    }
}

fn job_row(row: &Row<'_>) -> rusqlite::Result<JobRow> {
    let next: i64 = row.get("next_attempt_at")?;
    Ok(JobRow {
        job: job(row)?,
        error: row.get("error")?,
        next_attempt_at: (next > 0).then(|| time(next)).transpose()?,
        created_at: time(row.get("created_at")?)?,
        finished_at: time_or_null(row, "finished_at")?,
    })
}

fn count_row(row: &Row<'_>) -> rusqlite::Result<Count> {
    let number = |column: &str| row.get::<_, i64>(column).map(i64::unsigned_abs);
    Ok(Count {
        watch: row.get("watch")?,
        state: super::rows::state_name(row)?,
        jobs: number("jobs")?,
        waiting: number("waiting")?,
        failing: number("failing")?,
        skipped: number("skipped")?,
        bytes: number("bytes")?,
        confirmed: number("confirmed")?,
    })
}
