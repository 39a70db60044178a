//! Which paths a watch is about: globs over the path relative to the drop folder.
//!
//! `*` and `?` stay within one name, `**` crosses folders. A file is wanted when one of
//! `include` matches it and none of `exclude` does. An exclude that matches a *folder* takes
//! everything below it along, as in a `.gitignore`: with `**/.*`, `.cache/part` is excluded too, and
//! a scan need not enter `.cache` at all.
//!
//! What is in the hand of an after-action for a moment has a private name, and is never wanted.
//!
//! Pure: paths in, answers out. Paths may be any bytes.

use std::ffi::OsString;
use std::path::Path;

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};
use thiserror::Error;

use crate::job::is_private;

/// The `include` and `exclude` of one watch.
#[derive(Debug, Clone)]
pub struct Filter {
    include: GlobSet,
    exclude: GlobSet,
    /// Names that are looked at in any case, and go only if they are wanted.
    markers: Vec<OsString>,
}

/// A pattern that is no glob. A checked configuration has none.
#[derive(Debug, Error)]
#[error("the pattern `{pattern}` is no glob: {why}")]
pub struct PatternError {
    pattern: String,
    why: String,
}

impl Filter {
    /// Takes patterns as the configuration has them.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self, PatternError> {
        Ok(Self {
            include: set(include)?,
            exclude: set(exclude)?,
            markers: Vec::new(),
        })
    }

    /// The same, where files of these names are looked at even if they are not wanted.
    #[must_use]
    pub fn with_markers(mut self, names: &[String]) -> Self {
        self.markers = names.iter().map(OsString::from).collect();
        self
    }

    /// Whether there is no reason to look at this path, or at anything below.
    pub fn ignores(&self, path: &Path) -> bool {
        let folder = path.parent().unwrap_or("".as_ref());
        self.excludes(path) && (!self.is_marker(path) || self.excludes(folder))
    }

    /// Whether a file at this path is looked at.
    pub fn looks_at(&self, file: &Path) -> bool {
        self.wants(file) || (self.is_marker(file) && !self.ignores(file))
    }

    fn is_marker(&self, path: &Path) -> bool {
        !self.markers.is_empty()
            && path
                .file_name()
                .is_some_and(|name| self.markers.iter().any(|marker| marker == name))
    }

    /// Whether a file at this path is wanted.
    pub fn wants(&self, file: &Path) -> bool {
        self.include.is_match_candidate(&Candidate::new(file)) && !self.excludes(file)
    }

    /// [`Filter::looks_at`] for a file in a folder that is known not to be excluded.
    pub fn looks_at_in_folder(&self, file: &Path) -> bool {
        let candidate = Candidate::new(file);
        let wanted = self.include.is_match_candidate(&candidate)
            && !self.exclude.is_match_candidate(&candidate)
            && !is_private(file);
        wanted || self.is_marker(file)
    }

    /// Whether this path, or a folder that it lies in, is excluded; then nothing below it is wanted.
    pub fn excludes(&self, path: &Path) -> bool {
        path.ancestors()
            .take_while(|above| !above.as_os_str().is_empty())
            .any(|above| {
                is_private(above) || self.exclude.is_match_candidate(&Candidate::new(above))
            })
    }
}

fn set(patterns: &[String]) -> Result<GlobSet, PatternError> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let glob = GlobBuilder::new(pattern)
            .literal_separator(true)
            .build()
            .map_err(|error| refused(pattern, &error))?;
        set.add(glob);
    }
    set.build()
        .map_err(|error| refused(&patterns.join("`, `"), &error))
}

fn refused(pattern: &str, error: &globset::Error) -> PatternError {
    PatternError {
        pattern: pattern.to_owned(),
        why: error.kind().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    fn filter(include: &[&str], exclude: &[&str]) -> Filter {
        let own = |globs: &[&str]| globs.iter().map(ToString::to_string).collect::<Vec<_>>();
        Filter::new(&own(include), &own(exclude)).unwrap()
    }

    #[test]
    fn globs_decide_over_the_relative_path() {
        let usual = &["**/*.tmp", "**/*.part", "**/.*"][..];
        let all = &["**"][..];
        for (include, exclude, path, wanted) in [
            (all, usual, "run.csv", true),
            (all, usual, "a/b/c/run.csv", true),
            (all, usual, "run.csv.tmp", false),
            (all, usual, "a/run.part", false),
            (all, usual, ".hidden", false),
            (all, usual, "a/.hidden", false),
            (all, usual, ".cache/a/b", false),
            (all, usual, "a/.cache/b", false),
            (all, usual, "a/upload.tmp/b", false),
            (all, usual, "tmp/run.tmpl", true),
            (all, &[], ".hidden", true),
            (all, &["raw"], "raw/a", false),
            (all, &["raw"], "a/raw", true),
            (all, &["raw/**"], "raw/a/b", false),
            (all, &["raw/*"], "raw/a/b", false),
            (all, &["*"], "a", false),
            (&["*.csv"], &[], "a.csv", true),
            (&["*.csv"], &[], "sub/a.csv", false),
            (&["**/*.csv"], &[], "a.csv", true),
            (&["**/*.csv"], &[], "sub/sub/a.csv", true),
            (&["run?/a"], &[], "run7/a", true),
            (&["run?a"], &[], "run/a", false),
            (&["{a,b}/*.csv"], &[], "b/x.csv", true),
            (&["a", "b"], &[], "b", true),
            (&[], &[], "a", false),
        ] {
            let wants = filter(include, exclude).wants(Path::new(path));
            assert_eq!(wants, wanted, "+{include:?} -{exclude:?} {path}");
        }
    }

    #[test]
    fn names_that_are_no_text_are_matched_like_others() {
        let filter = filter(&["**/*.csv"], &["**/.*"]);
        for (path, wanted) in [
            (&b"\xff\xfe.csv"[..], true),
            (b"a\xff/b.csv", true),
            (b".\xff.csv", false),
            (b".\xff/b.csv", false),
            (b"\xff.tsv", false),
        ] {
            let wants = filter.wants(Path::new(OsStr::from_bytes(path)));
            assert_eq!(wants, wanted, "{}", path.escape_ascii());
        }
    }

    #[test]
    fn a_folder_is_left_out_when_nothing_below_it_can_be_wanted() {
        let filter = filter(&["**"], &["**/.*", "raw/old"]);
        for (folder, excluded) in [
            ("", false),
            ("a", false),
            (".git", true),
            ("a/.git/objects", true),
            ("raw", false),
            ("raw/old", true),
        ] {
            assert_eq!(filter.excludes(Path::new(folder)), excluded, "{folder}");
        }
    }

    #[test]
    fn a_pattern_that_is_no_glob_is_named() {
        let error = Filter::new(&["a[".into()], &[]).unwrap_err().to_string();
        assert!(
            error.starts_with("the pattern `a[` is no glob: "),
            "{error}"
        );
    }

    #[test]
    fn what_an_after_action_has_in_its_hand_is_never_wanted() {
        let filter = filter(&["**"], &[]);
        for name in [
            ".redivis-drop.7.0",
            "a/.redivis-drop.7.0.part",
            ".redivis-drop.7/a",
        ] {
            let path = Path::new(name);
            assert!(!filter.wants(path) && filter.excludes(path), "{name}");
        }
        assert!(!filter.looks_at_in_folder(Path::new("a/.redivis-drop.7.0")));
        assert!(filter.wants(Path::new("a/.redivis")));
    }
}
