//! The calls of Redivis' API that the daemon makes. Each is one request.

use std::collections::HashSet;

use reqwest::Method;
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use url::Url;

use super::address::{resource, sendable};
use super::{ApiError, Client, shapes};
use crate::crash_point::Call;
use crate::job::{Md5, RemoteId, TempUploadId, TempUrl};

/// Temp uploads, or files, that one request may hold.
pub const BATCH_LIMIT: usize = 1000;

/// One temp upload to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TempUploadRequest {
    /// The remote name.
    pub name: String,
    /// Bytes, exactly.
    pub size: u64,
    /// Whether it is sent in a resumable session.
    pub resumable: bool,
}

/// A place that Redivis made for the bytes of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TempUpload {
    /// What the registration names.
    pub id: TempUploadId,
    /// Where the bytes go.
    pub url: TempUrl,
    /// As asked for.
    pub size: u64,
    /// As asked for.
    pub resumable: bool,
}

/// One file to add to a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The remote name; may hold `/`.
    pub name: String,
    /// The temp upload that holds its bytes.
    pub temp: TempUploadId,
}

/// A file as Redivis says it has added it. Not yet compared with anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredFile {
    /// Redivis' id.
    pub id: RemoteId,
    /// As registered.
    pub name: String,
    /// Bytes that Redivis holds.
    pub size: u64,
    /// Of the bytes that Redivis holds.
    pub md5: Md5,
}

/// A file in a table's listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// Redivis' id.
    pub id: RemoteId,
    /// As registered.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Of those bytes.
    pub md5: Md5,
    /// When it was added, where the listing says so.
    pub added_at: Option<jiff::Timestamp>,
}

/// What `check --online` wants to know of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableInfo {
    /// Its name.
    pub name: Option<String>,
    /// The full reference, as Redivis writes it.
    pub qualified_reference: Option<String>,
    /// Whether it holds files. `None`: the answer does not say.
    pub is_file_index: Option<bool>,
}

/// What `check --online` wants to know of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetInfo {
    /// Its name.
    pub name: Option<String>,
    /// The full reference, as Redivis writes it.
    pub qualified_reference: Option<String>,
    /// The version that was released last, such as `v1.0`, where the answer names one.
    pub released: Option<String>,
    /// Whether there is an unreleased version to add files to.
    pub has_next_version: bool,
}

impl Client {
    /// Asks for places for bytes. Harmless to repeat: an unused one expires.
    ///
    /// The answer is checked as a whole, since a wrong order would mix files up: number, sizes and
    /// `resumable` as asked, no id or URL twice, every URL absolute and safe to send to.
    ///
    /// # Panics
    /// With more than [`BATCH_LIMIT`].
    pub async fn create_temp_uploads(
        &self,
        table: &str,
        wanted: &[TempUploadRequest],
    ) -> Result<Vec<TempUpload>, ApiError> {
        assert!(
            wanted.len() <= BATCH_LIMIT,
            "a batch is at most {BATCH_LIMIT}"
        );
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let body = shapes::NewTempUploads {
            temp_uploads: wanted
                .iter()
                .map(|one| shapes::NewTempUpload {
                    name: &one.name,
                    size: one.size,
                    resumable: one.resumable,
                })
                .collect(),
        };
        let url = self.locate("tables", table, "/tempUploads")?;
        let list: shapes::List<shapes::TempUpload> =
            self.post(Call::TEMP_UPLOADS, url, &body).await?;
        as_asked(wanted, list.results).map_err(ApiError::nonsense)
    }

    /// Adds files to a table. Not idempotent: unless the error says
    /// [`certainly_not_applied`](ApiError::certainly_not_applied), look before repeating it.
    ///
    /// # Panics
    /// With more than [`BATCH_LIMIT`].
    pub async fn register_files(
        &self,
        table: &str,
        files: &[Registration],
    ) -> Result<Vec<RegisteredFile>, ApiError> {
        assert!(
            files.len() <= BATCH_LIMIT,
            "a batch is at most {BATCH_LIMIT}"
        );
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let body = shapes::NewFiles {
            files: files
                .iter()
                .map(|file| shapes::NewFile {
                    name: &file.name,
                    temp_upload_id: file.temp.as_str(),
                })
                .collect(),
        };
        let url = self.locate("tables", table, "/rawFiles")?;
        let list: shapes::List<shapes::RawFile> = self.post(Call::RAW_FILES, url, &body).await?;
        same_count(files.len(), list.results.len()).map_err(ApiError::nonsense)?;
        list.results.into_iter().map(registered).collect()
    }

    /// A table, if the token may see it.
    pub async fn table(&self, table: &str) -> Result<TableInfo, ApiError> {
        let url = self.locate("tables", table, "")?;
        let table: shapes::Table = self.call(Method::GET, url, None).await?;
        Ok(TableInfo {
            name: table.name,
            qualified_reference: table.qualified_reference,
            is_file_index: table.is_file_index,
        })
    }

    /// A dataset, if the token may see it.
    pub async fn dataset(&self, dataset: &str) -> Result<DatasetInfo, ApiError> {
        let url = self.locate("datasets", dataset, "")?;
        let dataset: shapes::Dataset = self.call(Method::GET, url, None).await?;
        Ok(DatasetInfo {
            name: dataset.name,
            qualified_reference: dataset.qualified_reference,
            released: dataset.current_version.as_ref().and_then(tag),
            has_next_version: dataset.next_version.is_some(),
        })
    }

    /// Makes the next version of a dataset. Not idempotent, although Redivis refuses to make a second one: after a
    /// release it makes another. Unless the error says [`certainly_not_applied`](ApiError::certainly_not_applied),
    /// look before repeating it.
    pub async fn create_next_version(&self, dataset: &str) -> Result<(), ApiError> {
        let url = self.locate("datasets", dataset, "/versions")?;
        Call::NEXT_VERSION.before();
        let answer = self.call::<IgnoredAny>(Method::POST, url, None).await;
        Call::NEXT_VERSION.answered();
        answer.map(drop)
    }

    pub(super) fn locate(&self, kind: &str, reference: &str, rest: &str) -> Result<Url, ApiError> {
        let refused = |text: &str| ApiError::Refused {
            status: 400,
            code: None,
            text: text.into(),
        };
        let own = self.own(reference);
        let reference =
            own.ok_or_else(|| refused("this table is at the endpoint of another account"))?;
        resource(self.endpoint(), kind, reference, rest)
            .ok_or_else(|| refused("this is no reference to a table or dataset"))
    }

    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        call: Call,
        url: Url,
        body: &impl Serialize,
    ) -> Result<T, ApiError> {
        let body = serde_json::to_vec(body)
            .map_err(|error| ApiError::nonsense(format!("cannot write the request: {error}")))?;
        call.before();
        let answer = self.call(Method::POST, url, Some(body)).await;
        call.answered();
        answer
    }
}

/// What a version is called, in the characters that such a name has.
fn tag(version: &serde_json::Value) -> Option<String> {
    const LONGEST: usize = 64;
    let text = version["tag"].as_str().or_else(|| version.as_str())?;
    let plain = text
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c));
    Some(plain.take(LONGEST).collect::<String>()).filter(|tag| !tag.is_empty())
}

fn as_asked(
    wanted: &[TempUploadRequest],
    given: Vec<shapes::TempUpload>,
) -> Result<Vec<TempUpload>, String> {
    same_count(wanted.len(), given.len())?;
    let mut ids = HashSet::new();
    let mut urls = HashSet::new();
    for (at, (wanted, given)) in wanted.iter().zip(&given).enumerate() {
        let wrong = |what| Err(format!("temp upload {at} has {what}"));
        if given.size.is_some_and(|size| size.0 != wanted.size) {
            return wrong("another size than asked for");
        }
        if given.resumable.is_some_and(|yes| yes != wanted.resumable) {
            return wrong("another `resumable` than asked for");
        }
        if given.id.is_empty() || !ids.insert(&given.id) {
            return wrong("no id of its own");
        }
        if sendable(&given.url).is_none() {
            return wrong("a URL that is not absolute and https");
        }
        if !urls.insert(&given.url) {
            return wrong("no URL of its own");
        }
    }
    Ok(wanted
        .iter()
        .zip(given)
        .map(|(wanted, given)| TempUpload {
            id: TempUploadId::new(given.id),
            url: TempUrl::new(given.url),
            size: wanted.size,
            resumable: wanted.resumable,
        })
        .collect())
}

fn same_count(wanted: usize, given: usize) -> Result<(), String> {
    if wanted == given {
        return Ok(());
    }
    Err(format!("{given} results for {wanted}"))
}

fn registered(file: shapes::RawFile) -> Result<RegisteredFile, ApiError> {
    Ok(RegisteredFile {
        md5: Md5::parse(&file.md5_hash)
            .map_err(|_| ApiError::nonsense("a file whose md5Hash is no md5"))?,
        id: RemoteId::new(file.id),
        name: file.name,
        size: file.size.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn given(at: usize, wanted: &TempUploadRequest) -> shapes::TempUpload {
        shapes::TempUpload {
            id: format!("t{at}"),
            url: format!("https://up.example/{at}"),
            size: Some(shapes::Count(wanted.size)),
            resumable: Some(wanted.resumable),
        }
    }

    proptest! {
        /// A wrong order would store one file's bytes under another's name.
        #[test]
        fn any_answer_that_does_not_fit_what_was_asked_is_refused_as_a_whole(
            sizes in proptest::collection::vec((0..5_u64, any::<bool>()), 1..8),
            (from, to) in (0..8_usize, 0..8_usize),
            harm in 0..8,
        ) {
            let wanted: Vec<_> = sizes
                .into_iter()
                .map(|(size, resumable)| TempUploadRequest { name: "n".into(), size, resumable })
                .collect();
            let (from, to) = (from % wanted.len(), to % wanted.len());
            let list = || wanted.iter().enumerate().map(|(at, one)| given(at, one)).collect::<Vec<_>>();
            let right = as_asked(&wanted, list()).unwrap();
            for (at, (right, wanted)) in right.iter().zip(&wanted).enumerate() {
                prop_assert_eq!(right.id.as_str(), format!("t{at}"));
                prop_assert_eq!((right.size, right.resumable), (wanted.size, wanted.resumable));
            }
            let mut list = list();
            match harm {
                0 => list.swap(from, to),
                1 => drop(list.remove(from)),
                2 => list.push(given(99, &wanted[from])),
                3 => list[from].id = list[to].id.clone(),
                4 => list[from].url = list[to].url.clone(),
                5 => list[from].url = "http://up.example/plain".into(),
                6 => list[from].size = Some(shapes::Count(wanted[from].size + 1)),
                _ => list[from].resumable = Some(!wanted[from].resumable),
            }
            let alike = wanted[from].size == wanted[to].size && wanted[from].resumable == wanted[to].resumable;
            let harmless = match harm {
                0 => alike,
                3 | 4 => from == to,
                _ => false,
            };
            prop_assert_eq!(as_asked(&wanted, list).is_ok(), harmless);
        }
    }
}
