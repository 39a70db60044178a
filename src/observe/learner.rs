//! Remembers what was seen of each file: when it came and how, when it was written to, what became of it.
//!
//! Pure: events and looks come in, with the time since the begin as an argument; nothing is read here. Everything
//! is bounded; what found no room is counted, so that the findings can say so.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::file::{Arrival, Because, File, Look, Pause};
use super::names::{self, Pattern};
use crate::watch::Happening;

/// So many files are remembered, about 40 MB. Those from before take half of it at most, so that they leave room
/// for those that come.
const FILES: usize = 100_000;

/// So many renamings wait for their second half.
const LIMBO: usize = 1_024;

/// The second half of a renaming follows at once, or it led out of the folder.
const SECOND_HALF: Duration = Duration::from_secs(5);

/// So many kinds of names, and of renamings, are told apart.
const KINDS: usize = 256;

/// A file from before that was changed within this time is taken for one that is still being written.
const RECENT: Duration = Duration::from_mins(10);

/// What became of files whose names are of one kind.
#[derive(Debug, Clone, Default)]
pub(super) struct Fate {
    pub known: bool,
    pub renamed: u64,
    pub vanished: u64,
    pub example: PathBuf,
    pub pause: Option<Pause>,
}

/// Renamings of one kind.
#[derive(Debug, Clone)]
pub(super) struct Renamed {
    pub count: u64,
    pub from: PathBuf,
    pub to: PathBuf,
}

/// All that was learned so far.
#[derive(Debug)]
pub(super) struct Learner {
    /// Nanoseconds since 1970.
    began: i64,
    room: usize,
    pub files: BTreeMap<PathBuf, File>,
    /// By pattern.
    pub fates: BTreeMap<String, Fate>,
    /// By how it is done.
    pub renamings: BTreeMap<String, Renamed>,
    pub lost: u64,
    /// Files that found no room, as of the last walk.
    pub forgotten: u64,
    /// Files from before that were changed after a long time.
    pub reopened: u64,
    pub folders_renamed: u64,
    at_rest: usize,
    no_room: u64,
    limbo: HashMap<usize, (PathBuf, Option<File>, Duration)>,
    walk: u32,
    walk_began: Duration,
    walked: bool,
}

impl Learner {
    /// Begins at this time, in nanoseconds since 1970.
    pub fn new(began: i64) -> Self {
        Self::with_room(began, FILES)
    }

    pub(super) fn with_room(began: i64, room: usize) -> Self {
        Self {
            began,
            room,
            files: BTreeMap::new(),
            fates: BTreeMap::new(),
            renamings: BTreeMap::new(),
            lost: 0,
            forgotten: 0,
            reopened: 0,
            folders_renamed: 0,
            at_rest: 0,
            no_room: 0,
            limbo: HashMap::new(),
            walk: 0,
            walk_began: Duration::ZERO,
            walked: false,
        }
    }

    // ---- what is heard

    /// Takes in what happened.
    pub fn heard(&mut self, happening: Happening, at: Duration) {
        match happening {
            Happening::Created(path) => self.created(path, at),
            Happening::Written(path) => {
                if let Some(file) = self.files.get_mut(&path) {
                    file.untold = false;
                    let (first, last, gap) = file.heard.unwrap_or((at, at, Duration::ZERO));
                    file.heard = Some((first, at, gap.max(at.saturating_sub(last))));
                }
            }
            Happening::Touched(path) => {
                if let Some(file) = self.files.get_mut(&path) {
                    file.untold = false;
                }
            }
            Happening::Left(path, Some(cookie)) => {
                if self.limbo.len() >= LIMBO {
                    // they wait for nothing that comes
                    self.empty_limbo(Duration::MAX);
                }
                let file = self.files.remove(&path);
                self.limbo.insert(cookie, (path, file, at));
            }
            Happening::Left(path, None) | Happening::Removed(path) => self.gone(&path),
            Happening::Came(path, cookie) => self.came(path, cookie, at),
            Happening::Folder(_) => {}
            Happening::Lost => self.lost += 1,
        }
        self.empty_limbo(at);
    }

    fn created(&mut self, path: PathBuf, at: Duration) {
        match self.files.get_mut(&path) {
            // a walk was faster than the event
            Some(file) if file.arrival == Arrival::Found => {
                file.arrival = Arrival::Created;
                file.untold = false;
            }
            _ => self.remember(path, File::new(None, Arrival::Created, at)),
        }
    }

    fn came(&mut self, path: PathBuf, cookie: Option<usize>, at: Duration) {
        match cookie.and_then(|cookie| self.limbo.remove(&cookie)) {
            Some((from, Some(file), _)) => self.renamed(&from, path, &file, at),
            Some((from, None, _)) if self.folder_renamed(&from, &path) => {}
            // what a walk had not come by yet
            Some((from, None, _)) => {
                let file = File::new(None, Arrival::Before, at);
                self.renamed(&from, path, &file, at);
            }
            None => self.remember(path, File::new(None, Arrival::Moved, at)),
        }
    }

    fn renamed(&mut self, from: &Path, to: PathBuf, before: &File, at: Duration) {
        let told = names::renaming(from, &to);
        if let Some(Pattern { glob, known }) = told.pattern
            && let Some(fate) = slot(&mut self.fates, &glob)
        {
            fate.renamed += 1;
            fate.take(known, from, before);
        } else {
            // its old name is not known to be temporary, so its pauses count
            self.tally(from, before, |_| {});
        }
        let first = Renamed {
            count: 0,
            from: from.to_owned(),
            to: to.clone(),
        };
        if self.renamings.len() < KINDS || self.renamings.contains_key(&told.how) {
            self.renamings.entry(told.how).or_insert(first).count += 1;
        }
        let file = File {
            walk: self.walk,
            ..File::new(before.look, Arrival::Renamed, at)
        };
        self.remember(to, file);
    }

    /// Whether a folder that holds known files was renamed.
    fn folder_renamed(&mut self, from: &Path, to: &Path) -> bool {
        let inside = self.files.range(from.to_owned()..);
        let inside = inside.take_while(|(path, _)| path.starts_with(from));
        let inside: Vec<_> = inside.map(|(path, _)| path.clone()).collect();
        for path in &inside {
            if let (Some(mut file), Ok(rest)) = (self.files.remove(path), path.strip_prefix(from)) {
                file.walk = self.walk;
                self.files.insert(to.join(rest), file);
            }
        }
        if inside.is_empty() {
            return false;
        }
        self.folders_renamed += 1;
        let told = names::renaming(from, to);
        if let Some(Pattern { glob, known }) = told.pattern
            && let Some(fate) = slot(&mut self.fates, &glob)
        {
            fate.renamed += 1;
            fate.known |= known;
            from.clone_into(&mut fate.example);
        }
        true
    }

    /// What left and did not come again has gone elsewhere.
    fn empty_limbo(&mut self, at: Duration) {
        if self.limbo.is_empty() {
            return;
        }
        let late = |(_, _, left): &(PathBuf, Option<File>, Duration)| {
            at.saturating_sub(*left) > SECOND_HALF
        };
        let gone: Vec<_> = self.limbo.extract_if(|_, waiting| late(waiting)).collect();
        for (_, (path, file, _)) in gone {
            if let Some(file) = file {
                self.vanished(&path, &file);
            }
        }
    }

    // ---- what is seen

    /// Takes in what a look saw.
    pub fn saw(&mut self, path: &Path, look: Look, because: Because, at: Duration) {
        let (walk, written) = (self.walk, self.written(look));
        let Some(file) = self.files.get_mut(path) else {
            return self.saw_first(path, look, at);
        };
        file.walk = walk;
        if file.see(look, because, written, at) {
            self.reopened += 1;
        }
    }

    fn saw_first(&mut self, path: &Path, look: Look, at: Duration) {
        let age = self.wall(at).saturating_sub(look.version.mtime_ns);
        let new = look.version.ctime_ns >= self.began
            || (self.walked && self.no_room == 0 && self.forgotten == 0);
        let arrival = if new { Arrival::Found } else { Arrival::Before };
        let mut file = File::new(Some(look), arrival, at);
        file.walk = self.walk;
        if let Some(written) = self.written(look).filter(|written| *written <= at) {
            file.last_change = written;
        }
        file.quiet_before = u64::try_from(age)
            .ok()
            .map(Duration::from_nanos)
            .filter(|age| *age <= RECENT);
        self.remember(path.to_owned(), file);
    }

    /// There is nothing under this name any more.
    pub fn gone(&mut self, path: &Path) {
        if let Some(file) = self.files.remove(path) {
            self.vanished(path, &file);
        }
    }

    /// What is there is no file, and never was one.
    pub fn no_file(&mut self, path: &Path) {
        self.files.remove(path);
    }

    /// The folder was away, and nothing that was known about its files counts any more.
    pub fn away(&mut self) {
        self.files.clear();
        self.limbo.clear();
        self.at_rest = 0;
        self.walked = false;
    }

    /// A walk through everything begins.
    pub fn walk_begins(&mut self, at: Duration) {
        self.walk += 1;
        self.walk_began = at;
        self.no_room = 0;
    }

    /// It has ended. When it could not see everything, what it did not see may still be there.
    pub fn walk_ends(&mut self, complete: bool) {
        self.walked = true;
        self.forgotten = self.no_room;
        let before = |file: &&File| file.arrival == Arrival::Before;
        self.at_rest = self.files.values().filter(before).count();
        if !complete {
            return;
        }
        let (walk, began) = (self.walk, self.walk_began);
        let missing = self
            .files
            .extract_if(.., |_, file| file.walk < walk && file.appeared < began);
        let missing: Vec<_> = missing.collect();
        if missing.is_empty() {
            return;
        }
        let mut found: HashMap<_, _> = self
            .files
            .iter()
            .filter(|(_, file)| file.arrival == Arrival::Found && file.appeared >= began)
            .filter_map(|(path, file)| Some((file.look?.inode(), (path.clone(), file.look?))))
            .collect();
        for (from, file) in missing {
            let same = file.look.and_then(|before| {
                let (to, now) = found.get(&before.inode())?;
                // an inode is soon given to another file; then the name is the evidence
                (before.content() == now.content() || names::renaming(&from, to).kin)
                    .then(|| (before.inode(), to.clone(), *now))
            });
            let Some((inode, to, now)) = same else {
                self.vanished(&from, &file);
                continue;
            };
            found.remove(&inode);
            let appeared = self.files.get(&to).map_or(began, |file| file.appeared);
            let before = File {
                look: Some(now),
                ..file
            };
            self.renamed(&from, to, &before, appeared);
        }
    }

    /// How many renamings wait for their second half.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        self.limbo.len()
    }

    // ---- memory

    fn remember(&mut self, path: PathBuf, file: File) {
        let before = file.arrival == Arrival::Before;
        let full = self.files.len() >= self.room || (before && self.at_rest >= self.room / 2);
        if full && !self.files.contains_key(&path) {
            self.no_room += 1;
            return;
        }
        self.at_rest += usize::from(before);
        self.files.insert(path, file);
    }

    fn vanished(&mut self, path: &Path, file: &File) {
        if file.arrival != Arrival::Before || file.changes > 0 {
            self.tally(path, file, |fate| fate.vanished += 1);
        }
    }

    fn tally(&mut self, path: &Path, file: &File, count: impl Fn(&mut Fate)) {
        let Pattern { glob, known } = names::pattern(path).unwrap_or_else(|| Pattern {
            glob: String::new(),
            known: false,
        });
        if let Some(fate) = slot(&mut self.fates, &glob) {
            count(fate);
            fate.take(known, path, file);
        }
    }

    /// When a file was written to by its own account, since the begin.
    fn written(&self, look: Look) -> Option<Duration> {
        let since = look.version.mtime_ns.checked_sub(self.began)?;
        u64::try_from(since).ok().map(Duration::from_nanos)
    }

    /// Nanoseconds since 1970 at a time since the begin.
    fn wall(&self, at: Duration) -> i64 {
        self.began
            .saturating_add(i64::try_from(at.as_nanos()).unwrap_or(i64::MAX))
    }
}

/// The entry of a pattern, as long as there is room.
fn slot<'a>(fates: &'a mut BTreeMap<String, Fate>, glob: &str) -> Option<&'a mut Fate> {
    if fates.len() >= KINDS && !fates.contains_key(glob) {
        return None;
    }
    Some(fates.entry(glob.to_owned()).or_default())
}

impl Fate {
    fn take(&mut self, known: bool, path: &Path, file: &File) {
        self.known |= known;
        path.clone_into(&mut self.example);
        if let Some((length, size)) = file.pause
            && self
                .pause
                .as_ref()
                .is_none_or(|longest| longest.length < length)
        {
            let path = path.to_owned();
            self.pause = Some(Pause { path, length, size });
        }
    }
}
