//! Look-ups for the watches: on a connection of their own, so that a scan of a million files neither waits for the
//! writer's commits nor holds them up.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::JournalError;
use super::open::open_read_only;

/// A read-only connection, made when it is first needed.
#[derive(Debug)]
pub(super) struct Lookup {
    path: PathBuf,
    slot: Mutex<Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    connection: Option<Connection>,
    /// The journal is closed: none is made any more.
    closed: bool,
}

impl Lookup {
    pub fn of(path: &Path) -> Self {
        Self {
            path: path.into(),
            slot: Mutex::default(),
        }
    }

    /// Runs `work`, which sees one state of the journal: all that was committed before. `None`: there is no
    /// connection to be had now, for want of descriptors, say.
    pub fn run<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Option<Result<T, JournalError>> {
        let mut slot = self.slot();
        if slot.closed {
            return Some(Err(JournalError::Closed));
        }
        if slot.connection.is_none() {
            slot.connection = open_read_only(&self.path).ok();
        }
        let connection = slot.connection.as_ref()?;
        let read = || {
            let transaction = connection.unchecked_transaction()?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        let result: rusqlite::Result<T> = read();
        if result.is_err() {
            // whatever it was, the next look-up begins with a fresh one
            slot.connection = None;
        }
        Some(result.map_err(|error| JournalError::from(&error)))
    }

    /// Lets go of the file, for good.
    pub fn close(&self) {
        *self.slot() = Slot {
            connection: None,
            closed: true,
        };
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        // a panic in between leaves a connection whose transaction was rolled back
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
