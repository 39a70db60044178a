//! A file whose taking-in got no answer: the table's list of uploads is asked.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::begin::take_in;
use super::same::{Content, content};
use super::versions::everywhere;
use crate::engine::batch::Outcome;
use crate::engine::conflicts;
use crate::engine::reconcile::{cannot_arrive, not_listed, unlisted};
use crate::engine::{Recorded, Shared};
use crate::job::{Job, Md5, RemoteId, is_numbered};
use crate::redivis::{ApiError, Upload};

/// Looks jobs of one table up in its list: what stands there with our size and md5, under our name or under one
/// that Redivis made of it, is adopted. An import that has failed brought no rows: it is what became of our request
/// if nothing else is there and nothing can arrive any more. What may stand there but is not told well enough is looked up
/// again, never sent again.
pub(in crate::engine) async fn look_up(
    shared: Arc<Shared>,
    jobs: Vec<Job>,
    delay: Duration,
) -> Recorded<Outcome> {
    let Some(table) = jobs.first().map(|job| job.table.clone()) else {
        return Ok(Outcome::default());
    };
    let asked = shared.moment().awake;
    let sums: HashSet<_> = jobs.iter().map(|job| job.state.md5()).collect();
    let wanted =
        |upload: &Upload| sums.contains(&upload.md5) || (upload.lives() && upload.md5.is_none());
    let listed = match everywhere(&shared, &table, wanted).await {
        Ok(listed) => listed,
        Err(error) => return unlisted(&shared, jobs, &error, delay).await,
    };
    let (living, failed): (Vec<_>, Vec<_>) = listed.into_iter().partition(Upload::lives);
    let (living, failed) = (by_sum(living), by_sum(failed));
    let rows = |sum| living.get(&sum).map_or(&[][..], Vec::as_slice);
    let mut given: HashSet<RemoteId> = HashSet::new();
    let (mut found, mut absent, mut open) = (Vec::new(), Vec::new(), Vec::new());
    for mut job in jobs {
        let same = rows(job.state.md5());
        if let Some(upload) = ours(&shared, &job, same, &given).await? {
            given.insert(upload.uri.clone());
            found.push((job, upload));
            continue;
        }
        let mut untold = rows(None).iter().chain(same);
        let is_open = untold.any(|upload| may_be(&job, upload));
        if is_open || !cannot_arrive(&mut job, asked.as_ref()) {
            open.push(job);
        } else if let Some(upload) = failed_one(&shared, &job, &failed, &given).await? {
            given.insert(upload.uri.clone());
            found.push((job, upload));
        } else {
            absent.push(job);
        }
    }
    let mut outcome = not_listed(&shared, absent, open).await?;
    take_in(&shared, found, &mut outcome).await?;
    Ok(outcome)
}

/// Jobs whose request was refused, although an earlier one may have arrived late: takes in what the list has of theirs,
/// and returns those that it does not have; none if it cannot be asked. What may be there is looked up again.
pub(super) async fn look_first(
    shared: &Shared,
    refused: Vec<(Job, ApiError)>,
    outcome: &mut Outcome,
) -> Recorded<Vec<(Job, ApiError)>> {
    let Some(table) = refused.first().map(|(job, _)| job.table.clone()) else {
        return Ok(refused);
    };
    let sums: HashSet<_> = refused.iter().map(|(job, _)| job.state.md5()).collect();
    let wanted =
        |upload: &Upload| upload.lives() && (upload.md5.is_none() || sums.contains(&upload.md5));
    let listed = match everywhere(shared, &table, wanted).await {
        Ok(listed) => listed,
        Err(error) => {
            let jobs = refused.into_iter().map(|(job, _)| job).collect();
            conflicts::not_listed(shared, jobs, &error, outcome).await?;
            return Ok(Vec::new());
        }
    };
    let mut given: HashSet<RemoteId> = HashSet::new();
    let (mut found, mut open, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    for (job, error) in refused {
        if let Some(upload) = ours(shared, &job, &listed, &given).await? {
            given.insert(upload.uri.clone());
            found.push((job, upload));
        } else if listed.iter().any(|upload| may_be(&job, upload)) {
            open.push(job);
        } else {
            rest.push((job, error));
        }
    }
    let why = "its request was refused, and the table's list has an upload of this name of which too little is told";
    conflicts::look_later(shared, open, why, outcome).await?;
    take_in(shared, found, outcome).await?;
    Ok(rest)
}

fn by_sum(uploads: Vec<Upload>) -> HashMap<Option<Md5>, Vec<Upload>> {
    let mut by_sum: HashMap<_, Vec<Upload>> = HashMap::new();
    for upload in uploads {
        by_sum.entry(upload.md5).or_default().push(upload);
    }
    by_sum
}

/// The upload that is this job's, and failed. Not one of which it is known already that it failed: that was before.
async fn failed_one(
    shared: &Shared,
    job: &Job,
    failed: &HashMap<Option<Md5>, Vec<Upload>>,
    given: &HashSet<RemoteId>,
) -> Recorded<Option<Upload>> {
    let journal = &shared.journal;
    let mut rows = Vec::new();
    for upload in failed.get(&job.state.md5()).into_iter().flatten() {
        let is_named_so = upload.goes_by(&job.remote_name);
        if is_named_so && !journal.is_address_known(&job.table, &upload.uri).await? {
            rows.push(upload.clone());
        }
    }
    ours(shared, job, &rows, given).await
}

/// Whether too little is told of an upload to say that it is not this job's.
pub(super) fn may_be(job: &Job, upload: &Upload) -> bool {
    upload.goes_by(&job.remote_name) && content(job, upload) == Content::Untold
}

/// The upload that is this job's: of our name before one with a number, and none that is another job's.
pub(super) async fn ours(
    shared: &Shared,
    job: &Job,
    rows: &[Upload],
    given: &HashSet<RemoteId>,
) -> Recorded<Option<Upload>> {
    let others = shared.journal.rows_of_others(std::slice::from_ref(job));
    let others = others.await?;
    let is_ours = |upload: &&Upload| {
        let is_free = !given.contains(&upload.uri) && !others.contains(&upload.uri);
        is_free && content(job, upload) == Content::Ours
    };
    let same = |upload: &&Upload| upload.name == job.remote_name;
    if let Some(upload) = rows.iter().filter(is_ours).find(same) {
        return Ok(Some(upload.clone()));
    }
    let numbered = |upload: &&Upload| is_numbered(&upload.name, &job.remote_name);
    for upload in rows.iter().filter(is_ours).filter(numbered) {
        let journal = &shared.journal;
        let name = &upload.name;
        if !journal.is_name_of_another(&job.table, name, job.id).await? {
            return Ok(Some(upload.clone()));
        }
    }
    Ok(None)
}
