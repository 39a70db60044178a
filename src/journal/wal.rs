//! Keeps the WAL short, and sees its errors.
//!
//! The writer writes the WAL back by itself, after every 4 MiB. Left to SQLite that would happen too, but a
//! failure of it would be swallowed and repeated: an `fsync` that worked the second time proves nothing.
//!
//! A reader that holds a transaction open keeps frames from being overwritten: as long as it does, the WAL
//! grows by what is written. That cannot be prevented, only told, and it ends with the reader. Our own
//! readers hold theirs for one page of a report.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

/// Frames of 4 KiB and some after which the WAL is written back: 4 MiB.
const FRAMES: u64 = 1000;
/// Longer than it gets without a reader in the way: 64 MiB.
const LONG: u64 = 16 * FRAMES;
/// Bytes that the file keeps when it begins anew; room for one group more than [`FRAMES`].
pub(super) const KEPT: i64 = 8 << 20;
/// Until a WAL that somebody reads is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// The WAL of an open journal.
#[derive(Debug)]
pub(super) struct Wal {
    journal: PathBuf,
    /// Frames after which to write back.
    next: u64,
    /// Somebody reads what could not be written back.
    is_held: bool,
    /// It was told that it is long.
    told: bool,
}

/// What came of writing back, in frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Frames {
    all: u64,
    written_back: u64,
}

impl Wal {
    pub fn of(journal: &Path) -> Self {
        Self {
            journal: journal.into(),
            next: FRAMES,
            is_held: false,
            told: false,
        }
    }

    /// When to try again, if a reader is in the way.
    pub fn look_again(&self) -> Option<Duration> {
        self.is_held.then_some(AGAIN)
    }

    /// After a commit: writes back if it is time to.
    pub fn look(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if frames(connection, "NOOP")?.all >= self.next {
            self.write_back(connection)?;
        }
        Ok(())
    }

    /// Writes back as much as readers allow.
    pub fn write_back(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        // set first: after a failure it is not tried again at every commit
        let before = frames(connection, "NOOP")?;
        self.next = before.all + FRAMES;
        let frames = frames(connection, "PASSIVE")?;
        self.is_held = frames.written_back < frames.all;
        if !self.is_held {
            self.next = FRAMES;
        }
        self.tell(frames.all);
        Ok(())
    }

    fn tell(&mut self, frames: u64) {
        let journal = self.journal.display();
        let is_long = self.is_held && frames >= LONG;
        if is_long && !self.told {
            let mib = frames * 4 / 1024;
            tracing::warn!(%journal, mib, "somebody has been reading the journal for long, and its -wal file grows by all that is written meanwhile; end that program (a backup, a database browser)");
        }
        if self.told && !self.is_held {
            tracing::info!(%journal, "the journal's -wal file is written back and shrinks again");
        }
        self.told = is_long || (self.told && self.is_held);
    }
}

/// Bytes of a journal's WAL; 0 if there is none.
pub(super) fn bytes(journal: &Path) -> u64 {
    let mut name = journal.as_os_str().to_owned();
    name.push("-wal");
    fs::metadata(name).map_or(0, |file| file.len())
}

/// What to tell of a WAL of so many bytes.
pub(super) fn warning(bytes: u64) -> Option<String> {
    (bytes / 4096 >= LONG).then(|| {
        format!(
            "its -wal file has grown to {} MiB, because somebody has been reading the journal for long; \
             end that program (a backup, a database browser)",
            bytes >> 20
        )
    })
}

fn frames(connection: &Connection, mode: &str) -> rusqlite::Result<Frames> {
    let mut statement = connection.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?;
    statement.query_row([], |row| {
        // busy, which is another one's writing back; then the frames, -1 if there is no WAL
        let number = |at| row.get::<_, i64>(at).map(|n| u64::try_from(n).unwrap_or(0));
        Ok(Frames {
            all: number(1)?,
            written_back: number(2)?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::heard::said;
    use super::*;

    #[test]
    fn a_wal_that_grows_beside_a_reader_is_told_once_and_so_is_its_end() {
        let mut wal = Wal::of(Path::new("journal.db"));
        let warning = ["WARN", "journal.db", "mib=62", "end that program"].as_slice();
        let end = ["INFO", "journal.db", "shrinks again"].as_slice();
        for (held, frames, words) in [
            (false, 20_000, [].as_slice()),
            (true, 15_999, &[]),
            (true, 16_000, warning),
            (true, 17_000, &[]),
            // it began anew, and the reader is still there
            (true, 100, &[]),
            (true, 16_000, &[]),
            (false, 17_000, end),
            (false, 17_000, &[]),
            (true, 16_000, warning),
            (false, 100, end),
            (false, 100, &[]),
        ] {
            wal.is_held = held;
            let text = said(|| wal.tell(frames));
            let lines = usize::from(!words.is_empty());
            assert_eq!(text.lines().count(), lines, "{held} {frames}: {text}");
            for word in words {
                assert!(
                    text.contains(word),
                    "{held} {frames}: {word:?} is not in: {text}"
                );
            }
        }
    }

    /// Writes so many frames, one a commit.
    fn write(connection: &Connection, count: u64) {
        for _ in 0..count {
            connection.execute("UPDATE t SET n = n + 1", []).unwrap();
        }
    }

    #[test]
    fn beside_a_reader_it_is_written_back_now_and_then_and_not_at_each_commit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        let connection = Connection::open(&path).unwrap();
        let begin = "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 0; \
                     CREATE TABLE t (n); INSERT INTO t VALUES (0);";
        connection.execute_batch(begin).unwrap();
        let mut wal = Wal::of(&path);
        let mut look = || {
            wal.look(&connection).unwrap();
            let now = frames(&connection, "NOOP").unwrap();
            (now.written_back == now.all, wal.look_again().is_some())
        };
        write(&connection, FRAMES / 2);
        assert_eq!(look(), (false, false), "not yet");
        let guest = Connection::open(&path).unwrap();
        guest.execute_batch("BEGIN; SELECT n FROM t;").unwrap();
        write(&connection, FRAMES);
        assert_eq!(look(), (false, true), "as far as the guest has read");
        guest.execute_batch("COMMIT").unwrap();
        write(&connection, FRAMES / 2);
        assert_eq!(
            look(),
            (false, true),
            "tried so many frames later, or some time later"
        );
        write(&connection, FRAMES / 2);
        assert_eq!(look(), (true, false));
        write(&connection, FRAMES / 2);
        assert_eq!(look(), (false, false), "it began anew");
        write(&connection, FRAMES / 2);
        assert_eq!(look(), (true, false));
    }
}
