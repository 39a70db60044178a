//! Accounts: how each is doing, and which one each watch had.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{Connection, Row};

use super::rows::time_or_null;
use super::start::Configured;
use super::{JournalError, Reader};
use crate::job::WatchName;

/// How an account is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// Its name.
    pub name: String,
    /// Where its API is.
    pub endpoint: String,
    /// `ok` or `paused`.
    pub state: String,
    /// Why it is paused, or what is wrong on the way.
    pub reason: String,
    /// No request to the API before this time.
    pub throttled_until: Option<Timestamp>,
    /// Requests that the API still allows, as far as it said.
    pub budget_left: Option<u32>,
    /// Bytes a second that went out lately.
    pub rate: u64,
}

impl Reader {
    /// The accounts that the watches name, by name.
    pub fn accounts(&self) -> Result<Vec<AccountRow>, JournalError> {
        self.all("SELECT * FROM accounts ORDER BY name", account_row)
    }
}

fn account_row(row: &Row<'_>) -> rusqlite::Result<AccountRow> {
    Ok(AccountRow {
        name: row.get("name")?,
        endpoint: row.get("endpoint")?,
        state: row.get("account_state")?,
        reason: row.get("account_reason")?,
        throttled_until: time_or_null(row, "throttled_until")?,
        budget_left: row.get("budget_left")?,
        rate: row.get::<_, i64>("rate")?.unsigned_abs(),
    })
}

/// The account that each watch had until now.
pub(super) fn former(connection: &Connection) -> rusqlite::Result<HashMap<WatchName, String>> {
    let mut watches = connection.prepare("SELECT name, account FROM watches")?;
    let former = watches.query_map([], |row| {
        let name = WatchName::new(row.get::<_, String>("name")?);
        Ok((name, row.get("account")?))
    })?;
    former.collect()
}

/// Forgets how the accounts were doing, and begins with those that are configured.
pub(super) fn begin(connection: &Connection, watches: &[Configured]) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM accounts", [])?;
    let mut insert = connection
        .prepare_cached("INSERT OR IGNORE INTO accounts (name, endpoint) VALUES (?1, ?2)")?;
    let mut each = watches.iter();
    each.try_for_each(|watch| insert.execute([&watch.account, &watch.endpoint]).map(drop))
}
