//! The one place that opens things below a drop folder.
//!
//! Whoever can write to a drop folder may be trying to have somebody else's file read: by a link,
//! by swapping a parent folder for a link between two calls, by a FIFO that blocks or a device
//! that acts when it is opened. So nothing below a root is ever named by an absolute path:
//! the kernel resolves the relative path itself, in one step, under three conditions
//! (`openat2` with `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS`).
//!
//! - [`Root::open_file`] opens regular files for reading and nothing else;
//! - [`Root::stat`] looks at one without opening it;
//! - [`Root::may_read`] asks whether one could be opened, without opening it;
//! - [`Root::folder`] holds a folder, for one who works in it by bare names;
//! - [`Root::list`] names what lies in a folder.
//!
//! No link is followed, no call blocks on what a user put there, and no other way is tried when the
//! kernel (before Linux 5.6) or a system call filter has no `openat2`: [`Root::open`] fails
//! and says so.
//!
//! The path of the root itself comes from the configuration and is trusted: links in it are followed.

mod error;
mod file_system;
mod folder;
pub mod lease;
mod list;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Access, AtFlags, FileType, Mode, OFlags, ResolveFlags, Statx, StatxFlags};
use rustix::io::Errno;

use crate::job::Fingerprint;

pub use error::{Kind, OpenError};
pub use file_system::network;
pub use folder::{Folder, Pinned};
pub use list::{Entry, Guess, Listing};

const BENEATH: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS);

/// A drop folder, held by descriptor: renaming or replacing it does not lead anywhere else.
///
/// It keeps a file system from being unmounted. Open it for a piece of work, not for good.
#[derive(Debug)]
pub struct Root {
    folder: OwnedFd,
}

/// Which folder a [`Root`] is. Another one under the same path means: mounted, unmounted or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    dev: u64,
    ino: u64,
}

/// A regular file below a root, open for reading.
#[derive(Debug)]
pub struct OpenFile {
    /// The open file, positioned at its start.
    pub file: File,
    /// The version that was opened.
    pub seen: Fingerprint,
    /// How many names the file has; more than one may mean that it is somebody else's.
    pub links: u64,
}

impl Identity {
    /// The number of the device that the folder is on, as in a [`Fingerprint`].
    pub fn device(self) -> u64 {
        self.dev
    }
}

impl Root {
    /// Holds the folder at `path`, which must be a directory. It need not be readable.
    ///
    /// # Errors
    /// `Unsupported` when there is no `openat2`; otherwise what opening the folder says.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = Self {
            folder: rustix::fs::open(path, flags, Mode::empty())?,
        };
        // The folder was just opened, so only a missing openat2 can be refused now. Some filters
        // answer EPERM for a call that they do not know.
        match root.resolve(Path::new(""), OFlags::PATH) {
            Err(Errno::NOSYS | Errno::PERM) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the system call openat2 is missing: Linux 5.6 or newer is needed, \
                 and no system call filter may refuse it",
            )),
            other => other.map(|_| root).map_err(io::Error::from),
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

    /// Opens a regular file for reading.
    ///
    /// It is looked at before it is opened, because opening a device can already do something; and
    /// looked at again afterwards, because only the open descriptor cannot be swapped any more. For
    /// a device to be opened all the same, somebody who may create devices must swap it in between the
    /// two. (Opening the first descriptor again through `/proc/self/fd` would close that gap, and not work
    /// where /proc is hidden.) A FIFO swapped in does not block: `O_NONBLOCK`, which
    /// also keeps somebody's lease on the file from holding us up.
    pub fn open_file(&self, relative: &Path) -> Result<OpenFile, OpenError> {
        self.stat(relative)?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = File::from(self.resolve(relative, flags)?);
        let (seen, links) = regular(&file)?;
        Ok(OpenFile { file, seen, links })
    }

    /// The version of a regular file and the number of its names, without opening it.
    pub fn stat(&self, relative: &Path) -> Result<(Fingerprint, u64), OpenError> {
        regular(self.resolve(relative, OFlags::PATH)?)
    }

    /// What kind of network, or of program, a folder's file system belongs to; `None`: a disk of this machine.
    pub fn network(&self, folder: &Path) -> io::Result<Option<&'static str>> {
        file_system::network_behind(self.resolve(folder, OFlags::PATH)?)
    }

    /// Whether a [`lease`] on something tells of all its writers. Nothing is opened: on a share that could already
    /// disturb somebody.
    pub fn has_leases(&self, relative: &Path) -> io::Result<bool> {
        file_system::has_leases(self.resolve(relative, OFlags::PATH)?)
    }

    /// Whether this user may read what is there, by its permissions. Nothing is opened for reading.
    ///
    /// A kernel that cannot say (before Linux 5.8) counts as yes.
    pub fn may_read(&self, relative: &Path) -> Result<bool, OpenError> {
        let Some(name) = relative.file_name() else {
            return Ok(true);
        };
        let parent = relative.parent().unwrap_or(Path::new(""));
        let folder = self.resolve(parent, OFlags::PATH | OFlags::DIRECTORY)?;
        let flags = AtFlags::EACCESS | AtFlags::SYMLINK_NOFOLLOW;
        match rustix::fs::accessat(folder, name, Access::READ_OK, flags) {
            Ok(()) | Err(Errno::NOSYS | Errno::INVAL) => Ok(true),
            Err(Errno::ACCESS | Errno::PERM) => Ok(false),
            Err(other) => Err(other.into()),
        }
    }

    /// Names what lies in a folder; the empty path is the root.
    pub fn list(&self, relative: &Path) -> Result<Listing, OpenError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK;
        Listing::of(self.resolve(relative, flags)?)
    }

    fn resolve(&self, relative: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let relative = if relative.as_os_str().is_empty() {
            Path::new(".")
        } else {
            relative
        };
        let flags = flags | OFlags::CLOEXEC;
        rustix::fs::openat2(&self.folder, relative, flags, Mode::empty(), BENEATH)
    }
}

/// The version that an open file has now, and how many names it has.
///
/// For looking again: when this differs from [`OpenFile::seen`], the file changed under its reader.
pub fn fingerprint(file: &File) -> io::Result<(Fingerprint, u64)> {
    let stat = statx_now(file)?;
    Ok((version(&stat), u64::from(stat.stx_nlink)))
}

fn regular(file: impl AsFd) -> Result<(Fingerprint, u64), OpenError> {
    regular_version(&statx_now(file)?)
}

fn regular_version(stat: &Statx) -> Result<(Fingerprint, u64), OpenError> {
    match FileType::from_raw_mode(stat.stx_mode.into()) {
        FileType::RegularFile => Ok((version(stat), u64::from(stat.stx_nlink))),
        other => Err(OpenError::NotAFile(other.into())),
    }
}

fn statx(file: impl AsFd) -> Result<Statx, Errno> {
    rustix::fs::statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)
}

/// As it is where it lies: what an NFS client remembers of a file may be a minute old, and its bytes newer. Costs nothing on
/// a disk of this machine.
fn statx_now(file: impl AsFd) -> Result<Statx, Errno> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_FORCE_SYNC;
    rustix::fs::statx(file, c"", flags, StatxFlags::BASIC_STATS)
}

fn version(stat: &Statx) -> Fingerprint {
    Fingerprint {
        dev: device(stat),
        ino: stat.stx_ino,
        size: stat.stx_size,
        mtime_ns: nanoseconds(stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec),
        ctime_ns: nanoseconds(stat.stx_ctime.tv_sec, stat.stx_ctime.tv_nsec),
    }
}

fn device(stat: &Statx) -> u64 {
    rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor)
}

/// Saturates outside of the years 1678 ..= 2262, which a user can set as the modification time; the
/// change time still tells such versions apart.
fn nanoseconds(seconds: i64, nanoseconds: u32) -> i64 {
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(nanoseconds.into())
}
