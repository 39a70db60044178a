//! Every class of answer that the protocol knows, as a deed and what is said about it.

use super::server::Session;
use super::*;
use crate::job::Md5;

/// What the server does with the bytes of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Nothing,
    /// Half of them, in whole quanta.
    Part,
    /// A number that is no multiple of a quantum.
    Odd,
    All,
    /// Asked how far it is: what was sent before has arrived meanwhile.
    Late,
}

/// What it says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Says {
    /// 308 with what it holds; without `Range` if that is nothing.
    Truth,
    /// It loses so many quanta of what it held, and its 308 says so.
    Loses(u64),
    /// Its 308 tells of so many quanta less than it held: an old state.
    Stale(u64),
    /// 308 with a byte that was never sent.
    Beyond,
    /// 308 with a `Range` that says nothing.
    Malformed,
    /// 2xx: the object is made, or, before the last chunk, "accepted".
    Success,
    /// 2xx before the last chunk, and the object is made of what is there.
    ClosedEarly,
    /// 2xx, and the evidence shows that something else was stored.
    Wrong(fn(&mut Evidence)),
    /// 2xx with a usable `Location`.
    Session,
    /// 3xx with a usable `Location`.
    Redirected(u16),
    /// Any other answer.
    Status(u16),
    /// The object is made if all bytes are there, but what the client sees is this status, or
    /// that the answer is lost.
    Done(Option<u16>),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub takes: Takes,
    pub says: Says,
}

impl Answer {
    pub const fn new(takes: Takes, says: Says) -> Self {
        Self { takes, says }
    }

    /// For a request whose bytes are nowhere.
    pub const fn says(says: Says) -> Self {
        Self::new(Nothing, says)
    }
}

use Says::*;
use Takes::*;

const LOST: Says = Done(None);
const WRONG: [Says; 3] = [
    Wrong(|evidence| evidence.length = evidence.length.map(|length| length + 1)),
    Wrong(|evidence| evidence.crc32c = Some(8)),
    Wrong(|evidence| evidence.md5 = Some(Md5([2; 16]))),
];

/// One status of each class of answers that have no words of their own.
const CLASSES: &[u16] = &[302, 400, 403, 404, 412, 413, 503];
/// All the others that the protocol names, and some that it does not.
const OTHERS: &[u16] = &[
    103, 300, 301, 303, 304, 307, 401, 402, 405, 408, 409, 410, 411, 416, 418, 422, 425, 428, 429,
    431, 451, 499, 500, 501, 502, 504, 507, 511, 599,
];

/// All answers to a request, each once. `every_status`: not only one of each class.
pub(super) fn answers(
    request: Request,
    size: u64,
    session: Option<Session>,
    every_status: bool,
) -> Vec<Answer> {
    let mut answers = Vec::with_capacity(64);
    let mut add = |takes, says: &[Says]| {
        answers.extend(says.iter().map(|says| Answer::new(takes, *says)));
    };
    let others = if every_status { OTHERS } else { &[] };
    for status in CLASSES.iter().chain(others) {
        add(Nothing, &[Status(*status)]);
    }
    let session = session.unwrap_or_default();
    match request {
        Request::PutWhole => {
            add(All, &[Success, Done(Some(503)), LOST, Truth]);
            add(All, &WRONG);
            add(Nothing, &[Done(None)]);
        }
        Request::StartSession => {
            add(Nothing, &[Session, Redirected(302), Redirected(308)]);
            add(Nothing, &[Status(200), Truth, LOST]);
        }
        Request::Query => {
            add(Nothing, &[LOST, Beyond, Malformed, Stale(u64::MAX)]);
            add(All, &WRONG[..1]);
            if session.held > Q {
                add(Nothing, &[Stale(1)]);
            }
            if session.held == size || session.object.is_some() {
                add(All, &[Success, LOST]);
            }
            // what is closed loses nothing and gains nothing
            if session.object.is_none() {
                add(Nothing, &[Truth, Loses(1), Loses(u64::MAX)]);
                add(Late, &[Truth]);
            }
        }
        Request::Chunk { first, len } => {
            let last = first.get() + len == size;
            add(All, &[Truth, Success, Done(Some(503)), LOST]);
            add(All, &[Beyond, Malformed, Stale(u64::MAX)]);
            add(Nothing, &[Truth, LOST]);
            add(Odd, &[Truth]);
            if len >= 2 * Q {
                add(Part, &[Truth, Status(503), LOST, Malformed]);
            }
            if first.get() > 0 {
                add(Nothing, &[Loses(1), Loses(u64::MAX), Stale(1)]);
            }
            if last {
                add(All, &WRONG);
            } else {
                add(All, &[ClosedEarly]);
                add(Part, &[Success]);
                add(Nothing, &[Success]);
            }
        }
    }
    answers
}
