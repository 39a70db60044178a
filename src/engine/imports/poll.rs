//! How far the imports of a table are: one list for all of them.

use std::sync::Arc;

use tokio::time::Instant;

use super::begin::differs;
use super::same::{Content, content};
use super::versions::Listed;
use super::{deadline, unproven};
use crate::engine::batch::{self, Destination, Outcome, Trouble};
use crate::engine::patience::Concerns;
use crate::engine::register::adopt;
use crate::engine::{Recorded, Shared};
use crate::job::{Job, ParkReason};
use crate::redivis::{ApiError, Import, Upload};

/// Imports that are asked about in one round, the oldest first. They all come out of one list.
const MOST: usize = 20_000;

/// Asks for the list and records what has ended. [`Outcome::importing`]: something is left to ask about.
pub(in crate::engine) async fn poll(shared: Arc<Shared>, table: String) -> Recorded<Outcome> {
    let mut outcome = Outcome::default();
    let jobs = shared
        .journal
        .importing(&shared.account, &table, MOST)
        .await?;
    if jobs.is_empty() {
        return Ok(outcome);
    }
    let listed = match Listed::of(&shared, &table, &jobs).await {
        Ok(listed) => listed,
        Err(error) => return untold(&shared, table, jobs, &error).await,
    };
    outcome.answered = true;
    let (mut done, mut absent, mut under_way) = (Vec::new(), Vec::new(), Vec::new());
    let mut open = jobs.len();
    for job in jobs {
        let Some(upload) = listed.of_job(&job) else {
            absent.push(job);
            continue;
        };
        shared.unlisted.is_there(job.id);
        match &upload.import {
            Import::UnderWay => {
                under_way.push(job);
                continue;
            }
            Import::Failed(why) => {
                batch::park(&shared, vec![job], ParkReason::ImportFailed, why).await?;
            }
            Import::Completed => match content(&job, upload) {
                Content::Ours if upload.rows == Some(0) => no_rows(&shared, job, upload).await?,
                Content::Ours => done.push((job, upload.uri.clone())),
                Content::Other => differs(&shared, job, upload).await?,
                Content::Untold => unproven::untold(&shared, job, upload).await?,
            },
        }
        open -= 1;
    }
    adopt(&shared, done).await?;
    open -= missing(&shared, absent).await?;
    open -= deadline::give_up(&shared, &table, under_way).await?;
    outcome.importing = (open > 0).then_some(table);
    Ok(outcome)
}

/// There is no list. What it refuses is said of each job, once: nothing else would show that they wait for it.
async fn untold(
    shared: &Shared,
    table: String,
    jobs: Vec<Job>,
    error: &ApiError,
) -> Recorded<Outcome> {
    let trouble = Trouble::of(error);
    let mut outcome = Outcome {
        importing: Some(table.clone()),
        answered: trouble.is_none(),
        trouble,
        ..Outcome::default()
    };
    if outcome.answered {
        tracing::warn!(table, %error, "Redivis does not tell how far the imports are");
        let why = format!("Redivis does not tell how far its import is: {error}");
        let silent = jobs.into_iter().filter(|job| job.failing_since.is_none());
        let wait = std::time::Duration::ZERO;
        batch::give_back(shared, silent.collect(), &why, wait, Concerns::These).await?;
        outcome.destination = Some(Destination::Refuses(table, error.to_string()));
    }
    Ok(outcome)
}

/// All went well, and the table has not one row more.
async fn no_rows(shared: &Shared, job: Job, upload: &Upload) -> Recorded<()> {
    let why = format!(
        "Redivis has imported it as {:?} and found no rows: perhaps it is a header alone. The local file was kept. \
         If there should be rows, look at has_header_row and delimiter in [watch.tabular], delete that upload in the \
         table, and drop the file again",
        upload.name
    );
    batch::park(shared, vec![job], ParkReason::NoRows, &why).await
}

/// Uploads that the list does not have: it may lag behind, for a while. Returns how many are given up.
async fn missing(shared: &Shared, jobs: Vec<Job>) -> Recorded<usize> {
    let now = Instant::now();
    let is_gone = |job: &Job| shared.unlisted.is_gone(job.id, now);
    let (gone, late): (Vec<_>, Vec<_>) = jobs.into_iter().partition(is_gone);
    // said once, not in every round
    let late = late.into_iter().filter(|job| job.failing_since.is_none());
    let why = "the table's list of uploads does not have it, although Redivis has taken it in";
    let wait = std::time::Duration::ZERO;
    batch::give_back(shared, late.collect(), why, wait, Concerns::These).await?;
    let given_up = gone.len();
    for job in gone {
        unproven::unlisted(shared, job).await?;
    }
    Ok(given_up)
}
