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
        // what it may be, and what has its very name
        let (candidates, so_named, is_proven) = match last {
            Last::InTable(before) => (vec![before.clone()], Some(before), true),
            Last::Listed(held) => (held.all().cloned().collect(), held.so_named, true),
            Last::Unproven(before) => (vec![before], None, false),
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
        let sums = match sums_if_alike(&shared, &folder, &job, &candidates).await? {
            Ok(sums) => sums,
            // that says nothing of what it has; and by the time it is sent it may be there again, and so would be its rows
            Err(Unfit::Later(why) | Unfit::Exhausted(why)) => {
                let wait = retry::delay(shared.retry, job.attempts + 1, shared.chance());
                let back = batch::give_back(&shared, vec![job], &why, wait, Concerns::These);
                outcome.given_back(back.await?);
                continue;
            }
            // whoever sends it finds out the same, and says so
            Err(_) => {
                outcome.again.push(job);
                continue;
            }
        };
        let same = sums.and_then(|sums| {
            let mut alike = candidates.into_iter().filter(is_alike(&job));
            let same = alike.find(|before| before.md5 == sums.md5)?;
            Some((same, sums))
        });
        match (same, so_named) {
            (Some((before, sums)), _) if is_proven => {
                recognise(&shared, job, before, sums).await?;
            }
            (Some((before, _)), _) => imports::set_apart_again(&shared, job, &before).await?,
            (None, Some(other)) => policy(&shared, &folder, job, &other, &mut outcome).await?,
            (None, None) => outcome.again.push(job),
        }
    }
    Ok(outcome)
}

/// Whether a file may be the same, since it has the same size.
fn is_alike(job: &Job) -> impl Fn(&Before) -> bool {
    let size = job.seen.size;
    move |before| before.size == size && before.md5.is_some()
}

/// The checksums of a file that may be one of these. Whoever sends one that cannot be read will
/// find out why.
async fn sums_if_alike(
    shared: &Shared,
    folder: &Folder,
    job: &Job,
    candidates: &[Before],
) -> Recorded<Result<Option<Sums>, Unfit>> {
    if !candidates.iter().any(is_alike(job)) {
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
