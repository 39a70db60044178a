//! The journal's home, and what was done at endpoints that a watch goes to no more.
//!
//! The home is the endpoint whose tables are called by their reference alone. It is written once, with all that the first
//! start notes, and stays whatever is configured later: a name in the journal means the same table for ever.
//!
//! What is in a table is known by its receipt, and that counts where the table is. So a watch that goes to another
//! endpoint begins anew there with all its files, and has nothing to do when it comes back.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, named_params, params};

use super::enqueue::supersede;
use super::rows::millis;
use super::start::Configured;
use super::{Journal, JournalError, Reader};
use crate::job::address;

const READ: &str = "SELECT endpoint FROM home";

impl Journal {
    /// The endpoint whose tables are called by their reference alone; `None` before the first start.
    pub async fn home(&self) -> Result<Option<String>, JournalError> {
        self.write(|connection| connection.query_row(READ, [], |row| row.get(0)).optional())
            .await
    }
}

/// The first start says where the journal is at home.
pub(super) fn settle(connection: &Connection, endpoint: &str) -> rusqlite::Result<()> {
    let mut settle = connection
        .prepare_cached("INSERT INTO home (one, endpoint) VALUES (1, ?1) ON CONFLICT DO NOTHING")?;
    settle.execute([endpoint]).map(drop)
}

impl Reader {
    /// The endpoint whose tables are called by their reference alone; `None` before the first start of a version that
    /// knows of it.
    pub fn home(&self) -> Result<Option<String>, JournalError> {
        let known = self.connection.table_exists(None, "home");
        let read = || self.connection.query_row(READ, [], |row| row.get(0));
        let home = known.and_then(|known| if known { read().optional() } else { Ok(None) });
        home.map_err(|error| (&error).into())
    }
}

/// How the names begin of all tables at the endpoint of a table.
pub(super) fn there(table: &str) -> String {
    let (endpoint, _) = address::parts(table);
    endpoint.map_or(String::new(), |endpoint| address::at(endpoint, ""))
}

/// The tables of all jobs that are not given up, at other endpoints. From one to the next by an index: there are few,
/// and there may be millions of jobs.
const ELSEWHERE: &str = "WITH RECURSIVE tables (name) AS ( \
         SELECT min(table_ref) FROM jobs WHERE state <> 'missing' AND state <> 'superseded' \
         UNION ALL SELECT (SELECT min(table_ref) FROM jobs WHERE state <> 'missing' AND state <> 'superseded' \
             AND table_ref > tables.name) FROM tables WHERE tables.name IS NOT NULL) \
     SELECT name FROM tables WHERE name IS NOT NULL AND substr(name, 1, instr(name, '#')) <> ?1";

/// A file is not moved or deleted on the word of a table that its watch goes to no more; but what was begun is ended.
const LEFT_ALONE: &str = "UPDATE jobs SET state = 'done', claimed = 0, attempts = 0, failing_since = NULL, \
     next_attempt_at = 0, error = NULL, finished_at = :now WHERE table_ref = :table AND watch = :watch \
     AND state = 'registered' AND state <> 'missing' AND state <> 'superseded' \
     AND NOT EXISTS (SELECT 1 FROM after WHERE after.job = jobs.id)";

/// What is done there, and has the receipt by which it is remembered.
const DONE: &str = "FROM jobs WHERE table_ref = ?1 AND watch = ?2 AND state = 'done' \
     AND state <> 'missing' AND state <> 'superseded' \
     AND EXISTS (SELECT 1 FROM receipts WHERE receipts.job = jobs.id)";

/// Lets what a watch has done at other endpoints leave the list of jobs, where each version of a file stands once: its
/// place is free for the job that carries it to where the watch goes now. The receipts stay. Returns how many left.
pub(super) fn leave(
    connection: &Connection,
    watch: &Configured,
    now: Timestamp,
) -> rusqlite::Result<usize> {
    let name = watch.naming.watch.as_str();
    let mut tables = connection.prepare_cached(ELSEWHERE)?;
    let tables = tables.query_map([there(&watch.table)], |row| row.get(0))?;
    let mut left = 0;
    for table in tables.collect::<rusqlite::Result<Vec<String>>>()? {
        connection
            .prepare_cached(LEFT_ALONE)?
            .execute(named_params! { ":now": millis(now), ":table": table, ":watch": name })?;
        let history = format!("DELETE FROM history WHERE job IN (SELECT id {DONE})");
        connection
            .prepare_cached(&history)?
            .execute([&table, name])?;
        let jobs = format!("DELETE {DONE}");
        left += connection.prepare_cached(&jobs)?.execute([&table, name])?;
    }
    Ok(left)
}

const CARRIED: &str = "SELECT receipts.job FROM jobs JOIN receipts ON receipts.watch = jobs.watch \
     AND receipts.path = jobs.path AND receipts.ino = jobs.ino AND receipts.size = jobs.size \
     AND receipts.mtime_ns = jobs.mtime_ns AND receipts.ctime_ns = jobs.ctime_ns \
     AND receipts.there = ?2 AND receipts.job <> jobs.id WHERE jobs.id = ?1 LIMIT 1";

/// Ends a job that was to go to another endpoint until now, if its file was carried before to where its watch goes, and
/// returns whether it was.
pub(super) fn was_carried(
    connection: &Connection,
    id: i64,
    watch: &Configured,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let mut carried = connection.prepare_cached(CARRIED)?;
    let carried = carried.query_row(params![id, there(&watch.table)], |row| row.get(0));
    let Some(before): Option<i64> = carried.optional()? else {
        return Ok(false);
    };
    let text = format!("job {before} has carried this version to where its watch goes now");
    supersede(connection, id, &text, now)?;
    Ok(true)
}
