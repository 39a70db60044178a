//! Scripted faults, as a client meets them.

use std::time::Duration;

use redivis_drop::sandbox::{Action, Answer, Breach, Call, Fault, When};
use reqwest::Method;
use serde_json::json;

use crate::client::{Practice, QUANTUM, TABLE, content, read};

const SIZE: usize = 3 * QUANTUM;

/// The first of three chunks, hit by a fault; what the client sees, and the offset afterwards.
async fn hit(action: Action) -> (Practice, String, Option<crate::client::Reply>, u64) {
    let practice = Practice::new().await;
    let (_, session) = practice.session(SIZE).await;
    practice.fault(Call::Chunk, action);
    let range = format!("bytes 0-{}/{SIZE}", 2 * QUANTUM - 1);
    let sent = practice
        .try_put(&session, &content(SIZE)[..2 * QUANTUM], Some(&range))
        .await;
    let reply = match sent {
        Ok(response) => Some(read(response).await),
        Err(_) => None,
    };
    let query = practice.query(&session, SIZE).await;
    let offset = query.header("range").map_or(0, |range| {
        let last = range.strip_prefix("bytes=0-").unwrap();
        last.parse::<u64>().unwrap() + 1
    });
    (practice, session, reply, offset)
}

#[tokio::test]
async fn a_fault_bends_the_answer_or_the_storage_of_a_chunk() {
    let all = 2 * QUANTUM as u64;
    let answer = Answer::status(503).header("retry-after", "7").body("busy");
    for (action, status, range, offset) in [
        (Action::Answer(answer.clone()), Some(503), None, 0),
        (
            Action::Answer(answer.when(When::AfterPerforming)),
            Some(503),
            None,
            all,
        ),
        (Action::RateLimit("2".into()), Some(429), None, 0),
        (Action::CutAfter(0), None, None, 0),
        (
            Action::CutAfter(QUANTUM as u64 + 9),
            None,
            None,
            QUANTUM as u64,
        ),
        (Action::CutAfter(u64::MAX), None, None, all),
        (Action::CutBeforeReply, None, None, all),
        (
            Action::PersistOnly(1000),
            Some(308),
            Some("bytes=0-999"),
            1000,
        ),
        (Action::PersistOnly(0), Some(308), None, 0),
        (
            Action::WrongRange(Some("bytes=0-9".into())),
            Some(308),
            Some("bytes=0-9"),
            all,
        ),
        (
            Action::WrongRange(Some("bytes=nonsense".into())),
            Some(308),
            Some("bytes=nonsense"),
            all,
        ),
        (Action::WrongRange(None), Some(308), None, all),
        (Action::AcceptChunkWith200, Some(200), None, all),
        (Action::ExpireSession(410), Some(410), None, 0),
        (
            Action::Stall {
                after: 10,
                seconds: Some(0.01),
            },
            Some(308),
            Some("bytes=0-524287"),
            all,
        ),
    ] {
        let text = format!("{action:?}");
        let (practice, _, reply, at) = hit(action).await;
        let seen = reply.as_ref().map(|reply| reply.status.as_u16());
        assert_eq!(seen, status, "{text}");
        let told = reply.as_ref().and_then(|reply| reply.header("range"));
        assert_eq!(told, range, "{text}");
        assert_eq!(at, offset, "{text}");
        assert_eq!(practice.sandbox.report().violations, [], "{text}");
        assert_eq!(practice.sandbox.report().faults_pending, [], "{text}");
    }
}

#[tokio::test]
async fn an_early_answer_comes_before_the_body() {
    let practice = Practice::new().await;
    let (_, url) = practice.reserve(1 << 40, false).await;
    let answer = Answer::status(403).when(When::Early);
    practice.fault(Call::Put, Action::Answer(answer));
    let head = "PUT {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 1099511627776\r\n\r\n";
    let answer = crate::client::raw(&url, head, b"the first of a terabyte").await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}

#[tokio::test]
async fn a_server_that_never_answers_lets_a_newer_request_in() {
    let practice = Practice::new().await;
    for action in [
        Action::NeverReply,
        Action::Stall {
            after: 5,
            seconds: None,
        },
    ] {
        let (_, session) = practice.session(SIZE).await;
        practice.fault(Call::Chunk, action);
        let bytes = content(SIZE);
        let range = format!("bytes 0-{}/{SIZE}", SIZE - 1);
        let silent = practice.try_put(&session, &bytes, Some(&range));
        let patience = Duration::from_millis(200);
        assert!(tokio::time::timeout(patience, silent).await.is_err());
        assert!(practice.query(&session, SIZE).await.status.as_u16() < 400);
    }
    practice.sandbox.stop().await;
}

#[tokio::test]
async fn a_lost_answer_to_a_registration_leaves_the_file_registered() {
    let practice = Practice::new().await;
    let (temp, url) = practice.reserve(3, false).await;
    practice.put(&url, b"abc").await;
    practice.fault(Call::RawFiles, Action::CutBeforeReply);
    let lost = practice
        .http
        .post(format!(
            "{}/tables/lab.data.raw/rawFiles",
            practice.sandbox.endpoint()
        ))
        .bearer_auth(crate::client::TOKEN)
        .json(&json!({"files": [{"name": "x", "tempUploadId": temp}]}));
    assert!(lost.send().await.is_err());
    assert_eq!(practice.sandbox.registered(TABLE).len(), 1);
}

#[tokio::test]
async fn wrong_hashes_and_sizes_are_told_but_not_stored() {
    let practice = Practice::new().await;
    for action in [Action::WrongHash, Action::WrongSize] {
        let (temp, url) = practice.reserve(3, false).await;
        let right = practice.put(&url, b"abc").await;
        practice.fault(Call::Put, action.clone());
        let wrong = practice.put(&url, b"abc").await;
        let pair = |reply: &crate::client::Reply| {
            ["x-goog-hash", "x-goog-stored-content-length"]
                .map(|name| reply.header(name).unwrap().to_owned())
        };
        assert_ne!(pair(&right), pair(&wrong));
        practice.fault(Call::RawFiles, action);
        let file = practice.register("x", &temp).await.json()["results"][0].clone();
        let honest = file["size"] == 3 && file["md5Hash"] == "kAFQmDzST7DWlj99KOF/cg==";
        assert!(!honest);
    }
    for file in practice.sandbox.registered(TABLE) {
        assert_eq!(
            (file.size, &*file.md5),
            (3, "900150983cd24fb0d6963f7d28e17f72")
        );
    }
}

#[tokio::test]
async fn lists_of_results_can_be_short_or_out_of_order() {
    let practice = Practice::new().await;
    let wanted = json!({"tempUploads": [{"size": 1}, {"size": 2}]});
    for (action, want) in [
        (Action::DropResult, json!(["1"])),
        (Action::ReverseResults, json!(["2", "1"])),
        (Action::WrongSize, json!(["2", "3"])),
    ] {
        practice.fault(Call::TempUploads, action);
        let reply = practice.post("tempUploads", wanted.clone()).await.json();
        let sizes: Vec<_> = reply["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| &r["size"])
            .collect();
        assert_eq!(json!(sizes), want);
    }
}

#[tokio::test]
async fn all_bytes_in_but_no_object_is_told_until_the_next_query() {
    let practice = Practice::new().await;
    let (_, session) = practice.session(3).await;
    practice.fault(Call::Chunk, Action::PersistOnly(3));
    practice.fault(Call::Query, Action::WrongRange(Some("bytes=0-2".into())));
    let reply = practice.chunk(&session, "bytes 0-2/3", b"abc").await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("range")),
        (308, Some("bytes=0-2"))
    );
    assert_eq!(practice.query(&session, 3).await.status, 308);
    assert_eq!(practice.query(&session, 3).await.status, 200);
}

#[tokio::test]
async fn whoever_believes_a_wrong_range_is_refused_but_breaks_no_rule() {
    let practice = Practice::new().await;
    let (_, session) = practice.session(SIZE).await;
    let beyond = format!("bytes=0-{}", 2 * QUANTUM - 1);
    practice.fault(Call::Query, Action::WrongRange(Some(beyond)));
    practice.query(&session, SIZE).await;
    let range = format!("bytes {}-{}/{SIZE}", 2 * QUANTUM, SIZE - 1);
    let reply = practice.chunk(&session, &range, &content(QUANTUM)).await;
    assert_eq!(reply.status, 416);
    assert_eq!(practice.sandbox.report().violations, []);
}

#[tokio::test]
async fn a_redirect_that_is_followed_ends_in_the_trap() {
    let practice = Practice::new().await;
    let (_, url) = practice.reserve(3, false).await;
    let trap = format!("http://{}/_sandbox/trap", practice.sandbox.api_addr());
    let answer = Answer::status(302).header("location", &trap);
    practice.fault(Call::Put, Action::Answer(answer));
    assert_eq!(
        practice.put(&url, b"abc").await.header("location"),
        Some(&*trap)
    );
    assert_eq!(practice.sandbox.report().violations, []);
    let login = practice
        .http
        .get(&trap)
        .bearer_auth("t")
        .send()
        .await
        .unwrap();
    assert_eq!(login.status(), 200);
    let report = practice.sandbox.report();
    assert_eq!(report.count(Breach::FollowedRedirect), 1);
    assert_eq!(report.token_seen_elsewhere, 1);
}

#[tokio::test]
async fn faults_come_by_file_and_by_control_call() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("faults.json");
    let fault = r#"[{"call": "table", "action": {"answer": {"status": 500}}}]"#;
    std::fs::write(&script, fault).unwrap();
    let practice = Practice::with(|settings| settings.faults = Some(script)).await;
    let status = || async {
        practice
            .api(Method::GET, "/tables/a.b.c", None)
            .await
            .status
    };
    assert_eq!(status().await, 500);
    assert_eq!(status().await, 200);
    for body in [
        json!({"call": "table", "action": {"rate_limit": "1"}}),
        json!([{"call": "any", "times": null, "action": {"answer": {"status": 502}}}]),
    ] {
        let reply = practice.control(Method::POST, "faults", Some(body)).await;
        assert_eq!(reply.status, 200);
    }
    assert_eq!(status().await, 429);
    assert_eq!(status().await, 502);
    assert_eq!(status().await, 502);
    let wrong = Some(json!({"call": "tables", "action": "wrong_hash"}));
    assert_eq!(
        practice.control(Method::POST, "faults", wrong).await.status,
        400
    );
}

#[tokio::test]
async fn a_fault_can_wait_for_a_later_part_of_the_file() {
    let practice = Practice::new().await;
    let (_, session) = practice.session(SIZE).await;
    let late = Fault::new(Call::Chunk, Action::CutBeforeReply).from_offset(QUANTUM as u64);
    practice.sandbox.script(vec![late]);
    let bytes = content(SIZE);
    let first = format!("bytes 0-{}/{SIZE}", QUANTUM - 1);
    let reply = practice.chunk(&session, &first, &bytes[..QUANTUM]).await;
    assert_eq!(reply.status, 308);
    let second = format!("bytes {QUANTUM}-{}/{SIZE}", SIZE - 1);
    let sent = practice
        .try_put(&session, &bytes[QUANTUM..], Some(&second))
        .await;
    assert!(sent.is_err());
    assert_eq!(practice.query(&session, SIZE).await.status, 200);
}
