//! When is a file finished? When two looks, at least a quiet time apart, saw the same version, and nobody is
//! known to have it open for writing.
//!
//! The age of the modification time is no evidence: a copy that keeps it (`cp -p`, rsync, tar) looks old
//! from its first byte. Only what was seen here, twice, counts, with nothing different seen in between.
//!
//! The quiet time is `settle`, with two exceptions:
//!
//! - After a close by a writer and after a renaming into place it is a quarter of that ([`Trust`]). Such a sign means
//!   that somebody thinks the file finished; what is left to fear is a program that opens it again, and that shows
//!   within seconds where pauses in the midst of writing may be long. A quarter, and no fixed time, so
//!   that `settle` stays the one key to turn. Who writes on after such a sign is not trusted a second time.
//! - An open writer is a brake ([`Settle::brake`]). One that is known to have the file open is waited for. If that cannot be
//!   known, and a write was seen with no close after it, the quiet time is six times as long, and not
//!   for ever: truncate(2), NFS servers and shared memory write without a close.
//!
//! A path stays until [`Settle::forget`] is called, also when it has settled: whoever hands it on
//! calls that when the other side has it for good, and [`Settle::postpone`] when not. So a file is never
//! between two chairs.
//!
//! Pure: the time is an argument and nobody sleeps. Each path takes one entry, however often it changes.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::hint::Sign;
use crate::job::{Fingerprint, printable};

/// Of the quiet time, this part is enough after a sign that the file is finished.
const FINISHED: u32 = 4;

/// So many quiet times for a file that was written to and not seen closed.
const UNCLOSED: u32 = 6;

/// The longest pause between two questions whether a writer has gone. Where events come, its close is one.
const ASK_AGAIN: Duration = Duration::from_mins(1);

/// The files of one watch that are not finished yet.
#[derive(Debug)]
pub(super) struct Settle {
    quiet: Duration,
    max_wait: Duration,
    files: HashMap<Arc<Path>, File>,
    /// Every path of `files` once, by when it is due.
    agenda: BTreeSet<(Instant, Arc<Path>)>,
    /// Those of `files` that were not finished for `max_wait`.
    restless: BTreeSet<Arc<Path>>,
    /// The last one that went, if it was not trusted: perhaps it was renamed, and that is told next.
    gone: Option<(Arc<Path>, Trust)>,
    /// Files that were handed on after less than the quiet time, because a sign was believed.
    believed: HashSet<Arc<Path>>,
}

/// So many are remembered; then it begins anew, which costs some unfinished versions of those that change all day.
const BELIEVED: usize = 10_000;

#[derive(Debug)]
struct File {
    seen: Fingerprint,
    /// The end of the first look that saw this version.
    from: Instant,
    trust: Trust,
    /// A look from now on that sees the same settles it.
    due: Instant,
    /// When the path came in; `max_wait` counts from here.
    since: Instant,
}

/// What the signs so far say about a file's writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Trust {
    /// Nothing, as when a scan came by it.
    #[default]
    Unknown,
    /// Written to, and not closed since.
    Writing,
    /// Closed, and not written to since.
    Closed,
    /// Renamed to its name, and not written to since.
    Placed,
    /// Changed after it was closed or placed: the next sign of that kind may be as wrong.
    Broken { writing: bool },
}

/// Whether somebody has a file open for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writer {
    /// Somebody has.
    Present,
    /// Nobody has.
    Absent,
    /// That cannot be seen.
    Unknown,
}

/// What a look at a file led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Not finished; it is looked at again when it is due.
    Settling,
    /// Not finished for `max_wait`. Said once a file.
    Restless,
    /// Finished. It stays until it is forgotten or postponed.
    Settled,
}

impl Trust {
    /// After one more sign.
    pub fn after(self, sign: Sign) -> Self {
        match (sign, self) {
            (Sign::Other, trust) => trust,
            // Whatever was known belonged to another file under this name.
            (Sign::Placed, _) => Self::Placed,
            (Sign::Closed, Self::Broken { .. }) => Self::Broken { writing: false },
            (Sign::Closed, _) => Self::Closed,
            (Sign::Written, Self::Unknown | Self::Writing) => Self::Writing,
            (Sign::Written, _) => Self::Broken { writing: true },
        }
    }

    /// Of the name that a file with this trust was renamed to. A log that is moved aside is still written to.
    pub fn renamed(self) -> Self {
        match self {
            Self::Writing | Self::Broken { .. } => self,
            Self::Unknown | Self::Closed | Self::Placed => Self::Placed,
        }
    }

    /// After signs were lost, perhaps those that would have changed it.
    pub fn lost(self) -> Self {
        match self {
            Self::Broken { .. } => Self::Broken { writing: false },
            _ => Self::Unknown,
        }
    }

    fn finished(self) -> bool {
        matches!(self, Self::Closed | Self::Placed)
    }

    fn writing(self) -> bool {
        matches!(self, Self::Writing | Self::Broken { writing: true })
    }
}

impl Settle {
    pub fn new(settle: Duration, max_wait: Duration) -> Self {
        Self {
            quiet: settle,
            max_wait,
            files: HashMap::new(),
            agenda: BTreeSet::new(),
            restless: BTreeSet::new(),
            gone: None,
            believed: HashSet::new(),
        }
    }

    /// Takes in what a look at `path` saw, and what the signs say by now ([`Settle::trust`] if there are no new
    /// ones). `asked` is when the look began, `answered` when it ended: a quiet time is counted from
    /// the end of its first look to the begin of its last.
    pub fn observe(
        &mut self,
        path: &Path,
        seen: Fingerprint,
        trust: Trust,
        asked: Instant,
        answered: Instant,
    ) -> Verdict {
        let Some(file) = self.files.get_mut(path) else {
            self.begin(path, seen, trust, answered);
            return Verdict::Settling;
        };
        let changed = file.seen != seen;
        let replaced = (file.seen.dev, file.seen.ino) != (seen.dev, seen.ino);
        // A change without an event, as through shared memory, or of its times or its owner.
        let broken = changed && !replaced && file.trust.finished() && trust.finished();
        let trust = if broken {
            Trust::Broken { writing: false }
        } else {
            trust
        };
        let trusted_anew = file.trust != trust;
        file.trust = trust;
        if changed {
            (file.seen, file.from) = (seen, answered);
        }
        if changed || trusted_anew {
            let due = file.from + quiet_time(self.quiet, trust);
            self.postpone(path, due);
        }
        let due = self.files.get(path).map(|file| file.due);
        if !changed && due.is_some_and(|due| asked >= due) {
            return Verdict::Settled;
        }
        self.unfinished(path, answered)
    }

    /// Whether a file that has settled is to wait all the same, now that it is known whether somebody has it open.
    pub fn brake(&mut self, path: &Path, writer: Writer, now: Instant) -> Verdict {
        let Some(file) = self.files.get(path) else {
            return Verdict::Settling;
        };
        let until = match writer {
            // The longer it was so, the less often it is asked: a writer may take days.
            Writer::Present => {
                let pause = now.saturating_duration_since(file.from) / 4;
                now + pause.min(ASK_AGAIN).max(self.quiet)
            }
            Writer::Unknown if file.trust.writing() => file.from + self.quiet * UNCLOSED,
            Writer::Unknown | Writer::Absent => now,
        };
        if until <= now {
            return Verdict::Settled;
        }
        self.postpone(path, until);
        self.unfinished(path, now)
    }

    fn begin(&mut self, path: &Path, seen: Fingerprint, trust: Trust, now: Instant) {
        let path: Arc<Path> = path.into();
        let due = now + quiet_time(self.quiet, trust);
        self.agenda.insert((due, Arc::clone(&path)));
        let file = File {
            seen,
            from: now,
            trust,
            due,
            since: now,
        };
        self.files.insert(path, file);
    }

    fn unfinished(&mut self, path: &Path, now: Instant) -> Verdict {
        if let Some((path, file)) = self.files.get_key_value(path)
            && now.saturating_duration_since(file.since) >= self.max_wait
            && self.restless.insert(Arc::clone(path))
        {
            return Verdict::Restless;
        }
        Verdict::Settling
    }

    /// Puts the next look at a path off. Nothing happens when it is not here.
    pub fn postpone(&mut self, path: &Path, until: Instant) {
        if let Some((path, file)) = self.files.get_key_value(path) {
            let path = Arc::clone(path);
            self.agenda.remove(&(file.due, Arc::clone(&path)));
            self.agenda.insert((until, Arc::clone(&path)));
            if let Some(file) = self.files.get_mut(&path) {
                file.due = until;
            }
        }
    }

    /// Drops a path that was handed on. If a sign shortened its quiet time, none does it again should the file change
    /// after all: a program that opens, appends and closes all day looks finished after each time.
    pub fn handed_on(&mut self, path: &Path) {
        let believed = self
            .files
            .get_key_value(path)
            .filter(|(_, file)| quiet_time(self.quiet, file.trust) < self.quiet)
            .map(|(path, _)| Arc::clone(path));
        self.forget(path);
        if let Some(path) = believed {
            if self.believed.len() >= BELIEVED {
                self.believed.clear();
            }
            self.believed.insert(path);
        }
    }

    /// Drops a path: it was handed on, or there is no such file any more.
    pub fn forget(&mut self, path: &Path) {
        self.believed.remove(path);
        if let Some((path, file)) = self.files.remove_entry(path) {
            self.restless.remove(&path);
            self.agenda.remove(&(file.due, Arc::clone(&path)));
            if file.trust.renamed() == file.trust {
                self.gone = Some((path, file.trust));
            }
        }
    }

    /// Drops all of them.
    pub fn clear(&mut self) {
        self.files.clear();
        self.agenda.clear();
        self.restless.clear();
        self.believed.clear();
        self.gone = None;
    }

    /// Signs were lost, of whatever file: none counts any more.
    pub fn distrust(&mut self) {
        self.gone = None;
        self.agenda.clear();
        for (path, file) in &mut self.files {
            let trust = file.trust.lost();
            if trust != file.trust {
                file.trust = trust;
                file.due = file.from + quiet_time(self.quiet, trust);
            }
            self.agenda.insert((file.due, Arc::clone(path)));
        }
    }

    /// What the signs so far say about a path's writer.
    pub fn trust(&self, path: &Path) -> Trust {
        match self.files.get(path) {
            Some(file) => file.trust,
            None if self.believed.contains(path) => Trust::Broken { writing: false },
            None => Trust::default(),
        }
    }

    /// The same of a path that may be gone because it was renamed a moment ago.
    pub fn trust_of_old_name(&self, path: &Path) -> Trust {
        match &self.gone {
            Some((gone, trust)) if **gone == *path && !self.holds(path) => *trust,
            _ => self.trust(path),
        }
    }

    /// When the version of a path that was seen last was seen first.
    pub fn seen_from(&self, path: &Path) -> Option<Instant> {
        self.files.get(path).map(|file| file.from)
    }

    /// How many files were not finished for `max_wait`, and one of them, for people.
    pub fn restless(&self) -> Option<String> {
        let first = printable(self.restless.first()?);
        let why =
            "within max_wait: still changing, or open for writing; not uploaded until that ends";
        Some(match self.restless.len() {
            1 => format!("{first} has not got quiet {why}"),
            files => format!("{files} files have not got quiet {why}; one of them is {first}"),
        })
    }

    /// At most `limit` paths that are to be looked at now, the longest due first.
    /// They stay due until they are observed as changed, postponed or forgotten.
    pub fn due(&self, now: Instant, limit: usize) -> Vec<Arc<Path>> {
        self.agenda
            .iter()
            .take_while(|(due, _)| *due <= now)
            .take(limit)
            .map(|(_, path)| Arc::clone(path))
            .collect()
    }

    /// When the next path is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.agenda.first().map(|(due, _)| *due)
    }

    /// The paths of all of them.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.keys().map(|path| &**path)
    }

    /// Whether this path is here.
    pub fn holds(&self, path: &Path) -> bool {
        self.files.contains_key(path)
    }

    /// How many files are not finished.
    pub fn len(&self) -> usize {
        self.files.len()
    }
}

/// How long a version must have been the same.
fn quiet_time(settle: Duration, trust: Trust) -> Duration {
    if trust.finished() {
        settle / FINISHED
    } else {
        settle
    }
}

#[cfg(test)]
#[path = "tests/settle.rs"]
mod tests;
