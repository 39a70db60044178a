//! Sets: lets files go when the folder that they lie in is released, and its markers when everything else has arrived.
//!
//! A marker goes when the folder has been walked once more after everything known of it had arrived, and nothing new was
//! found: a file that changed on its way is in no job for a moment, and without events nobody has told yet.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use tracing::{debug, info};

use super::folder::Folder;
use super::ledger::{Ledger, MISSING_TOLD, Missing};
use super::sets::Sets;
use super::settle::{Settle, Trust};
use crate::beneath::{OpenError, Root};
use crate::job::{Sighting, printable};

/// Sets that the ledger is asked about at once.
const ASKED: usize = 100;

/// How far the sets are whose markers wait.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// When to ask next.
    pub due: Option<Instant>,
    /// Folders that had arrived, and are walked once more.
    confirming: BTreeSet<PathBuf>,
    /// The last one that was asked about.
    asked: Option<PathBuf>,
    /// How many wait for what does not come by itself, and why the first does, for people.
    stuck: Vec<String>,
    /// Others wait too.
    going_on: bool,
}

impl Progress {
    /// Why markers wait that will not go before a person does something; `None` if any may go by itself.
    pub fn stuck(&self) -> Option<&str> {
        let first = self.stuck.first()?;
        (!self.going_on).then_some(first.as_str())
    }

    /// Whether sets are walked once more before their markers go: what a share is remembered as does not count then.
    pub fn is_confirming(&self) -> bool {
        !self.confirming.is_empty()
    }

    /// The first of them, also if others go on.
    pub fn text(&self) -> Option<String> {
        self.stuck.first().cloned()
    }
}

/// What becomes of a file that a walk came by.
pub(super) enum Sifted {
    /// It may go.
    Goes(Sighting),
    /// It is a marker, and begins to settle if it does not stand yet.
    Marks(Sighting),
    /// It waits for its set.
    Waits(Sighting),
}

/// Looks at a file that a walk came by with its set in mind.
pub(super) fn sift(sets: &mut Option<Sets>, settle: &mut Settle, file: Sighting) -> Sifted {
    let Some(sets) = sets else {
        return Sifted::Goes(file);
    };
    if sets.is_marker(&file.path) {
        // also one that the ledger knows: after a restart it has to stand again
        if !sets.knows(&file) {
            let now = Instant::now();
            settle.observe(&file.path, file.seen, Trust::Unknown, now, now);
        }
        Sifted::Marks(file)
    } else if sets.lets_go(&file.path) {
        Sifted::Goes(file)
    } else {
        Sifted::Waits(file)
    }
}

impl<L: Ledger> Folder<L> {
    /// Whether a file at this path is nothing to look at yet: its set is not released.
    pub(super) fn is_held(&self, path: &Path) -> bool {
        let sets = self.sets.as_ref();
        sets.is_some_and(|sets| !sets.is_marker(path) && !sets.lets_go(path))
    }

    /// Nothing is at this path any more.
    pub(super) fn forget(&mut self, path: &Path) {
        self.settle.forget(path);
        if let Some(source) = &mut self.source {
            source.forget(path);
        }
        if let Some(sets) = &mut self.sets {
            sets.forget(path);
        }
    }

    /// A folder is about to be walked: whether its markers are still there. No event may have told.
    pub(super) fn look_for_markers(sets: &mut Option<Sets>, root: &Root, folder: &Path) {
        let Some(sets) = sets else {
            return;
        };
        for marker in sets.standing_in(folder) {
            if let Err(OpenError::Gone | OpenError::NotAFile(_)) = root.stat(&marker) {
                sets.forget(&marker);
            }
        }
    }

    /// Counts what waits for its set and is not known, so that it is told. Returns whether the ledger could be asked.
    pub(super) fn count_held(&mut self, waiting: Vec<Sighting>, marks: Vec<Sighting>) -> bool {
        let Some(sets) = &mut self.sets else {
            return true;
        };
        // markers too, for what lay there first is left out with them
        let shown = [waiting, marks].concat();
        if shown.is_empty() {
            return true;
        }
        let mut unknown = Vec::new();
        for some in shown.chunks(super::look::BATCH) {
            let asked = self.ledger.unknown(&self.settings.name, some.to_vec());
            self.troubles.ledger(&asked);
            match asked {
                Ok(some) => unknown.extend(some),
                Err(_) => return false,
            }
        }
        unknown.retain(|file| !sets.is_marker(&file.path));
        for file in &unknown {
            sets.hold(file);
        }
        true
    }

    /// Takes the markers out of what has settled, which may release their folders, and the files that may not go.
    pub(super) fn release(&mut self, settled: Vec<Sighting>) -> Vec<Sighting> {
        let Some(sets) = &mut self.sets else {
            return settled;
        };
        let (markers, mut files): (Vec<_>, _) = settled
            .into_iter()
            .partition(|file| sets.is_marker(&file.path));
        files.retain(|file| {
            let goes = sets.lets_go(&file.path);
            if !goes {
                // a walk finds it when it may go
                self.settle.forget(&file.path);
            }
            goes
        });
        for marker in markers {
            let new = self.filter.wants(&marker.path).then(|| {
                let name = &self.settings.name;
                self.ledger.unknown(name, vec![marker.clone()])
            });
            if let Some(Err(error)) = &new {
                debug!(watch = %self.settings.name, %error, "a marker has to wait");
                let again = Instant::now() + self.pace.retry;
                self.settle.postpone(&marker.path, again);
                continue;
            }
            if let Some(folder) = sets.stands(&marker) {
                info!(watch = %self.settings.name, folder = printable(&folder), marker = printable(&marker.path), "a set is complete: its folder is released");
                self.agenda.add(folder);
            }
            let is_new = new.is_some_and(|new| new.is_ok_and(|new| !new.is_empty()));
            if is_new && sets.is_ordinary(&marker.path) {
                files.push(marker);
                continue;
            }
            self.settle.forget(&marker.path);
            if is_new {
                sets.goes_last(marker);
                self.progress.due.get_or_insert_with(Instant::now);
            }
        }
        files
    }

    /// Hands on the markers of folders of which everything else is in its table.
    pub(super) fn hand_on_markers(&mut self, root: &Root) {
        let now = Instant::now();
        if self.progress.due.is_none_or(|due| due > now) {
            return;
        }
        if !self.agenda.is_idle() && self.has_room() {
            // the walk goes on at once, and then this
            return;
        }
        self.progress.due = Some(now + self.pace.retry);
        if !self.agenda.is_idle() || self.retry.is_some() {
            // there may be files that nobody has seen yet
            return;
        }
        let ordinary = self.sets.as_mut().map(Sets::take_ordinary);
        for Sighting { path, .. } in ordinary.into_iter().flatten() {
            self.look_again_at(root, &path);
        }
        for (folder, markers) in self.complete(root) {
            self.hand_on_markers_of(root, &folder, markers);
        }
        if !self.agenda.is_idle() {
            // what is walked once more now is asked about when that is done
            self.progress.due = Some(now);
        }
        if !self.sets.as_ref().is_some_and(Sets::has_markers) {
            self.progress = Progress::default();
        }
    }

    fn hand_on_markers_of(&mut self, root: &Root, folder: &Path, markers: Vec<Sighting>) {
        let is_as_it_was = |marker: &Sighting| {
            let now = root.stat(&marker.path);
            now.is_ok_and(|(seen, _)| seen == marker.seen)
        };
        let (same, changed): (Vec<_>, Vec<_>) = markers.into_iter().partition(is_as_it_was);
        let told = self.ledger.enqueue(&self.settings.name, same);
        self.troubles.ledger(&told);
        if told.is_err() {
            return;
        }
        info!(watch = %self.settings.name, folder = printable(folder), "a set has arrived; its marker follows");
        if let Some(sets) = &mut self.sets {
            sets.gone(folder);
        }
        for Sighting { path, .. } in changed {
            self.look_again_at(root, &path);
        }
    }

    /// Folders whose markers may go now, and those.
    fn complete(&mut self, root: &Root) -> Vec<(PathBuf, Vec<Sighting>)> {
        let Some(sets) = &self.sets else {
            return Vec::new();
        };
        let settling = self.settle.paths();
        let busy: HashSet<&Path> = settling.flat_map(|path| path.ancestors().skip(1)).collect();
        let mut waiting: Vec<_> = sets.waiting().collect();
        // the same ones are not asked about each time
        let first = waiting.iter().position(|(folder, _)| {
            let last = self.progress.asked.as_deref();
            last.is_some_and(|last| *folder < last)
        });
        waiting.rotate_left(first.unwrap_or(0));
        self.progress.stuck.clear();
        self.progress.going_on = waiting.len() > ASKED;
        let mut complete = Vec::new();
        for (folder, markers) in waiting.into_iter().take(ASKED) {
            self.progress.asked = Some(folder.to_path_buf());
            if self.troubles.cannot_read_below(folder) {
                self.progress
                    .stuck
                    .push(waits(folder, "something in it cannot be read"));
                continue;
            }
            if busy.contains(folder) || sets.waits_within(folder) {
                self.progress.confirming.remove(folder);
                self.progress.going_on |= busy.contains(folder);
                continue;
            }
            let but: Vec<_> = markers.iter().map(|marker| marker.path.clone()).collect();
            let missing = match self.missing(root, folder, &but) {
                Ok(missing) => missing,
                Err(error) => {
                    debug!(watch = %self.settings.name, %error, "whether a set has arrived is not known");
                    self.progress.going_on = true;
                    break;
                }
            };
            if let Some(first) = missing.first() {
                self.progress.confirming.remove(folder);
                if missing.iter().all(|missing| missing.failed) {
                    let why = format!("{} did not arrive", printable(&first.path));
                    self.progress.stuck.push(waits(folder, &why));
                } else {
                    self.progress.going_on = true;
                }
            } else if self.progress.confirming.remove(folder) {
                complete.push((folder.to_path_buf(), markers.to_vec()));
            } else {
                self.progress.going_on = true;
                self.progress.confirming.insert(folder.to_path_buf());
                self.agenda.add(folder.to_path_buf());
            }
        }
        complete
    }

    /// What is missing of a set, but for what failed and is gone by now: that belongs to no set. Of much, some.
    fn missing(
        &self,
        root: &Root,
        folder: &Path,
        but: &[PathBuf],
    ) -> Result<Vec<Missing>, L::Error> {
        let (name, mut after) = (&self.settings.name, None);
        loop {
            let mut missing = self.ledger.missing(name, folder, after.as_deref(), but)?;
            let is_much = missing.len() >= MISSING_TOLD;
            after = missing.last().map(|last| last.path.clone());
            let is_gone = |path: &Path| matches!(root.stat(path), Err(OpenError::Gone));
            missing.retain(|missing| !(missing.failed && is_gone(&missing.path)));
            if !missing.is_empty() || !is_much {
                return Ok(missing);
            }
        }
    }
}

fn waits(folder: &Path, why: &str) -> String {
    let folder = if folder.as_os_str().is_empty() {
        ".".into()
    } else {
        printable(folder)
    };
    format!("the marker of {folder} waits: {why}")
}
