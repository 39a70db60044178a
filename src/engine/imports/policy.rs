//! Names that are taken: Redivis would give the file another name, which only `on_conflict = "new_version"`
//! wants. So under the other policies the list is asked first.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::begin::take_in;
use super::same::{Content, content};
use crate::config::OnConflict;
use crate::engine::batch::{self, Outcome};
use crate::engine::reconcile::unlisted;
use crate::engine::{Recorded, Shared};
use crate::job::{Job, ParkReason};
use crate::redivis::{Upload, slug};

/// Stored jobs that may go into the table; the others are parked, or there already.
pub(super) async fn those_free(
    shared: &Shared,
    table: &str,
    jobs: Vec<Job>,
    delay: Duration,
    outcome: &mut Outcome,
) -> Recorded<Vec<Job>> {
    let (asking, mut free): (Vec<_>, Vec<_>) = jobs
        .into_iter()
        .partition(|job| on_conflict(shared, job) != OnConflict::NewVersion);
    if asking.is_empty() {
        return Ok(free);
    }
    let slugs: HashSet<String> = asking.iter().map(|job| slug(&job.remote_name)).collect();
    let wanted = |upload: &Upload| upload.lives() && slugs.contains(&slug(&upload.name));
    let listed = match super::list(shared, table, wanted).await {
        Ok(listed) => listed,
        Err(error) => {
            free.extend(asking);
            *outcome = unlisted(shared, free, &error, delay).await?;
            return Ok(Vec::new());
        }
    };
    outcome.answered = true;
    let mut rows: HashMap<String, Vec<Upload>> = HashMap::new();
    for upload in listed {
        rows.entry(slug(&upload.name)).or_default().push(upload);
    }
    let mut going = HashMap::new();
    let mut there = Vec::new();
    for job in asking {
        let slug = slug(&job.remote_name);
        let found = rows.get(&slug).map_or(&[][..], Vec::as_slice);
        let ours = |upload: &&Upload| {
            upload.name == job.remote_name && content(&job, upload) == Content::Ours
        };
        if let Some(upload) = found.iter().find(ours) {
            there.push((job, upload.clone()));
        } else if let Some(upload) = found.first() {
            let size = upload.size.map(|size| format!(", {size} bytes"));
            let what = format!("{:?}{}", upload.name, size.unwrap_or_default());
            refuse(shared, job, &what).await?;
        } else if let Some(other) = going.get(&slug) {
            let what = format!("{other:?}, which goes there now");
            refuse(shared, job, &what).await?;
        } else {
            going.insert(slug, job.remote_name.clone());
            free.push(job);
        }
    }
    if !there.is_empty() {
        let now = shared.now();
        let (jobs, uploads): (Vec<_>, Vec<_>) = there.into_iter().unzip();
        let jobs = batch::advance(shared, jobs, |_, state| state.intend(now)).await?;
        let mut uploads: HashMap<String, Upload> = uploads
            .into_iter()
            .map(|upload| (upload.name.clone(), upload))
            .collect();
        let pairs = jobs.into_iter().filter_map(|job| {
            let upload = uploads.remove(&job.remote_name)?;
            Some((job, upload))
        });
        take_in(shared, pairs.collect(), outcome).await?;
    }
    Ok(free)
}

fn on_conflict(shared: &Shared, job: &Job) -> OnConflict {
    let folder = shared.folders.get(&job.watch);
    folder.map_or(OnConflict::NewVersion, |folder| folder.on_conflict)
}

/// Its name is taken in the table, by `what`.
pub(super) async fn refuse(shared: &Shared, job: Job, what: &str) -> Recorded<()> {
    let (reason, policy) = match on_conflict(shared, &job) {
        OnConflict::Skip => (ParkReason::Skipped, "on_conflict = \"skip\""),
        OnConflict::Fail => (ParkReason::Conflict, "on_conflict = \"fail\""),
        OnConflict::NewVersion => (
            ParkReason::Conflict,
            "Redivis takes no second one; rename the local file, or delete that upload in the table",
        ),
    };
    let why = format!(
        "the table has an upload of this name already ({what}; `.` and `_` are the same there), and {policy}; the \
         local file was kept"
    );
    batch::park(shared, vec![job], reason, &why).await
}
