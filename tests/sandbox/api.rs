//! The API and the plain PUT.

use std::time::{Duration, Instant};

use redivis_drop::sandbox::{Breach, Call, RateLimit};
use reqwest::Method;
use serde_json::json;

use crate::client::{Practice, QUANTUM, TABLE, TOKEN, content, raw, read};

#[tokio::test]
async fn a_file_goes_from_its_reservation_to_the_listing_and_back() {
    let practice = Practice::new().await;
    let (temp, url) = practice.reserve(11, false).await;
    let stored = practice.put(&url, b"hello world").await;
    assert_eq!(stored.status, 200);
    let hash = "crc32c=yZRlqg==,md5=XrY7u+Ae7tCTyyK7j1rNww==";
    assert_eq!(stored.header("x-goog-hash"), Some(hash));
    assert_eq!(stored.header("x-goog-stored-content-length"), Some("11"));

    let reply = practice.register("run 1/hello.txt", &temp).await;
    assert_eq!(reply.status, 201);
    let file = &reply.json()["results"][0];
    assert_eq!(file["md5Hash"], "XrY7u+Ae7tCTyyK7j1rNww==");
    assert_eq!(file["size"], 11);

    // With and without the version it is the same table.
    let registered = practice.sandbox.registered("lab.data.raw");
    assert_eq!(registered, practice.sandbox.registered(TABLE));
    assert_eq!(registered[0].name, "run 1/hello.txt");
    assert_eq!(registered[0].md5, "5eb63bbbe01eeed093cb22bb8f5acdc3");

    let path = file["uri"].as_str().unwrap();
    let back = practice.api(Method::GET, path, None).await;
    assert_eq!(back.body, b"hello world");
    let part = practice
        .http
        .get(format!("{}{path}", practice.sandbox.endpoint()))
        .bearer_auth(TOKEN)
        .header("range", "bytes=6-8");
    let part = read(part.send().await.unwrap()).await;
    assert_eq!((part.status.as_u16(), &part.body[..]), (206, &b"wor"[..]));
    assert_eq!(practice.sandbox.report().violations, []);
}

#[tokio::test]
async fn temp_uploads_come_in_order_with_sizes_as_text_and_urls_of_their_own() {
    let practice = Practice::new().await;
    let wanted: Vec<_> = (0..1000).map(|n| json!({"size": n})).collect();
    let reply = practice
        .post("tempUploads", json!({"tempUploads": wanted}))
        .await;
    let body = reply.json();
    let results = body["results"].as_array().unwrap();
    assert_eq!(body["kind"], "tempUploadList");
    for (n, result) in results.iter().enumerate() {
        assert_eq!(result["size"], n.to_string());
        assert_eq!(result["resumable"], false);
    }
    let mut urls: Vec<_> = results.iter().map(|r| r["url"].to_string()).collect();
    urls.sort();
    urls.dedup();
    assert_eq!(urls.len(), 1000);
}

#[tokio::test]
async fn a_wrong_token_is_refused_as_redivis_does() {
    let practice = Practice::new().await;
    let url = format!("{}/tables/a.b.c/tempUploads", practice.sandbox.endpoint());
    for token in [None, Some("wrong")] {
        let mut request = practice.http.post(&url).body("{}");
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let reply = read(request.send().await.unwrap()).await;
        assert_eq!(reply.status, 401);
        assert_eq!(reply.json()["status"], 401);
        assert_eq!(reply.json()["error"], "invalid_token");
    }
}

#[tokio::test]
async fn bodies_that_are_wrong_are_refused_and_noted() {
    let practice = Practice::new().await;
    let many: Vec<_> = (0..1001).map(|_| json!({"size": 1})).collect();
    for (what, body, kind) in [
        (
            "tempUploads",
            json!({"tempUploads": many}),
            Breach::BatchTooLarge,
        ),
        (
            "tempUploads",
            json!({"tempUploads": []}),
            Breach::MalformedBody,
        ),
        ("tempUploads", json!({"uploads": []}), Breach::MalformedBody),
        (
            "tempUploads",
            json!({"tempUploads": [{"size": -1}]}),
            Breach::MalformedBody,
        ),
        (
            "tempUploads",
            json!({"tempUploads": [{"size": "12"}]}),
            Breach::MalformedBody,
        ),
        ("rawFiles", json!({"files": []}), Breach::MalformedBody),
        (
            "rawFiles",
            json!({"files": [{"name": "x"}]}),
            Breach::MalformedBody,
        ),
        ("uploads", json!([]), Breach::MalformedBody),
    ] {
        let before = practice.sandbox.report().count(kind);
        let reply = practice.post(what, body).await;
        assert_eq!(reply.status, 400, "{what}");
        assert_eq!(practice.sandbox.report().count(kind), before + 1);
    }
}

#[tokio::test]
async fn a_body_without_end_is_capped() {
    let practice = Practice::new().await;
    let name = "x".repeat(9 * 1024 * 1024);
    let reply = practice
        .post(
            "rawFiles",
            json!({"files": [{"name": name, "tempUploadId": ""}]}),
        )
        .await;
    assert_eq!(reply.status, 413);
}

#[tokio::test]
async fn a_reference_that_is_none_is_refused() {
    let practice = Practice::new().await;
    for table in ["raw", "a.b.c.d", "a..c", "a.b%2Fc.d"] {
        let path = format!("/tables/{table}/tempUploads");
        let body = json!({"tempUploads": [{"size": 1}]});
        let reply = practice.api(Method::POST, &path, Some(body)).await;
        assert_eq!(reply.status, 400, "{table}");
    }
}

#[tokio::test]
async fn a_put_stores_exactly_what_was_reserved_or_nothing() {
    let practice = Practice::new().await;
    for (size, sent, status, kind) in [
        (5, 5, 200, None),
        (0, 0, 200, None),
        (5, 4, 400, Some(Breach::SizeMismatch)),
        (5, 6, 400, Some(Breach::SizeMismatch)),
        (5, 0, 400, Some(Breach::SizeMismatch)),
        (0, 3 * QUANTUM, 400, Some(Breach::SizeMismatch)),
    ] {
        let (temp, url) = practice.reserve(size, false).await;
        let before = practice.sandbox.report().violations.len();
        let reply = practice.put(&url, &content(sent)).await;
        assert_eq!(reply.status, status, "{size} {sent}");
        let report = practice.sandbox.report();
        let noted = report.violations[before..].iter().map(|v| v.kind);
        assert_eq!(noted.collect::<Vec<_>>(), Vec::from_iter(kind));
        let registered = practice.register("x", &temp).await.status;
        assert_eq!(registered.is_success(), kind.is_none());
    }
}

#[tokio::test]
async fn a_chunked_put_counts_by_what_comes() {
    let practice = Practice::new().await;
    let head = "PUT {path} HTTP/1.1\r\nhost: {host}\r\ntransfer-encoding: chunked\r\n\r\n";
    for (body, status) in [
        ("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "200"),
        ("3\r\nabc\r\n0\r\n\r\n", "400"),
        ("6\r\nabcdef\r\n0\r\n\r\n", "400"),
    ] {
        let (_, url) = practice.reserve(5, false).await;
        let answer = raw(&url, head, body.as_bytes()).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer}"
        );
    }
    let (_, url) = practice.reserve(0, false).await;
    let answer = raw(&url, "PUT {path} HTTP/1.1\r\nhost: {host}\r\n\r\n", b"").await;
    assert!(answer.starts_with("HTTP/1.1 411"), "{answer}");
    assert_eq!(practice.sandbox.report().count(Breach::NoContentLength), 1);
}

#[tokio::test]
async fn a_body_that_is_longer_than_announced_is_noticed() {
    let practice = Practice::new().await;
    let (_, url) = practice.reserve(3, false).await;
    let head = "PUT {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 3\r\n\r\n";
    let answer = raw(&url, head, b"abc and the rest of a file that grew\n\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(practice.sandbox.report().count(Breach::MalformedRequest), 1);
}

#[tokio::test]
async fn a_second_put_replaces_the_first_until_the_file_is_registered() {
    let practice = Practice::new().await;
    let (temp, url) = practice.reserve(3, false).await;
    assert_eq!(practice.put(&url, b"one").await.status, 200);
    assert_eq!(practice.put(&url, b"two").await.status, 200);
    assert_eq!(practice.register("n", &temp).await.status, 201);
    let registered = practice.sandbox.registered(TABLE);
    assert_eq!(registered[0].md5, "b8a9f715dbb64fd5c56e7783c6820a61");
    assert_eq!(practice.put(&url, b"tri").await.status, 400);
    assert_eq!(practice.sandbox.report().count(Breach::StoredAfterUse), 1);
}

#[tokio::test]
async fn a_guessed_url_is_not_found() {
    let practice = Practice::new().await;
    let (_, url) = practice.reserve(3, false).await;
    let wrong = format!("{}x", &url[..url.len() - 1]);
    for url in [wrong, url.replace('-', "+"), format!("{url}?upload_id=1")] {
        let status = practice.put(&url, b"abc").await.status;
        assert_eq!(status, 404);
    }
}

#[tokio::test]
async fn a_batch_is_registered_as_a_whole_or_not_at_all() {
    let practice = Practice::new().await;
    let (good, url) = practice.reserve(3, false).await;
    practice.put(&url, b"abc").await;
    let (unfinished, _) = practice.reserve(3, false).await;
    let file = |name: &str, temp: &str| json!({"name": name, "tempUploadId": temp});
    for (second, why) in [
        (file("b", "nonsense"), "no temp upload"),
        (file("b", &unfinished), "not finished"),
        (file("b", &good), "twice"),
        (file("", &unfinished), "needs a name"),
    ] {
        let files = json!({"files": [file("a", &good), second]});
        let reply = practice.post("rawFiles", files).await;
        assert_eq!(reply.status, 400);
        let text = reply.json()["error_description"].to_string();
        assert!(text.contains(why), "{text}");
        assert_eq!(practice.sandbox.registered(TABLE), []);
    }
    assert_eq!(practice.register("a", &good).await.status, 201);
    let again = practice.register("a", &good).await;
    assert_eq!(again.status, 400);
    assert!(
        again.json()["error_description"]
            .to_string()
            .contains("already been used")
    );
}

#[tokio::test]
async fn the_same_name_twice_is_two_files() {
    let practice = Practice::new().await;
    for text in [b"one", b"two"] {
        let (temp, url) = practice.reserve(3, false).await;
        practice.put(&url, text).await;
        assert_eq!(practice.register("same", &temp).await.status, 201);
    }
    let names: Vec<_> = practice.sandbox.registered(TABLE);
    assert_eq!(names.len(), 2);
    assert_ne!(names[0].id, names[1].id);
    let page = practice
        .api(
            Method::GET,
            "/tables/lab.data.raw/rawFiles?maxResults=1",
            None,
        )
        .await
        .json();
    assert_eq!(page["results"].as_array().unwrap().len(), 1);
    assert_eq!(page["nextPageToken"], "1");
}

#[tokio::test]
async fn a_listing_that_did_not_change_is_not_sent_again() {
    let practice = Practice::new().await;
    let get = |when: &'static str| {
        let url = format!(
            "{}/tables/lab.data.raw/rawFiles?format=arrow",
            practice.sandbox.endpoint()
        );
        let request = practice.http.get(url).bearer_auth(TOKEN);
        async move {
            request
                .header("if-modified-since", when)
                .send()
                .await
                .unwrap()
                .status()
        }
    };
    let (temp, url) = practice.reserve(1, false).await;
    practice.put(&url, b"x").await;
    practice.register("x", &temp).await;
    assert_eq!(get("Sun, 06 Nov 1994 08:49:37 GMT").await, 200);
    assert_eq!(get("Sat, 06 Nov 2094 08:49:37 GMT").await, 304);
}

#[tokio::test]
async fn a_released_dataset_takes_no_files_until_its_next_version_is_made() {
    let practice = Practice::new().await;
    let reserve = |table: &'static str| {
        let body = json!({"tempUploads": [{"size": 1}]});
        let path = format!("/tables/{table}/tempUploads");
        let practice = &practice;
        async move { practice.api(Method::POST, &path, Some(body)).await.status }
    };
    assert_eq!(reserve("lab.data.raw").await, 200);
    assert_eq!(reserve("lab.data:v1_0.raw").await, 400);
    let body = Some(json!({"dataset": "lab.data"}));
    assert_eq!(
        practice.control(Method::POST, "release", body).await.status,
        200
    );
    let dataset = practice.api(Method::GET, "/datasets/lab.data", None).await;
    assert!(dataset.json()["nextVersion"].is_null());
    assert_eq!(reserve("lab.data.raw").await, 400);
    assert_eq!(reserve("lab.data:next.raw").await, 400);
    let version = || practice.api(Method::POST, "/datasets/lab.data/versions", None);
    assert_eq!(version().await.status, 201);
    assert_eq!(version().await.status, 400);
    assert_eq!(reserve("lab.data.raw").await, 400);
    assert_eq!(reserve("lab.data:next.raw").await, 200);
    assert_eq!(practice.sandbox.report().requests(Call::Versions), 2);
}

#[tokio::test]
async fn a_release_numbers_the_version_and_needs_one_that_is_not_released() {
    let practice = Practice::new().await;
    let dataset = "/datasets/lab.data";
    let release = || {
        let path = "/datasets/lab.data/versions/next/release";
        practice.api(Method::POST, path, Some(json!({"releaseNotes": null})))
    };
    let current =
        || async { practice.api(Method::GET, dataset, None).await.json()["currentVersion"].take() };
    assert!(current().await.is_null());
    for tag in ["v1.0", "v2.0"] {
        let released = release().await;
        assert_eq!(released.status, 200);
        assert_eq!(released.json()["tag"], tag);
        assert_eq!(current().await["tag"], tag);
        assert_eq!(release().await.status, 400, "there is none left");
        let path = "/datasets/lab.data/versions";
        assert_eq!(practice.api(Method::POST, path, None).await.status, 201);
    }
}

#[tokio::test]
async fn the_rate_limit_is_told_and_kept() {
    let practice = Practice::with(|settings| {
        settings.rate_limit = Some(RateLimit {
            requests: 2,
            period: Duration::from_hours(1),
        });
    })
    .await;
    let get = || practice.api(Method::GET, "/tables/lab.data.raw", None);
    let first = get().await;
    assert_eq!(first.header("x-ratelimit-limit"), Some("2"));
    assert_eq!(first.header("x-ratelimit-remaining"), Some("1"));
    get().await;
    let third = get().await;
    assert_eq!(third.status, 429);
    assert_eq!(third.header("x-ratelimit-remaining"), Some("0"));
    let until: i64 = third.header("retry-after").unwrap().parse().unwrap();
    assert!(until > 1_000_000_000);
}

#[tokio::test]
async fn a_token_on_the_upload_origin_is_let_pass_and_noted() {
    let practice = Practice::with(|settings| settings.upload_listen = Some(settings.listen)).await;
    assert_ne!(practice.sandbox.api_addr(), practice.sandbox.upload_addr());
    let (_, url) = practice.reserve(3, false).await;
    assert!(url.contains(&practice.sandbox.upload_addr().to_string()));
    practice.put(&url, b"abc").await;
    assert_eq!(practice.sandbox.report().violations, []);
    let leaking = practice.http.put(&url).bearer_auth(TOKEN).body("abc");
    assert_eq!(leaking.send().await.unwrap().status(), 200);
    let report = practice.sandbox.report();
    assert_eq!(report.count(Breach::TokenOnUploadOrigin), 1);
    assert_eq!(report.token_seen_elsewhere, 1);
    assert!(
        !report.violations[0]
            .request
            .contains(url.rsplit('-').next().unwrap())
    );

    // Neither origin serves the other's calls.
    let api = format!(
        "http://{}/api/v1/tables/a.b.c",
        practice.sandbox.upload_addr()
    );
    assert_eq!(practice.http.get(api).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn the_report_counts_by_call() {
    let practice = Practice::new().await;
    let (temp, url) = practice.reserve(3, false).await;
    practice.put(&url, b"abc").await;
    practice.register("n", &temp).await;
    let report = practice.control(Method::GET, "report", None).await.json();
    assert_eq!(
        report["requests"],
        json!({"tempUploads": 1, "put": 1, "rawFiles": 1})
    );
    assert_eq!(report["bytes_received"], 3);
    let registered = practice
        .control(Method::GET, "registered", None)
        .await
        .json();
    assert_eq!(registered[0]["table"], "lab.data.raw");
    assert_eq!(registered[0]["md5"], "900150983cd24fb0d6963f7d28e17f72");
    assert_eq!(practice.sandbox.report().requests(Call::Put), 1);
}

#[tokio::test]
async fn latency_and_throttle_slow_a_request_down() {
    let practice = Practice::with(|settings| {
        settings.latency = Some(Duration::from_millis(10));
        settings.bytes_per_sec = Some(100_000);
    })
    .await;
    let (_, url) = practice.reserve(5_000, false).await;
    let start = Instant::now();
    assert_eq!(practice.put(&url, &content(5_000)).await.status, 200);
    assert!(start.elapsed() >= Duration::from_millis(60));
}
