//! Taking stored files in: one request for each, some at a time.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::look_up;
use super::policy::those_free;
use super::refused;
use super::same::{Content, content};
use crate::engine::batch::{self, Outcome, budget};
use crate::engine::conflicts;
use crate::engine::destinations::speaks_of_the_table;
use crate::engine::refusals::{Next, Refusals};
use crate::engine::register::{self, Stored};
use crate::engine::{Recorded, Shared};
use crate::job::{Job, JobId, ParkReason, State};
use crate::redivis::{ApiError, Import, NewUpload, Upload};

/// Requests that are on their way together.
const TOGETHER: usize = 8;

/// Takes stored jobs of one table in, no two with the same remote name.
///
/// The intent is recorded first. Crash windows: after that commit and before the request, and after the
/// request and before its answer is recorded. Both leave `registering`, and both are resolved by looking at
/// the table's list of uploads.
pub(in crate::engine) async fn register(
    shared: Arc<Shared>,
    jobs: Vec<Stored>,
    delay: Duration,
) -> Recorded<Outcome> {
    let mut outcome = Outcome::default();
    let Some(table) = jobs.first().map(|stored| stored.job.table.clone()) else {
        return Ok(outcome);
    };
    let mut refusals = Refusals::default();
    let fresh = register::fresh(&jobs, shared.now());
    // they take their time: what is stored is to be known, should it end here
    let jobs = register::stored(&shared, jobs).await?;
    let mut jobs = those_free(&shared, &table, jobs, delay, &mut outcome).await?;
    // the first one alone: whether the API is well again, or the table open, one finds out
    let mut together = 1;
    while !jobs.is_empty() {
        if outcome.trouble.is_some() || refusals.is_closed() {
            outcome.kept.append(&mut jobs);
            break;
        }
        let lot: Vec<Job> = jobs.drain(..together.min(jobs.len())).collect();
        together = TOGETHER;
        // first the budget: the age of an intent says how long its request may have been under way
        for _ in &lot {
            budget(&shared).await;
        }
        let now = shared.now();
        let lot = batch::advance(&shared, lot, |_, state| state.intend(now)).await?;
        let answers = join_all(lot.into_iter().map(|job| ask(&shared, &table, job))).await;
        sort(
            &shared,
            answers,
            &fresh,
            delay,
            (&mut refusals, &mut outcome),
        )
        .await?;
    }
    refusals.conclude(&shared, &table, &mut outcome).await?;
    Ok(outcome)
}

type Answered = (Job, Result<Upload, ApiError>);

async fn ask(shared: &Shared, table: &str, job: Job) -> Answered {
    let State::Registering(intent) = &job.state else {
        let what = "a job that is not to be registered".to_owned();
        return (job, Err(ApiError::NotReached { text: what }));
    };
    let folder = shared.folders.get(&job.watch);
    let upload = NewUpload {
        name: job.remote_name.clone(),
        temp: intent.temp.clone(),
        options: folder
            .map(|folder| folder.tabular.clone())
            .unwrap_or_default(),
    };
    let answer = shared.client.create_upload(table, &upload).await;
    (job, answer)
}

async fn sort(
    shared: &Shared,
    answers: Vec<Answered>,
    fresh: &HashSet<JobId>,
    delay: Duration,
    (refusals, outcome): (&mut Refusals, &mut Outcome),
) -> Recorded<()> {
    let (mut taken, mut doubted) = (Vec::new(), Vec::new());
    for (job, answer) in answers {
        outcome.answered |= matches!(answer, Ok(_) | Err(ApiError::Refused { .. }));
        match answer {
            Ok(upload) => {
                refusals.taken();
                taken.push((job, upload));
            }
            Err(error @ ApiError::Refused { .. })
                if !fresh.contains(&job.id) && register::says_nothing(&error) =>
            {
                doubted.push((job, error));
            }
            Err(error @ ApiError::Refused { .. }) => {
                refused(shared, job, &error, fresh, (refusals, outcome)).await?;
            }
            Err(error) => register::failed(shared, vec![job], &error, delay, outcome).await?,
        }
    }
    take_in(shared, taken, outcome).await?;
    for (job, error) in look_up::look_first(shared, doubted, outcome).await? {
        refused(shared, job, &error, fresh, (refusals, outcome)).await?;
    }
    Ok(())
}

async fn refused(
    shared: &Shared,
    job: Job,
    error: &ApiError,
    fresh: &HashSet<JobId>,
    (refusals, outcome): (&mut Refusals, &mut Outcome),
) -> Recorded<()> {
    if conflicts::is_upload_gone(error) {
        return conflicts::renew(shared, vec![job], error, outcome)
            .await
            .map(drop);
    }
    if conflicts::already_exists(error) {
        return refused::settle(shared, job, error, outcome).await;
    }
    if conflicts::may_be_ours(error) {
        // it may speak of our own request, whose answer was lost
        let why = error.to_string();
        return conflicts::look_later(shared, vec![job], &why, outcome)
            .await
            .map(drop);
    }
    let doubtful = !fresh.contains(&job.id);
    let jobs = register::withdraw(shared, vec![job]).await?;
    if doubtful && !speaks_of_the_table(error) {
        // temporary uploads do not last: it is sent once more, and if that was not it, the next answer says so
        let why = error.to_string();
        let renewed = batch::advance_and_note(shared, jobs, &why, |_, state| state.renew());
        outcome.again.extend(renewed.await?);
        return Ok(());
    }
    match refusals.refused(jobs, error, doubtful) {
        Next::Leave(jobs) => outcome.kept.extend(jobs),
        // it was one
        Next::Halves(..) | Next::Noted => {}
    }
    Ok(())
}

/// Records what Redivis has taken in, of jobs that are `registering`.
pub(super) async fn take_in(
    shared: &Shared,
    taken: Vec<(Job, Upload)>,
    outcome: &mut Outcome,
) -> Recorded<()> {
    let (mut begun, mut failed) = (Vec::new(), Vec::new());
    for (job, upload) in taken {
        if content(&job, &upload) == Content::Other {
            differs(shared, job, &upload).await?;
            continue;
        }
        outcome.importing = Some(job.table.clone());
        if upload.name != job.remote_name {
            tracing::info!(job = %job.id, wanted = ?job.remote_name, name = ?upload.name, "the name was taken; Redivis gave the upload another one");
        }
        match upload.import {
            Import::Failed(why) => failed.push((job, upload.uri, why)),
            Import::UnderWay | Import::Completed => begun.push((job, upload.uri)),
        }
    }
    batch::begin_importing(shared, begun).await?;
    for (job, uri, why) in failed {
        let mut uri = Some(uri);
        let jobs = batch::advance(shared, vec![job], |_, state| match uri.take() {
            Some(uri) => state.import(uri),
            None => Ok(state),
        });
        batch::park(shared, jobs.await?, ParkReason::ImportFailed, &why).await?;
    }
    Ok(())
}

/// What Redivis has is not the file that was read here.
pub(super) async fn differs(shared: &Shared, job: Job, upload: &Upload) -> Recorded<()> {
    let told = |what: Option<String>| what.unwrap_or_else(|| "unknown".to_owned());
    let why = format!(
        "the table has it as {:?} with {} bytes and md5 {}; here it has {} bytes and md5 {}. The local file was kept",
        upload.name,
        told(upload.size.map(|size| size.to_string())),
        told(upload.md5.map(|md5| md5.to_string())),
        job.seen.size,
        told(job.state.md5().map(|md5| md5.to_string())),
    );
    batch::park(shared, vec![job], ParkReason::RemoteDiffers, &why).await
}
