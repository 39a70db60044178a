//! Adding stored files to their table: the one step that must never be repeated blindly.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::batch::{self, Outcome, Trouble, budget};
use super::conflicts;
use super::destinations::speaks_of_the_table;
use super::patience::Concerns;
use super::refusals::{Next, Refusals};
use super::worker::signed;
use super::{Recorded, Shared};
use crate::job::{Job, JobId, Md5, ParkReason, RemoteId, State, Sums};
use crate::redivis::{ApiError, RegisteredFile, Registration};

/// For so long a temporary upload is sure to hold what was stored in it.
const STORED_LASTS: Duration = Duration::from_hours(12);

/// Registers stored jobs of one table, at most 1000, no two with the same remote name.
///
/// The intent is recorded first. Crash windows: after that commit and before the request, and after
/// the request and before its answer is recorded. Both leave `registering`, and both are
/// resolved by looking at the table's own listing.
pub(super) async fn register(
    shared: Arc<Shared>,
    jobs: Vec<Stored>,
    delay: Duration,
) -> Recorded<Outcome> {
    let mut outcome = Outcome::default();
    let mut refusals = Refusals::default();
    let Some(table) = jobs.first().map(|stored| stored.job.table.clone()) else {
        return Ok(outcome);
    };
    let fresh = fresh(&jobs, shared.now());
    let mut looked_up = HashSet::new();
    let mut batches = vec![jobs];
    while let Some(jobs) = batches.pop() {
        if outcome.trouble.is_some() || refusals.is_closed() {
            outcome.kept.extend(stored(&shared, jobs).await?);
            continue;
        }
        // first the budget: the age of an intent says how long its request may have been under way
        budget(&shared).await;
        let jobs = intend(&shared, jobs).await?;
        if jobs.is_empty() {
            continue;
        }
        let files: Vec<_> = jobs.iter().filter_map(registration).collect();
        let answer = shared.client.register_files(&table, &files).await;
        outcome.answered |= matches!(answer, Ok(_) | Err(ApiError::Refused { .. }));
        match answer {
            Ok(listed) => {
                refusals.taken();
                settle(&shared, jobs, listed).await?;
            }
            Err(error @ ApiError::Refused { .. }) => {
                let doubted = |job: &&Job| !fresh.contains(&job.id) && !looked_up.contains(&job.id);
                let before = jobs.len();
                let jobs = if jobs.iter().any(|job| doubted(&job)) && says_nothing(&error) {
                    looked_up.extend(jobs.iter().map(|job| job.id));
                    conflicts::look_first(&shared, jobs, &mut outcome).await?
                } else {
                    jobs
                };
                if jobs.len() < before {
                    let jobs = withdraw(&shared, jobs).await?;
                    batches.push(jobs.into_iter().map(Stored::recorded).collect());
                    continue;
                }
                let jobs = match conflicts::settle(&shared, jobs, &error, &mut outcome).await? {
                    conflicts::Next::Refused(jobs) => withdraw(&shared, jobs).await?,
                    conflicts::Next::Again(jobs) => {
                        let jobs = withdraw(&shared, jobs).await?;
                        batches.push(jobs.into_iter().map(Stored::recorded).collect());
                        continue;
                    }
                };
                let doubtful = conflicts::is_upload_gone(&error)
                    || jobs.iter().any(|job| !fresh.contains(&job.id));
                if doubtful && jobs.len() == 1 && !speaks_of_the_table(&error) {
                    // temporary uploads do not last, and after a long outage that is the likeliest
                    // reason: it is sent once more, and if that was not it, the next registration says so
                    let why = error.to_string();
                    let renewed =
                        batch::advance_and_note(&shared, jobs, &why, |_, state| state.renew());
                    outcome.again.extend(renewed.await?);
                    continue;
                }
                match refusals.refused(jobs, &error, doubtful) {
                    Next::Halves(first, second) => {
                        let recorded = |jobs: Vec<Job>| jobs.into_iter().map(Stored::recorded);
                        batches.extend([recorded(second).collect(), recorded(first).collect()]);
                    }
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

/// Whether a refusal may be a word for "I have it already": an earlier request that got no answer may have arrived late,
/// and used the temporary upload up.
pub(super) fn says_nothing(error: &ApiError) -> bool {
    !conflicts::may_be_ours(error) && !speaks_of_the_table(error)
}

/// A job whose bytes are stored and proven.
#[derive(Debug)]
pub(super) struct Stored {
    pub job: Job,
    /// Its sums, if the journal does not have them yet.
    pub unrecorded: Option<Sums>,
    /// When the last byte was stored, if this process saw it.
    pub since: Option<Timestamp>,
}

impl Stored {
    /// The journal knows that it is stored.
    pub fn recorded(job: Job) -> Self {
        Self {
            job,
            unrecorded: None,
            since: None,
        }
    }
}

/// Those whose bytes were stored so lately that they must still be there.
pub(super) fn fresh(jobs: &[Stored], now: Timestamp) -> HashSet<JobId> {
    let is_fresh = |stored: &&Stored| {
        let age = stored.since.map(|at| now.duration_since(at).abs());
        age.is_some_and(|age| age < signed(STORED_LASTS))
    };
    jobs.iter()
        .filter(is_fresh)
        .map(|stored| stored.job.id)
        .collect()
}

/// Records, in one commit, that the jobs are stored (W4) and about to be registered (W5).
async fn intend(shared: &Shared, jobs: Vec<Stored>) -> Recorded<Vec<Job>> {
    let now = shared.now();
    let (known, new): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.unrecorded.is_none());
    let (new, sums) = unzip(new);
    let mut sums = sums.into_iter().flatten();
    let known = known.into_iter().map(|stored| stored.job).collect();
    let note = "all bytes are stored and proven";
    let (known, new) = tokio::join!(
        batch::advance(shared, known, |_, state| state.intend(now)),
        batch::advance_and_note(shared, new, note, |_, state| match sums.next() {
            Some(sums) => state.complete(sums)?.intend(now),
            None => Ok(state),
        })
    );
    let mut jobs = known?;
    jobs.extend(new?);
    Ok(jobs)
}

/// Records that the jobs are stored (W4), and no more.
pub(super) async fn stored(shared: &Shared, jobs: Vec<Stored>) -> Recorded<Vec<Job>> {
    let (mut known, new): (Vec<_>, Vec<_>) =
        jobs.into_iter().partition(|job| job.unrecorded.is_none());
    let (new, sums) = unzip(new);
    let mut sums = sums.into_iter().flatten();
    let new = batch::advance(shared, new, |_, state| match sums.next() {
        Some(sums) => state.complete(sums),
        None => Ok(state),
    });
    known.extend(new.await?.into_iter().map(Stored::recorded));
    Ok(known.into_iter().map(|stored| stored.job).collect())
}

fn unzip(jobs: Vec<Stored>) -> (Vec<Job>, Vec<Option<Sums>>) {
    jobs.into_iter()
        .map(|stored| (stored.job, stored.unrecorded))
        .unzip()
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

pub(super) async fn withdraw(shared: &Shared, jobs: Vec<Job>) -> Recorded<Vec<Job>> {
    batch::advance(shared, jobs, |_, state| state.withdraw()).await
}

pub(super) async fn failed(
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
    if !error.certainly_not_applied() {
        // it stays `registering`: the next claim looks at the listing first
        let back = batch::give_back(shared, jobs, &why, wait, Concerns::Everyone);
        outcome.given_back(back.await?);
        return Ok(());
    }
    let jobs = withdraw(shared, jobs).await?;
    if matches!(outcome.trouble, Some(Trouble::Auth(_))) {
        outcome.kept.extend(jobs);
    } else {
        let back = batch::give_back(shared, jobs, &why, wait, Concerns::Everyone);
        outcome.given_back(back.await?);
    }
    Ok(())
}

/// Holds every answer against what was sent. Something was added for each, so none may be registered again.
async fn settle(shared: &Shared, jobs: Vec<Job>, listed: Vec<RegisteredFile>) -> Recorded<()> {
    let mut by_name: HashMap<String, RegisteredFile> = listed
        .into_iter()
        .map(|file| (file.name.clone(), file))
        .collect();
    let (mut ours, mut foreign, mut unnamed) = (Vec::new(), Vec::new(), Vec::new());
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
            None => unnamed.push(job),
        }
    }
    for job in unnamed {
        let mut others = by_name.values();
        let other = others.find(|file| is_ours(&job, file.size, file.md5));
        let what = match other {
            Some(other) => format!("calls it {:?}", other.name),
            None => "names other files".to_owned(),
        };
        let why = format!(
            "Redivis has taken it in as {:?}, and its answer {what}; look what the table has. The local file was kept",
            job.remote_name
        );
        foreign.push((job, why));
    }
    adopt(shared, ours).await?;
    for (job, why) in foreign {
        batch::park(shared, vec![job], ParkReason::RemoteDiffers, &why).await?;
    }
    Ok(())
}

/// Whether what the table has is the file that was read here.
pub(super) fn is_ours(job: &Job, size: u64, md5: Md5) -> bool {
    size == job.seen.size && job.state.md5().is_none_or(|ours| ours == md5)
}

/// The table has them. Where files are kept nothing remains but to say so, in the same commit; what
/// becomes of others is not decided here.
pub(super) async fn adopt(shared: &Shared, jobs: Vec<(Job, RemoteId)>) -> Recorded<()> {
    let note = "the table has it, with this size and md5";
    let (kept, others): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|(job, _)| shared.keeps(job));
    let (kept, ids): (Vec<_>, Vec<_>) = kept.into_iter().unzip();
    let mut ids = ids.into_iter();
    let kept = batch::advance_and_note(shared, kept, note, |_, state| match ids.next() {
        Some(id) => state.register(id)?.finish(),
        None => Ok(state),
    });
    kept.await?.iter().for_each(tell);
    let (others, ids): (Vec<_>, Vec<_>) = others.into_iter().unzip();
    let mut ids = ids.into_iter();
    let others = batch::let_go(shared, others, note, |_, state| match ids.next() {
        Some(id) => state.register(id),
        None => Ok(state),
    });
    others.await?.iter().for_each(tell);
    Ok(())
}

fn tell(job: &Job) {
    tracing::info!(job = %job.id, watch = %job.watch, name = ?job.remote_name, bytes = job.seen.size, md5 = job.state.md5().map(tracing::field::display), "a file is in its table");
}
