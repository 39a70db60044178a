//! What the server does wrong while the daemon is killed.

use redivis_drop::sandbox::{Action, Answer, Call, Fault, When};

use crate::chance::Chance;

/// The size of a chunk.
const CHUNK: u64 = 256 * 1024;

/// A fault, of all kinds that a file survives.
pub fn fault(chance: &mut Chance) -> Fault {
    let skip = u32::try_from(chance.within(0..3)).unwrap();
    let (call, action) = match chance.within(0..22) {
        0 => (Call::Chunk, Action::CutAfter(chance.within(0..CHUNK))),
        1 => (Call::Chunk, Action::CutBeforeReply),
        2 => (Call::Chunk, Action::PersistOnly(chance.within(0..CHUNK))),
        3 => (Call::Chunk, status(503)),
        4 => (
            Call::Chunk,
            Action::ExpireSession(chance.one_of(&[404, 410])),
        ),
        5 => (Call::Chunk, Action::WrongRange(None)),
        6 => (Call::Chunk, Action::AcceptChunkWith200),
        7 => (Call::Chunk, stall(chance)),
        8 => (Call::Chunk, Action::WrongHash),
        9 => (Call::Query, Action::CutBeforeReply),
        10 => (Call::Query, Action::ExpireSession(404)),
        11 => (Call::Query, status(503)),
        12 => (Call::Start, chance.one_of(&[503, 429]).pipe(status)),
        13 => (Call::Start, Action::CutBeforeReply),
        14 => (Call::Put, Action::CutAfter(chance.within(0..20_000))),
        15 => (Call::Put, chance.one_of(&[503, 308, 302]).pipe(status)),
        16 => (Call::Put, Action::CutBeforeReply),
        17 => (Call::TempUploads, chance.one_of(&[503, 429]).pipe(status)),
        18 => (Call::TempUploads, Action::CutBeforeReply),
        19 => (Call::RawFiles, chance.one_of(&[503, 429, 302]).pipe(status)),
        // the one that matters most
        20 => (Call::RawFiles, lost_answer(chance)),
        _ => (Call::List, chance.one_of(&[503, 429]).pipe(status)),
    };
    Fault::new(call, action).skip(skip)
}

/// The registration is made, and nobody hears of it.
fn lost_answer(chance: &mut Chance) -> Action {
    match chance.within(0..4) {
        0 => Action::Answer(Answer::status(503).when(When::AfterPerforming)),
        1 => Action::DropResult,
        _ => Action::CutBeforeReply,
    }
}

fn status(status: u16) -> Action {
    Action::Answer(Answer::status(status))
}

fn stall(chance: &mut Chance) -> Action {
    Action::Stall {
        after: chance.within(0..CHUNK),
        seconds: Some(0.1),
    }
}

trait Pipe: Sized {
    fn pipe<T>(self, into: impl FnOnce(Self) -> T) -> T {
        into(self)
    }
}

impl Pipe for u16 {}
