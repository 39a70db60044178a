//! Handing out jobs.

use jiff::Timestamp;
use rusqlite::params;

use super::rows::{JOB_COLUMNS, job, millis, time};
use super::{Journal, JournalError};
use crate::crash_point::{self, Write};
use crate::job::{Job, WatchName};

/// Which jobs are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Queue {
    /// Those of which the server knows nothing yet.
    Queued,
    /// Those whose bytes are on their way.
    Interrupted,
    /// Those whose bytes are stored.
    Stored,
    /// Those that are in their table, with something left to do here.
    Registered,
}

impl Queue {
    /// Every queue.
    pub const ALL: [Self; 4] = [
        Self::Queued,
        Self::Interrupted,
        Self::Stored,
        Self::Registered,
    ];

    /// Those from which files are carried.
    pub const OF_THE_ENGINE: [Self; 3] = [Self::Queued, Self::Interrupted, Self::Stored];

    /// The very words of the partial indexes, so that `SQLite` uses them.
    pub(super) const fn condition(self) -> &'static str {
        match self {
            Self::Queued => "claimed = 0 AND state = 'queued'",
            Self::Interrupted => "claimed = 0 AND (state = 'reserved' OR state = 'uploading')",
            Self::Stored => "claimed = 0 AND (state = 'uploaded' OR state = 'registering')",
            Self::Registered => "claimed = 0 AND state = 'registered'",
        }
    }
}

impl Journal {
    /// Claims up to `limit` jobs of a watch that may go on at `now`, the longest waiting first.
    ///
    /// A claimed job belongs to the caller until it records a hold that releases it, or until the
    /// journal is opened again.
    pub async fn claim(
        &self,
        queue: Queue,
        watch: &WatchName,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Job>, JournalError> {
        let sql = format!(
            "UPDATE jobs SET claimed = 1 WHERE id IN (SELECT id FROM jobs WHERE {} AND watch = ?1 \
             AND next_attempt_at <= ?2 ORDER BY next_attempt_at, id LIMIT ?3) \
             RETURNING {JOB_COLUMNS}",
            queue.condition()
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let watch = watch.clone();
        self.write(move |connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params![watch.as_str(), millis(now), limit], job)?;
            let mut jobs = rows.collect::<rusqlite::Result<Vec<_>>>()?;
            if !jobs.is_empty() {
                crash_point::writing(Write::CLAIM);
            }
            // RETURNING promises no order
            jobs.sort_by_key(|job| job.id);
            Ok(jobs)
        })
        .await
    }

    /// When the next job of this queue and watch may go on; `None` when none waits.
    pub async fn next_due(
        &self,
        queue: Queue,
        watch: &WatchName,
    ) -> Result<Option<Timestamp>, JournalError> {
        let sql = format!(
            "SELECT next_attempt_at FROM jobs WHERE {} AND watch = ?1 ORDER BY next_attempt_at LIMIT 1",
            queue.condition()
        );
        let watch = watch.clone();
        self.write(move |connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query([watch.as_str()])?;
            rows.next()?
                .map(|row| time(row.get("next_attempt_at")?))
                .transpose()
        })
        .await
    }
}
