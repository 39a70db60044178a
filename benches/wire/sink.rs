//! The plain sink: takes uploads and keeps nothing, in a process of its own so that its CPU time is
//! nobody else's.
//!
//! It speaks what the daemon, the official client and `curl -T` need. It computes no checksum: the files of
//! the benches carry theirs in their names ([`crate::drops`]). A thread serves each connection.

use std::io::{self, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::books::Books;
use crate::calls;
use crate::http::Wire;

/// The hidden argument that turns the bench binary into a sink.
pub const ARGUMENT: &str = "__sink";

/// How a sink behaves.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Manner {
    /// Added to every request.
    pub latency: Duration,
    /// API requests in 100 s; more are answered with 429. `None`: as many as there are.
    pub limit: Option<usize>,
    /// Every API call is answered with 401.
    pub closed: bool,
}

/// Serves for ever, after telling its port on standard output.
pub fn serve(manner: &str) -> anyhow::Result<()> {
    let manner: Manner = serde_json::from_str(manner)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    println!("{port}");
    io::stdout().flush()?;
    let books = Arc::new(Books::new(port));
    for stream in listener.incoming() {
        let (stream, books) = (stream?, Arc::clone(&books));
        thread::Builder::new()
            .stack_size(128 * 1024)
            .spawn(move || {
                if let Err(error) = connection(stream, manner, &books) {
                    books.note_break(&error);
                }
            })?;
    }
    Ok(())
}

fn connection(stream: TcpStream, manner: Manner, books: &Books) -> io::Result<()> {
    let mut wire = Wire::new(stream)?;
    while let Some(head) = wire.head()? {
        let control = head.path.starts_with("/_sink/");
        if !control {
            books.note_request();
        }
        let answer = calls::handle(&mut wire, &head, manner, books)?;
        if !control && !manner.latency.is_zero() {
            thread::sleep(manner.latency);
        }
        wire.answer(&answer)?;
        if !control {
            books.note_answer(&head);
        }
    }
    Ok(())
}
