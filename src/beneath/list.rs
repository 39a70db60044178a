//! What lies in a folder, read from its descriptor, so that a swapped parent cannot redirect it.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{Dir, FileType};

/// The entries of one folder, in no order, as a stream: a folder may hold millions.
pub struct Listing {
    folder: Dir,
}

/// A name in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Any bytes but `/` and NUL; never `.` or `..`.
    pub name: OsString,
    /// What the folder says about it.
    pub guess: Guess,
}

/// What a folder says that an entry is. [`super::Root::stat`] decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guess {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// Neither.
    Other,
    /// This file system does not say.
    Unknown,
}

impl Listing {
    pub(super) fn of(folder: OwnedFd) -> Result<Self, rustix::io::Errno> {
        Dir::new(folder).map(|folder| Self { folder })
    }
}

impl Iterator for Listing {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let entry = match self.folder.next()? {
                Ok(entry) => entry,
                Err(error) => return Some(Err(error.into())),
            };
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            return Some(Ok(Entry {
                name: OsStr::from_bytes(name).to_os_string(),
                guess: match entry.file_type() {
                    FileType::RegularFile => Guess::File,
                    FileType::Directory => Guess::Folder,
                    FileType::Unknown => Guess::Unknown,
                    _ => Guess::Other,
                },
            }));
        }
    }
}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing").finish_non_exhaustive()
    }
}
