//! An answer, reduced to what the protocol looks at.

use super::Evidence;
use crate::job::SessionUrl;

/// The parts of an answer that mean something.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The `Range` header as it came.
    pub range: Option<String>,
    /// The `Location`, if it is an absolute URL that a session may have.
    pub session: Option<SessionUrl>,
    /// What the server says it stored.
    pub evidence: Evidence,
    /// The server's own words, one line, for people.
    pub text: String,
}
