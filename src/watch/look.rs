//! One file: looked at because of a hint or because it is due, settled, handed to the ledger.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use tracing::{debug, warn};

use super::folder::Folder;
use super::hint::Hint;
use super::ledger::Ledger;
use super::settle::Verdict;
use crate::beneath::{Kind, OpenError, Root};
use crate::job::{Sighting, printable};

/// So many files at most are handed to the ledger, or asked about, at once.
pub(super) const BATCH: usize = 1_000;

impl<L: Ledger> Folder<L> {
    /// Takes hints apart: folders go on the agenda, and paths are returned, each once.
    pub(super) fn sort(&mut self, hints: Vec<Hint>) -> HashSet<PathBuf> {
        let mut paths = HashSet::new();
        for hint in hints {
            match hint {
                Hint::Rescan => self.overflow(),
                Hint::Path(path) | Hint::Folder(path) if self.filter.excludes(&path) => {}
                Hint::Folder(folder) => self.agenda.add(folder),
                Hint::Path(path) => {
                    paths.insert(path);
                }
            }
        }
        paths
    }

    /// Looks at these paths and at those that are due, and hands on what has settled.
    pub(super) fn look(&mut self, root: &Root, mut paths: HashSet<PathBuf>) {
        let due = self.settle.due(Instant::now(), BATCH);
        paths.extend(due.iter().map(|path| path.to_path_buf()));
        let settled: Vec<_> = paths
            .iter()
            .filter_map(|path| self.look_at(root, path))
            .collect();
        for batch in settled.chunks(BATCH) {
            self.hand_on(batch);
        }
    }

    fn look_at(&mut self, root: &Root, path: &Path) -> Option<Sighting> {
        let asked = Instant::now();
        match root.stat(path) {
            Ok(_) if !self.filter.wants(path) => {}
            Ok(_) if !self.settle.holds(path) && !self.has_room() => self.agenda.add_all(),
            Ok((seen, _)) => match self.settle.observe(path, seen, asked, Instant::now()) {
                Verdict::Settling => {}
                Verdict::Restless => warn!(
                    watch = %self.settings.name,
                    path = printable(path),
                    max_wait = ?self.settings.max_wait,
                    "this file has not stopped changing; it is not uploaded until it does"
                ),
                Verdict::Settled => {
                    let path = path.to_path_buf();
                    return Some(Sighting { path, seen });
                }
            },
            Err(OpenError::Io(error)) => {
                debug!(watch = %self.settings.name, path = printable(path), %error, "cannot be looked at");
                if self.settle.holds(path) {
                    self.settle.postpone(path, asked + self.pace.retry);
                } else {
                    self.scan_again();
                }
            }
            Err(OpenError::NotAFile(Kind::Folder)) => {
                self.settle.forget(path);
                self.agenda.add(path.to_path_buf());
            }
            // What may not be looked at is found by a scan once it may.
            Err(OpenError::Gone | OpenError::NotAFile(_) | OpenError::Denied) => {
                self.settle.forget(path);
                if let Some(source) = &mut self.source {
                    source.forget(path);
                }
            }
        }
        None
    }

    /// Hands settled files to the ledger. They are let go only when it has them.
    fn hand_on(&mut self, batch: &[Sighting]) {
        let told = self.ledger.enqueue(&self.settings.name, batch.to_vec());
        self.troubles.ledger(&told);
        let again = Instant::now() + self.pace.retry;
        for Sighting { path, seen } in batch {
            if told.is_ok() {
                debug!(watch = %self.settings.name, path = printable(path), size = seen.size, "settled");
                self.settle.forget(path);
            } else {
                self.settle.postpone(path, again);
            }
        }
    }

    /// Begins to settle what a walk found and the ledger does not know. Returns whether it could be asked.
    pub(super) fn take_in(&mut self, found: Vec<Sighting>) -> bool {
        if found.is_empty() {
            return true;
        }
        let unknown = self.ledger.unknown(&self.settings.name, found);
        self.troubles.ledger(&unknown);
        let Ok(unknown) = unknown else {
            return false;
        };
        for Sighting { path, seen } in unknown {
            // Now is later than the look, so the quiet time is not shorter than it should be.
            let now = Instant::now();
            if !self.settle.holds(&path) {
                self.settle.observe(&path, seen, now, now);
            }
        }
        true
    }
}
