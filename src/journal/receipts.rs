//! Receipts: what came to be in a table, for good.
//!
//! A receipt is written in the same commit as the move that says so. Two triggers of the journal refuse to change or
//! remove one.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params};

use super::home::there;
use super::rows::{fingerprint, millis, path_bytes, time};
use super::{JournalError, Reader};
use crate::job::{Fingerprint, JobId, Md5, RemoteId, WatchName, address};

/// That a version of a file is in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The job that carried it, which may be gone.
    pub job: JobId,
    /// The watch that saw it.
    pub watch: WatchName,
    /// Where it lay; below the drop folder only, if nobody knows where that was.
    pub path: PathBuf,
    /// Its name in the table.
    pub remote_name: String,
    /// The table.
    pub table: String,
    /// `files` or `tabular`.
    pub kind: String,
    /// Redivis' id.
    pub remote: RemoteId,
    /// The version.
    pub seen: Fingerprint,
    /// Of the bytes that were read here and that the table lists; `None` if only their CRC32C was taken.
    pub md5: Option<Md5>,
    /// When the file had settled.
    pub created_at: Timestamp,
    /// When the table had it.
    pub registered_at: Timestamp,
    /// The table has a newer version of this name, by a receipt of its own.
    pub replaced: bool,
}

/// Which receipts; everything that is given must hold.
#[derive(Debug, Clone, Default)]
pub struct ReceiptFilter {
    /// The local path, or the remote name, contains this text.
    pub path: Option<String>,
    /// The file had this md5.
    pub md5: Option<Md5>,
    /// This table, as the configuration named it; of whatever endpoint if none is named.
    pub table: Option<String>,
    /// The table is at the journal's home if no endpoint is named.
    pub is_whole: bool,
    /// `files` or `tabular`.
    pub kind: Option<String>,
    /// This watch.
    pub watch: Option<String>,
    /// Registered at this time or later.
    pub since: Option<Timestamp>,
    /// Registered before this time.
    pub before: Option<Timestamp>,
}

/// Receipts that are read in one transaction.
pub(super) const PAGE: usize = 1000;

/// Everything stands in the job's row by now, but where its drop folder is.
const GIVE: &str = "INSERT INTO receipts (job, watch, root, path, remote_name, table_ref, kind, remote_id, dev, ino, size, \
     mtime_ns, ctime_ns, md5, created_at, registered_at) \
     SELECT id, watch, (SELECT watches.path FROM watches WHERE watches.name = jobs.watch), path, remote_name, table_ref, \
     kind, remote_id, dev, ino, size, mtime_ns, ctime_ns, md5, created_at, ?2 FROM jobs WHERE id = ?1 \
     ON CONFLICT (job) DO NOTHING";

const PROOFS: &str = "SELECT size, md5 FROM receipts WHERE watch = ?1 AND path = ?2 \
     AND substr(table_ref, 1, instr(table_ref, '#')) = ?3 ORDER BY job";

/// Gives a job that is in its table its receipt. The first one stands.
pub(super) fn give(connection: &Connection, id: JobId, now: Timestamp) -> rusqlite::Result<()> {
    let mut give = connection.prepare_cached(GIVE)?;
    give.execute(params![id.0, millis(now)]).map(drop)
}

impl Reader {
    /// Whether the journal has receipts: not if an older version wrote it, and no daemon has run since.
    pub fn has_receipts(&self) -> Result<bool, JournalError> {
        let known = self.connection.table_exists(None, "receipts");
        known.map_err(|error| (&error).into())
    }

    /// Calls `each` for every receipt that the filter lets through, oldest job first, until it has enough. No transaction
    /// is open meanwhile.
    pub fn receipts(
        &self,
        filter: &ReceiptFilter,
        mut each: impl FnMut(Receipt) -> bool,
    ) -> Result<(), JournalError> {
        let mut after = JobId(0);
        loop {
            let (sql, values) = filter.page(after);
            let page = self.select(&sql, values, receipt)?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = last.job;
            if !page.into_iter().all(&mut each) {
                return Ok(());
            }
        }
    }

    /// The tables, and their kinds, that these receipts are of.
    pub fn receipt_tables(
        &self,
        filter: &ReceiptFilter,
    ) -> Result<Vec<(String, String)>, JournalError> {
        let (conditions, values) = filter.sql();
        let sql = format!(
            "SELECT DISTINCT table_ref, kind FROM receipts WHERE {conditions} ORDER BY 1, 2"
        );
        self.select(&sql, values, |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// Size and md5 of every version of a file that has a receipt of a table at the endpoint of this one; its path is below
    /// the folder of the watch.
    pub fn proofs(
        &self,
        watch: &WatchName,
        path: &Path,
        table: &str,
    ) -> Result<Vec<(u64, Option<Md5>)>, JournalError> {
        let values = vec![
            Value::Text(watch.to_string()),
            Value::Blob(path_bytes(path).to_vec()),
            Value::Text(there(table)),
        ];
        self.select(PROOFS, values, |row| {
            let md5 = row.get::<_, Option<[u8; 16]>>("md5")?.map(Md5);
            Ok((row.get::<_, i64>("size")?.unsigned_abs(), md5))
        })
    }
}

impl ReceiptFilter {
    /// The next receipts after one.
    pub(super) fn page(&self, after: JobId) -> (String, Vec<Value>) {
        let (conditions, values) = self.sql();
        let sql = format!(
            "SELECT *, EXISTS (SELECT 1 FROM receipts AS later WHERE later.table_ref = receipts.table_ref \
             AND later.remote_name = receipts.remote_name AND later.job > receipts.job) AS replaced \
             FROM receipts WHERE {conditions} AND job > {after} ORDER BY job LIMIT {PAGE}"
        );
        (sql, values)
    }

    /// For reading in pages, by number: no other index serves that, and each page would sort all that is left (hence the
    /// `+`).
    fn sql(&self) -> (String, Vec<Value>) {
        let mut conditions = vec!["1".to_owned()];
        let mut values = Vec::new();
        let mut must = |condition: &str, value| {
            values.push(value);
            conditions.push(condition.replace('?', &format!("?{}", values.len())));
        };
        if let Some(text) = &self.path {
            let local = "CAST(ifnull(root || '/', '') || path AS BLOB)";
            must(
                &format!("(instr(remote_name, ?) > 0 OR instr({local}, CAST(? AS BLOB)) > 0)"),
                Value::Text(text.clone()),
            );
        }
        if let Some(md5) = self.md5 {
            must("md5 = ?", Value::Blob(md5.0.to_vec()));
        }
        if let Some(table) = &self.table {
            let whole = "+table_ref = ?";
            // without an endpoint: at any
            let any = "(+table_ref = ? OR (instr(table_ref, '#') > 0 \
                 AND substr(table_ref, instr(table_ref, '#') + 1) = ?))";
            let is_whole = self.is_whole || address::parts(table).0.is_some();
            must(
                if is_whole { whole } else { any },
                Value::Text(table.clone()),
            );
        }
        if let Some(kind) = &self.kind {
            must("kind = ?", Value::Text(kind.clone()));
        }
        if let Some(watch) = &self.watch {
            must("+watch = ?", Value::Text(watch.clone()));
        }
        if let Some(since) = self.since {
            must("registered_at >= ?", Value::Integer(millis(since)));
        }
        if let Some(before) = self.before {
            must("registered_at < ?", Value::Integer(millis(before)));
        }
        (conditions.join(" AND "), values)
    }
}

fn receipt(row: &Row<'_>) -> rusqlite::Result<Receipt> {
    let root: Option<Vec<u8>> = row.get("root")?;
    let root = root.map(|root| PathBuf::from(OsString::from_vec(root)));
    let path = super::rows::path(row)?;
    Ok(Receipt {
        job: JobId(row.get("job")?),
        watch: WatchName::new(row.get::<_, String>("watch")?),
        path: root.unwrap_or_default().join(path),
        remote_name: row.get("remote_name")?,
        table: row.get("table_ref")?,
        kind: row.get("kind")?,
        remote: row.get::<_, String>("remote_id").map(RemoteId::new)?,
        seen: fingerprint(row)?,
        md5: row.get::<_, Option<[u8; 16]>>("md5")?.map(Md5),
        created_at: time(row.get("created_at")?)?,
        registered_at: time(row.get("registered_at")?)?,
        replaced: row.get("replaced")?,
    })
}
