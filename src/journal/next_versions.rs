//! The next versions of datasets that the daemon makes: at most one after each release.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::rows::{millis, stored_size};
use super::{Journal, JournalError};
use crate::crash_point::{self, Write};
use crate::job::Awake;

/// Which next version: that of a dataset, after a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextVersionOf {
    /// `owner.dataset`
    pub dataset: String,
    /// The version that was released last; empty if its name is not known.
    pub released: String,
}

/// What is known of a next version that was to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextVersionRow {
    /// It may have been asked for; since when it is known not to be there.
    Intended(Option<Awake>),
    /// It was there.
    Made,
    /// Redivis does not make it, with these words.
    Refused(String),
}

impl Journal {
    /// What is known of a next version; `None` if it was never to be made.
    pub async fn next_version(
        &self,
        of: &NextVersionOf,
    ) -> Result<Option<NextVersionRow>, JournalError> {
        let of = of.clone();
        self.write(move |connection| read(connection, &of)).await
    }

    /// Notes that a next version is about to be asked for.
    pub async fn intend_next_version(
        &self,
        of: &NextVersionOf,
        now: Timestamp,
    ) -> Result<(), JournalError> {
        let of = of.clone();
        self.write(move |connection| {
            crash_point::writing(Write::NEXT_VERSION_INTEND);
            connection
                .prepare_cached(
                    "INSERT INTO next_versions (dataset, released, state, intended_at) \
                     VALUES (?1, ?2, 'intended', ?3) ON CONFLICT DO UPDATE SET state = 'intended', \
                     intended_at = excluded.intended_at, absent_boot = NULL, absent_awake = NULL, why = NULL",
                )?
                .execute(params![of.dataset, of.released, millis(now)])
                .map(drop)
        })
        .await
    }

    /// Notes since when a next version that may have been asked for is known not to be there.
    pub async fn next_version_is_absent(
        &self,
        of: &NextVersionOf,
        since: Awake,
    ) -> Result<(), JournalError> {
        let of = of.clone();
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "UPDATE next_versions SET absent_boot = ?3, absent_awake = ?4 \
                     WHERE dataset = ?1 AND released = ?2 AND state = 'intended'",
                )?
                .execute(params![
                    of.dataset,
                    of.released,
                    since.boot,
                    stored_size(since.millis)
                ])
                .map(drop)
        })
        .await
    }

    /// Notes that every next version of a dataset that may have been asked for is there, or was.
    pub async fn next_version_is_there(&self, dataset: &str) -> Result<(), JournalError> {
        let dataset = dataset.to_owned();
        self.write(move |connection| {
            crash_point::writing(Write::NEXT_VERSION_DONE);
            connection
                .prepare_cached(
                    "UPDATE next_versions SET state = 'made', absent_boot = NULL, absent_awake = NULL \
                     WHERE dataset = ?1 AND state = 'intended'",
                )?
                .execute([&dataset])
                .map(drop)
        })
        .await
    }

    /// Notes that Redivis refuses to make a next version.
    pub async fn next_version_is_refused(
        &self,
        of: &NextVersionOf,
        why: String,
    ) -> Result<(), JournalError> {
        let of = of.clone();
        self.write(move |connection| {
            crash_point::writing(Write::NEXT_VERSION_DONE);
            connection
                .prepare_cached(
                    "UPDATE next_versions SET state = 'refused', why = ?3, absent_boot = NULL, \
                     absent_awake = NULL WHERE dataset = ?1 AND released = ?2",
                )?
                .execute(params![of.dataset, of.released, why])
                .map(drop)
        })
        .await
    }

    /// Forgets a next version that was certainly not asked for.
    pub async fn withdraw_next_version(&self, of: &NextVersionOf) -> Result<(), JournalError> {
        let of = of.clone();
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "DELETE FROM next_versions WHERE dataset = ?1 AND released = ?2 AND state = 'intended'",
                )?
                .execute(params![of.dataset, of.released])
                .map(drop)
        })
        .await
    }
}

/// A start is a person's word that things were mended: what was refused may be asked for once more.
pub(super) fn ask_again(connection: &Connection) -> rusqlite::Result<()> {
    let mut forget =
        connection.prepare_cached("DELETE FROM next_versions WHERE state = 'refused'")?;
    forget.execute([]).map(drop)
}

/// What is known of a next version.
pub(super) fn read(
    connection: &Connection,
    of: &NextVersionOf,
) -> rusqlite::Result<Option<NextVersionRow>> {
    let mut statement = connection.prepare_cached(
        "SELECT state, absent_boot, absent_awake, why FROM next_versions WHERE dataset = ?1 AND released = ?2",
    )?;
    statement
        .query_row(params![of.dataset, of.released], known)
        .optional()
}

fn known(row: &Row<'_>) -> rusqlite::Result<NextVersionRow> {
    let why: Option<String> = row.get("why")?;
    let state: String = row.get("state")?;
    if let Some(why) = why {
        return Ok(NextVersionRow::Refused(why));
    }
    if state == "made" {
        return Ok(NextVersionRow::Made);
    }
    let boot: Option<String> = row.get("absent_boot")?;
    let awake: Option<i64> = row.get("absent_awake")?;
    let since = boot.zip(awake).map(|(boot, millis)| Awake {
        boot,
        millis: millis.unsigned_abs(),
    });
    Ok(NextVersionRow::Intended(since))
}
