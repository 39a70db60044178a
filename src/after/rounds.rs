//! The loop of one watch: what is in its table, a few files at a time.

use std::hash::{BuildHasher as _, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::deed::{self, Ended, Work};
use super::resume::{Resumed, resume};
use super::{Concluded, Ledger, emptied, hand};
use crate::beneath::Folder;
use crate::config::{AfterUpload, Emptied, Watch};
use crate::crash_point::{Point, pass};
use crate::job::{AfterIntent, Deed, Job, JobId, Proven, printable, private_name};

/// Files in one round: two commits and a few syncs for all of them, and no more than twice as many descriptors.
const AT_ONCE: usize = 100;
/// The ledger is asked again at least this often, should a clock have jumped.
const LOOK_AGAIN: Duration = Duration::from_mins(5);

/// What is to be done with the files of one watch.
#[derive(Debug, Clone)]
pub struct Orders {
    root: PathBuf,
    /// `None`: they stay.
    deed: Option<Deed>,
    /// Markers of the sets whose empty folders go; `None`: folders stay.
    remove_empty: Option<Vec<String>>,
}

impl Orders {
    /// As the watch is configured.
    pub fn of(watch: &Watch) -> Self {
        let markers = watch
            .release_on
            .as_ref()
            .map(|release| release.markers.clone());
        Self {
            root: watch.path.clone(),
            deed: match &watch.after_upload {
                AfterUpload::Keep => None,
                AfterUpload::Delete => Some(Deed::Delete),
                AfterUpload::Move(to) => Some(Deed::Move(to.clone())),
            },
            remove_empty: markers.filter(|_| watch.emptied == Emptied::Removed),
        }
    }

    /// For a watch that is configured no more: what was begun is ended, and nothing else is touched.
    pub fn none() -> Self {
        Self {
            root: PathBuf::new(),
            deed: None,
            remove_empty: None,
        }
    }
}

/// Does what is to be done with the files of one watch, until `stop`.
///
/// # Errors
/// The ledger's: nothing may be done that is not written down.
pub async fn run<L: Ledger>(
    orders: Orders,
    mut ledger: L,
    stop: CancellationToken,
) -> Result<(), L::Error> {
    let orders = Arc::new(orders);
    while !stop.is_cancelled() {
        let proven = ledger.proven(AT_ONCE).await?;
        if !proven.is_empty() {
            round(&orders, &ledger, proven, &stop).await?;
            continue;
        }
        let wait = ledger.next().await?.unwrap_or(LOOK_AGAIN).min(LOOK_AGAIN);
        tokio::select! {
            () = stop.cancelled() => {}
            () = ledger.news() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
    Ok(())
}

async fn round<L: Ledger>(
    orders: &Arc<Orders>,
    ledger: &L,
    proven: Vec<Proven>,
    stop: &CancellationToken,
) -> Result<(), L::Error> {
    let (mut fresh, begun): (Vec<_>, Vec<_>) = proven
        .into_iter()
        .partition(|proven| proven.intent.is_none());
    let mut concluded = Vec::new();
    if !begun.is_empty() {
        let (orders, stop) = (Arc::clone(orders), stop.clone());
        let ended = blocking(move || end_what_was_begun(&orders, begun, &stop)).await;
        concluded.extend(ended.0);
        fresh.extend(ended.1);
    }
    let (ready, left) = choose(orders, fresh);
    concluded.extend(left);
    let new = ready.iter().filter(|(_, _, is_new)| *is_new);
    let intents: Vec<(JobId, AfterIntent)> = new
        .map(|(job, intent, _)| (job.id, intent.clone()))
        .collect();
    if !intents.is_empty() {
        ledger.intend(intents).await?;
    }
    if !ready.is_empty() {
        let (orders, stop) = (Arc::clone(orders), stop.clone());
        concluded.extend(blocking(move || act(&orders, &ready, &stop)).await);
    }
    if concluded.is_empty() {
        return Ok(());
    }
    for (job, what) in &concluded {
        tell(job, what);
    }
    ledger.conclude(concluded).await
}

/// Work that waits for disks, on a thread where that is allowed.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        // the work panicked: so does whoever waits for it. The runtime never takes work back otherwise.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

type Conclusions = Vec<(Job, Concluded)>;

/// Ends what was interrupted, and returns what was not: what is configured now holds for it.
fn end_what_was_begun(
    orders: &Orders,
    begun: Vec<Proven>,
    stop: &CancellationToken,
) -> (Conclusions, Vec<Proven>) {
    let (mut concluded, mut untouched) = (Conclusions::new(), Vec::new());
    let mut touched = Vec::new();
    for proven in begun {
        let Some(intent) = &proven.intent else {
            continue;
        };
        let mut work = Work {
            job: &proven.job,
            intent,
            stop,
            touched: &mut touched,
        };
        match resume(&mut work) {
            Ok(Resumed::Untouched) => untouched.push(proven),
            Ok(Resumed::Ended(ended)) => {
                let what = ended.conclusion().map(|what| (proven.job, what));
                concluded.extend(what);
            }
            Err(why) => concluded.push((proven.job, Concluded::Later(why))),
        }
    }
    finish(orders, &touched, concluded, untouched)
}

fn finish(
    orders: &Orders,
    touched: &[Folder],
    mut concluded: Conclusions,
    untouched: Vec<Proven>,
) -> (Conclusions, Vec<Proven>) {
    sync(touched, &mut concluded);
    if let Some(markers) = &orders.remove_empty {
        let is_done = |(_, what): &&(Job, Concluded)| matches!(what, Concluded::Done(_));
        let done = concluded.iter().filter(is_done);
        let lost: Vec<_> = done.map(|(job, _)| job.path.as_path()).collect();
        emptied::remove(&orders.root, markers, &lost);
    }
    (concluded, untouched)
}

type Ready = (Job, AfterIntent, bool);

/// What is to be done with each, and whether that has to be written down yet; and what is left alone.
fn choose(orders: &Orders, fresh: Vec<Proven>) -> (Vec<Ready>, Conclusions) {
    let (mut ready, mut left) = (Vec::new(), Conclusions::new());
    for Proven { job, intent } in fresh {
        let Some(deed) = &orders.deed else {
            let why = "the file was left here: its watch keeps its files by now, or is no more";
            left.push((job, Concluded::Done(why.to_owned())));
            continue;
        };
        if job.state.md5().is_none() {
            let why = "no md5 of it was taken, so there is no proof, and the file was left here";
            left.push((job, Concluded::Done(why.to_owned())));
            continue;
        }
        let same = |intent: &AfterIntent| intent.deed == *deed && intent.root == orders.root;
        let (intent, is_new) = match intent.filter(same) {
            Some(intent) => (intent, false),
            None => (intend(orders, deed, &job), true),
        };
        ready.push((job, intent, is_new));
    }
    (ready, left)
}

fn intend(orders: &Orders, deed: &Deed, job: &Job) -> AfterIntent {
    let chance = RandomState::new().hash_one(job.id.0);
    AfterIntent {
        deed: deed.clone(),
        root: orders.root.clone(),
        aside: private_name(job.id, chance),
    }
}

fn act(orders: &Orders, ready: &[Ready], stop: &CancellationToken) -> Conclusions {
    let (mut concluded, mut touched) = (Conclusions::new(), Vec::new());
    for (job, intent, _) in ready {
        if stop.is_cancelled() {
            break;
        }
        let mut work = Work {
            job,
            intent,
            stop,
            touched: &mut touched,
        };
        let what = match deed::perform(&mut work) {
            Ok(Ended::Stopped) => break,
            Ok(ended) => ended.conclusion(),
            Err(why) => Some(Concluded::Later(why)),
        };
        concluded.extend(what.map(|what| (job.clone(), what)));
    }
    finish(orders, &touched, concluded, Vec::new()).0
}

/// Makes what was done survive a power cut, before it is called done: once for each folder.
fn sync(touched: &[Folder], concluded: &mut Conclusions) {
    for folder in touched {
        if let Err(error) = hand::sync(folder) {
            let why = hand::failed("a folder cannot be synced", error);
            for (_, what) in concluded.iter_mut() {
                *what = Concluded::Later(why.clone());
            }
        }
    }
    pass(Point::AfterSynced);
}

fn tell(job: &Job, what: &Concluded) {
    let path = printable(&job.path);
    match what {
        Concluded::Done(how) => tracing::info!(job = %job.id, watch = %job.watch, path, how),
        Concluded::Later(why) => {
            tracing::warn!(job = %job.id, watch = %job.watch, path, why, "a file that is in its table cannot be dealt with here");
        }
    }
}
