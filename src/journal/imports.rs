//! Jobs whose rows Redivis reads now. Nobody claims them: they are asked about table by table, and whoever
//! asks records what is new from the state that it found.

use rusqlite::params;

use super::rows::{JOB_COLUMNS, job};
use super::{Journal, JournalError};
use crate::job::{Job, JobId};

/// Jobs that go by the number that Redivis may have put behind a name.
const NAMED: &str = "SELECT 1 FROM jobs WHERE table_ref = ?1 AND remote_name = ?2 AND id <> ?3 \
     AND state <> 'missing' AND state <> 'superseded' LIMIT 1";

impl Journal {
    /// The tables in which something is being imported.
    pub async fn importing_tables(&self) -> Result<Vec<String>, JournalError> {
        self.write(|connection| {
            let sql = "SELECT DISTINCT table_ref FROM jobs WHERE state = 'importing'";
            let mut statement = connection.prepare_cached(sql)?;
            let tables = statement.query_map([], |row| row.get(0))?;
            tables.collect()
        })
        .await
    }

    /// The oldest jobs of a table that are being imported, at most so many.
    pub async fn importing(&self, table: &str, most: usize) -> Result<Vec<Job>, JournalError> {
        let sql = format!(
            "SELECT {JOB_COLUMNS} FROM jobs WHERE state = 'importing' AND table_ref = ?1 \
             ORDER BY id LIMIT ?2"
        );
        let table = table.to_owned();
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.write(move |connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let jobs = statement.query_map(params![table, most], job)?;
            jobs.collect()
        })
        .await
    }

    /// Whether a job other than this one goes by the name in the table.
    pub async fn is_name_of_another(
        &self,
        table: &str,
        name: &str,
        job: JobId,
    ) -> Result<bool, JournalError> {
        let (table, name) = (table.to_owned(), name.to_owned());
        self.write(move |connection| {
            let mut statement = connection.prepare_cached(NAMED)?;
            statement.exists(params![table, name, job.0])
        })
        .await
    }
}
