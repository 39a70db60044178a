//! What tables held when they were met: a listing of each, row by row as it comes in.
//!
//! A table's listing counts until another is whole. One that comes in stands aside, under a key of its own, and takes
//! the other's place in one commit: whoever asks meanwhile is answered by the one that was there, and two that come in
//! at once, of two accounts that share the table, do not touch each other's rows. What is replaced or given up goes
//! piece by piece; what a crash leaves of that, or of a listing that was coming in, goes when the journal is opened.

use std::collections::HashSet;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::rows::{millis, stored_size};
use super::versions::Before;
use super::{Journal, JournalError};
use crate::job::{Job, Kind, Md5, RemoteId, is_numbered, numbered_names};

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
    /// When it came there, if that is told.
    pub added_at: Option<Timestamp>,
}

/// What a table held under a name when it was listed: something in any case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Under that very name.
    pub so_named: Option<Before>,
    /// Rows of as many bytes as the job's file, under names with a number that Redivis made of its name.
    pub numbered: Vec<Before>,
    /// When the listing was begun.
    pub at: Timestamp,
}

impl Held {
    /// All of it.
    pub fn all(&self) -> impl Iterator<Item = &Before> {
        self.so_named.iter().chain(&self.numbered)
    }

    /// Whether any of it may be a file of so many bytes.
    pub fn may_be(&self, size: u64) -> bool {
        self.all().any(|before| before.size == size)
    }
}

/// A listing that is on its way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListingId(i64);

/// Rows that go in one commit: so few that nobody who waits for his own notices.
const AT_ONCE: u32 = 1_000;

impl Journal {
    /// Begins a listing of a table. An earlier one counts until this one is whole.
    pub async fn begin_listing(
        &self,
        table: &str,
        now: Timestamp,
    ) -> Result<ListingId, JournalError> {
        let table = table.to_owned();
        self.write(move |connection| {
            // no table is called so: there is no line end in a reference or an endpoint
            let mut begin = connection.prepare_cached(
                "INSERT INTO listings (table_ref, began_at, whole) \
                 SELECT ?1 || char(10) || (coalesce(max(id), 0) + 1), ?2, 0 FROM listings RETURNING id",
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
                "INSERT INTO listed (listing, name, remote_id, size, md5, added_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET remote_id = excluded.remote_id, \
                 size = excluded.size, md5 = excluded.md5, added_at = excluded.added_at \
                 WHERE excluded.added_at IS NULL OR added_at IS NULL OR excluded.added_at >= added_at",
            )?;
            for row in &rows {
                let (size, md5) = (stored_size(row.size), &row.md5.0[..]);
                add.execute(params![
                    listing.0,
                    row.name,
                    row.remote.as_str(),
                    size,
                    md5,
                    row.added_at.map(millis)
                ])?;
            }
            Ok(())
        })
        .await
    }

    /// All rows of a table's listing are there: from now on it counts, unless one that was begun later counts already.
    pub async fn end_listing(&self, table: &str, listing: ListingId) -> Result<(), JournalError> {
        let table = table.to_owned();
        let replaced = self
            .write(move |connection| replace(connection, &table, listing))
            .await?;
        match replaced {
            Some(other) => self.give_up_listing(other).await,
            None => Ok(()),
        }
    }

    /// Forgets a listing that does not count: the table's earlier one goes on counting.
    pub async fn give_up_listing(&self, listing: ListingId) -> Result<(), JournalError> {
        while self
            .write(move |connection| {
                let rows = connection
                    .prepare_cached(
                        "DELETE FROM listed WHERE listing = ?1 AND name IN \
                         (SELECT name FROM listed WHERE listing = ?1 ORDER BY name LIMIT ?2)",
                    )?
                    .execute(params![listing.0, AT_ONCE])?;
                if rows == AT_ONCE as usize {
                    return Ok(true);
                }
                connection
                    .prepare_cached("DELETE FROM listings WHERE id = ?1")?
                    .execute([listing.0])?;
                Ok(false)
            })
            .await?
        {}
        Ok(())
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

/// Puts a listing in the place of the one that counts. Returns which of the two does not count now, if there are two.
fn replace(
    connection: &Connection,
    table: &str,
    listing: ListingId,
) -> rusqlite::Result<Option<ListingId>> {
    let mut counting = connection.prepare_cached("SELECT id FROM listings WHERE table_ref = ?1")?;
    let counting: Option<i64> = counting.query_row([table], |row| row.get(0)).optional()?;
    // not by their times: the clock may have been set back
    if counting.is_some_and(|id| id > listing.0) {
        return Ok(Some(listing));
    }
    connection
        .prepare_cached(
            "UPDATE listings SET table_ref = table_ref || char(10) || id, whole = 0 WHERE table_ref = ?1",
        )?
        .execute([table])?;
    connection
        .prepare_cached("UPDATE listings SET table_ref = ?2, whole = 1 WHERE id = ?1")?
        .execute(params![listing.0, table])?;
    Ok(counting.map(ListingId))
}

/// Nobody lists anything yet: what is not whole was cut off.
pub(super) fn forget_parts(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "DELETE FROM listed WHERE listing IN (SELECT id FROM listings WHERE whole = 0);
         DELETE FROM listings WHERE whole = 0;",
    )
}

const LISTED: &str = "SELECT remote_id, size, md5, began_at, name FROM listings JOIN listed ON listing = id \
     WHERE table_ref = ?1 AND whole = 1 AND name >= ?2 AND name < ?3";

/// What the listing of a job's table has under its name. Only rows are given names with numbers: of files there may be
/// several with one name. However many have the size: what is left out here is sent again.
pub(super) fn listed(connection: &Connection, job: &Job) -> rusqlite::Result<Option<Held>> {
    let wanted = job.remote_name.as_str();
    let names = match job.kind {
        Kind::Tabular => numbered_names(wanted),
        // the very next text, in the order of bytes
        Kind::Files => wanted.to_owned()..format!("{wanted}\0"),
    };
    let mut statement = connection.prepare_cached(LISTED)?;
    let mut rows = statement.query(params![job.table, names.start, names.end])?;
    let (mut so_named, mut numbered, mut began) = (None, Vec::new(), None);
    while let Some(row) = rows.next()? {
        let name = row.get_ref("name")?.as_str()?;
        let before = Before {
            remote: RemoteId::new(row.get::<_, String>("remote_id")?),
            size: row.get::<_, i64>("size")?.unsigned_abs(),
            md5: Some(Md5(row.get("md5")?)),
        };
        if name == wanted {
            so_named = Some(before);
        } else if before.size == job.seen.size && is_numbered(name, wanted) {
            numbered.push(before);
        } else {
            continue;
        }
        began = Some(row.get::<_, i64>("began_at")?);
    }
    Ok(began.map(|began| Held {
        so_named,
        numbered,
        at: Timestamp::from_millisecond(began).unwrap_or_default(),
    }))
}
