//! What people read about an upload that is in trouble.

use super::*;

#[test]
fn every_cause_reads_as_a_sentence_and_keeps_the_servers_own_words() {
    let words = || "try later".to_owned();
    for (cause, sentence) in [
        (
            Cause::Lost("reset".into()),
            "the connection was lost: reset",
        ),
        (
            Cause::Busy(503, words()),
            "the upload server answered 503: try later",
        ),
        (
            Cause::Refused(400, words()),
            "the upload server refused with 400: try later",
        ),
        (Cause::Gone(410), "the upload session is gone (410)"),
        (
            Cause::Redirected(302),
            "the upload server redirects (302), which is never followed",
        ),
        (
            Cause::Nonsense("a session without an address"),
            "the upload server contradicts the protocol: a session without an address",
        ),
        (
            Cause::Finalizing,
            "all bytes are stored, but the server has not made the object yet",
        ),
        (
            Cause::Corrupted("8 bytes of 9".into()),
            "the upload arrived damaged: 8 bytes of 9",
        ),
        (
            Cause::NoProgress,
            "the upload server answers but confirms no byte",
        ),
    ] {
        assert_eq!(cause.to_string(), sentence);
    }
}

#[test]
fn the_servers_words_go_into_the_cause() {
    let says = |status: u16| Reply {
        status,
        text: "quota".into(),
        ..Reply::default()
    };
    let verdict = |status| Upload::plain(Q, Troubles::default()).on_reply(&says(status));
    assert_eq!(
        verdict(503),
        Verdict::BackOff(Cause::Busy(503, "quota".into()))
    );
    assert_eq!(
        verdict(403),
        Verdict::NewTempUpload(Cause::Refused(403, "quota".into()))
    );
}
