//! Every fault of the network and of the servers, through the real program: whatever happens on the
//! way, the table holds the right files in the end, each once, and no rule was broken.
//!
//! Left out, since it is slow by design: a registration that fails *before* it is performed. Two
//! request timeouts (two minutes) must pass before a listing proves that it did not happen.

use redivis_drop::sandbox::{Action, Answer, Call, Fault, Report, When};

use crate::lab::{KIB, Lab, MIB, Plan};
use crate::process::each;

/// Where scripted redirects lead; whoever comes is reported.
const TRAP: &str = "/_sandbox/trap";

/// One row: what it is called, what goes wrong, and what else must be so afterwards.
type Case = (&'static str, Vec<Fault>, fn(&Report) -> bool);

#[test]
fn whatever_befalls_a_plain_upload_it_arrives_once() {
    let put = |action| vec![Fault::new(Call::Put, action)];
    let twice = |action| vec![Fault::new(Call::Put, action).times(2)];
    hold(vec![
        ("503 after the body", twice(status(503)), any),
        ("503 before the body", put(early(503)), any),
        (
            "503 although it was stored",
            put(late(Answer::status(503))),
            any,
        ),
        ("500", put(status(500)), any),
        ("408", put(status(408)), any),
        ("429 with a Retry-After", put(rate_limit()), any),
        ("403, so the URL is dead", put(status(403)), reserved_again),
        ("404 before the body", put(early(404)), any),
        ("cut before a byte", put(Action::CutAfter(0)), any),
        ("cut in the middle", twice(Action::CutAfter(70_000)), any),
        ("the answer is lost", put(Action::CutBeforeReply), any),
        ("a slow server", put(stall()), any),
        ("302 to a login", twice(redirect(302)), any),
        ("307", put(redirect(307)), any),
        ("308", put(redirect(308)), any),
        ("200 and a page", twice(page()), any),
        ("another hash", put(Action::WrongHash), reserved_again),
        ("another size", put(Action::WrongSize), reserved_again),
    ]);
}

#[test]
fn whatever_befalls_a_chunk_the_file_arrives_once() {
    // the second of four
    let chunk = |action| vec![Fault::new(Call::Chunk, action).skip(1)];
    let last = |action| vec![Fault::new(Call::Chunk, action).from_offset(3 * MIB as u64)];
    let range = |range: &str| Action::WrongRange(Some(range.to_owned()));
    hold(vec![
        ("503", chunk(status(503)), asked),
        ("503 before the body", chunk(early(503)), asked),
        (
            "503 although it was stored",
            chunk(late(Answer::status(503))),
            asked,
        ),
        (
            "503 with a Retry-After",
            chunk(Action::Answer(
                Answer::status(503).header("Retry-After", "1"),
            )),
            asked,
        ),
        ("429 with a Retry-After", chunk(rate_limit()), asked),
        ("cut in the middle", chunk(Action::CutAfter(600_000)), asked),
        ("the answer is lost", chunk(Action::CutBeforeReply), asked),
        (
            "the answer to the last is lost",
            last(Action::CutBeforeReply),
            asked,
        ),
        (
            "the last is cut at its end",
            last(Action::CutAfter(u64::MAX)),
            asked,
        ),
        (
            "a part is stored",
            chunk(Action::PersistOnly(300_000)),
            one_session,
        ),
        (
            "nothing is stored",
            chunk(Action::PersistOnly(0)),
            one_session,
        ),
        (
            "the first: nothing is stored",
            vec![Fault::new(Call::Chunk, Action::PersistOnly(0))],
            asked,
        ),
        ("308 without Range", chunk(Action::WrongRange(None)), asked),
        ("308 with nonsense", chunk(range("bytes=nonsense")), asked),
        (
            "308 with another unit",
            chunk(range("items=0-1048575")),
            asked,
        ),
        (
            "308 with less than before",
            chunk(range("bytes=0-99")),
            asked,
        ),
        (
            "308 with more than was sent",
            chunk(range("bytes=0-3300000")),
            new_session,
        ),
        (
            "308 with more than there is",
            chunk(range("bytes=0-99999999")),
            new_session,
        ),
        (
            "308 with all, but no object yet",
            last(range("bytes=0-3500000")),
            asked,
        ),
        ("302 to a login", chunk(redirect(302)), asked),
        ("200 and a page", chunk(page()), asked),
        ("200 for accepted", chunk(Action::AcceptChunkWith200), asked),
        (
            "200 for accepted, always",
            vec![Fault::new(Call::Chunk, Action::AcceptChunkWith200).times(3)],
            one_session,
        ),
        ("200 that stored nothing", chunk(status(200)), asked),
        (
            "404: the session is gone",
            chunk(Action::ExpireSession(404)),
            new_session,
        ),
        (
            "410: the session is gone",
            chunk(Action::ExpireSession(410)),
            new_session,
        ),
        ("400", chunk(status(400)), asked),
        ("401", chunk(status(401)), asked),
        ("413: too much at once", chunk(early(413)), asked),
        ("another hash", last(Action::WrongHash), new_session),
        ("another size", last(Action::WrongSize), new_session),
    ]);
}

#[test]
fn whatever_befalls_the_start_of_a_session_or_its_query_the_file_arrives_once() {
    let start = |action| vec![Fault::new(Call::Start, action)];
    // a query needs a reason
    let query = |action| {
        vec![
            Fault::new(Call::Chunk, Action::CutAfter(600_000)).skip(1),
            Fault::new(Call::Query, action),
        ]
    };
    let range = |range: &str| Action::WrongRange(Some(range.to_owned()));
    hold(vec![
        ("start: 503", start(status(503)), any),
        ("start: 429", start(rate_limit()), any),
        (
            "start: the answer is lost",
            start(Action::CutBeforeReply),
            any,
        ),
        (
            "start: 200 without an address",
            start(late(Answer::status(200))),
            any,
        ),
        ("start: 302", start(redirect(302)), any),
        (
            "start: redirects again and again",
            vec![Fault::new(Call::Start, redirect(307)).times(3)],
            reserved_again,
        ),
        ("start: 200 and a page", start(page()), any),
        (
            "start: 404, so the URL is dead",
            start(status(404)),
            reserved_again,
        ),
        ("query: 503", query(status(503)), one_session),
        ("query: 429", query(rate_limit()), one_session),
        (
            "query: the answer is lost",
            query(Action::CutBeforeReply),
            one_session,
        ),
        ("query: 302", query(redirect(302)), one_session),
        ("query: 200 and a page", query(page()), one_session),
        (
            "query: 308 without Range",
            query(Action::WrongRange(None)),
            any,
        ),
        ("query: nonsense", query(range("bytes=x")), one_session),
        (
            "query: more than was sent",
            query(range("bytes=0-3300000")),
            new_session,
        ),
        (
            "query: the session is gone",
            query(Action::ExpireSession(404)),
            new_session,
        ),
        (
            "query: the session is gone for good",
            query(Action::ExpireSession(410)),
            new_session,
        ),
    ]);
}

#[test]
fn whatever_befalls_a_reservation_the_files_arrive_once() {
    let reserve = |action| vec![Fault::new(Call::TempUploads, action)];
    let twice = |action| vec![Fault::new(Call::TempUploads, action).times(2)];
    hold(vec![
        ("the answer is lost", reserve(Action::CutBeforeReply), any),
        ("429 with a Retry-After", reserve(rate_limit()), any),
        ("503", twice(status(503)), any),
        ("503 after all", reserve(late(Answer::status(503))), any),
        ("302 to a login", twice(redirect(302)), any),
        ("200 and a page", twice(page()), any),
        (
            "200 and other JSON",
            reserve(Action::Answer(Answer::status(200).body("{}"))),
            any,
        ),
        ("one too few", twice(Action::DropResult), any),
        ("another order", twice(Action::ReverseResults), any),
        ("another size", reserve(Action::WrongSize), any),
    ]);
}

#[test]
fn a_registration_whose_answer_is_lost_is_found_in_the_listing_and_not_repeated() {
    let register = |action| vec![Fault::new(Call::RawFiles, action)];
    let lists = |action| {
        vec![
            Fault::new(Call::RawFiles, Action::CutBeforeReply),
            // the first one is when the table is met
            Fault::new(Call::List, action).skip(1),
        ]
    };
    hold(vec![
        ("cut", register(Action::CutBeforeReply), adopted),
        ("503", register(late(Answer::status(503))), adopted),
        (
            "302 to a login",
            register(late(Answer::status(302).header("Location", TRAP))),
            adopted,
        ),
        (
            "200 and a page",
            register(late(Answer::status(200).body("<html>Log in</html>"))),
            adopted,
        ),
        ("one too few", register(Action::DropResult), adopted),
        (
            "another order",
            register(Action::ReverseResults),
            |report| report.requests(Call::RawFiles) == 1,
        ),
        (
            "and the listing is lost too",
            lists(Action::CutBeforeReply),
            adopted,
        ),
        ("and the listing is a page", lists(page()), adopted),
        ("and the listing redirects", lists(redirect(302)), adopted),
        ("and the listing must wait", lists(rate_limit()), adopted),
    ]);
}

#[test]
fn a_registration_that_is_refused_because_of_what_is_there_adopts_it_or_says_so() {
    let exists = || {
        let said = r#"{"error": "conflict", "error_description": "the file already exists"}"#;
        Answer::status(409).body(said)
    };
    let refused = |answer| vec![Fault::new(Call::RawFiles, Action::Answer(answer))];
    hold(vec![
        (
            "ours, whose answer was a refusal",
            refused(exists().when(When::AfterPerforming)),
            adopted,
        ),
        (
            "the stored bytes are gone, it says of three files",
            refused(Answer::status(404).body(r#"{"error": "the temp upload has expired"}"#)),
            any,
        ),
    ]);
    // somebody else's, and the table takes no second one
    let lab = Lab::new();
    lab.drop_file("a", 1_000, 1);
    lab.carry_all();
    let there = lab.registered();
    std::fs::remove_file(lab.path("a")).unwrap();
    lab.forget_everything();
    lab.drop_file("a", 1_000, 2);
    lab.script(refused(exists().when(When::AfterBody)));
    let ended = lab.run_once();
    assert_eq!(ended.code, Some(3), "{}", ended.said);
    let job = lab.job("a");
    assert_eq!(
        (&job["state"], &job["reason"]),
        (&"parked".into(), &"conflict".into())
    );
    lab.expect(there);
}

#[test]
fn a_registration_that_must_wait_is_made_later() {
    hold(vec![(
        "429",
        vec![Fault::new(Call::RawFiles, rate_limit())],
        |report| report.requests(Call::RawFiles) == 2 && report.requests(Call::List) == 1,
    )]);
}

/// Runs each case in a laboratory of its own.
fn hold(cases: Vec<Case>) {
    each(cases, hold_one);
}

/// Two plain files and one in four chunks.
fn hold_one((name, faults, so): Case) {
    let lab = Lab::with(&Plan {
        transfer: "resumable_above = \"1 MB\"\nchunk_size = \"1 MiB\"",
        ..Plan::default()
    });
    lab.script(faults);
    let wanted = [
        // read at once, and as a stream
        lab.drop_file("small", 5_000, 1),
        lab.drop_file("plain", 700 * KIB, 2),
        lab.drop_file("large", 3_500_001, 3),
    ];
    let ended = lab.run_once();
    assert_eq!(ended.code, Some(0), "{name}: {}", ended.said);
    eprintln!("{name}");
    lab.expect(wanted.into());
    lab.expect_faults_done();
    let report = lab.report();
    assert!(so(&report), "{name}: {report:#?}\n{}", ended.said);
}

// ---- what must be so

fn any(_: &Report) -> bool {
    true
}

/// The URL was of no more use, and only then another was asked for.
fn reserved_again(report: &Report) -> bool {
    report.requests(Call::TempUploads) == 2
}

/// The server was asked how far it is, and the session went on.
fn asked(report: &Report) -> bool {
    report.requests(Call::Query) > 0 && one_session(report)
}

fn one_session(report: &Report) -> bool {
    report.sessions.len() == 1
}

/// Of two sessions one was completed.
fn new_session(report: &Report) -> bool {
    report.requests(Call::Start) == 2
}

/// Registered by one call, and looked up, after the table was listed when it was met.
fn adopted(report: &Report) -> bool {
    report.requests(Call::RawFiles) == 1 && report.requests(Call::List) > 1
}

// ---- what goes wrong

fn status(status: u16) -> Action {
    Action::Answer(Answer::status(status))
}

/// With the body still on its way.
fn early(status: u16) -> Action {
    Action::Answer(Answer::status(status).when(When::Early))
}

/// All is done, and then this is the answer.
fn late(answer: Answer) -> Action {
    Action::Answer(answer.when(When::AfterPerforming))
}

fn redirect(status: u16) -> Action {
    Action::Answer(Answer::status(status).header("Location", TRAP))
}

/// A captive portal.
fn page() -> Action {
    let page = "<!DOCTYPE html><html><title>Log in</title></html>";
    Action::Answer(
        Answer::status(200)
            .header("Content-Type", "text/html")
            .body(page),
    )
}

fn rate_limit() -> Action {
    Action::RateLimit("1".into())
}

fn stall() -> Action {
    Action::Stall {
        after: 1_000,
        seconds: Some(0.2),
    }
}
