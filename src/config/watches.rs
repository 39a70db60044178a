//! `[[watch]]`: each for itself, and then all of them side by side.

use std::path::PathBuf;
use std::time::Duration;

use crate::job::{Kind, WatchName, printable};

use super::problem::{Lines, Place};
use super::quantity::time_text;
use super::release::release;
use super::section::{Notes, Section};
use super::settings::{Backend, Existing, OnConflict, Watch};
use super::table_reference::{remark, table_reference};
use super::tabular::tabular;
use super::template::template;
use super::value::{
    Complaint, Reading, absolute, glob, one_of, quoted, text, text_or_empty, time, truth, whole,
};

pub(super) const EXCLUDE: [&str; 3] = ["**/*.tmp", "**/*.part", "**/.*"];

/// What one `[[watch]]` gave; its name and folder also if the rest is wrong.
pub(super) struct Found {
    pub(super) watch: Option<Watch>,
    name: Option<WatchName>,
    name_byte: usize,
    path: Option<PathBuf>,
    path_byte: usize,
    kind_byte: usize,
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
    let tabular = tabular(&mut section, kind);
    let recursive = section.get("recursive", truth).unwrap_or(true);
    let include = include(&mut section);
    let exclude = section
        .each("exclude", r#"["**/*.tmp"]"#, text("**/*.tmp", glob))
        .unwrap_or_else(|| EXCLUDE.map(str::to_owned).to_vec());
    let (settle, max_wait) = patience(&mut section);
    let backends = &[
        ("auto", Backend::Auto),
        ("inotify", Backend::Inotify),
        ("poll", Backend::Poll),
    ];
    let backend = section
        .get("backend", one_of(backends))
        .unwrap_or(Backend::Auto);
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
    let allow_hard_links = section.get("allow_hard_links", truth).unwrap_or(false);
    check_keys_of_later_features(&mut section);
    let found = Found {
        name: name.clone(),
        name_byte: section.byte_of("name"),
        path: path.clone(),
        path_byte: section.byte_of("path"),
        kind_byte: section.byte_of("kind"),
        watch: name
            .zip(path)
            .zip(table)
            .map(|((name, path), table)| Watch {
                name,
                path,
                table,
                kind,
                tabular,
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
                allow_hard_links,
                priority,
            }),
    };
    section.finish();
    found
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

/// Known and checked, so that a typing error shows; `not_yet` lets only the defaults pass.
fn check_keys_of_later_features(section: &mut Section) {
    let actions = &[("keep", "keep"), ("delete", "delete"), ("move", "move")];
    section.get("after_upload", one_of(actions));
    section.get("move_to", text_or_empty("/data/done/sequencer-1", absolute));
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

/// Names and folders are unique, a table has one kind, no folder lies in another, and none holds our own files.
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
            if let Some(complaint) = two_kinds(earlier, later, lines) {
                notes.problem(later.kind_byte, complaint);
            }
            if let Some(complaint) = shared_folder(earlier, later, lines) {
                notes.problem(later.path_byte, complaint);
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

/// A table lists files, or has rows.
fn two_kinds(earlier: &Found, later: &Found, lines: &Lines) -> Option<Complaint> {
    let (old, new) = (earlier.watch.as_ref()?, later.watch.as_ref()?);
    if old.table != new.table || old.kind == new.kind {
        return None;
    }
    let there = spot(lines, earlier.kind_byte);
    Some(
        Complaint::new(format!(
            "`kind`: {:?} for the table {}, which is {:?} at {there}",
            new.kind.as_str(),
            new.table,
            old.kind.as_str()
        ))
        .hint("a table lists files or has rows: give each kind a table of its own"),
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

fn spot(lines: &Lines, byte: usize) -> String {
    match lines.place(byte) {
        Place::File { line, column } => format!("{line}:{column}"),
        Place::Environment(name) => name.to_owned(),
    }
}
