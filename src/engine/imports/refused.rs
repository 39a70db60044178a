//! A request that is refused because the name is taken: the table's list of uploads tells by what.

use std::collections::HashSet;

use super::begin::take_in;
use super::look_up::{may_be, ours};
use super::policy::refuse;
use crate::engine::batch::{self, Outcome, Trouble};
use crate::engine::conflicts;
use crate::engine::{Recorded, Shared};
use crate::job::Job;
use crate::redivis::{ApiError, Upload, slug};

/// Adopts what is ours, and goes by the watch's policy where it is something else. What the list does not tell is looked
/// up again.
pub(super) async fn settle(
    shared: &Shared,
    job: Job,
    error: &ApiError,
    outcome: &mut Outcome,
) -> Recorded<()> {
    let name = slug(&job.remote_name);
    let has_name = |upload: &Upload| slug(&upload.name) == name;
    let wanted = |upload: &Upload| has_name(upload) || upload.goes_by(&job.remote_name);
    let listed = match super::list(shared, &job.table, wanted).await {
        Ok(listed) => listed,
        Err(error) => {
            outcome.trouble = Trouble::of(&error);
            let why = format!("the table's list of uploads could not be read: {error}");
            return later(shared, job, &why, outcome).await;
        }
    };
    let (living, failed): (Vec<_>, Vec<_>) = listed.into_iter().partition(Upload::lives);
    if let Some(upload) = ours(shared, &job, &living, &HashSet::new()).await? {
        return take_in(shared, vec![(job, upload)], outcome).await;
    }
    let is_open = living.iter().any(|upload| may_be(&job, upload));
    let mut others = living.iter().chain(&failed);
    match others.find(|upload| has_name(upload)) {
        // one that failed keeps its name, too
        Some(other) if !is_open => {
            let size = other.size.map(|size| format!(", {size} bytes"));
            let what = format!("{:?}{}", other.name, size.unwrap_or_default());
            // what is certainly not there waits for a person like any other, and goes where its watch goes by then
            let withdrawn = batch::advance(shared, vec![job], |_, state| state.withdraw());
            for job in withdrawn.await? {
                refuse(shared, job, &what).await?;
            }
            Ok(())
        }
        // the list may lag behind
        _ => later(shared, job, &error.to_string(), outcome).await,
    }
}

async fn later(shared: &Shared, job: Job, why: &str, outcome: &mut Outcome) -> Recorded<()> {
    let looked = conflicts::look_later(shared, vec![job], why, outcome);
    looked.await.map(drop)
}
