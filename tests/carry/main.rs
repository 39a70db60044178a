//! The whole way, with everything real: the real program as a process of its own, real signals,
//! real sockets, real files. The practice server is the judge: what counts is what its tables hold
//! in the end, not what the program says of itself.

#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first surprise, also in its helpers"
)]

mod accounts;
mod adopt;
mod after;
mod again;
mod changes;
mod disk;
mod elsewhere;
mod everything;
mod faults;
mod first_start;
mod home;
mod kill;
mod lab;
mod microscope;
mod names;
mod namespace;
mod naming;
mod next_versions;
mod priority;
mod process;
mod receipts;
mod refusals;
mod registration;
mod reports;
mod rows;
mod sessions;
mod sets;
mod slow;
mod strace;
mod tables;
mod tabular;
mod text;
mod two;
mod unproven;
mod versions;
