//! The truth: a server that knows which bytes it holds, whatever it says about them.

use super::answers::{Answer, Says, Takes};
use super::*;
use crate::job::{Md5, SessionUrl, Sums};

/// What became of the file on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Object {
    Whole,
    Other,
}

/// A session holds a prefix of the file. A chunk begins where the client says it does: bytes that it
/// holds already are passed over, and after a gap nothing is taken.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Session {
    pub held: u64,
    /// No byte at or after this position ever left the client in this session.
    pub sent: u64,
    pub object: Option<Object>,
}

#[derive(Clone, Debug)]
pub(super) struct Server {
    size: u64,
    /// Whether a 2xx comes with length and checksums.
    tells: bool,
    pub session: Option<Session>,
    /// What the temporary upload holds.
    pub object: Option<Object>,
    /// It said what was not so, and what follows from that is its own doing.
    pub lied: bool,
}

pub(super) const SUMS: Sums = Sums {
    crc32c: 7,
    md5: Some(Md5([1; 16])),
};

impl Server {
    pub fn new(size: u64, tells: bool) -> Self {
        Self {
            size,
            tells,
            session: None,
            object: None,
            lied: false,
        }
    }

    /// A new temporary upload knows nothing of the one before.
    pub fn forget(&mut self) {
        *self = Self::new(self.size, self.tells);
    }

    /// What an honest server that has nothing else to do answers.
    pub fn honest(&self, request: Request) -> Answer {
        let done = Answer::new(Takes::All, Says::Success);
        match (request, self.session) {
            (Request::PutWhole, _) => done,
            (Request::StartSession, _) => Answer::says(Says::Session),
            (_, None) => Answer::says(Says::Status(404)),
            (Request::Query, Some(session)) if session.object.is_some() => done,
            (Request::Query, Some(session)) if session.held == self.size => done,
            (Request::Query, Some(_)) => Answer::says(Says::Truth),
            (Request::Chunk { .. }, Some(session)) if session.object.is_some() => {
                Answer::says(Says::Status(400))
            }
            (Request::Chunk { first, len }, Some(session))
                if first.get() <= session.held && first.get() + len == self.size =>
            {
                done
            }
            (Request::Chunk { .. }, Some(_)) => Answer::new(Takes::All, Says::Truth),
        }
    }

    /// Does what the answer stands for and puts it into words. `None`: it is lost on the way.
    /// `knows_200`: the client was taught that a 2xx to any chunk means that all of it is stored.
    pub fn answer(&mut self, request: Request, answer: Answer, knows_200: bool) -> Option<Reply> {
        let before = self.held();
        self.act(request, answer.takes);
        let last = match request {
            Request::Chunk { first, len } => first.get() + len == self.size,
            _ => true,
        };
        Some(match answer.says {
            Says::Truth => holds(self.held()),
            Says::Loses(quanta) => {
                let rest = before.saturating_sub(quanta.saturating_mul(Q));
                if let Some(session) = &mut self.session {
                    session.held = rest;
                }
                holds(rest)
            }
            Says::Stale(quanta) => {
                self.lied = true;
                holds(before.saturating_sub(quanta.saturating_mul(Q)))
            }
            Says::Beyond => {
                let sent = self.session.map_or(0, |session| session.sent);
                holds(sent.max(self.held()) + 1)
            }
            Says::Malformed => Reply {
                range: Some("bytes=0-".into()),
                ..reply(308)
            },
            Says::Success if last => self.success(),
            Says::Success => {
                self.lied |= knows_200 && answer.takes != Takes::All;
                reply(200)
            }
            Says::ClosedEarly => {
                self.make_object();
                self.lied |= knows_200;
                reply(200)
            }
            Says::Wrong(wrong) => self.stored_other(wrong),
            Says::Session => self.opened(201),
            Says::Redirected(code) => Reply {
                session: Some(SessionUrl::new("elsewhere")),
                ..reply(code)
            },
            Says::Status(code) => {
                if matches!(code, 404 | 410 | 499) {
                    self.session = None;
                }
                reply(code)
            }
            Says::Done(code) => {
                if last && self.session.is_some() && self.held() == self.size {
                    self.make_object();
                }
                return code.map(reply);
            }
        })
    }

    fn held(&self) -> u64 {
        self.session.map_or(0, |session| session.held)
    }

    fn act(&mut self, request: Request, takes: Takes) {
        match (request, takes) {
            (Request::PutWhole, Takes::All) => self.object = Some(Object::Whole),
            (Request::Chunk { first, len }, _) => self.take(first.get(), len, takes),
            (Request::Query, Takes::Late) => {
                if let Some(session) = &mut self.session {
                    session.held = session.held.max(session.sent);
                }
            }
            (Request::Query, Takes::All) => self.make_object(),
            _ => {}
        }
    }

    fn take(&mut self, first: u64, len: u64, takes: Takes) {
        let Some(session) = &mut self.session else {
            return;
        };
        let new = match takes {
            Takes::All => len,
            Takes::Part => len / 2 / Q * Q,
            Takes::Odd => len / 3,
            Takes::Nothing | Takes::Late => 0,
        };
        session.sent = session.sent.max(first + len);
        if first <= session.held && session.object.is_none() {
            session.held = session.held.max(first + new);
        }
    }

    fn make_object(&mut self) {
        let held = self.session.map_or(self.size, |session| session.held);
        let made = if held == self.size {
            Object::Whole
        } else {
            Object::Other
        };
        let before = self.session.map_or(self.object, |session| session.object);
        self.put_object(before.unwrap_or(made));
    }

    fn put_object(&mut self, object: Object) {
        self.object = Some(object);
        if let Some(session) = &mut self.session {
            session.object = self.object;
        }
    }

    fn opened(&mut self, status: u16) -> Reply {
        self.session = Some(Session::default());
        Reply {
            session: Some(SessionUrl::new("s")),
            ..reply(status)
        }
    }

    fn success(&mut self) -> Reply {
        self.make_object();
        let mut evidence = Evidence::default();
        if self.tells {
            evidence = self.evidence();
            if self.object == Some(Object::Other) {
                evidence.length = Some(self.held());
                evidence.crc32c = Some(!SUMS.crc32c);
            }
        }
        Reply {
            evidence,
            ..reply(200)
        }
    }

    fn stored_other(&mut self, wrong: fn(&mut Evidence)) -> Reply {
        self.put_object(Object::Other);
        let mut evidence = self.evidence();
        wrong(&mut evidence);
        Reply {
            evidence,
            ..reply(200)
        }
    }

    fn evidence(&self) -> Evidence {
        Evidence {
            length: Some(self.size),
            crc32c: Some(SUMS.crc32c),
            md5: SUMS.md5,
        }
    }
}

fn reply(status: u16) -> Reply {
    Reply {
        status,
        ..Reply::default()
    }
}

fn holds(bytes: u64) -> Reply {
    Reply {
        range: bytes.checked_sub(1).map(|last| format!("bytes=0-{last}")),
        ..reply(308)
    }
}
