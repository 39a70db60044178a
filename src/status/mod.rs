//! What the journal says of the daemon's work, in the shapes that people and scripts read.
//!
//! Fields are added, never renamed. Reads only; the journal is the only source, so a report is
//! the same whether a daemon runs or not, and says which.

mod job_report;
mod receipt_report;
mod snapshot;

pub use job_report::{HistoryReport, JobReport};
pub use receipt_report::ReceiptReport;
pub use snapshot::{AccountReport, DaemonReport, JournalReport, Snapshot, WatchReport};
