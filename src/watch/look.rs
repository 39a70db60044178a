//! One file: looked at because of a hint or because it is due, settled, handed to the ledger.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use tracing::{debug, warn};

use super::folder::Folder;
use super::hint::Hint;
use super::ledger::Ledger;
use super::settle::{Trust, Verdict};
use crate::beneath::{Kind, OpenError, Root};
use crate::job::{Sighting, printable};

/// So many files at most are handed to the ledger, or asked about, at once.
pub(super) const BATCH: usize = 1_000;

impl<L: Ledger> Folder<L> {
    /// Takes hints apart: folders go on the agenda, and paths are returned, each once, with what all the signs say.
    pub(super) fn sort(&mut self, hints: Vec<Hint>) -> HashMap<PathBuf, Trust> {
        let mut paths: HashMap<_, Trust> = HashMap::new();
        for hint in hints {
            match hint {
                Hint::Rescan => {
                    self.overflow();
                    self.settle.distrust();
                    for trust in paths.values_mut() {
                        *trust = Trust::lost(*trust);
                    }
                }
                Hint::Path(path, _) | Hint::Folder(path) | Hint::Renamed { to: path, .. }
                    if self.filter.ignores(&path) => {}
                Hint::Folder(folder) => self.agenda.add(folder),
                Hint::Path(path, sign) => {
                    let known = |path: &PathBuf| self.settle.trust(path);
                    let trust = paths.entry(path).or_insert_with_key(known);
                    *trust = trust.after(sign);
                }
                Hint::Renamed { from, to } => {
                    let known = || self.settle.trust_of_old_name(&from);
                    let trust = paths.get(&from).copied().unwrap_or_else(known);
                    paths.insert(to, trust.renamed());
                }
            }
        }
        paths
    }

    /// Looks at these paths and at those that are due, and hands on what has settled.
    pub(super) fn look(&mut self, root: &Root, mut paths: HashMap<PathBuf, Trust>) {
        for path in self.settle.due(Instant::now(), BATCH) {
            let known = || self.settle.trust(&path);
            paths.entry(path.to_path_buf()).or_insert_with(known);
        }
        let mut settled: Vec<_> = paths
            .iter()
            .filter_map(|(path, trust)| self.look_at(root, path, *trust))
            .collect();
        settled.retain(|sighting| self.is_left_alone(root, sighting));
        let settled = self.release(settled);
        for batch in settled.chunks(BATCH) {
            self.hand_on(batch);
        }
    }

    fn look_at(&mut self, root: &Root, path: &Path, trust: Trust) -> Option<Sighting> {
        let asked = Instant::now();
        match root.stat(path) {
            Ok(_) if !self.filter.looks_at(path) => {}
            Ok(_) if self.is_held(path) => self.settle.forget(path),
            Ok(_) if !self.settle.holds(path) && !self.has_room() => self.agenda.add_all(),
            Ok((seen, _)) => {
                let answered = Instant::now();
                let verdict = self.settle.observe(path, seen, trust, asked, answered);
                if self.is_settled(path, &verdict) {
                    let path = path.to_path_buf();
                    return Some(Sighting { path, seen });
                }
            }
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
                self.forget(path);
            }
        }
        None
    }

    /// Looks at a file that is another version than the one that had settled.
    pub(super) fn look_again_at(&mut self, root: &Root, path: &Path) {
        self.look_at(root, path, self.settle.trust(path));
    }

    /// Whether nobody is known to have a settled file open for writing.
    fn is_left_alone(&mut self, root: &Root, sighting: &Sighting) -> bool {
        let Sighting { path, .. } = sighting;
        let Some(since) = self.settle.seen_from(path) else {
            return false;
        };
        let Some(writer) = self.writers.ask(root, sighting, since) else {
            // Another version: it begins to settle, or goes.
            self.look_at(root, path, self.settle.trust(path));
            return false;
        };
        let verdict = self.settle.brake(path, writer, Instant::now());
        self.is_settled(path, &verdict)
    }

    fn is_settled(&self, path: &Path, verdict: &Verdict) -> bool {
        if *verdict == Verdict::Restless {
            warn!(
                watch = %self.settings.name,
                path = printable(path),
                max_wait = ?self.settings.max_wait,
                "this file is still changing, or open for writing; it is not uploaded until that ends"
            );
        }
        *verdict == Verdict::Settled
    }

    /// Hands settled files to the ledger. They are let go only when it has them.
    fn hand_on(&mut self, batch: &[Sighting]) {
        let told = self.ledger.enqueue(&self.settings.name, batch.to_vec());
        self.troubles.ledger(&told);
        let again = Instant::now() + self.pace.retry;
        for Sighting { path, seen } in batch {
            if told.is_ok() {
                debug!(watch = %self.settings.name, path = printable(path), size = seen.size, "settled");
                self.settle.handed_on(path);
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
                self.settle.observe(&path, seen, Trust::Unknown, now, now);
            }
        }
        true
    }
}
