//! A file whose name the table has already: is it the same content again?
//!
//! Changing a file's times or permissions makes a new version of it, and so does writing the same bytes again.
//! Reading it costs less than sending it, and proves more than its size.

use std::sync::Arc;

use super::batch::{self, Outcome};
use super::hash::Hasher;
use super::patience::Concerns;
use super::source::{self, Source, Unfit};
use super::{Folder, Recorded, Shared, imports, retry};
use crate::beneath::Root;
use crate::config::{OnConflict, Verify};
use crate::job::{Job, ParkReason, State, Sums};
use crate::journal::{Before, Last};

/// Jobs that are looked at in one step.
pub(super) const AT_ONCE: usize = 64;

/// Looks at each file: the same content is done at once, other content goes the way of the watch's policy
/// ([`Outcome::again`]: it is to be sent). What Redivis took in before without a proof is set apart again; it is no
/// content that a policy could speak of.
pub(super) async fn compare(shared: Arc<Shared>, jobs: Vec<(Job, Last)>) -> Recorded<Outcome> {
    let mut outcome = Outcome::default();
    for (job, last) in jobs {
        let (before, is_proven) = match last {
            Last::InTable(before) | Last::Listed(before, _) => (before, true),
            Last::Unproven(before) => (before, false),
            // whoever sorts it waits for that
            Last::UnderWay => {
                outcome.again.push(job);
                continue;
            }
        };
        let Some(folder) = shared.folders.get(&job.watch).cloned() else {
            // whoever opens it next will say so
            outcome.again.push(job);
            continue;
        };
        match sums_if_alike(&shared, &folder, &job, &before).await? {
            Ok(Some(sums)) if sums.md5.is_some() && sums.md5 == before.md5 => {
                if is_proven {
                    recognise(&shared, job, before, sums).await?;
                } else {
                    imports::set_apart_again(&shared, job, &before).await?;
                }
            }
            // that says nothing of what it has; and by the time it is sent it may be there again, and so would be its rows
            Err(Unfit::Later(why) | Unfit::Exhausted(why)) => {
                let wait = retry::delay(shared.retry, job.attempts + 1, shared.chance());
                let back = batch::give_back(&shared, vec![job], &why, wait, Concerns::These);
                outcome.given_back(back.await?);
            }
            // whoever sends it finds out the same, and says so
            Err(_) => outcome.again.push(job),
            _ if !is_proven => outcome.again.push(job),
            _ => policy(&shared, &folder, job, &before, &mut outcome).await?,
        }
    }
    Ok(outcome)
}

/// The checksums of a file that may be the same, since it has the same size. Whoever sends one that cannot be read will
/// find out why.
async fn sums_if_alike(
    shared: &Shared,
    folder: &Folder,
    job: &Job,
    before: &Before,
) -> Recorded<Result<Option<Sums>, Unfit>> {
    if job.seen.size != before.size || before.md5.is_none() {
        return Ok(Ok(None));
    }
    let (path, allow, seen) = (folder.path.clone(), folder.allow_hard_links, job.clone());
    let reading = shared.surroundings.reading;
    let opening = reading.run(move || {
        let root = Root::open(&path).map_err(|error| Unfit::Later(error.to_string()))?;
        Source::open(&root, &seen, allow)
    });
    let source = match opening.await? {
        Ok(source) => source,
        Err(unfit) => return Ok(Err(unfit)),
    };
    let hasher = Hasher::new(Verify::Md5);
    let hasher = source::sum_up_to(reading, &source, hasher, job.seen.size).await?;
    // a version that was not whole while it was read proves nothing
    let again = reading.run(move || source.look_again()).await?;
    Ok(again.and(hasher).map(|hasher| Some(hasher.sums())))
}

async fn recognise(shared: &Shared, job: Job, before: Before, sums: Sums) -> Recorded<()> {
    let note = "the table has the same content under this name already; nothing was sent";
    tracing::info!(job = %job.id, watch = %job.watch, name = ?job.remote_name, note);
    let mut remote = Some(before.remote);
    let keeps = shared.keeps(&job);
    let step = |_: &Job, state: State| match remote.take() {
        Some(remote) if keeps => state.recognise(remote, sums)?.finish(),
        Some(remote) => state.recognise(remote, sums),
        None => Ok(state),
    };
    if keeps {
        batch::advance_and_note(shared, vec![job], note, step).await?;
    } else {
        batch::let_go(shared, vec![job], note, step).await?;
    }
    Ok(())
}

async fn policy(
    shared: &Shared,
    folder: &Folder,
    job: Job,
    before: &Before,
    outcome: &mut Outcome,
) -> Recorded<()> {
    let (reason, what) = match folder.on_conflict {
        OnConflict::NewVersion => {
            outcome.again.push(job);
            return Ok(());
        }
        OnConflict::Skip => (ParkReason::Skipped, "and on_conflict = \"skip\""),
        OnConflict::Fail => (ParkReason::Conflict, "and on_conflict = \"fail\""),
    };
    let why = format!(
        "the table has other content under this name ({} bytes), {what}; the local file was kept",
        before.size
    );
    batch::park(shared, vec![job], reason, &why).await
}
