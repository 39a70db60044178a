//! When is a file finished? When two looks, at least `settle` apart, saw the same version.
//!
//! The age of the modification time is no evidence: a copy that keeps it (`cp -p`, rsync, tar) looks old
//! from its first byte. Only what was seen here, twice, counts, with nothing different seen in between.
//!
//! A path stays until [`Settle::forget`] is called, also when it has settled: whoever hands it on
//! calls that when the other side has it for good, and [`Settle::postpone`] when not. So a file is never
//! between two chairs.
//!
//! Pure: the time is an argument and nobody sleeps. Each path takes one entry, however often it changes.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::job::Fingerprint;

/// The files of one watch that are not finished yet.
#[derive(Debug)]
pub(super) struct Settle {
    quiet: Duration,
    max_wait: Duration,
    files: HashMap<Arc<Path>, File>,
    /// Every path of `files` once, by when it is due.
    agenda: BTreeSet<(Instant, Arc<Path>)>,
}

#[derive(Debug)]
struct File {
    seen: Fingerprint,
    /// A look from now on that sees the same settles it.
    due: Instant,
    /// When the path came in; `max_wait` counts from here.
    since: Instant,
    warned: bool,
}

/// What a look at a file led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Not finished; it is looked at again when it is due.
    Settling,
    /// Not finished for `max_wait`. Said once a file.
    Restless,
    /// Finished. It stays until it is forgotten or postponed.
    Settled,
}

impl Settle {
    pub fn new(settle: Duration, max_wait: Duration) -> Self {
        Self {
            quiet: settle,
            max_wait,
            files: HashMap::new(),
            agenda: BTreeSet::new(),
        }
    }

    /// Takes in what a look at `path` saw. `asked` is when the look began, `answered` when it ended:
    /// a quiet time is counted from the end of its first look to the begin of its last.
    pub fn observe(
        &mut self,
        path: &Path,
        seen: Fingerprint,
        asked: Instant,
        answered: Instant,
    ) -> Verdict {
        let due = answered + self.quiet;
        let Some((path, file)) = self.files.get_key_value(path) else {
            let path: Arc<Path> = path.into();
            self.agenda.insert((due, Arc::clone(&path)));
            let file = File {
                seen,
                due,
                since: answered,
                warned: false,
            };
            self.files.insert(path, file);
            return Verdict::Settling;
        };
        if file.seen == seen && asked >= file.due {
            return Verdict::Settled;
        }
        let restless = !file.warned && answered.duration_since(file.since) >= self.max_wait;
        let (path, changed) = (Arc::clone(path), file.seen != seen);
        if changed {
            self.postpone(&path, due);
        }
        if let Some(file) = self.files.get_mut(&path) {
            file.seen = seen;
            file.warned |= restless;
        }
        if restless {
            Verdict::Restless
        } else {
            Verdict::Settling
        }
    }

    /// Puts the next look at a path off. Nothing happens when it is not here.
    pub fn postpone(&mut self, path: &Path, until: Instant) {
        if let Some((path, file)) = self.files.get_key_value(path) {
            let path = Arc::clone(path);
            self.agenda.remove(&(file.due, Arc::clone(&path)));
            self.agenda.insert((until, Arc::clone(&path)));
            if let Some(file) = self.files.get_mut(&path) {
                file.due = until;
            }
        }
    }

    /// Drops a path: it was handed on, or there is no such file any more.
    pub fn forget(&mut self, path: &Path) {
        if let Some((path, file)) = self.files.remove_entry(path) {
            self.agenda.remove(&(file.due, path));
        }
    }

    /// Drops all of them.
    pub fn clear(&mut self) {
        self.files.clear();
        self.agenda.clear();
    }

    /// At most `limit` paths that are to be looked at now, the longest due first.
    /// They stay due until they are observed as changed, postponed or forgotten.
    pub fn due(&self, now: Instant, limit: usize) -> Vec<Arc<Path>> {
        self.agenda
            .iter()
            .take_while(|(due, _)| *due <= now)
            .take(limit)
            .map(|(_, path)| Arc::clone(path))
            .collect()
    }

    /// When the next path is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.agenda.first().map(|(due, _)| *due)
    }

    /// Whether this path is here.
    pub fn holds(&self, path: &Path) -> bool {
        self.files.contains_key(path)
    }

    /// How many files are not finished.
    pub fn len(&self) -> usize {
        self.files.len()
    }
}

#[cfg(test)]
#[path = "tests/settle.rs"]
mod tests;
