//! The only HTTP client: asks Redivis, and carries bytes to the addresses that it gave.
//!
//! ```text
//! api, listing, uploads ── ask ──┐    the calls of the API; one question and what its answer means
//! upload ── outgoing ────────────┴── client    the requests of an upload; exactly the announced bytes
//!
//! bearer, address, redact             who may see the token; which URL is fit; what may be printed
//! shapes, wire, error                 what is read, up to which size, and what follows from it
//! budget, retry_after                 how often the API may be asked; when again
//! ```
//!
//! Promises:
//!
//! - One call is one request. Nothing is repeated and no redirect is followed. Underneath, hyper
//!   picks another connection when a pooled one turns out dead *before a byte of the request was
//!   written*; that is no repetition, since nobody can have seen the request.
//! - Nothing hangs: every call ends, by an answer or by one of [`Limits`].
//! - A body is exactly as long as announced, or the connection is dropped.
//! - Answers are bounded, whatever their length says: 64 KiB for errors, 8 MiB for results.
//! - No error, no `Debug` and no log line holds the token or the secret part of a URL, even where
//!   the server repeats it.
//!
//! It never retries, never waits for a better time, and knows neither the journal nor the
//! upload protocol: [`Answer`] is what was seen, and what follows from it is for others to say.

mod address;
mod api;
mod ask;
mod bearer;
mod budget;
mod client;
mod error;
mod listing;
mod outgoing;
mod redact;
mod retry_after;
mod shapes;
mod standing;
mod upload;
mod upload_names;
mod uploads;
mod wire;

pub use address::session_from;
pub use api::{
    BATCH_LIMIT, DatasetInfo, RegisteredFile, Registration, RemoteFile, TableInfo, TempUpload,
    TempUploadRequest,
};
pub use bearer::Bearer;
pub use budget::Budget;
pub use client::{BuildError, Client, Limits, REQUEST_TIMEOUT};
pub use error::ApiError;
pub use outgoing::{BodySource, UploadBody};
pub use retry_after::{LONGEST_PAUSE, parse as parse_retry_after};
pub use standing::Standing;
pub use upload::{Answer, Lost, Reply};
pub use upload_names::slug;
pub use uploads::{Import, NewUpload, UPLOADS_PAGE, Upload, UploadPage};
