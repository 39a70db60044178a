//! What a job is: one version of one file on its way into a table.
//!
//! Ids, offsets, checksums, the states and the legal moves between them. Pure values:
//! no IO, no SQL, no clock.

pub mod address;
mod after;
mod fingerprint;
mod id;
#[expect(
    clippy::module_inception,
    reason = "the room is named after its one inhabitant"
)]
mod job;
mod kind;
mod moment;
mod name;
mod naming;
mod numbered;
mod offset;
mod reason;
mod secret;
mod state;
mod sums;

pub use after::{AfterIntent, Deed, Proven, is_private, private_name};
pub use fingerprint::Fingerprint;
pub use id::{JobId, RemoteId, TempUploadId, WatchName};
pub use job::{Job, Sighting};
pub use kind::Kind;
pub use moment::{Awake, Moment};
pub use name::{printable, remote_name};
pub use naming::{Field, Naming, Piece, Template};
pub use numbered::{is_numbered, numbered_names};
pub use offset::ByteOffset;
pub use reason::ParkReason;
pub use secret::{SessionUrl, TempUrl};
pub use state::{IllegalMove, Intent, Progress, Reservation, State, StateName, Troubles};
pub use sums::{HashState, Md5, ParseMd5Error, Sums};
