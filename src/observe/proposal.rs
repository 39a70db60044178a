//! From findings to a `[[watch]]` block: each setting with its reasons above it. Pure.
//!
//! The block is whole: with the table filled in, the configuration takes it as it stands. What the evidence is too thin
//! for stands there as a comment. Reasons name what was seen: which file, how many, how long.

use std::path::Path;
use std::time::Duration;

use globset::escape;

use super::findings::{Findings, Seen, Temporary};
use super::report::{head, remarks};
use super::words::{Page, bytes, count, shown, time, toml};
use crate::config;

/// The default of `settle`; less is never proposed.
const LEAST_SETTLE: Duration = Duration::from_secs(10);

/// Values that people write.
const ROUND: &[u64] = &[
    10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 900, 1_200, 1_800, 2_700, 3_600, 7_200, 10_800,
    14_400, 21_600, 28_800, 43_200, 86_400, 172_800, 345_600, 604_800, 1_209_600,
];

/// A settle time from which on the default of `max_wait` would warn too early.
const LONG_SETTLE: Duration = Duration::from_hours(6);

/// So many files are named one by one.
pub(super) const NAMED: usize = 5;

/// What is known about the observation besides its findings.
#[derive(Debug, Clone)]
pub(super) struct About<'a> {
    pub folder: &'a str,
    pub lasted: Duration,
    /// The kind of network that the folder is on.
    pub network: Option<&'a str>,
    /// How changes were noticed when not by events.
    pub without_events: Option<&'a str>,
    /// Whether this version knows `release_on`.
    pub markers: bool,
    /// How often the folder was away.
    pub away: u64,
    /// Folders that could not be listed.
    pub closed: &'a Seen,
}

/// The block, as text.
pub(super) fn block(found: &Findings, about: &About) -> String {
    let mut page = Page::default();
    head(&mut page, found, about);
    page.line("[[watch]]");
    page.line(&format!("name = {}", toml(&watch_name(about.folder))));
    page.line(&format!("path = {}", toml(about.folder)));
    page.blank();
    page.say("Fill this in: owner.dataset:next.table, a file index table.");
    page.line("table = \"owner.dataset:next.table\"");
    recursive(&mut page, found);
    exclude(&mut page, found);
    settle(&mut page, found);
    release_on(&mut page, found, about);
    backend(&mut page, found, about);
    hard_links(&mut page, found);
    remarks(&mut page, found, about);
    page.text()
}

fn recursive(page: &mut Page, found: &Findings) {
    if found.in_folders.count > 0 {
        page.blank();
        page.say(&format!(
            "{} in subfolders, such as {}.",
            count(found.in_folders.count, "file"),
            shown(&found.in_folders.example)
        ));
        page.line("recursive = true");
    }
}

fn exclude(page: &mut Page, found: &Findings) {
    let (sure, thin): (Vec<_>, Vec<_>) = found.temporary.iter().partition(|kind| kind.sure);
    let mut globs = found.excludes();
    let logs = |log: bool| {
        found
            .endless
            .iter()
            .filter(move |one| one.log == log)
            .take(NAMED)
    };
    let named: Vec<_> = logs(true)
        .filter_map(|one| Some((one, one.path.to_str()?)))
        .collect();
    globs.extend(named.iter().map(|(_, path)| escape(path)));
    let more = globs.len() > config::default_exclude().len();
    if sure.is_empty() && thin.is_empty() && found.endless.is_empty() {
        return;
    }
    page.blank();
    for kind in &sure {
        let end = if kind.by_default {
            " The default excludes such names."
        } else {
            ""
        };
        page.say(&format!("{}: {}.{end}", kind.glob, fate(kind)));
    }
    for (one, _) in &named {
        page.say(&format!(
            "{} was appended to {} over {}, to the end: a log, which never gets quiet.",
            shown(&one.path),
            count(one.changes, "time"),
            time(one.span)
        ));
    }
    if more {
        let list: Vec<_> = globs.iter().map(|glob| toml(glob)).collect();
        page.line(&format!("exclude = [{}]", list.join(", ")));
    }
    for kind in &thin {
        page.say(&format!(
            "{}: {}. If such files are temporary, add {} to `exclude`.",
            kind.glob,
            fate(kind),
            toml(&kind.glob)
        ));
    }
    for one in logs(false) {
        page.say(&format!(
            "{} was appended to {} over {} and had not ended: if it never does, exclude it; if it is a long \
             measurement, observe for longer.",
            shown(&one.path),
            count(one.changes, "time"),
            time(one.span)
        ));
    }
}

fn fate(kind: &Temporary) -> String {
    let mut parts = Vec::new();
    for (n, what) in [
        (kind.renamed, "renamed"),
        (kind.vanished, "gone again"),
        (kind.there, "there now"),
    ] {
        if n > 0 {
            parts.push(format!("{} {what}", count(n, "file")));
        }
    }
    if parts.is_empty() {
        parts.push("a temporary name".to_owned());
    }
    format!("{}, such as {}", parts.join(", "), shown(&kind.example))
}

fn settle(page: &mut Page, found: &Findings) {
    page.blank();
    let settle = match &found.pause {
        Some(pause) if pause.length >= Duration::from_secs(1) => {
            page.say(&format!(
                "The longest pause in a file that then went on growing: {}, in {} at {}. Twice that, rounded up{}.",
                time(pause.length),
                shown(&pause.path),
                bytes(pause.size),
                if pause.length * 2 <= LEAST_SETTLE { ", and not below the default" } else { "" }
            ));
            round(pause.length * 2)
        }
        Some(_) => {
            page.say("No file paused for a second and then went on growing: the default.");
            LEAST_SETTLE
        }
        None if found.nothing_happened() => {
            page.say("The default; nothing was seen that speaks for or against it.");
            LEAST_SETTLE
        }
        None => {
            page.say("No file was written to again after it had appeared under its final name: the default.");
            LEAST_SETTLE
        }
    };
    if found.growing.count > 0 {
        page.say(&format!(
            "{} still being written at the end, such as {}: longer pauses may follow. Observe until it is finished.",
            if found.growing.count == 1 { "1 file was".into() } else { format!("{} files were", found.growing.count) },
            shown(&found.growing.example)
        ));
    }
    page.line(&format!(
        "settle = {}",
        toml(&config::write_duration(settle))
    ));
    if settle >= LONG_SETTLE {
        page.say(
            "Files are warned about when they never get quiet; not before they had the time to.",
        );
        page.line(&format!(
            "max_wait = {}",
            toml(&config::write_duration(settle * 4))
        ));
    }
}

/// The next value that people write.
fn round(time: Duration) -> Duration {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    let value = ROUND.iter().copied().find(|value| *value >= seconds);
    Duration::from_secs(value.unwrap_or(seconds))
}

fn release_on(page: &mut Page, found: &Findings, about: &About) {
    let markers = &found.markers;
    if let Some((ending, count)) = &markers.companions {
        page.blank();
        page.say(&format!(
            "{count} files have a companion that ends in .{ending}. `release_on` releases a folder by one exact name, \
             and no single files; the settle time holds for them."
        ));
    }
    let mut sure_one = None;
    for marker in markers.folders.iter().take(NAMED) {
        if sure_one.is_none() {
            page.blank();
        }
        let whose = if marker.folder.as_os_str().is_empty() {
            "the watched folder itself".into()
        } else {
            shown(&marker.folder)
        };
        page.say(&format!(
            "{} ({}) appeared last in {}, such as {whose}, after everything there had been quiet for {}.",
            shown(Path::new(&marker.name)),
            if marker.size == 0 { "empty".into() } else { bytes(marker.size) },
            count(marker.folders, "folder"),
            time(marker.after)
        ));
        let line = format!("release_on = {}", toml(&marker.name));
        if sure_one.is_some() {
            page.comment(&line);
        } else if !marker.is_sure() {
            page.say("One folder is thin evidence. If it is the marker of a complete folder:");
            page.comment(&line);
        } else if about.markers {
            page.line(&line);
        } else {
            page.say("This version does not know `release_on` yet. When it does:");
            page.comment(&line);
        }
        sure_one = Some(marker);
    }
}

fn backend(page: &mut Page, found: &Findings, about: &About) {
    if let Some(network) = about.network {
        page.blank();
        page.say(&format!(
            "The folder is on {network}, where the kernel does not report what others write: look instead."
        ));
    } else if about.without_events.is_none() && found.untold > found.told {
        page.blank();
        page.say(&format!(
            "{} changed without an event, {} with one: look instead.",
            count(found.untold, "file"),
            found.told
        ));
    } else {
        return;
    }
    page.line("backend = \"poll\"");
}

fn hard_links(page: &mut Page, found: &Findings) {
    if found.linked.count > 0 {
        page.blank();
        page.say(&format!(
            "{} more than one hard link, such as {}. They are held until this is allowed; allow it only if nobody can \
             link files here that are not theirs:",
            if found.linked.count == 1 { "1 file has".into() } else { format!("{} files have", found.linked.count) },
            shown(&found.linked.example)
        ));
        page.comment("allow_hard_links = true");
    }
}

/// The folder's name, in what a watch's name may hold.
fn watch_name(folder: &str) -> String {
    const LONGEST: usize = 64;
    let last = Path::new(folder)
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let name: String = last
        .chars()
        .map(|c| if fits(c) { c } else { '-' })
        .take(LONGEST)
        .collect();
    if name.chars().any(|c| c.is_ascii_alphanumeric()) {
        name
    } else {
        "drop-folder".to_owned()
    }
}

#[cfg(test)]
#[path = "tests/proposal.rs"]
mod tests;
