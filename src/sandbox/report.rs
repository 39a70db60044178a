//! What the server saw: violations of the protocol, counts, and the story of each session.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::faults::{Call, Fault};

/// So many violations are kept word by word; beyond it they are only counted.
const KEPT_VIOLATIONS: usize = 1000;

/// So many offsets are kept for each session and list; beyond it the oldest stay.
pub(super) const KEPT_OFFSETS: usize = 10_000;

/// How a client broke the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Breach {
    /// A token reached the upload origin, which is not the API's.
    TokenOnUploadOrigin,
    /// A redirect was followed, to the trap that only redirects name.
    FollowedRedirect,
    /// No call of the protocol.
    UnknownCall,
    /// Bytes that are no request, e.g. a body that is longer than announced.
    MalformedRequest,
    /// An API body that is no JSON of the right shape.
    MalformedBody,
    /// More than 1000 in one call.
    BatchTooLarge,
    /// A stored or announced length that is not the reserved size.
    SizeMismatch,
    /// A plain PUT onto a resumable temp upload.
    PutOnResumable,
    /// A session asked for on a temp upload that is not resumable.
    StartOnPlain,
    /// Bytes for a temp upload that is already registered.
    StoredAfterUse,
    /// A start without its headers, or with a body.
    MalformedStart,
    /// A body without an announced length where one is needed.
    NoContentLength,
    /// A `Content-Range` that is missing or no range.
    MalformedRange,
    /// A total that is not the session's size.
    WrongTotal,
    /// A body whose length is not that of its range.
    LengthMismatch,
    /// A chunk, not the last one, whose length is no multiple of 256 KiB.
    ChunkNotMultiple,
    /// A chunk that begins behind what is stored, at no offset that the server ever told.
    Gap,
    /// A chunk for a session that is already complete.
    ChunkAfterEnd,
}

/// One breach of the protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which rule.
    pub kind: Breach,
    /// What exactly.
    pub detail: String,
    /// Method and path of the request; secrets are shortened.
    pub request: String,
}

/// The story of one resumable session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionReport {
    /// The temp upload that it fills.
    pub temp_upload: String,
    /// The announced size in bytes.
    pub size: u64,
    /// When it was opened, RFC 3339.
    pub opened: String,
    /// Bytes of chunk bodies that arrived for it. What they are more than the stored ones came twice.
    pub received: u64,
    /// Bytes that are stored.
    pub persisted: u64,
    /// Whether the object was made.
    pub complete: bool,
    /// How often the client asked for the offset.
    pub queries: u64,
    /// The offsets that were told, in answers to chunks and queries, in order.
    pub told: Vec<u64>,
    /// Where chunks began that came right after a query, in order.
    pub resumed_at: Vec<u64>,
}

/// All that the server saw since its start.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The first of them, at most 1000.
    pub violations: Vec<Violation>,
    /// All of them.
    pub violations_total: u64,
    /// Requests by call, of those that came at all.
    pub requests: BTreeMap<Call, u64>,
    /// Bytes of upload bodies that arrived.
    pub bytes_received: u64,
    /// Of these, bytes of chunks that were already stored.
    pub bytes_resent: u64,
    /// Requests with a token on the upload origin or at the trap.
    pub token_seen_elsewhere: u64,
    /// The sessions that were opened or used, oldest first.
    pub sessions: Vec<SessionReport>,
    /// Faults that have not yet done all they are to do.
    pub faults_pending: Vec<Fault>,
}

impl Report {
    /// How often this rule was broken, as far as the violations were kept.
    pub fn count(&self, kind: Breach) -> usize {
        self.violations.iter().filter(|v| v.kind == kind).count()
    }

    /// Requests of this kind.
    pub fn requests(&self, call: Call) -> u64 {
        self.requests.get(&call).copied().unwrap_or(0)
    }
}

/// Where the server writes down what it sees.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    violations: Mutex<Vec<Violation>>,
    violations_total: AtomicU64,
    requests: [AtomicU64; Call::COUNTED.len()],
    /// Bytes of upload bodies that arrived.
    pub bytes_received: AtomicU64,
    /// Bytes of chunks that were already stored.
    pub bytes_resent: AtomicU64,
    token_seen_elsewhere: AtomicU64,
}

impl Recorder {
    /// Counts a request.
    pub(super) fn count(&self, call: Call) {
        if let Some(at) = Call::COUNTED.iter().position(|counted| *counted == call) {
            self.requests[at].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Notes a breach.
    pub(super) fn violation(&self, kind: Breach, request: &str, detail: impl Into<String>) {
        self.violations_total.fetch_add(1, Ordering::Relaxed);
        let mut violations = self
            .violations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if violations.len() < KEPT_VIOLATIONS {
            violations.push(Violation {
                kind,
                detail: detail.into(),
                request: request.to_owned(),
            });
        }
    }

    /// Counts a token that came where none belongs.
    pub(super) fn token_elsewhere(&self) {
        self.token_seen_elsewhere.fetch_add(1, Ordering::Relaxed);
    }

    /// The report, with what the other parts know.
    pub(super) fn report(&self, sessions: Vec<SessionReport>, faults: Vec<Fault>) -> Report {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Report {
            violations: self
                .violations
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            violations_total: load(&self.violations_total),
            requests: Call::COUNTED
                .into_iter()
                .zip(self.requests.iter().map(load))
                .filter(|(_, count)| *count > 0)
                .collect(),
            bytes_received: load(&self.bytes_received),
            bytes_resent: load(&self.bytes_resent),
            token_seen_elsewhere: load(&self.token_seen_elsewhere),
            sessions,
            faults_pending: faults,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_beyond_the_limit_are_only_counted() {
        let recorder = Recorder::default();
        for _ in 0..KEPT_VIOLATIONS + 5 {
            recorder.violation(Breach::Gap, "PUT /upload/…", "a hole");
        }
        let report = recorder.report(Vec::new(), Vec::new());
        assert_eq!(report.violations.len(), KEPT_VIOLATIONS);
        assert_eq!(report.violations_total, KEPT_VIOLATIONS as u64 + 5);
    }

    #[test]
    fn the_json_names_calls_and_rules_as_documented() {
        let recorder = Recorder::default();
        recorder.count(Call::RawFiles);
        recorder.violation(Breach::TokenOnUploadOrigin, "PUT /upload/…", "");
        let json = serde_json::to_value(recorder.report(Vec::new(), Vec::new())).unwrap();
        assert_eq!(json["requests"]["rawFiles"], 1);
        assert_eq!(json["violations"][0]["kind"], "token-on-upload-origin");
    }
}
