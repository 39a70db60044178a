//! A lot: one large file, or several small ones that are opened and read in one go and sent side by
//! side. What a small file costs is mostly switching between threads; a lot shares that.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::{Either, ready};
use futures_util::stream::{FuturesUnordered, Stream, once};

use super::drive::Drive;
use super::hash::Hasher;
use super::source::{Source, Unfit};
use super::stock::{MOST_IN_A_LOT, shares};
use super::worker::{Left, Worker};
use super::{Folder, Recorded, Shared};
use crate::beneath::Root;
use crate::config::Verify;
use crate::job::{Job, ParkReason, State, WatchName};

/// Files up to this many bytes are read at once: one read, one write, no thread in between.
const SMALL: u64 = 256 * 1024;

/// What became of one job of a lot, and the shares of the workers that it took.
pub(super) type Carried = (usize, Recorded<Left>);

/// Carries the jobs of a lot until each is stored or something is in its way. Those that end together are
/// told together.
pub(super) fn carry(
    shared: Arc<Shared>,
    jobs: Vec<Job>,
) -> impl Stream<Item = Vec<Carried>> + use<> {
    let opening = open_all(Arc::clone(&shared), jobs);
    let carrying = once(opening).flat_map(move |opened| match opened {
        Ok(opened) => {
            let each = opened
                .into_iter()
                .map(|(job, opened)| carry_one(Arc::clone(&shared), job, opened));
            Either::Left(each.collect::<FuturesUnordered<_>>())
        }
        // only at shutdown, or after a panic: the engine ends
        Err(error) => Either::Right(once(ready((0, Err(error))))),
    });
    carrying.ready_chunks(MOST_IN_A_LOT)
}

async fn carry_one(shared: Arc<Shared>, job: Job, opened: Opened) -> Carried {
    let taken = shares(job.seen.size);
    let mut worker = Worker { shared, job };
    let left = match opened {
        Opened::Whole(bytes, hasher) => worker.put(bytes, hasher).await,
        Opened::Source(source) => Drive::new(worker, source).run().await,
        Opened::Unfit(unfit) => worker.unfit(unfit).await,
        Opened::NoWatch => {
            let why = "its watch is no longer in the configuration";
            worker
                .end(|state| state.park(ParkReason::NoWatch), why)
                .await
        }
    };
    (taken, left)
}

// ---- opening

/// What lies at a job's path.
enum Opened {
    /// All bytes of a small file and their checksums; it is closed already.
    Whole(Bytes, Hasher),
    /// A file to be read while it is sent.
    Source(Source),
    /// Nothing that can be sent.
    Unfit(Unfit),
    /// Nobody knows where to look.
    NoWatch,
}

/// One hop to a thread that may wait for the disk, for all of them.
async fn open_all(shared: Arc<Shared>, jobs: Vec<Job>) -> Recorded<Vec<(Job, Opened)>> {
    let reading = shared.surroundings.reading;
    let opening = reading.run(move || {
        let mut roots = Roots::default();
        let open = |job: Job| {
            let opened = open(&shared, &mut roots, &job);
            (job, opened)
        };
        jobs.into_iter().map(open).collect()
    });
    opening.await
}

fn open(shared: &Shared, roots: &mut Roots, job: &Job) -> Opened {
    let Some(folder) = shared.folders.get(&job.watch) else {
        return Opened::NoWatch;
    };
    let opened = roots
        .open(&job.watch, folder)
        .and_then(|root| Source::open(root, job, folder.allow_hard_links))
        .and_then(|source| read(source, job, shared.verify(job)));
    opened.unwrap_or_else(Opened::Unfit)
}

fn read(source: Source, job: &Job, verify: Verify) -> Result<Opened, Unfit> {
    let is_new = matches!(&job.state, State::Reserved(reservation) if !reservation.resumable);
    if !is_new || job.seen.size > SMALL {
        return Ok(Opened::Source(source));
    }
    let mut hasher = Hasher::new(verify);
    let bytes = source.read_whole(&mut hasher)?;
    Ok(Opened::Whole(bytes, hasher))
}

/// The drop folder that was opened last: mostly all files of a lot lie in one.
#[derive(Default)]
struct Roots(Option<(WatchName, Root)>);

impl Roots {
    fn open(&mut self, watch: &WatchName, folder: &Folder) -> Result<&Root, Unfit> {
        let last = self.0.take().filter(|(name, _)| name == watch);
        let root = match last {
            Some((_, root)) => root,
            None => Root::open(&folder.path)
                .map_err(|error| Unfit::of_io("the drop folder cannot be opened", &error))?,
        };
        Ok(&self.0.insert((watch.clone(), root)).1)
    }
}
