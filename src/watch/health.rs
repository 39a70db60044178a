//! What is wrong with a watch, and when to say how it is doing.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::ledger::Health;
use crate::job::printable;

/// What is wrong at the moment.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    root: Option<String>,
    ledger: Option<String>,
    unreadable: Unreadable,
    /// Of the walk on its way, so that what is shown does not blink.
    collected: Unreadable,
}

/// So many paths are remembered one by one.
const REMEMBERED: usize = 1_000;

#[derive(Debug, Default)]
struct Unreadable {
    paths: BTreeMap<PathBuf, String>,
    /// Beyond those; a walk through everything counts them anew.
    more: usize,
}

impl Unreadable {
    fn add(&mut self, path: PathBuf, error: String) {
        if self.paths.len() < REMEMBERED || self.paths.contains_key(&path) {
            self.paths.insert(path, error);
        } else {
            self.more += 1;
        }
    }

    fn text(&self) -> Option<String> {
        let (path, error) = self.paths.first_key_value()?;
        let root = path.as_os_str().is_empty();
        let path = if root { ".".into() } else { printable(path) };
        Some(match self.paths.len() + self.more {
            1 => format!("cannot read {path}: {error}"),
            many => format!("cannot read {many} folders or files, one of them {path}: {error}"),
        })
    }
}

impl Troubles {
    /// The root is missing or not usable, or it is well again.
    pub fn root(&mut self, error: Option<String>) {
        self.root = error;
    }

    /// The ledger refused, or it works again.
    pub fn ledger<T, E: std::error::Error>(&mut self, result: &Result<T, E>) {
        self.ledger = result.as_ref().err().map(ToString::to_string);
    }

    /// A walk came by something that it could not look at.
    pub fn unreadable(&mut self, path: &Path, error: &io::Error) {
        self.collected.add(path.to_path_buf(), error.to_string());
    }

    /// A walk through this folder, and all below, ended. It knows better than those before.
    pub fn walked(&mut self, folder: &Path) {
        let collected = std::mem::take(&mut self.collected);
        if folder.as_os_str().is_empty() {
            self.unreadable = collected;
            return;
        }
        self.unreadable
            .paths
            .retain(|path, _| !path.starts_with(folder));
        for (path, error) in collected.paths {
            self.unreadable.add(path, error);
        }
    }

    /// Whether something in this folder could not be looked at, or could not be told.
    pub fn cannot_read_below(&self, folder: &Path) -> bool {
        let mut paths = self.unreadable.paths.keys();
        self.unreadable.more > 0
            || paths.any(|path| path.starts_with(folder) || folder.starts_with(path))
    }

    /// The worst of them, for people.
    pub fn text(&self) -> Option<String> {
        self.root
            .clone()
            .or_else(|| self.ledger.clone())
            .or_else(|| self.unreadable.text())
    }
}

/// Decides when a report is worth a write: at once when something changed, a changed count after a
/// while, and after a failed report also after a while.
#[derive(Debug)]
pub(super) struct Bulletin {
    pause: Duration,
    told: Option<Health>,
    tried: Option<Instant>,
    failed: bool,
}

impl Bulletin {
    pub fn new(pause: Duration) -> Self {
        Self {
            pause,
            told: None,
            tried: None,
            failed: false,
        }
    }

    /// When to report this; a time gone by means now. `None`: it was told already.
    pub fn due(&self, health: &Health, now: Instant) -> Option<Instant> {
        let (Some(told), Some(tried)) = (&self.told, self.tried) else {
            return Some(self.tried.map_or(now, |tried| tried + self.pause));
        };
        if told == health && !self.failed {
            return None;
        }
        let only_the_count = Health {
            settling: told.settling,
            ..health.clone()
        } == *told;
        let later = only_the_count || self.failed;
        Some(if later { tried + self.pause } else { now })
    }

    /// It was reported, or that failed.
    pub fn reported(&mut self, health: Health, now: Instant, worked: bool) {
        self.tried = Some(now);
        self.failed = !worked;
        if worked {
            self.told = Some(health);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::Mode;

    fn health(settling: u64, error: Option<&str>) -> Health {
        Health {
            mode: Mode::Inotify,
            mode_reason: String::new(),
            settling,
            held: 0,
            overflows: 0,
            last_scan_at: None,
            error: error.map(str::to_owned),
        }
    }

    #[test]
    fn changes_are_told_at_once_and_counts_after_a_while() {
        let pause = Duration::from_secs(1);
        let start = Instant::now();
        let now = start + Duration::from_millis(100);
        let mut bulletin = Bulletin::new(pause);
        assert_eq!(bulletin.due(&health(0, None), start), Some(start));
        bulletin.reported(health(0, None), start, true);
        for (next, want) in [
            (health(0, None), None),
            (health(7, None), Some(start + pause)),
            (health(0, Some("gone")), Some(now)),
            (health(7, Some("gone")), Some(now)),
        ] {
            assert_eq!(bulletin.due(&next, now), want, "{next:?}");
        }
        // A report that fails is not repeated in a loop, and not dropped.
        bulletin.reported(health(0, Some("gone")), now, false);
        for next in [health(0, Some("gone")), health(0, None)] {
            assert_eq!(bulletin.due(&next, now), Some(now + pause), "{next:?}");
        }
        bulletin.reported(health(0, Some("gone")), now, true);
        assert_eq!(bulletin.due(&health(0, Some("gone")), now), None);
    }

    #[test]
    fn the_worst_trouble_is_told() {
        let mut troubles = Troubles::default();
        assert_eq!(troubles.text(), None);
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        troubles.unreadable(Path::new("a\nb"), &denied);
        assert_eq!(troubles.text(), None, "the walk is still on its way");
        let all = Path::new("");
        troubles.walked(all);
        let text = troubles.text().unwrap();
        assert_eq!(text, "cannot read a%0Ab: permission denied");
        troubles.unreadable(Path::new("c"), &denied);
        troubles.walked(Path::new("c"));
        assert_eq!(
            troubles.text().unwrap(),
            "cannot read 2 folders or files, one of them a%0Ab: permission denied"
        );
        troubles.walked(Path::new("c"));
        assert_eq!(troubles.text().as_deref(), Some(&*text));
        troubles.ledger(&Err::<(), _>(io::Error::other("disk full")));
        assert_eq!(troubles.text().unwrap(), "disk full");
        troubles.root(Some("missing".into()));
        assert_eq!(troubles.text().unwrap(), "missing");
        troubles.root(None);
        troubles.ledger(&Ok::<(), io::Error>(()));
        troubles.walked(all);
        assert_eq!(troubles.text(), None);
    }
}
