//! What becomes of files that are in their table: what is to be done is written down, then it is done, then that.
//!
//! Nobody else touches a job that is `registered`, so it is not claimed: each watch has one hand that works on its
//! files, and a crash of the daemon finds the intent.

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use tokio::sync::watch;

use super::claim::Queue;
use super::enqueue::note;
use super::rows::{JOB_COLUMNS, Standing, job, millis, path_bytes, update};
use super::{Journal, JournalError};
use crate::crash_point::{self, Write};
use crate::job::{AfterIntent, Deed, Job, JobId, Proven, State, StateName, WatchName};

/// What became of the file of a job that is in its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Concluded {
    /// Nothing more is to be done; a line for the job's history.
    Done(String),
    /// It did not work: to be tried again then; what failed, for people.
    Later(Timestamp, String),
}

const INTENT: &str = "SELECT action, root, aside, move_to FROM after WHERE job = ?1";

const INTEND: &str = "INSERT INTO after (job, action, root, aside, move_to, at) \
     SELECT ?1, ?2, ?3, ?4, ?5, ?6 FROM jobs WHERE id = ?1 AND state = 'registered' \
     ON CONFLICT (job) DO UPDATE SET action = excluded.action, root = excluded.root, \
     aside = excluded.aside, move_to = excluded.move_to, at = excluded.at";

impl Journal {
    /// Jobs of a watch that are in their table, whose turn it is at `now`, the longest waiting first; and what was
    /// begun with each.
    pub async fn registered(
        &self,
        watch: &WatchName,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Proven>, JournalError> {
        let sql = format!(
            "SELECT {JOB_COLUMNS} FROM jobs WHERE {} AND watch = ?1 AND next_attempt_at <= ?2 \
             ORDER BY next_attempt_at, id LIMIT ?3",
            Queue::Registered.condition()
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let watch = watch.clone();
        self.write(move |connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let jobs = statement.query_map(params![watch.as_str(), millis(now), limit], job)?;
            jobs.map(|job| proven(connection, job?)).collect()
        })
        .await
    }

    /// The watches that have jobs in their table with something left to do, configured or not.
    pub async fn watches_with_registered(&self) -> Result<HashSet<WatchName>, JournalError> {
        let sql = format!(
            "SELECT DISTINCT watch FROM jobs WHERE {}",
            Queue::Registered.condition()
        );
        self.write(move |connection| {
            let mut statement = connection.prepare(&sql)?;
            let names = statement.query_map([], |row| row.get::<_, String>("watch"))?;
            names.map(|name| name.map(WatchName::new)).collect()
        })
        .await
    }

    /// Changes whenever a job came to be in its table with something left to do here.
    pub fn news_of_registered(&self) -> watch::Receiver<()> {
        self.registered.subscribe()
    }

    /// Writes down what is about to be done, in one commit; in the place of what was written down before.
    pub async fn intend_after(
        &self,
        intents: Vec<(JobId, AfterIntent)>,
        now: Timestamp,
    ) -> Result<(), JournalError> {
        self.write(move |connection| {
            crash_point::writing(Write::AFTER_INTEND);
            let mut insert = connection.prepare_cached(INTEND)?;
            for (job, intent) in &intents {
                let (action, move_to) = match &intent.deed {
                    Deed::Delete => ("delete", None),
                    Deed::Move(to) => ("move", Some(path_bytes(to))),
                };
                insert.execute(params![
                    job.0,
                    action,
                    path_bytes(&intent.root),
                    intent.aside.as_bytes(),
                    move_to,
                    millis(now),
                ])?;
            }
            Ok(())
        })
        .await
    }

    /// Records what became of files, in one commit. What is done leaves nothing but its history.
    pub async fn conclude_after(
        &self,
        concluded: Vec<(Job, Concluded)>,
        now: Timestamp,
    ) -> Result<(), JournalError> {
        self.write(move |connection| {
            concluded
                .iter()
                .try_for_each(|(job, what)| conclude(connection, job, what, now))
        })
        .await
    }
}

fn conclude(
    connection: &Connection,
    job: &Job,
    concluded: &Concluded,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let mut standing = Standing {
        id: job.id,
        expected: StateName::Registered,
        attempts: job.attempts,
        failing_since: job.failing_since,
        next_attempt_at: None,
        error: None,
        troubles: job.troubles,
        claimed: false,
        now,
    };
    let (state, text) = match concluded {
        Concluded::Done(text) => (job.state.clone().finish(), text),
        Concluded::Later(at, why) => {
            standing.attempts = job.attempts.saturating_add(1);
            standing.failing_since = job.failing_since.or(Some(now));
            standing.next_attempt_at = Some(*at);
            standing.error = Some(why);
            (Ok(job.state.clone()), why)
        }
    };
    // a job that came from `registered` is registered
    let Ok(state) = state else { return Ok(()) };
    if !update(connection, &state, &standing)? {
        return Ok(());
    }
    if matches!(state, State::Done(..)) {
        crash_point::writing(Write::AFTER_DONE);
        let mut forget = connection.prepare_cached("DELETE FROM after WHERE job = ?1")?;
        forget.execute([job.id.0])?;
    }
    // the same failure again and again is one line
    if standing.error.is_none() || job.attempts == 0 {
        note(connection, job.id.0, now, state.name().as_str(), text)?;
    }
    Ok(())
}

fn proven(connection: &Connection, job: Job) -> rusqlite::Result<Proven> {
    let mut statement = connection.prepare_cached(INTENT)?;
    let intent = statement.query_row([job.id.0], intent).optional()?;
    Ok(Proven { job, intent })
}

fn intent(row: &Row<'_>) -> rusqlite::Result<AfterIntent> {
    let path = |column: &str| -> rusqlite::Result<Option<PathBuf>> {
        let bytes: Option<Vec<u8>> = row.get(column)?;
        Ok(bytes.map(|bytes| OsString::from_vec(bytes).into()))
    };
    Ok(AfterIntent {
        deed: path("move_to")?.map_or(Deed::Delete, Deed::Move),
        root: path("root")?.unwrap_or_default(),
        aside: OsString::from_vec(row.get("aside")?),
    })
}
