//! What comes back instead of an answer: redirects, pages for people, bytes without end.

use std::io::Write as _;
use std::time::Duration;

use redivis_drop::redivis::{ApiError, Limits};

use crate::server::{PATH, Server, answer, answered, failed, file, json, lost, one, value, zeros};

#[tokio::test]
async fn no_redirect_is_followed() {
    let target = Server::saying(json("{}"));
    for status in ["301 A", "302 B", "303 C", "307 D", "308 E"] {
        let location = format!("location: {}{PATH}\r\n", target.url);
        let server = Server::saying(answer(status, &location, ""));
        let client = server.client();
        let error = failed(client.create_temp_uploads("a.b.c", &one()).await);
        assert!(matches!(error, ApiError::Nonsense { .. }), "{error}");
        assert!(!error.certainly_not_applied());
        let got = answered(client.put_whole(&server.temp(), zeros(70_000)).await);
        assert_eq!(got.status.to_string(), status[..3]);
        assert_eq!(got.location, Some(format!("{}{PATH}", target.url)));
        answered(client.start_session(&server.temp(), 5).await);
        assert_eq!(server.heads().len(), 3);
    }
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn a_page_for_people_is_no_answer() {
    let page = "<!DOCTYPE html><html><a href='https://portal.example/?s3cr3t'>Log in</a></html>";
    for status in [
        "200 OK",
        "201 Created",
        "202 Accepted",
        "204 No Content",
        "226 IM Used",
    ] {
        let server = Server::saying(answer(status, "content-type: text/html\r\n", page));
        let client = server.client();
        let error = failed(client.register_files("a.b.c", &file()).await);
        assert!(matches!(error, ApiError::Nonsense { .. }), "{error}");
        let error = failed(server.client().list_files("a.b.c", |_| true).await);
        assert!(matches!(error, ApiError::Nonsense { .. }), "{error}");
        if !status.starts_with("204") {
            let lost = lost(server.client().put_whole(&server.temp(), zeros(5)).await);
            assert!(lost.reached && lost.why.contains("HTML"), "{lost:?}");
        }
    }
}

#[tokio::test]
async fn json_of_another_shape_is_no_answer() {
    let deep = format!(r#"{{"results":{}"#, "[".repeat(100_000));
    for body in [
        "",
        "null",
        "[]",
        r#"{"results":7}"#,
        r#"{"results":[{"id":"1"}]}"#,
        &deep,
    ] {
        let server = Server::saying(json(body));
        let error = failed(server.client().register_files("a.b.c", &file()).await);
        assert!(matches!(error, ApiError::Nonsense { .. }), "{error}");
    }
}

#[tokio::test]
async fn an_endless_body_is_read_up_to_its_limit() {
    for status in ["200 OK", "500 Oops", "404 Not Found"] {
        let server = Server::new(move |line, _| {
            line.request();
            line.say(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes());
            let words = " word".repeat(1000);
            while line.stream.write_all(words.as_bytes()).is_ok() {}
        });
        let limits = Limits {
            text: Duration::from_secs(30),
            ..Limits::default()
        };
        let client = server.client_within(limits);
        let error = failed(client.register_files("a.b.c", &file()).await).to_string();
        let error_length = error.chars().count();
        assert!(error_length < 400, "{error_length}");
        if status.starts_with("200") {
            assert!(error.contains("more than 8 MiB"), "{error}");
        } else {
            let got = answered(client.put_whole(&server.temp(), zeros(9)).await);
            assert_eq!(got.status.to_string(), status[..3]);
            assert_eq!(got.text.chars().count(), 301);
        }
    }
}

#[tokio::test]
async fn what_a_server_repeats_is_not_printed() {
    let server = Server::new(|line, _| {
        while let Some(head) = line.head() {
            let _ = line.read(value(&head, "content-length").map_or(0, |n| n.parse().unwrap()));
            line.say(
                answer("400 Bad Request", "", &format!("what is\u{1b}[2J {head}?")).as_bytes(),
            );
        }
    });
    let client = server.client();
    let error = failed(client.register_files("a.b.c", &file()).await);
    assert!(
        error.to_string().contains("what is\\u{1b}[2J POST /api"),
        "{error}"
    );
    let got = answered(client.put_whole(&server.temp(), zeros(5)).await);
    assert!(
        got.text.contains("what is") && got.text.lines().count() == 1,
        "{got:?}"
    );
}
