//! Why something was not recorded.

use rusqlite::{ErrorCode, ffi};
use thiserror::Error;

/// Why something was not recorded. The journal is as it was before.
#[derive(Debug, Clone, Error)]
pub enum JournalError {
    /// The disk is full: what is known stays, nothing new is taken. The text says what to do.
    #[error("the journal's disk is full: {0}")]
    Full(String),
    /// Reading or writing failed: what is on disk is uncertain until it is opened again.
    #[error("the journal cannot be written: {0}")]
    Broken(String),
    /// The journal's own rules forbid it: a mistake in this program, and only this piece is lost.
    #[error("the journal refuses an impossible record: {0}")]
    Rejected(String),
    /// The writer has ended, after an error that it has told or at shutdown.
    #[error("the journal is closed")]
    Closed,
}

impl From<&rusqlite::Error> for JournalError {
    fn from(error: &rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(error.to_string()),
            // room for the index of the WAL
            _ if is_full_shared_memory(error) => Self::Full(error.to_string()),
            Some(ErrorCode::ConstraintViolation) => Self::Rejected(error.to_string()),
            _ => Self::Broken(error.to_string()),
        }
    }
}

fn is_full_shared_memory(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code == Some(ffi::SQLITE_IOERR_SHMSIZE)
}
