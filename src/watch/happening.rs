//! What happens below a folder, as it happens: for somebody who wants to learn how it is written to.
//!
//! A [`super::Watching`] only wants to know where to look. A [`Witness`] also tells a write from a renaming, and
//! when it was. It holds nothing open below the folder, and writes nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
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
        Self::with_capacity(root, CAPACITY)
    }

    fn with_capacity(root: &Path, capacity: usize) -> Self {
        let (sender, told) = sync_channel(capacity);
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
        self.source.watch(folder, None);
    }

    /// How it notices changes; [`Mode::Poll`] means not at all.
    pub fn mode(&self) -> Mode {
        self.source.mode()
    }

    /// Why in this way.
    pub fn reason(&self) -> String {
        self.source.reason()
    }

    /// Waits for a happening, at most this long, and takes those that follow along, up to `limit`.
    pub fn wait(&self, timeout: Duration, limit: usize) -> Vec<(Happening, Instant)> {
        let mut told = Vec::new();
        match self.told.recv_timeout(timeout) {
            Ok(first) => told.push(first),
            Err(RecvTimeoutError::Timeout) => {}
            // without events nobody sends, and the time passes all the same
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(timeout),
        }
        told.extend(self.told.try_iter().take(limit));
        // Room is made before the flag is read: what is lost from now on sets it again.
        if self.lost.swap(false, Ordering::AcqRel) {
            told.push((Happening::Lost, Instant::now()));
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Waits until a witness has said something.
    fn hear(witness: &Witness, enough: impl Fn(&[Happening]) -> bool) -> Vec<Happening> {
        let deadline = Instant::now() + Duration::from_mins(1);
        let mut all = Vec::new();
        while !enough(&all) {
            assert!(Instant::now() < deadline, "waited in vain; heard {all:?}");
            let told = witness.wait(Duration::from_millis(100), 1_000);
            all.extend(told.into_iter().map(|(what, _)| what));
        }
        all
    }

    #[test]
    fn both_halves_of_a_renaming_have_one_number() {
        let dir = tempfile::tempdir().unwrap();
        let mut witness = Witness::start(dir.path());
        witness.enter(Path::new(""));
        assert_eq!(witness.mode(), Mode::Inotify);
        fs::write(dir.path().join("a.tmp"), "text").unwrap();
        fs::rename(dir.path().join("a.tmp"), dir.path().join("a")).unwrap();
        let came = |what: &Happening| matches!(what, Happening::Came(..));
        let all = hear(&witness, |all| all.iter().any(came));
        assert_eq!(all[0], Happening::Created("a.tmp".into()));
        assert!(all.contains(&Happening::Written("a.tmp".into())));
        let [.., Happening::Left(from, one), Happening::Came(to, other)] = &all[..] else {
            panic!("{all:?}");
        };
        assert_eq!((from.to_str(), to.to_str()), (Some("a.tmp"), Some("a")));
        assert!(one.is_some() && one == other);
    }

    #[test]
    fn what_finds_no_room_is_told_as_lost() {
        let dir = tempfile::tempdir().unwrap();
        let mut witness = Witness::with_capacity(dir.path(), 1);
        witness.enter(Path::new(""));
        for number in 0..100 {
            fs::write(dir.path().join(number.to_string()), "").unwrap();
        }
        hear(&witness, |all| all.contains(&Happening::Lost));
    }
}
