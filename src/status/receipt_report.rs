//! One line of `receipts`.

use jiff::Timestamp;
use serde::Serialize;

use crate::job::{address, printable};
use crate::journal::Receipt;

/// A receipt, as `receipts` prints it. Its fields are those of [`super::JobReport`], where they mean the same.
#[derive(Debug, Clone, Serialize)]
pub struct ReceiptReport {
    /// The job that carried it.
    pub job: i64,
    /// The watch that saw the file.
    pub watch: String,
    /// Where it lay: a whole path; relative if nobody knows where the watch's folder was. Bytes that are no text as
    /// `%XX`.
    pub path: String,
    /// Its name in the table.
    pub remote_name: String,
    /// The table.
    pub table: String,
    /// `files` or `tabular`.
    pub kind: String,
    /// Redivis' id of the file.
    pub remote_id: String,
    /// Bytes.
    pub size: u64,
    /// Of the bytes that were read here, in hex; none with `verify = "crc32c"`.
    pub md5: Option<String>,
    /// When the file was last changed.
    pub mtime: Option<Timestamp>,
    /// When it had settled.
    pub created_at: Timestamp,
    /// When the table had it.
    pub registered_at: Timestamp,
    /// Where the table's API is, if that is another endpoint than the journal's home.
    pub endpoint: Option<String>,
}

impl ReceiptReport {
    /// The names of the fields, in their order.
    pub const FIELDS: [&str; 13] = [
        "job",
        "watch",
        "path",
        "remote_name",
        "table",
        "kind",
        "remote_id",
        "size",
        "md5",
        "mtime",
        "created_at",
        "registered_at",
        "endpoint",
    ];
}

impl From<Receipt> for ReceiptReport {
    fn from(receipt: Receipt) -> Self {
        let (endpoint, table) = address::parts(&receipt.table);
        Self {
            endpoint: endpoint.map(str::to_owned),
            table: table.to_owned(),
            job: receipt.job.0,
            watch: receipt.watch.to_string(),
            path: printable(&receipt.path),
            remote_name: receipt.remote_name,
            kind: receipt.kind,
            remote_id: receipt.remote.to_string(),
            size: receipt.seen.size,
            md5: receipt.md5.map(|md5| md5.to_string()),
            mtime: Timestamp::from_nanosecond(receipt.seen.mtime_ns.into()).ok(),
            created_at: receipt.created_at,
            registered_at: receipt.registered_at,
        }
    }
}
