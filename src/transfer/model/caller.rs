//! Who drives the machine here: sends, records, begins again; and watches every step.

use super::answers::{Answer, answers};
use super::reader::{Move, Reader};
use super::server::{Object, SUMS, Server, Session};
use super::*;
use crate::job::ByteOffset;

/// How an upload begins.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start {
    Plain,
    Resumable,
    /// A session was opened just now.
    Opened,
    /// After a restart: what the server holds, and what the record says.
    Resumed {
        held: u64,
        confirmed: u64,
        bound: u64,
    },
}

impl Start {
    fn is_plain(self) -> bool {
        matches!(self, Self::Plain)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Setup {
    pub size: u64,
    pub start: Start,
    pub troubles: Troubles,
    pub attempts: u32,
    /// Whether an honest 2xx comes with length and checksums.
    pub tells: bool,
}

impl Setup {
    pub fn new(size: u64, start: Start) -> Self {
        Self {
            size,
            start,
            troubles: Troubles::default(),
            attempts: 0,
            tells: true,
        }
    }

    pub fn silent(self) -> Self {
        let tells = false;
        Self { tells, ..self }
    }
}

/// How a conversation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Stored,
    Parked,
}

/// What a journal would keep.
#[derive(Clone, Copy, Debug)]
struct Record {
    /// Confirmed bytes and bound of the open session.
    session: Option<(u64, u64)>,
    troubles: Troubles,
    attempts: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Caller {
    setup: Setup,
    server: Server,
    upload: Upload,
    reader: Reader,
    record: Record,
    /// Requests since the last byte that was new.
    idle: u32,
}

type Checked<T> = Result<T, String>;

/// Fails the conversation with a sentence.
macro_rules! must {
    ($holds:expr, $($what:tt)+) => {
        if !$holds {
            return Err(format!($($what)+));
        }
    };
}

impl Caller {
    pub fn new(setup: Setup) -> Self {
        let mut server = Server::new(setup.size, setup.tells);
        let mut session = None;
        if let Start::Resumed {
            held,
            confirmed,
            bound,
        } = setup.start
        {
            session = Some((confirmed, bound));
            server.session = Some(Session {
                held,
                sent: bound,
                object: None,
            });
        }
        let record = Record {
            session,
            troubles: setup.troubles,
            attempts: setup.attempts,
        };
        let (upload, reader) = begin(&setup, &record);
        let mut caller = Self {
            setup,
            server,
            upload,
            reader,
            record,
            idle: 0,
        };
        if matches!(setup.start, Start::Opened) {
            let opened = caller.turn(caller.server.honest(caller.upload.request()));
            assert_eq!(opened, Ok(None));
        }
        caller
    }

    pub fn answers(&self, every_status: bool) -> Vec<Answer> {
        answers(
            self.upload.request(),
            self.setup.size,
            self.server.session,
            every_status,
        )
    }

    pub fn sends_a_chunk(&self) -> bool {
        matches!(self.upload.request(), Request::Chunk { .. })
    }

    /// What an honest server says now.
    pub fn honest(&self) -> Answer {
        self.server.honest(self.upload.request())
    }

    /// Lets an honest server take over: the file arrives whole, or is parked for a counted reason.
    pub fn finish(&mut self) -> Checked<()> {
        for _ in 0..ENOUGH {
            if self.turn(self.honest())?.is_some() {
                return Ok(());
            }
        }
        Err(format!("no end after {ENOUGH} honest answers"))
    }

    /// One request and its answer, both judged.
    pub fn turn(&mut self, answer: Answer) -> Checked<Option<End>> {
        let request = self.upload.request();
        self.check_request(request)?;
        let knows_200 = self.reader.knows_200;
        let reply = self.server.answer(request, answer, knows_200);
        let must_follow = self.reader.read(request, reply.as_ref());
        let verdict = match &reply {
            Some(reply) => self.upload.on_reply(reply),
            None => self.upload.on_lost("reset".into()),
        };
        let next = self.upload.request();
        must!(
            moved(&verdict, next) == Some(must_follow),
            "{verdict:?}, then {next:?}: should be {must_follow:?}"
        );
        self.idle += 1;
        must!(self.idle < ENOUGH, "busy with nothing");
        self.obey(&verdict)
    }

    // ---- before a request

    fn check_request(&mut self, request: Request) -> Checked<()> {
        let (bound, size) = (self.upload.bound().get(), self.setup.size);
        match (request, self.setup.start, self.record.session) {
            (Request::PutWhole, start, None) if start.is_plain() => return Ok(()),
            (Request::StartSession, start, None) if !start.is_plain() => return Ok(()),
            (Request::Query, _, Some(_)) => {
                must!(bound == self.reader.sent, "a query moves the bound");
            }
            (Request::Chunk { first, len }, _, Some(_)) => {
                self.check_chunk(first.get(), len)?;
                let end = self.reader.sent.max(first.get() + len);
                must!(bound == end, "the bound is {bound}, not {end}");
                self.reader.sent = end;
            }
            (request, start, session) => {
                return Err(format!("{request:?} for {start:?} with {session:?}"));
            }
        }
        must!(bound <= size, "the bound {bound} is beyond the file");
        if let Some((_, recorded)) = &mut self.record.session {
            *recorded = bound;
        }
        Ok(())
    }

    fn check_chunk(&self, first: u64, len: u64) -> Checked<()> {
        let end = first + len;
        must!(len > 0 && end <= self.setup.size, "{first}+{len} bytes");
        must!(len <= self.reader.largest, "{len} bytes at once");
        must!(
            len.is_multiple_of(Q) || end == self.setup.size,
            "{len} bytes, not the last"
        );
        if let (Some(session), false) = (self.server.session, self.server.lied) {
            must!(session.object.is_none(), "the session is closed");
            must!(
                first == session.held,
                "byte {first}, when {} is next",
                session.held
            );
        }
        Ok(())
    }

    // ---- after an answer

    fn obey(&mut self, verdict: &Verdict) -> Checked<Option<End>> {
        self.record.troubles = self.upload.troubles();
        must!(
            self.record.troubles == self.reader.troubles,
            "counted {:?}, not {:?}",
            self.record.troubles,
            self.reader.troubles
        );
        match verdict {
            Verdict::Continue => return Ok(None),
            Verdict::Opened(_) => {
                self.record.session = Some((0, 0));
                return Ok(None);
            }
            Verdict::Confirmed(at) | Verdict::Rewound(at) => {
                (self.idle, self.record.attempts) = (0, 0);
                self.record.session = Some((at.get(), self.upload.bound().get()));
                return Ok(None);
            }
            Verdict::Stored(evidence) => return self.stored(*evidence),
            Verdict::Park(..) => return Ok(Some(End::Parked)),
            Verdict::BackOff(_) => {}
            Verdict::NewSession(_) => self.record.session = None,
            Verdict::NewTempUpload(_) => {
                self.record.session = None;
                self.server.forget();
            }
        }
        if matches!(self.server.session, Some(session) if session.object == Some(Object::Other)) {
            // The record does not keep that a chunk's 2xx was unclear. If the server closed the session
            // with it and shows no evidence, the table's md5 is the first to tell.
            self.server.lied = true;
        }
        self.record.attempts += 1;
        self.idle = 0;
        (self.upload, self.reader) = begin(&self.setup, &self.record);
        Ok(None)
    }

    fn stored(&mut self, evidence: Evidence) -> Checked<Option<End>> {
        let whole = self.server.object == Some(Object::Whole);
        if evidence.proves(self.setup.size, &SUMS).is_ok() {
            must!(
                whole || self.server.lied,
                "stored, but not the whole file: {:?}",
                self.server
            );
            return Ok(Some(End::Stored));
        }
        must!(!whole, "the whole file is not good enough");
        let must_follow = self.reader.damaged();
        let verdict = self.upload.on_discrepancy("other".into());
        must!(
            moved(&verdict, self.upload.request()) == Some(must_follow),
            "{verdict:?}: should be {must_follow:?}"
        );
        self.obey(&verdict)
    }
}

/// The machine as it begins, from what is recorded.
fn begin(setup: &Setup, record: &Record) -> (Upload, Reader) {
    let (size, troubles) = (setup.size, record.troubles);
    let plain = setup.start.is_plain();
    let mut reader = Reader::new(size, plain, troubles);
    let upload = match record.session {
        Some((confirmed, bound)) => {
            (reader.confirmed, reader.sent) = (confirmed, bound);
            reader.attempts = record.attempts;
            let resume = Resume {
                confirmed: ByteOffset::new(confirmed),
                bound: ByteOffset::new(bound),
                attempts: record.attempts,
            };
            Upload::resume(size, CHUNK, troubles, resume)
        }
        None if plain => Upload::plain(size, troubles),
        None => Upload::resumable(size, CHUNK, troubles),
    };
    (upload, reader)
}

/// A verdict and the next request as one move. `None`: they do not go together.
fn moved(verdict: &Verdict, next: Request) -> Option<Move> {
    let goes_on_at = |at: u64| match next {
        Request::Chunk { first, .. } => first.get() == at,
        Request::Query => true,
        _ => false,
    };
    Some(match (verdict, next) {
        (Verdict::Continue, Request::StartSession) => Move::StartAgain,
        (Verdict::Continue, Request::Query) => Move::Ask,
        (Verdict::Continue, Request::Chunk { first, .. }) => Move::SendFrom(first.get()),
        (Verdict::Opened(_), _) if goes_on_at(0) => Move::Opened,
        (Verdict::Confirmed(at), _) if goes_on_at(at.get()) => Move::Confirmed(at.get()),
        (Verdict::Rewound(at), _) if goes_on_at(at.get()) => Move::Rewound(at.get()),
        (Verdict::Stored(_), _) => Move::Stored,
        (Verdict::BackOff(_), _) => Move::BackOff,
        (Verdict::NewSession(_), _) => Move::NewSession,
        (Verdict::NewTempUpload(_), _) => Move::NewTempUpload,
        (Verdict::Park(reason, _), _) => Move::Park(*reason),
        _ => return None,
    })
}

/// The whole conversation, for people.
pub(super) fn story(setup: Setup, path: &[Answer], wrong: &str) -> String {
    use std::fmt::Write as _;
    let mut caller = Caller::new(setup);
    let mut story = format!("{wrong}\n{setup:?}\n");
    let mut path = path.iter().copied();
    for _ in 0..ENOUGH * 2 {
        let request = caller.upload.request();
        let answer = path.next().unwrap_or_else(|| caller.honest());
        let turned = caller.turn(answer);
        let _ = writeln!(story, "  {request:?} ← {answer:?}: {turned:?}");
        if turned != Ok(None) {
            break;
        }
    }
    story
}
