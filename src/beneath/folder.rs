//! A folder held by its descriptor: what is named in it by a bare name is in it, whatever becomes of the path.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags};
use rustix::io::Errno;

use super::lease::{self, Answer};
use super::{
    BENEATH, Identity, OpenError, OpenFile, Root, device, file_system, regular, regular_version,
    statx, statx_now,
};
use crate::job::Fingerprint;

/// A folder below a root, or the root itself.
#[derive(Debug)]
pub struct Folder {
    folder: OwnedFd,
}

/// A regular file, held so that its inode cannot become another file's. It is open for nothing.
#[derive(Debug)]
pub struct Pinned {
    file: OwnedFd,
    /// The version that it was when it was pinned.
    pub seen: Fingerprint,
}

impl Root {
    /// Holds a folder; the empty path is the root.
    pub fn folder(&self, relative: &Path) -> Result<Folder, OpenError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK;
        let folder = self.resolve(relative, flags)?;
        Ok(Folder { folder })
    }
}

impl Folder {
    /// The version of the regular file of this name and the number of its names, without opening it.
    pub fn stat(&self, name: &OsStr) -> Result<(Fingerprint, u64), OpenError> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | AtFlags::STATX_FORCE_SYNC;
        let stat = rustix::fs::statx(&self.folder, bare(name)?, flags, StatxFlags::BASIC_STATS)?;
        regular_version(&stat)
    }

    /// Holds the regular file of this name.
    pub fn pin(&self, name: &OsStr) -> Result<Pinned, OpenError> {
        let file = self.open(name, OFlags::PATH)?;
        let (seen, _) = regular(&file)?;
        Ok(Pinned { file, seen })
    }

    /// Opens the regular file of this name for reading, as [`Root::open_file`] does.
    pub fn open_file(&self, name: &OsStr) -> Result<OpenFile, OpenError> {
        self.stat(name)?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = File::from(self.open(name, flags)?);
        let (seen, links) = regular(&file)?;
        Ok(OpenFile { file, seen, links })
    }

    /// Whether somebody has the regular file of this name open for writing, as far as the kernel tells it.
    pub fn writer(&self, name: &OsStr) -> Result<Answer, OpenError> {
        if !file_system::has_leases(&self.folder).map_err(OpenError::Io)? {
            return Ok(Answer::Unknown);
        }
        match self.open_file(name) {
            Ok(open) => Ok(lease::ask(&open.file)),
            // somebody holds a lease for writing, and is being asked to give it back
            Err(OpenError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                Ok(Answer::Writer)
            }
            Err(OpenError::Denied) => Ok(Answer::NotAllowed),
            Err(error) => Err(error),
        }
    }

    /// Which folder this is.
    pub fn identity(&self) -> io::Result<Identity> {
        let stat = statx(&self.folder)?;
        Ok(Identity {
            dev: device(&stat),
            ino: stat.stx_ino,
        })
    }

    fn open(&self, name: &OsStr, flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::CLOEXEC;
        rustix::fs::openat2(&self.folder, bare(name)?, flags, Mode::empty(), BENEATH)
    }
}

impl Pinned {
    /// What the file is now.
    pub fn look(&self) -> io::Result<Fingerprint> {
        Ok(super::version(&statx_now(&self.file)?))
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }
}

/// A name that is one step; anything else would not stay in the folder.
fn bare(name: &OsStr) -> Result<&OsStr, Errno> {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes.contains(&b'/') || bytes == b".." || bytes == b"." {
        return Err(Errno::XDEV);
    }
    Ok(name)
}
