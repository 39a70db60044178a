//! What lies in a folder, read from its descriptor, so that a swapped parent cannot redirect it.
//!
//! A file is looked at from there by its bare name, following nothing: one system call instead of three, and no way
//! leads out of the folder by one name. (A folder that was moved out of the root while it is listed goes on being listed
//! under its old path; nothing is opened by such a look.)

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{AtFlags, Dir, FileType, StatxFlags};
use rustix::io::Errno;

use super::{OpenError, regular_version, statx_now};
use crate::job::Fingerprint;

/// The entries of one folder, in no order, as a stream: a folder may hold millions.
pub struct Listing {
    folder: Dir,
    is_fresh: bool,
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
    pub(super) fn of(folder: OwnedFd) -> Result<Self, OpenError> {
        let folder = Dir::new(folder)?;
        Ok(Self {
            folder,
            is_fresh: false,
        })
    }

    /// Names and files as they are where they lie: of a share this machine may remember them as they were up to a minute
    /// ago. Costs a round trip for each file there, and nothing on a disk of this machine.
    pub fn fresh(mut self) -> Result<Self, OpenError> {
        // its names are remembered for as long as the folder seems to be the same
        statx_now(self.folder.fd()?)?;
        self.is_fresh = true;
        Ok(self)
    }

    /// The version of a regular file of this folder and the number of its names, without opening it.
    pub fn stat(&self, name: &OsStr) -> Result<(Fingerprint, u64), OpenError> {
        // a name of a listing is one step; anything else would not stay in the folder
        if name.as_bytes().contains(&b'/') || name == ".." {
            return Err(Errno::XDEV.into());
        }
        let mut flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        if self.is_fresh {
            flags |= AtFlags::STATX_FORCE_SYNC;
        }
        let stat = rustix::fs::statx(self.folder.fd()?, name, flags, StatxFlags::BASIC_STATS)?;
        regular_version(&stat)
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
