//! Jobs whose watch names another version of the same table now.
//!
//! A reference that turned out to be in a released version is put right in the configuration; what waits for the old
//! one would wait for ever.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::enqueue::note;
use super::names;
use super::start::Configured;
use crate::config::Reference;
use crate::job::StateName;

const NOTE: &str = "its watch names another version of the table now";

/// Lets the open jobs of a watch go to the version that it names, but those that may be in the table already, or come to be.
pub(super) fn follow(
    connection: &Connection,
    watch: &Configured,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let name = watch.naming.watch.as_str();
    let mut tables = connection.prepare(
        "SELECT DISTINCT table_ref FROM jobs WHERE watch = ?1 AND table_ref <> ?2 AND finished_at IS NULL",
    )?;
    let tables: Vec<String> = tables
        .query_map([name, &watch.table], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for table in tables.iter().filter(|table| is_same(table, &watch.table)) {
        let mut open = connection.prepare(
            "SELECT id, state FROM jobs WHERE watch = ?1 AND table_ref = ?2 AND finished_at IS NULL \
             AND intent IS NULL AND state <> 'importing' AND state <> 'registered' ORDER BY id",
        )?;
        let open: Vec<(i64, String)> = open
            .query_map([name, table], |row| Ok((row.get("id")?, row.get("state")?)))?
            .collect::<rusqlite::Result<_>>()?;
        for (id, state) in open {
            note(connection, id, now, &state, NOTE)?;
            if state == StateName::Queued.as_str() {
                names::rename(connection, id, watch, now)?;
            } else {
                connection
                    .prepare_cached("UPDATE jobs SET table_ref = ?2 WHERE id = ?1")?
                    .execute(params![id, watch.table])?;
            }
        }
    }
    Ok(())
}

/// Whether two references are to one table, in whatever version.
fn is_same(one: &str, other: &str) -> bool {
    let plain = |text: &str| Reference::read(text).map(|reference| reference.plain());
    plain(one).is_some_and(|one| Some(one) == plain(other))
}
