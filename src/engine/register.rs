//! Adding stored files to their table: the one step that must never be repeated blindly.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::batch::{self, Outcome, Trouble, budget};
use super::{Recorded, Shared};
use crate::job::{Job, Md5, ParkReason, RemoteId, State};
use crate::redivis::{ApiError, RegisteredFile, Registration};

/// Registers jobs of one table, at most 1000, no two with the same remote name.
///
/// The intent is recorded first. Crash windows: after that commit and before the request, and after
/// the request and before its answer is recorded. Both leave `registering`, and both are
/// resolved by looking at the table's own listing.
pub(super) async fn register(
    shared: Arc<Shared>,
    jobs: Vec<Job>,
    delay: Duration,
) -> Recorded<Outcome> {
    let mut outcome = Outcome::default();
    let mut batches = vec![jobs];
    while let Some(jobs) = batches.pop() {
        if outcome.trouble.is_some() {
            outcome.kept.extend(jobs);
            continue;
        }
        let now = Timestamp::now();
        let jobs = batch::advance(&shared, jobs, |_, state| state.intend(now)).await?;
        let Some(table) = jobs.first().map(|job| job.table.clone()) else {
            continue;
        };
        let files: Vec<_> = jobs.iter().filter_map(registration).collect();
        budget(&shared).await;
        match shared.client.register_files(&table, &files).await {
            Ok(listed) => outcome.until = settle(&shared, jobs, listed).await?,
            Err(ApiError::Refused { .. }) if jobs.len() > 1 => {
                // one file of the batch is at fault, perhaps: halve until it stands alone
                let mut jobs = withdraw(&shared, jobs).await?;
                batches.push(jobs.split_off(jobs.len() / 2));
                batches.push(jobs);
            }
            Err(error) => failed(&shared, jobs, &error, delay, &mut outcome).await?,
        }
    }
    Ok(outcome)
}

fn registration(job: &Job) -> Option<Registration> {
    match &job.state {
        State::Registering(intent) => Some(Registration {
            name: job.remote_name.clone(),
            temp: intent.temp.clone(),
        }),
        _ => None,
    }
}

async fn withdraw(shared: &Shared, jobs: Vec<Job>) -> Recorded<Vec<Job>> {
    batch::advance(shared, jobs, |_, state| state.withdraw()).await
}

async fn failed(
    shared: &Shared,
    jobs: Vec<Job>,
    error: &ApiError,
    delay: Duration,
    outcome: &mut Outcome,
) -> Recorded<()> {
    let why = error.to_string();
    outcome.trouble = Trouble::of(error);
    let wait = match &outcome.trouble {
        Some(Trouble::Pause(_, Some(wanted))) => *wanted,
        _ => delay,
    };
    if let ApiError::Refused { text, .. } = error {
        // "exists" and "used" may speak of our own earlier request: the listing tells
        let ours_perhaps = ["exist", "used", "already"]
            .iter()
            .any(|word| text.contains(word));
        if ours_perhaps {
            outcome.until = batch::give_back(shared, jobs, &why, delay).await?;
        } else {
            let jobs = withdraw(shared, jobs).await?;
            batch::park(shared, jobs, ParkReason::Refused, &why).await?;
        }
        return Ok(());
    }
    if !error.certainly_not_applied() {
        // it stays `registering`: the next claim looks at the listing first
        outcome.until = batch::give_back(shared, jobs, &why, wait).await?;
        return Ok(());
    }
    let jobs = withdraw(shared, jobs).await?;
    if matches!(outcome.trouble, Some(Trouble::Auth(_))) {
        outcome.kept.extend(jobs);
    } else {
        outcome.until = batch::give_back(shared, jobs, &why, wait).await?;
    }
    Ok(())
}

/// Holds every answer against what was sent.
async fn settle(
    shared: &Shared,
    jobs: Vec<Job>,
    listed: Vec<RegisteredFile>,
) -> Recorded<Option<Timestamp>> {
    let mut by_name: HashMap<String, RegisteredFile> = listed
        .into_iter()
        .map(|file| (file.name.clone(), file))
        .collect();
    let (mut ours, mut foreign, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for job in jobs {
        match by_name.remove(&job.remote_name) {
            Some(file) if is_ours(&job, file.size, file.md5) => ours.push((job, file.id)),
            Some(file) => {
                let why = format!(
                    "the table has it with {} bytes and md5 {}; here it has {} bytes and md5 {}. \
                     The local file was kept",
                    file.size,
                    file.md5,
                    job.seen.size,
                    job.state
                        .md5()
                        .map_or_else(|| "unknown".to_owned(), |md5| md5.to_string()),
                );
                foreign.push((job, why));
            }
            None => unknown.push(job),
        }
    }
    adopt(shared, ours).await?;
    for (job, why) in foreign {
        batch::park(shared, vec![job], ParkReason::RemoteDiffers, &why).await?;
    }
    let why = "the answer to the registration does not name it";
    batch::give_back(shared, unknown, why, Duration::ZERO).await
}

/// Whether what the table has is the file that was read here.
pub(super) fn is_ours(job: &Job, size: u64, md5: Md5) -> bool {
    size == job.seen.size && job.state.md5().is_none_or(|ours| ours == md5)
}

/// The table has them: recorded, and then what remains.
pub(super) async fn adopt(shared: &Shared, jobs: Vec<(Job, RemoteId)>) -> Recorded<()> {
    let (jobs, ids): (Vec<_>, Vec<_>) = jobs.into_iter().unzip();
    let mut ids = ids.into_iter();
    let jobs = batch::advance(shared, jobs, |_, state| match ids.next() {
        Some(id) => state.register(id),
        None => Ok(state),
    })
    .await?;
    finish(shared, jobs).await
}

/// With `after_upload = "keep"` nothing remains but to say so.
pub(super) async fn finish(shared: &Shared, jobs: Vec<Job>) -> Recorded<()> {
    for job in &jobs {
        tracing::info!(job = %job.id, watch = %job.watch, name = ?job.remote_name, bytes = job.seen.size, md5 = job.state.md5().map(tracing::field::display), "a file is in its table");
    }
    batch::advance(shared, jobs, |_, state| state.finish())
        .await
        .map(drop)
}
