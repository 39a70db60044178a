//! How the engine is doing, for those who wait for it.

use std::collections::BTreeSet;

/// What the engine knows of the way to Redivis. Sent whenever it changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Condition {
    /// Whether the token is accepted.
    pub account: Account,
    /// Calls to the API that failed in a row without an answer that means something.
    pub api_failures: u32,
    /// Uploads that failed in a row because their server could not be reached.
    pub upload_failures: u32,
    /// Tables that take nothing now.
    pub closed_tables: BTreeSet<String>,
    /// Tables that do not tell how far their imports are.
    pub silent_tables: BTreeSet<String>,
    /// The last of these failures, for people.
    pub last_failure: Option<String>,
}

/// Whether the token is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Account {
    /// As far as is known.
    #[default]
    Ok,
    /// Refused, with Redivis' words. Uploads wait, offsets are kept.
    Paused(String),
}
