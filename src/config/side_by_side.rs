//! All `[[watch]]` held against each other, and against what else is configured.

use std::path::PathBuf;

use crate::job::printable;

use super::problem::{Lines, Place};
use super::section::Notes;
use super::settings::{AfterUpload, Verify, Watch};
use super::value::Complaint;
use super::watches::Found;

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
