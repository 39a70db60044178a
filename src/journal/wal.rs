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
