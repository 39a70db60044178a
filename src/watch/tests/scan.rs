//! What a walk tells, and in which order.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

fn filter(exclude: &[&str]) -> Filter {
    let exclude: Vec<_> = exclude.iter().map(ToString::to_string).collect();
    Filter::new(&["**".into()], &exclude).unwrap()
}

fn walk(root: &Root, start: &str, recursive: bool, filter: &Filter) -> Vec<String> {
    let mut walk = Walk::new(start.into(), recursive);
    let mut found = Vec::new();
    while let Some(next) = walk.next(root, filter) {
        found.push(match next {
            Found::Folder(path) => format!("{}/", path.display()),
            Found::File(file) => format!("{} {}", file.path.display(), file.seen.size),
            Found::Unreadable(path, error) => format!("{}: {error}", path.display()),
        });
    }
    found.sort();
    found
}

#[test]
fn a_walk_finds_regular_files_below_its_start() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("a/b/c")).unwrap();
    fs::create_dir_all(dir.path().join("old/x")).unwrap();
    for path in ["1", "a/2", "a/b/c/3", "old/x/4"] {
        fs::write(dir.path().join(path), path).unwrap();
    }
    symlink(dir.path(), dir.path().join("a/link")).unwrap();
    let root = Root::open(dir.path()).unwrap();
    let all = &["/", "1 1", "a/", "a/2 3", "a/b/", "a/b/c/", "a/b/c/3 7"];
    for (start, recursive, exclude, want) in [
        ("", true, "old", &all[..]),
        ("", false, "-", &["/", "1 1"]),
        ("a/b", true, "-", &["a/b/", "a/b/c/", "a/b/c/3 7"]),
        (
            "",
            true,
            "**/[0-9]",
            &["/", "a/", "a/b/", "a/b/c/", "old/", "old/x/"],
        ),
        ("", true, "*", &["/"]),
        ("gone", true, "-", &["gone/"]),
        ("a/link", true, "-", &["a/link/"]),
        ("1", true, "-", &["1/"]),
    ] {
        let found = walk(&root, start, recursive, &filter(&[exclude]));
        assert_eq!(found, want, "{start} {recursive} {exclude}");
    }
}

#[test]
fn a_folder_is_told_before_it_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("sub")).unwrap();
    let root = Root::open(dir.path()).unwrap();
    let (filter, mut walk) = (filter(&[]), Walk::new("".into(), true));
    let mut files = 0;
    while let Some(found) = walk.next(&root, &filter) {
        match found {
            // As if dropped before the watch on this folder stood.
            Found::Folder(path) => fs::write(dir.path().join(path).join("file"), "").unwrap(),
            Found::File(_) => files += 1,
            Found::Unreadable(path, error) => panic!("{path:?}: {error}"),
        }
    }
    assert_eq!(files, 2);
}
