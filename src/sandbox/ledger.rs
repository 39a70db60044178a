//! What the server remembers: an append-only log of facts, and the books that they add up to.
//!
//! Every change is an [`Entry`]: it is written as one JSON line, then applied to the books in
//! memory. A start reads the lines again. A torn last line (the server was killed) is cut off;
//! nothing is synced, so a power cut may lose the end. One lock, held for look-ups and one write.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::answer::Refusal;
use super::blobs::Sums;
use super::books::{Books, ImportOptions, ImportState, Kind};

/// One fact.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Entry {
    /// A temp upload was reserved.
    Temp {
        id: String,
        secret: String,
        size: u64,
        resumable: bool,
    },
    /// A temp upload's object was made; it replaces an earlier one.
    Stored {
        temp: String,
        blob: String,
        sums: Sums,
    },
    /// A lenient server stored another size than was reserved.
    Resized { temp: String, size: u64 },
    /// A resumable session was opened.
    Session {
        id: String,
        temp: String,
        blob: String,
        opened_ms: i64,
    },
    /// So many bytes of a session are stored.
    Persisted { session: String, bytes: u64 },
    /// A session is complete: its object was made.
    Complete { session: String },
    /// A session is over.
    SessionEnd { session: String },
    /// A table was made, or its kind decided.
    Table { table: String, kind: Kind },
    /// A file was registered.
    File {
        id: String,
        table: String,
        name: String,
        temp: String,
        added_us: i64,
    },
    /// An import was asked for.
    Upload {
        id: String,
        table: String,
        name: String,
        slug: String,
        temp: String,
        options: ImportOptions,
    },
    /// An import went on.
    Import {
        table: String,
        slug: String,
        state: ImportState,
    },
    /// An upload was deleted.
    UploadGone { table: String, slug: String },
    /// A dataset was released, or got a next version.
    Dataset {
        dataset: String,
        released: bool,
        next: bool,
        #[serde(default)]
        releases: u32,
    },
}

/// The books and the log behind them.
#[derive(Debug)]
pub(super) struct Ledger(Mutex<Open>);

#[derive(Debug)]
struct Open {
    books: Books,
    log: File,
}

/// A ledger that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file itself.
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
    /// Another server works in this folder.
    #[error("{0}: another practice server holds it; use another folder")]
    Held(PathBuf),
    /// A line in its midst is no entry: this is no ledger, or it was edited.
    #[error("{0}, line {1}: {2}; use another folder or delete this one")]
    Line(PathBuf, usize, serde_json::Error),
}

impl Ledger {
    /// Reads the ledger of a folder, or begins one.
    pub(super) fn open(dir: &Path) -> Result<Self, LedgerError> {
        let path = dir.join("ledger.jsonl");
        let wrap = |error| LedgerError::Io(path.clone(), error);
        let log = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)
            .map_err(wrap)?;
        log.try_lock().map_err(|error| match error {
            TryLockError::Error(error) => wrap(error),
            TryLockError::WouldBlock => LedgerError::Held(path.clone()),
        })?;
        let mut books = Books::default();
        let mut reader = BufReader::new(&log);
        let mut line = String::new();
        let (mut number, mut good) = (0, 0);
        while reader.read_line(&mut line).map_err(wrap)? > 0 {
            number += 1;
            if !line.ends_with('\n') {
                // Torn by a crash in mid-write: the change was never answered.
                log.set_len(good).map_err(wrap)?;
                break;
            }
            let entry = serde_json::from_str(&line)
                .map_err(|error| LedgerError::Line(path.clone(), number, error))?;
            books.apply(entry);
            good += line.len() as u64;
            line.clear();
        }
        Ok(Self(Mutex::new(Open { books, log })))
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks something up.
    pub(super) fn read<T>(&self, look: impl FnOnce(&Books) -> T) -> T {
        look(&self.lock().books)
    }

    /// Decides on a change with the books in view and makes it, as one step: all entries or none.
    pub(super) fn change<T>(
        &self,
        decide: impl FnOnce(&Books) -> Result<(Vec<Entry>, T), Refusal>,
    ) -> Result<T, Refusal> {
        let mut open = self.lock();
        let (entries, outcome) = decide(&open.books)?;
        let mut lines = Vec::with_capacity(entries.len() * 192);
        for entry in &entries {
            serde_json::to_writer(&mut lines, entry).map_err(io::Error::from)?;
            lines.push(b'\n');
        }
        open.log.write_all(&lines)?;
        for entry in entries {
            open.books.apply(entry);
        }
        Ok(outcome)
    }

    /// Makes a change that needs no decision.
    pub(super) fn commit(&self, entries: Vec<Entry>) -> Result<(), Refusal> {
        self.change(|_| Ok((entries, ())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn temp(id: &str) -> Entry {
        Entry::Temp {
            id: id.to_owned(),
            secret: "s".to_owned(),
            size: 3,
            resumable: false,
        }
    }

    #[test]
    fn a_torn_last_line_is_cut_off_and_the_next_write_is_readable() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path()).unwrap();
        ledger.commit(vec![temp("one"), temp("two")]).unwrap();
        drop(ledger);
        let path = dir.path().join("ledger.jsonl");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.truncate(bytes.len() - 5);
        std::fs::write(&path, bytes).unwrap();

        let ledger = Ledger::open(dir.path()).unwrap();
        assert!(ledger.read(|books| books.temp("one").is_some() && books.temp("two").is_none()));
        ledger.commit(vec![temp("three")]).unwrap();
        drop(ledger);
        let ledger = Ledger::open(dir.path()).unwrap();
        assert!(ledger.read(|books| books.temp("three").is_some()));
    }

    #[test]
    fn a_foreign_file_is_refused_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ledger.jsonl"), "{}\n").unwrap();
        let error = Ledger::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("line 1"), "{error}");
    }

    #[test]
    fn a_folder_has_one_server() {
        let dir = tempfile::tempdir().unwrap();
        let first = Ledger::open(dir.path()).unwrap();
        let second = Ledger::open(dir.path()).unwrap_err();
        assert!(matches!(second, LedgerError::Held(_)));
        drop(first);
        assert!(Ledger::open(dir.path()).is_ok());
    }

    #[test]
    fn a_refused_change_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path()).unwrap();
        let refused: Result<(), _> =
            ledger.change(|_| Err(Refusal::bad_request("no", "not like this")));
        assert!(refused.is_err());
        let length = std::fs::metadata(dir.path().join("ledger.jsonl"))
            .unwrap()
            .len();
        assert_eq!(length, 0);
    }
}
