//! What the upload server said, as the protocol reads it.

use crate::redivis::{Answer, session_from};
use crate::transfer::{Evidence, Reply};

/// An answer without what only the wire knows.
pub(super) fn reply(answer: Answer) -> Reply {
    let hashes = answer.goog_hash.iter().map(String::as_str);
    Reply {
        status: answer.status,
        evidence: Evidence::from_headers(hashes, answer.stored_length),
        session: answer.location.as_deref().and_then(session_from),
        range: answer.range,
        text: answer.text,
    }
}
