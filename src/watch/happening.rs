//! What happens below a folder, as it happens: for somebody who wants to learn how it is written to.
//!
//! A [`super::Watching`] only wants to know where to look. A [`Witness`] also tells a write from a renaming, and
//! when it was. It holds nothing open below the folder, and writes nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use super::ledger::Mode;
use super::source::Source;

/// As many happenings wait as the kernel keeps events by default; more are lost, which is told.
const CAPACITY: usize = 16_384;

/// Something happened. Paths are relative to the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// There is a new name, of a file or of something else.
    Created(PathBuf),
    /// There is a new folder.
    Folder(PathBuf),
    /// Bytes were written, or cut off.
    Written(PathBuf),
    /// Closed after writing, or its times or permissions were set.
    Touched(PathBuf),
    /// A name went away by a renaming. The number is the same on both halves of one renaming.
    Left(PathBuf, Option<usize>),
    /// A name came by a renaming.
    Came(PathBuf, Option<usize>),
    /// A name is gone.
    Removed(PathBuf),
    /// Something was not told.
    Lost,
}

/// Hears what happens in folders, each added by [`Witness::enter`].
pub struct Witness {
    source: Source,
    told: Receiver<(Happening, Instant)>,
    lost: Arc<AtomicBool>,
}

impl Witness {
    /// A witness that is in no folder yet. Where there are no events, it hears nothing.
    pub fn start(root: &Path) -> Self {
        let (sender, told) = sync_channel(CAPACITY);
        let lost = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&lost);
        let source = Source::witness(root, move |what| {
            if sender.try_send((what, Instant::now())).is_err() {
                flag.store(true, Ordering::Release);
            }
        });
        Self { source, told, lost }
    }

    /// Hears from now on what happens in this folder, not in those below it. The empty path is the root.
    pub fn enter(&mut self, folder: &Path) {
        self.source.watch(folder);
    }

    /// How it notices changes; [`Mode::Poll`] means not at all.
    pub fn mode(&self) -> Mode {
        self.source.mode()
    }

    /// Why in this way.
    pub fn reason(&self) -> &str {
        self.source.reason()
    }

    /// Waits for a happening, at most this long, and takes those that follow along, up to `limit`.
    pub fn wait(&self, timeout: Duration, limit: usize) -> Vec<(Happening, Instant)> {
        let mut told = Vec::new();
        match self.told.recv_timeout(timeout) {
            Ok(first) => told.push(first),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
            // without events nobody sends, and the time passes all the same
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => std::thread::sleep(timeout),
        }
        told.extend(self.told.try_iter().take(limit));
        // Room is made before the flag is read: what is lost from now on sets it again.
        if self.lost.swap(false, Ordering::AcqRel) {
            told.push((Happening::Lost, Instant::now()));
        }
        told
    }
}
