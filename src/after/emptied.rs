//! The folders of a finished set, once the actions have emptied them.
//!
//! A set is the folder of its marker and all below it. Whose marker has gone is known for a moment only: folders that
//! are emptied later, by a file that could not be dealt with in time, stay, since nothing says any more how far up the
//! set reached.

use std::collections::BTreeSet;
use std::path::Path;

use super::hand;
use crate::beneath::{OpenError, Root};
use crate::job::printable;

/// Removes folders that have lost these files. The kernel refuses those that hold anything; the drop folder itself and
/// what is above a set are not tried.
///
/// `markers`: the names of files that stand for a whole set. `lost`: paths below the drop folder.
pub(super) fn remove(drop: &Path, markers: &[String], lost: &[&Path]) {
    let Ok(root) = Root::open(drop) else {
        return;
    };
    let names_marker = |path: &&&Path| matches!(path.file_name(), Some(name) if markers.iter().any(|m| name == m.as_str()));
    let finished: BTreeSet<&Path> = lost
        .iter()
        .filter(names_marker)
        .filter_map(|path| path.parent())
        .collect();
    let emptied: BTreeSet<&Path> = lost.iter().filter_map(|path| path.parent()).collect();
    // those below come after those above
    for folder in emptied.into_iter().rev() {
        let is_set = |above: &&Path| finished.contains(above) || has_one(&root, above, markers);
        let Some(set) = folder.ancestors().find(is_set) else {
            continue;
        };
        let of_the_set = folder
            .ancestors()
            .take_while(|above| above.starts_with(set));
        for folder in of_the_set.filter(|above| above.file_name().is_some()) {
            if remove_one(&root, folder).is_err() {
                break;
            }
        }
    }
}

fn has_one(root: &Root, folder: &Path, markers: &[String]) -> bool {
    let Ok(folder) = root.folder(folder) else {
        return false;
    };
    let is_there = |marker: &String| folder.stat(marker.as_ref()).is_ok();
    markers.iter().any(is_there)
}

fn remove_one(root: &Root, path: &Path) -> Result<(), OpenError> {
    let parent = root.folder(path.parent().unwrap_or("".as_ref()))?;
    hand::remove_empty(&parent, path.file_name().unwrap_or_default())?;
    let folder = printable(path);
    tracing::info!(folder, "an empty folder of a finished set was removed");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Of these files, some are lost: what is left of all folders.
    fn left(files: &[&str], lost: &[&str]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if !lost.contains(file) {
                fs::write(path, "").unwrap();
            }
        }
        let lost: Vec<_> = lost.iter().map(Path::new).collect();
        remove(dir.path(), &["Done".into()], &lost);
        let entries = walkdir::WalkDir::new(dir.path()).min_depth(1);
        let folders = entries
            .sort_by_file_name()
            .into_iter()
            .map(Result::unwrap)
            .filter(|entry| entry.file_type().is_dir());
        folders
            .map(|entry| {
                let path = entry.path().strip_prefix(dir.path()).unwrap();
                path.display().to_string()
            })
            .collect()
    }

    #[test]
    fn folders_of_a_set_go_with_the_last_file_and_none_above() {
        for (files, lost, want) in [
            (
                &["y/run/Done", "y/run/l/1/a"][..],
                &["y/run/Done", "y/run/l/1/a"][..],
                &["y"][..],
            ),
            // the marker is still there
            (
                &["y/run/Done", "y/run/l/1/a"],
                &["y/run/l/1/a"],
                &["y", "y/run"],
            ),
            // a neighbour is, and a file of the set
            (
                &["y/run/Done", "y/run/l/1/a", "y/run/l/b"],
                &["y/run/Done", "y/run/l/1/a"],
                &["y", "y/run", "y/run/l"],
            ),
            // its marker went long before: how far up the set reached is not known any more
            (&["y/run/l/a"], &["y/run/l/a"], &["y", "y/run", "y/run/l"]),
            // the drop folder itself is the set
            (&["Done", "l/a"], &["Done", "l/a"], &[]),
            (&["Done"], &["Done"], &[]),
        ] {
            assert_eq!(left(files, lost), want, "{files:?} without {lost:?}");
        }
    }
}
