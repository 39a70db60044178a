//! redivis-drop carries every file of a drop folder, once and unchanged, into a Redivis table.
//!
//! # The way of a file
//!
//! ```text
//! config → watch → journal → engine → (transfer, redivis) → journal → after
//! ```
//!
//! | Room            | Lives there                                             | Never                          |
//! |-----------------|---------------------------------------------------------|--------------------------------|
//! | [`job`]         | ids, offsets, states and their legal transitions        | IO, SQL, tokio                 |
//! | [`config`]      | TOML → all problems at once, or a checked `Config`      | reading it anywhere else       |
//! | [`crash_point`] | moments at which a debug build can be told to die       | being there in a release       |
//! | [`beneath`]     | opening regular files below a root, by `openat2`; kinds of file systems | following a link |
//! | [`watch`]       | hints, scan, settling, filter                           | knowing Redivis or the engine  |
//! | [`observe`]     | what a folder's writer does → proposed settings         | writing, the journal           |
//! | [`journal`]     | the only SQL; one writer thread, group commit           | deciding what is next          |
//! | [`transfer`]    | the upload protocol without IO, clock or chance         | tokio, reqwest, files          |
//! | [`redivis`]     | the only HTTP client: sends once, hides secrets         | retrying, sleeping             |
//! | [`receipts`]    | receipts against a table's listing, and against a file as it is | writing, deleting |
//! | [`engine`]      | plan, drive, record; batches; retry times               | SQL, HTTP details              |
//! | [`after`]       | the only hand on users' files: move, delete, crash-safe | Redivis                        |
//! | [`status`]      | snapshot → report, JSON                                 | writing                        |
//! | [`cli`]         | arguments, reports, exit codes, progress                | policy                         |
//! | [`sandbox`]     | the practice server, a second reading of the protocol   | sharing code with any room     |
//! | [`daemon`]      | the only wiring: open, spawn, signals, orderly stop     | policy                         |
//!
//! A test (`tests/tidy.rs`) reads every `use crate::` and holds it against this table.
//!
//! # Invariants
//!
//! - Events are hints; the scan is the truth.
//! - Record, then act; confirm, then record. The journal is the only meeting place: watching,
//!   transferring and status never import each other.
//! - The server decides how many bytes it holds; the journal's offset is a lower bound.
//! - Done means: the registered md5 is the md5 of the bytes that were read here.

pub mod after;
pub mod beneath;
pub mod cli;
pub mod config;
pub mod crash_point;
pub mod daemon;
pub mod engine;
pub mod job;
pub mod journal;
pub mod observe;
pub mod receipts;
pub mod redivis;
pub mod sandbox;
pub mod status;
pub mod transfer;
pub mod watch;
