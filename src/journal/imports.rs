//! Jobs whose rows Redivis reads now. Nobody claims them: they are asked about table by table, and whoever
//! asks records what is new from the state that it found.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::enqueue::note;
use super::rows::{JOB_COLUMNS, job};
use super::{Journal, JournalError};
use crate::job::{Job, JobId, StateName, WatchName};

/// Jobs that go by the number that Redivis may have put behind a name.
const NAMED: &str = "SELECT 1 FROM jobs WHERE table_ref = ?1 AND remote_name = ?2 AND id <> ?3 \
     AND state <> 'missing' AND state <> 'superseded' LIMIT 1";

/// The account that asks about a job: that of its watch; if the watch is configured no more, one of those that go to
/// the same endpoint, or nobody.
const ASKER: &str = "coalesce((SELECT account FROM watches WHERE name = jobs.watch), \
     (SELECT account FROM watches WHERE substr(table_ref, 1, instr(table_ref, '#')) \
     = substr(jobs.table_ref, 1, instr(jobs.table_ref, '#')) ORDER BY account <> 'redivis', account LIMIT 1))";

/// Imports of a watch that is configured no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrphanedImports {
    /// The watch that was.
    pub watch: WatchName,
    /// The table that has them ([`crate::job::address`]).
    pub table: String,
    /// The account that asks about them now. None: no watch goes to their endpoint any more.
    pub account: Option<String>,
}

impl Journal {
    /// The tables in which something is being imported for an account.
    pub async fn importing_tables(&self, account: &str) -> Result<Vec<String>, JournalError> {
        let sql = format!(
            "SELECT DISTINCT table_ref FROM jobs WHERE state = 'importing' AND {ASKER} = ?1"
        );
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
            "SELECT {JOB_COLUMNS} FROM jobs WHERE state = 'importing' AND {ASKER} = ?1 AND table_ref = ?2 \
             ORDER BY id LIMIT ?3"
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

    /// What is still imported of watches that are configured no more.
    pub async fn orphaned_imports(&self) -> Result<Vec<OrphanedImports>, JournalError> {
        let sql = format!(
            "SELECT DISTINCT watch, table_ref, {ASKER} AS account FROM jobs WHERE state = 'importing' \
             AND watch NOT IN (SELECT name FROM watches) ORDER BY watch, table_ref"
        );
        self.write(move |connection| {
            let mut statement = connection.prepare(&sql)?;
            let orphans = statement.query_map([], |row| {
                Ok(OrphanedImports {
                    watch: WatchName::new(row.get::<_, String>("watch")?),
                    table: row.get("table_ref")?,
                    account: row.get("account")?,
                })
            })?;
            orphans.collect()
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

/// Says of the imports that nobody asks about why they stay as they are.
pub(super) fn explain(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    let sql = format!(
        "UPDATE jobs SET error = ?1 WHERE state = 'importing' AND error IS NOT ?1 AND {ASKER} IS NULL \
         RETURNING id"
    );
    let mut statement = connection.prepare(&sql)?;
    let unasked = statement.query_map([NOBODY_ASKS], |row| row.get(0))?;
    for id in unasked.collect::<rusqlite::Result<Vec<i64>>>()? {
        note(
            connection,
            id,
            now,
            StateName::Importing.as_str(),
            NOBODY_ASKS,
        )?;
    }
    Ok(())
}

const NOBODY_ASKS: &str = "Redivis was reading its rows when its watch went, and no watch goes to that endpoint any \
     more: whether they have arrived is asked when one does again";
