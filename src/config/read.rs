//! From the file's text to a [`Config`], or to everything that is wrong with it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeTable;

use super::address::listen;
use super::bandwidth::{self, Bandwidth};
use super::environment::Environment;
use super::problem::{Lines, Problems};
use super::quantity::{self, GIB, KIB, MB, MIB, time_text};
use super::section::{Notes, Section};
use super::settings::{Config, Journal, Retry, Status, Transfer, Verify};
use super::value::{
    Complaint, Reading, absolute, one_of, quoted, text, text_or_empty, time, whole,
};
use super::{accounts, side_by_side, watches};

const JOURNAL: &str = "/var/lib/redivis-drop/journal.db";

/// Reads the whole text. `file` is only named.
pub(super) fn read(file: &Path, text: &str, env: &Environment) -> Result<Config, Problems> {
    let mut notes = Notes::default();
    let config = read_into(&mut notes, file, text, env);
    let (problems, remarks) = notes.finish(file, text);
    match config {
        Some(config) if problems.is_empty() => Ok(Config { remarks, ..config }),
        _ => Err(problems),
    }
}

/// `None` if the text is no TOML; otherwise it holds as long as no problem was noted.
pub(super) fn read_into(
    notes: &mut Notes,
    file: &Path,
    text: &str,
    env: &Environment,
) -> Option<Config> {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        notes.problem(
            error.span().map_or(0, |span| span.start),
            syntax(error, text),
        );
    }
    if !errors.is_empty() {
        // What follows would mostly be consequences of these.
        return None;
    }
    let mut root = Section::root(table.get_ref(), notes);
    let redivis = accounts::home(root.section("redivis"), env);
    let accounts = accounts::others(&mut root);
    let journal = journal(root.section("journal"));
    let transfer = transfer(root.section("transfer"));
    let retry = retry(root.section("retry"));
    let status = status(root.section("status"));
    let mut found = root.sections("watch", watches::watch);
    root.finish();
    let accounts = accounts::give_out(&redivis, accounts, &mut found, notes);
    let mut state = vec![("the journal", Some(&journal.path))];
    let all = std::iter::once(&redivis).chain(&accounts);
    state.extend(all.map(|account| ("the token file", account.token_file.as_ref())));
    side_by_side::hold_against_each_other(&found, &state, &Lines(text), notes);
    side_by_side::hold_against_verify(&found, transfer.verify, notes);
    Some(Config {
        file: file.to_owned(),
        redivis,
        accounts,
        journal,
        transfer,
        retry,
        status,
        watches: found.into_iter().filter_map(|found| found.watch).collect(),
        remarks: Problems::new(file, Vec::new()),
    })
}

fn syntax(error: &toml::de::Error, text: &str) -> Complaint {
    let found = error
        .span()
        .and_then(|span| text.get(span))
        .unwrap_or_default();
    match error.message() {
        "duplicate key" => Complaint::new(format!(
            "`{}` stands here for the second time",
            found.escape_debug()
        ))
        .hint("keep one of them"),
        message if message.starts_with("string values must be quoted") => {
            Complaint::new("a text stands in quotes").hint(r#"write it as in path = "/data/drop""#)
        }
        message => Complaint::new(format!("this is no TOML: {message}"))
            .hint("https://toml.io shows how it is written"),
    }
}

fn journal(mut section: Section) -> Journal {
    let journal = Journal {
        path: section
            .get("path", text(JOURNAL, absolute))
            .unwrap_or_else(|| PathBuf::from(JOURNAL)),
        keep_finished: section
            .get("keep_finished", time(86_400_000))
            .unwrap_or(days(365)),
    };
    section.finish();
    journal
}

fn transfer(mut section: Section) -> Transfer {
    let mut transfer = Transfer {
        workers: section
            .get("workers", whole(1..=256))
            .and_then(|workers| usize::try_from(workers).ok())
            .unwrap_or(8),
        resumable_above: section
            .get("resumable_above", text("100 MB", quantity::size))
            .unwrap_or(100 * MB),
        chunk_size: section
            .get("chunk_size", text("32 MiB", chunk_size))
            .unwrap_or(32 * MIB),
        verify: section
            .get(
                "verify",
                one_of(&[("md5", Verify::Md5), ("crc32c", Verify::Crc32c)]),
            )
            .unwrap_or(Verify::Md5),
        bandwidth: Bandwidth {
            limit: section.get("bandwidth_limit", bandwidth::limit).flatten(),
            windows: Vec::new(),
        },
    };
    let windows = section.sections_if_any("schedule", bandwidth::window);
    transfer.bandwidth.windows = windows.into_iter().flatten().collect();
    section.finish();
    transfer
}

/// Google takes chunks in steps of 256 KiB; a chunk is what a broken connection costs at most.
fn chunk_size(text: &str) -> Reading<u64> {
    const STEP: u64 = 256 * KIB;
    let size = quantity::size(text)?;
    if !(STEP..=GIB).contains(&size) {
        return Err(
            Complaint::new(format!("{} is not in 256 KiB ..= 1 GiB", quoted(text)))
                .hint(r#"the default is "32 MiB""#),
        );
    }
    if !size.is_multiple_of(STEP) {
        let near = match size / MIB {
            0 => format!("{} KiB", size / STEP * 256),
            whole => format!("{whole} MiB"),
        };
        return Err(
            Complaint::new(format!("{} is no multiple of 256 KiB", quoted(text)))
                .hint(format!("near it is {near:?}")),
        );
    }
    Ok(size)
}

fn retry(mut section: Section) -> Retry {
    let retry = Retry {
        initial: section
            .get("initial", time(1))
            .unwrap_or(Duration::from_secs(1)),
        max: section
            .get("max", time(1))
            .unwrap_or(Duration::from_mins(5)),
        park_after: section.get("park_after", time(1)).unwrap_or(days(7)),
    };
    for (name, longer) in [("max", retry.max), ("park_after", retry.park_after)] {
        if retry.initial > longer {
            let (initial, longer) = (time_text(retry.initial), time_text(longer));
            let complaint =
                Complaint::new(format!("{initial:?} is longer than `{name}`, {longer:?}"));
            section.blame(
                "initial",
                complaint.hint(format!("make it at most {longer:?}")),
            );
        }
    }
    section.finish();
    retry
}

fn status(mut section: Section) -> Status {
    let status = Status {
        listen: section
            .get("listen", text_or_empty("127.0.0.1:7878", listen))
            .flatten(),
    };
    section.finish();
    status
}

fn days(days: u64) -> Duration {
    Duration::from_secs(days * 86_400)
}
