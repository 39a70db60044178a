//! What a receipt is worth now.
//!
//! - [`verify`] holds receipts against what their tables list;
//! - [`safe_to_delete`] holds a file, as it lies there, against its receipts.
//!
//! Both only look: nothing is written, moved or deleted here, and no daemon is needed.

mod rows;
mod safe;
mod verify;

pub use safe::{Answer, Doubt, safe_to_delete};
pub use verify::{Finding, Tally, VerifyError, verify};
