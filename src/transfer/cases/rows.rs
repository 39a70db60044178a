//! Opening a session, and chunks that are not the last: the long tables.

use super::*;

#[test]
fn a_session_is_opened_or_it_is_not() {
    for (row, turns) in [
        ("2xx with Location", &[OPEN, FIRST][..]),
        (
            "2xx without Location: twice more, then a new temp upload",
            &[
                ("start", Status(200), "continue"),
                ("start", Status(201), "continue"),
                ("start", Status(200), "new temp upload"),
            ],
        ),
        (
            "3xx is no session, not even 308",
            &[
                ("start", Status(302), "continue"),
                ("start", Status(307), "continue"),
                ("start", Held(1), "new temp upload"),
            ],
        ),
        ("400", &[("start", Status(400), "new temp upload")]),
        ("401", &[("start", Status(401), "new temp upload")]),
        ("403", &[("start", Status(403), "new temp upload")]),
        ("404", &[("start", Status(404), "new temp upload")]),
        ("410", &[("start", Status(410), "new temp upload")]),
        ("412", &[("start", Status(412), "new temp upload")]),
        ("503 is harmless", &[("start", Status(503), "back off")]),
        ("429 is harmless", &[("start", Status(429), "back off")]),
        ("a lost start is harmless", &[("start", Lost, "back off")]),
    ] {
        talk(row, &mut fresh(), turns);
    }
}

#[test]
fn a_chunk_that_is_not_the_last_moves_only_as_far_as_the_server_says() {
    for (row, turns) in [
        (
            "all of it",
            &[OPEN, FIRST, ("chunk 2+2", Status(200), "stored")][..],
        ),
        (
            "part of it",
            &[
                OPEN,
                ("chunk 0+2", Held(1), "confirmed 1"),
                ("chunk 1+2", Held(3), "confirmed 3"),
            ],
        ),
        (
            "nothing of it, again and again, is no hot loop",
            &[
                OPEN,
                FIRST,
                ("chunk 2+2", Held(2), "continue"),
                ("chunk 2+2", Held(2), "continue"),
                ("chunk 2+2", Held(2), "back off"),
            ],
        ),
        (
            "less than it had said: a query decides",
            &[
                OPEN,
                FIRST,
                ("chunk 2+2", Held(1), "continue"),
                ("query", Held(1), "rewound 1"),
                ("chunk 1+2", Held(3), "confirmed 3"),
            ],
        ),
        (
            "less, but the query takes it back",
            &[
                OPEN,
                FIRST,
                ("chunk 2+2", Held(1), "continue"),
                ("query", Held(3), "confirmed 3"),
            ],
        ),
        (
            "less for a second time",
            &[
                OPEN,
                FIRST,
                ("chunk 2+2", Held(1), "continue"),
                ("query", Held(1), "rewound 1"),
                ("chunk 1+2", HeldNothing, "continue"),
                ("query", HeldNothing, "new session"),
            ],
        ),
        (
            "no Range, and none to the query: from the start",
            &[
                OPEN,
                FIRST,
                ("chunk 2+2", HeldNothing, "continue"),
                ("query", HeldNothing, "rewound 0"),
                ("chunk 0+2", Held(2), "confirmed 2"),
            ],
        ),
        (
            "no Range to the first chunk",
            &[
                OPEN,
                ("chunk 0+2", HeldNothing, "continue"),
                ("query", HeldNothing, "continue"),
                FIRST,
            ],
        ),
        (
            "beyond what was sent",
            &[OPEN, ("chunk 0+2", Held(3), "new session")],
        ),
        (
            "one byte beyond",
            &[OPEN, ("chunk 0+2", HeldBytes(2 * Q + 1), "new session")],
        ),
        (
            "a malformed Range, twice",
            &[
                OPEN,
                ("chunk 0+2", HeldNonsense, "continue"),
                ("query", HeldNonsense, "new session"),
            ],
        ),
        (
            "a malformed Range, once",
            &[
                OPEN,
                ("chunk 0+2", HeldNonsense, "continue"),
                ("query", Held(2), "confirmed 2"),
            ],
        ),
    ] {
        talk(row, &mut fresh(), turns);
    }
}

#[test]
fn a_chunk_that_is_refused_or_lost_is_asked_about_before_anything_is_sent_again() {
    for (row, turns) in [
        (
            "a server that cannot now",
            &[OPEN, ("chunk 0+2", Status(503), "back off")][..],
        ),
        ("408", &[OPEN, ("chunk 0+2", Status(408), "back off")]),
        ("429", &[OPEN, ("chunk 0+2", Status(429), "back off")]),
        (
            "a lost chunk",
            &[OPEN, FIRST, ("chunk 2+2", Lost, "back off")],
        ),
        (
            "400: the query rewinds, a second refusal ends the session",
            &[
                OPEN,
                ("chunk 0+2", Status(400), "continue"),
                ("query", HeldNothing, "continue"),
                ("chunk 0+2", Status(400), "new session"),
            ],
        ),
        (
            "416: the query moves it",
            &[
                OPEN,
                ("chunk 0+2", Status(416), "continue"),
                ("query", Held(1), "confirmed 1"),
            ],
        ),
        (
            "416: dead",
            &[
                OPEN,
                ("chunk 0+2", Status(416), "continue"),
                ("query", Status(404), "new session"),
            ],
        ),
        (
            "403: one query, then a new temp upload",
            &[
                OPEN,
                ("chunk 0+2", Status(403), "continue"),
                ("query", HeldNothing, "continue"),
                ("chunk 0+2", Status(401), "new temp upload"),
            ],
        ),
        ("404", &[OPEN, ("chunk 0+2", Status(404), "new session")]),
        ("410", &[OPEN, ("chunk 0+2", Status(410), "new session")]),
        ("499", &[OPEN, ("chunk 0+2", Status(499), "new session")]),
        ("412", &[OPEN, ("chunk 0+2", Status(412), "new session")]),
        (
            "413: half the chunk, and no smaller than a quantum",
            &[
                OPEN,
                ("chunk 0+2", Status(413), "continue"),
                ("query", HeldNothing, "continue"),
                ("chunk 0+1", Status(413), "park refused"),
            ],
        ),
        (
            "a redirect is not followed, and no hot loop",
            &[
                OPEN,
                ("chunk 0+2", Status(302), "continue"),
                ("query", HeldNothing, "continue"),
                ("chunk 0+2", Status(307), "continue"),
                ("query", HeldNothing, "continue"),
                ("chunk 0+2", Status(302), "continue"),
                ("query", HeldNothing, "back off"),
            ],
        ),
    ] {
        talk(row, &mut fresh(), turns);
    }
}

#[test]
fn a_2xx_before_the_last_chunk_is_not_taken_at_its_word() {
    for (row, turns) in [
        (
            "200 that meant accepted is remembered",
            &[
                OPEN,
                ("chunk 0+2", Status(200), "continue"),
                ("query", Held(2), "confirmed 2"),
                ("chunk 2+2", Status(200), "stored"),
            ][..],
        ),
        (
            "200 that meant closed early is never success",
            &[
                OPEN,
                ("chunk 0+2", Status(200), "continue"),
                ("query", Status(200), "new session"),
            ],
        ),
        (
            "200 for a part of it promises nothing for the next",
            &[
                OPEN,
                ("chunk 0+2", Status(200), "continue"),
                ("query", Held(1), "confirmed 1"),
                ("chunk 1+2", Status(200), "continue"),
                ("query", Held(3), "confirmed 3"),
            ],
        ),
        (
            "200 that closed early what was sent as a whole once, but refused",
            &[
                OPEN,
                FIRST,
                ("chunk 2+2", Status(413), "continue"),
                ("query", Held(2), "continue"),
                ("chunk 2+1", Status(200), "continue"),
                ("query", Status(200), "new session"),
            ],
        ),
    ] {
        talk(row, &mut fresh(), turns);
    }
}

#[test]
fn a_413_halves_the_chunk_in_whole_quanta_and_for_good() {
    let mut upload = Upload::resumable(20 * Q, 7 * Q, Troubles::default());
    talk(
        "413",
        &mut upload,
        &[
            OPEN,
            ("chunk 0+7", Status(413), "continue"),
            ("query", HeldNothing, "continue"),
            ("chunk 0+3", Held(3), "confirmed 3"),
            // what went through does not let it grow again
            ("chunk 3+3", Held(6), "confirmed 6"),
            ("chunk 6+3", Status(413), "continue"),
            ("query", Held(6), "continue"),
            ("chunk 6+1", Held(7), "confirmed 7"),
            ("chunk 7+1", Status(413), "park refused"),
        ],
    );
}
