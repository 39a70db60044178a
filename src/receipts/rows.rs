//! Receipts of rows against the list of their table's uploads.
//!
//! An upload is found by its address, or by its name and content: the address may name a version of the dataset that
//! has been released since. Rows are there only when an import is complete.

use std::collections::BTreeMap;

use super::verify::{Contradiction, Names, Said};
use crate::job::{JobId, address};
use crate::redivis::{ApiError, Client, Import, Upload};

/// A list has no more pages: a million uploads.
const MOST_PAGES: usize = 1000;

/// The table's uploads that may be meant. A next version that was released meanwhile is the current one.
pub(super) async fn list(
    client: &Client,
    table: &str,
    said: &Names,
) -> Result<Vec<Upload>, ApiError> {
    match (pages(client, table, said).await, address::released(table)) {
        (Err(ApiError::Refused { .. }), Some(released)) => pages(client, &released, said).await,
        (listed, _) => listed,
    }
}

async fn pages(client: &Client, table: &str, said: &Names) -> Result<Vec<Upload>, ApiError> {
    let (mut found, mut after) = (Vec::new(), None);
    let sums: std::collections::HashSet<_> = said.values().map(|said| said.md5).collect();
    let uris: std::collections::HashSet<_> = said.values().map(|said| &said.remote).collect();
    for _ in 0..MOST_PAGES {
        let page = client.list_uploads(table, after.as_deref()).await?;
        found.extend(page.uploads.into_iter().filter(|upload| {
            let may_be_meant = said.contains_key(&upload.name)
                || uris.contains(&upload.uri)
                || (upload.md5.is_some() && sums.contains(&upload.md5));
            may_be_meant && upload.import == Import::Completed
        }));
        match page.next {
            None => return Ok(found),
            Some(next) if Some(&next) == after.as_ref() => break,
            next => after = next,
        }
    }
    let what = "a list of uploads that does not end".to_owned();
    Err(ApiError::Nonsense { what })
}

/// The jobs whose receipts are contradicted, and by what.
pub(super) fn compare(said: &Names, listed: &[Upload]) -> BTreeMap<JobId, Contradiction> {
    let mut by_sum: BTreeMap<_, Vec<&Upload>> = BTreeMap::new();
    let mut by_uri: BTreeMap<_, &Upload> = BTreeMap::new();
    let mut by_name: BTreeMap<_, &Upload> = BTreeMap::new();
    for upload in listed {
        by_sum
            .entry(upload.md5.map(|md5| md5.0))
            .or_default()
            .push(upload);
        by_uri.insert(upload.uri.as_str(), upload);
        by_name.insert(&*upload.name, upload);
    }
    let mut wrong = BTreeMap::new();
    for (name, said) in said {
        let of_sum = said.md5.and_then(|md5| by_sum.get(&Some(md5.0)));
        let mut alike = of_sum
            .into_iter()
            .flatten()
            .filter(|upload| is_as(said, upload));
        if alike.any(|upload| upload.uri == said.remote || upload.goes_by(name)) {
            continue;
        }
        let other = by_uri
            .get(said.remote.as_str())
            .or_else(|| by_name.get(&**name));
        wrong.insert(
            said.job,
            other.map_or(Contradiction::Missing, |other| contradiction(other)),
        );
    }
    wrong
}

fn is_as(said: &Said, upload: &Upload) -> bool {
    upload.size == Some(said.size) && upload.md5.is_some() && upload.md5 == said.md5
}

fn contradiction(other: &Upload) -> Contradiction {
    match (other.size, other.md5) {
        (Some(size), Some(md5)) => Contradiction::Altered(size, md5),
        _ => Contradiction::Untold,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Md5, RemoteId};

    fn upload(uri: &str, name: &str, size: Option<u64>, md5: Option<u8>) -> Upload {
        Upload {
            uri: RemoteId::new(uri),
            name: name.into(),
            import: Import::Completed,
            size,
            md5: md5.map(|md5| Md5([md5; 16])),
            rows: None,
        }
    }

    #[test]
    fn rows_are_found_by_address_or_by_name_and_only_with_their_content() {
        let said = Said {
            job: JobId(1),
            size: 5,
            md5: Some(Md5([1; 16])),
            remote: RemoteId::new("/u"),
        };
        let said = Names::from([("a.csv".to_owned(), said)]);
        let (size, md5) = (Some(5), Some(1));
        let altered = Contradiction::Altered(6, Md5([1; 16]));
        for (uri, name, size, md5, want) in [
            ("/u", "a.csv", size, md5, None),
            // another name was free
            ("/u", "b.csv", size, md5, None),
            // the version was released
            ("/v", "a.csv", size, md5, None),
            ("/v", "a.csv-2", size, md5, None),
            ("/v", "b.csv", size, md5, Some(Contradiction::Missing)),
            ("/u", "a.csv", Some(6), md5, Some(altered)),
            ("/v", "a.csv", Some(6), md5, Some(altered)),
            ("/u", "a.csv", size, None, Some(Contradiction::Untold)),
            ("/u", "a.csv", None, md5, Some(Contradiction::Untold)),
        ] {
            let listed = [upload(uri, name, size, md5)];
            let found = compare(&said, &listed).remove(&JobId(1));
            assert_eq!(found, want, "{uri} {name} {size:?} {md5:?}");
        }
        let found = compare(&said, &[]).remove(&JobId(1));
        assert_eq!(found, Some(Contradiction::Missing));
    }
}
