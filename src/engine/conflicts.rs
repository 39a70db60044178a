//! A registration that is refused because something is there already, or is there no more: the table's
//! own listing tells what.

use std::collections::{HashMap, HashSet};

use super::batch::{self, Outcome, Trouble};
use super::patience::Concerns;
use super::reconcile::is_this;
use super::register::{adopt, is_ours};
use super::{Recorded, Shared};
use crate::job::{Job, ParkReason};
use crate::redivis::{ApiError, RemoteFile};

/// What to do with jobs whose registration was refused.
#[derive(Debug)]
pub(super) enum Next {
    /// The refusal has nothing to do with what the table has.
    Refused(Vec<Job>),
    /// Others were dealt with; these may be registered now.
    Again(Vec<Job>),
}

/// Adopts what the table has of ours, and parks what it has otherwise. A refusal is proof that nothing of
/// the batch was added, so the rest may be tried again at once.
///
/// A server that takes several files of one name never comes here.
pub(super) async fn settle(
    shared: &Shared,
    jobs: Vec<Job>,
    error: &ApiError,
    outcome: &mut Outcome,
) -> Recorded<Next> {
    if is_upload_gone(error) && jobs.len() == 1 {
        return renew(shared, jobs, error, outcome).await;
    }
    let Some(table) = jobs.first().map(|job| job.table.clone()) else {
        return Ok(Next::Again(jobs));
    };
    if !may_be_ours(error) {
        return Ok(Next::Refused(jobs));
    }
    match list(shared, &table, &jobs).await {
        Ok(listed) => sort(shared, jobs, listed, error, outcome).await,
        Err(error) => not_listed(shared, jobs, &error, outcome).await,
    }
}

/// Before anything else is made of a refusal: jobs whose earlier registration may have arrived late are looked up in the
/// table, once for all of them. Returns those that it does not have; none if it cannot be asked, and then they stay
/// `registering`.
pub(super) async fn look_first(
    shared: &Shared,
    jobs: Vec<Job>,
    outcome: &mut Outcome,
) -> Recorded<Vec<Job>> {
    let Some(table) = jobs.first().map(|job| job.table.clone()) else {
        return Ok(jobs);
    };
    let listed = match list(shared, &table, &jobs).await {
        Ok(listed) => listed,
        Err(error) => {
            not_listed(shared, jobs, &error, outcome).await?;
            return Ok(Vec::new());
        }
    };
    let others = shared.journal.rows_of_others(&jobs).await?;
    let (mut ours, mut rest) = (Vec::new(), Vec::new());
    for job in jobs {
        let rows = listed.get(&job.remote_name).map_or(&[][..], Vec::as_slice);
        let mut rows = rows.iter().filter(|row| !others.contains(&row.id));
        match rows.find(|row| is_this(&job, row)) {
            Some(row) => ours.push((job, row.id.clone())),
            None => rest.push(job),
        }
    }
    adopt(shared, ours).await?;
    Ok(rest)
}

/// What the table has under the names of these jobs.
async fn list(
    shared: &Shared,
    table: &str,
    jobs: &[Job],
) -> Result<HashMap<String, Vec<RemoteFile>>, ApiError> {
    let names: HashSet<&str> = jobs.iter().map(|job| &*job.remote_name).collect();
    batch::budget(shared).await;
    let wanted = |name: &str| names.contains(name);
    let listed = shared.client.list_files(table, &wanted).await?;
    let mut by_name: HashMap<String, Vec<RemoteFile>> = HashMap::new();
    for file in listed {
        by_name.entry(file.name.clone()).or_default().push(file);
    }
    Ok(by_name)
}

pub(super) async fn not_listed(
    shared: &Shared,
    jobs: Vec<Job>,
    error: &ApiError,
    outcome: &mut Outcome,
) -> Recorded<Next> {
    let why = format!("the table's listing could not be read: {error}");
    outcome.trouble = Trouble::of(error);
    look_later(shared, jobs, &why, outcome).await
}

async fn sort(
    shared: &Shared,
    jobs: Vec<Job>,
    listed: HashMap<String, Vec<RemoteFile>>,
    error: &ApiError,
    outcome: &mut Outcome,
) -> Recorded<Next> {
    let others = shared.journal.rows_of_others(&jobs).await?;
    let (mut ours, mut rest) = (Vec::new(), Vec::new());
    let before = jobs.len();
    for job in jobs {
        let rows = listed.get(&job.remote_name).map_or(&[][..], Vec::as_slice);
        // where there can be no second one of a name, that of an earlier version is all that there can be
        let may_be = |row: &RemoteFile| already_exists(error) || !others.contains(&row.id);
        let same = |row: &&RemoteFile| {
            may_be(row) && job.state.md5().is_some() && is_ours(&job, row.size, row.md5)
        };
        match (rows.iter().find(same), rows.first()) {
            (Some(row), _) => ours.push((job, row.id.clone())),
            // "used" speaks of our own upload, whose row the listing does not show yet
            (None, Some(row)) if already_exists(error) => {
                conflict(shared, job, row).await?;
            }
            (None, _) => rest.push(job),
        }
    }
    adopt(shared, ours).await?;
    if rest.len() < before {
        return Ok(Next::Again(rest));
    }
    if rest.len() > 1 {
        return Ok(Next::Refused(rest));
    }
    // the listing may lag behind
    look_later(shared, rest, &error.to_string(), outcome).await
}

async fn conflict(shared: &Shared, job: Job, row: &RemoteFile) -> Recorded<()> {
    let why = format!(
        "the table has another file of this name, with {} bytes and md5 {}, and takes no second one; \
         rename the local file, or remove the other from the table",
        row.size, row.md5
    );
    batch::park(shared, vec![job], ParkReason::Conflict, &why).await
}

/// They stay `registering`: the next claim looks at the listing first.
pub(super) async fn look_later(
    shared: &Shared,
    jobs: Vec<Job>,
    why: &str,
    outcome: &mut Outcome,
) -> Recorded<Next> {
    let delay = super::reconcile::MAY_STILL_ARRIVE;
    let back = batch::give_back(shared, jobs, why, delay, Concerns::These);
    outcome.given_back(back.await?);
    Ok(Next::Again(Vec::new()))
}

/// The bytes are gone from the server: they are sent again, a few times.
pub(super) async fn renew(
    shared: &Shared,
    jobs: Vec<Job>,
    error: &ApiError,
    outcome: &mut Outcome,
) -> Recorded<Next> {
    let why = format!("the stored bytes have expired before they were registered: {error}");
    let (mut again, mut enough) = (Vec::new(), Vec::new());
    for mut job in jobs {
        job.troubles.sessions_lost += 1;
        let list = if job.troubles.sessions_lost < MOST_RENEWALS {
            &mut again
        } else {
            &mut enough
        };
        list.push(job);
    }
    batch::park(shared, enough, ParkReason::SessionsLost, &why).await?;
    let again = batch::advance_and_note(shared, again, &why, |_, state| state.withdraw()?.renew());
    outcome.again.extend(again.await?);
    Ok(Next::Again(Vec::new()))
}

/// So often the bytes of one version may be lost before a person must look.
const MOST_RENEWALS: u32 = 3;

/// Whether a refusal may speak of our own earlier request.
pub(super) fn may_be_ours(error: &ApiError) -> bool {
    says(
        error,
        &[
            "already exist",
            "already used",
            "already been used",
            "already regist",
            "been regist",
            "consumed",
        ],
    )
}

/// Whether a refusal says that the name is taken.
pub(super) fn already_exists(error: &ApiError) -> bool {
    says(error, &["already exist"])
}

/// Whether a refusal says that the temporary upload is no more.
pub(super) fn is_upload_gone(error: &ApiError) -> bool {
    says(error, &["temp upload", "tempupload", "temporary upload"])
        && says(
            error,
            &[
                "expired",
                "not found",
                "not exist",
                "unknown",
                "gone",
                "no temp",
            ],
        )
}

fn says(error: &ApiError, words: &[&str]) -> bool {
    // its code speaks too
    let text = error.to_string().to_lowercase();
    words.iter().any(|words| text.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart_by_their_words() {
        for (text, ours, gone) in [
            ("a file named x already exists", true, false),
            ("the tempUploadId t1 was already used", true, false),
            ("temp upload t1 has already been registered", true, false),
            ("temp upload t1 has expired", false, true),
            ("Temporary upload not found", false, true),
            ("no temp upload has the id t1", false, true),
            ("the table was not found", false, false),
            ("the name is too long", false, false),
        ] {
            let error = ApiError::Refused {
                status: 400,
                code: None,
                text: text.into(),
            };
            assert_eq!(
                (may_be_ours(&error), is_upload_gone(&error)),
                (ours, gone),
                "{text}"
            );
        }
    }
}
