//! Around the calls: logs, proxies, threads.

use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use redivis_drop::job::ByteOffset;

use crate::server::{Server, answer, answered, json, zeros};

/// All that any library logs while these tests run.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn nothing_secret_is_logged_at_any_level() {
    static LOG: OnceLock<Log> = OnceLock::new();
    let log = LOG.get_or_init(|| {
        let log = Log::default();
        let writer = log.clone();
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || writer.clone())
            .init();
        log
    });
    let warning = "x-redivis-warning: see https://w.example/s3cr3t for t0k3n-s3cr3t\r\n";
    let server = Server::saying(answer("200 OK", warning, "{}"));
    let client = server.client();
    client.table("a.b.c").await.unwrap();
    answered(client.put_whole(&server.temp(), zeros(100_000)).await);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        log.contains("Redivis warns: see https://w.example/… for …"),
        "{log}"
    );
    assert!(!log.contains("s3cr3t"), "{log}");
}

#[test]
fn loopback_needs_no_proxy() {
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "api::tables_and_datasets_are_described"]);
    // port 9 discards, if anything listens there at all
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        again.env(name, "http://127.0.0.1:9");
    }
    let output = again
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}

#[tokio::test]
async fn every_call_can_run_on_any_worker() {
    fn send<T: Send>(work: T) -> T {
        work
    }
    let server = Server::saying(json("{}"));
    let (c, temp, session) = (server.client(), server.temp(), server.session());
    drop(send(c.create_temp_uploads("", &[])));
    drop(send(c.register_files("", &[])));
    drop(send(c.list_files("", |_| true)));
    drop(send(c.put_whole(&temp, zeros(1))));
    drop(send(c.put_chunk(&session, ByteOffset::ZERO, zeros(1), 1)));
    drop(send(c.start_session(&temp, 1)));
    drop(send(c.query(&session, 1)));
}
