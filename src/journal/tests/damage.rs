//! Journals that are damaged, incomplete or not ours: refused in words, and left as they are.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::prefixes::Remains;
use super::*;

/// What a crash leaves: a database, a WAL with commits that are nowhere else, and their number.
fn remains() -> (Remains, Remains) {
    let bench = Bench::new();
    let names: Vec<String> = (0..300).map(|n| format!("file {n}")).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
    bench.enqueue(&files);
    let mut job = claim(&bench.journal(), Queue::Queued).remove(0);
    let early = Remains::of(&bench);
    for state in ways().remove(0) {
        let from = std::mem::replace(&mut job.state, state).name();
        assert!(record(&bench.journal(), from, job.clone(), Hold::Keep).unwrap());
    }
    (early, Remains::of(&bench))
}

/// The files that matter, and their bytes.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().filter_map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let bytes = fs::read(entry.path()).unwrap();
        // made by looking at it: the lock, the index of the WAL, a WAL without anything in it
        let trace = name.contains("lock") || name.contains("-shm") || bytes.is_empty();
        (!trace).then_some((name, bytes))
    });
    files.collect()
}

/// Tries to open it, and says why that is refused; nothing of it may change.
fn refusal(folder: &Path) -> Option<String> {
    let before = contents(folder);
    let error = Journal::open(&folder.join("journal.db")).err()?;
    let text = error.to_string();
    assert!(contents(folder) == before, "changed: {text}");
    assert!(text.contains("journal.db"), "{text}");
    Some(text)
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// What may happen to a journal's folder, given an earlier copy of it, and words of the refusal.
type Case = (&'static str, fn(&Path, &Remains), &'static [&'static str]);

const DAMAGE: [Case; 6] = [
    ("whole", |_, _| {}, &[]),
    (
        "header of zeros",
        |at, _| {
            remove(at, &["-wal"]);
            edit(&at.join("journal.db"), |bytes| bytes[..100].fill(0));
        },
        &["damaged or no database", "whose names begin with its name"],
    ),
    (
        "page of zeros",
        |at, _| {
            remove(at, &["-wal", "-count"]);
            edit(&at.join("journal.db"), |bytes| bytes[4096..8192].fill(0));
        },
        &["damaged or no database", "Tree"],
    ),
    (
        "no database",
        |at, _| {
            remove(at, &["-wal"]);
            fs::write(at.join("journal.db"), "notes".repeat(3000)).unwrap();
        },
        &["damaged or no database", "not a database"],
    ),
    (
        "cut off",
        |at, _| {
            remove(at, &["-wal"]);
            let half = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() / 2);
            edit(&at.join("journal.db"), half);
        },
        &["damaged or no database"],
    ),
    (
        "somebody else's",
        |at, _| {
            remove(at, &["-wal"]);
            edit(&at.join("journal.db"), |bytes| bytes[68..72].fill(9));
        },
        &["not a journal of redivis-drop"],
    ),
];

const LOSSES: [Case; 8] = [
    (
        "empty, with its WAL alone",
        |at, _| {
            remove(at, &["-count"]);
            fs::write(at.join("journal.db"), "").unwrap();
        },
        &["damaged or no database", "empty or missing"],
    ),
    (
        "empty, with its WAL",
        |at, _| fs::write(at.join("journal.db"), "").unwrap(),
        &["damaged or no database", "empty or missing"],
    ),
    (
        "missing, without its WAL",
        |at, _| remove(at, &["", "-wal"]),
        &["damaged or no database", "empty or missing"],
    ),
    (
        "WAL missing",
        |at, _| remove(at, &["-wal"]),
        &[
            "commits are gone",
            "-wal file is missing",
            "delete",
            "journal.db-count",
        ],
    ),
    (
        "WAL emptied",
        |at, _| fs::write(at.join("journal.db-wal"), "").unwrap(),
        &["commits are gone", "-wal file is missing"],
    ),
    (
        "WAL cut off",
        |at, _| {
            let cut = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 1);
            edit(&at.join("journal.db-wal"), cut);
        },
        &["commits are gone", "-wal file is damaged or cut off"],
    ),
    (
        "WAL with another byte",
        |at, _| edit(&at.join("journal.db-wal"), |bytes| bytes[5000] ^= 1),
        &["commits are gone", "-wal file is damaged or cut off"],
    ),
    (
        "an old copy",
        |at, early| {
            for (name, bytes) in &early.files {
                if !name.contains("count") {
                    fs::write(at.join(name), bytes).unwrap();
                }
            }
        },
        &["commits are gone", "an old copy"],
    ),
];

fn remove(folder: &Path, suffixes: &[&str]) {
    for suffix in suffixes {
        fs::remove_file(folder.join(format!("journal.db{suffix}"))).unwrap();
    }
}

#[test]
fn damage_and_loss_are_told_exactly_and_nothing_is_repaired() {
    let (early, late) = remains();
    for (name, break_it, words) in DAMAGE.into_iter().chain(LOSSES) {
        let folder = late.lay_out();
        break_it(folder.path(), &early);
        let text = refusal(folder.path());
        match text {
            None => assert!(words.is_empty(), "{name} was not noticed"),
            Some(text) => {
                assert!(!words.is_empty(), "{name}: {text}");
                for word in words {
                    assert!(text.contains(word), "{name}: {word:?} is not in: {text}");
                }
            }
        }
    }
}

#[test]
fn without_the_number_of_commits_a_journal_goes_on_from_what_is_there() {
    let (early, late) = remains();
    let folder = late.lay_out();
    for (name, bytes) in &early.files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    fs::remove_file(folder.path().join("journal.db-count")).unwrap();
    let path = folder.path().join("journal.db");
    drop(Journal::open(&path).unwrap());
    assert!(folder.path().join("journal.db-count").exists());
}

#[test]
fn an_orderly_stop_leaves_a_journal_that_needs_no_wal() {
    let mut bench = Bench::new();
    bench.enqueue(&[("a", 1)]);
    block(bench.journal().close());
    let folder = bench.path.parent().unwrap().to_owned();
    assert!(!folder.join("journal.db-wal").exists());
    bench.reopen();
    assert_eq!(bench.jobs().len(), 1);
}

/// Flips bits all over a database without a WAL. SQLite has no checksums there, so a changed letter of a
/// path goes unnoticed; but what is noticed is refused, untouched, and nothing ever panics.
#[test]
fn flipped_bits_are_refused_or_harmless_and_never_repaired() {
    let (_, late) = remains();
    let folder = late.lay_out();
    block(
        Journal::open(&folder.path().join("journal.db"))
            .unwrap()
            .close(),
    );
    let whole = fs::read(folder.path().join("journal.db")).unwrap();
    let mut refused = 0;
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..150 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        let mut bytes = whole.clone();
        for _ in 0..8 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let at = usize::try_from(seed % bytes.len() as u64).unwrap();
            bytes[at] ^= 1 << (seed >> 61);
        }
        fs::write(&path, bytes).unwrap();
        let tried = catch_unwind(AssertUnwindSafe(|| refusal(folder.path())));
        refused += u32::from(tried.expect("opening panicked").is_some());
        // and reading it for a report neither panics nor writes
        if let Ok(reader) = Reader::open(&path) {
            let _ = reader.jobs(&Filter::default(), |_| true);
            let _ = reader.counts();
        }
    }
    assert!(refused > 20, "{refused} of 150 were noticed");
}

#[test]
fn a_daemon_that_had_only_begun_a_journal_is_no_reason_to_refuse_it() {
    for begun in ["", "PRAGMA journal_mode = WAL"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        rusqlite::Connection::open(&path)
            .unwrap()
            .execute_batch(begun)
            .unwrap();
        Journal::open(&path).unwrap();
    }
}

#[test]
fn a_journal_in_which_nothing_was_ever_recorded_may_be_gone() {
    let bench = Bench::new();
    block(bench.journal().close());
    assert_eq!(count::known(&bench.path), Some(0));
    fs::remove_file(&bench.path).unwrap();
    drop(Journal::open(&bench.path).unwrap());
}
