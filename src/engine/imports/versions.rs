//! A list of uploads when the table's reference names the next version of its dataset.
//!
//! Somebody may release that version while Redivis imports. Then the reference means nothing, or another version, and what
//! was taken in is in the current one, perhaps under another address. So the current one is asked too, and an upload is
//! known again by its name and content.

use std::collections::{HashMap, HashSet};

use tokio::time::Instant;

use super::same::{Content, content};
use crate::engine::Shared;
use crate::job::{Job, JobId, Md5, RemoteId, address};
use crate::redivis::{ApiError, Upload};

/// The uploads that are wanted in the table that was named, and in the one that it became if it was released.
///
/// # Errors
/// Those of the table that was named, if neither tells.
pub(super) async fn everywhere(
    shared: &Shared,
    table: &str,
    wanted: impl Fn(&Upload) -> bool + Send + Sync,
) -> Result<Vec<Upload>, ApiError> {
    let named = super::list(shared, table, &wanted).await;
    match address::released(table) {
        Some(current) => and_released(shared, named, &current, wanted).await,
        None => named,
    }
}

/// What the table that was named has told, and what the one that it became tells, if it ever did.
async fn and_released(
    shared: &Shared,
    named: Result<Vec<Upload>, ApiError>,
    current: &str,
    wanted: impl Fn(&Upload) -> bool + Send + Sync,
) -> Result<Vec<Upload>, ApiError> {
    if !matches!(named, Ok(_) | Err(ApiError::Refused { .. })) {
        return named;
    }
    match super::list(shared, current, wanted).await {
        Ok(released) => {
            let mut listed = named.unwrap_or_default();
            listed.extend(released);
            Ok(listed)
        }
        Err(ApiError::Refused { .. }) => named,
        Err(error) => Err(error),
    }
}

/// What is listed of some jobs.
pub(super) struct Listed {
    by_uri: HashMap<RemoteId, Upload>,
    by_sum: HashMap<Md5, Vec<Upload>>,
    /// Jobs whose upload may have another address by now. For others, what has another address is another upload.
    may_have_moved: HashSet<JobId>,
}

impl Listed {
    /// Lists the uploads of jobs in the table that was named, and in the one that it became if that refuses, or has not had
    /// one of them for long.
    ///
    /// # Errors
    /// Those of the table that was named, when neither tells.
    pub async fn of(shared: &Shared, table: &str, jobs: &[Job]) -> Result<Self, ApiError> {
        let uris: HashSet<_> = jobs
            .iter()
            .filter_map(|job| job.state.remote_id())
            .collect();
        let Some(current) = address::released(table) else {
            let listed = super::list(shared, table, |upload| uris.contains(&upload.uri));
            return Ok(Self::new(listed.await?, HashSet::new()));
        };
        let sums: HashSet<_> = jobs.iter().filter_map(|job| job.state.md5()).collect();
        let is_wanted = |upload: &Upload| {
            uris.contains(&upload.uri) || upload.md5.is_some_and(|md5| sums.contains(&md5))
        };
        let listed = match super::list(shared, table, is_wanted).await {
            refused @ Err(ApiError::Refused { .. }) => {
                let listed = and_released(shared, refused, &current, is_wanted).await?;
                return Ok(Self::new(listed, jobs.iter().map(|job| job.id).collect()));
            }
            listed => listed?,
        };
        let now = Instant::now();
        let there: HashSet<_> = listed.iter().map(|upload| &upload.uri).collect();
        let is_there = |job: &&Job| job.state.remote_id().is_some_and(|uri| there.contains(uri));
        let absent = jobs.iter().filter(|job| !is_there(job)).map(|job| job.id);
        let late: HashSet<_> = absent
            .filter(|job| shared.unlisted.is_late(*job, now))
            .collect();
        if late.is_empty() {
            return Ok(Self::new(listed, late));
        }
        let listed = and_released(shared, Ok(listed), &current, is_wanted).await?;
        Ok(Self::new(listed, late))
    }

    fn new(listed: Vec<Upload>, may_have_moved: HashSet<JobId>) -> Self {
        let mut by_sum: HashMap<Md5, Vec<Upload>> = HashMap::new();
        let mut by_uri = HashMap::new();
        for upload in listed {
            // of two that have failed nobody knows which was ours
            if let Some(md5) = upload.md5.filter(|_| upload.lives()) {
                by_sum.entry(md5).or_default().push(upload.clone());
            }
            by_uri.insert(upload.uri.clone(), upload);
        }
        Self {
            by_uri,
            by_sum,
            may_have_moved,
        }
    }

    /// The upload of a job: by its address, or else by its name and content.
    pub fn of_job(&self, job: &Job) -> Option<&Upload> {
        let by_uri = job.state.remote_id().and_then(|uri| self.by_uri.get(uri));
        by_uri.or_else(|| {
            self.may_have_moved.get(&job.id)?;
            let alike = self.by_sum.get(&job.state.md5()?)?;
            let mut alike = alike
                .iter()
                .filter(|upload| upload.goes_by(&job.remote_name));
            alike.find(|upload| content(job, upload) == Content::Ours)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::stock::tests::job;
    use crate::job::{State, Sums};
    use crate::redivis::Import;

    fn upload(uri: &str, name: &str, md5: Option<u8>) -> Upload {
        Upload {
            uri: RemoteId::new(uri),
            name: name.into(),
            import: Import::Completed,
            size: Some(7),
            md5: md5.map(|md5| Md5([md5; 16])),
            rows: None,
        }
    }

    #[test]
    fn an_upload_is_known_by_its_address_and_where_that_may_have_changed_by_name_and_content() {
        let mut job = job(1, "t", "a.csv", 7);
        let md5 = Some(Md5([1; 16]));
        job.state = State::Importing(RemoteId::new("/u"), Sums { crc32c: 0, md5 });
        for (uri, name, md5, by_address, by_content) in [
            ("/u", "b.csv", None, true, true),
            ("/v", "a.csv", Some(1), false, true),
            ("/v", "a.csv-2", Some(1), false, true),
            ("/v", "b.csv", Some(1), false, false),
            ("/v", "a.csv", Some(2), false, false),
            ("/v", "a.csv", None, false, false),
        ] {
            for (moved, want) in [(None, by_address), (Some(job.id), by_content)] {
                let found = |import| {
                    let upload = Upload {
                        import,
                        ..upload(uri, name, md5)
                    };
                    let listed = Listed::new(vec![upload], moved.into_iter().collect());
                    listed.of_job(&job).is_some()
                };
                assert_eq!(
                    found(Import::UnderWay),
                    want,
                    "{uri} {name} {md5:?} {moved:?}"
                );
                // one that failed before may be left there
                assert_eq!(
                    found(Import::Failed("why".into())),
                    by_address,
                    "{uri} {name}"
                );
            }
        }
    }
}
