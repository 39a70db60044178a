//! The machine for one upload, plain or resumable.

use super::Reply;
use super::range::{Held, held};
use super::verdict::{Cause, Request, Resume, Verdict};
use crate::job::{ByteOffset, ParkReason, Troubles};

/// Chunks are multiples of this many bytes, except the last.
pub const CHUNK_QUANTUM: u64 = 256 * 1024;

/// The first chunk of a session; each that goes through doubles the next, up to what is allowed.
/// After a failure it begins small again: a broken connection costs less then.
const FIRST_CHUNK: u64 = 8 * 1024 * 1024;
/// Answers of the same useless kind that are taken in a row before a new temporary upload.
const PATIENCE: u32 = 3;
/// Sessions of one version that end before the upload is complete, until a person must look.
const MAX_SESSIONS_LOST: u32 = 3;
/// Uploads of one version that arrived damaged before a person must look.
const MAX_CORRUPTED: u32 = 2;
/// Asking whether a complete upload became an object: 1 + 2 + 4 … s, about five minutes.
const MAX_FINALIZING_ATTEMPTS: u32 = 9;

/// One upload. See the module's documentation for how it is driven.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a thing that is forgiven once"
)]
pub struct Upload {
    size: u64,
    chunk: u64,
    /// No chunk is larger.
    largest: u64,
    troubles: Troubles,
    attempts: u32,
    confirmed: u64,
    bound: u64,
    next: Request,
    /// The same kind of useless answer in a row, to opening a session.
    useless: u32,
    /// Answers in a row that confirmed nothing new.
    idle: u32,
    /// The last answer put the server below `confirmed`; the query decides.
    doubted: bool,
    /// The server went back once already.
    went_back: bool,
    /// A malformed `Range` came.
    malformed: bool,
    /// Chunks refused (400, 416) since the last progress.
    refusals: u32,
    /// A chunk was answered with 401 or 403.
    denied: bool,
    /// A chunk that ended here, before the last, was answered with 2xx; the query tells what it meant.
    saw_200: Option<u64>,
    /// This server answers 2xx to a chunk that it accepted.
    says_200: bool,
}

impl Upload {
    /// A plain `PUT` of `size` bytes.
    pub fn plain(size: u64, troubles: Troubles) -> Self {
        Self::begin(Request::PutWhole, size, CHUNK_QUANTUM, troubles)
    }

    /// A resumable upload that has no session yet. `chunk`, a multiple of [`CHUNK_QUANTUM`], is the
    /// largest that is ever sent.
    pub fn resumable(size: u64, chunk: u64, troubles: Troubles) -> Self {
        Self::begin(Request::StartSession, size, chunk, troubles)
    }

    /// An interrupted session: asks first how far the server is.
    pub fn resume(size: u64, chunk: u64, troubles: Troubles, resume: Resume) -> Self {
        let mut upload = Self::begin(Request::Query, size, chunk, troubles);
        upload.confirmed = resume.confirmed.get();
        upload.bound = resume.bound.get().max(upload.confirmed);
        upload.attempts = resume.attempts;
        upload
    }

    fn begin(next: Request, size: u64, chunk: u64, troubles: Troubles) -> Self {
        debug_assert!(chunk >= CHUNK_QUANTUM && chunk.is_multiple_of(CHUNK_QUANTUM));
        Self {
            size,
            chunk: chunk.min(FIRST_CHUNK),
            largest: chunk,
            troubles,
            attempts: 0,
            confirmed: 0,
            bound: 0,
            next,
            useless: 0,
            idle: 0,
            doubted: false,
            went_back: false,
            malformed: false,
            refusals: 0,
            denied: false,
            saw_200: None,
            says_200: false,
        }
    }

    // ---- questions

    /// What to send now.
    pub fn request(&self) -> Request {
        self.next
    }

    /// The position before which every byte the next request may send lies: to be recorded
    /// before it is sent, so that a later reading can tell nonsense from progress.
    pub fn bound(&self) -> ByteOffset {
        let next = match self.next {
            Request::Chunk { first, len } => first.get() + len,
            _ => 0,
        };
        ByteOffset::new(self.bound.max(next))
    }

    /// The counts to record with the job.
    pub fn troubles(&self) -> Troubles {
        self.troubles
    }

    // ---- events

    /// The answer to [`Upload::request`] came.
    pub fn on_reply(&mut self, reply: &Reply) -> Verdict {
        self.note_sent();
        match self.next {
            Request::PutWhole => put_replied(reply),
            Request::StartSession => self.start_replied(reply),
            Request::Query => self.query_replied(reply),
            Request::Chunk { first, len } => self.chunk_replied(first.get() + len, reply),
        }
    }

    /// No answer came, or not all of the request went out: what arrived is unknown.
    pub fn on_lost(&mut self, why: String) -> Verdict {
        self.note_sent();
        Verdict::BackOff(Cause::Lost(why))
    }

    /// What is stored is not what was read here.
    pub fn on_discrepancy(&mut self, what: String) -> Verdict {
        self.troubles.corrupted += 1;
        let cause = Cause::Corrupted(what);
        if self.troubles.corrupted >= MAX_CORRUPTED {
            Verdict::Park(ParkReason::Corrupted, cause)
        } else if matches!(self.next, Request::PutWhole) {
            Verdict::NewTempUpload(cause)
        } else {
            Verdict::NewSession(cause)
        }
    }

    fn note_sent(&mut self) {
        self.bound = self.bound().get();
    }

    // ---- opening a session

    fn start_replied(&mut self, reply: &Reply) -> Verdict {
        match (reply.status, &reply.session) {
            (200..=299, Some(session)) => {
                self.useless = 0;
                self.go_on();
                Verdict::Opened(session.clone())
            }
            (200..=299, None) => {
                self.useless_start(Cause::Nonsense("a session without an address"))
            }
            (300..=399, _) => self.useless_start(Cause::Redirected(reply.status)),
            _ if is_busy(reply.status) => Verdict::BackOff(busy(reply)),
            _ => Verdict::NewTempUpload(refused(reply)),
        }
    }

    fn useless_start(&mut self, cause: Cause) -> Verdict {
        self.useless += 1;
        if self.useless >= PATIENCE {
            Verdict::NewTempUpload(cause)
        } else {
            Verdict::Continue
        }
    }

    // ---- chunks

    fn chunk_replied(&mut self, end: u64, reply: &Reply) -> Verdict {
        match reply.status {
            308 => self.held(held(reply.range.as_deref())),
            200..=299 if end == self.size => Verdict::Stored(reply.evidence),
            200..=299 if self.says_200 => self.advance(end),
            200..=299 => {
                // "chunk accepted" or "closed early": only the query tells
                self.saw_200 = Some(end);
                self.ask()
            }
            300..=399 => self.ask(),
            status if is_busy(status) => Verdict::BackOff(busy(reply)),
            401 | 403 if std::mem::replace(&mut self.denied, true) => self.deny(reply),
            401 | 403 => self.ask(),
            404 | 410 | 499 => self.gone(reply.status),
            412 => {
                self.on_discrepancy(format!("the server's precondition failed ({})", reply.text))
            }
            413 => self.halve(reply),
            status => {
                self.refusals += 1;
                if self.refusals > 1 {
                    self.gone(status)
                } else {
                    self.ask()
                }
            }
        }
    }

    /// Some hop refuses the size of the request.
    fn halve(&mut self, reply: &Reply) -> Verdict {
        if self.chunk <= CHUNK_QUANTUM {
            return Verdict::Park(ParkReason::Refused, refused(reply));
        }
        self.chunk = (self.chunk / 2 / CHUNK_QUANTUM).max(1) * CHUNK_QUANTUM;
        self.largest = self.chunk;
        self.ask()
    }

    // ---- the status query

    fn query_replied(&mut self, reply: &Reply) -> Verdict {
        match reply.status {
            308 => self.held(held(reply.range.as_deref())),
            200..=299 if self.closed_early(reply) => {
                self.on_discrepancy("the session was closed before all bytes were sent".into())
            }
            200..=299 => Verdict::Stored(reply.evidence),
            300..=399 => Verdict::BackOff(Cause::Redirected(reply.status)),
            status if is_busy(status) => Verdict::BackOff(busy(reply)),
            401 | 403 => self.deny(reply),
            status => self.gone(status),
        }
    }

    /// It says that all is stored. Not so if the last byte was never sent; and if a 2xx to an earlier
    /// chunk came just before, that one may have closed the session: only the length tells.
    fn closed_early(&self, reply: &Reply) -> bool {
        let unclear = self.saw_200.is_some() && reply.evidence.length != Some(self.size);
        self.bound < self.size || unclear
    }

    /// The next request is the query. A chunk that led here confirmed nothing.
    fn ask(&mut self) -> Verdict {
        self.idle += u32::from(self.next != Request::Query);
        self.next = Request::Query;
        Verdict::Continue
    }

    // ---- the end of a session

    fn gone(&mut self, status: u16) -> Verdict {
        self.end(Verdict::NewSession, Cause::Gone(status))
    }

    /// Access is refused. Before a session took anything, that is no end of it: it may be a matter of hours and of every file.
    fn deny(&mut self, reply: &Reply) -> Verdict {
        if self.confirmed == 0 {
            return Verdict::NewTempUpload(refused(reply));
        }
        self.end(Verdict::NewTempUpload, refused(reply))
    }

    fn nonsense(&mut self, what: &'static str) -> Verdict {
        self.end(Verdict::NewSession, Cause::Nonsense(what))
    }

    /// This session will not complete the upload. Each is counted, whatever ended it: the first bytes
    /// of the next one are progress to everyone else, so nothing but this count would ever stop it.
    fn end(&mut self, again: fn(Cause) -> Verdict, cause: Cause) -> Verdict {
        self.troubles.sessions_lost += 1;
        if self.troubles.sessions_lost >= MAX_SESSIONS_LOST {
            Verdict::Park(ParkReason::SessionsLost, cause)
        } else {
            again(cause)
        }
    }

    // ---- what the server holds

    fn held(&mut self, held: Held) -> Verdict {
        let bytes = match held {
            Held::Malformed if self.malformed => {
                return self.nonsense("a Range that cannot be read, twice");
            }
            Held::Malformed => {
                self.malformed = true;
                return self.ask();
            }
            Held::Nothing => 0,
            Held::Bytes(bytes) => bytes,
        };
        self.malformed = false;
        if bytes > self.bound {
            self.nonsense("it claims bytes that were never sent")
        } else if bytes == self.size && self.confirmed == self.size {
            self.finalizing()
        } else if bytes < self.confirmed || (held == Held::Nothing && self.next != Request::Query) {
            self.doubt(bytes)
        } else {
            self.advance(bytes)
        }
    }

    /// Every byte is in, but a 308 is no success.
    fn finalizing(&mut self) -> Verdict {
        if self.attempts >= MAX_FINALIZING_ATTEMPTS {
            return self.end(Verdict::NewSession, Cause::Finalizing);
        }
        Verdict::BackOff(Cause::Finalizing)
    }

    /// Less than it said before, or nothing at all: believed when a query says it again, once.
    fn doubt(&mut self, bytes: u64) -> Verdict {
        if !std::mem::replace(&mut self.doubted, true) || self.next != Request::Query {
            return self.ask();
        }
        if std::mem::replace(&mut self.went_back, true) {
            return self.nonsense("it lost bytes that it had confirmed, twice");
        }
        self.doubted = false;
        self.confirmed = bytes;
        self.go_on();
        Verdict::Rewound(ByteOffset::new(bytes))
    }

    /// The server holds at least what it had said.
    fn advance(&mut self, bytes: u64) -> Verdict {
        let chunk_was_useless = self.next != Request::Query && bytes == self.confirmed;
        let accepted_to = self.saw_200.take();
        self.doubted = false;
        if bytes > self.confirmed {
            self.says_200 |= accepted_to == Some(bytes);
            if bytes - self.confirmed == self.chunk {
                self.chunk = self.chunk.saturating_mul(2).min(self.largest);
            }
            (self.idle, self.refusals, self.attempts) = (0, 0, 0);
            self.confirmed = bytes;
            self.go_on();
            return Verdict::Confirmed(ByteOffset::new(bytes));
        }
        self.idle += u32::from(chunk_was_useless);
        self.go_on();
        if self.idle >= PATIENCE {
            Verdict::BackOff(Cause::NoProgress)
        } else {
            Verdict::Continue
        }
    }

    /// The next request is the next chunk. When nothing is left to send, only the query can tell
    /// whether the object is made.
    fn go_on(&mut self) {
        let len = self.chunk.min(self.size - self.confirmed);
        self.next = if len == 0 {
            Request::Query
        } else {
            Request::Chunk {
                first: ByteOffset::new(self.confirmed),
                len,
            }
        };
    }
}

fn put_replied(reply: &Reply) -> Verdict {
    match reply.status {
        200..=299 => Verdict::Stored(reply.evidence),
        300..=399 => Verdict::BackOff(Cause::Redirected(reply.status)),
        status if is_busy(status) => Verdict::BackOff(busy(reply)),
        _ => Verdict::NewTempUpload(refused(reply)),
    }
}

/// May pass by itself: the same request can be right later.
fn is_busy(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599)
}

fn busy(reply: &Reply) -> Cause {
    Cause::Busy(reply.status, reply.text.clone())
}

fn refused(reply: &Reply) -> Cause {
    Cause::Refused(reply.status, reply.text.clone())
}
