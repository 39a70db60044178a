//! `[[watch]]`: each for itself.

use std::path::PathBuf;
use std::time::Duration;

use crate::job::{Kind, WatchName};

use super::accounts::{HOME, account_name};
use super::quantity::time_text;
use super::release::release;
use super::section::Section;
use super::settings::{AfterUpload, Backend, Emptied, Existing, NextVersion, OnConflict, Watch};
use super::table_reference::{remark, table_reference};
use super::tabular::tabular;
use super::template::template;
use super::value::{
    Complaint, Reading, absolute, glob, one_of, quoted, text, text_or_empty, time, truth, whole,
};
use super::version::cannot_help;

pub(super) const EXCLUDE: [&str; 3] = ["**/*.tmp", "**/*.part", "**/.*"];

/// What one `[[watch]]` gave; its name and folder also if the rest is wrong.
pub(super) struct Found {
    pub(super) watch: Option<Watch>,
    pub(super) name: Option<WatchName>,
    pub(super) name_byte: usize,
    pub(super) account: Option<String>,
    pub(super) account_byte: usize,
    pub(super) path: Option<PathBuf>,
    pub(super) path_byte: usize,
    pub(super) kind_byte: usize,
    pub(super) move_to: Option<PathBuf>,
    pub(super) move_to_byte: usize,
    pub(super) after_byte: usize,
}

/// Reads one `[[watch]]`.
pub(super) fn watch(mut section: Section) -> Found {
    let name = section.need("name", "sequencer-1", text("sequencer-1", watch_name));
    let path = section.need(
        "path",
        "/data/drop/sequencer-1",
        text("/data/drop/sequencer-1", absolute),
    );
    let account = account(&mut section);
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
    let backend = backend(&mut section);
    let poll_interval = section
        .get("poll_interval", time(100))
        .unwrap_or(Duration::from_secs(30));
    let rescan_interval = section
        .get("rescan_interval", time(100))
        .unwrap_or(Duration::from_mins(10));
    let on_conflict = on_conflict(&mut section);
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
    let keeps = after_upload.as_ref() == Some(&AfterUpload::Keep);
    let emptied = emptied(&mut section, release_on.is_some(), keeps);
    let next_version = next_version(&mut section, table.as_deref());
    let found = Found {
        name: name.clone(),
        name_byte: section.byte_of("name"),
        account: account.clone(),
        account_byte: section.byte_of("account"),
        path: path.clone(),
        path_byte: section.byte_of("path"),
        kind_byte: section.byte_of("kind"),
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
                account: account.unwrap_or_else(|| HOME.to_owned()),
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
                adopt_existing,
                allow_hard_links,
                priority,
                after_upload: after_upload.unwrap_or(AfterUpload::Keep),
                emptied,
                next_version,
            }),
    };
    section.finish();
    found
}

/// `account`: that there is one of this name is found out later.
fn account(section: &mut Section) -> Option<String> {
    section.get("account", text("eu", account_name))
}

fn on_conflict(section: &mut Section) -> OnConflict {
    let words = &[
        ("new_version", OnConflict::NewVersion),
        ("skip", OnConflict::Skip),
        ("fail", OnConflict::Fail),
    ];
    let policy = section.get("on_conflict", one_of(words));
    policy.unwrap_or(OnConflict::NewVersion)
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
fn emptied(section: &mut Section, has_sets: bool, keeps: bool) -> Emptied {
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
    if wanted {
        Emptied::Removed
    } else {
        Emptied::Kept
    }
}

/// `create_next_version`: of use only where the table is in the version that it makes.
fn next_version(section: &mut Section, table: Option<&str>) -> NextVersion {
    let wanted = section.get("create_next_version", truth).unwrap_or(false);
    if !wanted {
        return NextVersion::ByHand;
    }
    if let Some(complaint) = table.and_then(cannot_help) {
        section.blame("create_next_version", complaint);
    }
    NextVersion::Made
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
