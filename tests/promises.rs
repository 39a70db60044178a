//! `docs/promises.md` maps every promise to the tests that hold it. Here the map is held against the code.

#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first surprise, also in its helpers"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use walkdir::WalkDir;

const PROMISES: usize = 65;

/// Rows of the tables: number, promise, what holds it.
fn rows(page: &str) -> Vec<(usize, String, String)> {
    let mut rows = Vec::new();
    for line in page.lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        if let [_, number, promise, held, _] = cells[..]
            && let Ok(number) = number.parse()
        {
            rows.push((number, promise.to_owned(), held.to_owned()));
        }
    }
    rows
}

/// What stands between backticks.
fn names(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// Functions behind a `test` attribute, in all sources.
fn tests() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    let sources = ["src", "tests"].map(|folder| WalkDir::new(root.join(folder)));
    for file in sources.into_iter().flatten() {
        let file = file.unwrap();
        if file.path().extension().is_none_or(|ext| ext != "rs") {
            continue;
        }
        let text = fs::read_to_string(file.path()).unwrap();
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[test") || line.starts_with("#[tokio::test") {
                is_test = true;
            }
            let after = line.strip_prefix("async ").unwrap_or(line);
            if let Some(name) = after.strip_prefix("fn ") {
                if is_test {
                    found.insert(name.split('(').next().unwrap().to_owned());
                }
                is_test = false;
            }
        }
    }
    found
}

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/promises.md");
    fs::read_to_string(path).unwrap()
}

/// What is wrong with a page, given the tests that there are.
fn holes(page: &str, tests: &BTreeSet<String>) -> Vec<String> {
    let rows = rows(page);
    let mut holes = Vec::new();
    for wanted in 1..=PROMISES {
        match rows.iter().filter(|(number, ..)| *number == wanted).count() {
            1 => {}
            count => holes.push(format!("promise {wanted} stands there {count} times")),
        }
    }
    for (number, _, held) in &rows {
        let is_open = held.contains("Open: ");
        if names(held).is_empty() && !is_open {
            holes.push(format!("promise {number} is held by nothing"));
        }
    }
    for name in names(page).into_iter().filter(|name| name.contains('_')) {
        if !tests.contains(name) {
            holes.push(format!("there is no test `{name}`"));
        }
    }
    holes
}

#[test]
fn every_promise_is_held_by_tests_that_are_there() {
    assert_eq!(holes(&page(), &tests()), Vec::<String>::new());
}

#[test]
fn a_hole_in_the_map_is_seen() {
    let (page, tests) = (page(), tests());
    let first = names(&page).into_iter().find(|name| name.contains('_'));
    let first = first.unwrap();
    let renamed = page.replace(first, "a_test_that_was_renamed");
    assert!(!holes(&renamed, &tests).is_empty());
    let lines = |keep: &dyn Fn(&str) -> bool| -> String {
        let kept: Vec<_> = page.lines().filter(|line| keep(line)).collect();
        kept.join("\n")
    };
    let without = lines(&|line| !line.starts_with("| 29 |"));
    assert_eq!(holes(&without, &tests), ["promise 29 stands there 0 times"]);
    let only = "`killed_around_the_registration_of_a_newer_version_that_one_arrives_too`";
    let empty = page.replace(only, "");
    assert_eq!(holes(&empty, &tests), ["promise 29 is held by nothing"]);
}
