//! What is about to be done with a file that is in its table.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::{Job, JobId};

/// Files of these names are in our own hand for a moment, and nobody's to upload.
const PRIVATE: &str = ".redivis-drop.";

/// What becomes of a file that is in its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// It is deleted.
    Delete,
    /// It is moved below this folder.
    Move(PathBuf),
}

/// An after-action, written down before it begins, so that one that was interrupted is found again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AfterIntent {
    /// What is to be done.
    pub deed: Deed,
    /// The drop folder, as it was configured.
    pub root: PathBuf,
    /// The private name, without a folder, under which the file is while it is neither here nor there.
    pub aside: OsString,
}

/// A job in its table, and what was begun with its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The job, which is `registered`.
    pub job: Job,
    /// The after-action that was written down for it.
    pub intent: Option<AfterIntent>,
}

/// A private name that nobody else chooses. `chance`: any number, another one each time.
pub fn private_name(job: JobId, chance: u64) -> OsString {
    format!("{PRIVATE}{job}.{chance:016x}").into()
}

/// Whether something of this name, in whatever folder, is private.
pub fn is_private(path: &Path) -> bool {
    let name = path.file_name().map_or(&b""[..], OsStr::as_bytes);
    name.starts_with(PRIVATE.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_names_are_known_wherever_they_lie() {
        let name = private_name(JobId(7), 255);
        assert_eq!(name, ".redivis-drop.7.00000000000000ff");
        assert!(is_private(Path::new(&name)) && is_private(&Path::new("a").join(&name)));
        assert!(!is_private(Path::new("redivis-drop.7")) && !is_private(Path::new("")));
    }
}
