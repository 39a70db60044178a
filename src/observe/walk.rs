//! Walks through a folder, beneath its root and a step at a time.
//!
//! A folder is told before it is listed, so that somebody can listen there first: what comes in later is heard, what
//! came in before is listed.

use std::path::{Path, PathBuf};

use crate::beneath::{Guess, Kind, Listing, OpenError, Root};

/// A walk on its way; by default through nothing. Memory: one open folder, and the names of those still to come.
#[derive(Default)]
pub(super) struct Walk {
    ahead: Vec<PathBuf>,
    /// Told, and not open yet.
    told: Option<PathBuf>,
    open: Option<(PathBuf, Listing)>,
}

/// What it comes by.
pub(super) enum Found {
    /// A folder that is listed next.
    Folder(PathBuf),
    /// What may be a regular file.
    File(PathBuf),
    /// A folder that cannot be listed.
    Closed(PathBuf),
}

impl Walk {
    /// Through this folder and all below it; the empty path is the root.
    pub fn through(folder: PathBuf) -> Self {
        let mut walk = Self::default();
        walk.add(folder);
        walk
    }

    /// Goes through this folder too.
    pub fn add(&mut self, folder: PathBuf) {
        if !self.ahead.contains(&folder) {
            self.ahead.push(folder);
        }
    }

    /// Goes through what another one has still ahead.
    pub fn append(&mut self, other: Self) {
        for folder in other.ahead {
            self.add(folder);
        }
    }

    /// Whether nothing is ahead.
    pub fn is_over(&self) -> bool {
        self.ahead.is_empty() && self.told.is_none() && self.open.is_none()
    }

    /// Goes on to the next; `None` at the end.
    pub fn next(&mut self, root: &Root) -> Option<Found> {
        loop {
            if let Some(folder) = self.told.take() {
                match root.list(&folder) {
                    Ok(listing) => self.open = Some((folder, listing)),
                    Err(OpenError::Gone | OpenError::NotAFile(_)) => {}
                    Err(OpenError::Denied | OpenError::Io(_)) => {
                        return Some(Found::Closed(folder));
                    }
                }
            }
            let Some((folder, listing)) = &mut self.open else {
                let folder = self.ahead.pop()?;
                self.told = Some(folder.clone());
                return Some(Found::Folder(folder));
            };
            let Some(entry) = listing.next() else {
                self.open = None;
                continue;
            };
            let Ok(entry) = entry else {
                let folder = folder.clone();
                self.open = None;
                return Some(Found::Closed(folder));
            };
            let path = folder.join(&entry.name);
            match entry.guess {
                Guess::Other => {}
                Guess::Folder => self.ahead.push(path),
                Guess::Unknown if is_folder(root, &path) => self.ahead.push(path),
                Guess::File | Guess::Unknown => return Some(Found::File(path)),
            }
        }
    }
}

fn is_folder(root: &Root, path: &Path) -> bool {
    matches!(root.stat(path), Err(OpenError::NotAFile(Kind::Folder)))
}
