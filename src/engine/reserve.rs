//! Asking for temporary uploads, a batch a call, just before they are used.

use std::sync::Arc;
use std::time::Duration;

use super::batch::{self, Outcome, Trouble, budget};
use super::patience::Concerns;
use super::refusals::{Next, Refusals};
use super::{Recorded, Shared};
use crate::job::{Job, Reservation};
use crate::redivis::{ApiError, TempUpload, TempUploadRequest};

/// Reserves for jobs of one table, at most 1000. A lost answer is harmless: an unused temporary
/// upload expires by itself.
///
/// Crash window: after the answer and before the commit. The server then keeps an orphan.
pub(super) async fn reserve(
    shared: Arc<Shared>,
    jobs: Vec<Job>,
    delay: Duration,
) -> Recorded<Outcome> {
    let mut outcome = Outcome::default();
    let mut refusals = Refusals::default();
    let Some(table) = jobs.first().map(|job| job.table.clone()) else {
        return Ok(outcome);
    };
    let mut batches = vec![jobs];
    while let Some(jobs) = batches.pop() {
        if outcome.trouble.is_some() || refusals.is_closed() {
            outcome.kept.extend(jobs);
            continue;
        }
        budget(&shared).await;
        let jobs = up_to_date(&shared, jobs).await?;
        if jobs.is_empty() {
            continue;
        }
        let wanted: Vec<_> = jobs.iter().map(|job| wanted(&shared, job)).collect();
        match shared.client.create_temp_uploads(&table, &wanted).await {
            Ok(uploads) => {
                outcome.answered = true;
                refusals.taken();
                outcome
                    .onward
                    .extend(reserved(&shared, jobs, uploads).await?);
            }
            Err(error @ ApiError::Refused { .. }) => {
                outcome.answered = true;
                match refusals.refused(jobs, &error, false) {
                    Next::Halves(first, second) => batches.extend([second, first]),
                    Next::Noted => {}
                    Next::Leave(jobs) => outcome.kept.extend(jobs),
                }
            }
            Err(error) => failed(&shared, jobs, &error, delay, &mut outcome).await?,
        }
    }
    refusals.conclude(&shared, &table, &mut outcome).await?;
    Ok(outcome)
}

/// Leaves out what was superseded while it waited: files that change often would use up all calls.
async fn up_to_date(shared: &Shared, mut jobs: Vec<Job>) -> Recorded<Vec<Job>> {
    let superseded = shared.journal.superseded(&jobs).await?;
    jobs.retain(|job| !superseded.contains(&job.id));
    Ok(jobs)
}

async fn reserved(shared: &Shared, jobs: Vec<Job>, uploads: Vec<TempUpload>) -> Recorded<Vec<Job>> {
    let at = shared.now();
    let mut uploads = uploads.into_iter();
    let onward = batch::advance(shared, jobs, |_, state| match uploads.next() {
        Some(upload) => state.reserve(Reservation {
            temp: upload.id,
            url: upload.url,
            resumable: upload.resumable,
            at,
        }),
        // the client has compared the counts
        None => Ok(state),
    });
    onward.await
}

fn wanted(shared: &Shared, job: &Job) -> TempUploadRequest {
    TempUploadRequest {
        name: job.remote_name.clone(),
        size: job.seen.size,
        resumable: job.seen.size > shared.transfer.resumable_above,
    }
}

async fn failed(
    shared: &Shared,
    jobs: Vec<Job>,
    error: &ApiError,
    delay: Duration,
    outcome: &mut Outcome,
) -> Recorded<()> {
    outcome.trouble = Trouble::of(error);
    let wait = match &outcome.trouble {
        Some(Trouble::Auth(_)) => {
            outcome.kept.extend(jobs);
            return Ok(());
        }
        Some(Trouble::Pause(_, Some(wanted))) => *wanted,
        _ => delay,
    };
    let until =
        batch::give_back(shared, jobs, &error.to_string(), wait, Concerns::Everyone).await?;
    outcome.given_back(until);
    Ok(())
}
