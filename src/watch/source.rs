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
//! A folder whose watch cannot be placed is polled, and the others keep theirs. A whole root is polled when the
//! configuration says so, when its file system does not report what others do there, and when there is no inotify to be had.

mod events;

use std::path::{Path, PathBuf};

use notify::{ErrorKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use rustix::io::Errno;

use events::{narrate, translate};

use super::happening::Happening;
use super::hint::Outlet;
use super::ledger::Mode;
use super::polled::Polled;
use crate::config::Backend;

/// The watches on the folders of one root, or the reason why there are none.
pub(super) struct Source {
    root: PathBuf,
    watcher: Option<RecommendedWatcher>,
    reason: String,
    /// Makes another watcher like the first.
    make: Box<dyn Fn() -> notify::Result<RecommendedWatcher> + Send>,
    /// Events were lost, perhaps also that a folder was moved away with its watches.
    stale: bool,
    polled: Polled,
}

impl Source {
    /// A source without any watch yet, for a root on the disk of this machine or on such a `network`. Hints
    /// go to `outlet`, from a thread of `notify`.
    pub fn start(backend: Backend, network: Option<&str>, root: &Path, outlet: Outlet) -> Self {
        let below = root.to_path_buf();
        let make = move || {
            let (outlet, below) = (outlet.clone(), below.clone());
            notify::recommended_watcher(move |event| {
                translate(event, &below, |hint| outlet.send(hint));
            })
        };
        let why_not = match (backend, network) {
            (Backend::Poll, _) => Some("configured".to_owned()),
            (Backend::Auto, Some(network)) => Some(elsewhere(network)),
            (Backend::Auto | Backend::Inotify, _) => None,
        };
        Self::new(root, why_not, make)
    }

    /// The same for somebody who wants to learn what happens, not only where to look.
    pub fn witness(root: &Path, tell: impl Fn(Happening) + Clone + Send + 'static) -> Self {
        let below = root.to_path_buf();
        let make = move || {
            let (tell, below) = (tell.clone(), below.clone());
            notify::recommended_watcher(move |event| narrate(event, &below, &tell))
        };
        Self::new(root, None, make)
    }

    fn new(
        root: &Path,
        why_not: Option<String>,
        make: impl Fn() -> notify::Result<RecommendedWatcher> + Send + 'static,
    ) -> Self {
        let (watcher, reason) =
            match why_not.map_or_else(|| make().map_err(|error| reason(&error)), Err) {
                Ok(watcher) => (Some(watcher), "the kernel reports changes".to_owned()),
                Err(reason) => (None, reason),
            };
        Self {
            root: root.to_path_buf(),
            watcher,
            reason,
            make: Box::new(make),
            stale: false,
            polled: Polled::default(),
        }
    }

    /// How changes are noticed, on the whole.
    pub fn mode(&self) -> Mode {
        match self.watcher {
            Some(_) => Mode::Inotify,
            None => Mode::Poll,
        }
    }

    /// Why in this way, and which folders are an exception.
    pub fn reason(&self) -> String {
        match self.polled.text() {
            Some(text) => format!("{}; {text}", self.reason),
            None => self.reason.clone(),
        }
    }

    /// Folders that have no watch while others have.
    pub fn polled(&self) -> &Polled {
        &self.polled
    }

    /// Watches one folder, not what lies in folders below it; it lies on such a `network`, if on any.
    /// Adding it again renews the watch.
    ///
    /// When that cannot be, the folder is polled. With very many such folders all watches of this root
    /// go, and the mode is [`Mode::Poll`] from now on.
    pub fn watch(&mut self, folder: &Path, network: Option<&str>) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        let path = if folder.as_os_str().is_empty() {
            self.root.clone()
        } else {
            self.root.join(folder)
        };
        let why = match network {
            Some(network) => Some(elsewhere(network)),
            None => match watcher.watch(&path, RecursiveMode::NonRecursive) {
                Ok(()) => None,
                Err(error) if is_gone(&error) => return self.forget(folder),
                Err(error) => Some(reason(&error)),
            },
        };
        let Some(why) = why else {
            self.polled.remove(folder);
            return;
        };
        if self.polled.add(folder, why.clone()) {
            self.reason = why;
            self.watcher = None;
            self.polled = Polled::default();
        }
    }

    /// Nothing is at this path any more. Watches on it, and on what lay in it, are gone: `notify` sees to that.
    pub fn forget(&mut self, path: &Path) {
        if !self.polled.is_empty() {
            self.polled.remove_all_below(path);
        }
    }

    /// Begins anew without any watch, if events were lost. To be called when everything is walked next, which
    /// places them again.
    ///
    /// A watch belongs to the folder, not to its path. That one was moved away is told by an event; when that is lost,
    /// its watches stay, under the old path, and count against the limit. None of them can be let go by its path
    /// without, perhaps, taking it from the same folder under its new one.
    pub fn renew(&mut self) {
        if !std::mem::take(&mut self.stale) || self.watcher.is_none() {
            return;
        }
        // without a new one the old one stays, and works
        if let Ok(watcher) = (self.make)() {
            self.watcher = Some(watcher);
        }
    }

    /// Events were lost.
    pub fn lost_events(&mut self) {
        self.stale = true;
    }
}

/// Why there are no events from there.
fn elsewhere(network: &str) -> String {
    format!("{network} does not report what others do there")
}

/// Gone or swapped: nothing to be watched, and the scan finds the same.
fn is_gone(error: &notify::Error) -> bool {
    match &error.kind {
        ErrorKind::PathNotFound => true,
        ErrorKind::Io(error) => matches!(
            Errno::from_io_error(error),
            Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP)
        ),
        _ => false,
    }
}

/// Why there are no events, and what to do about it.
fn reason(error: &notify::Error) -> String {
    match &error.kind {
        ErrorKind::MaxFilesWatch => "the limit on inotify watches is reached: \
             raise it with `sysctl fs.inotify.max_user_watches=1048576`"
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
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;
    use std::time::{Duration, Instant};

    use super::super::hint::channel;
    use super::*;

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
            assert!(!is_gone(&error), "{error}");
            assert!(reason(&error).contains(want), "{}", reason(&error));
        }
        assert!(!is_gone(&io(Errno::ACCESS)));
        assert!(is_gone(&io(Errno::NOENT)));
    }

    /// How many watches this process has on a folder, by its inode.
    fn watches_on(inode: u64) -> usize {
        let infos = fs::read_dir("/proc/self/fdinfo").unwrap();
        let texts = infos.filter_map(|info| fs::read_to_string(info.ok()?.path()).ok());
        let wanted = format!(" ino:{inode:x} ");
        texts.map(|text| text.matches(&wanted).count()).sum()
    }

    #[test]
    fn watches_that_may_have_gone_astray_are_let_go_by_the_next_walk() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("run");
        fs::create_dir(&folder).unwrap();
        let inode = fs::metadata(&folder).unwrap().ino();
        let mut source = Source::start(Backend::Auto, None, dir.path(), channel(100).0);
        source.watch("run".as_ref(), None);
        source.renew();
        assert_eq!(watches_on(inode), 1, "nothing was lost");
        source.lost_events();
        source.renew();
        // the thread of `notify` ends by itself
        let begun = Instant::now();
        while watches_on(inode) > 0 {
            assert!(begun.elapsed() < Duration::from_secs(30), "it stays");
            std::thread::yield_now();
        }
        assert_eq!(source.mode(), Mode::Inotify);
        source.watch("run".as_ref(), None);
        assert_eq!(watches_on(inode), 1);
    }

    #[test]
    fn what_does_not_report_changes_is_polled_unless_the_configuration_says_otherwise() {
        let dir = tempfile::tempdir().unwrap();
        for (backend, network, mode, reason) in [
            (
                Backend::Auto,
                None,
                Mode::Inotify,
                "the kernel reports changes",
            ),
            (
                Backend::Auto,
                Some("NFS"),
                Mode::Poll,
                "NFS does not report what others do there",
            ),
            (
                Backend::Inotify,
                Some("NFS"),
                Mode::Inotify,
                "the kernel reports changes",
            ),
            (Backend::Poll, None, Mode::Poll, "configured"),
        ] {
            let source = Source::start(backend, network, dir.path(), channel(1).0);
            assert_eq!((source.mode(), &*source.reason()), (mode, reason));
        }
        let mut source = Source::start(Backend::Auto, None, dir.path(), channel(1).0);
        source.watch("mounted".as_ref(), Some("CIFS"));
        assert_eq!(
            source.reason(),
            "the kernel reports changes; the folder mounted is polled: \
             CIFS does not report what others do there"
        );
    }
}
