//! A folder that is only told of: a writer does something, time passes, and the learner hears or sees it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::file::{Because, Look};
use super::super::findings::{Findings, Seen, findings};
use super::super::learner::Learner;
use super::super::proposal::{About, block};
use crate::job::Fingerprint;
use crate::watch::Happening;

/// Nanoseconds since 1970 when it begins.
const BEGAN: i64 = 1_800_000_000_000_000_000;

/// How changes are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noticed {
    ByEvents,
    ByLooks,
}

/// The folder, its writer and its observer.
pub struct Scene {
    pub learner: Learner,
    pub noticed: Noticed,
    /// Events come from other files only.
    pub deaf: bool,
    files: BTreeMap<PathBuf, Look>,
    now: Duration,
    next_walk: Duration,
    inodes: u64,
    cookies: usize,
}

impl Scene {
    pub fn new(noticed: Noticed) -> Self {
        Self::with_room(noticed, 10_000)
    }

    pub fn with_room(noticed: Noticed, room: usize) -> Self {
        Self {
            learner: Learner::with_room(BEGAN, room),
            noticed,
            deaf: false,
            files: BTreeMap::new(),
            now: Duration::ZERO,
            next_walk: Duration::ZERO,
            inodes: 1,
            cookies: 1,
        }
    }

    // ---- what the writer does

    /// A file that is there before, last written so many seconds ago.
    pub fn before(&mut self, path: &str, size: u64, age: i64) {
        let look = self.look(size);
        let then = BEGAN - age * 1_000_000_000;
        let version = Fingerprint {
            mtime_ns: then,
            ctime_ns: then,
            ..look.version
        };
        self.files.insert(path.into(), Look { version, ..look });
    }

    /// A new file gets the inode of one that is gone, as some file systems do it.
    pub fn reuse_inode_of(&mut self, gone: &str) {
        self.inodes = self.files[Path::new(gone)].version.ino - 1;
    }

    pub fn create(&mut self, path: &str) {
        self.create_bytes(path.as_bytes());
    }

    pub fn create_bytes(&mut self, path: &[u8]) {
        let path = PathBuf::from(OsStr::from_bytes(path));
        let look = self.look(0);
        self.files.insert(path.clone(), look);
        self.tell(Happening::Created(path));
    }

    /// Appends.
    pub fn write(&mut self, path: &str, bytes: u64) {
        let now = self.wall();
        let look = self.files.get_mut(Path::new(path)).unwrap();
        look.version.size += bytes;
        look.version.mtime_ns = now;
        look.version.ctime_ns = now;
        self.tell(Happening::Written(path.into()));
    }

    /// A whole file at once.
    pub fn file(&mut self, path: &str, bytes: u64) {
        self.create(path);
        if bytes > 0 {
            self.write(path, bytes);
        }
    }

    pub fn cut(&mut self, path: &str, size: u64) {
        self.change(path, |look| look.version.size = size);
        self.write(path, 0);
    }

    /// As `cp -p` ends: the old time of modification.
    pub fn keep_time(&mut self, path: &str) {
        self.change(path, |look| {
            look.version.mtime_ns = BEGAN - 86_400_000_000_000;
        });
        self.tell(Happening::Touched(path.into()));
    }

    pub fn change(&mut self, path: &str, how: impl Fn(&mut Look)) {
        how(self.files.get_mut(Path::new(path)).unwrap());
    }

    pub fn rename(&mut self, from: &str, to: &str) {
        self.cookies += 1;
        let cookie = Some(self.cookies);
        let inside: Vec<_> = self
            .files
            .extract_if(.., |path, _| path.starts_with(from))
            .collect();
        for (path, mut look) in inside {
            let rest = path.strip_prefix(from).unwrap();
            let new = if rest.as_os_str().is_empty() {
                PathBuf::from(to)
            } else {
                Path::new(to).join(rest)
            };
            look.version.ctime_ns = self.wall();
            self.files.insert(new, look);
        }
        self.tell(Happening::Left(from.into(), cookie));
        self.tell(Happening::Came(to.into(), cookie));
    }

    /// A whole file comes from another folder of the same file system.
    pub fn arrive(&mut self, path: &str, bytes: u64) {
        let look = self.look(bytes);
        self.files.insert(path.into(), look);
        self.cookies += 1;
        self.tell(Happening::Came(path.into(), Some(self.cookies)));
    }

    pub fn remove(&mut self, path: &str) {
        self.files.remove(Path::new(path)).unwrap();
        self.tell(Happening::Removed(path.into()));
    }

    /// A folder cannot be listed any more.
    pub fn hide_everything(&mut self) {
        self.files.clear();
    }

    // ---- what the observer does

    /// Time passes, with a walk now and then.
    pub fn wait(&mut self, seconds: f64) {
        let end = self.now + Duration::from_secs_f64(seconds);
        let between = match self.noticed {
            Noticed::ByEvents => Duration::from_secs(10),
            Noticed::ByLooks => Duration::from_secs(1),
        };
        while self.next_walk <= end {
            self.now = self.next_walk;
            self.walk(true);
            self.next_walk = self.now + between;
        }
        self.now = end;
    }

    pub fn walk(&mut self, complete: bool) {
        self.learner.walk_begins(self.now);
        for (path, look) in &self.files {
            self.learner.saw(path, *look, Because::Walked, self.now);
        }
        self.learner.walk_ends(complete);
    }

    fn tell(&mut self, happening: Happening) {
        if self.deaf || self.noticed == Noticed::ByLooks {
            return;
        }
        let path = match &happening {
            Happening::Created(path)
            | Happening::Written(path)
            | Happening::Touched(path)
            | Happening::Came(path, _) => Some(path.clone()),
            _ => None,
        };
        self.learner.heard(happening, self.now);
        if let Some(path) = path
            && let Some(look) = self.files.get(&path)
        {
            self.learner.saw(&path, *look, Because::Heard, self.now);
        }
    }

    fn look(&mut self, size: u64) -> Look {
        self.inodes += 1;
        Look {
            version: Fingerprint {
                dev: 1,
                ino: self.inodes,
                size,
                mtime_ns: self.wall(),
                ctime_ns: self.wall(),
            },
            links: 1,
            may_read: true,
        }
    }

    fn wall(&self) -> i64 {
        BEGAN + i64::try_from(self.now.as_nanos()).unwrap()
    }

    // ---- what comes out

    pub fn findings(&self) -> Findings {
        findings(&self.learner, self.now)
    }

    /// The block, by a version that knows `release_on` or not.
    pub fn block(&self, markers: bool) -> String {
        let about = About {
            folder: "/data/drop/sequencer-1",
            lasted: self.now,
            network: None,
            without_events: (self.noticed == Noticed::ByLooks).then_some("no events here"),
            markers,
            away: 0,
            closed: &Seen::default(),
        };
        block(&self.findings(), &about)
    }
}
