//! Reading the file: one open descriptor, from the first byte to the last look.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{Stream, poll_fn};
use rustix::io::Errno;
use tokio::sync::{mpsc, oneshot};

use super::Recorded;
use super::hash::Hasher;
use super::surroundings::Reading;
use crate::beneath::{self, OpenError, Root};
use crate::job::{ByteOffset, Fingerprint, Job};

/// Bytes read at a time.
const BLOCK: usize = 256 * 1024;
/// Bytes that are summed in one go when nothing is sent.
const PIECE: u64 = 64 * 1024 * 1024;
/// Blocks that may wait for the network, a file.
const AHEAD: usize = 2;
/// Blocks that may wait for the md5, of all files together: enough that its thread, the slowest of all,
/// is not idle when another one had to wait for a processor.
const SUM_AHEAD: usize = 24;
/// And of one file.
const SUM_AHEAD_EACH: RangeInclusive<usize> = 2..=16;

/// A file that is being uploaded.
#[derive(Debug, Clone)]
pub(super) struct Source {
    file: Arc<File>,
    version: Fingerprint,
}

/// Why a file cannot be uploaded now, split by what follows.
#[derive(Debug)]
pub(super) enum Unfit {
    /// It is gone.
    Gone,
    /// Another version lies there: the watch sees it too, and makes a job of it.
    Changed,
    /// It has other names, and the watch does not allow that.
    HardLink(u64),
    /// It is no regular file, or the way leads through a link.
    NotAFile(String),
    /// Its permissions forbid it.
    Denied,
    /// This machine has run out of descriptors or memory.
    Exhausted(String),
    /// Try again later: the folder is not there (an unmounted share), too many files are open …
    Later(String),
}

impl Unfit {
    /// An error that says nothing about the file itself.
    pub fn of_io(what: &str, error: &io::Error) -> Self {
        let why = format!("{what}: {error}");
        let errno = error.raw_os_error().map(Errno::from_raw_os_error);
        match errno {
            Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM) => Self::Exhausted(why),
            _ => Self::Later(why),
        }
    }
}

impl Source {
    /// Opens the job's file below its drop folder, if it still is the version that the job is about.
    pub fn open(root: &Root, job: &Job, allow_hard_links: bool) -> Result<Self, Unfit> {
        let open = root.open_file(&job.path).map_err(|error| match error {
            OpenError::Gone if seems_unmounted(root, job) => Unfit::Later(
                "the drop folder is empty, and on another file system than when this file was seen: \
                 is its share not mounted?"
                    .to_owned(),
            ),
            OpenError::Gone => Unfit::Gone,
            OpenError::NotAFile(kind) => Unfit::NotAFile(kind.to_string()),
            OpenError::Denied => Unfit::Denied,
            OpenError::Io(error) => Unfit::of_io("the file cannot be opened", &error),
        })?;
        if !open.seen.is_version(&job.seen) {
            return Err(Unfit::Changed);
        }
        if open.links > 1 && !allow_hard_links {
            return Err(Unfit::HardLink(open.links));
        }
        Ok(Self {
            file: Arc::new(open.file),
            version: open.seen,
        })
    }

    /// Whether the open file is still that version. To be asked before each chunk and after the
    /// last: bytes of two versions must never meet in one upload.
    ///
    /// A file that was deleted, or replaced by another, is still whole behind its descriptor: losing its
    /// last name changes the ctime and nothing else, so that one does not count then.
    ///
    /// # Errors
    /// [`Unfit::Changed`] if it is not, [`Unfit::Later`] if the file system does not tell.
    pub fn look_again(&self) -> Result<(), Unfit> {
        let (seen, names) = beneath::fingerprint(&self.file)
            .map_err(|error| Unfit::Later(format!("the file cannot be looked at: {error}")))?;
        let ctime_ns = if names == 0 {
            self.version.ctime_ns
        } else {
            seen.ctime_ns
        };
        if (Fingerprint { ctime_ns, ..seen }) == self.version {
            Ok(())
        } else {
            Err(Unfit::Changed)
        }
    }

    /// What a failed reading means: that the file changed, or that it may work later.
    pub fn unreadable(&self, error: &io::Error) -> Unfit {
        match self.look_again() {
            Err(unfit) => unfit,
            Ok(()) => Unfit::Later(format!("the file cannot be read: {error}")),
        }
    }

    /// All bytes at once, for small files, and the last look: what was read is whole, and of this
    /// version, whatever becomes of the file while it is sent. Blocks.
    pub fn read_whole(&self, hasher: &mut Hasher) -> Result<Bytes, Unfit> {
        let read = || {
            let size = usize::try_from(self.version.size).map_err(io::Error::other)?;
            let mut bytes = vec![0; size];
            self.file.read_exact_at(&mut bytes, 0)?;
            Ok(bytes)
        };
        let bytes = read().map_err(|error| self.unreadable(&error))?;
        self.look_again()?;
        hasher.update(&bytes);
        Ok(bytes.into())
    }

    /// Feeds the hasher up to `to`, reading again what it has not seen. Blocks.
    pub fn hash_up_to(&self, hasher: &mut Hasher, to: ByteOffset) -> io::Result<()> {
        let mut block = vec![0; BLOCK];
        while hasher.at() < to {
            let at = hasher.at().get();
            let len = block_len(to.get() - at);
            self.file.read_exact_at(&mut block[..len], at)?;
            hasher.update(&block[..len]);
        }
        Ok(())
    }

    /// The bytes from where the hasher is, `len` of them, read by a thread of its own while
    /// they are sent, and summed by another. `files` are streamed at this time. The hasher comes back when all were read; it never
    /// does if reading failed or nobody wanted the rest.
    pub fn stream(
        &self,
        hasher: Hasher,
        len: u64,
        files: usize,
    ) -> (
        impl Stream<Item = io::Result<Bytes>> + use<>,
        oneshot::Receiver<Hasher>,
    ) {
        let (blocks, mut arriving) = mpsc::channel(AHEAD);
        let (give_back, summed) = oneshot::channel();
        let file = Arc::clone(&self.file);
        // a thread of its own: it waits for the network most of the time, and the pool of threads for
        // short work must not fill up with it
        let reader = move || {
            let end = hasher.at().get() + len;
            if let Some(hasher) = read_and_sum(&file, hasher, end, blocks, files) {
                // nobody waits for it when the request has already failed
                let _ = give_back.send(hasher);
            }
        };
        // without a thread the stream ends at once, which the sender takes for a failed source
        let _ = std::thread::Builder::new()
            .name("read".into())
            .spawn(reader);
        (poll_fn(move |context| arriving.poll_recv(context)), summed)
    }
}

/// What is left of a share that is not mounted: an empty folder, which says nothing about the share's files.
fn seems_unmounted(root: &Root, job: &Job) -> bool {
    let elsewhere = root
        .identity()
        .is_ok_and(|root| root.device() != job.seen.dev);
    elsewhere
        && root
            .list("".as_ref())
            .is_ok_and(|mut names| names.next().is_none())
}

/// Feeds the hasher up to `to`, piece by piece, so that a large file holds nobody up at shutdown.
pub(super) async fn sum_up_to(
    reading: Reading,
    source: &Source,
    mut hasher: Hasher,
    to: u64,
) -> Recorded<Result<Hasher, Unfit>> {
    while hasher.at().get() < to {
        let next = ByteOffset::new(to.min(hasher.at().get() + PIECE));
        let (source_here, mut summing) = (source.clone(), hasher);
        let read =
            reading.run(move || source_here.hash_up_to(&mut summing, next).map(|()| summing));
        match read.await? {
            Ok(summed) => hasher = summed,
            Err(error) => return Ok(Err(source.unreadable(&error))),
        }
    }
    Ok(Ok(hasher))
}

#[cfg(test)]
impl Source {
    /// The same without threads: each block is read when it is asked for.
    pub fn stream_here(&self, hasher: Hasher, len: u64) -> super::surroundings::Streamed {
        const LITTLE: u64 = 24 * 1024;
        let (give_back, summed) = oneshot::channel();
        let source = self.clone();
        let end = hasher.at().get() + len;
        let mut reading = Some((hasher, give_back));
        let blocks = poll_fn(move |_| {
            let Some((mut hasher, give_back)) = reading.take() else {
                return std::task::Poll::Ready(None);
            };
            let at = hasher.at().get();
            let mut block = vec![0; block_len((end - at).min(LITTLE))];
            if let Err(error) = source.file.read_exact_at(&mut block, at) {
                return std::task::Poll::Ready(Some(Err(error)));
            }
            hasher.update(&block);
            if at + block.len() as u64 == end {
                // whoever asked may have lost interest
                let _ = give_back.send(hasher);
            } else {
                reading = Some((hasher, give_back));
            }
            std::task::Poll::Ready(Some(Ok(block.into())))
        });
        (Box::pin(blocks), summed)
    }
}

type Blocks = mpsc::Sender<io::Result<Bytes>>;

/// Reads up to `end`, hands every block to the network and to the md5. The network's end is told as
/// soon as all is read; the md5 may take a little longer.
fn read_and_sum(
    file: &File,
    hasher: Hasher,
    end: u64,
    blocks: Blocks,
    files: usize,
) -> Option<Hasher> {
    let ahead = (SUM_AHEAD / files.max(1)).clamp(*SUM_AHEAD_EACH.start(), *SUM_AHEAD_EACH.end());
    let (hasher, md5) = hasher.without_md5();
    let Some(mut md5) = md5 else {
        return read_blocks(file, hasher, end, blocks, |_| true);
    };
    std::thread::scope(|scope| {
        let (sum, to_sum) = std::sync::mpsc::sync_channel::<Bytes>(ahead);
        let summing = scope.spawn(move || {
            for block in to_sum {
                md5.update(&block);
            }
            md5
        });
        let hasher = read_blocks(file, hasher, end, blocks, |block| sum.send(block).is_ok());
        drop(sum);
        let md5 = summing.join().ok();
        hasher.map(|hasher| hasher.with_md5(md5))
    })
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the sender ends here, and with it the body"
)]
fn read_blocks(
    file: &File,
    mut hasher: Hasher,
    end: u64,
    blocks: Blocks,
    mut also: impl FnMut(Bytes) -> bool,
) -> Option<Hasher> {
    let mut buffers = Buffers::default();
    while hasher.at().get() < end {
        let at = hasher.at().get();
        let mut buffer = buffers.take(block_len(end - at));
        if let Err(error) = file.read_exact_at(&mut buffer, at) {
            // the receiver may have lost interest; the missing hasher says the rest
            let _ = blocks.blocking_send(Err(error));
            return None;
        }
        hasher.update(&buffer);
        let block = buffer.freeze();
        buffers.lend(block.clone());
        if !also(block.clone()) || blocks.blocking_send(Ok(block)).is_err() {
            return None;
        }
    }
    Some(hasher)
}

/// Buffers that are used again when network and md5 have let go of them: a fresh one would cost
/// as much as a copy.
#[derive(Default)]
struct Buffers(VecDeque<Bytes>);

impl Buffers {
    fn take(&mut self, len: usize) -> BytesMut {
        let used = self.0.pop_front().map(Bytes::try_into_mut);
        match used {
            Some(Ok(mut buffer)) if buffer.len() >= len => {
                buffer.truncate(len);
                buffer
            }
            Some(Err(lent)) => {
                self.0.push_front(lent);
                BytesMut::zeroed(len)
            }
            _ => BytesMut::zeroed(len),
        }
    }

    fn lend(&mut self, block: Bytes) {
        self.0.push_back(block);
    }
}

fn block_len(left: u64) -> usize {
    usize::try_from(left).map_or(BLOCK, |left| left.min(BLOCK))
}
