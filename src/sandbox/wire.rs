//! Connections: accepted, served one request after the other, and cut when a fault wants it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::answer;
use super::dispatch;
use super::report::Breach;
use super::room::{Origin, Room};

/// A connection, as the code that answers on it sees it.
#[derive(Debug, Clone)]
pub(super) struct Line {
    over: CancellationToken,
    reset: Arc<AtomicBool>,
}

impl Line {
    fn new(over: CancellationToken) -> Self {
        Self {
            over,
            reset: Arc::default(),
        }
    }

    /// Resets the connection: the peer sees ECONNRESET, and answers not yet read are lost.
    pub(super) fn cut(&self) {
        self.reset.store(true, Ordering::Release);
        self.over.cancel();
    }

    fn was_cut(&self) -> bool {
        self.reset.load(Ordering::Acquire)
    }

    /// Waits until the connection is over, whoever ended it.
    pub(super) async fn gone(&self) {
        self.over.cancelled().await;
    }
}

/// Serves a listener until `stop`.
pub(super) async fn serve(
    listener: TcpListener,
    origin: Origin,
    room: Arc<Room>,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let line = Line::new(stop.child_token());
                room.tasks
                    .spawn(converse(stream, origin, Arc::clone(&room), line));
            }
            // Out of descriptors, most likely: some connection has to end first.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    }
}

/// Serves one connection to its end.
async fn converse(stream: TcpStream, origin: Origin, room: Arc<Room>, line: Line) {
    // Small answers leave at once; an error only means that they may not.
    let _ = stream.set_nodelay(true);
    let socket = Socket {
        stream,
        line: line.clone(),
    };
    let service = service_fn({
        let (room, line) = (Arc::clone(&room), line.clone());
        move |request: Request<Incoming>| {
            // A task of its own, so that a connection that breaks does not end the work on it:
            // what arrived of a chunk is still to be stored.
            let work = room.tasks.spawn(dispatch::answer(
                Arc::clone(&room),
                origin,
                line.clone(),
                request.map(Body::new),
            ));
            let line = line.clone();
            async move {
                let response: Response = work
                    .await
                    .unwrap_or_else(|_| answer::empty(StatusCode::INTERNAL_SERVER_ERROR));
                if line.was_cut() {
                    // The answer must not slip out before the connection is reset.
                    std::future::pending::<()>().await;
                }
                Ok::<_, std::convert::Infallible>(response)
            }
        }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service);
    tokio::select! {
        () = line.gone() => {}
        outcome = connection => {
            if let Err(error) = outcome
                && error.is_parse()
            {
                room.recorder.violation(Breach::MalformedRequest, "?", error.to_string());
            }
        }
    }
    line.over.cancel();
}

/// A TCP stream that is reset, not closed, if its line was cut.
struct Socket {
    stream: TcpStream,
    line: Line,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.line.was_cut() {
            // If this fails, the peer sees an orderly end before the answer: a cut all the same.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
