//! The practice server from outside: real sockets, every refusal, every fault.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod api;
mod client;
mod faults;
mod imports;
mod lenient;
mod restart;
mod resumable;
