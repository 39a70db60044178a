//! Sets: lets files go when the folder that they lie in is released, and its markers when everything else has gone.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use tracing::{debug, info};

use super::folder::Folder;
use super::ledger::Ledger;
use super::sets::Sets;
use super::settle::{Settle, Trust};
use crate::beneath::{OpenError, Root};
use crate::job::{Sighting, printable};

/// Folders whose markers are tried at once.
const TRIED: usize = 100;

/// What becomes of a file that a walk came by.
pub(super) enum Sifted {
    /// It may go.
    Goes(Sighting),
    /// It is a marker, and begins to settle if it does not stand yet; or it waits for one.
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
    } else if sets.lets_go(&file.path) {
        return Sifted::Goes(file);
    } else {
        sets.hold(&file);
    }
    Sifted::Waits(file)
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
            self.settle.forget(&marker.path);
            if let Some(folder) = sets.stands(&marker) {
                info!(watch = %self.settings.name, folder = printable(&folder), marker = printable(&marker.path), "a set is complete: its folder is released");
                self.agenda.add(folder);
            }
            if new.is_some_and(|new| new.is_ok_and(|new| !new.is_empty())) {
                sets.goes_last(marker);
            }
            if sets.waiting().next().is_some() {
                self.next_markers.get_or_insert_with(Instant::now);
            }
        }
        files
    }

    /// Hands on the markers of folders of which everything else is in its table.
    pub(super) fn hand_on_markers(&mut self, root: &Root) {
        let now = Instant::now();
        if self.next_markers.is_none_or(|due| due > now) {
            return;
        }
        for (folder, markers) in self.complete() {
            let is_as_it_was = |marker: &Sighting| {
                root.stat(&marker.path)
                    .is_ok_and(|(seen, _)| seen == marker.seen)
            };
            let (same, changed): (Vec<_>, Vec<_>) =
                markers.into_iter().partition(|marker| is_as_it_was(marker));
            let told = self.ledger.enqueue(&self.settings.name, same);
            self.troubles.ledger(&told);
            if told.is_ok() {
                info!(watch = %self.settings.name, folder = printable(&folder), "a set has arrived; its marker follows");
                if let Some(sets) = &mut self.sets {
                    sets.gone(&folder);
                }
            }
            for Sighting { path, .. } in changed {
                self.look_again_at(root, &path);
            }
        }
        let waits = self
            .sets
            .as_ref()
            .is_some_and(|sets| sets.waiting().next().is_some());
        self.next_markers = waits.then(|| now + self.pace.retry);
    }

    /// Folders whose markers may go now, and those.
    fn complete(&mut self) -> Vec<(PathBuf, Vec<Sighting>)> {
        let Some(sets) = &self.sets else {
            return Vec::new();
        };
        if !self.agenda.is_idle() || self.retry.is_some() {
            // there may be files that nobody has seen yet
            return Vec::new();
        }
        let settling = self
            .settle
            .paths()
            .flat_map(|path| path.ancestors().skip(1));
        let busy: HashSet<&Path> = settling.collect();
        let mut complete = Vec::new();
        for (folder, markers) in sets.waiting().take(TRIED) {
            if busy.contains(folder)
                || sets.waits_within(folder)
                || self.troubles.cannot_read_below(folder)
            {
                continue;
            }
            let but: Vec<_> = markers.iter().map(|marker| marker.path.clone()).collect();
            match self.ledger.arrived(&self.settings.name, folder, &but) {
                Ok(true) => complete.push((folder.to_path_buf(), markers.to_vec())),
                Ok(false) => {}
                Err(error) => {
                    debug!(watch = %self.settings.name, %error, "whether a set has arrived is not known");
                    break;
                }
            }
        }
        complete
    }
}
