//! What stops on the way: refused, reset, silent, stalled, slow.

use std::io::Write as _;
use std::net::{Shutdown, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::stream;
use redivis_drop::redivis::{ApiError, Limits, UploadBody};

use crate::server::{BIG, Server, answer, answered, failed, file, json, lost, quick, zeros};

#[tokio::test]
async fn nobody_at_the_other_end_means_nothing_was_sent() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let mut server = Server::saying("");
    server.url = url;
    let client = server.client();
    let error = failed(client.register_files("a.b.c", &file()).await);
    assert!(matches!(error, ApiError::NotReached { .. }), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
    let lost = lost(client.put_whole(&server.temp(), zeros(5)).await);
    assert!(!lost.reached && !lost.stalled && !lost.source, "{lost:?}");
}

#[tokio::test]
async fn who_cannot_speak_tls_or_has_no_address_gets_nothing() {
    // something else answers on the port
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    thread::spawn(move || {
        for stream in other.incoming() {
            let _ = stream
                .unwrap()
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let mut server = Server::saying("");
    // `.invalid` never resolves
    for url in [
        format!("https://{address}"),
        "https://redivis.invalid".to_owned(),
    ] {
        server.url = url;
        let error = failed(server.client().register_files("a.b.c", &file()).await);
        assert!(matches!(error, ApiError::NotReached { .. }), "{error}");
        assert!(error.certainly_not_applied());
    }
}

#[tokio::test]
async fn a_connection_that_breaks_means_nothing_is_known() {
    let server = Server::new(|line, _| {
        line.head();
        // unread bytes make this a reset
    });
    let client = server.client();
    let error = failed(client.register_files("a.b.c", &file()).await);
    assert!(
        matches!(error, ApiError::Unavailable { status: None, .. }),
        "{error}"
    );
    let lost = lost(client.put_whole(&server.temp(), zeros(BIG)).await);
    assert!(lost.reached && !lost.stalled && !lost.source, "{lost:?}");

    let cut = "HTTP/1.1 201 Created\r\ncontent-length: 500\r\n\r\n{\"results\":[";
    let server = Server::new(move |line, _| {
        line.request();
        line.say(cut.as_bytes());
    });
    let error = failed(server.client().register_files("a.b.c", &file()).await);
    assert!(
        matches!(error, ApiError::Unavailable { status: None, .. }),
        "{error}"
    );
}

/// Lets the connection of the last answer return to the pool.
async fn idle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_pooled_connection_that_dies_is_an_error_and_nothing_is_sent_twice() {
    let server = Server::new(|line, _| {
        line.request();
        line.say(json(r#"{"name":"t"}"#).as_bytes());
        line.request();
        let _ = line.stream.shutdown(Shutdown::Both);
    });
    let client = server.client();
    client.table("a.b.c").await.unwrap();
    idle().await;
    let error = failed(client.register_files("a.b.c", &file()).await);
    assert!(
        matches!(error, ApiError::Unavailable { status: None, .. }),
        "{error}"
    );
    client.table("a.b.c").await.unwrap();
    idle().await;
    let lost = lost(client.put_whole(&server.temp(), zeros(100_000)).await);
    assert!(lost.reached, "{lost:?}");
    assert_eq!(server.heads().len(), 4);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_pooled_connection_that_was_closed_meanwhile_never_doubles_a_request() {
    let server = Server::new(|line, _| {
        line.request();
        line.say(json(r#"{"name":"t"}"#).as_bytes());
        let _ = line.stream.shutdown(Shutdown::Both);
    });
    let client = server.client();
    for calls in 1..=50 {
        // Whether the close has been seen before the next call is chance: both are right.
        let result = client.table("a.b.c").await;
        assert!(server.heads().len() <= calls, "{result:?}");
    }
}

#[tokio::test]
async fn a_server_that_stops_reading_is_given_up() {
    let server = Server::new(|line, _| {
        line.head();
        let _ = line.read(100_000);
        line.hold();
    });
    let start = Instant::now();
    let client = server.client_within(quick());
    let lost = lost(client.put_whole(&server.temp(), zeros(BIG)).await);
    assert!(lost.stalled && lost.reached, "{lost:?}");
    assert_eq!(lost.why, "the server took no bytes for 200ms");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_slow_server_is_waited_for_as_long_as_it_moves() {
    let server = Server::new(|line, _| {
        line.head();
        let step = usize::try_from(BIG).unwrap() / 64;
        for _ in 0..64 {
            thread::sleep(Duration::from_millis(20));
            line.read(step).unwrap();
        }
        line.say(answer("200 OK", "", "").as_bytes());
    });
    let limits = Limits {
        stall: Duration::from_millis(500),
        ..Limits::default()
    };
    let start = Instant::now();
    let client = server.client_within(limits);
    let got = answered(client.put_whole(&server.temp(), zeros(BIG)).await);
    assert_eq!(got.status, 200);
    assert!(
        start.elapsed() > limits.stall * 2,
        "too fast to prove anything"
    );
}

#[tokio::test]
async fn an_answer_that_never_comes_is_not_waited_for() {
    let server = Server::new(|line, _| {
        line.request();
        line.hold();
    });
    let client = server.client_within(quick());
    for (reply, why) in [
        (
            client.put_whole(&server.temp(), zeros(100_000)).await,
            "no answer for 200ms",
        ),
        (
            client.query(&server.session(), 5).await,
            "no answer for 200ms",
        ),
    ] {
        let lost = lost(reply);
        assert!(lost.stalled && lost.reached, "{lost:?}");
        assert_eq!(lost.why, why);
    }
    let error = failed(client.register_files("a.b.c", &file()).await);
    assert!(
        error
            .to_string()
            .contains("no complete answer within 200ms"),
        "{error}"
    );
    assert!(!error.certainly_not_applied());
}

#[tokio::test]
async fn a_file_that_gives_no_bytes_is_told_from_a_slow_network() {
    let server = Server::saying("");
    let client = server.client_within(quick());
    let body = UploadBody::stream(9, stream::pending());
    let lost = lost(client.put_whole(&server.temp(), body).await);
    assert_eq!(
        (lost.stalled, &lost.why[..]),
        (true, "the file gave no bytes for 200ms")
    );
}

#[tokio::test]
async fn a_status_stands_although_its_text_never_ends() {
    let server = Server::new(|line, _| {
        line.request();
        line.say(b"HTTP/1.1 410 Gone\r\ncontent-length: 50\r\n\r\nhalf");
        line.hold();
    });
    let client = server.client_within(quick());
    let got = answered(client.put_whole(&server.temp(), zeros(5)).await);
    assert_eq!(got.status, 410);
}
