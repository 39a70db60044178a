//! What the machine asks for, what an answer means, and what is known of an upload that was interrupted.

use super::Evidence;
use crate::job::{ByteOffset, ParkReason, SessionUrl};

/// The request to send next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// `PUT` the whole file to the temporary URL.
    PutWhole,
    /// `POST` to the temporary URL: open a resumable session.
    StartSession,
    /// Empty `PUT` with `Content-Range: bytes */N` to the session: how far are you?
    Query,
    /// `PUT` of `len` bytes from `first` to the session.
    Chunk {
        /// Position of the first byte.
        first: ByteOffset,
        /// Number of bytes, at least 1.
        len: u64,
    },
}

/// What an answer, or its absence, means for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing to record; send the next request.
    Continue,
    /// A session is open: record it **before** sending the next request.
    Opened(SessionUrl),
    /// The server holds this much now: record it, then send the next request.
    Confirmed(ByteOffset),
    /// The server holds less than it had said. Record it, warn, read again from there.
    Rewound(ByteOffset),
    /// The server says that all is stored. Hold the evidence against the file.
    Stored(Evidence),
    /// Keep everything, wait, come back with the recorded state.
    BackOff(Cause),
    /// The session is of no more use; the temporary upload is. Start over at byte 0.
    NewSession(Cause),
    /// The temporary upload is of no more use.
    NewTempUpload(Cause),
    /// A person must look.
    Park(ParkReason, Cause),
}

/// Why, for people and for counting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The request or its answer was lost on the way.
    Lost(String),
    /// The server is there but cannot now (408, 429, 5xx).
    Busy(u16, String),
    /// The server refuses (4xx).
    Refused(u16, String),
    /// The session does not exist any more.
    Gone(u16),
    /// A redirect: not followed, no success.
    Redirected(u16),
    /// The server contradicts itself or the protocol.
    Nonsense(&'static str),
    /// All bytes are in, the object is not made yet.
    Finalizing,
    /// What is stored is not what was sent.
    Corrupted(String),
    /// Answers come, but no byte is confirmed.
    NoProgress,
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lost(why) => write!(f, "the connection was lost: {why}"),
            Self::Busy(status, text) => write!(f, "the upload server answered {status}: {text}"),
            Self::Refused(status, text) => {
                write!(f, "the upload server refused with {status}: {text}")
            }
            Self::Gone(status) => write!(f, "the upload session is gone ({status})"),
            Self::Redirected(status) => write!(
                f,
                "the upload server redirects ({status}), which is never followed"
            ),
            Self::Nonsense(what) => write!(f, "the upload server contradicts the protocol: {what}"),
            Self::Finalizing => {
                f.write_str("all bytes are stored, but the server has not made the object yet")
            }
            Self::Corrupted(what) => write!(f, "the upload arrived damaged: {what}"),
            Self::NoProgress => f.write_str("the upload server answers but confirms no byte"),
        }
    }
}

/// What the journal knows of an interrupted session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resume {
    /// Lower bound of what the server holds.
    pub confirmed: ByteOffset,
    /// No byte at or after this can have been sent.
    pub bound: ByteOffset,
    /// Failures since the last progress.
    pub attempts: u32,
}
