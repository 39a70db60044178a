//! Jobs whose rows Redivis reads now. Nobody claims them: they are asked about table by table, and whoever
//! asks records what is new from the state that it found.

use rusqlite::params;

use super::rows::{JOB_COLUMNS, job};
use super::{Journal, JournalError};
use crate::job::{Job, JobId};

/// Jobs that go by the number that Redivis may have put behind a name.
const NAMED: &str = "SELECT 1 FROM jobs WHERE table_ref = ?1 AND remote_name = ?2 AND id <> ?3 \
     AND state <> 'missing' AND state <> 'superseded' LIMIT 1";

/// Jobs that are imported for an account. Those of a watch that is configured no more are left to the one that every
/// configuration has.
const OF_ACCOUNT: &str = "state = 'importing' \
     AND coalesce((SELECT account FROM watches WHERE name = jobs.watch), 'redivis') = ?1";

impl Journal {
    /// The tables in which something is being imported for an account.
    pub async fn importing_tables(&self, account: &str) -> Result<Vec<String>, JournalError> {
        let sql = format!("SELECT DISTINCT table_ref FROM jobs WHERE {OF_ACCOUNT}");
        let account = account.to_owned();
        self.write(move |connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let tables = statement.query_map([&account], |row| row.get(0))?;
            tables.collect()
        })
        .await
    }

    /// The oldest jobs of a table that are being imported for an account, at most so many.
    pub async fn importing(
        &self,
        account: &str,
        table: &str,
        most: usize,
    ) -> Result<Vec<Job>, JournalError> {
        let sql = format!(
            "SELECT {JOB_COLUMNS} FROM jobs WHERE {OF_ACCOUNT} AND table_ref = ?2 ORDER BY id LIMIT ?3"
        );
        let (account, table) = (account.to_owned(), table.to_owned());
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.write(move |connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let jobs = statement.query_map(params![account, table, most], job)?;
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
