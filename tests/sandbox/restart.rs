//! A server that starts again in its folder goes on where it was.

use crate::client::{Practice, QUANTUM, TABLE, content};

#[tokio::test]
async fn files_temp_uploads_and_sessions_outlive_a_restart() {
    let practice = Practice::new().await;
    let (done, url) = practice.reserve(3, false).await;
    practice.put(&url, b"abc").await;
    practice.register("first", &done).await;
    let (waiting, url) = practice.reserve(3, false).await;
    practice.put(&url, b"xyz").await;
    let size = 2 * QUANTUM + 1;
    let bytes = content(size);
    let (big, session) = practice.session(size).await;
    let range = format!("bytes 0-{}/{size}", QUANTUM - 1);
    practice.chunk(&session, &range, &bytes[..QUANTUM]).await;

    let before = practice.sandbox.api_addr().to_string();
    let practice = practice.restart().await;
    // Another port, the same secret.
    let session = session.replace(&before, &practice.sandbox.api_addr().to_string());
    assert_eq!(practice.sandbox.registered(TABLE).len(), 1);
    assert_eq!(practice.register("first", &done).await.status, 400);
    assert_eq!(practice.register("second", &waiting).await.status, 201);
    let reply = practice.query(&session, size).await;
    assert_eq!(
        reply.header("range"),
        Some(&*format!("bytes=0-{}", QUANTUM - 1))
    );
    let range = format!("bytes {QUANTUM}-{}/{size}", size - 1);
    let reply = practice.chunk(&session, &range, &bytes[QUANTUM..]).await;
    assert_eq!(reply.status, 200);
    assert_eq!(practice.register("third", &big).await.status, 201);

    // The checksum covers what came before the restart as well.
    let (_, whole) = practice.session(size).await;
    let range = format!("bytes 0-{}/{size}", size - 1);
    let want = practice.chunk(&whole, &range, &bytes).await;
    assert_eq!(reply.header("x-goog-hash"), want.header("x-goog-hash"));
    let names: Vec<_> = practice.sandbox.registered(TABLE);
    assert_eq!(
        names.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(),
        ["first", "second", "third"]
    );
}
