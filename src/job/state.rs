//! The states of a job, the data that lives inside each, and the legal moves.
//!
//! ```text
//! queued → reserved → uploading → uploaded → registering → [importing] → registered → done
//!            └──────── plain PUT ────┘
//! ```
//!
//! Back: `renew` (uploading or reserved → queued, the temporary upload is dead),
//! `lose_session` (uploading → reserved). Out: `park`, `supersede`, `miss`, from every state
//! in which nothing is registered yet. One method a legal move; everything else is an
//! [`IllegalMove`], which is a bug in the caller and changes nothing.

use jiff::Timestamp;
use thiserror::Error;

use super::{
    Awake, ByteOffset, HashState, Moment, ParkReason, RemoteId, SessionUrl, Sums, TempUploadId,
    TempUrl,
};

/// Where a job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Settled and recorded; nothing asked of the server yet.
    Queued,
    /// A temporary upload waits for the bytes.
    Reserved(Reservation),
    /// A resumable session is open.
    Uploading(Reservation, Progress),
    /// All bytes are stored and agree with ours.
    Uploaded(TempUploadId, Sums),
    /// About to be registered, or the answer was lost: look before repeating.
    Registering(Intent),
    /// Redivis has taken it in and reads its rows; named by the address that Redivis gave it.
    Importing(RemoteId, Sums),
    /// In the table, with our md5.
    Registered(RemoteId, Sums),
    /// After-action performed too.
    Done(RemoteId, Sums),
    /// Waits for a person. An intent that was never resolved stays with it.
    Parked(ParkReason, Option<Intent>),
    /// A newer version of the file took over.
    Superseded,
    /// The file is gone.
    Missing,
}

/// A temporary upload, made just before use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// Its id, needed again for registering.
    pub temp: TempUploadId,
    /// Where the bytes or the session start go.
    pub url: TempUrl,
    /// Whether sessions may be started on it.
    pub resumable: bool,
    /// When it was made.
    pub at: Timestamp,
}

/// How far a resumable session is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The session.
    pub session: SessionUrl,
    /// When it was opened; it dies about 24 hours later.
    pub opened: Moment,
    /// A lower bound of what the server holds.
    pub confirmed: ByteOffset,
    /// No byte at or after this position can have been sent yet.
    pub bound: ByteOffset,
    /// Checksums of the bytes before `confirmed`.
    pub hash: HashState,
}

/// What is to be registered: written down before the request, because that request must not
/// be repeated blindly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The upload that holds the bytes.
    pub temp: TempUploadId,
    /// What the table must list afterwards.
    pub sums: Sums,
    /// Counts the requests, from 1.
    pub attempt: u32,
    /// When the latest request was about to be sent.
    pub at: Timestamp,
    /// Since when the table is known not to list it.
    pub absent: Option<Awake>,
}

/// Counts of troubles that end in parking; they belong to the version, not to a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Troubles {
    /// Sessions that ended before the upload was complete: vanished (404, 410, 499, expired), denied,
    /// in contradiction with themselves, or without an object of all their bytes.
    pub sessions_lost: u32,
    /// Uploads whose stored size or hash was not ours.
    pub corrupted: u32,
}

/// A move that the state does not allow.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("a job cannot {verb} when it is {from}")]
pub struct IllegalMove {
    verb: &'static str,
    from: StateName,
}

macro_rules! state_names {
    ($($name:ident = $text:literal),* $(,)?) => {
        /// The name of a state, as in the journal and the JSON.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum StateName {
            $(#[doc = concat!("`", $text, "`")] $name,)*
        }

        impl StateName {
            /// Every state, in the order of the way.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The stable text.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The state with this name.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$name),)* _ => None }
            }
        }
    };
}

state_names! {
    Queued = "queued",
    Reserved = "reserved",
    Uploading = "uploading",
    Uploaded = "uploaded",
    Registering = "registering",
    Importing = "importing",
    Registered = "registered",
    Done = "done",
    Parked = "parked",
    Superseded = "superseded",
    Missing = "missing",
}

impl StateName {
    /// Whether the daemon has nothing more to do for such a job.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Done | Self::Parked | Self::Superseded | Self::Missing
        )
    }
}

impl std::fmt::Display for StateName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

type Moved = Result<State, IllegalMove>;

impl State {
    /// The state's name.
    pub const fn name(&self) -> StateName {
        match self {
            Self::Queued => StateName::Queued,
            Self::Reserved(..) => StateName::Reserved,
            Self::Uploading(..) => StateName::Uploading,
            Self::Uploaded(..) => StateName::Uploaded,
            Self::Registering(..) => StateName::Registering,
            Self::Importing(..) => StateName::Importing,
            Self::Registered(..) => StateName::Registered,
            Self::Done(..) => StateName::Done,
            Self::Parked(..) => StateName::Parked,
            Self::Superseded => StateName::Superseded,
            Self::Missing => StateName::Missing,
        }
    }

    /// A temporary upload was made (W1: recorded before it is used).
    pub fn reserve(self, reservation: Reservation) -> Moved {
        match self {
            Self::Queued => Ok(Self::Reserved(reservation)),
            other => other.refuse("be reserved"),
        }
    }

    /// A session was opened (W2: recorded before the first byte).
    pub fn open_session(self, progress: Progress) -> Moved {
        match self {
            Self::Reserved(reservation) => Ok(Self::Uploading(reservation, progress)),
            other => other.refuse("open a session"),
        }
    }

    /// The server told how far it is (W3). It may have moved back.
    pub fn confirm(self, confirmed: ByteOffset, bound: ByteOffset, hash: HashState) -> Moved {
        match self {
            Self::Uploading(reservation, progress) => {
                let progress = Progress {
                    confirmed,
                    bound,
                    hash,
                    ..progress
                };
                Ok(Self::Uploading(reservation, progress))
            }
            other => other.refuse("confirm bytes"),
        }
    }

    /// The session is gone; the temporary upload may start another.
    pub fn lose_session(self) -> Moved {
        match self {
            Self::Uploading(reservation, _) => Ok(Self::Reserved(reservation)),
            other => other.refuse("lose its session"),
        }
    }

    /// The temporary upload is dead or too old: begin again with a new one.
    pub fn renew(self) -> Moved {
        match self {
            Self::Reserved(..) | Self::Uploading(..) | Self::Uploaded(..) => Ok(Self::Queued),
            other => other.refuse("begin again"),
        }
    }

    /// Every byte is stored and agrees with ours (W4: recorded before registering).
    pub fn complete(self, sums: Sums) -> Moved {
        match self {
            Self::Reserved(reservation) | Self::Uploading(reservation, _) => {
                Ok(Self::Uploaded(reservation.temp, sums))
            }
            other => other.refuse("be uploaded"),
        }
    }

    /// It is about to be registered, for the first time or again (W5: recorded before the request).
    pub fn intend(self, at: Timestamp) -> Moved {
        match self {
            Self::Uploaded(temp, sums) => Ok(Self::Registering(Intent {
                temp,
                sums,
                attempt: 1,
                at,
                absent: None,
            })),
            Self::Registering(intent) => {
                let attempt = intent.attempt + 1;
                Ok(Self::Registering(Intent {
                    attempt,
                    at,
                    absent: None,
                    ..intent
                }))
            }
            other => other.refuse("be registered"),
        }
    }

    /// The server certainly did not take it: it may be sent again, or uploaded again.
    pub fn withdraw(self) -> Moved {
        match self {
            Self::Registering(intent) => Ok(Self::Uploaded(intent.temp, intent.sums)),
            other => other.refuse("withdraw its registration"),
        }
    }

    /// Redivis has taken it in as an upload of a table of rows, under this address.
    pub fn import(self, upload: RemoteId) -> Moved {
        match self {
            Self::Registering(intent) => Ok(Self::Importing(upload, intent.sums)),
            other => other.refuse("be imported"),
        }
    }

    /// The table lists it with our size and md5 (W6: recorded before the source is touched).
    pub fn register(self, remote: RemoteId) -> Moved {
        match self {
            Self::Registering(intent) => Ok(Self::Registered(remote, intent.sums)),
            Self::Importing(_, sums) => Ok(Self::Registered(remote, sums)),
            other => other.refuse("be in the table"),
        }
    }

    /// The table has the very same content already: it need not be sent.
    pub fn recognise(self, remote: RemoteId, sums: Sums) -> Moved {
        match self {
            Self::Queued => Ok(Self::Registered(remote, sums)),
            other => other.refuse("be in the table already"),
        }
    }

    /// Nothing is left to do (W7).
    pub fn finish(self) -> Moved {
        match self {
            Self::Registered(remote, sums) => Ok(Self::Done(remote, sums)),
            other => other.refuse("be done"),
        }
    }

    /// A person must look.
    pub fn park(self, reason: ParkReason) -> Moved {
        match self {
            Self::Registering(intent) => Ok(Self::Parked(reason, Some(intent))),
            Self::Queued
            | Self::Reserved(..)
            | Self::Uploading(..)
            | Self::Uploaded(..)
            | Self::Importing(..) => Ok(Self::Parked(reason, None)),
            other => other.refuse("be parked"),
        }
    }

    /// The file changed: this version will never be whole, or comes too late.
    pub fn supersede(self) -> Moved {
        match self {
            Self::Queued
            | Self::Reserved(..)
            | Self::Uploading(..)
            | Self::Uploaded(..)
            | Self::Parked(_, None) => Ok(Self::Superseded),
            other => other.refuse("be superseded"),
        }
    }

    /// The file is gone before its bytes were stored.
    pub fn miss(self) -> Moved {
        match self {
            Self::Queued | Self::Reserved(..) | Self::Uploading(..) => Ok(Self::Missing),
            other => other.refuse("be missing"),
        }
    }

    fn refuse(self, verb: &'static str) -> Moved {
        Err(IllegalMove {
            verb,
            from: self.name(),
        })
    }

    /// Bytes that the server holds for certain, given the size of the file.
    pub fn confirmed_bytes(&self, size: u64) -> u64 {
        match self {
            Self::Uploading(_, progress) => progress.confirmed.get(),
            Self::Uploaded(..)
            | Self::Registering(..)
            | Self::Importing(..)
            | Self::Registered(..)
            | Self::Done(..) => size,
            _ => 0,
        }
    }

    /// The md5 of the bytes that were read, once all of them were.
    pub fn md5(&self) -> Option<super::Md5> {
        match self {
            Self::Uploaded(_, sums)
            | Self::Importing(_, sums)
            | Self::Registered(_, sums)
            | Self::Done(_, sums) => sums.md5,
            Self::Registering(intent) | Self::Parked(_, Some(intent)) => intent.sums.md5,
            _ => None,
        }
    }

    /// Redivis' id, once registered; of rows, the address of their upload, once it has one.
    pub fn remote_id(&self) -> Option<&RemoteId> {
        match self {
            Self::Importing(remote, _) | Self::Registered(remote, _) | Self::Done(remote, _) => {
                Some(remote)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
