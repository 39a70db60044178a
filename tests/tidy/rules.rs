//! The rules, over plain text.

use std::fmt;
use std::path::Path;

use crate::reading::{bare, climbs, depth, from_the_root, line_of, names_crate, words};

/// Each room, and the rooms that it may name. `cli` is in nobody's list: nothing imports it.
pub const LAYERS: &[(&str, &[&str])] = &[
    ("job", &[]),
    ("config", &["job"]),
    ("crash_point", &[]),
    ("beneath", &["job"]),
    ("watch", &["config", "job", "beneath"]),
    ("observe", &["config", "job", "beneath", "watch"]),
    ("journal", &["job", "config", "crash_point", "beneath"]),
    ("transfer", &["job"]),
    ("redivis", &["job", "config", "crash_point"]),
    (
        "engine",
        &["job", "config", "journal", "transfer", "redivis", "beneath"],
    ),
    (
        "receipts",
        &["job", "config", "journal", "redivis", "beneath"],
    ),
    ("after", &["job", "beneath", "config", "crash_point"]),
    ("status", &["job", "journal", "config"]),
    ("sandbox", &[]),
    ("daemon", ALL_BUT_CLI),
    ("cli", ALL_BUT_CLI),
];

const ALL_BUT_CLI: &[&str] = &[
    "job",
    "config",
    "crash_point",
    "beneath",
    "watch",
    "observe",
    "journal",
    "transfer",
    "redivis",
    "receipts",
    "engine",
    "after",
    "status",
    "sandbox",
    "daemon",
];

/// A dependency that may be named below these paths only.
const HOMES: &[(&str, &[&str], &str)] = &[
    (
        "notify",
        &["src/watch/source"],
        "events are hints of one source",
    ),
    (
        "rusqlite",
        &["src/journal/"],
        "the journal is the only place for SQL",
    ),
    (
        "rusqlite_migration",
        &["src/journal/"],
        "the journal is the only place for SQL",
    ),
    (
        "reqwest",
        &["src/redivis/"],
        "there is one HTTP client, and it hides the token",
    ),
    (
        "aws_lc_sys",
        &["src/engine/md5.rs"],
        "unsafe code is three calls in this file, and one for leases",
    ),
    (
        "libc",
        &["src/watch/lease.rs"],
        "unsafe code is one call in this file, and three for MD5",
    ),
];

/// Where the environment may be read. (`src/main.rs` is the thin end of `cli`.)
/// The simulation is a test, and takes its seeds from there.
const READS_ENVIRONMENT: &[&str] = &[
    "src/config/",
    "src/cli/",
    "src/cli.rs",
    "src/main.rs",
    "src/engine/simulation/seeds.rs",
];

/// No Rust file is longer: what does not fit has two subjects.
pub const MOST_LINES: usize = 600;

pub struct Text {
    pub path: String,
    pub text: String,
}

pub struct Problem {
    path: String,
    line: usize,
    what: String,
}

impl Problem {
    fn new(path: &str, line: usize, what: String) -> Self {
        let path = path.to_owned();
        Self { path, line, what }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Every path from the crate's root names a room that this file's room may name, and no
/// `super::` climbs out.
pub fn layers(path: &str, text: &str) -> Vec<Problem> {
    let Some(place) = path.strip_prefix("src/") else {
        return Vec::new();
    };
    if place == "lib.rs" || place == "main.rs" {
        return Vec::new();
    }
    let room = place
        .split('/')
        .next()
        .unwrap_or(place)
        .trim_end_matches(".rs");
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == room) else {
        let what = format!(
            "`{room}` is no room: give it a line in LAYERS in tests/tidy.rs and in src/lib.rs"
        );
        return vec![Problem::new(path, 1, what)];
    };
    let bare = bare(text);
    let mut problems = Vec::new();
    for (line, named) in from_the_root(&bare) {
        if named == room || allowed.contains(&named.as_str()) {
            continue;
        }
        let what = if LAYERS.iter().any(|(name, _)| *name == named) {
            format!(
                "`{room}` may not name `{named}`: pass the value in, or wire both in src/daemon.rs"
            )
        } else {
            format!("`crate::{named}` is no room: everything lives in one")
        };
        problems.push(Problem::new(path, line, what));
    }
    for line in climbs(&bare, depth(place)) {
        let what =
            "`super::` climbs out of the room: write `crate::…`, so that this test can read it";
        problems.push(Problem::new(path, line, what.to_owned()));
    }
    problems
}

/// A dependency with a home is named at home only, and the environment is read in two rooms only.
pub fn homes(path: &str, text: &str) -> Vec<Problem> {
    let bare = bare(text);
    let at_home = |homes: &[&str]| homes.iter().any(|home| path.starts_with(home));
    let mut problems = Vec::new();
    for (name, homes, why) in HOMES {
        if !at_home(homes) {
            let what = format!("`{name}` is named in {} only: {why}", homes.join(", "));
            let lines = names_crate(&bare, name);
            problems.extend(lines.map(|line| Problem::new(path, line, what.clone())));
        }
    }
    if !at_home(READS_ENVIRONMENT) {
        let lines = words(&bare, "env::var").map(|at| line_of(&bare, at));
        let what =
            "the environment is read by `config` and `cli` only: take the value as an argument";
        problems.extend(lines.map(|line| Problem::new(path, line, what.to_owned())));
    }
    problems
}

/// `backoff` is unmaintained; one file computes delays with it, so that it can be replaced there.
pub fn backoff(sources: &[Text]) -> Vec<Problem> {
    let named = sources.iter().filter_map(|file| {
        let bare = bare(&file.text);
        let line = names_crate(&bare, "backoff").next()?;
        Some((file, line))
    });
    let named: Vec<_> = named.collect();
    let Some(((home, _), others)) = named.split_first() else {
        return Vec::new();
    };
    let what = format!(
        "`backoff` is named in one file only, now {}: ask that one for delays",
        home.path
    );
    others
        .iter()
        .map(|(file, line)| Problem::new(&file.path, *line, what.clone()))
        .collect()
}

pub fn shape(path: &str, text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let lines = text.lines().count();
    if is_rust(path) {
        if lines > MOST_LINES {
            let what = format!(
                "{lines} lines, at most {MOST_LINES}: give the second subject a file of its own"
            );
            problems.push(Problem::new(path, lines, what));
        }
        if !text.starts_with("//!") {
            let what = "the file does not begin with `//!`: say what it is for".to_owned();
            problems.push(Problem::new(path, 1, what));
        }
    }
    for (index, line) in text.lines().enumerate() {
        if line.contains('\t') {
            let what = "a tab: indent by spaces; in a string, write \\t".to_owned();
            problems.push(Problem::new(path, index + 1, what));
        }
        if line.ends_with(char::is_whitespace) {
            problems.push(Problem::new(
                path,
                index + 1,
                "white space at the end: delete it".to_owned(),
            ));
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        problems.push(Problem::new(
            path,
            lines,
            "the last line has no end: add a newline".to_owned(),
        ));
    }
    problems
}

/// The table in `lib.rs`, its modules, LAYERS and the folders on disk all tell of the same rooms.
pub fn map(map: &str, exists: impl Fn(&str) -> bool) -> Vec<Problem> {
    let path = "src/lib.rs";
    let mut problems = Vec::new();
    let mut drawn = Vec::new();
    for (index, line) in map.lines().enumerate() {
        let row = line
            .strip_prefix("//! | [`")
            .and_then(|rest| rest.split_once('`'));
        let module = line
            .strip_prefix("pub mod ")
            .map(|rest| rest.trim_end_matches(';'));
        let Some(room) = row.map(|(room, _)| room).or(module) else {
            continue;
        };
        if row.is_some() {
            drawn.push(room);
        }
        if !LAYERS.iter().any(|(name, _)| *name == room) {
            let what = format!(
                "`{room}` has no line in LAYERS: say in tests/tidy.rs which rooms it may name"
            );
            problems.push(Problem::new(path, index + 1, what));
        }
        if !exists(room) {
            let what = format!("there is no room `{room}`: build it, or take it off the map");
            problems.push(Problem::new(path, index + 1, what));
        }
    }
    for (room, _) in LAYERS {
        // a room that is planned and not built yet has its arrows already
        if exists(room) && !drawn.contains(room) {
            let what = format!("`{room}` is not on the map: add its row to the table");
            problems.push(Problem::new(path, 1, what));
        }
    }
    problems
}

/// Whether the file is Rust.
pub fn is_rust(path: &str) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|extension| extension == "rs")
}
