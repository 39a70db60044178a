//! The upload protocol as a machine: which request comes next, and what an answer means.
//!
//! No IO, no clock, no chance: the caller sends the [`Request`], brings back the [`Reply`]
//! (or says that it was lost) and does what the [`Verdict`] says. So every row of the protocol
//! is a case in a table, and a test can try what no server would do.
//!
//! Three rules hold throughout:
//!
//! - **The server decides** how many bytes it holds. What was sent counts for nothing until it
//!   is told back, and after a lost answer the machine asks before it sends.
//! - **Never skip a local byte.** An offset beyond what can have been sent is nonsense.
//! - **Stored is not proven.** A 2xx is evidence; only [`Evidence::proves`] makes it a fact.

mod evidence;
mod range;
mod reply;
mod upload;
mod verdict;

#[cfg(test)]
mod cases;
#[cfg(test)]
mod model;

pub use evidence::{Discrepancy, Evidence};
pub use reply::Reply;
pub use upload::{CHUNK_QUANTUM, Upload};
pub use verdict::{Cause, Request, Resume, Verdict};
