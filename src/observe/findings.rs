//! What was learned, drawn from what was remembered. Pure.
//!
//! The order matters: first which names are temporary, then which files are logs that never end, and only among the
//! rest the longest pause and the markers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::file::{Arrival, File, Pause};
use super::learner::{Learner, Renamed};
use super::markers::{self, Markers};
use super::names;
use crate::config;
use crate::watch::Filter;

/// A file that was written to within this time is still being written, unless it paused for longer before.
const FRESH: Duration = Duration::from_secs(10);

/// Fewer changes make no log.
const LOG_CHANGES: u64 = 5;

/// A modification time so much older than the arrival was kept by a copy.
const KEPT: i64 = 60 * 1_000_000_000;

/// How many, and one of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub count: u64,
    pub example: PathBuf,
}

/// Files and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub files: u64,
    pub bytes: u64,
}

/// Names of one kind that files have only for a while.
#[derive(Debug, Clone)]
pub(super) struct Temporary {
    pub glob: String,
    /// Enough evidence to exclude them.
    pub sure: bool,
    /// The default excludes them anyway.
    pub by_default: bool,
    pub renamed: u64,
    pub vanished: u64,
    /// So many have such a name now.
    pub there: u64,
    pub example: PathBuf,
}

/// A file that was appended to all the time.
#[derive(Debug, Clone)]
pub(super) struct Endless {
    pub path: PathBuf,
    pub changes: u64,
    pub span: Duration,
    /// Its name says that it is a log.
    pub log: bool,
}

/// What was learned.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub before: Amount,
    pub came: Amount,
    /// In the order of [`Arrival`]: created, renamed, moved, found.
    pub created: u64,
    pub renamed: u64,
    pub moved: u64,
    pub found: u64,
    pub largest: Option<(PathBuf, u64)>,
    /// From the first sign of life to the last.
    pub busy: Duration,
    pub pause: Option<Pause>,
    pub growing: Seen,
    pub endless: Vec<Endless>,
    pub renamings: Vec<(String, Renamed)>,
    pub temporary: Vec<Temporary>,
    pub markers: Markers,
    pub kept_times: Seen,
    pub linked: Seen,
    pub unreadable: Seen,
    pub strange: Seen,
    pub rewritten: Seen,
    pub in_folders: Seen,
    pub vanished: u64,
    pub untold: u64,
    pub told: u64,
    pub reopened: u64,
    pub folders_renamed: u64,
    pub lost: u64,
    pub forgotten: u64,
}

impl Seen {
    pub fn add(&mut self, path: &Path) {
        if self.count == 0 {
            path.clone_into(&mut self.example);
        }
        self.count += 1;
    }
}

impl Amount {
    fn add(&mut self, file: &File) {
        self.files += 1;
        self.bytes = self.bytes.saturating_add(file.size());
    }
}

impl File {
    /// Its size at the last look.
    pub fn size(&self) -> u64 {
        self.look.map_or(0, |look| look.version.size)
    }

    fn longest(&self) -> Duration {
        self.pause.map_or(Duration::ZERO, |(pause, _)| pause)
    }

    /// Whether it came or changed under our eyes.
    pub fn is_live(&self) -> bool {
        self.arrival != Arrival::Before || self.changes > 0
    }
}

impl Findings {
    /// Whether anything was written at all.
    pub fn nothing_happened(&self) -> bool {
        self.came.files == 0
            && self.told + self.untold == 0
            && self.vanished == 0
            && self.renamings.is_empty()
    }

    /// The patterns that are excluded, the default ones first.
    pub fn excludes(&self) -> Vec<String> {
        let mut globs = config::default_exclude();
        let more = self
            .temporary
            .iter()
            .filter(|kind| kind.sure && !kind.by_default);
        globs.extend(more.map(|kind| kind.glob.clone()));
        globs
    }
}

/// Draws the findings `until` after the begin.
pub(super) fn findings(learner: &Learner, until: Duration) -> Findings {
    let mut found = Findings {
        reopened: learner.reopened,
        folders_renamed: learner.folders_renamed,
        lost: learner.lost,
        forgotten: learner.forgotten,
        vanished: learner.fates.values().map(|fate| fate.vanished).sum(),
        temporary: temporary(learner),
        ..Findings::default()
    };
    found.renamings = learner
        .renamings
        .iter()
        .map(|(how, one)| (how.clone(), one.clone()))
        .collect();
    found
        .renamings
        .sort_by_key(|(_, one)| std::cmp::Reverse(one.count));
    let unwanted = filter(&found.excludes());
    let wanted: Vec<_> = learner
        .files
        .iter()
        .filter(|(path, _)| !unwanted.excludes(path))
        .collect();
    for (path, file) in &wanted {
        found.take_in(path, file, until);
    }
    found.busy = busy(&wanted);
    found.pause = longest_pause(learner, &wanted, &unwanted, &found.endless);
    let ended = |path: &Path| !found.endless.iter().any(|log| log.path == path);
    found.markers = markers::find(wanted.iter().filter(|(path, _)| ended(path)).copied());
    found
}

impl Findings {
    fn take_in(&mut self, path: &Path, file: &File, until: Duration) {
        let Some(look) = file.look else {
            return;
        };
        let counted = match file.arrival {
            Arrival::Before => &mut self.before,
            _ => &mut self.came,
        };
        counted.add(file);
        match file.arrival {
            Arrival::Before => {}
            Arrival::Created => self.created += 1,
            Arrival::Renamed => self.renamed += 1,
            Arrival::Moved => self.moved += 1,
            Arrival::Found => self.found += 1,
        }
        if file.untold {
            self.untold += 1;
        } else {
            self.told += u64::from(file.changes > 0);
        }
        if path.to_str().is_none() {
            self.strange.add(path);
        }
        if look.links > 1 {
            self.linked.add(path);
        }
        if !look.may_read {
            self.unreadable.add(path);
        }
        if path
            .parent()
            .is_some_and(|folder| !folder.as_os_str().is_empty())
        {
            self.in_folders.add(path);
        }
        if !file.is_live() {
            return;
        }
        if self
            .largest
            .as_ref()
            .is_none_or(|(_, size)| *size < look.version.size)
        {
            self.largest = Some((path.to_owned(), look.version.size));
        }
        if file.rewritten > 0 {
            self.rewritten.add(path);
        }
        let kept = look.version.ctime_ns.saturating_sub(look.version.mtime_ns) > KEPT;
        if kept
            && matches!(
                file.arrival,
                Arrival::Created | Arrival::Renamed | Arrival::Found
            )
        {
            self.kept_times.add(path);
        }
        let endless = endless(path, file, until);
        let log = endless.as_ref().is_some_and(|one| one.log);
        // not quiet for longer than it was before
        let fresh = FRESH.max(file.longest() * 2);
        if !log && file.changes > 0 && until.saturating_sub(file.last_change) < fresh {
            self.growing.add(path);
        }
        self.endless.extend(endless);
    }
}

/// A file that was appended to for at least half of the time, and to the end.
fn endless(path: &Path, file: &File, until: Duration) -> Option<Endless> {
    let span = file.last_change.saturating_sub(file.first_change?);
    let fresh = FRESH.max(file.longest() * 2).min(until / 4);
    let to_the_end = until.saturating_sub(file.last_change) <= fresh;
    let so = file.changes >= LOG_CHANGES && span >= until / 2 && to_the_end;
    so.then(|| Endless {
        path: path.to_owned(),
        changes: file.changes,
        span,
        log: names::name(path).is_some_and(names::tells_a_log),
    })
}

fn busy(wanted: &[(&PathBuf, &File)]) -> Duration {
    let live = || {
        wanted
            .iter()
            .map(|(_, file)| *file)
            .filter(|file| file.is_live())
    };
    let first = live().map(|file| match file.arrival {
        Arrival::Before => file.first_change.unwrap_or(file.last_change),
        _ => file.appeared,
    });
    let last = live()
        .map(|file| file.last_change)
        .max()
        .unwrap_or_default();
    last.saturating_sub(first.min().unwrap_or_default())
}

/// Of files under names that are not excluded, those that are gone included.
fn longest_pause(
    learner: &Learner,
    wanted: &[(&PathBuf, &File)],
    unwanted: &Filter,
    endless: &[Endless],
) -> Option<Pause> {
    let logs = |path: &Path| endless.iter().any(|one| one.log && one.path == path);
    let there = wanted
        .iter()
        .filter(|(path, _)| !logs(path))
        .filter_map(|(path, file)| {
            let (length, size) = file.pause?;
            let path = (*path).clone();
            Some(Pause { path, length, size })
        });
    let gone = learner.fates.values().filter_map(|fate| fate.pause.clone());
    let gone = gone.filter(|pause| !unwanted.excludes(&pause.path));
    there.chain(gone).max_by_key(|pause| pause.length)
}

/// Which kinds of names are temporary: those that are known to be, and those that no finished file has.
fn temporary(learner: &Learner) -> Vec<Temporary> {
    let default = filter(&config::default_exclude());
    let mut kinds: Vec<_> = learner
        .fates
        .iter()
        .filter(|(glob, fate)| {
            !glob.is_empty() && (fate.known || fate.renamed > 0 || fate.vanished > 1)
        })
        .map(|(glob, fate)| Temporary {
            glob: glob.clone(),
            sure: fate.known,
            by_default: default.excludes(&fate.example),
            renamed: fate.renamed,
            vanished: fate.vanished,
            there: 0,
            example: fate.example.clone(),
        })
        .collect();
    for path in learner.files.keys() {
        if let Some(kind) = names::pattern(path)
            && kind.known
            && !kinds.iter().any(|known| known.glob == kind.glob)
        {
            kinds.push(Temporary {
                by_default: default.excludes(path),
                glob: kind.glob,
                sure: true,
                renamed: 0,
                vanished: 0,
                there: 0,
                example: path.clone(),
            });
        }
    }
    for kind in &mut kinds {
        let fits = filter(std::slice::from_ref(&kind.glob));
        let there = learner.files.keys().filter(|path| fits.excludes(path));
        kind.there = there.count() as u64;
        // only ever the first name of a renaming, and never a last one
        kind.sure |= kind.renamed > 0 && kind.there == 0;
    }
    kinds
}

/// A filter that excludes these; one that excludes nothing if one of them is no glob.
fn filter(exclude: &[String]) -> Filter {
    let all = ["**".to_owned()];
    Filter::new(&all, exclude)
        .or_else(|_| Filter::new(&all, &[]))
        .expect("`**` is a glob")
}
