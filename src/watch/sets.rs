//! Folders that go as one: which are released, which wait for their marker, and what waits to go last.
//!
//! A set is a folder with all that lies below it. It is released while its markers stand: while as many of
//! them as are required are there and quiet. A file goes when the folder it lies in, or one above, is
//! released. The markers themselves go last, when everything else of their folder is in its table: whoever finds a
//! marker there finds the whole set.
//!
//! Pure: who looks, walks and asks the ledger is in `complete`.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use crate::config::Release;
use crate::job::{Fingerprint, Sighting, printable};

/// Folders directly in the root that are told apart when files wait; all others count as one.
const FOLDERS: usize = 10_000;

/// The sets of one watch.
#[derive(Debug)]
pub(super) struct Sets {
    release: Release,
    /// Markers that are there and quiet.
    standing: BTreeMap<PathBuf, Fingerprint>,
    released: HashSet<PathBuf>,
    /// Markers that go when their folder has gone.
    last: BTreeMap<PathBuf, Vec<Sighting>>,
    /// Files that no walk may hand on, by the folder in the root that they lie in.
    held: BTreeMap<PathBuf, Held>,
    counting: BTreeMap<PathBuf, Held>,
}

/// Files of one folder in the root that wait for a marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    files: u64,
    /// The latest change of any of them, nanoseconds since 1970.
    changed_ns: i64,
}

impl Sets {
    pub fn new(release: Release) -> Self {
        Self {
            release,
            standing: BTreeMap::new(),
            released: HashSet::new(),
            last: BTreeMap::new(),
            held: BTreeMap::new(),
            counting: BTreeMap::new(),
        }
    }

    /// Whether a file of this name is a marker, wherever it lies.
    pub fn is_marker(&self, path: &Path) -> bool {
        let name = path.file_name();
        name.is_some_and(|name| self.release.markers.iter().any(|marker| name == &**marker))
    }

    /// Where the markers of a folder would lie.
    pub fn markers_of(&self, folder: &Path) -> impl Iterator<Item = PathBuf> {
        let names = self.release.markers.iter();
        names.map(|name| folder.join(name))
    }

    /// Those of a folder that stand.
    pub fn standing_in(&self, folder: &Path) -> Vec<PathBuf> {
        let mut markers: Vec<_> = self.markers_of(folder).collect();
        markers.retain(|marker| self.standing.contains_key(marker));
        markers
    }

    /// Whether a file at this path may go: a folder that it lies in is released.
    pub fn lets_go(&self, path: &Path) -> bool {
        // the first is the path itself
        path.ancestors()
            .skip(1)
            .any(|folder| self.released.contains(folder))
    }

    /// A marker is there and quiet. Returns its folder if that is released by it.
    pub fn stands(&mut self, marker: &Sighting) -> Option<PathBuf> {
        self.standing.insert(marker.path.clone(), marker.seen);
        let folder = folder_of(&marker.path);
        self.requirements_met(folder)
            .then(|| self.released.insert(folder.to_path_buf()))?
            .then(|| folder.to_path_buf())
    }

    /// Whether this very version of a marker stands already.
    pub fn knows(&self, marker: &Sighting) -> bool {
        self.standing.get(&marker.path) == Some(&marker.seen)
    }

    /// A marker is to go when its folder has gone.
    pub fn goes_last(&mut self, marker: Sighting) {
        let of_folder = self.last.entry(folder_of(&marker.path).into()).or_default();
        of_folder.retain(|other| other.path != marker.path);
        of_folder.push(marker);
    }

    /// Nothing is at this path any more. If it was a marker, or a folder with markers, what was released by it is not
    /// any more: the same name may come again with another set.
    pub fn forget(&mut self, path: &Path) {
        let below = self.standing.range(path.to_path_buf()..);
        let below: Vec<_> = below
            .map(|(marker, _)| marker.clone())
            .take_while(|marker| marker.starts_with(path))
            .collect();
        if below.is_empty() {
            return;
        }
        for marker in below {
            self.standing.remove(&marker);
        }
        for markers in self.last.values_mut() {
            markers.retain(|marker| !marker.path.starts_with(path));
        }
        self.last.retain(|_, markers| !markers.is_empty());
        let mut released = std::mem::take(&mut self.released);
        released.retain(|folder| self.requirements_met(folder));
        self.released = released;
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::new(self.release.clone());
    }

    fn requirements_met(&self, folder: &Path) -> bool {
        let stands = |marker: PathBuf| self.standing.contains_key(&marker);
        if self.release.all {
            self.markers_of(folder).all(stands)
        } else {
            self.markers_of(folder).any(stands)
        }
    }

    /// Released folders whose markers wait, those in others first, and the markers.
    pub fn waiting(&self) -> impl Iterator<Item = (&Path, &[Sighting])> {
        let released = self.last.iter().rev();
        released
            .filter(|(folder, _)| self.released.contains(*folder))
            .map(|(folder, markers)| (folder.as_path(), markers.as_slice()))
    }

    /// Whether the markers of a set within this one wait too.
    pub fn waits_within(&self, folder: &Path) -> bool {
        let mut others = self.waiting();
        others.any(|(other, _)| other != folder && other.starts_with(folder))
    }

    /// Markers that release nothing, in a folder that is released by others: one of several that are required lies there
    /// alone. They are files like others of the set around them.
    pub fn take_ordinary(&mut self) -> Vec<Sighting> {
        let alone = |folder: &&PathBuf| !self.released.contains(*folder) && self.lets_go(folder);
        let folders: Vec<_> = self.last.keys().filter(alone).cloned().collect();
        let taken = folders.iter().filter_map(|folder| self.last.remove(folder));
        taken.flatten().collect()
    }

    /// Whether a marker goes as any other file, because only folders above its own are released.
    pub fn is_ordinary(&self, marker: &Path) -> bool {
        !self.released.contains(folder_of(marker)) && self.lets_go(marker)
    }

    /// Whether any marker has not gone yet.
    pub fn has_markers(&self) -> bool {
        !self.last.is_empty()
    }

    /// The markers of this folder have gone.
    pub fn gone(&mut self, folder: &Path) {
        self.last.remove(folder);
    }

    /// A walk came by a file that may not go.
    pub fn hold(&mut self, file: &Sighting) {
        let mut steps = file.path.components();
        let first = steps.next().map(|step| Path::new(step.as_os_str()));
        // a file in the root itself lies in no folder
        let top = first
            .filter(|_| steps.next().is_some())
            .unwrap_or("".as_ref());
        let full = self.counting.len() >= FOLDERS && !self.counting.contains_key(top);
        let top = if full { Path::new("") } else { top };
        let held = self.counting.entry(top.into()).or_insert(Held {
            files: 0,
            changed_ns: i64::MIN,
        });
        held.files += 1;
        held.changed_ns = held.changed_ns.max(file.seen.ctime_ns);
    }

    /// A walk was given up.
    pub fn not_walked(&mut self) {
        self.counting.clear();
    }

    /// A walk through this folder, and all below, ended.
    pub fn walked(&mut self, start: &Path) {
        let counted = std::mem::take(&mut self.counting);
        match start.components().count() {
            0 => self.held = counted,
            1 => {
                self.held.remove(start);
                self.held.extend(counted);
            }
            // a part of a folder says nothing about the rest
            _ => {}
        }
    }

    /// Files that wait for a marker, by the last walks.
    pub fn held(&self) -> u64 {
        self.held.values().map(|held| held.files).sum()
    }

    /// For people: that files have waited for a marker since `before` (nanoseconds since 1970) and nothing happened
    /// to them since; `None` if there are none.
    pub fn stale(&self, before: i64) -> Option<String> {
        let stale = |held: &&Held| held.changed_ns < before;
        let (folder, held) = self.held.iter().find(|(_, held)| stale(held))?;
        let folders = self.held.values().filter(stale).count();
        let folder = if folder.as_os_str().is_empty() {
            ".".into()
        } else {
            printable(folder)
        };
        let and = match folders {
            1 => String::new(),
            more => format!(", and {} more folders", more - 1),
        };
        Some(format!(
            "{} files in {folder} still wait for {}{and}: nothing of a set goes before its marker is there",
            held.files,
            self.wanted()
        ))
    }

    fn wanted(&self) -> String {
        let between = if self.release.all { " and " } else { " or " };
        self.release.markers.join(between)
    }
}

/// The folder that a file lies in; the empty path is the root.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or("".as_ref())
}

#[cfg(test)]
#[path = "tests/sets.rs"]
mod tests;
