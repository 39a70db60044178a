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

use super::hint::{Hint, Outlet, Sign};
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
        let (watcher, reason) = match backend {
            Backend::Poll => (None, "configured".to_owned()),
            Backend::Auto | Backend::Inotify => match watcher(root, outlet) {
                Ok(watcher) => (Some(watcher), "the kernel reports changes".to_owned()),
                Err(error) => (None, reason(&error)),
            },
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

fn watcher(root: &Path, outlet: Outlet) -> notify::Result<RecommendedWatcher> {
    let root = root.to_path_buf();
    notify::recommended_watcher(move |event| translate(event, &root, |hint| outlet.send(hint)))
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
    let sign = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Sign::Closed,
        EventKind::Access(_) => return,
        EventKind::Modify(ModifyKind::Name(RenameMode::To)) => Sign::Placed,
        EventKind::Modify(ModifyKind::Data(_)) => Sign::Written,
        _ => Sign::Other,
    };
    let below = |path: PathBuf| path.strip_prefix(root).map(Path::to_path_buf).ok();
    let mut paths = event.paths.into_iter().filter_map(below);
    match event.kind {
        // Both halves were told before; this says that they belong together.
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => {
            if let (Some(from), Some(to)) = (paths.next(), paths.next()) {
                hint(Hint::Renamed { from, to });
            }
        }
        EventKind::Create(CreateKind::Folder) => paths.map(Hint::Folder).for_each(hint),
        _ => paths.map(|path| Hint::Path(path, sign)).for_each(hint),
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

    fn hints(event: Event) -> Vec<Hint> {
        let mut hints = Vec::new();
        translate(Ok(event), Path::new("/drop"), |hint| hints.push(hint));
        hints
    }

    #[test]
    fn events_become_hints_with_their_signs_and_our_own_reading_does_not() {
        let path = |sign| Some(Hint::Path("sub/a".into(), sign));
        let close = |mode| EventKind::Access(AccessKind::Close(mode));
        let name = |mode| EventKind::Modify(ModifyKind::Name(mode));
        for (kind, want) in [
            (EventKind::Create(CreateKind::File), path(Sign::Other)),
            (
                EventKind::Create(CreateKind::Folder),
                Some(Hint::Folder("sub/a".into())),
            ),
            (
                EventKind::Modify(ModifyKind::Data(DataChange::Any)),
                path(Sign::Written),
            ),
            (
                EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)),
                path(Sign::Other),
            ),
            (close(AccessMode::Write), path(Sign::Closed)),
            (close(AccessMode::Read), None),
            (EventKind::Access(AccessKind::Open(AccessMode::Any)), None),
            (name(RenameMode::From), path(Sign::Other)),
            (name(RenameMode::To), path(Sign::Placed)),
            (EventKind::Remove(RemoveKind::File), path(Sign::Other)),
            (EventKind::Any, path(Sign::Other)),
        ] {
            let event = Event::new(kind).add_path("/drop/sub/a".into());
            assert_eq!(hints(event), Vec::from_iter(want), "{kind:?}");
        }
    }

    #[test]
    fn a_renaming_within_the_root_names_both_ends() {
        let both = EventKind::Modify(ModifyKind::Name(RenameMode::Both));
        for (from, want) in [
            (
                "/drop/a",
                vec![Hint::Renamed {
                    from: "a".into(),
                    to: "b".into(),
                }],
            ),
            ("/elsewhere/a", vec![]),
        ] {
            let event = Event::new(both).add_path(from.into());
            assert_eq!(hints(event.add_path("/drop/b".into())), want, "{from}");
        }
    }

    #[test]
    fn an_overflow_and_an_error_mean_that_everything_is_to_be_looked_at() {
        let overflow = Event::new(EventKind::Other).set_flag(Flag::Rescan);
        assert_eq!(hints(overflow), [Hint::Rescan]);
        let unreadable = Err(notify::Error::generic("unreadable"));
        let mut told = Vec::new();
        translate(unreadable, Path::new("/drop"), |hint| told.push(hint));
        assert_eq!(told, [Hint::Rescan]);
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
