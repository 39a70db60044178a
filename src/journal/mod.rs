//! The journal: what the daemon knows, on disk, and the only room with SQL.
//!
//! One SQLite file, one process (a lock file says so), one writer thread. Whoever wants to
//! write sends its work there; what waits together is committed together, with
//! `synchronous=FULL`, and answered only after the commit. So a caller that has its answer
//! may act on it even if the power fails in the next instant.
//!
//! Never here: deciding what is next. The journal hands out jobs and records moves; each
//! move names the state that it expects and changes one row or none.

mod accounts;
mod after;
mod claim;
mod count;
mod crashes;
mod enqueue;
mod error;
mod existing;
mod follow;
mod health;
mod home;
mod imported;
mod imports;
mod known;
mod listings;
mod lock;
mod lookup;
mod names;
mod next_versions;
mod open;
mod piece;
mod prune;
mod query;
mod receipts;
mod record;
mod reserve;
mod room;
mod rows;
mod sets;
mod start;
mod versions;
mod wal;
mod writer;

#[cfg(test)]
mod by_hand;

#[cfg(test)]
mod tests;

pub use accounts::AccountRow;
pub use after::Concluded;
#[cfg(test)]
pub(crate) use by_hand::Writer;
pub use claim::Queue;
pub use enqueue::NewJob;
pub use error::JournalError;
pub use health::{AccountState, DaemonRow, WatchRow};
pub use imports::Staying;
pub use listings::{Held, Listed, ListingId};
pub use lock::Holder;
pub use next_versions::{NextVersionOf, NextVersionRow};
pub use open::OpenError;
pub use query::{Count, Filter, HistoryRow, JobRow, OFTEN, Reader, Troubles};
pub use receipts::{Receipt, ReceiptFilter};
pub use record::{Entry, Hold};
pub use sets::{UNARRIVED_TOLD, Unarrived};
pub use start::Configured;
pub use versions::{Before, Last};
pub use writer::Journal;
