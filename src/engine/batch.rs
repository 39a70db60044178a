//! Several claimed jobs of one table, moved and recorded together.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::patience::{self, Concerns};
use super::worker::{impossible, signed};
use super::{Recorded, Shared};
use crate::job::{IllegalMove, Job, ParkReason, RemoteId, State, StateName, printable};
use crate::journal::{Entry, Hold};
use crate::redivis::ApiError;

/// What became of a batch.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Recorded, and to go on to the next stage.
    pub onward: Vec<Job>,
    /// Still claimed, unchanged: to be tried again as soon as the account may be used.
    pub kept: Vec<Job>,
    /// Recorded, and to begin anew.
    pub again: Vec<Job>,
    /// Given back; the earliest may go on from this time.
    pub until: Option<Timestamp>,
    /// The API was asked and has answered, if only with a refusal: it is there, and takes the token.
    pub answered: bool,
    /// What the API said that concerns everyone.
    pub trouble: Option<Trouble>,
    /// What it said of the table.
    pub destination: Option<Destination>,
    /// A table in which something is being imported.
    pub importing: Option<String>,
}

/// What was learnt of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Destination {
    /// It has taken something.
    Takes(String),
    /// It refuses everything, with these words.
    Refuses(String, String),
}

impl Outcome {
    /// Jobs were given back; they may go on from this time.
    pub fn given_back(&mut self, until: Option<Timestamp>) {
        self.until = self.until.into_iter().chain(until).min();
    }
}

/// A failure that other calls to the API would meet too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The token is refused.
    Auth(String),
    /// No answer that means something, or a request to wait.
    Pause(String, Option<Duration>),
}

impl Trouble {
    /// What an error means for the other calls; a refusal concerns only its own batch.
    pub fn of(error: &ApiError) -> Option<Self> {
        match error {
            ApiError::Refused { .. } => None,
            ApiError::Auth { .. } => Some(Self::Auth(error.to_string())),
            ApiError::Throttled { retry_after, .. } => {
                Some(Self::Pause(error.to_string(), *retry_after))
            }
            ApiError::Unavailable { .. }
            | ApiError::NotReached { .. }
            | ApiError::Nonsense { .. } => Some(Self::Pause(error.to_string(), None)),
        }
    }
}

/// Moves every job by its own `step` and records all in one commit. Returns those that the
/// journal still had in their state; the others were superseded meanwhile and are dropped.
pub(super) async fn advance(
    shared: &Shared,
    jobs: Vec<Job>,
    step: impl FnMut(&Job, State) -> Result<State, IllegalMove>,
) -> Recorded<Vec<Job>> {
    advance_and_note(shared, jobs, "", step).await
}

/// As [`advance`], with a line for the history of each.
pub(super) async fn advance_and_note(
    shared: &Shared,
    jobs: Vec<Job>,
    note: &str,
    mut step: impl FnMut(&Job, State) -> Result<State, IllegalMove>,
) -> Recorded<Vec<Job>> {
    let mut entries = Vec::with_capacity(jobs.len());
    for mut job in jobs {
        let from = job.state.name();
        let state = std::mem::replace(&mut job.state, State::Queued);
        job.state = step(&job, state).map_err(|illegal| impossible(&illegal))?;
        let entry = entry(job, from, Hold::Keep, None);
        entries.push(Entry {
            note: note.to_owned(),
            ..entry
        });
    }
    record(shared, entries).await
}

/// Records that Redivis imports the jobs, under these addresses. They are nobody's from then on.
pub(super) async fn begin_importing(shared: &Shared, jobs: Vec<(Job, RemoteId)>) -> Recorded<()> {
    let note = "Redivis has taken it in and imports it";
    let (jobs, uploads): (Vec<_>, Vec<_>) = jobs.into_iter().unzip();
    let mut uploads = uploads.into_iter();
    let begun = let_go(shared, jobs, note, |_, state| match uploads.next() {
        Some(upload) => state.import(upload),
        None => Ok(state),
    });
    begun.await.map(drop)
}

/// As [`advance_and_note`], for jobs with which the engine has nothing more to do: they wait for others from now on.
pub(super) async fn let_go(
    shared: &Shared,
    jobs: Vec<Job>,
    note: &str,
    mut step: impl FnMut(&Job, State) -> Result<State, IllegalMove>,
) -> Recorded<Vec<Job>> {
    let now = shared.now();
    let mut entries = Vec::with_capacity(jobs.len());
    for mut job in jobs {
        let from = job.state.name();
        let state = std::mem::replace(&mut job.state, State::Queued);
        job.state = step(&job, state).map_err(|illegal| impossible(&illegal))?;
        (job.attempts, job.failing_since) = (0, None);
        let entry = entry(job, from, Hold::Until(now), None);
        entries.push(Entry {
            note: note.to_owned(),
            ..entry
        });
    }
    record(shared, entries).await
}

/// Gives jobs back after a failure: they may go on after `delay`. Those that have been failing
/// by themselves for too long are parked. Returns when the earliest may go on.
pub(super) async fn give_back(
    shared: &Shared,
    jobs: Vec<Job>,
    why: &str,
    delay: Duration,
    concerns: Concerns,
) -> Recorded<Option<Timestamp>> {
    let now = shared.now();
    let until = now + signed(delay);
    let mut entries = Vec::with_capacity(jobs.len());
    for mut job in jobs {
        let from = job.state.name();
        patience::note_failure(&mut job, concerns, now);
        if patience::is_over(&job, shared.retry.park_after, now) {
            let state = job.state.clone().park(ParkReason::GaveUp);
            job.state = state.map_err(|illegal| impossible(&illegal))?;
        }
        let hold = if job.state.name().is_final() {
            Hold::Keep
        } else {
            Hold::Until(until)
        };
        entries.push(entry(job, from, hold, Some(why)));
    }
    let any = !entries.is_empty();
    record(shared, entries).await?;
    Ok(any.then_some(until))
}

/// Gives jobs back that have nothing to do yet: they may go on after `delay`. Returns when that is.
pub(super) async fn postpone(
    shared: &Shared,
    jobs: Vec<Job>,
    delay: Duration,
) -> Recorded<Timestamp> {
    let until = shared.now() + signed(delay);
    let held = jobs.into_iter().map(|job| {
        let from = job.state.name();
        entry(job, from, Hold::Until(until), None)
    });
    record(shared, held.collect()).await?;
    Ok(until)
}

/// Parks jobs that the server refuses.
pub(super) async fn park(
    shared: &Shared,
    jobs: Vec<Job>,
    reason: ParkReason,
    why: &str,
) -> Recorded<()> {
    let mut entries = Vec::with_capacity(jobs.len());
    for mut job in jobs {
        let from = job.state.name();
        let path = printable(&job.path);
        tracing::error!(job = %job.id, watch = %job.watch, %path, %reason, why, "a file needs a person");
        job.state = job
            .state
            .park(reason)
            .map_err(|illegal| impossible(&illegal))?;
        entries.push(entry(job, from, Hold::Keep, Some(why)));
    }
    record(shared, entries).await.map(drop)
}

fn entry(job: Job, from: StateName, hold: Hold, why: Option<&str>) -> Entry {
    Entry {
        job,
        from,
        hold,
        error: why.map(str::to_owned),
        note: why.unwrap_or_default().to_owned(),
    }
}

async fn record(shared: &Shared, entries: Vec<Entry>) -> Recorded<Vec<Job>> {
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    shared.journal.record_all(entries, shared.now()).await
}

/// Waits until the budget allows one more call to the API.
pub(super) async fn budget(shared: &Shared) {
    while let Err(at) = shared.client.acquire(Instant::now().into_std()) {
        tokio::time::sleep_until(at.into()).await;
    }
}
