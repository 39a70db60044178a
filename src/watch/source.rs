//! Where hints come from: the only file that names `notify`.
//!
//! One watch for each folder, added one by one while the scan walks: a recursive watch of `notify` stops at
//! the first folder that it may not read, and misses what fills a new folder before its own watch
//! stands. So the scan enters a folder only after [`Source::watch`] was called for it, and a new folder
//! is a hint to scan it.
//!
//! A watch is placed by path, which somebody may swap for a link meanwhile. The events of a folder
//! outside are then hints about paths beneath the root, and looking there refuses the link.
//!
//! When a watch cannot be placed, the source gives up and says why; the loop then polls.

use std::path::{Path, PathBuf};

use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind, RenameMode};
use notify::{ErrorKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use rustix::io::Errno;

use super::happening::Happening;
use super::hint::{Hint, Outlet};
use super::ledger::Mode;
use crate::config::Backend;

/// The watches on the folders of one root, or the reason why there are none.
pub(super) struct Source {
    root: PathBuf,
    watcher: Option<RecommendedWatcher>,
    reason: String,
}

impl Source {
    /// A source without any watch yet. Hints go to `outlet`, from a thread of `notify`.
    pub fn start(backend: Backend, root: &Path, outlet: Outlet) -> Self {
        match backend {
            Backend::Poll => Self::new(root, Err("configured".to_owned())),
            Backend::Auto | Backend::Inotify => {
                let below = root.to_path_buf();
                let tell = move |event| translate(event, &below, |hint| outlet.send(hint));
                Self::new(
                    root,
                    notify::recommended_watcher(tell).map_err(|error| reason(&error)),
                )
            }
        }
    }

    /// The same for somebody who wants to learn what happens, not only where to look.
    pub fn witness(root: &Path, tell: impl Fn(Happening) + Send + 'static) -> Self {
        let below = root.to_path_buf();
        let tell = move |event| narrate(event, &below, &tell);
        Self::new(
            root,
            notify::recommended_watcher(tell).map_err(|error| reason(&error)),
        )
    }

    fn new(root: &Path, watcher: Result<RecommendedWatcher, String>) -> Self {
        let (watcher, reason) = match watcher {
            Ok(watcher) => (Some(watcher), "the kernel reports changes".to_owned()),
            Err(reason) => (None, reason),
        };
        Self {
            root: root.to_path_buf(),
            watcher,
            reason,
        }
    }

    /// How changes are noticed.
    pub fn mode(&self) -> Mode {
        match self.watcher {
            Some(_) => Mode::Inotify,
            None => Mode::Poll,
        }
    }

    /// Why in this way.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Watches one folder, not what lies in folders below it. Adding it again renews the watch.
    ///
    /// When that cannot be done for want of resources, all watches of this root go, so that they do not
    /// use up what others need, and the mode is [`Mode::Poll`] from now on.
    pub fn watch(&mut self, folder: &Path) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        let path = if folder.as_os_str().is_empty() {
            self.root.clone()
        } else {
            self.root.join(folder)
        };
        if let Err(error) = watcher.watch(&path, RecursiveMode::NonRecursive)
            && !concerns_only_this_folder(&error)
        {
            self.reason = reason(&error);
            self.watcher = None;
        }
    }
}

/// Turns an event into hints.
///
/// Opening and reading are left out: our own uploads do that.
fn translate(event: notify::Result<notify::Event>, root: &Path, mut hint: impl FnMut(Hint)) {
    let Ok(event) = event else {
        // Events could not be read, so some may be missing.
        return hint(Hint::Rescan);
    };
    if event.need_rescan() {
        return hint(Hint::Rescan);
    }
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => {}
        // Both halves of a renaming were told before.
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => return,
        _ => {}
    }
    for path in event.paths {
        if let Ok(path) = path.strip_prefix(root) {
            let path = path.to_path_buf();
            hint(match event.kind {
                EventKind::Create(CreateKind::Folder) => Hint::Folder(path),
                _ => Hint::Path(path),
            });
        }
    }
}

/// Turns an event into what happened. Reading is left out, and the root itself.
fn narrate(event: notify::Result<notify::Event>, root: &Path, tell: impl Fn(Happening)) {
    let event = match event {
        Ok(event) if !event.need_rescan() => event,
        // Events could not be read, or not kept.
        Ok(_) | Err(_) => return tell(Happening::Lost),
    };
    let cookie = event.tracker();
    for path in event.paths {
        let Ok(path) = path.strip_prefix(root) else {
            continue;
        };
        if path.as_os_str().is_empty() {
            continue;
        }
        let path = path.to_path_buf();
        tell(match event.kind {
            // Both halves of a renaming were told before.
            EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => continue,
            EventKind::Modify(ModifyKind::Name(RenameMode::From)) => Happening::Left(path, cookie),
            EventKind::Modify(ModifyKind::Name(RenameMode::To)) => Happening::Came(path, cookie),
            EventKind::Create(CreateKind::Folder) => Happening::Folder(path),
            EventKind::Create(_) => Happening::Created(path),
            EventKind::Modify(ModifyKind::Data(_)) => Happening::Written(path),
            EventKind::Remove(_) => Happening::Removed(path),
            EventKind::Access(AccessKind::Close(AccessMode::Write)) | EventKind::Modify(_) => {
                Happening::Touched(path)
            }
            _ => continue,
        });
    }
}

/// Gone, swapped, not readable or too deep: the scan finds the same and tells it.
fn concerns_only_this_folder(error: &notify::Error) -> bool {
    match &error.kind {
        ErrorKind::PathNotFound => true,
        ErrorKind::Io(error) => matches!(
            Errno::from_io_error(error),
            Some(
                Errno::NOENT
                    | Errno::NOTDIR
                    | Errno::ACCESS
                    | Errno::LOOP
                    | Errno::STALE
                    | Errno::NAMETOOLONG
            )
        ),
        _ => false,
    }
}

/// Why there are no events, and what to do about it.
fn reason(error: &notify::Error) -> String {
    match &error.kind {
        ErrorKind::MaxFilesWatch => "the limit on inotify watches is reached: \
             raise it with `sysctl fs.inotify.max_user_watches=1048576` and restart"
            .to_owned(),
        ErrorKind::Io(error)
            if matches!(
                Errno::from_io_error(error),
                Some(Errno::MFILE | Errno::NFILE)
            ) =>
        {
            "the limit on inotify instances or on open files is reached: \
             raise it with `sysctl fs.inotify.max_user_instances=512` and restart"
                .to_owned()
        }
        ErrorKind::Io(error) => format!("inotify is not available: {error}"),
        other => format!("inotify is not available: {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use notify::Event;
    use notify::event::{DataChange, Flag, MetadataKind, RemoveKind};

    use super::*;

    #[test]
    fn events_become_hints_and_our_own_reading_does_not() {
        let path = || Some(Hint::Path("sub/a".into()));
        let close = |mode| EventKind::Access(AccessKind::Close(mode));
        let name = |mode| EventKind::Modify(ModifyKind::Name(mode));
        for (kind, want) in [
            (EventKind::Create(CreateKind::File), path()),
            (
                EventKind::Create(CreateKind::Folder),
                Some(Hint::Folder("sub/a".into())),
            ),
            (EventKind::Modify(ModifyKind::Data(DataChange::Any)), path()),
            (
                EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)),
                path(),
            ),
            (close(AccessMode::Write), path()),
            (close(AccessMode::Read), None),
            (EventKind::Access(AccessKind::Open(AccessMode::Any)), None),
            (name(RenameMode::From), path()),
            (name(RenameMode::To), path()),
            (name(RenameMode::Both), None),
            (EventKind::Remove(RemoveKind::File), path()),
            (EventKind::Any, path()),
        ] {
            let mut hints = Vec::new();
            let event = Event::new(kind).add_path("/drop/sub/a".into());
            translate(Ok(event), Path::new("/drop"), |hint| hints.push(hint));
            assert_eq!(hints, Vec::from_iter(want), "{kind:?}");
        }
    }

    #[test]
    fn a_witness_hears_what_happened_and_to_whom() {
        let path = || PathBuf::from("sub/a");
        let name = |mode| EventKind::Modify(ModifyKind::Name(mode));
        let close = |mode| EventKind::Access(AccessKind::Close(mode));
        for (kind, want) in [
            (
                EventKind::Create(CreateKind::File),
                Some(Happening::Created(path())),
            ),
            (
                EventKind::Create(CreateKind::Folder),
                Some(Happening::Folder(path())),
            ),
            (
                EventKind::Modify(ModifyKind::Data(DataChange::Any)),
                Some(Happening::Written(path())),
            ),
            (
                EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)),
                Some(Happening::Touched(path())),
            ),
            (close(AccessMode::Write), Some(Happening::Touched(path()))),
            (close(AccessMode::Read), None),
            (EventKind::Access(AccessKind::Open(AccessMode::Any)), None),
            (
                name(RenameMode::From),
                Some(Happening::Left(path(), Some(7))),
            ),
            (name(RenameMode::To), Some(Happening::Came(path(), Some(7)))),
            (name(RenameMode::Both), None),
            (
                EventKind::Remove(RemoveKind::File),
                Some(Happening::Removed(path())),
            ),
        ] {
            for (at, want) in [("/drop/sub/a", want), ("/drop", None), ("/else/a", None)] {
                let told = std::cell::RefCell::new(Vec::new());
                let event = Event::new(kind).add_path(at.into()).set_tracker(7);
                narrate(Ok(event), Path::new("/drop"), |what| {
                    told.borrow_mut().push(what);
                });
                assert_eq!(told.into_inner(), Vec::from_iter(want), "{kind:?} {at}");
            }
        }
    }

    #[test]
    fn an_overflow_and_an_error_mean_that_everything_is_to_be_looked_at() {
        let overflow = Event::new(EventKind::Other).set_flag(Flag::Rescan);
        for event in [Ok(overflow), Err(notify::Error::generic("unreadable"))] {
            let mut hints = Vec::new();
            let again = event
                .as_ref()
                .map(Event::clone)
                .map_err(|_| notify::Error::generic("unreadable"));
            translate(event, Path::new("/drop"), |hint| hints.push(hint));
            assert_eq!(hints, [Hint::Rescan]);
            let told = std::cell::RefCell::new(Vec::new());
            narrate(again, Path::new("/drop"), |what| {
                told.borrow_mut().push(what);
            });
            assert_eq!(told.into_inner(), [Happening::Lost]);
        }
    }

    #[test]
    fn a_limit_names_its_sysctl() {
        let io = |error: Errno| notify::Error::io(error.into());
        for (error, want) in [
            (
                notify::Error::new(ErrorKind::MaxFilesWatch),
                "sysctl fs.inotify.max_user_watches=",
            ),
            (io(Errno::MFILE), "sysctl fs.inotify.max_user_instances="),
            (io(Errno::NOMEM), "emory"),
        ] {
            assert!(!concerns_only_this_folder(&error), "{error}");
            assert!(reason(&error).contains(want), "{}", reason(&error));
        }
        assert!(concerns_only_this_folder(&io(Errno::ACCESS)));
    }
}
