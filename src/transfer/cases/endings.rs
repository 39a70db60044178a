//! Sessions that end before the upload is complete, and how many of them a version has.

use super::*;

fn lost(sessions_lost: u32) -> Troubles {
    Troubles {
        sessions_lost,
        ..Troubles::default()
    }
}

fn new(troubles: Troubles) -> Upload {
    Upload::resumable(4 * Q, 2 * Q, troubles)
}

fn resumed(confirmed: u64, attempts: u32, troubles: Troubles) -> Upload {
    let resume = Resume {
        confirmed: ByteOffset::new(confirmed * Q),
        bound: ByteOffset::new(4 * Q),
        attempts,
    };
    Upload::resume(4 * Q, 2 * Q, troubles, resume)
}

fn half(troubles: Troubles) -> Upload {
    resumed(2, 0, troubles)
}

/// All bytes are in, and it was asked for the object for minutes.
fn full_for_long(troubles: Troubles) -> Upload {
    resumed(4, 9, troubles)
}

fn full(troubles: Troubles) -> Upload {
    resumed(4, 8, troubles)
}

/// What it is called, how it begins, what is said first, and the last word.
type Row = (&'static str, fn(Troubles) -> Upload, &'static [Turn], Turn);

#[test]
fn the_third_vanished_session_of_a_version_parks_it() {
    let mut upload = new(lost(2));
    talk(
        "third",
        &mut upload,
        &[OPEN, ("chunk 0+2", Status(404), "park sessions-lost")],
    );
}

#[test]
fn a_session_counts_as_vanished_whatever_ended_it() {
    let rows: [Row; 8] = [
        (
            "gone",
            new,
            &[OPEN, FIRST],
            ("chunk 2+2", Status(410), "new session"),
        ),
        (
            "all in, and the object is never made",
            full_for_long,
            &[],
            ("query", Held(4), "new session"),
        ),
        (
            "beyond what was sent",
            new,
            &[OPEN],
            ("chunk 0+2", Held(3), "new session"),
        ),
        (
            "a malformed Range, twice",
            new,
            &[OPEN, FIRST, ("chunk 2+2", HeldNonsense, "continue")],
            ("query", HeldNonsense, "new session"),
        ),
        (
            "less than it had said, twice",
            new,
            &[
                OPEN,
                FIRST,
                ("chunk 2+2", Held(1), "continue"),
                ("query", Held(1), "rewound 1"),
                ("chunk 1+2", HeldNothing, "continue"),
            ],
            ("query", HeldNothing, "new session"),
        ),
        (
            "a chunk and its query are denied",
            new,
            &[OPEN, FIRST, ("chunk 2+2", Status(403), "continue")],
            ("query", Status(403), "new temp upload"),
        ),
        (
            "chunks are denied, and the query is not",
            new,
            &[
                OPEN,
                FIRST,
                ("chunk 2+2", Status(401), "continue"),
                ("query", Held(2), "continue"),
            ],
            ("chunk 2+2", Status(401), "new temp upload"),
        ),
        (
            "a query after a restart is denied",
            half,
            &[],
            ("query", Status(401), "new temp upload"),
        ),
    ];
    for (row, begin, before, (sends, seen, made_before)) in rows {
        for (ended, makes) in [
            (0, made_before),
            (1, made_before),
            (2, "park sessions-lost"),
        ] {
            let mut upload = begin(lost(ended));
            talk(row, &mut upload, before);
            talk(row, &mut upload, &[(sends, seen, makes)]);
            assert_eq!(upload.troubles(), lost(ended + 1), "{row}");
        }
    }
}

#[test]
fn what_may_pass_or_is_counted_elsewhere_is_no_lost_session() {
    let rows: [Row; 10] = [
        (
            "a lost chunk",
            new,
            &[OPEN, FIRST],
            ("chunk 2+2", Lost, "back off"),
        ),
        ("a lost query", half, &[], ("query", Lost, "back off")),
        (
            "a lost query of a full one",
            full_for_long,
            &[],
            ("query", Lost, "back off"),
        ),
        (
            "a busy chunk",
            new,
            &[OPEN, FIRST],
            ("chunk 2+2", Status(503), "back off"),
        ),
        (
            "a busy query",
            half,
            &[],
            ("query", Status(429), "back off"),
        ),
        (
            "a busy query of a full one",
            full_for_long,
            &[],
            ("query", Status(503), "back off"),
        ),
        ("a redirect", half, &[], ("query", Status(302), "back off")),
        (
            "all in, and the object may still come",
            full,
            &[],
            ("query", Held(4), "back off"),
        ),
        (
            "no session was opened",
            new,
            &[],
            ("start", Status(403), "new temp upload"),
        ),
        (
            "damaged",
            new,
            &[OPEN, FIRST],
            ("chunk 2+2", Status(412), "new session"),
        ),
    ];
    for (row, begin, before, last) in rows {
        let mut upload = begin(lost(2));
        talk(row, &mut upload, before);
        talk(row, &mut upload, &[last]);
        assert_eq!(upload.troubles().sessions_lost, 2, "{row}");
    }
}

#[test]
fn what_ended_the_last_session_is_the_cause() {
    let mut upload = full_for_long(lost(2));
    let verdict = reply(Held(4)).map(|said| upload.on_reply(&said));
    assert_eq!(
        verdict,
        Some(Verdict::Park(ParkReason::SessionsLost, Cause::Finalizing))
    );
}
