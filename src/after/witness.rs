//! Whether two folders are one: what no path tells, and no number.
//!
//! A folder can be mounted twice, and over NFS and CIFS at once, say, the two have other devices, other inodes and other
//! times. A file there is then no copy of the one here but the very file, and would go with it. So before a copy is
//! made or relied on, a file is made there and looked for here.

use std::ffi::OsStr;
use std::path::Path;

use rustix::io::Errno;

use super::hand;
use crate::beneath::{Folder, OpenError, Root};

/// Whether `to`, which exists, is the drop folder or lies in it, as far as paths and numbers tell.
pub(super) fn leads_into(to: &Path, root: &Path) -> bool {
    // the configuration compares paths; a link may lead elsewhere
    let really = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let (to, root) = (really(to), really(root));
    let number = |path: &Path| {
        let stat = rustix::fs::stat(path).ok()?;
        Some((stat.st_dev, stat.st_ino))
    };
    let that = number(&root);
    to.starts_with(&root) || that.is_some() && to.ancestors().any(|above| number(above) == that)
}

/// Whether what is made in `to` is there in one of the `others` too. The name is nobody else's; what has it goes.
pub(super) fn is_among(others: &[&Folder], to: &Folder, name: &OsStr) -> Result<bool, OpenError> {
    forget(to, name)?;
    drop(hand::create(to, name)?);
    let is_in = |folder: &&Folder| match folder.stat(name) {
        Ok(_) | Err(OpenError::NotAFile(_)) => Ok(true),
        Err(OpenError::Gone) => Ok(false),
        Err(error) => Err(error),
    };
    let seen = others
        .iter()
        .map(is_in)
        .find(|seen| !matches!(seen, Ok(false)));
    forget(to, name)?;
    seen.unwrap_or(Ok(false))
}

/// The folders between the root and a file, from the file's own upwards.
pub(super) fn above(root: &Root, parent: &Path) -> Result<Vec<Folder>, OpenError> {
    let between = parent
        .ancestors()
        .filter(|path| !path.as_os_str().is_empty());
    between.map(|path| root.folder(path)).collect()
}

/// Takes away what a name that is nobody else's may have been left with.
pub(super) fn forget(folder: &Folder, name: &OsStr) -> Result<(), OpenError> {
    match hand::delete(folder, name) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
