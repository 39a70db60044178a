//! `[[watch]]`: each for itself, and then all of them side by side.

use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use crate::job::{WatchName, printable};

use super::problem::{Lines, Place};
use super::quantity::time_text;
use super::release::release;
use super::section::{Notes, Section};
use super::settings::{AfterUpload, Backend, Existing, Kind, OnConflict, Verify, Watch};
use super::table_reference::{remark, table_reference};
use super::template::template;
use super::value::{
    Complaint, Reading, absolute, glob, one_of, quoted, text, text_or_empty, time, truth, whole,
    wrong_kind,
};

pub(super) const EXCLUDE: [&str; 3] = ["**/*.tmp", "**/*.part", "**/.*"];

/// What one `[[watch]]` gave; its name and folder also if the rest is wrong.
pub(super) struct Found {
    pub(super) watch: Option<Watch>,
    name: Option<WatchName>,
    name_byte: usize,
    path: Option<PathBuf>,
    path_byte: usize,
    move_to: Option<PathBuf>,
    move_to_byte: usize,
    after_byte: usize,
}

/// Reads one `[[watch]]`.
pub(super) fn watch(mut section: Section) -> Found {
    let name = section.need("name", "sequencer-1", text("sequencer-1", watch_name));
    let path = section.need(
        "path",
        "/data/drop/sequencer-1",
        text("/data/drop/sequencer-1", absolute),
    );
    let table = section.need(
        "table",
        "my_lab.sequencing:next.raw_reads",
        text("my_lab.sequencing:next.raw_reads", table_reference),
    );
    if let Some(complaint) = table.as_deref().and_then(remark) {
        section.remark("table", complaint);
    }
    let kind = section
        .get(
            "kind",
            one_of(&[("files", Kind::Files), ("tabular", Kind::Tabular)]),
        )
        .unwrap_or(Kind::Files);
    let recursive = section.get("recursive", truth).unwrap_or(true);
    let include = include(&mut section);
    let exclude = section
        .each("exclude", r#"["**/*.tmp"]"#, text("**/*.tmp", glob))
        .unwrap_or_else(|| EXCLUDE.map(str::to_owned).to_vec());
    let (settle, max_wait) = patience(&mut section);
    let backend = backend(&mut section);
    let poll_interval = section
        .get("poll_interval", time(100))
        .unwrap_or(Duration::from_secs(30));
    let rescan_interval = section
        .get("rescan_interval", time(100))
        .unwrap_or(Duration::from_mins(10));
    let policies = &[
        ("new_version", OnConflict::NewVersion),
        ("skip", OnConflict::Skip),
        ("fail", OnConflict::Fail),
    ];
    let on_conflict = section
        .get("on_conflict", one_of(policies))
        .unwrap_or(OnConflict::NewVersion);
    let release_on = section.get("release_on", release).flatten();
    let existing = section
        .get(
            "existing",
            one_of(&[("upload", Existing::Upload), ("ignore", Existing::Ignore)]),
        )
        .unwrap_or(Existing::Upload);
    let remote_name = section
        .get("remote_name", text("{relative_path}", template))
        .unwrap_or_default();
    let priority = section.get("priority", whole(-100..=100)).unwrap_or(0);
    let adopt_existing = section.get("adopt_existing", truth).unwrap_or(true);
    let allow_hard_links = section.get("allow_hard_links", truth).unwrap_or(false);
    let after_upload = after_upload(&mut section);
    let remove_empty_folders = remove_empty_folders(
        &mut section,
        release_on.is_some(),
        after_upload.as_ref() == Some(&AfterUpload::Keep),
    );
    section.get("tabular", settings);
    let found = Found {
        name: name.clone(),
        name_byte: section.byte_of("name"),
        path: path.clone(),
        path_byte: section.byte_of("path"),
        move_to: match &after_upload {
            Some(AfterUpload::Move(to)) => Some(to.clone()),
            _ => None,
        },
        move_to_byte: section.byte_of("move_to"),
        after_byte: section.byte_of("after_upload"),
        watch: name
            .zip(path)
            .zip(table)
            .map(|((name, path), table)| Watch {
                name,
                path,
                table,
                kind,
                recursive,
                include,
                exclude,
                settle,
                max_wait,
                backend,
                poll_interval,
                rescan_interval,
                release_on,
                existing,
                remote_name,
                on_conflict,
                adopt_existing,
                allow_hard_links,
                priority,
                after_upload: after_upload.unwrap_or(AfterUpload::Keep),
                remove_empty_folders,
            }),
    };
    section.finish();
    found
}

fn backend(section: &mut Section) -> Backend {
    let words = &[
        ("auto", Backend::Auto),
        ("inotify", Backend::Inotify),
        ("poll", Backend::Poll),
    ];
    let backend = section.get("backend", one_of(words));
    backend.unwrap_or(Backend::Auto)
}

fn include(section: &mut Section) -> Vec<String> {
    let include = section.each("include", r#"["**/*.csv"]"#, text("**/*.csv", glob));
    if include.as_ref().is_some_and(Vec::is_empty) {
        let complaint = Complaint::new("an empty list lets no file in");
        section.blame("include", complaint.hint(r#"for every file write ["**"]"#));
    }
    include.unwrap_or_else(|| vec!["**".to_owned()])
}

/// `settle` and `max_wait`
fn patience(section: &mut Section) -> (Duration, Duration) {
    let settle = section
        .get("settle", time(100))
        .unwrap_or(Duration::from_secs(10));
    let max_wait = section
        .get("max_wait", time(100))
        .unwrap_or(Duration::from_hours(24));
    if max_wait < settle {
        let (wait, settle) = (time_text(max_wait), time_text(settle));
        let complaint = Complaint::new(format!("{wait:?} is shorter than `settle`, {settle:?}"));
        section.blame(
            "max_wait",
            complaint.hint("every file would be warned about: make it longer"),
        );
    }
    (settle, max_wait)
}

/// `after_upload` and `move_to`, which belong together. `None` if something is wrong with them.
fn after_upload(section: &mut Section) -> Option<AfterUpload> {
    let words = &[("keep", "keep"), ("delete", "delete"), ("move", "move")];
    let is_given = section.has("after_upload");
    let word = section.get("after_upload", one_of(words));
    let is_whole = !section.has("move_to");
    let move_to = section.get("move_to", text_or_empty("/data/done/sequencer-1", absolute));
    if (is_given && word.is_none()) || (!is_whole && move_to.is_none()) {
        return None;
    }
    match (word.unwrap_or("keep"), move_to.flatten()) {
        ("move", Some(folder)) => Some(AfterUpload::Move(folder)),
        ("move", None) => {
            let complaint = Complaint::new(r#""move" needs `move_to`, which is missing"#);
            let hint = r#"write move_to = "/data/done/sequencer-1", in no drop folder"#;
            section.blame("after_upload", complaint.hint(hint));
            None
        }
        (word, Some(_)) => {
            let complaint =
                Complaint::new(format!("nothing is moved while after_upload = {word:?}"));
            let hint = r#"write after_upload = "move", or remove this line"#;
            section.blame("move_to", complaint.hint(hint));
            None
        }
        ("delete", None) => Some(AfterUpload::Delete),
        _ => Some(AfterUpload::Keep),
    }
}

/// `remove_empty_folders`: only of a set is it known that nobody writes there any more.
fn remove_empty_folders(section: &mut Section, has_sets: bool, keeps: bool) -> bool {
    let wanted = section.get("remove_empty_folders", truth).unwrap_or(false);
    if wanted && keeps {
        let complaint = Complaint::new("no folder gets empty while files are kept");
        let hint = r#"write after_upload = "delete" or "move", or remove this line"#;
        section.blame("remove_empty_folders", complaint.hint(hint));
    } else if wanted && !has_sets {
        let complaint = Complaint::new("only folders that go as one set are removed");
        let hint = "name their marker in `release_on`, or remove this line";
        section.blame("remove_empty_folders", complaint.hint(hint));
    }
    wanted
}

fn watch_name(text: &str) -> Reading<WatchName> {
    const LONGEST: usize = 64;
    let fits = (1..=LONGEST).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if !fits {
        return Err(
            Complaint::new(format!("{} is no name for a watch", quoted(text)))
                .hint("1 to 64 of these: A-Z, a-z, 0-9, `.`, `_`, `-`"),
        );
    }
    Ok(WatchName::new(text))
}

/// How many keys a section has.
fn settings(value: &DeValue) -> Reading<usize> {
    value.as_table().map(toml::map::Map::len).ok_or_else(|| {
        wrong_kind("a section [watch.tabular]", value)
            .hint("write [watch.tabular] below its [[watch]]")
    })
}

/// Names and folders are unique, no folder lies in another, and none holds our own files.
pub(super) fn hold_against_each_other(
    all: &[Found],
    own_files: &[(&str, Option<&PathBuf>)],
    lines: &Lines,
    notes: &mut Notes,
) {
    for (at, later) in all.iter().enumerate() {
        for earlier in &all[..at] {
            if let Some(complaint) = same_name(earlier, later, lines) {
                notes.problem(later.name_byte, complaint);
            }
            if let Some(complaint) = shared_folder(earlier, later, lines) {
                notes.problem(later.path_byte, complaint);
            }
        }
        for other in all {
            if let Some(complaint) = carried_again(later, other, lines) {
                notes.problem(later.move_to_byte, complaint);
            }
        }
        for (what, path) in own_files {
            if let (Some(root), Some(path)) = (&later.path, path)
                && path.starts_with(root)
            {
                let what = format!(
                    "`path`: {what}, {}, lies in this folder and would be uploaded",
                    printable(path)
                );
                let complaint = Complaint::new(what).hint("move one of them elsewhere");
                notes.problem(later.path_byte, complaint);
            }
        }
    }
}

fn same_name(earlier: &Found, later: &Found, lines: &Lines) -> Option<Complaint> {
    let name = later
        .name
        .as_ref()
        .filter(|name| earlier.name.as_ref() == Some(name))?;
    let there = spot(lines, earlier.name_byte);
    Some(
        Complaint::new(format!(
            "`name`: {:?} is the name of the watch at {there} too",
            name.as_str()
        ))
        .hint("the journal tells watches apart by their names: choose another"),
    )
}

fn shared_folder(earlier: &Found, later: &Found, lines: &Lines) -> Option<Complaint> {
    let (old, new) = (earlier.path.as_ref()?, later.path.as_ref()?);
    let there = format!(
        "the folder of the watch at {}",
        spot(lines, earlier.path_byte)
    );
    let relation = if old == new {
        format!("is {there} too")
    } else if new.starts_with(old) {
        format!("lies in {}, {there}", printable(old))
    } else if old.starts_with(new) {
        format!("holds {}, {there}", printable(old))
    } else {
        return None;
    };
    Some(
        Complaint::new(format!("`path`: {} {relation}", printable(new)))
            .hint("each file belongs to one watch: give each a folder of its own"),
    )
}

/// Files are touched only after their registered md5 was found equal, so there must be one.
pub(super) fn hold_against_verify(all: &[Found], verify: Verify, notes: &mut Notes) {
    let acts = |watch: &Watch| watch.after_upload != AfterUpload::Keep;
    for found in all {
        if verify != Verify::Md5 && found.watch.as_ref().is_some_and(acts) {
            let what =
                r#"`after_upload`: without md5 no file is moved or deleted, and verify = "crc32c""#;
            let hint = r#"write verify = "md5" in [transfer], or keep the files"#;
            notes.problem(found.after_byte, Complaint::new(what).hint(hint));
        }
    }
}

/// What is moved into a drop folder would be uploaded from there.
fn carried_again(mover: &Found, other: &Found, lines: &Lines) -> Option<Complaint> {
    let (to, folder) = (mover.move_to.as_ref()?, other.path.as_ref()?);
    let there = format!(
        "the folder of the watch at {}",
        spot(lines, other.path_byte)
    );
    let relation = if to == folder {
        format!("is {there}")
    } else if to.starts_with(folder) {
        format!("lies in {}, {there}", printable(folder))
    } else if folder.starts_with(to) {
        format!("holds {}, {there}", printable(folder))
    } else {
        return None;
    };
    Some(
        Complaint::new(format!("`move_to`: {} {relation}", printable(to)))
            .hint("what is moved there would be uploaded again: choose a folder apart from all drop folders"),
    )
}

fn spot(lines: &Lines, byte: usize) -> String {
    match lines.place(byte) {
        Place::File { line, column } => format!("{line}:{column}"),
        Place::Environment(name) => name.to_owned(),
    }
}
