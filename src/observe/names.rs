//! What names tell: which are temporary, how one becomes another, which say that a folder is complete, and which are
//! those of logs.
//!
//! Pure. Names may be any bytes; those that are not UTF-8 tell nothing, since no pattern in a configuration can
//! name them.

use std::path::Path;

use globset::escape;

/// Endings that programs give to what they are still writing.
const UNFINISHED: &[&str] = &[
    "tmp",
    "temp",
    "part",
    "partial",
    "filepart",
    "crdownload",
    "download",
    "inprogress",
    "in_progress",
    "incomplete",
    "unfinished",
    "writing",
    "uploading",
    "copying",
    "swp",
    "lock",
    "lck",
];

/// Longer endings are part of a name, as in `Dr. Miller's samples`.
const LONGEST_ENDING: usize = 16;

/// What names of one kind have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    /// As `exclude` wants it.
    pub glob: String,
    /// Whether such names are temporary wherever they are seen.
    pub known: bool,
}

impl Pattern {
    fn new(glob: impl Into<String>, known: bool) -> Self {
        let glob = glob.into();
        Self { glob, known }
    }
}

/// The kind of a name: by a leading dot, a tilde, or its ending.
pub(super) fn pattern(path: &Path) -> Option<Pattern> {
    let name = name(path)?;
    if name.starts_with('.') {
        Some(Pattern::new("**/.*", true))
    } else if name.ends_with('~') {
        Some(Pattern::new("**/*~", true))
    } else if name.starts_with('~') {
        Some(Pattern::new("**/~*", true))
    } else {
        let (_, ending) = split(name)?;
        Some(Pattern::new(
            format!("**/*.{}", escape(ending)),
            is_unfinished(ending),
        ))
    }
}

/// How one name becomes another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Renaming {
    /// In words, with NAME for what stays.
    pub how: String,
    /// Whether something stays.
    pub kin: bool,
    /// What the first names have in common, and no finished one.
    pub pattern: Option<Pattern>,
}

/// How the first of these became the second.
pub(super) fn renaming(from: &Path, to: &Path) -> Renaming {
    let (Some(old), Some(new)) = (name(from), name(to)) else {
        return Renaming {
            how: "one name becomes another".into(),
            kin: false,
            pattern: None,
        };
    };
    let told = |how: String, pattern| Renaming {
        how,
        kin: true,
        pattern,
    };
    if old == new {
        return staged(from, to);
    }
    let around = old.split_once(new);
    let Some((before, after)) = around.filter(|(before, after)| stands_alone(before, after)) else {
        return another_name(from, old, new);
    };
    if before == "." && is_chance(after) {
        let rsync = Pattern::new("**/.*", true);
        return told(
            ".NAME.XXXXXX becomes NAME, as rsync does it".into(),
            Some(rsync),
        );
    }
    if before.is_empty() && is_chance(after) {
        // a pattern for it would also fit `.sqlite`
        return told("NAME.XXXXXX becomes NAME".into(), None);
    }
    let how = format!("{before}NAME{after} becomes NAME");
    let pattern = pattern(from)
        .filter(|pattern| pattern.known || !after.is_empty())
        .or_else(|| {
            (!before.is_empty()).then(|| Pattern::new(format!("**/{}*", escape(before)), false))
        });
    told(how, pattern)
}

/// The same name in another folder.
fn staged(from: &Path, to: &Path) -> Renaming {
    let folder = from.parent().and_then(Path::to_str).unwrap_or_default();
    let above = to.parent().unwrap_or(Path::new(""));
    // excluding the folder must not exclude what becomes of its files
    let pattern = (!folder.is_empty() && !above.starts_with(folder))
        .then(|| Pattern::new(escape(folder), false));
    let how = if folder.is_empty() {
        "NAME is moved into a folder".to_owned()
    } else {
        format!("{folder}/NAME is moved to another folder")
    };
    Renaming {
        how,
        kin: true,
        pattern,
    }
}

/// Whether what is around a name is no part of a longer word: `a` is not what stays of `data.x`.
fn stands_alone(before: &str, after: &str) -> bool {
    !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric)
}

fn another_name(from: &Path, old: &str, new: &str) -> Renaming {
    let told = |how: String, pattern| Renaming {
        how,
        kin: false,
        pattern,
    };
    let pattern = pattern(from);
    if pattern
        .as_ref()
        .is_some_and(|pattern| pattern.known && !pattern.glob.starts_with("**/*."))
    {
        return told("a temporary name becomes another".into(), pattern);
    }
    match (split(old), split(new)) {
        (Some((stem, ending)), Some((other, final_ending))) if ending != final_ending => {
            let kin = stem == other;
            let stem = if kin { "NAME" } else { "*" };
            let how = format!("{stem}.{ending} becomes {stem}.{final_ending}");
            Renaming { how, kin, pattern }
        }
        (Some((_, ending)), None) => told(
            format!("*.{ending} becomes a name without an ending"),
            pattern,
        ),
        _ => told("one name becomes another".into(), None),
    }
}

/// Whether a name says that everything beside it is there.
pub(super) fn tells_completion(name: &str) -> bool {
    let name = name.to_lowercase();
    let word = |words: &[&str]| {
        name.split(|c: char| !c.is_alphanumeric())
            .any(|word| words.contains(&word))
    };
    (name.contains("complete") && !name.contains("incomplete"))
        || (name.contains("finished") && !name.contains("unfinished"))
        || word(&[
            "done",
            "ready",
            "ok",
            "success",
            "md5",
            "md5sum",
            "md5sums",
            "sha256",
            "sha256sum",
            "sha256sums",
            "checksum",
            "checksums",
        ])
}

/// Whether a name is that of a log, which is appended to for ever.
pub(super) fn tells_a_log(name: &str) -> bool {
    name.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .any(|word| matches!(word, "log" | "logs" | "logfile" | "trace" | "journal"))
}

/// `run.csv` as `run` and `csv`.
pub(super) fn split(name: &str) -> Option<(&str, &str)> {
    let (stem, ending) = name.rsplit_once('.')?;
    let fits = !stem.is_empty()
        && (1..=LONGEST_ENDING).contains(&ending.len())
        && !ending.contains(|c: char| c.is_whitespace() || c.is_control());
    fits.then_some((stem, ending))
}

/// The last part of a path, if it is text.
pub(super) fn name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

fn is_unfinished(ending: &str) -> bool {
    UNFINISHED
        .iter()
        .any(|known| known.eq_ignore_ascii_case(ending))
}

/// `.aB3dE9`: six letters or digits, as `mkstemp` makes them, and no word that means something.
fn is_chance(after: &str) -> bool {
    let Some(tail) = after.strip_prefix('.') else {
        return false;
    };
    let mixed = tail.contains(|c: char| c.is_ascii_uppercase() || c.is_ascii_digit());
    tail.len() == 6 && mixed && tail.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renaming_is_told_in_words_and_as_a_pattern() {
        for (from, to, how, glob) in [
            (
                "a.csv.tmp",
                "a.csv",
                "NAME.tmp becomes NAME",
                Some("**/*.tmp"),
            ),
            ("a.csv~", "a.csv", "NAME~ becomes NAME", Some("**/*~")),
            (
                ".a.csv.Xy12Zw",
                "a.csv",
                ".NAME.XXXXXX becomes NAME, as rsync does it",
                Some("**/.*"),
            ),
            (".a.csv", "a.csv", ".NAME becomes NAME", Some("**/.*")),
            ("~a.csv", "a.csv", "~NAME becomes NAME", Some("**/~*")),
            (
                "tmp_a.csv",
                "a.csv",
                "tmp_NAME becomes NAME",
                Some("**/tmp_*"),
            ),
            ("a.csv.Xy12Zw", "a.csv", "NAME.XXXXXX becomes NAME", None),
            ("a.wr", "a.csv", "NAME.wr becomes NAME.csv", Some("**/*.wr")),
            ("x.wr", "a.csv", "*.wr becomes *.csv", Some("**/*.wr")),
            ("a.wr", "a", "NAME.wr becomes NAME", Some("**/*.wr")),
            (
                "a.[x]",
                "b.csv",
                "*.[x] becomes *.csv",
                Some("**/*.[[]x[]]"),
            ),
            (
                "stage/a.csv",
                "a.csv",
                "stage/NAME is moved to another folder",
                Some("stage"),
            ),
            (
                "s/a.csv",
                "s/done/a.csv",
                "s/NAME is moved to another folder",
                None,
            ),
            ("a.csv", "done/a.csv", "NAME is moved into a folder", None),
            (
                "data.x",
                "a",
                "*.x becomes a name without an ending",
                Some("**/*.x"),
            ),
            ("a.csv", "b.csv", "one name becomes another", None),
            ("a", "b", "one name becomes another", None),
        ] {
            let told = renaming(Path::new(from), Path::new(to));
            assert_eq!(told.how, how, "{from} to {to}");
            let found = told.pattern.map(|pattern| pattern.glob);
            assert_eq!(found.as_deref(), glob, "{from} to {to}");
        }
    }

    #[test]
    fn kinds_of_names_are_told_apart() {
        for (name, want) in [
            ("a.tmp", Some(("**/*.tmp", true))),
            ("a.FilePart", Some(("**/*.FilePart", true))),
            ("a.csv", Some(("**/*.csv", false))),
            (".a.csv", Some(("**/.*", true))),
            ("~$a.docx", Some(("**/~*", true))),
            ("a.csv~", Some(("**/*~", true))),
            ("a", None),
            ("Dr. Miller's samples of May", None),
        ] {
            let want = want.map(|(glob, known)| Pattern::new(glob, known));
            assert_eq!(pattern(Path::new(name)), want, "{name}");
        }
    }

    #[test]
    fn names_of_markers_and_logs_tell_what_they_are() {
        for (name, marker, log) in [
            ("RTAComplete.txt", true, false),
            ("CopyComplete.txt", true, false),
            ("incomplete.txt", false, false),
            ("run.done", true, false),
            ("abandoned.txt", false, false),
            ("already.csv", false, false),
            ("run1.ok", true, false),
            ("md5sum.txt", true, false),
            ("catalog.csv", false, false),
            ("instrument.log", false, true),
            ("Log_2026.txt", false, true),
        ] {
            assert_eq!(tells_completion(name), marker, "{name}");
            assert_eq!(tells_a_log(name), log, "{name}");
        }
    }
}
