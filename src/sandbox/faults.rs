//! A scripted fault: which request goes wrong, and how. The format is told in the room's own doc.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The kinds of request that the server tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Call {
    /// Each of the others; only in a fault.
    Any,
    /// `POST tempUploads`.
    TempUploads,
    /// The plain PUT of a whole file.
    Put,
    /// The POST that opens a resumable session.
    Start,
    /// A PUT with a part of a file.
    Chunk,
    /// A PUT that asks how far the session is.
    Query,
    /// `POST rawFiles`: registration.
    RawFiles,
    /// `GET rawFiles` or `GET uploads` of a table.
    List,
    /// `POST uploads`: import.
    Uploads,
    /// `GET`, `HEAD` or `DELETE` of one upload.
    Upload,
    /// A table resource.
    Table,
    /// A dataset resource, or the release of its next version.
    Dataset,
    /// `POST versions`: a next version.
    Versions,
    /// A registered file's content.
    Download,
    /// No call of the protocol.
    Unknown,
}

impl Call {
    /// Every call that is counted.
    pub(super) const COUNTED: [Self; 14] = [
        Self::TempUploads,
        Self::Put,
        Self::Start,
        Self::Chunk,
        Self::Query,
        Self::RawFiles,
        Self::List,
        Self::Uploads,
        Self::Upload,
        Self::Table,
        Self::Dataset,
        Self::Versions,
        Self::Download,
        Self::Unknown,
    ];
}

/// One scripted fault: the requests it waits for, and what it does to them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The kind of request it waits for.
    pub call: Call,
    /// So many matching requests go by unharmed first.
    #[serde(default)]
    pub skip: u32,
    /// How many are hit then; `None` (JSON `null`): all of them.
    #[serde(default = "once")]
    pub times: Option<u32>,
    /// Only chunks that begin at this byte or later match.
    #[serde(default)]
    pub min_offset: u64,
    /// What happens.
    pub action: Action,
}

/// The `serde` default of [`Fault::times`].
#[expect(clippy::unnecessary_wraps, reason = "the field's own type")]
const fn once() -> Option<u32> {
    Some(1)
}

impl Fault {
    /// Does `action` to the next such request.
    pub const fn new(call: Call, action: Action) -> Self {
        Self {
            call,
            skip: 0,
            times: once(),
            min_offset: 0,
            action,
        }
    }

    /// Lets so many matching requests go by first.
    #[must_use]
    pub const fn skip(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    /// Hits so many requests instead of one.
    #[must_use]
    pub const fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Hits every matching request from then on.
    #[must_use]
    pub const fn always(mut self) -> Self {
        self.times = None;
        self
    }

    /// Waits for chunks that begin at this byte or later.
    #[must_use]
    pub const fn from_offset(mut self, offset: u64) -> Self {
        self.min_offset = offset;
        self
    }

    /// Whether it waits for such a request; `offset` is where a chunk begins.
    pub(super) fn matches(&self, call: Call, offset: u64) -> bool {
        (self.call == Call::Any || self.call == call)
            && (self.min_offset == 0 || (call == Call::Chunk && offset >= self.min_offset))
    }
}

/// What happens to a request that a fault hits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// This answer instead of the right one.
    Answer(Answer),
    /// Reads so many body bytes, stores them as a broken connection would, and resets it. A
    /// shorter body is reset at its end; either way nothing is answered.
    CutAfter(u64),
    /// Does everything, then resets the connection: the answer is lost.
    CutBeforeReply,
    /// Does everything, then never answers.
    NeverReply,
    /// Does everything, and answers so many seconds later: with what was right then.
    ReplyLate(f64),
    /// Stops reading the body; then goes on as if nothing had been.
    Stall {
        /// After so many body bytes; 0: before anything.
        #[serde(default)]
        after: u64,
        /// For so long; `None`: until the client gives up.
        #[serde(default)]
        seconds: Option<f64>,
    },
    /// Stores only so many bytes of the chunk, as they are (no rounding), and answers 308.
    PersistOnly(u64),
    /// Does everything, then answers 308 with this `Range`; `None`: without one.
    WrongRange(Option<String>),
    /// Stores everything, then answers with other checksums.
    WrongHash,
    /// Stores everything, then answers with a size that is one byte more.
    WrongSize,
    /// Ends the session, and answers with this status: 404 or 410.
    ExpireSession(u16),
    /// Answers 200 with an empty body where 308 is due: the seed document's reading.
    #[serde(rename = "accept_chunk_with_200")]
    AcceptChunkWith200,
    /// 429 with this `Retry-After`.
    RateLimit(String),
    /// Takes an upload in, whose import stays `running` until the server is started again.
    ImportForever,
    /// Leaves the last result out of a list.
    DropResult,
    /// Answers a list in the wrong order.
    ReverseResults,
}

/// A scripted answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The status, 200–599.
    pub status: u16,
    /// Headers, as they are.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body, as it is.
    #[serde(default)]
    pub body: String,
    /// How far the request gets before it is answered.
    #[serde(default)]
    pub when: When,
}

impl Answer {
    /// This status, with an empty body, after the request's own body was read and thrown away.
    pub const fn status(status: u16) -> Self {
        Self {
            status,
            headers: BTreeMap::new(),
            body: String::new(),
            when: When::AfterBody,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Gives it a body.
    #[must_use]
    pub fn body(mut self, body: &str) -> Self {
        body.clone_into(&mut self.body);
        self
    }

    /// Answers at this point.
    #[must_use]
    pub const fn when(mut self, when: When) -> Self {
        self.when = when;
        self
    }
}

/// When a scripted [`Answer`] is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// At once, with the body still on its way.
    Early,
    /// After the body, of which nothing is kept.
    #[default]
    AfterBody,
    /// After the request took its full effect.
    AfterPerforming,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_its_json() {
        for (json, want) in [
            (
                r#"{"answer":{"status":503,"headers":{"Retry-After":"2"}}}"#,
                Action::Answer(Answer::status(503).header("Retry-After", "2")),
            ),
            (
                r#"{"answer":{"status":200,"body":"<html>","when":"early"}}"#,
                Action::Answer(Answer::status(200).body("<html>").when(When::Early)),
            ),
            (r#"{"cut_after":1000}"#, Action::CutAfter(1000)),
            (r#""cut_before_reply""#, Action::CutBeforeReply),
            (r#""never_reply""#, Action::NeverReply),
            (r#"{"reply_late":0.5}"#, Action::ReplyLate(0.5)),
            (
                r#"{"stall":{"after":10,"seconds":0.5}}"#,
                Action::Stall {
                    after: 10,
                    seconds: Some(0.5),
                },
            ),
            (
                r#"{"stall":{}}"#,
                Action::Stall {
                    after: 0,
                    seconds: None,
                },
            ),
            (r#"{"persist_only":262144}"#, Action::PersistOnly(262_144)),
            (
                r#"{"wrong_range":"bytes=0-99"}"#,
                Action::WrongRange(Some("bytes=0-99".into())),
            ),
            (r#"{"wrong_range":null}"#, Action::WrongRange(None)),
            (r#""wrong_hash""#, Action::WrongHash),
            (r#""wrong_size""#, Action::WrongSize),
            (r#"{"expire_session":410}"#, Action::ExpireSession(410)),
            (r#""accept_chunk_with_200""#, Action::AcceptChunkWith200),
            (r#"{"rate_limit":"2"}"#, Action::RateLimit("2".into())),
            (r#""import_forever""#, Action::ImportForever),
            (r#""drop_result""#, Action::DropResult),
            (r#""reverse_results""#, Action::ReverseResults),
        ] {
            let fault: Fault =
                serde_json::from_str(&format!(r#"{{"call":"chunk","action":{json}}}"#)).unwrap();
            assert_eq!(fault, Fault::new(Call::Chunk, want), "{json}");
        }
    }

    #[test]
    fn a_script_with_a_misspelt_key_is_refused() {
        for text in [
            r#"{"call":"chunk","action":"wrong_hash","time":2}"#,
            r#"{"call":"chunks","action":"wrong_hash"}"#,
            r#"{"call":"chunk","action":"wrong"}"#,
            r#"{"call":"chunk","action":{"answer":{"state":503}}}"#,
        ] {
            assert!(serde_json::from_str::<Fault>(text).is_err(), "{text}");
        }
    }
}
