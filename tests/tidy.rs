//! The house rules that the compiler does not know: which room may name which, which dependency
//! lives where, and what a file looks like.
//!
//! A failure names file and line, and says what to do.

#[path = "tidy/cases.rs"]
mod cases;
#[path = "tidy/reading.rs"]
mod reading;
#[path = "tidy/rules.rs"]
mod rules;

use std::fs;
use std::path::Path;

use walkdir::WalkDir;

use rules::{Problem, Text};

/// What is text, by its ending or its whole name.
const TEXTS: &[&str] = &[
    ".rs", ".toml", ".md", ".sql", ".sh", ".yml", ".service", ".conf", ".html", ".css", ".js",
    ".py", "justfile", ".ci/run",
];

#[test]
fn the_rooms_keep_to_the_table() {
    let problems = sources()
        .iter()
        .flat_map(|file| rules::layers(&file.path, &file.text))
        .collect::<Vec<_>>();
    report(&problems);
}

#[test]
fn dependencies_stay_in_their_homes() {
    let sources = sources();
    let mut problems: Vec<_> = sources
        .iter()
        .flat_map(|file| rules::homes(&file.path, &file.text))
        .collect::<Vec<_>>();
    problems.extend(rules::backoff(&sources));
    report(&problems);
}

#[test]
fn files_are_in_shape() {
    let problems = texts()
        .iter()
        .flat_map(|file| rules::shape(&file.path, &file.text))
        .collect::<Vec<_>>();
    report(&problems);
}

#[test]
fn the_map_in_lib_rs_is_true() {
    let map = include_str!("../src/lib.rs");
    let exists = |room: &str| {
        let source = root().join("src");
        source.join(format!("{room}.rs")).is_file() || source.join(room).join("mod.rs").is_file()
    };
    report(&rules::map(map, exists));
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every text file of the project, by its path from the root.
fn texts() -> Vec<Text> {
    let hidden_or_built = [".git", "target", ".venv", "node_modules", "__pycache__"];
    let entries = WalkDir::new(root()).sort_by_file_name().into_iter();
    let entries = entries.filter_entry(|entry| {
        let name = entry.file_name().to_string_lossy();
        !hidden_or_built.contains(&name.as_ref())
    });
    let mut texts = Vec::new();
    for entry in entries {
        let entry = entry.expect("the project's own folder is readable");
        let below = entry
            .path()
            .strip_prefix(root())
            .expect("it is below the root");
        let path = below.to_string_lossy().into_owned();
        if entry.file_type().is_file() && TEXTS.iter().any(|ending| path.ends_with(ending)) {
            let text = fs::read_to_string(entry.path()).expect("a text file is UTF-8");
            texts.push(Text { path, text });
        }
    }
    texts
}

fn sources() -> Vec<Text> {
    let mut texts = texts();
    texts.retain(|file| file.path.starts_with("src/") && rules::is_rust(&file.path));
    assert!(!texts.is_empty(), "there is nothing to check");
    texts
}

fn report(problems: &[Problem]) {
    let lines: Vec<_> = problems.iter().map(Problem::to_string).collect();
    assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
}
