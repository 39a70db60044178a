//! Which folders are still to be walked.
//!
//! A folder whose parent is waiting need not wait itself, and when too many wait, one walk through
//! everything takes their place. So hints may come as fast as they like.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::scan::Walk;

/// So many folders wait one by one; more are one walk through everything.
const FOLDERS: usize = 10_000;

/// The walk on its way and the folders waiting for theirs.
#[derive(Debug)]
pub(super) struct Agenda {
    recursive: bool,
    waiting: BTreeSet<PathBuf>,
    walk: Option<Walk>,
}

impl Agenda {
    pub fn new(recursive: bool) -> Self {
        Self {
            recursive,
            waiting: BTreeSet::new(),
            walk: None,
        }
    }

    /// Has this folder walked, from its start, even if a walk through it is on its way.
    pub fn add(&mut self, folder: PathBuf) {
        if !self.recursive && !folder.as_os_str().is_empty() {
            return;
        }
        if folder.ancestors().any(|above| self.waiting.contains(above)) {
            return;
        }
        if folder.as_os_str().is_empty() || self.waiting.len() >= FOLDERS {
            self.waiting.clear();
            self.waiting.insert(PathBuf::new());
        } else {
            self.waiting.insert(folder);
        }
    }

    /// Has everything walked.
    pub fn add_all(&mut self) {
        self.add(PathBuf::new());
    }

    /// Whether no walk is on its way, and the next one goes through everything.
    pub fn begins_with_everything(&self) -> bool {
        self.walk.is_none() && self.waiting.first().is_some_and(|first| is_root(first))
    }

    /// The walk to go on with, if there is one.
    pub fn walk(&mut self) -> Option<&mut Walk> {
        if self.walk.is_none() {
            let start = self.waiting.pop_first()?;
            self.walk = Some(Walk::new(start, self.recursive));
        }
        self.walk.as_mut()
    }

    /// The walk came to its end. Returns where it began.
    pub fn finish(&mut self) -> Option<PathBuf> {
        let walk = self.walk.take()?;
        Some(walk.start().to_path_buf())
    }

    /// Whether there is anything to walk.
    pub fn is_idle(&self) -> bool {
        self.walk.is_none() && self.waiting.is_empty()
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.walk = None;
        self.waiting.clear();
    }
}

fn is_root(folder: &Path) -> bool {
    folder.as_os_str().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(agenda: &mut Agenda) -> Vec<String> {
        std::iter::from_fn(|| {
            let start = agenda.walk()?.start().display().to_string();
            agenda.finish();
            Some(start)
        })
        .collect()
    }

    #[test]
    fn a_folder_waits_once_and_not_beside_its_parent() {
        for (added, want) in [
            (&["b", "a", "b"][..], &["a", "b"][..]),
            (&["a", "a/b/c", "ab"], &["a", "ab"]),
            (&["a/b", "a"], &["a", "a/b"]),
            (&["a", "", "b"], &[""]),
        ] {
            let mut agenda = Agenda::new(true);
            for folder in added {
                agenda.add(folder.into());
            }
            assert_eq!(order(&mut agenda), want, "{added:?}");
            assert!(agenda.is_idle());
        }
    }

    #[test]
    fn without_recursion_only_the_root_is_walked() {
        let mut agenda = Agenda::new(false);
        agenda.add("a".into());
        assert!(agenda.is_idle());
        agenda.add_all();
        assert_eq!(order(&mut agenda), [""]);
    }

    #[test]
    fn too_many_folders_become_one_walk() {
        let mut agenda = Agenda::new(true);
        for n in 0..=FOLDERS {
            agenda.add(format!("folder {n}").into());
        }
        assert_eq!(order(&mut agenda), [""]);
    }

    #[test]
    fn a_walk_on_its_way_does_not_stand_for_a_later_one() {
        let mut agenda = Agenda::new(true);
        agenda.add_all();
        agenda.walk();
        agenda.add_all();
        assert_eq!(agenda.finish(), Some(PathBuf::new()));
        assert!(!agenda.is_idle());
    }
}
