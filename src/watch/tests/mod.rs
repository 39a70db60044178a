//! Real folders, a real watch, and a ledger that writes down what it is told.
//!
//! Tests wait for what the ledger hears, never for a time to pass. That something does *not*
//! happen is shown by a sentinel: a file dropped last, so that whatever came before it was judged when
//! the sentinel arrives.

mod arrivals;
mod changes;
mod faults;
mod marked;
mod open;
mod refusals;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::folder::Pace;
use super::{Health, Ledger, Missing, Phase, Watching, spawn_with};
use crate::config::{
    AfterUpload, Backend, Emptied, Existing, Kind, NextVersion, OnConflict, Tabular, Watch,
};
use crate::job::{Fingerprint, Sighting, Template, WatchName};

/// Long enough for a busy machine; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// The quiet time in tests.
const SETTLE: Duration = Duration::from_millis(100);

/// A drop folder in a place of its own, and the watch on it.
struct Stage {
    /// The drop folder.
    root: PathBuf,
    /// A folder beside it, on the same file system.
    beside: PathBuf,
    book: Arc<Mutex<Book>>,
    heard: Receiver<Heard>,
    watching: Watching,
    _dir: tempfile::TempDir,
}

/// What the ledger remembers, as the journal would.
#[derive(Debug, Default)]
struct Book {
    known: HashSet<(PathBuf, Fingerprint)>,
    /// Every path that was ever offered, known or not.
    offered: Vec<PathBuf>,
    /// So many calls are still to fail.
    failures: usize,
    most_asked: usize,
    /// Folders that have not arrived, and those that were asked about.
    under_way: HashMap<PathBuf, Vec<Missing>>,
    asked: Vec<(PathBuf, Vec<PathBuf>)>,
}

#[derive(Debug)]
enum Heard {
    New(Sighting, Instant),
    Report(Health),
}

struct Recorder {
    book: Arc<Mutex<Book>>,
    tell: Sender<Heard>,
}

impl Recorder {
    fn fail(book: &mut Book) -> Result<(), std::io::Error> {
        if book.failures == 0 {
            return Ok(());
        }
        book.failures -= 1;
        Err(std::io::Error::other("the journal is full"))
    }
}

impl Ledger for Recorder {
    type Error = std::io::Error;

    fn unknown(&self, _: &WatchName, sightings: Vec<Sighting>) -> std::io::Result<Vec<Sighting>> {
        let mut book = self.book.lock().unwrap();
        Self::fail(&mut book)?;
        book.most_asked = book.most_asked.max(sightings.len());
        let new = |s: &Sighting| !book.known.contains(&(s.path.clone(), s.seen));
        Ok(sightings.into_iter().filter(new).collect())
    }

    fn enqueue(&self, _: &WatchName, sightings: Vec<Sighting>) -> std::io::Result<()> {
        let mut book = self.book.lock().unwrap();
        Self::fail(&mut book)?;
        for sighting in sightings {
            book.offered.push(sighting.path.clone());
            if book.known.insert((sighting.path.clone(), sighting.seen)) {
                let _ = self.tell.send(Heard::New(sighting, Instant::now()));
            }
        }
        Ok(())
    }

    fn missing(
        &self,
        _: &WatchName,
        folder: &Path,
        after: Option<&Path>,
        but: &[PathBuf],
    ) -> std::io::Result<Vec<Missing>> {
        let mut book = self.book.lock().unwrap();
        Self::fail(&mut book)?;
        let (folder, but) = (folder.to_path_buf(), but.to_vec());
        book.asked.push((folder.clone(), but));
        let mut missing = book.under_way.get(&folder).cloned().unwrap_or_default();
        missing.retain(|missing| after.is_none_or(|after| *missing.path > *after));
        missing.truncate(super::MISSING_TOLD);
        Ok(missing)
    }

    fn report(&self, _: &WatchName, health: Health) -> std::io::Result<()> {
        let _ = self.tell.send(Heard::Report(health));
        Ok(())
    }
}

/// Events only: no scan comes to their help.
fn settings(root: &Path) -> Watch {
    Watch {
        account: "redivis".into(),
        name: WatchName::new("test"),
        path: root.to_path_buf(),
        table: "o.d.t".into(),
        kind: Kind::Files,
        tabular: Tabular::default(),
        recursive: true,
        include: vec!["**".into()],
        exclude: vec!["**/*.tmp".into(), "**/.*".into()],
        settle: SETTLE,
        max_wait: Duration::from_hours(24),
        backend: Backend::Inotify,
        poll_interval: Duration::from_hours(1),
        rescan_interval: Duration::from_hours(1),
        existing: Existing::Upload,
        remote_name: Template::default(),
        on_conflict: OnConflict::NewVersion,
        release_on: None,
        adopt_existing: true,
        allow_hard_links: false,
        priority: 0,
        after_upload: AfterUpload::Keep,
        emptied: Emptied::Kept,
        next_version: NextVersion::ByHand,
    }
}

fn pace() -> Pace {
    Pace {
        root: Duration::from_millis(50),
        retry: Duration::from_millis(50),
        report: Duration::ZERO,
        ..Pace::default()
    }
}

/// A place, what is in it before the watch begins, and how the watch is set.
struct Setting {
    dir: tempfile::TempDir,
    watch: Watch,
    pace: Pace,
    book: Book,
}

impl Setting {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("drop");
        fs::create_dir(&root).unwrap();
        fs::create_dir(dir.path().join("beside")).unwrap();
        Self {
            watch: settings(&root),
            dir,
            pace: pace(),
            book: Book::default(),
        }
    }

    fn root(&self) -> &Path {
        &self.watch.path
    }

    /// Polls every so many milliseconds.
    fn polling(mut self, milliseconds: u64) -> Self {
        self.watch.backend = Backend::Poll;
        self.watch.poll_interval = Duration::from_millis(milliseconds);
        self
    }

    fn start(self) -> Stage {
        let (tell, heard) = channel();
        let book = Arc::new(Mutex::new(self.book));
        let ledger = Recorder {
            book: Arc::clone(&book),
            tell,
        };
        Stage {
            root: self.watch.path.clone(),
            beside: self.dir.path().join("beside"),
            watching: spawn_with(self.pace, self.watch, ledger).unwrap(),
            book,
            heard,
            _dir: self.dir,
        }
    }

    /// Starts and waits until all that is there is recorded.
    fn start_quiet(self) -> Stage {
        let stage = self.start();
        stage.wait_for(|phase| phase == Phase::Quiet);
        stage
    }
}

impl Stage {
    /// Waits until the watch is in such a phase.
    fn wait_for(&self, mut wanted: impl FnMut(Phase) -> bool) -> Phase {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let mut phases = self.watching.phase();
        runtime.block_on(async {
            let phase = phases.wait_for(|phase| wanted(*phase));
            let phase = tokio::time::timeout(PATIENCE, phase).await;
            *phase.expect("this phase does not come").unwrap()
        })
    }

    /// The next version that the ledger did not know.
    fn next(&self) -> (Sighting, Instant) {
        loop {
            match self.heard.recv_timeout(PATIENCE).expect("no file comes") {
                Heard::New(sighting, at) => return (sighting, at),
                Heard::Report(_) => {}
            }
        }
    }

    /// So many further versions, by path.
    fn next_paths(&self, count: usize) -> Vec<PathBuf> {
        let mut paths: Vec<_> = (0..count).map(|_| self.next().0.path).collect();
        paths.sort();
        paths
    }

    /// The next report that is as wanted.
    fn report(&self, wanted: impl Fn(&Health) -> bool) -> Health {
        loop {
            match self.heard.recv_timeout(PATIENCE).expect("no such report") {
                Heard::Report(health) if wanted(&health) => return health,
                _ => {}
            }
        }
    }

    /// Drops a last file and returns all paths that came in before it, sorted.
    fn until_sentinel(&self) -> Vec<PathBuf> {
        // A link gives no sign that the file is finished: with one, it would overtake those before it.
        let (sentinel, new) = (self.root.join("sentinel"), self.beside.join("new sentinel"));
        fs::write(&new, "").unwrap();
        if let Err(error) = fs::remove_file(&sentinel) {
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
        }
        fs::hard_link(&new, &sentinel).unwrap();
        let mut paths = Vec::new();
        loop {
            match self.next().0.path {
                path if path == Path::new("sentinel") => break,
                path => paths.push(path),
            }
        }
        // What settled together with it may stand behind it.
        for heard in self.heard.try_iter() {
            if let Heard::New(sighting, _) = heard {
                paths.push(sighting.path);
            }
        }
        paths.sort();
        paths
    }

    /// Writes in place. With an empty text that is one step; otherwise a slow machine may show the
    /// file empty first.
    fn write(&self, path: &str, text: &str) {
        fs::write(self.root.join(path), text).unwrap();
    }

    /// Every path offered to the ledger so far, also those that it knew.
    fn offered(&self) -> Vec<PathBuf> {
        self.book.lock().unwrap().offered.clone()
    }
}

fn paths(names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(PathBuf::from).collect()
}
