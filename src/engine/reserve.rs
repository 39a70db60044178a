//! Asking for temporary uploads, a batch a call, just before they are used.

use std::sync::Arc;
use std::time::Duration;

use super::batch::{self, Outcome, Trouble, budget};
use super::patience::Concerns;
use super::{Recorded, Shared};
use crate::job::{Job, ParkReason, Reservation};
use crate::redivis::{ApiError, TempUploadRequest};

/// Reserves for jobs of one table, at most 1000. A lost answer is harmless: an unused temporary
/// upload expires by itself.
///
/// Crash window: after the answer and before the commit. The server then keeps an orphan.
pub(super) async fn reserve(
    shared: Arc<Shared>,
    jobs: Vec<Job>,
    delay: Duration,
) -> Recorded<Outcome> {
    let Some(table) = jobs.first().map(|job| job.table.clone()) else {
        return Ok(Outcome::default());
    };
    let wanted: Vec<_> = jobs.iter().map(|job| wanted(&shared, job)).collect();
    budget(&shared).await;
    match shared.client.create_temp_uploads(&table, &wanted).await {
        Ok(uploads) => {
            let at = shared.now();
            let mut uploads = uploads.into_iter();
            let onward = batch::advance(&shared, jobs, |_, state| match uploads.next() {
                Some(upload) => state.reserve(Reservation {
                    temp: upload.id,
                    url: upload.url,
                    resumable: upload.resumable,
                    at,
                }),
                // the client has compared the counts
                None => Ok(state),
            })
            .await?;
            Ok(Outcome {
                onward,
                answered: true,
                ..Outcome::default()
            })
        }
        Err(error) => failed(&shared, jobs, &error, delay).await,
    }
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
) -> Recorded<Outcome> {
    let trouble = Trouble::of(error);
    let why = error.to_string();
    match &trouble {
        None => {
            batch::park(shared, jobs, ParkReason::Refused, &why).await?;
            Ok(Outcome {
                answered: true,
                ..Outcome::default()
            })
        }
        Some(Trouble::Auth(_)) => Ok(Outcome {
            kept: jobs,
            trouble,
            ..Outcome::default()
        }),
        Some(Trouble::Pause(_, wanted)) => {
            let wait = wanted.unwrap_or(delay);
            let until = batch::give_back(shared, jobs, &why, wait, Concerns::Everyone).await?;
            Ok(Outcome {
                until,
                trouble,
                ..Outcome::default()
            })
        }
    }
}
