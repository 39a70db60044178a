//! One line of `jobs --json`.

use jiff::Timestamp;
use serde::Serialize;

use crate::job::{Moment, State, address, printable};
use crate::journal::{HistoryRow, JobRow};

/// A job, as `jobs --json` prints it.
#[derive(Debug, Clone, Serialize)]
pub struct JobReport {
    /// Its number.
    pub id: i64,
    /// The watch that saw the file.
    pub watch: String,
    /// Relative to the watch's folder; bytes that are no text as `%XX`.
    pub path: String,
    /// Its name in the table.
    pub remote_name: String,
    /// The table.
    pub table: String,
    /// Where its API is, if that is another endpoint than the journal's home.
    pub endpoint: Option<String>,
    /// `files` or `tabular`.
    pub kind: String,
    /// Bytes.
    pub size: u64,
    /// When the file was last changed.
    pub mtime: Option<Timestamp>,
    /// Where it stands.
    pub state: &'static str,
    /// Why it is parked: a code.
    pub reason: Option<&'static str>,
    /// Bytes that the server certainly holds.
    pub confirmed_bytes: u64,
    /// Age of the upload session, in seconds; it dies at about 24 h.
    pub session_age_secs: Option<u64>,
    /// Failures since the last progress.
    pub attempts: u32,
    /// When it goes on, if it waits.
    pub next_attempt_at: Option<Timestamp>,
    /// What failed last.
    pub error: Option<String>,
    /// Of the bytes that were read here, in hex.
    pub md5: Option<String>,
    /// Redivis' id of the registered file.
    pub remote_id: Option<String>,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

impl JobReport {
    /// From the journal's row, as seen at `now`.
    pub fn new(row: JobRow, now: &Moment) -> Self {
        let job = row.job;
        let (endpoint, table) = address::parts(&job.table);
        let kind = job.kind.as_str();
        let session = match &job.state {
            State::Uploading(_, progress) => Some(progress.opened.clone()),
            _ => None,
        };
        Self {
            id: job.id.0,
            watch: job.watch.to_string(),
            path: printable(&job.path),
            endpoint: endpoint.map(str::to_owned),
            table: table.to_owned(),
            kind: kind.to_owned(),
            size: job.seen.size,
            mtime: Timestamp::from_nanosecond(job.seen.mtime_ns.into()).ok(),
            state: job.state.name().as_str(),
            reason: match &job.state {
                State::Parked(reason, _) => Some(reason.code()),
                _ => None,
            },
            confirmed_bytes: job.state.confirmed_bytes(job.seen.size),
            session_age_secs: session.map(|opened| opened.age(now).as_secs()),
            attempts: job.attempts,
            next_attempt_at: row.next_attempt_at,
            error: row.error,
            md5: job.state.md5().map(|md5| md5.to_string()),
            remote_id: job.state.remote_id().map(ToString::to_string),
            remote_name: job.remote_name,
            created_at: row.created_at,
            finished_at: row.finished_at,
        }
    }
}

/// One line of a job's history.
#[derive(Debug, Clone, Serialize)]
pub struct HistoryReport {
    /// When.
    pub at: Timestamp,
    /// The state from then on.
    pub state: String,
    /// Why.
    pub note: Option<String>,
    /// Who: which start of the daemon, if that is known.
    pub by: Option<String>,
}

impl From<HistoryRow> for HistoryReport {
    fn from(row: HistoryRow) -> Self {
        let HistoryRow {
            at,
            state,
            note,
            by,
        } = row;
        Self {
            at,
            state,
            note,
            by,
        }
    }
}
