//! The API's answers: used as a whole or not at all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{Int64Array, RecordBatch, StringArray};
use redivis_drop::redivis::{ApiError, TempUploadRequest};

use crate::server::{Server, answer, failed, file, json, quick};

#[tokio::test]
async fn temp_uploads_are_used_only_if_all_are_as_asked() {
    let wanted: Vec<_> = [("a", 5, false), ("ü b", u64::MAX, true)]
        .map(|(name, size, resumable)| TempUploadRequest {
            name: name.into(),
            size,
            resumable,
        })
        .into();
    let a = r#"{"kind":"tempUpload","id":"1","url":"https://up.example/1","size":"5","resumable":false}"#;
    let b = r#"{"id":"2","url":"http://127.0.0.1:9/2","size":18446744073709551615,"resumable":true,"new":{}}"#;
    let good = json(&format!(
        r#"{{"kind":"tempUploadList","results":[{a},{b}]}}"#
    ));
    let server = Server::new(move |line, _| {
        let body = String::from_utf8(line.request().unwrap()).unwrap();
        assert_eq!(
            body,
            r#"{"tempUploads":[{"name":"a","size":5,"resumable":false},{"name":"ü b","size":18446744073709551615,"resumable":true}]}"#
        );
        line.say(good.as_bytes());
    });
    let table = "own.data:1a:next.raw:2b";
    let given = server
        .client()
        .create_temp_uploads(table, &wanted)
        .await
        .unwrap();
    let ids: Vec<_> = given.iter().map(|temp| temp.id.as_str()).collect();
    assert_eq!(ids, ["1", "2"]);
    assert_eq!(given[1].url.expose(), "http://127.0.0.1:9/2");
    assert_eq!((given[1].size, given[1].resumable), (u64::MAX, true));
    assert!(
        server.heads()[0].starts_with(
            "POST /api/v1/tables/own.data%3A1a%3Anext.raw%3A2b/tempUploads HTTP/1.1\r\n"
        )
    );
    assert_eq!(
        server.client().create_temp_uploads(table, &[]).await,
        Ok(Vec::new())
    );
    assert_eq!(server.connections(), 1, "nothing is asked for nothing");

    let evil = |from: &str, to: &str| format!("{a},{}", b.replace(from, to));
    for results in [
        String::new(),
        a.to_owned(),
        format!("{a},{b},{b}"),
        format!("{b},{a}"),
        evil("18446744073709551615", "6"),
        evil("true", "false"),
        evil("\"2\"", "\"1\""),
        evil("\"2\"", "\"\""),
        evil("http://127.0.0.1:9/2", "http://up.example/s3cr3t"),
        evil("http://127.0.0.1:9/2", "/s3cr3t"),
        evil("http://127.0.0.1:9/2", "https://s3cr3t@up.example/"),
        evil("http://127.0.0.1:9/2", "file:///s3cr3t"),
        evil("http://127.0.0.1:9/2", "https://up.example/1"),
        evil("\"http://127.0.0.1:9/2\"", "null"),
        evil("true", "\"https://up.example/s3cr3t\""),
    ] {
        let server = Server::saying(json(&format!(r#"{{"results":[{results}]}}"#)));
        let error = failed(server.client().create_temp_uploads(table, &wanted).await);
        assert!(
            matches!(error, ApiError::Nonsense { .. }),
            "{results}: {error}"
        );
    }
}

#[tokio::test]
async fn a_registration_is_reported_as_it_came() {
    let row = r#"{"id":"f1","uri":"/x","name":"run 7/ä","md5Hash":"1B2M2Y8AsgTpgAmY7PhCfg==","size":"0"}"#;
    for status in ["200 OK", "201 Created", "202 Accepted"] {
        let body = format!(r#"{{"kind":"rawFileList","results":[{row}]}}"#);
        let server = Server::saying(answer(status, "x-redivis-warning: soon gone\r\n", &body));
        let files = server
            .client()
            .register_files("a.b.c", &file())
            .await
            .unwrap();
        assert_eq!((files[0].id.as_str(), files[0].size), ("f1", 0));
        assert_eq!(files[0].name, "run 7/ä");
        assert_eq!(files[0].md5.to_string(), "d41d8cd98f00b204e9800998ecf8427e");
    }
    let server = Server::saying(answer(
        "226 IM Used",
        "",
        &format!(r#"{{"results":[{row}]}}"#),
    ));
    let error = failed(server.client().register_files("a.b.c", &file()).await);
    assert_eq!(
        error.to_string(),
        "this is not an answer of Redivis: an unknown success (226)"
    );
    for results in [
        String::new(),
        format!("{row},{row}"),
        row.replace("1B2M", "?"),
        row.replace("\"0\"", "-1"),
        row.replace("md5Hash", "other"),
    ] {
        let server = Server::saying(json(&format!(r#"{{"results":[{results}]}}"#)));
        let error = failed(server.client().register_files("a.b.c", &file()).await);
        assert!(
            matches!(error, ApiError::Nonsense { .. }),
            "{results}: {error}"
        );
        assert!(!error.certainly_not_applied());
    }
}

#[tokio::test]
async fn a_next_version_is_asked_for_without_a_body() {
    let server = Server::new(|line, _| {
        assert_eq!(line.request().unwrap(), b"");
        let version = r#"{"kind":"version","tag":"next"}"#;
        line.say(answer("201 Created", "", version).as_bytes());
    });
    let made = server.client().create_next_version("own.data:1a").await;
    assert_eq!(made, Ok(()));
    let head = server.heads()[0].to_lowercase();
    assert!(
        head.starts_with("post /api/v1/datasets/own.data%3a1a/versions http/1.1\r\n"),
        "{head}"
    );
    assert!(head.contains("content-length: 0\r\n"), "{head}");
}

#[tokio::test]
async fn the_version_that_was_released_last_is_named_in_plain_characters_or_not_at_all() {
    for (current, named) in [
        (r#"{"tag":"v2.0"}"#, Some("v2.0")),
        (r#""v2.0""#, Some("v2.0")),
        (r#"{"tag":"v2\n\u001b[31m.0"}"#, Some("v231m.0")),
        (r#"{"id":1}"#, None),
        ("null", None),
    ] {
        let server = Server::saying(json(&format!(
            r#"{{"currentVersion":{current},"nextVersion":null}}"#
        )));
        let dataset = server.client().dataset("a.b").await.unwrap();
        assert_eq!(dataset.released.as_deref(), named, "{current}");
        assert!(!dataset.has_next_version);
    }
}

#[tokio::test]
async fn tables_and_datasets_are_described() {
    let server = Server::saying(json(
        r#"{"name":"x","qualifiedReference":"a.b:1","isFileIndex":true,"nextVersion":{"tag":"next"}}"#,
    ));
    let client = server.client();
    let table = client.table("a.b.c").await.unwrap();
    assert_eq!(
        (table.is_file_index, table.name.as_deref()),
        (Some(true), Some("x"))
    );
    assert!(client.dataset("a.b:1").await.unwrap().has_next_version);
    assert!(server.heads()[1].starts_with("GET /api/v1/datasets/a.b%3A1 HTTP/1.1\r\n"));
    assert!(matches!(
        failed(client.table("..").await),
        ApiError::Refused { .. }
    ));
}

fn listing() -> Vec<u8> {
    let text = |values: Vec<&str>| Arc::new(StringArray::from(values)) as _;
    let batch = RecordBatch::try_from_iter([
        ("file_id", text(vec!["1", "2"])),
        ("file_name", text(vec!["mine", "yours"])),
        ("size", Arc::new(Int64Array::from(vec![0, 5])) as _),
        ("md5_hash", text(vec!["1B2M2Y8AsgTpgAmY7PhCfg=="; 2])),
    ])
    .unwrap();
    let mut bytes = Vec::new();
    let mut writer = arrow_ipc::writer::StreamWriter::try_new(&mut bytes, &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    drop(writer);
    bytes
}

#[tokio::test]
async fn a_listing_is_complete_or_an_error() {
    let bytes = listing();
    let with_length = [
        format!("content-length: {}\r\n\r\n", bytes.len()).into_bytes(),
        bytes.clone(),
    ];
    let in_chunks = [
        format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n", bytes.len()).into_bytes(),
        bytes.clone(),
        b"\r\n0\r\n\r\n".to_vec(),
    ];
    let to_the_end = [b"\r\n".to_vec(), bytes.clone()];
    let too_short = [b"content-length: 99999\r\n\r\n".to_vec(), bytes.clone()];
    let cut = [b"\r\n".to_vec(), bytes[..bytes.len() - 8].to_vec()];
    for (parts, complete) in [
        (with_length.concat(), true),
        (in_chunks.concat(), true),
        (to_the_end.concat(), true),
        (too_short.concat(), false),
        (cut.concat(), false),
    ] {
        let server = Server::new(move |line, _| {
            line.request();
            line.say(&[b"HTTP/1.1 200 OK\r\n", &parts[..]].concat());
        });
        let result = server
            .client()
            .list_files("a.b:next.c", |name| name == "mine")
            .await;
        if complete {
            let files = result.unwrap();
            assert_eq!((files.len(), files[0].id.as_str()), (1, "1"));
            assert!(
                server.heads()[0].starts_with(
                    "GET /api/v1/tables/a.b%3Anext.c/rawFiles?format=arrow HTTP/1.1\r\n"
                )
            );
        } else {
            assert!(!failed(result).certainly_not_applied());
        }
    }
}

#[tokio::test]
async fn a_listing_that_stops_is_given_up() {
    let server = Server::new(|line, _| {
        line.request();
        line.say(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n");
        line.hold();
    });
    let client = server.client_within(quick());
    let error = failed(client.list_files("a.b.c", |_| true).await);
    assert!(matches!(error, ApiError::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn too_many_requests_are_one_pause_for_all() {
    let server = Server::saying(answer("429 Too Many", "retry-after: 7\r\n", ""));
    let client = server.client();
    let now = Instant::now();
    client.acquire(now).unwrap();
    let error = failed(client.table("a.b.c").await);
    let pause = Some(Duration::from_secs(7));
    assert_eq!(
        error,
        ApiError::Throttled {
            status: 429,
            retry_after: pause
        }
    );
    let until = client.clone().acquire(Instant::now()).unwrap_err();
    assert!(until >= now + Duration::from_secs(7));
}
