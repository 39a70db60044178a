//! A second reading of the protocol: what each answer must lead to.
//!
//! Written from the protocol's table, row by row, as an answer to "what does a careful reader of the
//! conversation know now?". It shares no code with the machine.

use super::*;
use crate::job::ParkReason;

/// What must follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// Start the session again.
    StartAgain,
    /// Ask how far the server is.
    Ask,
    /// Send the chunk that begins here, with nothing new to record.
    SendFrom(u64),
    Opened,
    Confirmed(u64),
    Rewound(u64),
    Stored,
    BackOff,
    NewSession,
    NewTempUpload,
    Park(ParkReason),
}

/// What is known of one upload from what was sent and seen.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    pub size: u64,
    pub plain: bool,
    /// The server's last word on what it holds; at first the record's.
    pub confirmed: u64,
    /// The end of what may have been sent, by this upload or the one before the restart.
    pub sent: u64,
    /// Failures since the last progress, before this upload.
    pub attempts: u32,
    pub troubles: Troubles,
    /// No chunk may be larger: a 413 halves it.
    pub largest: u64,
    /// A 2xx before the last chunk is known to mean that all of it was taken.
    pub knows_200: bool,
    /// A chunk up to here was answered by a 2xx that has no meaning yet.
    unclear_200: Option<u64>,
    starts: u32,
    /// Chunks that brought nothing new, in a row.
    fruitless: u32,
    refused: u32,
    denied: u32,
    unreadable: u32,
    /// How often in a row it told of less than before.
    less: u32,
    rewinds: u32,
}

impl Reader {
    pub fn new(size: u64, plain: bool, troubles: Troubles) -> Self {
        Self {
            size,
            plain,
            confirmed: 0,
            sent: 0,
            attempts: 0,
            troubles,
            largest: CHUNK,
            knows_200: false,
            unclear_200: None,
            starts: 0,
            fruitless: 0,
            refused: 0,
            denied: 0,
            unreadable: 0,
            less: 0,
            rewinds: 0,
        }
    }

    /// What follows from this answer to this request.
    pub fn read(&mut self, request: Request, reply: Option<&Reply>) -> Move {
        let Some(reply) = reply else {
            return Move::BackOff;
        };
        match (request, reply.status) {
            (_, 408 | 429 | 500..=599) | (Request::PutWhole, 300..=399) => Move::BackOff,
            (Request::PutWhole, 200..=299) => Move::Stored,
            (Request::StartSession, 200..=299) if reply.session.is_some() => Move::Opened,
            (Request::StartSession, 200..=399) => {
                self.starts += 1;
                three(self.starts, Move::StartAgain, Move::NewTempUpload)
            }
            (Request::PutWhole | Request::StartSession, _) => Move::NewTempUpload,
            (Request::Query, status) => self.queried(status, reply),
            (Request::Chunk { first, len }, status) => {
                let last_word = self.confirmed;
                let follows = self.chunk_sent(first.get() + len, status, reply);
                if self.confirmed <= last_word {
                    self.fruitless += 1;
                }
                match follows {
                    Move::SendFrom(_) if self.fruitless >= 3 => Move::BackOff,
                    follows => follows,
                }
            }
        }
    }

    fn chunk_sent(&mut self, end: u64, status: u16, reply: &Reply) -> Move {
        match status {
            308 => self.holds(reply, false),
            200..=299 if end == self.size => Move::Stored,
            200..=299 if self.knows_200 => self.reaches(end),
            200..=299 => {
                self.unclear_200 = Some(end);
                Move::Ask
            }
            300..=399 => Move::Ask,
            401 | 403 => {
                self.denied += 1;
                if self.denied == 1 {
                    Move::Ask
                } else {
                    self.denied_for_good()
                }
            }
            404 | 410 | 499 => self.session_lost(),
            412 => self.damaged(),
            413 if self.largest == Q => Move::Park(ParkReason::Refused),
            413 => {
                self.largest = self.largest / 2 / Q * Q;
                Move::Ask
            }
            _ => {
                self.refused += 1;
                if self.refused == 1 {
                    Move::Ask
                } else {
                    self.session_lost()
                }
            }
        }
    }

    fn queried(&mut self, status: u16, reply: &Reply) -> Move {
        match status {
            308 => self.holds(reply, true),
            // only of what was sent as a whole; and not if an earlier chunk's 2xx may have closed it
            200..=299
                if self.sent == self.size
                    && (self.unclear_200.is_none() || reply.evidence.length == Some(self.size)) =>
            {
                Move::Stored
            }
            200..=299 => self.damaged(),
            300..=399 => Move::BackOff,
            401 | 403 => self.denied_for_good(),
            _ => self.session_lost(),
        }
    }

    /// A 308.
    fn holds(&mut self, reply: &Reply, asked: bool) -> Move {
        let says = match reply.range.as_deref() {
            None => Some(0),
            Some(range) => range
                .rsplit('-')
                .next()
                .and_then(|last| Some(last.parse::<u64>().ok()? + 1)),
        };
        let Some(holds) = says else {
            self.unreadable += 1;
            return if self.unreadable == 1 {
                Move::Ask
            } else {
                self.session_lost()
            };
        };
        self.unreadable = 0;
        if holds > self.sent {
            return self.session_lost();
        }
        if holds == self.size && self.confirmed == self.size {
            return if self.attempts < 9 {
                Move::BackOff
            } else {
                self.session_lost()
            };
        }
        if holds < self.confirmed || (!asked && reply.range.is_none()) {
            self.less += 1;
            return match (self.less, asked) {
                (1, _) | (_, false) => Move::Ask,
                (_, true) => self.rewind(holds),
            };
        }
        self.reaches(holds)
    }

    fn rewind(&mut self, to: u64) -> Move {
        self.rewinds += 1;
        self.less = 0;
        self.confirmed = to;
        if self.rewinds == 1 {
            Move::Rewound(to)
        } else {
            self.session_lost()
        }
    }

    fn reaches(&mut self, at: u64) -> Move {
        let meant = self.unclear_200.take();
        self.less = 0;
        if at == self.confirmed {
            return if self.fruitless >= 3 {
                Move::BackOff
            } else {
                Move::SendFrom(at)
            };
        }
        self.knows_200 |= meant == Some(at);
        (self.fruitless, self.refused, self.attempts) = (0, 0, 0);
        self.confirmed = at;
        Move::Confirmed(at)
    }

    /// A session that has taken nothing has not ended.
    fn denied_for_good(&mut self) -> Move {
        match self.confirmed {
            0 => Move::NewTempUpload,
            _ => self.session_ended(Move::NewTempUpload),
        }
    }

    fn session_lost(&mut self) -> Move {
        self.session_ended(Move::NewSession)
    }

    /// However it ended: the third of a version is the last.
    fn session_ended(&mut self, again: Move) -> Move {
        self.troubles.sessions_lost += 1;
        let parked = Move::Park(ParkReason::SessionsLost);
        three(self.troubles.sessions_lost, again, parked)
    }

    /// What is stored is not what was sent.
    pub fn damaged(&mut self) -> Move {
        self.troubles.corrupted += 1;
        let again = if self.plain {
            Move::NewTempUpload
        } else {
            Move::NewSession
        };
        once(
            self.troubles.corrupted,
            again,
            Move::Park(ParkReason::Corrupted),
        )
    }
}

fn once(count: u32, first: Move, then: Move) -> Move {
    if count <= 1 { first } else { then }
}

fn three(count: u32, before: Move, third: Move) -> Move {
    if count < 3 { before } else { third }
}
