//! Shows each rule a text that breaks it, and one that comes close and does not.

use crate::rules::{LAYERS, MOST_LINES, Problem, Text, backoff, homes, layers, map, shape};

/// The problems, as a person sees them.
fn told(problems: &[Problem]) -> String {
    let lines: Vec<_> = problems.iter().map(Problem::to_string).collect();
    lines.join("\n")
}

/// Cases of one rule: a file, its text, and what must be said of it ("" for nothing).
fn hold(rule: fn(&str, &str) -> Vec<Problem>, cases: &[(&str, &str, &str)]) {
    for (path, text, wanted) in cases {
        let told = told(&rule(path, text));
        let fine = if wanted.is_empty() {
            told.is_empty()
        } else {
            told.contains(wanted)
        };
        assert!(
            fine,
            "{path} with\n{text}\nwanted: {wanted}\ntold:   {told}"
        );
    }
}

#[test]
fn a_room_names_only_the_rooms_of_its_row() {
    hold(
        layers,
        &[
            ("src/watch/scan.rs", "use crate::job::Name;", ""),
            (
                "src/watch/scan.rs",
                "\nuse crate::engine::Pool;",
                "src/watch/scan.rs:2: `watch` may not name `engine`",
            ),
            (
                "src/engine/mod.rs",
                "use crate::{\n    job::{Id, Name},\n    watch::Hint,\n};",
                "mod.rs:3: `engine` may not name `watch`",
            ),
            (
                "src/engine/mod.rs",
                "use crate::{job::{Id, watch}, journal};",
                "",
            ),
            (
                "src/job/id.rs",
                "fn f() -> crate::config::Config { g() }",
                "id.rs:1: `job` may not name `config`",
            ),
            (
                "src/job/id.rs",
                "pub(crate) fn f() {}\npub(in crate::job) fn g() {}",
                "",
            ),
            (
                "src/sandbox/mod.rs",
                "use crate::job::Id;",
                "`sandbox` may not name `job`",
            ),
            (
                "src/daemon.rs",
                "use crate::{watch, engine, redivis, sandbox};",
                "",
            ),
            (
                "src/daemon.rs",
                "use crate::cli::Exit;",
                "`daemon` may not name `cli`",
            ),
            ("src/cli/mod.rs", "use crate::daemon;", ""),
            (
                "src/status/mod.rs",
                "/// Like [`crate::engine`].\n// crate::cli::x\nconst A: &str = \"crate::cli\";",
                "",
            ),
            (
                "src/status/mod.rs",
                "use crate::Anything;",
                "`crate::Anything` is no room",
            ),
            ("src/attic/mod.rs", "", "`attic` is no room"),
            ("src/attic.rs", "", "`attic` is no room"),
            ("src/lib.rs", "pub mod attic;", ""),
            ("tests/any.rs", "use crate::reading;", ""),
        ],
    );
}

#[test]
fn a_room_is_left_by_its_full_path_only() {
    hold(
        layers,
        &[
            (
                "src/watch/mod.rs",
                "use super::engine::Pool;",
                "mod.rs:1: `super::` climbs out",
            ),
            ("src/daemon.rs", "use super::cli;", "climbs out"),
            ("src/watch/scan.rs", "use super::settle;", ""),
            (
                "src/watch/scan.rs",
                "use super::super::engine;",
                "climbs out",
            ),
            (
                "src/watch/scan.rs",
                "mod tests {\n    use super::super::settle;\n}",
                "",
            ),
            (
                "src/watch/mod.rs",
                "fn f() { g() }\nmod tests { use super::*; }",
                "",
            ),
            (
                "src/watch/mod.rs",
                "mod tests { use super::super::engine; }",
                "climbs out",
            ),
            (
                "src/watch/deep/mod.rs",
                "use super::super::settle;",
                "climbs out",
            ),
            ("src/watch/deep/fast.rs", "use super::super::settle;", ""),
        ],
    );
}

#[test]
fn a_dependency_is_named_at_home_only() {
    hold(
        homes,
        &[
            ("src/watch/source.rs", "use notify::Watcher;", ""),
            (
                "src/watch/scan.rs",
                "use notify::Watcher;",
                "scan.rs:1: `notify` is named in src/watch/source only",
            ),
            (
                "src/daemon.rs",
                "fn f(_: ::notify::Event) {}",
                "`notify` is named",
            ),
            (
                "src/daemon.rs",
                "use tokio::sync::Notify;\nuse sd_notify::notify;\nself.notify();",
                "",
            ),
            (
                "src/daemon.rs",
                "mod notify;\nfn f() { notify::ready() }",
                "",
            ),
            (
                "src/journal/open.rs",
                "use rusqlite::Connection;\nuse rusqlite_migration::M;",
                "",
            ),
            (
                "src/status/mod.rs",
                "use rusqlite::Connection;",
                "only place for SQL",
            ),
            (
                "src/status/mod.rs",
                "use rusqlite_migration::M;",
                "only place for SQL",
            ),
            (
                "src/engine/drive.rs",
                "use {reqwest::Body, bytes::Bytes};",
                "one HTTP client",
            ),
            (
                "src/engine/drive.rs",
                "use reqwest as http;",
                "one HTTP client",
            ),
            (
                "src/engine/drive.rs",
                "// reqwest::Body\nlet s = r#\"a \"reqwest::Body\" b\"#;",
                "",
            ),
            ("src/redivis/client.rs", "use reqwest::Client;", ""),
        ],
    );
}

#[test]
fn the_environment_is_read_in_two_rooms() {
    hold(
        homes,
        &[
            (
                "src/config/token.rs",
                "std::env::var(\"REDIVIS_API_TOKEN\")",
                "",
            ),
            ("src/cli/mod.rs", "env::var_os(\"NO_COLOR\")", ""),
            (
                "src/redivis/mod.rs",
                "\n\nlet t = std::env::var(\"T\");",
                "mod.rs:3: the environment is read",
            ),
            (
                "src/redivis/mod.rs",
                "let all = env::vars();",
                "the environment is read",
            ),
            (
                "src/redivis/mod.rs",
                "let name = env!(\"CARGO_PKG_NAME\");",
                "",
            ),
        ],
    );
}

#[test]
fn backoff_has_one_file() {
    let file = |path: &str, text: &str| Text {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let home = file("src/engine/retry.rs", "use backoff::ExponentialBackoff;");
    let own = file("src/engine/mod.rs", "mod backoff;\nuse backoff::delay;");
    let other = file("src/watch/mod.rs", "\nuse backoff::backoff::Backoff;");
    assert_eq!(told(&backoff(&[own, home])), "");
    let home = file("src/engine/retry.rs", "use backoff::ExponentialBackoff;");
    let told = told(&backoff(&[home, other]));
    assert!(
        told.contains(
            "src/watch/mod.rs:2: `backoff` is named in one file only, now src/engine/retry.rs"
        ),
        "{told}"
    );
}

#[test]
fn a_file_has_a_shape() {
    let long = format!("//! Long.\n{}", "\n".repeat(MOST_LINES));
    hold(
        shape,
        &[
            ("src/job/id.rs", "//! Ids.\n", ""),
            (
                "src/job/id.rs",
                "use std::fmt;\n",
                "id.rs:1: the file does not begin with `//!`",
            ),
            ("src/job/id.rs", &long, "601 lines, at most 600"),
            ("README.md", &long, ""),
            ("src/job/id.rs", "//! Ids.\n\tlet a;\n", "id.rs:2: a tab"),
            ("README.md", "a\nb \n", "README.md:2: white space"),
            ("README.md", "a", "has no end"),
        ],
    );
}

#[test]
fn the_map_shows_the_rooms_that_are_there() {
    let row = |(room, _): &(&str, _)| format!("//! | [`{room}`] | a | b |\n");
    let rows = LAYERS.iter().map(row).collect::<Vec<_>>().concat();
    assert_eq!(told(&map(&rows, |_| true)), "");
    let told_of = |text: &str, exists: fn(&str) -> bool| told(&map(text, exists));
    assert!(told_of(&rows, |room| room != "watch").contains("there is no room `watch`"));
    assert!(told_of("", |_| true).contains("`job` is not on the map"));
    let attic = format!("{rows}pub mod attic;\n");
    let line = format!("lib.rs:{}: `attic` has no line in LAYERS", LAYERS.len() + 1);
    assert!(told_of(&attic, |_| true).contains(&line));
}
