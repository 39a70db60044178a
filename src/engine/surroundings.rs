//! What the engine takes from the machine that it runs on: the time of day, chance, and who reads files.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use tokio::sync::oneshot;

use super::Recorded;
use super::hash::Hasher;
use super::source::Source;
use crate::job::{Awake, Moment};
use crate::journal::JournalError;

/// Arguments of the engine, so that a test can bring its own. (Durations need none: they are measured by
/// tokio's clock, which a test can pause.)
pub(super) struct Surroundings {
    /// The time of day. It may jump.
    pub now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    /// How long the machine has been up.
    pub awake: Box<dyn Fn() -> Option<Awake> + Send + Sync>,
    /// A number in 0 ..= 1 for spreading retries; need not be unpredictable.
    pub chance: Box<dyn Fn() -> f64 + Send + Sync>,
    /// Who reads files.
    pub reading: Reading,
}

impl Surroundings {
    /// This machine.
    pub fn real() -> Self {
        Self {
            now: Box::new(Timestamp::now),
            awake: Box::new(awake),
            chance: Box::new(chance),
            reading: Reading::Threads,
        }
    }
}

/// This moment, on this machine.
pub fn this_moment() -> Moment {
    Moment {
        at: Timestamp::now(),
        awake: awake(),
    }
}

fn awake() -> Option<Awake> {
    static BOOT: LazyLock<String> = LazyLock::new(|| {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
        // where /proc is hidden, only this process is known to be of the same start as itself
        let process = || {
            format!(
                "{} {}",
                std::process::id(),
                Timestamp::now().as_nanosecond()
            )
        };
        boot.map_or_else(|_| process(), |boot| boot.trim().to_owned())
    });
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).ok()?;
    let millis = u64::try_from(now.tv_nsec / 1_000_000).ok()?;
    Some(Awake {
        boot: BOOT.clone(),
        millis: seconds * 1000 + millis,
    })
}

fn chance() -> f64 {
    let bits = RandomState::new().hash_one(Timestamp::now().as_nanosecond());
    f64::from(u32::try_from(bits >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}

/// Who reads files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// Threads for work that waits for the disk.
    Threads,
    /// Whoever asks, at once: nothing happens beside it.
    #[cfg(test)]
    Here,
}

/// A file's bytes on their way, and the checksums up to their end once all were read.
pub(super) type Streamed = (
    BoxStream<'static, std::io::Result<Bytes>>,
    oneshot::Receiver<Hasher>,
);

impl Reading {
    /// Runs what may wait for the disk where waiting is allowed.
    pub async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Recorded<T> {
        match self {
            Self::Threads => tokio::task::spawn_blocking(work)
                .await
                .map_err(|_| JournalError::Closed),
            #[cfg(test)]
            Self::Here => Ok(work()),
        }
    }

    /// [`Source::stream`], by whom it is to be.
    pub fn stream(self, source: &Source, hasher: Hasher, len: u64, files: usize) -> Streamed {
        match self {
            Self::Threads => {
                let (blocks, summed) = source.stream(hasher, len, files);
                (blocks.boxed(), summed)
            }
            #[cfg(test)]
            Self::Here => source.stream_here(hasher, len),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::beneath::Root;
    use crate::config::Verify;
    use crate::job::{Job, JobId, Kind, State, Troubles, WatchName};

    #[tokio::test]
    async fn whoever_reads_a_file_reads_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..700_001_u32).map(|i| i.to_le_bytes()[0]).collect();
        std::fs::write(folder.path().join("a"), &bytes).unwrap();
        let root = Arc::new(Root::open(folder.path()).unwrap());
        let job = Job {
            id: JobId(1),
            watch: WatchName::new("w"),
            path: "a".into(),
            remote_name: "a".into(),
            table: "t".into(),
            kind: Kind::Files,
            seen: root.stat("a".as_ref()).unwrap().0,
            state: State::Queued,
            attempts: 0,
            failing_since: None,
            troubles: Troubles::default(),
        };
        for reading in [Reading::Threads, Reading::Here] {
            let (job, root) = (job.clone(), Arc::clone(&root));
            let source = reading.run(move || Source::open(&root, &job, false).unwrap());
            let (blocks, summed) =
                reading.stream(&source.await.unwrap(), Hasher::new(Verify::Md5), 600_000, 1);
            let read = blocks.fold(Vec::new(), |mut read, block| async {
                read.extend_from_slice(&block.unwrap());
                read
            });
            assert!(read.await == bytes[..600_000], "{reading:?}");
            let mut sums = Hasher::new(Verify::Md5);
            sums.update(&bytes[..600_000]);
            assert_eq!(summed.await.unwrap().sums(), sums.sums());
        }
    }
}
