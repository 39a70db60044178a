//! Walks a folder, from the top down, and tells what it finds as it goes.
//!
//! A folder is told *before* it is opened ([`Found::Folder`]), so that the caller can put a
//! watch on it first: what comes in later makes an event, what came in before is listed, and nothing
//! falls between. This is why the walk is our own; the usual ones open a folder and then tell it, and
//! some file systems (btrfs) do not list what came in after the opening.
//!
//! Every folder is listed and every file looked at beneath the root, so no link is followed. Memory: one
//! open folder, and the names of the folders still to be walked.

use std::io;
use std::path::{Path, PathBuf};

use super::filter::Filter;
use crate::beneath::{Entry, Guess, Kind, Listing, OpenError, Root};
use crate::job::{Fingerprint, Sighting};

/// A walk that is somewhere on its way.
#[derive(Debug)]
pub(super) struct Walk {
    start: PathBuf,
    recursive: bool,
    ahead: Vec<PathBuf>,
    /// Told, but not opened yet.
    told: Option<PathBuf>,
    open: Option<(PathBuf, Listing)>,
    is_fresh: bool,
}

/// What a walk comes by. Paths are relative to the root.
#[derive(Debug)]
pub(super) enum Found {
    /// A folder that is opened at the next step.
    Folder(PathBuf),
    /// A regular file that is wanted.
    File(Sighting),
    /// A folder or file that could not be looked at; the walk goes on beside it.
    Unreadable(PathBuf, io::Error),
}

impl Walk {
    /// A walk through `start`, and with `recursive` through all folders below it.
    pub fn new(start: PathBuf, recursive: bool) -> Self {
        Self {
            ahead: vec![start.clone()],
            start,
            recursive,
            told: None,
            open: None,
            is_fresh: false,
        }
    }

    /// Whether the folders that are opened from now on are looked at as they are where they lie, or as this machine
    /// remembers them, which is faster on a share.
    pub fn look_afresh(&mut self, is_fresh: bool) {
        self.is_fresh = is_fresh;
    }

    /// Where it began; the empty path is the root.
    pub fn start(&self) -> &Path {
        &self.start
    }

    /// Goes on to the next thing found; `None` when all was walked.
    pub fn next(&mut self, root: &Root, filter: &Filter) -> Option<Found> {
        loop {
            if let Some(folder) = self.told.take() {
                let listing = root.list(&folder);
                let listing = if self.is_fresh {
                    listing.and_then(Listing::fresh)
                } else {
                    listing
                };
                match listing {
                    Ok(listing) => self.open = Some((folder, listing)),
                    Err(error) => {
                        if let Some(error) = worth_telling(error) {
                            return Some(Found::Unreadable(folder, error));
                        }
                    }
                }
            }
            let Some((folder, listing)) = &mut self.open else {
                let folder = self.ahead.pop()?;
                self.told = Some(folder.clone());
                return Some(Found::Folder(folder));
            };
            match listing.next() {
                None => self.open = None,
                Some(Ok(entry)) => {
                    let path = folder.join(&entry.name);
                    let found = sort(listing, filter, &entry, &path);
                    match found {
                        Some(Entered::Folder) if self.recursive && !filter.excludes(&path) => {
                            self.ahead.push(path);
                        }
                        Some(Entered::File(seen)) => {
                            return Some(Found::File(Sighting { path, seen }));
                        }
                        Some(Entered::Unreadable(error)) => {
                            return Some(Found::Unreadable(path, error));
                        }
                        Some(Entered::Folder) | None => {}
                    }
                }
                Some(Err(error)) => {
                    let folder = folder.clone();
                    self.open = None;
                    return Some(Found::Unreadable(folder, error));
                }
            }
        }
    }
}

/// What an entry of a folder turned out to be.
enum Entered {
    Folder,
    /// A file that is looked at.
    File(Fingerprint),
    Unreadable(io::Error),
}

/// Looks at an entry of a folder that is not excluded; `None`: not wanted, or nothing for us.
fn sort(listing: &Listing, filter: &Filter, entry: &Entry, path: &Path) -> Option<Entered> {
    match entry.guess {
        Guess::Other => return None,
        Guess::Folder => return Some(Entered::Folder),
        Guess::File | Guess::Unknown => {}
    }
    let wanted = filter.looks_at_in_folder(path);
    if !wanted && entry.guess == Guess::File {
        return None;
    }
    match listing.stat(&entry.name) {
        Ok((seen, _)) => wanted.then_some(Entered::File(seen)),
        Err(OpenError::NotAFile(Kind::Folder)) => Some(Entered::Folder),
        Err(error) => worth_telling(error).map(Entered::Unreadable),
    }
}

/// What went away or is no file is simply not there.
fn worth_telling(error: OpenError) -> Option<io::Error> {
    match error {
        OpenError::Gone | OpenError::NotAFile(_) => None,
        OpenError::Denied => Some(io::ErrorKind::PermissionDenied.into()),
        OpenError::Io(error) => Some(error),
    }
}

#[cfg(test)]
#[path = "tests/scan.rs"]
mod tests;
