//! Which moves are legal, and which are not.

use super::*;

fn reservation() -> Reservation {
    let at = Timestamp::UNIX_EPOCH;
    Reservation {
        temp: TempUploadId::new("t"),
        url: TempUrl::new("u"),
        resumable: true,
        at,
    }
}

fn progress() -> Progress {
    let opened = Moment::at(Timestamp::UNIX_EPOCH);
    let hash = HashState::default();
    let zero = ByteOffset::ZERO;
    Progress {
        session: SessionUrl::new("s"),
        opened,
        confirmed: zero,
        bound: zero,
        hash,
    }
}

/// Every state, made by legal moves only.
fn every_state() -> Vec<State> {
    let sums = Sums {
        crc32c: 0,
        md5: None,
    };
    let at = Timestamp::UNIX_EPOCH;
    let reserved = State::Queued.reserve(reservation()).unwrap();
    let uploading = reserved.clone().open_session(progress()).unwrap();
    let uploaded = uploading.clone().complete(sums).unwrap();
    let registering = uploaded.clone().intend(at).unwrap();
    let importing = registering.clone().import(RemoteId::new("r")).unwrap();
    let registered = registering.clone().register(RemoteId::new("r")).unwrap();
    let done = registered.clone().finish().unwrap();
    let parked = State::Queued.park(ParkReason::Refused).unwrap();
    let superseded = State::Queued.supersede().unwrap();
    let missing = State::Queued.miss().unwrap();
    vec![
        State::Queued,
        reserved,
        uploading,
        uploaded,
        registering,
        importing,
        registered,
        done,
        parked,
        superseded,
        missing,
    ]
}

#[test]
fn only_the_documented_moves_are_legal() {
    type Move = fn(State) -> Moved;
    let moves: [(&str, Move, &[&str]); 14] = [
        (
            "reserve",
            |s| s.reserve(reservation()),
            &["queued→reserved"],
        ),
        (
            "open_session",
            |s| s.open_session(progress()),
            &["reserved→uploading"],
        ),
        (
            "confirm",
            |s| s.confirm(ByteOffset::ZERO, ByteOffset::ZERO, HashState::default()),
            &["uploading→uploading"],
        ),
        ("lose_session", State::lose_session, &["uploading→reserved"]),
        (
            "renew",
            State::renew,
            &["reserved→queued", "uploading→queued", "uploaded→queued"],
        ),
        (
            "complete",
            |s| {
                s.complete(Sums {
                    crc32c: 1,
                    md5: None,
                })
            },
            &["reserved→uploaded", "uploading→uploaded"],
        ),
        (
            "intend",
            |s| s.intend(Timestamp::UNIX_EPOCH),
            &["uploaded→registering", "registering→registering"],
        ),
        ("withdraw", State::withdraw, &["registering→uploaded"]),
        (
            "register",
            |s| s.register(RemoteId::new("r")),
            &["registering→registered", "importing→registered"],
        ),
        (
            "import",
            |s| s.import(RemoteId::new("r")),
            &["registering→importing"],
        ),
        (
            "recognise",
            |s| {
                s.recognise(
                    RemoteId::new("r"),
                    Sums {
                        crc32c: 1,
                        md5: None,
                    },
                )
            },
            &["queued→registered"],
        ),
        ("finish", State::finish, &["registered→done"]),
        (
            "supersede",
            State::supersede,
            &[
                "queued→superseded",
                "reserved→superseded",
                "uploading→superseded",
                "uploaded→superseded",
                "parked→superseded",
            ],
        ),
        (
            "miss",
            State::miss,
            &["queued→missing", "reserved→missing", "uploading→missing"],
        ),
    ];
    for (verb, step, want) in moves {
        let legal: Vec<String> = every_state()
            .into_iter()
            .filter_map(|from| {
                let name = from.name();
                step(from).ok().map(|to| format!("{name}→{}", to.name()))
            })
            .collect();
        assert_eq!(legal, want, "{verb}");
    }
}

#[test]
fn a_parked_job_remembers_an_unresolved_registration() {
    let registering = every_state().remove(4);
    let State::Registering(intent) = registering.clone() else {
        unreachable!()
    };
    assert_eq!(
        registering.park(ParkReason::Refused),
        Ok(State::Parked(ParkReason::Refused, Some(intent)))
    );
}

#[test]
fn every_name_reads_back() {
    for name in StateName::ALL {
        assert_eq!(StateName::parse(name.as_str()), Some(*name));
    }
}

#[test]
fn a_move_carries_its_data_and_keeps_the_rest() {
    let mut states = every_state().into_iter();
    let uploading = states.nth(2).unwrap();
    let registering = states.nth(1).unwrap();
    let (at, bound, hash) = (ByteOffset::new(3), ByteOffset::new(7), HashState(vec![1]));
    let confirmed = uploading.confirm(at, bound, hash.clone()).unwrap();
    let want = Progress {
        confirmed: at,
        bound,
        hash,
        ..progress()
    };
    assert_eq!(confirmed.confirmed_bytes(9), 3);
    assert_eq!(confirmed, State::Uploading(reservation(), want));
    let later = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(5);
    let State::Registering(first) = registering else {
        panic!("it is to be registered");
    };
    // the table was seen without it; a new request may still change that
    let absent = Some(Awake {
        boot: "boot".into(),
        millis: 12,
    });
    let seen = State::Registering(Intent { absent, ..first });
    let State::Registering(again) = seen.intend(later).unwrap() else {
        panic!("it is to be registered");
    };
    assert_eq!((again.attempt, again.at, again.absent), (2, later, None));
}

#[test]
fn what_a_state_tells_of_the_file_depends_on_how_far_it_is() {
    let sums = Sums {
        crc32c: 0,
        md5: Some(crate::job::Md5([7; 16])),
    };
    let remote = RemoteId::new("r");
    let intent = Intent {
        temp: TempUploadId::new("t"),
        sums,
        attempt: 1,
        at: Timestamp::UNIX_EPOCH,
        absent: None,
    };
    let unresolved = State::Parked(ParkReason::GaveUp, Some(intent.clone()));
    assert_eq!(unresolved.md5(), sums.md5);
    for (state, bytes, is_final) in [
        (State::Queued, 0, false),
        (State::Uploaded(TempUploadId::new("t"), sums), 9, false),
        (State::Registering(intent.clone()), 9, false),
        (State::Registered(remote.clone(), sums), 9, false),
        (State::Done(remote.clone(), sums), 9, true),
        (State::Parked(ParkReason::Refused, None), 0, true),
        (State::Superseded, 0, true),
        (State::Missing, 0, true),
    ] {
        assert_eq!(state.confirmed_bytes(9), bytes, "{state:?}");
        assert_eq!(state.name().is_final(), is_final, "{state:?}");
        let md5 = (bytes == 9).then_some(sums.md5).flatten();
        assert_eq!(state.md5(), md5, "{state:?}");
        let listed = matches!(state, State::Registered(..) | State::Done(..));
        assert_eq!(state.remote_id(), listed.then_some(&remote), "{state:?}");
    }
    assert_eq!(ByteOffset::new(8).to_string(), "8");
    assert_eq!(ParkReason::SessionsLost.to_string(), "sessions-lost");
}
