//! What is done to a folder, by its descriptor. Each call does one thing, and overwrites nothing.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::beneath::{Folder, OpenError};

/// Renames a file, if nothing has the new name.
///
/// Where the file system cannot rename under that condition (NFS), the file gets the second name first, which
/// fails if it is taken, and then loses the first; a crash in between leaves both, and no copy less.
pub(super) fn rename(from: &Folder, old: &OsStr, to: &Folder, new: &OsStr) -> Result<(), Errno> {
    match rustix::fs::renameat_with(from, old, to, new, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => by_two_names(from, old, to, new),
        other => other,
    }
}

pub(super) fn by_two_names(
    from: &Folder,
    old: &OsStr,
    to: &Folder,
    new: &OsStr,
) -> Result<(), Errno> {
    rustix::fs::linkat(from, old, to, new, AtFlags::empty())?;
    rustix::fs::unlinkat(from, old, AtFlags::empty())
}

/// Takes a name away; a folder's never.
pub(super) fn delete(folder: &Folder, name: &OsStr) -> Result<(), Errno> {
    rustix::fs::unlinkat(folder, name, AtFlags::empty())
}

/// Removes a folder that is empty.
pub(super) fn remove_empty(folder: &Folder, name: &OsStr) -> Result<(), Errno> {
    rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR)
}

/// Makes a file that was not there, for this user alone until it is whole.
pub(super) fn create(folder: &Folder, name: &OsStr) -> Result<File, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    rustix::fs::openat(folder, name, flags, mode).map(File::from)
}

/// Makes a folder with these permissions; `false`: something of that name is there.
pub(super) fn make_folder(folder: &Folder, name: &OsStr, mode: Mode) -> Result<bool, Errno> {
    match rustix::fs::mkdirat(folder, name, Mode::RWXU) {
        Ok(()) => {}
        Err(Errno::EXIST) => return Ok(false),
        Err(error) => return Err(error),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let new: OwnedFd = rustix::fs::openat(folder, name, flags, Mode::empty())?;
    // not by mkdir, which takes the process's mask off
    rustix::fs::fchmod(&new, mode)?;
    rustix::fs::fsync(&new)?;
    sync(folder)?;
    Ok(true)
}

/// What stands in the folder survives a power cut.
pub(super) fn sync(folder: &Folder) -> Result<(), Errno> {
    rustix::fs::fsync(folder)
}

/// The permissions of a folder.
pub(super) fn mode(folder: &Folder) -> Result<Mode, Errno> {
    let stat = rustix::fs::fstat(folder)?;
    Ok(Mode::from_raw_mode(stat.st_mode))
}

/// What failed, and what with it, for people.
pub(super) fn failed(what: &str, error: impl Into<OpenError>) -> String {
    let error = error.into();
    match &error {
        OpenError::Denied => format!(
            "{what}: permission denied; the daemon's user must be allowed to write there (in the service, \
             ReadWritePaths must name it, too)"
        ),
        OpenError::Io(io) if io.raw_os_error() == Some(Errno::ROFS.raw_os_error()) => {
            format!("{what}: it is read-only; in the service, ReadWritePaths must name the folder")
        }
        _ => format!("{what}: {error}"),
    }
}
