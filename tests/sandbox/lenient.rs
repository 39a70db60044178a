//! A server that takes what Google's storage would take.

use redivis_drop::sandbox::Breach;

use crate::client::{Practice, TABLE, content, raw};

#[tokio::test]
async fn a_lenient_server_stores_what_comes_and_tells_it_all_the_same() {
    let practice = Practice::with(|settings| settings.lenient = true).await;
    for (reserved, sent) in [(5, 0), (5, 4), (5, 6), (0, 3)] {
        let (temp, url) = practice.reserve(reserved, false).await;
        assert_eq!(practice.put(&url, &content(sent)).await.status, 200);
        assert_eq!(practice.register("x", &temp).await.status, 201);
        let stored = practice.sandbox.registered(TABLE).pop().unwrap();
        assert_eq!(stored.size, sent as u64, "{reserved} reserved");
    }
    // as a client sends a file whose end it has already reached
    let (_, five) = practice.reserve(5, false).await;
    let head = "PUT {path} HTTP/1.1\r\nhost: {host}\r\ntransfer-encoding: chunked\r\n\r\n";
    let answer = raw(&five, head, b"0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(practice.sandbox.report().count(Breach::SizeMismatch), 5);
    // and again, which makes another file of it
    let (temp, url) = practice.reserve(2, false).await;
    practice.put(&url, b"ab").await;
    assert_eq!(practice.register("y", &temp).await.status, 201);
    assert_eq!(practice.register("y", &temp).await.status, 201);
    // the right size may still come, as long as no table has it
    assert_eq!(practice.put(&five, &content(5)).await.status, 200);

    let practice = practice.restart().await;
    let sizes = practice.sandbox.registered(TABLE);
    let sizes: Vec<_> = sizes.iter().map(|file| file.size).collect();
    assert_eq!(sizes, [0, 4, 6, 3, 2, 2]);
}
