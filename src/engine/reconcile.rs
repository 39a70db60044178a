//! A registration whose answer is not known: the table's own listing is asked.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::batch::{self, Destination, Outcome, Trouble, budget};
use super::patience::Concerns;
use super::register::{adopt, is_ours};
use super::worker::signed;
use super::{Recorded, Shared};
use crate::job::{Awake, Job, State};
use crate::redivis::{ApiError, REQUEST_TIMEOUT, RemoteFile};

/// A request that was on its way when its answer was lost may still arrive for this long; only a
/// listing made later proves that it did not.
pub(super) const MAY_STILL_ARRIVE: Duration = Duration::from_secs(2 * REQUEST_TIMEOUT.as_secs());

/// The server's clock and ours may differ by this much.
const CLOCKS_DIFFER: Duration = Duration::from_mins(1);

/// Looks jobs of one table up in its listing: what stands there with our size and md5 is
/// adopted, what certainly does not stand there is registered again by the caller
/// ([`Outcome::onward`]), what may still arrive is looked up again later.
pub(super) async fn reconcile(
    shared: Arc<Shared>,
    jobs: Vec<Job>,
    delay: Duration,
) -> Recorded<Outcome> {
    let Some(table) = jobs.first().map(|job| job.table.clone()) else {
        return Ok(Outcome::default());
    };
    let asked = shared.moment().awake;
    let names: HashSet<String> = jobs.iter().map(|job| job.remote_name.clone()).collect();
    budget(&shared).await;
    match shared
        .client
        .list_files(&table, &|name| names.contains(name))
        .await
    {
        Ok(listed) => sort(&shared, jobs, listed, asked).await,
        Err(error) => unlisted(&shared, jobs, &error, delay).await,
    }
}

/// The listing of the jobs' table could not be read.
pub(super) async fn unlisted(
    shared: &Shared,
    jobs: Vec<Job>,
    error: &ApiError,
    delay: Duration,
) -> Recorded<Outcome> {
    let trouble = Trouble::of(error);
    let why = format!("the table's listing could not be read: {error}");
    let table = jobs.first().map(|job| job.table.clone());
    let mut outcome = Outcome {
        answered: trouble.is_none(),
        trouble,
        ..Outcome::default()
    };
    match &outcome.trouble {
        Some(Trouble::Auth(_)) => outcome.kept = jobs,
        Some(Trouble::Pause(_, wanted)) => {
            let delay = wanted.unwrap_or(delay);
            let back = batch::give_back(shared, jobs, &why, delay, Concerns::Everyone);
            outcome.until = back.await?;
        }
        // a listing is of a whole table
        None => {
            outcome.kept = jobs;
            let refuses = |table| Destination::Refuses(table, error.to_string());
            outcome.destination = table.map(refuses);
        }
    }
    Ok(outcome)
}

async fn sort(
    shared: &Shared,
    jobs: Vec<Job>,
    listed: Vec<RemoteFile>,
    asked: Option<Awake>,
) -> Recorded<Outcome> {
    let mut by_name: HashMap<String, Vec<RemoteFile>> = HashMap::new();
    for file in listed {
        by_name.entry(file.name.clone()).or_default().push(file);
    }
    let others = shared.journal.rows_of_others(&jobs).await?;
    let (mut found, mut absent, mut open) = (Vec::new(), Vec::new(), Vec::new());
    for mut job in jobs {
        let rows = by_name.get(&job.remote_name).map_or(&[][..], Vec::as_slice);
        let rows = rows.iter().filter(|file| !others.contains(&file.id));
        let mut ours = rows.filter(|file| is_this(&job, file));
        match (ours.next(), ours.count()) {
            (Some(row), others) => {
                if others > 0 {
                    tracing::warn!(job = %job.id, name = ?job.remote_name, others, "the table lists the same file more than once; nothing is deleted");
                }
                found.push((job, row.id.clone()));
            }
            (None, _) if cannot_arrive(&mut job, asked.as_ref()) => absent.push(job),
            (None, _) => open.push(job),
        }
    }
    adopt(shared, found).await?;
    not_listed(shared, absent, open).await
}

/// Those that are `absent` never arrived, and are to be registered again, unless their file has changed since;
/// those that are `open` may still arrive.
pub(super) async fn not_listed(
    shared: &Shared,
    absent: Vec<Job>,
    open: Vec<Job>,
) -> Recorded<Outcome> {
    let why = "its registration got no answer and is not in the table's listing yet";
    let until = batch::give_back(shared, open, why, MAY_STILL_ARRIVE, Concerns::These).await?;
    // of a file that changed since, only what came last should come last
    let outdated = shared.journal.outdated(&absent).await?;
    let (late, absent): (Vec<_>, Vec<_>) = absent
        .into_iter()
        .partition(|job| outdated.contains(&job.id));
    let note = "its registration never arrived, and there is a newer version of the file by now";
    batch::advance_and_note(shared, late, note, |_, state| state.withdraw()?.supersede()).await?;
    let onward = batch::advance(shared, absent, |_, state| state.withdraw()).await?;
    Ok(Outcome {
        onward,
        until,
        answered: true,
        ..Outcome::default()
    })
}

/// Whether the row is this job's. Without an md5 of our own, an older row of the same name and size
/// may be an older version; only one that came after our request is taken.
pub(super) fn is_this(job: &Job, row: &RemoteFile) -> bool {
    let State::Registering(intent) = &job.state else {
        return false;
    };
    let since = intent.at - signed(CLOCKS_DIFFER);
    let is_new = || row.added_at.is_some_and(|at| at >= since);
    is_ours(job, row.size, row.md5) && (job.state.md5().is_some() || is_new())
}

/// Whether the request cannot arrive any more: a listing that was asked for long after an earlier one still
/// does not have it. The time of day may jump, and the age of the intent with it; this clock is never set.
/// The first absence is noted in the job.
pub(super) fn cannot_arrive(job: &mut Job, asked: Option<&Awake>) -> bool {
    let State::Registering(intent) = &mut job.state else {
        return false;
    };
    let Some(asked) = asked else {
        return false;
    };
    let age = intent.absent.as_ref().and_then(|since| since.age(asked));
    if age.is_none() {
        intent.absent = Some(asked.clone());
    }
    age.is_some_and(|age| age >= MAY_STILL_ARRIVE)
}
