//! What was seen besides the settings: the head of the block and the remarks at its end. Pure.

use std::path::Path;

use super::findings::{Findings, Seen};
use super::proposal::{About, NAMED};
use super::words::{Page, bytes, count, shown, time};

/// What was watched, and what came how.
pub(super) fn head(page: &mut Page, found: &Findings, about: &About) {
    page.say(&format!(
        "Proposed by `redivis-drop observe` after {} of {}.",
        time(about.lasted),
        shown(Path::new(about.folder))
    ));
    if found.nothing_happened() {
        page.say(&format!(
            "Nothing was written in this time{}; these are the defaults. Run it while the instrument writes, for as \
             long as one whole measurement takes.",
            before(found)
        ));
        return;
    }
    page.say(&match found.came.files {
        0 => format!("No new file stayed{}.", before(found)),
        n => format!(
            "{} came, {}{}.",
            count(n, "file"),
            bytes(found.came.bytes),
            before(found)
        ),
    });
    if let Some(rate) = rate(found) {
        page.say(&rate);
    }
    if let Some((path, size)) = &found.largest {
        page.say(&format!(
            "The largest was {} with {}.",
            shown(path),
            bytes(*size)
        ));
    }
    let ways = [
        (found.renamed, "renamed into place"),
        (found.moved, "moved in from elsewhere, whole"),
        (found.created, "written in place, under the final name"),
        (found.found, "found by looking; how they came was not told"),
    ];
    let ways: Vec<_> = ways
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, how)| format!("{n} {how}"))
        .collect();
    if !ways.is_empty() {
        page.say(&format!("How they came: {}.", ways.join("; ")));
    }
    for (how, one) in found.renamings.iter().take(NAMED) {
        page.say(&format!(
            "Renamed {}: {how} ({} to {}).",
            count(one.count, "time"),
            shown(&one.from),
            shown(&one.to)
        ));
    }
}

/// How much comes while something comes.
fn rate(found: &Findings) -> Option<String> {
    let busy = found.busy.as_secs();
    if busy == 0 || found.came.files < 2 {
        return None;
    }
    let units = [(60, "minute"), (3_600, "hour"), (86_400, "day")];
    let (files, unit) = units
        .map(|(unit, name)| (found.came.files.saturating_mul(unit) / busy, name))
        .into_iter()
        .find(|(files, _)| *files > 1)?;
    Some(format!(
        "That is {} {} {unit} and {} a second, over {}.",
        count(files, "file"),
        if unit == "hour" { "an" } else { "a" },
        bytes(found.came.bytes / busy),
        time(found.busy)
    ))
}

fn before(found: &Findings) -> String {
    match found.before.files {
        0 => String::new(),
        n => format!(
            " ({} with {} there before)",
            count(n, "file"),
            bytes(found.before.bytes)
        ),
    }
}

/// What no setting says.
pub(super) fn remarks(page: &mut Page, found: &Findings, about: &About) {
    let mut said = Vec::new();
    let some = |seen: &Seen, what: &str, and: &str| {
        (seen.count > 0).then(|| {
            let files = count(seen.count, "file");
            format!("{files} {what}, such as {}{and}.", shown(&seen.example))
        })
    };
    said.extend(some(
        &found.kept_times,
        "arrived with a modification time from before",
        ": copies can keep it. That does no harm, since the settle time counts from what is seen",
    ));
    said.extend(some(
        &found.rewritten,
        "became shorter or another file under the same name",
        ": see `on_conflict`",
    ));
    said.extend(some(
        &found.unreadable,
        "cannot be read by this user",
        ": the daemon's user must be allowed to",
    ));
    said.extend(some(
        &found.strange,
        "with a name that is not UTF-8",
        ": in the table such bytes become %XX",
    ));
    if about.closed.count > 0 {
        said.push(format!(
            "{} cannot be looked into by this user, such as {}.",
            count(about.closed.count, "folder"),
            shown(&about.closed.example)
        ));
    }
    if found.reopened > 0 {
        said.push(format!(
            "{} from before changed after a long time: they go up again, by `on_conflict`.",
            count(found.reopened, "file")
        ));
    }
    if found.folders_renamed > 0 {
        said.push(format!(
            "{} renamed with all that was in them.",
            count(found.folders_renamed, "folder")
        ));
    }
    if found.vanished > 0 {
        said.push(format!(
            "{} went away again. If somebody collects files here, the daemon must be faster.",
            count(found.vanished, "file")
        ));
    }
    if found.lost > 0 {
        said.push(format!(
            "Events were lost {}; pauses were then measured by looking, and are less exact.",
            count(found.lost, "time")
        ));
    }
    if let Some(reason) = about.without_events {
        said.push(format!("Changes were noticed by looking only: {reason}."));
    }
    if about.away > 0 {
        said.push(format!(
            "The folder was away {}.",
            count(about.away, "time")
        ));
    }
    if found.forgotten > 0 {
        said.push(format!(
            "{} more found no room in memory and were not looked at in detail.",
            count(found.forgotten, "file")
        ));
    }
    if !said.is_empty() {
        page.blank();
    }
    for remark in said {
        page.say(&remark);
    }
}
