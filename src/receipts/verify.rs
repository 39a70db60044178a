//! Receipts against the listings of their tables: one listing a table.
//!
//! Of the receipts of one name only the newest can be contradicted. Its table may keep the versions before it or not:
//! our own newer one stands in their place.

use std::collections::{BTreeMap, HashMap};

use thiserror::Error;

use crate::job::{JobId, Kind, Md5, RemoteId, address};
use crate::journal::{JournalError, Reader, Receipt, ReceiptFilter};
use crate::redivis::{ApiError, Client, RemoteFile};

use super::rows;

/// What is not as the receipts say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The table has nothing of this name.
    Missing(Receipt),
    /// The table has something else by this name: so many bytes, this md5.
    Altered(Receipt, u64, Md5),
    /// The table has rows by this name, and does not tell the size and md5 of what they came from.
    Untold(Receipt),
    /// No account of the configuration goes to the endpoint of a table, of which there are so many receipts.
    NoAccount(String, u64),
    /// A table could not be asked for the files of so many receipts, and why.
    NoTable(String, u64, String),
}

/// How many receipts were looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// As they should be.
    pub there: u64,
    /// Of these, by name and size alone: they have no md5.
    pub by_size: u64,
    /// Older versions, in whose place there is a newer one of our own.
    pub replaced: u64,
    /// See [`Finding`].
    pub wrong: u64,
}

/// Why receipts could not be held against anything.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Redivis, or the way there.
    #[error(transparent)]
    Api(#[from] ApiError),
}

/// What a receipt says of a name.
pub(super) struct Said {
    pub(super) job: JobId,
    pub(super) size: u64,
    pub(super) md5: Option<Md5>,
    pub(super) remote: RemoteId,
}

/// What the newest receipts of a table say, by name.
pub(super) type Names = HashMap<String, Said>;

/// What a listing has against a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contradiction {
    /// Nothing of this name.
    Missing,
    /// Something else.
    Altered(u64, Md5),
    /// Something, and nobody knows what.
    Untold,
}

/// Asks each table once, by the client that it is asked with, and tells what is not as it should be.
///
/// A table that cannot be asked is a finding, and the others are asked all the same; the first such failure that is no
/// word of the table itself is returned beside the tally.
///
/// What is kept of a table at a time is its names, not its receipts: there may be millions.
pub async fn verify<E>(
    reader: &Reader,
    client_of: impl Fn(&str) -> Result<Option<Client>, E>,
    filter: &ReceiptFilter,
    mut tell: impl FnMut(Finding),
) -> Result<(Tally, Option<E>), E>
where
    E: From<VerifyError> + From<JournalError> + ToString,
{
    let mut tally = Tally::default();
    let mut failed = None;
    for (table, kind) in reader.receipt_tables(filter)? {
        let filter = ReceiptFilter {
            table: Some(table.clone()),
            is_whole: true,
            kind: Some(kind.clone()),
            ..filter.clone()
        };
        let mut said = HashMap::new();
        let mut receipts = 0;
        reader.receipts(&filter, |receipt| {
            receipts += 1;
            if receipt.replaced {
                tally.replaced += 1;
            } else {
                let Receipt {
                    job,
                    seen,
                    md5,
                    remote,
                    ..
                } = receipt;
                let size = seen.size;
                let receipt_says = Said {
                    job,
                    size,
                    md5,
                    remote,
                };
                said.insert(receipt.remote_name, receipt_says);
            }
            true
        })?;
        let client = match client_of(&table) {
            Ok(Some(client)) => client,
            Ok(None) => {
                tally.wrong += receipts;
                tell(Finding::NoAccount(table, receipts));
                continue;
            }
            Err(error) => {
                tally.wrong += receipts;
                tell(Finding::NoTable(table, receipts, error.to_string()));
                failed.get_or_insert(error);
                continue;
            }
        };
        let compared = match Kind::parse(&kind) {
            Some(Kind::Files) => list(&client, &table, &said)
                .await
                .map(|listed| compare(&said, listed)),
            Some(Kind::Tabular) => rows::list(&client, &table, &said)
                .await
                .map(|listed| rows::compare(&said, &listed)),
            None => {
                tally.wrong += receipts;
                let why = format!("this version knows no `{kind}` tables");
                tell(Finding::NoTable(table, receipts, why));
                continue;
            }
        };
        let wrong = match compared {
            Ok(wrong) => wrong,
            Err(error) => {
                tally.wrong += receipts;
                tell(Finding::NoTable(table, receipts, error.to_string()));
                if !matches!(error, ApiError::Refused { .. }) {
                    failed.get_or_insert_with(|| VerifyError::from(error).into());
                }
                continue;
            }
        };
        let sound = said.values().filter(|said| !wrong.contains_key(&said.job));
        for said in sound {
            tally.there += 1;
            tally.by_size += u64::from(said.md5.is_none());
        }
        if wrong.is_empty() {
            continue;
        }
        reader.receipts(&filter, |receipt| {
            if let Some(found) = wrong.get(&receipt.job) {
                tally.wrong += 1;
                tell(match *found {
                    Contradiction::Missing => Finding::Missing(receipt),
                    Contradiction::Altered(size, md5) => Finding::Altered(receipt, size, md5),
                    Contradiction::Untold => Finding::Untold(receipt),
                });
            }
            true
        })?;
    }
    Ok((tally, failed))
}

/// The table's rows of these names. A next version that was released meanwhile is the current one.
async fn list(client: &Client, table: &str, said: &Names) -> Result<Vec<RemoteFile>, ApiError> {
    let wanted = |name: &str| said.contains_key(name);
    match (
        client.list_files(table, wanted).await,
        address::released(table),
    ) {
        (Err(ApiError::Refused { .. }), Some(released)) => {
            client.list_files(&released, wanted).await
        }
        (listed, _) => listed,
    }
}

/// The jobs whose receipts are contradicted, and by what, if the table has anything of that name.
fn compare(said: &Names, listed: Vec<RemoteFile>) -> BTreeMap<JobId, Contradiction> {
    let each = said.values().map(|said| (said.job, Contradiction::Missing));
    let mut wrong: BTreeMap<_, _> = each.collect();
    for row in listed {
        let Some(said) = said.get(&row.name) else {
            continue;
        };
        if row.size == said.size && said.md5.is_none_or(|md5| md5 == row.md5) {
            wrong.remove(&said.job);
        } else if let Some(other) = wrong.get_mut(&said.job) {
            *other = Contradiction::Altered(row.size, row.md5);
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::RemoteId;

    fn row(name: &str, size: u64, md5: u8) -> RemoteFile {
        RemoteFile {
            id: RemoteId::new(format!("{name}-{size}-{md5}")),
            name: name.to_owned(),
            size,
            md5: Md5([md5; 16]),
            added_at: None,
        }
    }

    #[test]
    fn a_receipt_is_contradicted_unless_one_row_is_as_it_says() {
        let one = |md5: Option<u8>| {
            let (job, size) = (JobId(1), 5);
            let md5 = md5.map(|md5| Md5([md5; 16]));
            let remote = RemoteId::new("r");
            let said = Said {
                job,
                size,
                md5,
                remote,
            };
            HashMap::from([("a".to_owned(), said)])
        };
        let found = |said: &Names, rows: Vec<RemoteFile>| compare(said, rows).remove(&JobId(1));
        let by_md5 = one(Some(1));
        assert_eq!(found(&by_md5, vec![row("a", 5, 1)]), None);
        assert_eq!(found(&by_md5, vec![row("a", 6, 2), row("a", 5, 1)]), None);
        assert_eq!(found(&by_md5, vec![row("a", 5, 1), row("a", 6, 2)]), None);
        let missing = Some(Contradiction::Missing);
        assert_eq!(found(&by_md5, vec![]), missing);
        assert_eq!(found(&by_md5, vec![row("b", 5, 1)]), missing);
        for (size, md5) in [(5, 2), (6, 1)] {
            let other = Some(Contradiction::Altered(size, Md5([md5; 16])));
            assert_eq!(found(&by_md5, vec![row("a", size, md5)]), other);
        }
        // only its CRC32C was taken: there is nothing but its size
        assert_eq!(found(&one(None), vec![row("a", 5, 9)]), None);
        assert!(found(&one(None), vec![row("a", 6, 9)]).is_some());
    }
}
