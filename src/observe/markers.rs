//! Files that say that everything beside them is there. Pure.
//!
//! A marker is small, and the last that appears in its folder after everything there, also further below, was
//! quiet. The same name in more than one folder is good evidence, a name such as `CopyComplete.txt` is some.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::file::{Arrival, File};
use super::names;

/// A marker whose name says nothing is not larger.
const SMALL: u64 = 4 << 10;

/// A list of checksums may be as large as this.
const LIST: u64 = 4 << 20;

/// So long everything else was quiet before a marker whose name says nothing.
const QUIET: Duration = Duration::from_secs(1);

/// Files with one name that stood last in their folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marker {
    pub name: String,
    /// One of its folders.
    pub folder: PathBuf,
    pub folders: u64,
    /// The largest of them.
    pub size: u64,
    /// How long everything else was quiet before, at least.
    pub after: Duration,
    /// Its name says so.
    pub telling: bool,
}

/// What may be markers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Markers {
    /// The best first.
    pub folders: Vec<Marker>,
    /// An ending that stands beside single files, such as `ok` for `run.ok` beside `run.csv`, and how often.
    pub companions: Option<(String, u64)>,
}

impl Marker {
    /// Enough evidence to release folders by it.
    pub fn is_sure(&self) -> bool {
        self.folders > 1 && !self.folder.as_os_str().is_empty()
    }
}

/// The last two signs of life in one folder, and what lies right in it.
#[derive(Default)]
struct Last<'a> {
    files: u64,
    latest: Option<(Duration, &'a Path, &'a File)>,
    second: Duration,
}

/// Looks for markers among these files.
pub(super) fn find<'a>(files: impl Iterator<Item = (&'a PathBuf, &'a File)>) -> Markers {
    let live: Vec<_> = files
        .filter(|(_, file)| file.arrival != Arrival::Before && file.look.is_some())
        .map(|(path, file)| (path.as_path(), file))
        .collect();
    let companions = companions(&live);
    let mut folders: BTreeMap<&Path, Last> = BTreeMap::new();
    for (path, file) in &live {
        for folder in path.ancestors().skip(1) {
            folders.entry(folder).or_default().take_in(path, file);
        }
    }
    let mut found: BTreeMap<&str, Marker> = BTreeMap::new();
    for (folder, last) in &folders {
        if let (Some(marker), Some((_, path, _))) = (last.marker(folder), last.latest)
            && let Some(name) = names::name(path)
        {
            let known = found.entry(name).or_insert_with(|| Marker {
                folders: 0,
                ..marker.clone()
            });
            known.folders += 1;
            known.size = known.size.max(marker.size);
            known.after = known.after.min(marker.after);
        }
    }
    // a name that also stands elsewhere, and not last, is none
    let mut all: BTreeMap<&str, BTreeSet<&Path>> = BTreeMap::new();
    for (path, _) in &live {
        if let (Some(name), Some(folder)) = (names::name(path), path.parent()) {
            all.entry(name).or_default().insert(folder);
        }
    }
    let everywhere = |name: &str, marker: &Marker| {
        all.get(name)
            .is_some_and(|all| all.len() as u64 == marker.folders)
    };
    let mut folders: Vec<_> = found
        .into_iter()
        .filter(|(name, marker)| marker.telling || (marker.folders > 1 && everywhere(name, marker)))
        .map(|(_, marker)| marker)
        .filter(|marker| {
            companions
                .as_ref()
                .is_none_or(|(ending, _)| !marker.name.ends_with(&format!(".{ending}")))
        })
        .collect();
    folders.sort_by_key(|marker| {
        (
            std::cmp::Reverse((marker.folders, marker.telling)),
            marker.name.clone(),
        )
    });
    Markers {
        folders,
        companions,
    }
}

impl<'a> Last<'a> {
    fn take_in(&mut self, path: &'a Path, file: &'a File) {
        self.files += 1;
        let at = file.last_change.max(file.appeared);
        match self.latest {
            Some((latest, _, _)) if at <= latest => self.second = self.second.max(at),
            before => {
                self.second = before.map_or(self.second, |(before, _, _)| before);
                self.latest = Some((at, path, file));
            }
        }
    }

    /// The last file, if it lies right in this folder and looks like a marker.
    fn marker(&self, folder: &Path) -> Option<Marker> {
        let (_, path, file) = self.latest?;
        let name = names::name(path)?;
        let after = file.appeared.checked_sub(self.second)?;
        let telling = names::tells_completion(name);
        let size = file.size();
        let so = self.files > 1
            && path.parent() == Some(folder)
            && !after.is_zero()
            && size <= if telling { LIST } else { SMALL }
            && (telling || after >= QUIET);
        so.then(|| Marker {
            name: name.to_owned(),
            folder: folder.to_owned(),
            folders: 1,
            size,
            after,
            telling,
        })
    }
}

/// The ending of small files that each stand beside another of the same stem, or whole name.
fn companions(live: &[(&Path, &File)]) -> Option<(String, u64)> {
    let all: BTreeSet<&Path> = live.iter().map(|(path, _)| *path).collect();
    let stems: BTreeSet<PathBuf> = all
        .iter()
        .filter(|path| !is_companion(path))
        .map(|path| path.with_extension(""))
        .collect();
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (path, file) in live {
        if let Some((_, ending)) = names::name(path).and_then(names::split)
            && is_companion(path)
            && file.size() <= SMALL
        {
            let stem = path.with_extension("");
            if all.contains(stem.as_path()) || stems.contains(&stem) {
                *counts.entry(ending).or_default() += 1;
            }
        }
    }
    let (ending, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    (count > 1).then(|| (ending.to_owned(), count))
}

fn is_companion(path: &Path) -> bool {
    let ending = names::name(path)
        .and_then(names::split)
        .map(|(_, ending)| ending);
    ending.is_some_and(names::tells_completion)
}
