//! What goes out: headers, lengths, and the token only where it belongs.

use std::sync::Mutex;
use std::time::Duration;

use redivis_drop::job::{ByteOffset, TempUrl};
use redivis_drop::redivis::{Bearer, UploadBody};

use crate::server::{PATH, Server, TOKEN, answer, answered, json, lost, value, zeros};

#[tokio::test]
async fn an_empty_request_says_that_it_is_empty() {
    let server = Server::saying(answer("308 Resume Incomplete", "", ""));
    let client = server.client();
    answered(client.start_session(&server.temp(), 123).await);
    answered(client.query(&server.session(), 123).await);
    answered(
        client
            .put_whole(&server.temp(), UploadBody::whole(""))
            .await,
    );
    answered(client.put_whole(&server.temp(), zeros(0)).await);

    let heads = server.heads();
    for (head, line) in heads.iter().zip(["POST", "PUT", "PUT", "PUT"]) {
        assert!(
            head.starts_with(&format!("{line} {PATH} HTTP/1.1\r\n")),
            "{head}"
        );
        assert_eq!(value(head, "content-length"), Some("0"), "{head}");
        assert_eq!(head.to_lowercase().matches("\ncontent-length:").count(), 1);
        assert_eq!(value(head, "transfer-encoding"), None);
        assert_eq!(value(head, "accept-encoding"), Some("identity"));
        assert!(
            value(head, "user-agent")
                .unwrap()
                .starts_with("redivis-drop/")
        );
    }
    assert_eq!(value(&heads[0], "x-upload-content-length"), Some("123"));
    assert_eq!(value(&heads[0], "x-goog-resumable"), Some("start"));
    assert_eq!(value(&heads[1], "content-range"), Some("bytes */123"));
    assert_eq!(value(&heads[2], "content-range"), None);
}

#[tokio::test]
async fn a_chunk_says_where_it_belongs_and_comes_whole() {
    let (sent, seen) = std::sync::mpsc::channel();
    let sent = Mutex::new(sent);
    let server = Server::new(move |line, _| {
        while let Some(body) = line.request() {
            sent.lock().unwrap().send(body).unwrap();
            line.say(
                b"HTTP/1.1 308 Resume Incomplete\r\nRange: bytes=0-9\r\ncontent-length: 0\r\n\
                  X-Goog-Hash: crc32c=AA==, md5=BB==\r\nx-goog-hash: other=C\r\n\
                  x-goog-stored-content-length: 10\r\nretry-after: 5\r\n\r\n",
            );
        }
    });
    let client = server.client();
    let session = server.session();
    let first = ByteOffset::new(4);
    let whole = UploadBody::whole("abcdef");
    let got = answered(client.put_chunk(&session, first, whole, 100).await);
    assert_eq!(seen.recv().unwrap(), b"abcdef");
    assert_eq!((got.status, got.range.as_deref()), (308, Some("bytes=0-9")));
    assert_eq!(got.goog_hash, ["crc32c=AA==", "md5=BB==", "other=C"]);
    assert_eq!(got.stored_length, Some(10));
    assert_eq!(got.retry_after, Some(Duration::from_secs(5)));

    let len = 1024 * 1024 + 5;
    answered(client.put_chunk(&session, first, zeros(len), len + 4).await);
    assert_eq!(seen.recv().unwrap().len() as u64, len);
    let heads = server.heads();
    assert_eq!(value(&heads[0], "content-range"), Some("bytes 4-9/100"));
    let range = format!("bytes 4-{}/{}", len + 3, len + 4);
    assert_eq!(value(&heads[1], "content-range"), Some(&range[..]));
    assert_eq!(
        value(&heads[1], "content-length"),
        Some(&len.to_string()[..])
    );
    assert_eq!(value(&heads[1], "transfer-encoding"), None);
}

#[tokio::test]
async fn the_token_stays_with_the_api() {
    let api = Server::saying(json(r#"{"name":"t"}"#));
    let elsewhere = Server::saying(answer("200 OK", "", ""));
    let client = api.client();
    client.table("a.b.c").await.unwrap();
    answered(client.put_whole(&api.temp(), zeros(9)).await);
    answered(client.put_whole(&elsewhere.temp(), zeros(9)).await);
    answered(client.query(&elsewhere.session(), 9).await);
    client.set_token(Bearer::new("another").unwrap());
    client.table("a.b.c").await.unwrap();

    let seen: Vec<_> = (api.heads().iter())
        .map(|head| value(head, "authorization").map(str::to_owned))
        .collect();
    let (old, new) = (format!("Bearer {TOKEN}"), "Bearer another".to_owned());
    assert_eq!(seen, [Some(old.clone()), Some(old), Some(new)]);
    assert_eq!(elsewhere.heads().len(), 2);
    for head in elsewhere.heads() {
        assert_eq!(value(&head, "authorization"), None);
    }
}

#[tokio::test]
async fn an_unfit_address_gets_nothing() {
    let client = Server::saying("").client();
    for url in [
        "http://storage.example/s3cr3t",
        "/s3cr3t",
        "https://u:s3cr3t@h/",
        "s3cr3t",
    ] {
        let reply = client.put_whole(&TempUrl::new(url), zeros(5)).await;
        let lost = lost(reply);
        assert!(
            !lost.reached && lost.why.contains("not one to send to"),
            "{lost:?}"
        );
    }
}
