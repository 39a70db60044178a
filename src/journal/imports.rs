//! Jobs whose rows Redivis reads now. Nobody claims them: they are asked about table by table, and whoever
//! asks records what is new from the state that it found.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::enqueue::note;
use super::rows::{JOB_COLUMNS, job};
use super::{Journal, JournalError, OFTEN, Reader};
use crate::job::{Job, JobId, StateName, WatchName};

/// Jobs that go by the number that Redivis may have put behind a name.
const NAMED: &str = "SELECT 1 FROM jobs WHERE table_ref = ?1 AND remote_name = ?2 AND id <> ?3 \
     AND state <> 'missing' AND state <> 'superseded' LIMIT 1";

/// The account that asks about a job: that of its watch, if it goes to the same endpoint as the job; or else one that does;
/// or nobody.
const ASKER: &str = "(SELECT account FROM watches WHERE substr(table_ref, 1, instr(table_ref, '#')) \
     = substr(jobs.table_ref, 1, instr(jobs.table_ref, '#')) \
     ORDER BY name <> jobs.watch, account <> 'redivis', account LIMIT 1)";

/// Open jobs of a watch that stay with their table, wherever the watch goes now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staying {
    /// The watch, which may be configured no more.
    pub watch: WatchName,
    /// The table ([`crate::job::address`]).
    pub table: String,
    /// The account that asks about them. None: no watch goes to that endpoint.
    pub account: Option<String>,
    /// Whether they are being imported; or else looked up, because their registration got no answer.
    pub is_import: bool,
    /// How many, without those that fail again and again.
    pub jobs: u64,
}

impl Reader {
    /// What is being imported, and what is looked up in another table than that of its watch.
    pub fn staying(&self) -> Result<Vec<Staying>, JournalError> {
        let sql = format!(
            "SELECT watch, table_ref, {ASKER} AS account, state = 'importing' AS is_import, count(*) AS jobs FROM jobs \
             WHERE attempts < {OFTEN} AND (state = 'importing' OR (state = 'registering' \
             AND table_ref IS NOT (SELECT table_ref FROM watches WHERE name = jobs.watch))) \
             GROUP BY watch, table_ref, is_import ORDER BY watch, table_ref, is_import"
        );
        self.all(&sql, |row| {
            Ok(Staying {
                watch: WatchName::new(row.get::<_, String>("watch")?),
                table: row.get("table_ref")?,
                account: row.get("account")?,
                is_import: row.get("is_import")?,
                jobs: row.get::<_, i64>("jobs")?.unsigned_abs(),
            })
        })
    }
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

const NOBODY_ASKS: &str = "Redivis was reading its rows when its watch went elsewhere, and no watch goes to that endpoint any \
     more: whether they have arrived is asked when one does again";
