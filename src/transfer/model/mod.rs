//! All short conversations, held against a small model of the truth.
//!
//! After every sequence of up to three answers, drawn from all classes of the protocol, the server
//! becomes honest. Then this must be so:
//!
//! - a chunk begins at the byte that the server needs next, as long as the server told no lie;
//! - nothing is believed that was not said: each offset, each move, each leave has its reason in
//!   the answers so far, by a second reading of the protocol (`reader`);
//! - no byte beyond the recorded bound is ever sent;
//! - *stored* is said only of the whole file, or of something that its evidence gives away;
//! - no request is repeated more than a few times, and each upload ends after few requests;
//! - the file arrives whole in the end, however often the caller begins again from its record, or it
//!   is parked for one of the three reasons, each counted.

mod answers;
mod caller;
mod reader;
mod server;

use self::answers::Answer;
use self::caller::{Caller, Setup, Start};
use super::*;
use crate::job::Troubles;

const Q: u64 = CHUNK_QUANTUM;
/// The largest chunk of all uploads here.
const CHUNK: u64 = 2 * Q;
/// More requests than any end needs, and than any upload may send without a new byte.
const ENOUGH: u32 = 16;

/// Where conversations begin.
fn setups() -> Vec<Setup> {
    let mut setups = Vec::new();
    for size in [0, 1, Q, CHUNK, 3 * Q, 3 * Q + 1, 4 * Q] {
        setups.push(Setup::new(size, Start::Resumable));
        setups.push(Setup::new(size, Start::Opened));
    }
    for size in [0, 1, 4 * Q] {
        setups.push(Setup::new(size, Start::Plain));
    }
    for (size, held, confirmed, bound) in [
        (0, 0, 0, 0),
        (1, 0, 0, 1),
        (1, 1, 0, 1),
        // nothing, part and all of the first chunk arrived; the last two: more was recorded as sent
        (4 * Q, 0, 0, 2 * Q),
        (4 * Q, Q, 0, 2 * Q),
        (4 * Q, 2 * Q, 0, 2 * Q),
        (4 * Q, 2 * Q, 2 * Q, 4 * Q),
        (3 * Q + 1, 2 * Q, 0, 3 * Q + 1),
        // it lost bytes that it had confirmed
        (4 * Q, Q, 2 * Q, 4 * Q),
        (4 * Q, 0, 2 * Q, 4 * Q),
        // all bytes are there
        (4 * Q, 4 * Q, 2 * Q, 4 * Q),
        (4 * Q, 4 * Q, 4 * Q, 4 * Q),
    ] {
        let resumed = Start::Resumed {
            held,
            confirmed,
            bound,
        };
        setups.push(Setup::new(size, resumed));
    }
    // a server that says "stored" and nothing else must not be believed more
    let silent: Vec<_> = setups.iter().map(|setup| setup.silent()).collect();
    setups.extend(silent);
    setups
}

/// What remains of an upload that has had trouble already.
fn weary(setups: Vec<Setup>) -> Vec<Setup> {
    let had = |setup: Setup, sessions_lost, corrupted, attempts| Setup {
        troubles: Troubles {
            sessions_lost,
            corrupted,
        },
        attempts,
        ..setup
    };
    setups
        .into_iter()
        .flat_map(|setup| {
            [
                had(setup, 2, 0, 8),
                had(setup, 0, 1, 9),
                had(setup, 2, 1, 20),
            ]
        })
        .collect()
}

/// Tries every sequence of `depth` answers.
struct Search {
    every_status: bool,
    path: Vec<Answer>,
    conversations: u64,
}

impl Search {
    fn run(setups: &[Setup], depth: usize, every_status: bool) -> u64 {
        let mut search = Self {
            every_status,
            path: Vec::new(),
            conversations: 0,
        };
        for setup in setups {
            if let Err(wrong) = search.descend(&Caller::new(*setup), depth) {
                panic!("{}", caller::story(*setup, &search.path, &wrong));
            }
        }
        search.conversations
    }

    fn descend(&mut self, caller: &Caller, depth: usize) -> Result<(), String> {
        if depth == 0 {
            self.conversations += 1;
            return caller.clone().finish();
        }
        for answer in caller.answers(self.every_status) {
            self.path.push(answer);
            let mut next = caller.clone();
            if next.turn(answer)?.is_some() {
                self.conversations += 1;
            } else {
                self.descend(&next, depth - 1)?;
            }
            self.path.pop();
        }
        Ok(())
    }
}

#[test]
fn after_any_three_answers_the_file_still_arrives_whole_and_nothing_is_claimed_without_proof() {
    let conversations = Search::run(&setups(), 3, false);
    println!("{conversations} conversations");
    assert!(conversations > 100_000, "{conversations}");
}

#[test]
fn every_status_is_read_as_its_class_is() {
    let conversations = Search::run(&setups(), 2, true) + Search::run(&weary(setups()), 1, true);
    println!("{conversations} conversations");
}

#[test]
fn an_upload_that_had_trouble_before_is_parked_in_time_and_not_too_early() {
    let conversations = Search::run(&weary(setups()), 2, false);
    println!("{conversations} conversations");
}

#[test]
#[ignore = "takes minutes: `cargo test --release --lib transfer::model -- --ignored --nocapture`"]
fn after_any_four_answers_the_file_still_arrives_whole() {
    println!("{} conversations", Search::run(&setups(), 4, false));
    println!("{} conversations", Search::run(&weary(setups()), 3, false));
}

/// Delays between uploads are the caller's; an upload itself may not be kept busy.
#[test]
fn no_answers_that_repeat_for_ever_keep_an_upload_busy() {
    let mut conversations = 0;
    for start in [Start::Opened, Start::Resumable] {
        let setup = Setup::new(4 * Q, start);
        // which of the answers, by turns, to a chunk; and to everything else
        for chunk in 0..30 {
            for other in 0..30 {
                for third in 0..30 {
                    if third >= chunk {
                        hear_for_ever(setup, [[chunk, third], [other, other]]);
                    }
                    if third > other {
                        hear_for_ever(setup, [[chunk, chunk], [other, third]]);
                    }
                    conversations += u32::from(third >= chunk) + u32::from(third > other);
                }
            }
        }
    }
    println!("{conversations} conversations");
}

fn hear_for_ever(setup: Setup, word: [[usize; 2]; 2]) {
    let mut caller = Caller::new(setup);
    let mut path = Vec::new();
    for turn in 0..2 * ENOUGH as usize {
        let answers = caller.answers(false);
        let [chunk, other] = word.map(|by_turns| by_turns[turn % 2] % answers.len());
        let answer = answers[if caller.sends_a_chunk() { chunk } else { other }];
        path.push(answer);
        match caller.turn(answer) {
            Ok(None) => {}
            Ok(Some(_)) => return,
            Err(wrong) => panic!("{}", caller::story(setup, &path, &wrong)),
        }
    }
}
