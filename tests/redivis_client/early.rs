//! Bodies that do not end as announced, and answers that come before their end.

use std::io;
use std::net::Shutdown;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use redivis_drop::redivis::UploadBody;

use crate::server::{BIG, Server, answer, answered, lost, zeros};

#[tokio::test]
async fn an_early_refusal_is_heard_while_the_body_goes_out() {
    let refusal = || answer("403 Forbidden", "connection: close\r\n", "<Code>No</Code>");
    let keeps_reading = Server::new(move |line, _| {
        line.head();
        let _ = line.read(5000);
        line.say(refusal().as_bytes());
        line.drain();
    });
    let stops_reading = Server::new(move |line, _| {
        line.head();
        let _ = line.read(5000);
        line.say(refusal().as_bytes());
        line.hold();
    });
    let closes = Server::new(move |line, _| {
        line.head();
        let _ = line.read(5000);
        line.say(refusal().as_bytes());
        let _ = line.stream.shutdown(Shutdown::Write);
        thread::sleep(Duration::from_millis(200));
    });
    for server in [keeps_reading, stops_reading, closes] {
        let start = Instant::now();
        let got = answered(server.client().put_whole(&server.temp(), zeros(BIG)).await);
        assert_eq!((got.status, &got.text[..]), (403, "<Code>No</Code>"));
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn an_early_refusal_with_a_reset_is_heard_or_lost_but_no_success() {
    let server = Server::new(|line, _| {
        line.head();
        let _ = line.read(5000);
        line.say(answer("403 Forbidden", "", "").as_bytes());
        // dropped with unread bytes: a reset follows the answer at once
    });
    for _ in 0..20 {
        match server.client().put_whole(&server.temp(), zeros(BIG)).await {
            Ok(answer) => assert_eq!(answer.status, 403),
            Err(lost) => assert!(lost.reached && !lost.source, "{lost:?}"),
        }
    }
}

#[tokio::test]
async fn a_success_before_all_was_sent_is_none() {
    let server = Server::new(|line, _| {
        line.head();
        let _ = line.read(5000);
        line.say(answer("200 OK", "", "").as_bytes());
        // reading on might let all of it go out before the answer is noticed
        line.hold();
    });
    let client = server.client();
    let lost = lost(client.put_whole(&server.temp(), zeros(BIG)).await);
    assert_eq!(
        (lost.reached, &lost.why[..]),
        (true, "a success before all bytes were sent")
    );
}

#[tokio::test]
async fn a_body_of_another_length_never_arrives_whole() {
    let (sent, seen) = std::sync::mpsc::channel();
    let sent = Mutex::new(sent);
    let server = Server::new(move |line, _| {
        line.head();
        sent.lock().unwrap().send(line.drain()).unwrap();
    });
    let client = server.client();
    let len = 300_000;
    let pieces = |sizes: &[usize]| {
        let pieces: Vec<_> = sizes
            .iter()
            .map(|size| Ok(Bytes::from(vec![1; *size])))
            .collect();
        stream::iter(pieces)
    };
    let broken = stream::iter([Ok(Bytes::from_static(b"x")), Err(io::Error::other("disk"))]);
    for (body, why) in [
        (
            UploadBody::stream(len, pieces(&[200_000, 99_999])),
            "ended after 299999 of 300000",
        ),
        (
            UploadBody::stream(len, pieces(&[])),
            "ended after 0 of 300000",
        ),
        (
            UploadBody::stream(len, pieces(&[200_000, 100_001])),
            "more than 300000",
        ),
        (
            UploadBody::stream(len, pieces(&[300_000, 0, 1])),
            "more than 300000",
        ),
        (
            UploadBody {
                len,
                ..UploadBody::whole(vec![1; 299_999])
            },
            "ended after",
        ),
        (
            UploadBody {
                len,
                ..UploadBody::whole(vec![1; 300_001])
            },
            "more than 300000",
        ),
        (UploadBody::stream(len, broken), "the source failed: disk"),
    ] {
        let lost = lost(client.put_whole(&server.temp(), body).await);
        assert!(
            lost.source && lost.reached && lost.why.contains(why),
            "{lost:?}"
        );
        assert!(seen.recv().unwrap() < len);
    }
    let before = server.heads().len();
    let more = UploadBody {
        len: 0,
        ..UploadBody::whole("x")
    };
    let lost = lost(client.put_whole(&server.temp(), more).await);
    assert!(lost.source && !lost.reached, "{lost:?}");
    assert_eq!(server.heads().len(), before, "nothing was sent");
}
