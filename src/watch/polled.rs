//! Folders that no event tells of, and why; they are looked at now and then instead.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::job::printable;

/// With so many folders without a watch, polling everything costs no more.
const MOST: usize = 10_000;

/// The folders of one root that have no watch.
#[derive(Debug, Default)]
pub(super) struct Polled {
    folders: BTreeSet<PathBuf>,
    /// Why the last one has none.
    why: String,
}

impl Polled {
    /// This folder has no watch. Returns whether there are too many of them now.
    pub fn add(&mut self, folder: &Path, why: String) -> bool {
        self.why = why;
        self.folders.insert(folder.to_path_buf());
        self.folders.len() > MOST
    }

    /// It has one now, or is gone.
    pub fn remove(&mut self, folder: &Path) {
        self.folders.remove(folder);
    }

    /// The folder, and all that lie in it, are gone.
    pub fn remove_all_below(&mut self, folder: &Path) {
        let below = self.folders.range(folder.to_path_buf()..);
        let below: Vec<_> = below
            .take_while(|path| path.starts_with(folder))
            .cloned()
            .collect();
        for path in below {
            self.folders.remove(&path);
        }
    }

    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.folders.is_empty()
    }

    /// All of them.
    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        self.folders.iter().map(PathBuf::as_path)
    }

    /// For people: how many, which, and why; `None` if there are none.
    pub fn text(&self) -> Option<String> {
        let first = self.folders.first()?;
        let name = if first.as_os_str().is_empty() {
            ".".into()
        } else {
            printable(first)
        };
        let why = &self.why;
        Some(match self.folders.len() {
            1 => format!("the folder {name} is polled: {why}"),
            many => format!("{many} folders, one of them {name}, are polled: {why}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_without_a_watch_are_told_with_the_reason() {
        let mut polled = Polled::default();
        assert_eq!(polled.text(), None);
        assert!(!polled.add("".as_ref(), "no room".into()));
        assert_eq!(polled.text().unwrap(), "the folder . is polled: no room");
        polled.add("a/b".as_ref(), "no room".into());
        polled.add("a".as_ref(), "no permission".into());
        polled.remove("".as_ref());
        assert_eq!(
            polled.text().unwrap(),
            "2 folders, one of them a, are polled: no permission"
        );
        polled.remove_all_below("a".as_ref());
        assert!(polled.is_empty());
    }

    #[test]
    fn too_many_of_them_are_said_to_be_too_many() {
        let mut polled = Polled::default();
        for n in 0..MOST {
            assert!(!polled.add(format!("{n}").as_ref(), String::new()));
        }
        assert!(polled.add("one more".as_ref(), String::new()));
    }
}
