//! Commits that were lost with a part of the journal's files.
//!
//! A WAL that was deleted, cut off or damaged after a crash looks to SQLite like one that never had those
//! commits: the journal is older and sound, and a file that was registered since would be carried
//! again. So each commit counts itself inside the journal, and the number is also written to a small file
//! beside it. If the file knows of more commits than the journal has, the journal is refused.
//!
//! The file is written after the commit and never synced. After a crash of the daemon it is exact; after
//! a power cut it may lag behind, and never runs ahead, so a sound journal is never refused.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::Connection;

/// How many commits the journal has.
#[derive(Debug)]
pub(super) struct Count {
    file: File,
    number: u64,
}

/// The file that knows the number, too.
pub(super) fn path_beside(journal: &Path) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push("-count");
    name.into()
}

/// How many commits the journal had when it was last used, if that is known.
pub(super) fn known(journal: &Path) -> Option<u64> {
    let text = fs::read_to_string(path_beside(journal)).ok()?;
    text.trim().parse().ok()
}

/// How many commits stand in the journal; none are counted in one of an earlier version.
pub(super) fn counted(connection: &Connection) -> rusqlite::Result<u64> {
    if !connection.table_exists(None, "commits")? {
        return Ok(0);
    }
    let number: i64 =
        connection.query_row("SELECT number FROM commits", [], |row| row.get("number"))?;
    Ok(number.unsigned_abs())
}

impl Count {
    /// Goes on counting.
    pub fn of(journal: &Path, number: u64) -> io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path_beside(journal))?;
        let count = Self { file, number };
        count.write()?;
        Ok(count)
    }

    /// Counts the transaction that is open.
    pub fn add(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection
            .prepare_cached("UPDATE commits SET number = ?1")?
            .execute([(self.number + 1).cast_signed()])
            .map(drop)
    }

    /// It was committed.
    pub fn committed(&mut self) {
        self.number += 1;
        if let Err(error) = self.write() {
            // nothing is lost by it; only a loss would not be noticed
            tracing::warn!(%error, "the number of commits could not be written beside the journal");
        }
    }

    /// Always as many bytes, so that it needs no room on a full disk.
    fn write(&self) -> io::Result<()> {
        let line = format!("{:020}\n", self.number);
        self.file.write_all_at(line.as_bytes(), 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_not_known() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal.db");
        assert_eq!(known(&journal), None);
        let mut count = Count::of(&journal, 41).unwrap();
        assert_eq!(known(&journal), Some(41));
        count.committed();
        assert_eq!(known(&journal), Some(42));
        // as a power cut may leave it
        for junk in ["", "\0\0\0\0", "12x"] {
            fs::write(path_beside(&journal), junk).unwrap();
            assert_eq!(known(&journal), None, "{junk:?}");
        }
    }
}
