//! Every row of the protocol as a case.
//!
//! A case is a conversation: what the machine sends, what it sees, what it makes of it. Sizes are
//! counted in chunk quanta (256 KiB): the file has 4 quanta, a chunk 2, unless the case says so.
//! `held n` is a 308 whose `Range` covers n quanta.

use super::*;
use crate::job::{ByteOffset, ParkReason, SessionUrl, Troubles};

const Q: u64 = CHUNK_QUANTUM;

/// What the machine sees.
#[derive(Clone, Copy, Debug)]
enum Seen {
    Status(u16),
    Session,
    Held(u64),
    HeldBytes(u64),
    HeldNothing,
    HeldNonsense,
    StoredOther,
    Lost,
}
use Seen::*;

mod causes;
mod endings;
mod rows;

fn reply(seen: Seen) -> Option<Reply> {
    let held = |bytes: u64| Reply {
        status: 308,
        range: Some(format!("bytes=0-{}", bytes.wrapping_sub(1))),
        ..Reply::default()
    };
    Some(match seen {
        Status(status) => Reply {
            status,
            ..Reply::default()
        },
        Session => Reply {
            status: 201,
            session: Some(SessionUrl::new("s")),
            ..Reply::default()
        },
        Held(quanta) => held(quanta * Q),
        HeldBytes(bytes) => held(bytes),
        HeldNothing => Reply {
            status: 308,
            ..Reply::default()
        },
        HeldNonsense => Reply {
            status: 308,
            range: Some("bytes=7-9".into()),
            ..Reply::default()
        },
        StoredOther => Reply {
            status: 200,
            evidence: Evidence {
                length: Some(1),
                ..Evidence::default()
            },
            ..Reply::default()
        },
        Lost => return None,
    })
}

fn sent(request: Request) -> String {
    match request {
        Request::PutWhole => "put".into(),
        Request::StartSession => "start".into(),
        Request::Query => "query".into(),
        Request::Chunk { first, len } => format!("chunk {}+{}", quanta(first.get()), quanta(len)),
    }
}

fn quanta(bytes: u64) -> String {
    if bytes.is_multiple_of(Q) {
        (bytes / Q).to_string()
    } else {
        format!("{bytes}B")
    }
}

fn made(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Continue => "continue".into(),
        Verdict::Opened(_) => "opened".into(),
        Verdict::Confirmed(at) => format!("confirmed {}", quanta(at.get())),
        Verdict::Rewound(at) => format!("rewound {}", quanta(at.get())),
        Verdict::Stored(_) => "stored".into(),
        Verdict::BackOff(_) => "back off".into(),
        Verdict::NewSession(_) => "new session".into(),
        Verdict::NewTempUpload(_) => "new temp upload".into(),
        Verdict::Park(reason, _) => format!("park {reason}"),
    }
}

/// (sent, seen, made of it)
type Turn = (&'static str, Seen, &'static str);

fn talk(row: &str, upload: &mut Upload, turns: &[Turn]) {
    for (at, (wants, seen, makes)) in turns.iter().enumerate() {
        assert_eq!(sent(upload.request()), *wants, "{row}: turn {at} sends");
        let verdict = match reply(*seen) {
            Some(reply) => upload.on_reply(&reply),
            None => upload.on_lost("reset".into()),
        };
        assert_eq!(made(&verdict), *makes, "{row}: turn {at}, {seen:?}");
    }
}

fn fresh() -> Upload {
    Upload::resumable(4 * Q, 2 * Q, Troubles::default())
}

fn interrupted(confirmed: u64, bound: u64) -> Upload {
    interrupted_after(confirmed, bound, 0)
}

fn interrupted_after(confirmed: u64, bound: u64, attempts: u32) -> Upload {
    let resume = Resume {
        confirmed: ByteOffset::new(confirmed * Q),
        bound: ByteOffset::new(bound * Q),
        attempts,
    };
    Upload::resume(4 * Q, 2 * Q, Troubles::default(), resume)
}

const OPEN: Turn = ("start", Session, "opened");
const FIRST: Turn = ("chunk 0+2", Held(2), "confirmed 2");

#[test]
fn a_server_that_says_200_to_every_chunk_is_asked_once_only() {
    let mut upload = Upload::resumable(6 * Q, 2 * Q, Troubles::default());
    talk(
        "200",
        &mut upload,
        &[
            OPEN,
            ("chunk 0+2", Status(200), "continue"),
            ("query", Held(2), "confirmed 2"),
            ("chunk 2+2", Status(200), "confirmed 4"),
            ("chunk 4+2", Status(200), "stored"),
        ],
    );
}

#[test]
fn the_last_chunk_is_done_only_when_the_server_says_2xx() {
    for (row, turns) in [
        ("2xx", &[("chunk 2+2", Status(201), "stored")][..]),
        (
            "308 with all bytes is no success",
            &[
                ("chunk 2+2", Held(4), "confirmed 4"),
                ("query", Held(4), "back off"),
            ],
        ),
        (
            "308 with all bytes, then the object is made",
            &[
                ("chunk 2+2", Held(4), "confirmed 4"),
                ("query", Status(200), "stored"),
            ],
        ),
        (
            "308 with fewer",
            &[
                ("chunk 2+2", Held(3), "confirmed 3"),
                ("chunk 3+1", Status(200), "stored"),
            ],
        ),
        (
            "a reset after all was sent",
            &[("chunk 2+2", Lost, "back off")],
        ),
        ("412", &[("chunk 2+2", Status(412), "new session")]),
    ] {
        let mut upload = fresh();
        talk(row, &mut upload, &[OPEN, FIRST]);
        talk(row, &mut upload, turns);
    }
}

#[test]
fn an_interrupted_session_asks_first() {
    for (row, mut upload, turns) in [
        (
            "goes on",
            interrupted(1, 3),
            &[
                ("query", Held(2), "confirmed 2"),
                ("chunk 2+2", Status(200), "stored"),
            ][..],
        ),
        (
            "where it was",
            interrupted(2, 4),
            &[
                ("query", Held(2), "continue"),
                ("chunk 2+2", Status(200), "stored"),
            ],
        ),
        (
            "complete meanwhile",
            interrupted(2, 4),
            &[("query", Status(200), "stored")],
        ),
        (
            "complete, but the last byte was never sent",
            interrupted(1, 3),
            &[("query", Status(200), "new session")],
        ),
        (
            "beyond what can have been sent",
            interrupted(1, 3),
            &[("query", Held(4), "new session")],
        ),
        (
            "less than it had confirmed",
            interrupted(2, 4),
            &[
                ("query", Held(1), "continue"),
                ("query", Held(1), "rewound 1"),
            ],
        ),
        (
            "400",
            interrupted(2, 4),
            &[("query", Status(400), "new session")],
        ),
        (
            "404",
            interrupted(2, 4),
            &[("query", Status(404), "new session")],
        ),
        (
            "410",
            interrupted(2, 4),
            &[("query", Status(410), "new session")],
        ),
        (
            "499",
            interrupted(2, 4),
            &[("query", Status(499), "new session")],
        ),
        (
            "503 never falls back to 0",
            interrupted(2, 4),
            &[("query", Status(503), "back off")],
        ),
        (
            "429",
            interrupted(2, 4),
            &[("query", Status(429), "back off")],
        ),
        ("lost", interrupted(2, 4), &[("query", Lost, "back off")]),
        (
            "302",
            interrupted(2, 4),
            &[("query", Status(302), "back off")],
        ),
        (
            "403",
            interrupted(2, 4),
            &[("query", Status(403), "new temp upload")],
        ),
        (
            "all in, no object yet",
            interrupted(4, 4),
            &[("query", Held(4), "back off")],
        ),
        (
            "all in, no object for five minutes",
            interrupted_after(4, 4, 9),
            &[("query", Held(4), "new session")],
        ),
    ] {
        talk(row, &mut upload, turns);
    }
}

#[test]
fn a_plain_put_is_all_or_nothing() {
    for (row, turn) in [
        ("2xx", ("put", Status(201), "stored")),
        ("408", ("put", Status(408), "back off")),
        ("429", ("put", Status(429), "back off")),
        ("503", ("put", Status(503), "back off")),
        ("lost", ("put", Lost, "back off")),
        ("308 is no success", ("put", Held(4), "back off")),
        ("302 is no success", ("put", Status(302), "back off")),
        ("400", ("put", Status(400), "new temp upload")),
        ("403", ("put", Status(403), "new temp upload")),
        ("404", ("put", Status(404), "new temp upload")),
    ] {
        talk(row, &mut Upload::plain(4 * Q, Troubles::default()), &[turn]);
    }
}

#[test]
fn an_empty_file_in_a_session_is_completed_by_the_query() {
    let mut upload = Upload::resumable(0, Q, Troubles::default());
    talk(
        "empty",
        &mut upload,
        &[OPEN, ("query", HeldNothing, "back off")],
    );
    let mut upload = Upload::resumable(0, Q, Troubles::default());
    talk(
        "empty",
        &mut upload,
        &[OPEN, ("query", Status(200), "stored")],
    );
}

#[test]
fn a_size_that_is_not_a_multiple_ends_with_a_short_chunk() {
    let mut upload = Upload::resumable(2 * Q + 1, 2 * Q, Troubles::default());
    talk(
        "short",
        &mut upload,
        &[OPEN, FIRST, ("chunk 2+1B", Status(200), "stored")],
    );
}

#[test]
fn the_second_damaged_upload_of_a_version_parks_it() {
    let mut upload = fresh();
    talk(
        "first",
        &mut upload,
        &[OPEN, FIRST, ("chunk 2+2", StoredOther, "stored")],
    );
    assert!(matches!(
        upload.on_discrepancy("size".into()),
        Verdict::NewSession(_)
    ));
    let mut again = Upload::resumable(4 * Q, 2 * Q, upload.troubles());
    talk(
        "second",
        &mut again,
        &[OPEN, FIRST, ("chunk 2+2", StoredOther, "stored")],
    );
    let parked = again.on_discrepancy("size".into());
    assert!(matches!(parked, Verdict::Park(ParkReason::Corrupted, _)));
}

#[test]
fn the_bound_covers_the_chunk_about_to_be_sent_and_never_shrinks() {
    let mut upload = fresh();
    talk("open", &mut upload, &[OPEN]);
    assert_eq!(upload.bound(), ByteOffset::new(2 * Q));
    talk("first", &mut upload, &[FIRST]);
    assert_eq!(upload.bound(), ByteOffset::new(4 * Q));
    talk(
        "back",
        &mut upload,
        &[
            ("chunk 2+2", Held(1), "continue"),
            ("query", Held(1), "rewound 1"),
        ],
    );
    assert_eq!(upload.bound(), ByteOffset::new(4 * Q));
}

#[test]
fn chunks_grow_while_all_is_well_and_begin_small_after_a_restart() {
    const MIB: u64 = 1 << 20;
    let held = |bytes: u64| Reply {
        status: 308,
        range: Some(format!("bytes=0-{}", bytes - 1)),
        ..Reply::default()
    };
    let sizes = |upload: &mut Upload| {
        let mut sizes = Vec::new();
        while let Request::Chunk { first, len } = upload.request() {
            sizes.push(len / MIB);
            assert!(sizes.len() < 10, "{sizes:?}");
            upload.on_reply(&held(first.get() + len));
        }
        sizes
    };
    let mut upload = Upload::resumable(100 * MIB, 32 * MIB, Troubles::default());
    talk("open", &mut upload, &[OPEN]);
    assert_eq!(sizes(&mut upload), [8, 16, 32, 32, 12]);
    let zero = ByteOffset::ZERO;
    let resume = Resume {
        confirmed: zero,
        bound: zero,
        attempts: 1,
    };
    let mut upload = Upload::resume(100 * MIB, 32 * MIB, Troubles::default(), resume);
    upload.on_reply(&Reply {
        status: 308,
        ..Reply::default()
    });
    assert_eq!(sizes(&mut upload), [8, 16, 32, 32, 12]);
}
