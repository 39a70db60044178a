//! The resumable protocol, rule by rule.

use std::time::Duration;

use redivis_drop::sandbox::{Breach, Call};
use serde_json::json;

use crate::client::{Practice, QUANTUM, TABLE, content, open, raw, read};

#[tokio::test]
async fn chunks_lead_to_an_object_and_every_answer_tells_the_offset() {
    let practice = Practice::new().await;
    let size = 2 * QUANTUM + 100;
    let bytes = content(size);
    let (temp, session) = practice.session(size).await;
    let nothing = practice.query(&session, size).await;
    assert_eq!(
        (nothing.status.as_u16(), nothing.header("range")),
        (308, None)
    );
    let mut at = 0;
    for end in [QUANTUM, 2 * QUANTUM] {
        let range = format!("bytes {at}-{}/{size}", end - 1);
        let reply = practice.chunk(&session, &range, &bytes[at..end]).await;
        assert_eq!(reply.status, 308);
        assert_eq!(
            reply.header("range"),
            Some(&*format!("bytes=0-{}", end - 1))
        );
        at = end;
    }
    let last = format!("bytes {at}-{}/{size}", size - 1);
    let reply = practice.chunk(&session, &last, &bytes[at..]).await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.header("x-goog-stored-content-length"),
        Some(&*size.to_string())
    );
    let again = practice.query(&session, size).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.header("x-goog-hash"), reply.header("x-goog-hash"));

    assert_eq!(practice.register("big", &temp).await.status, 201);
    assert_eq!(practice.sandbox.registered(TABLE)[0].size, size as u64);
    let report = practice.sandbox.report();
    assert_eq!(report.violations, []);
    assert_eq!(report.bytes_received, size as u64);
    assert_eq!(report.bytes_resent, 0);
    assert_eq!(report.sessions[0].queries, 2);
    assert_eq!(report.requests(Call::Chunk), 3);
    assert!(report.sessions[0].complete);
}

#[tokio::test]
async fn what_breaks_the_rules_is_refused_and_noted_and_changes_nothing() {
    let practice = Practice::new().await;
    let size = 3 * QUANTUM;
    let (_, session) = practice.session(size).await;
    let bytes = content(size);
    let q = QUANTUM;
    let range = |a: usize, b: usize, n: usize| format!("bytes {a}-{b}/{n}");
    for (range, length, status, kind) in [
        (range(q, 2 * q - 1, size), q, 416, Breach::Gap),
        (range(0, 99, size), 100, 400, Breach::ChunkNotMultiple),
        (range(0, q, size), q + 1, 400, Breach::ChunkNotMultiple),
        (range(0, q - 1, size + 1), q, 400, Breach::WrongTotal),
        (range(0, size, size), size + 1, 400, Breach::MalformedRange),
        (range(0, q - 1, size), q - 1, 400, Breach::LengthMismatch),
        (range(0, q - 1, size), q + 1, 400, Breach::LengthMismatch),
        (range(0, q - 1, size), 0, 400, Breach::LengthMismatch),
        ("bytes 0--1/0".into(), 0, 400, Breach::MalformedRange),
        ("bytes 0-x/*".into(), 1, 400, Breach::MalformedRange),
        (format!("bytes */{}", size - 1), 0, 400, Breach::WrongTotal),
        (format!("bytes */{size}"), 1, 400, Breach::LengthMismatch),
    ] {
        let before = practice.sandbox.report();
        let reply = practice
            .chunk(&session, &range, &content(size + 1)[..length])
            .await;
        assert_eq!(reply.status, status, "{range} with {length}");
        let after = practice.sandbox.report();
        assert_eq!(after.violations_total, before.violations_total + 1);
        assert_eq!(after.violations.last().unwrap().kind, kind, "{range}");
        assert_eq!(after.sessions[0].persisted, 0, "{range}");
    }
    let no_range = practice.try_put(&session, &bytes, None).await.unwrap();
    assert_eq!(no_range.status(), 400);
    let whole = range(0, size - 1, size);
    assert_eq!(practice.chunk(&session, &whole, &bytes).await.status, 200);
}

#[tokio::test]
async fn an_empty_body_needs_its_length_said() {
    let practice = Practice::new().await;
    let (_, session) = practice.session(10).await;
    let (_, url) = practice.reserve(10, true).await;
    let query = "PUT {path} HTTP/1.1\r\nhost: {host}\r\ncontent-range: bytes */10\r\n\r\n";
    let start = "POST {path} HTTP/1.1\r\nhost: {host}\r\nx-goog-resumable: start\r\n\
                 x-upload-content-length: 10\r\n\r\n";
    for (url, head) in [(&session, query), (&url, start)] {
        let answer = raw(url, head, b"").await;
        assert!(answer.starts_with("HTTP/1.1 411"), "{answer}");
    }
    assert_eq!(practice.sandbox.report().count(Breach::NoContentLength), 2);
}

#[tokio::test]
async fn a_start_without_its_headers_is_refused() {
    let practice = Practice::new().await;
    let (_, url) = practice.reserve(10, true).await;
    let goog = ("x-goog-resumable", "start");
    let ten = ("x-upload-content-length", "10");
    for (headers, body, kind) in [
        (&[goog][..], "", Breach::MalformedStart),
        (&[ten], "", Breach::MalformedStart),
        (
            &[("x-goog-resumable", "no"), ten],
            "",
            Breach::MalformedStart,
        ),
        (&[goog, ten], "x", Breach::MalformedStart),
        (
            &[goog, ("x-upload-content-length", "ten")],
            "",
            Breach::MalformedStart,
        ),
        (
            &[goog, ("x-upload-content-length", "11")],
            "",
            Breach::SizeMismatch,
        ),
    ] {
        let mut request = practice.http.post(&url).body(body);
        request = request.header("content-length", body.len());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let reply = read(request.send().await.unwrap()).await;
        assert_eq!(reply.status, 400, "{headers:?}");
        let violations = practice.sandbox.report().violations;
        assert_eq!(violations.last().unwrap().kind, kind, "{headers:?}");
    }
}

#[tokio::test]
async fn each_kind_of_temp_upload_takes_only_its_own_requests() {
    let practice = Practice::new().await;
    let (_, plain) = practice.reserve(3, false).await;
    let (_, resumable) = practice.reserve(3, true).await;
    assert_eq!(practice.start(&plain, 3).await.status, 400);
    assert_eq!(practice.put(&resumable, b"abc").await.status, 400);
    let report = practice.sandbox.report();
    assert_eq!(report.count(Breach::StartOnPlain), 1);
    assert_eq!(report.count(Breach::PutOnResumable), 1);
}

#[tokio::test]
async fn a_broken_chunk_leaves_whole_multiples_of_256_kib() {
    let practice = Practice::new().await;
    let size = 4 * QUANTUM;
    let bytes = content(size);
    for (sent, kept) in [
        (QUANTUM - 1, 0),
        (QUANTUM, QUANTUM),
        (2 * QUANTUM + 77, 2 * QUANTUM),
        (4 * QUANTUM - 1, 3 * QUANTUM),
    ] {
        let (_, session) = practice.session(size).await;
        let head = format!(
            "PUT {{path}} HTTP/1.1\r\nhost: {{host}}\r\ncontent-length: {size}\r\n\
             content-range: bytes 0-{}/{size}\r\n\r\n",
            size - 1
        );
        raw(&session, &head, &bytes[..sent]).await;
        let reply = practice.query(&session, size).await;
        assert_eq!(reply.status, 308);
        let want = kept.checked_sub(1).map(|last| format!("bytes=0-{last}"));
        assert_eq!(reply.header("range"), want.as_deref(), "{sent}");

        // The rest makes the same object as if nothing had happened.
        let rest = format!("bytes {kept}-{}/{size}", size - 1);
        let done = practice.chunk(&session, &rest, &bytes[kept..]).await;
        let (_, whole) = practice.session(size).await;
        let all = format!("bytes 0-{}/{size}", size - 1);
        let want = practice.chunk(&whole, &all, &bytes).await;
        assert_eq!(done.header("x-goog-hash"), want.header("x-goog-hash"));
    }
    let report = practice.sandbox.report();
    assert_eq!(report.violations, []);
    assert_eq!(report.sessions[0].resumed_at, [0]);
}

#[tokio::test]
async fn bytes_that_are_already_stored_are_passed_over_and_counted() {
    let practice = Practice::new().await;
    let size = 2 * QUANTUM;
    let bytes = content(size);
    let (_, session) = practice.session(size).await;
    let first = format!("bytes 0-{}/{size}", QUANTUM - 1);
    practice.chunk(&session, &first, &bytes[..QUANTUM]).await;
    let garbage_then_rest = [vec![0; QUANTUM], bytes[QUANTUM..].to_vec()].concat();
    let all = format!("bytes 0-{}/{size}", size - 1);
    let done = practice.chunk(&session, &all, &garbage_then_rest).await;
    assert_eq!(done.status, 200);
    assert_eq!(practice.sandbox.report().bytes_resent, QUANTUM as u64);
    let (_, whole) = practice.session(size).await;
    let want = practice.chunk(&whole, &all, &bytes).await;
    assert_eq!(done.header("x-goog-hash"), want.header("x-goog-hash"));
}

#[tokio::test]
async fn an_empty_file_is_complete_with_its_first_query() {
    let practice = Practice::new().await;
    let (temp, session) = practice.session(0).await;
    let reply = practice.query(&session, 0).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("x-goog-stored-content-length"), Some("0"));
    assert_eq!(practice.register("empty", &temp).await.status, 201);
}

#[tokio::test]
async fn a_total_may_stay_unsaid() {
    let practice = Practice::new().await;
    let size = QUANTUM + 5;
    let bytes = content(size);
    let (_, session) = practice.session(size).await;
    let range = format!("bytes 0-{}/*", QUANTUM - 1);
    let reply = practice.chunk(&session, &range, &bytes[..QUANTUM]).await;
    assert_eq!(reply.status, 308);
    assert_eq!(practice.chunk(&session, "*/*", b"").await.status, 308);
    let range = format!("bytes {QUANTUM}-{}/{size}", size - 1);
    let reply = practice.chunk(&session, &range, &bytes[QUANTUM..]).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn a_chunk_for_a_complete_session_is_noted() {
    let practice = Practice::new().await;
    let (_, session) = practice.session(3).await;
    assert_eq!(
        practice.chunk(&session, "bytes 0-2/3", b"abc").await.status,
        200
    );
    assert_eq!(
        practice.chunk(&session, "bytes 0-2/3", b"abc").await.status,
        200
    );
    assert_eq!(practice.sandbox.report().count(Breach::ChunkAfterEnd), 1);
}

#[tokio::test]
async fn a_session_ends_with_its_life_and_the_temp_upload_takes_another() {
    let practice = Practice::with(|settings| settings.session_life = Duration::ZERO).await;
    let (_, url) = practice.reserve(3, true).await;
    let first = practice.start(&url, 3).await;
    let session = first.header("location").unwrap();
    assert_eq!(practice.query(session, 3).await.status, 404);
    assert_eq!(
        practice.chunk(session, "bytes 0-2/3", b"abc").await.status,
        404
    );
    assert_eq!(practice.start(&url, 3).await.status, 201);
}

#[tokio::test]
async fn a_session_that_is_given_up_is_gone() {
    let practice = Practice::new().await;
    let (_, session) = practice.session(3).await;
    let status = practice
        .http
        .delete(&session)
        .send()
        .await
        .unwrap()
        .status();
    assert_eq!(status.as_u16(), 499);
    assert_eq!(practice.query(&session, 3).await.status, 404);
}

#[tokio::test]
async fn two_sessions_on_one_temp_upload_do_not_mix() {
    let practice = Practice::new().await;
    let (temp, url) = practice.reserve(2 * QUANTUM, true).await;
    let mut sessions = Vec::new();
    for _ in 0..2 {
        let reply = practice.start(&url, 2 * QUANTUM).await;
        sessions.push(reply.header("location").unwrap().to_owned());
    }
    let size = 2 * QUANTUM;
    let half = format!("bytes 0-{}/{size}", QUANTUM - 1);
    practice.chunk(&sessions[0], &half, &vec![1; QUANTUM]).await;
    let all = format!("bytes 0-{}/{size}", size - 1);
    let done = practice.chunk(&sessions[1], &all, &vec![2; size]).await;
    assert_eq!(done.status, 200);
    let reply = practice.query(&sessions[0], size).await;
    assert_eq!(
        reply.header("range"),
        Some(&*format!("bytes=0-{}", QUANTUM - 1))
    );
    let file = practice.register("x", &temp).await.json()["results"][0].clone();
    assert!(
        done.header("x-goog-hash")
            .unwrap()
            .contains(file["md5Hash"].as_str().unwrap())
    );
}

#[tokio::test]
async fn a_newer_request_ends_one_that_hangs_and_sees_what_it_stored() {
    let practice = Practice::new().await;
    let size = 2 * QUANTUM;
    let (_, session) = practice.session(size).await;
    let head = format!(
        "PUT {{path}} HTTP/1.1\r\nhost: {{host}}\r\ncontent-length: {size}\r\n\
         content-range: bytes 0-{}/{size}\r\n\r\n",
        size - 1
    );
    // Sent for the greater part, then silent, with the connection left open.
    let hanging = open(&session, &head, &content(size)[..QUANTUM + 5]).await;
    while practice.sandbox.report().bytes_received < QUANTUM as u64 + 5 {
        tokio::task::yield_now().await;
    }
    let reply = practice.query(&session, size).await;
    assert_eq!(
        reply.header("range"),
        Some(&*format!("bytes=0-{}", QUANTUM - 1))
    );
    drop(hanging);
    assert_eq!(practice.sandbox.report().violations, []);
}

#[tokio::test]
async fn bytes_for_a_registered_file_are_refused() {
    let practice = Practice::new().await;
    let (temp, url) = practice.reserve(3, true).await;
    let first = practice.start(&url, 3).await;
    let second = practice.start(&url, 3).await;
    practice
        .chunk(first.header("location").unwrap(), "bytes 0-2/3", b"abc")
        .await;
    assert_eq!(practice.register("x", &temp).await.status, 201);
    let late = second.header("location").unwrap();
    assert_eq!(
        practice.chunk(late, "bytes 0-2/3", b"xyz").await.status,
        400
    );
    assert_eq!(practice.start(&url, 3).await.status, 400);
    assert_eq!(
        practice.sandbox.registered(TABLE)[0].md5,
        "900150983cd24fb0d6963f7d28e17f72"
    );
    let body = json!({"files": [{"name": "y", "tempUploadId": temp}]});
    assert_eq!(practice.post("rawFiles", body).await.status, 400);
}
