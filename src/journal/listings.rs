//! What tables held when they were met: a listing of each, row by row as it comes in.

use std::collections::HashSet;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::rows::{millis, stored_size};
use super::versions::Before;
use super::{Journal, JournalError};
use crate::job::{Job, Md5, RemoteId};

/// A file that a table holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name there.
    pub name: String,
    /// Its number there.
    pub remote: RemoteId,
    /// Bytes.
    pub size: u64,
    /// Of its bytes.
    pub md5: Md5,
}

/// A listing that is on its way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListingId(i64);

impl Journal {
    /// Begins a listing of a table anew; what an earlier one has said is forgotten.
    pub async fn begin_listing(
        &self,
        table: &str,
        now: Timestamp,
    ) -> Result<ListingId, JournalError> {
        let table = table.to_owned();
        self.write(move |connection| {
            connection.execute(
                "DELETE FROM listed WHERE listing IN (SELECT id FROM listings WHERE table_ref = ?1)",
                [&table],
            )?;
            let mut begin = connection.prepare_cached(
                "INSERT INTO listings (table_ref, began_at, whole) VALUES (?1, ?2, 0) \
                 ON CONFLICT DO UPDATE SET began_at = excluded.began_at, whole = 0 RETURNING id",
            )?;
            let id = begin.query_row(params![table, millis(now)], |row| row.get(0))?;
            Ok(ListingId(id))
        })
        .await
    }

    /// Adds rows to a listing.
    pub async fn add_to_listing(
        &self,
        listing: ListingId,
        rows: Vec<Listed>,
    ) -> Result<(), JournalError> {
        self.write(move |connection| {
            let mut add = connection.prepare_cached(
                "INSERT OR REPLACE INTO listed (listing, name, remote_id, size, md5) \
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for row in &rows {
                let (size, md5) = (stored_size(row.size), &row.md5.0[..]);
                add.execute(params![listing.0, row.name, row.remote.as_str(), size, md5])?;
            }
            Ok(())
        })
        .await
    }

    /// All rows of a listing are there: from now on it counts.
    pub async fn end_listing(&self, listing: ListingId) -> Result<(), JournalError> {
        self.write(move |connection| {
            connection.execute("UPDATE listings SET whole = 1 WHERE id = ?1", [listing.0])?;
            Ok(())
        })
        .await
    }

    /// The tables of which there is a whole listing.
    pub async fn listed_tables(&self) -> Result<HashSet<String>, JournalError> {
        self.write(|connection| {
            let mut tables =
                connection.prepare("SELECT table_ref FROM listings WHERE whole = 1")?;
            tables.query_map([], |row| row.get(0))?.collect()
        })
        .await
    }
}

/// What the listing of a job's table has under its name, and when it was begun.
pub(super) fn listed(
    connection: &Connection,
    job: &Job,
) -> rusqlite::Result<Option<(Before, Timestamp)>> {
    let mut statement = connection.prepare_cached(
        "SELECT remote_id, size, md5, began_at FROM listings JOIN listed ON listing = id \
         WHERE table_ref = ?1 AND name = ?2 AND whole = 1",
    )?;
    let row = statement.query_row(params![job.table, job.remote_name], |row| {
        let before = Before {
            remote: RemoteId::new(row.get::<_, String>("remote_id")?),
            size: row.get::<_, i64>("size")?.unsigned_abs(),
            md5: Some(Md5(row.get("md5")?)),
        };
        let began: i64 = row.get("began_at")?;
        Ok((
            before,
            Timestamp::from_millisecond(began).unwrap_or_default(),
        ))
    });
    row.optional()
}
