//! One file: is it still the version that is in the table, and what is done with it.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use rustix::io::Errno;
use tokio_util::sync::CancellationToken;

use super::hand;
use super::place::{self, Content};
use super::{Concluded, carry};
use crate::beneath::{Folder, OpenError, Pinned, Root};
use crate::crash_point::{Point, pass};
use crate::job::{AfterIntent, Deed, Fingerprint, Job};

/// How an action on one file ended; an error is for people, and says that it is to be tried again.
pub(super) type Tried = Result<Ended, String>;

/// How an action on one file ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It was done, or was done before: how, for people.
    Acted(String),
    /// The file is left alone: why.
    Left(String),
    /// The daemon stops; the next start goes on.
    Stopped,
}

/// What is done with one file.
pub(super) struct Work<'a> {
    pub job: &'a Job,
    pub intent: &'a AfterIntent,
    pub stop: &'a CancellationToken,
    /// Folders in which something changed, to be synced before anything is called done.
    pub touched: &'a mut Vec<Folder>,
}

impl Work<'_> {
    /// The bare name of the file.
    pub fn name(&self) -> &OsStr {
        self.job.path.file_name().unwrap_or_default()
    }

    /// The folder that the file lies in, relative to the root.
    pub fn parent(&self) -> &Path {
        self.job.path.parent().unwrap_or("".as_ref())
    }

    /// Something changed in a folder. Each is kept once: they are descriptors, of which there are not many.
    pub fn touch(&mut self, folder: Folder) {
        let identity = folder.identity().ok();
        let known = |other: &Folder| identity.is_some() && other.identity().ok() == identity;
        if !self.touched.iter().any(known) {
            self.touched.push(folder);
        }
    }

    /// What is in the table; `None`: there is no md5.
    pub fn content(&self) -> Option<Content> {
        let md5 = self.job.state.md5()?;
        let size = self.job.seen.size;
        Some(Content { size, md5 })
    }
}

pub(super) const CHANGED: &str = "the file changed after it was uploaded and was left where it is; the newer version is a job of its own";
pub(super) const GONE: &str = "the file was gone already";

/// Does what the intent says, from the beginning.
pub(super) fn perform(work: &mut Work<'_>) -> Tried {
    let root = open_root(work)?;
    let folder = match root.folder(work.parent()) {
        Ok(folder) => folder,
        Err(OpenError::Gone | OpenError::NotAFile(_)) => return gone(&root, work),
        Err(error) => return Err(hand::failed("its folder cannot be opened", error)),
    };
    let name = work.name().to_owned();
    let pinned = match pin(&folder, &name, &work.job.seen)? {
        Standing::Ours(pinned) => pinned,
        Standing::Gone => return gone(&root, work),
        Standing::Other => return Ok(Ended::Left(CHANGED.to_owned())),
    };
    let deed = work.intent.deed.clone();
    match deed {
        Deed::Delete => {
            match delete(&folder, &name, &work.intent.aside, &pinned, &work.job.seen)? {
                Deleted::Yes => {
                    work.touch(folder);
                    Ok(Ended::Acted("the file was deleted here".to_owned()))
                }
                Deleted::Gone => gone(&root, work),
                Deleted::Changed => Ok(Ended::Left(CHANGED.to_owned())),
            }
        }
        Deed::Move(to) => carry::carry(work, &root, folder, &pinned, &to),
    }
}

/// What lies at a file's name.
pub(super) enum Standing {
    /// The version that is in the table.
    Ours(Pinned),
    Gone,
    /// Something else: another version, a link, a folder.
    Other,
}

pub(super) fn pin(folder: &Folder, name: &OsStr, seen: &Fingerprint) -> Result<Standing, String> {
    match folder.pin(name) {
        Ok(pinned) if pinned.seen.is_version(seen) => Ok(Standing::Ours(pinned)),
        Ok(_) | Err(OpenError::NotAFile(_)) => Ok(Standing::Other),
        Err(OpenError::Gone) => Ok(Standing::Gone),
        Err(error) => Err(hand::failed("the file cannot be looked at", error)),
    }
}

pub(super) enum Deleted {
    Yes,
    Gone,
    Changed,
}

/// Deletes the pinned file: a private name, one more look, and only then.
///
/// Crash window: after the private name. The intent knows it, and the next start looks there first.
pub(super) fn delete(
    folder: &Folder,
    name: &OsStr,
    aside: &OsStr,
    pinned: &Pinned,
    seen: &Fingerprint,
) -> Result<Deleted, String> {
    match hand::rename(folder, name, folder, aside) {
        Ok(()) => {}
        Err(Errno::NOENT) => return Ok(Deleted::Gone),
        Err(error) => return Err(hand::failed("the file cannot be deleted", error)),
    }
    pass(Point::AfterAside);
    if !is_the_pinned(folder, aside, pinned, seen)? {
        put_back(folder, aside, folder, name)?;
        return Ok(Deleted::Changed);
    }
    hand::delete(folder, aside)
        .map_err(|error| hand::failed("the file cannot be deleted", error))?;
    pass(Point::AfterDeleted);
    Ok(Deleted::Yes)
}

/// Whether what has the private name now is the file that was looked at before it was renamed. Renaming changes the
/// ctime, so that one does not count; nobody has written to the file since, or its mtime would be another.
pub(super) fn is_the_pinned(
    folder: &Folder,
    aside: &OsStr,
    pinned: &Pinned,
    seen: &Fingerprint,
) -> Result<bool, String> {
    let look = || Ok((folder.stat(aside)?.0, pinned.look().map_err(OpenError::Io)?));
    match look() {
        Ok((named, held)) => Ok(named == held && is_alike(&named, seen)),
        Err(OpenError::Gone | OpenError::NotAFile(_)) => Ok(false),
        Err(error) => Err(hand::failed("the file cannot be looked at", error)),
    }
}

/// The same but for what a rename changes, and for an inode that some file systems make of the name.
fn is_alike(named: &Fingerprint, seen: &Fingerprint) -> bool {
    named.size == seen.size && named.mtime_ns == seen.mtime_ns
}

/// Whether it is the file with this fingerprint, as far as that can be told after a rename.
pub(super) fn is_renamed(named: &Fingerprint, seen: &Fingerprint) -> bool {
    named.ino == seen.ino && is_alike(named, seen)
}

/// Gives back its name to a file that is not ours to touch; another one if somebody took that meanwhile.
pub(super) fn put_back(
    from: &Folder,
    aside: &OsStr,
    to: &Folder,
    name: &OsStr,
) -> Result<OsString, String> {
    for number in 0..1000 {
        let name = place::numbered(name, number);
        match hand::rename(from, aside, to, &name) {
            // or somebody took it away
            Ok(()) | Err(Errno::NOENT) => return Ok(name),
            Err(Errno::EXIST) => {}
            Err(error) => {
                return Err(hand::failed("a file cannot get its name back", error));
            }
        }
    }
    Err("a file cannot get its name back: a thousand others have it".to_owned())
}

pub(super) fn open_root(work: &Work<'_>) -> Result<Root, String> {
    Root::open(&work.intent.root)
        .map_err(|error| hand::failed("the drop folder cannot be opened", OpenError::Io(error)))
}

/// Nothing lies there. An empty folder on another file system is a share that is not mounted.
pub(super) fn gone(root: &Root, work: &Work<'_>) -> Tried {
    let elsewhere = root
        .identity()
        .is_ok_and(|root| root.device() != work.job.seen.dev);
    let is_empty = || {
        root.list("".as_ref())
            .is_ok_and(|mut names| names.next().is_none())
    };
    if elsewhere && is_empty() {
        return Err(
            "the drop folder is empty, and on another file system than when this file was seen: is its share \
             not mounted?"
                .to_owned(),
        );
    }
    Ok(Ended::Acted(GONE.to_owned()))
}

impl Ended {
    /// For the ledger; nothing if the daemon stops.
    pub fn conclusion(self) -> Option<Concluded> {
        match self {
            Self::Acted(how) | Self::Left(how) => Some(Concluded::Done(how)),
            Self::Stopped => None,
        }
    }
}
