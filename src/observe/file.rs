//! What is remembered of one file, and what a look at it adds. Pure.

use std::path::PathBuf;
use std::time::Duration;

use crate::job::Fingerprint;

/// What a look at a regular file saw.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub version: Fingerprint,
    /// How many names it has.
    pub links: u64,
    /// Whether this user may read it.
    pub may_read: bool,
}

/// Why it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Because {
    /// Something was heard of it.
    Heard,
    /// A walk came by.
    Walked,
}

/// How a file came to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It was there before.
    Before,
    /// Under its own name, empty at first.
    Created,
    /// Under another name first.
    Renamed,
    /// From outside, whole.
    Moved,
    /// A walk found it; how it came was not heard.
    Found,
}

/// A pause between two writes to one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pause {
    pub path: PathBuf,
    pub length: Duration,
    /// The file's size while nothing was written.
    pub size: u64,
}

/// What is known about one file.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub look: Option<Look>,
    pub arrival: Arrival,
    pub appeared: Duration,
    pub last_change: Duration,
    pub first_change: Option<Duration>,
    pub changes: u64,
    /// The longest pause, and the size at that time.
    pub pause: Option<(Duration, u64)>,
    /// How often it became shorter, or another file under the same name.
    pub rewritten: u64,
    /// A change that a walk saw and nobody told of.
    pub untold: bool,
    /// Writes that were heard since the last look: the first, the last, the longest gap between.
    pub heard: Option<(Duration, Duration, Duration)>,
    /// How long before the first look it was written to.
    pub quiet_before: Option<Duration>,
    /// When it was looked at last.
    pub looked: Duration,
    pub walk: u32,
}

impl Look {
    pub fn inode(&self) -> (u64, u64) {
        (self.version.dev, self.version.ino)
    }

    /// What changes when something is written.
    pub fn content(&self) -> (u64, i64) {
        (self.version.size, self.version.mtime_ns)
    }
}

impl File {
    pub fn new(look: Option<Look>, arrival: Arrival, at: Duration) -> Self {
        Self {
            look,
            arrival,
            appeared: at,
            last_change: at,
            first_change: None,
            changes: 0,
            pause: None,
            rewritten: 0,
            untold: false,
            heard: None,
            quiet_before: None,
            looked: at,
            walk: 0,
        }
    }

    /// Takes in a look; whether a file that had been finished for long was opened again.
    pub fn see(
        &mut self,
        look: Look,
        because: Because,
        written: Option<Duration>,
        at: Duration,
    ) -> bool {
        let heard = self.heard.take();
        let looked = std::mem::replace(&mut self.looked, at);
        let Some(before) = self.look.replace(look) else {
            self.last_change = heard.map_or(self.last_change, |(_, last, _)| last);
            return false;
        };
        let set = before.version.size == look.version.size
            && (look.version.mtime_ns <= before.version.mtime_ns
                || (heard.is_none() && because == Because::Heard));
        // nothing was written, at most a time was set
        if before.inode() == look.inode() && set {
            return false;
        }
        self.untold |= heard.is_none() && because == Because::Walked;
        // the file's own time is more exact than the look, unless another clock set it
        let written = written
            .filter(|written| (looked..=at).contains(written))
            .unwrap_or(at);
        let (first, last, gap) = heard.unwrap_or((written, written, Duration::ZERO));
        let mut reopened = false;
        if before.inode() != look.inode() || look.version.size < before.version.size {
            self.rewritten += 1;
        } else if self.arrival == Arrival::Before
            && self.changes == 0
            && self.quiet_before.is_none()
        {
            reopened = true;
        } else {
            let since = first.saturating_sub(self.last_change);
            let pause = (since
                + self
                    .quiet_before
                    .take()
                    .filter(|_| self.arrival == Arrival::Before)
                    .unwrap_or_default())
            .max(gap);
            if self.pause.is_none_or(|(longest, _)| longest < pause) {
                self.pause = Some((pause, before.version.size));
            }
        }
        self.changes += 1;
        self.first_change.get_or_insert(first);
        self.last_change = last;
        reopened
    }
}
