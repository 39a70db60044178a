//! A body on its way out: exactly as many bytes as announced, and always known how far it is.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use tokio::time::Instant;

use super::Limits;

/// Handed to the network at a time. Small, so that a slow link still shows movement: the network
/// takes the next piece only when it has room again.
const PIECE: usize = 64 * 1024;

type Source = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// What to send, and how much of it.
pub struct UploadBody {
    /// Bytes, exactly. A source with more or fewer ends the request.
    pub len: u64,
    /// Where they come from.
    pub bytes: BodySource,
}

/// Where a body's bytes come from. A repeated request needs a fresh one.
pub enum BodySource {
    /// All of them, for small files.
    Whole(Bytes),
    /// Piece by piece, for large ones.
    Stream(Source),
}

impl UploadBody {
    /// Bytes that are already there.
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self {
            len: bytes.len() as u64,
            bytes: BodySource::Whole(bytes),
        }
    }

    /// `len` bytes that are read on the way.
    pub fn stream(
        len: u64,
        stream: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Self {
        Self {
            len,
            bytes: BodySource::Stream(Box::pin(stream)),
        }
    }
}

impl fmt::Debug for UploadBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UploadBody({} bytes)", self.len)
    }
}

/// A body that is being sent, seen from both ends: the connection polls [`Outgoing`], the sender
/// asks how far it is and may take it away.
#[derive(Clone)]
pub(super) struct Meter(Arc<Mutex<State>>);

struct State {
    /// `None` after its end, a failure, or [`Meter::stop`]: whatever it held open is closed.
    source: Option<Source>,
    stopped: bool,
    len: u64,
    handed: u64,
    /// Read, not yet handed over. Never more than is missing.
    held: Bytes,
    /// When the network last took something, or the source last gave something.
    moved: Instant,
    waits_for_source: bool,
    failure: Option<String>,
}

impl Meter {
    pub fn new(body: UploadBody) -> Self {
        let source: Source = match body.bytes {
            BodySource::Whole(bytes) => {
                Box::pin(futures_util::stream::iter([Ok::<_, io::Error>(bytes)]))
            }
            BodySource::Stream(stream) => stream,
        };
        Self(Arc::new(Mutex::new(State {
            source: Some(source),
            stopped: false,
            len: body.len,
            handed: 0,
            held: Bytes::new(),
            moved: Instant::now(),
            waits_for_source: false,
            failure: None,
        })))
    }

    /// The stream to give to the connection.
    pub fn outgoing(&self) -> Outgoing {
        Outgoing(self.clone())
    }

    /// Ends the body where it is and closes its source. Returns whether all was handed over.
    pub fn stop(&self) -> bool {
        let mut state = self.state();
        state.stopped = true;
        state.source = None;
        state.held = Bytes::new();
        state.handed == state.len
    }

    /// Why the source did not give what was announced, if so.
    pub fn failure(&self) -> Option<String> {
        self.state().failure.clone()
    }

    /// Ends when nothing has moved for too long, and says what did not.
    pub async fn overdue(&self, limits: Limits) -> String {
        loop {
            let (what, limit, since) = self.state().waiting(limits);
            let deadline = since + limit;
            if Instant::now() >= deadline {
                return format!("{what} for {limit:?}");
            }
            tokio::time::sleep_until(deadline).await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn waiting(&self, limits: Limits) -> (&'static str, Duration, Instant) {
        let (what, limit) = if self.handed == self.len {
            ("no answer", limits.answer)
        } else if self.waits_for_source {
            ("the file gave no bytes", limits.source)
        } else {
            ("the server took no bytes", limits.stall)
        };
        (what, limit, self.moved)
    }

    /// The next piece. The last one only when the source has ended behind it: a connection that
    /// has all announced bytes would cut the rest silently and call it a success.
    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, String>>> {
        loop {
            let missing = self.len - self.handed;
            let held = self.held.len() as u64;
            if held > 0 && (held < missing || self.source.is_none()) {
                let piece = self.held.split_to(self.held.len().min(PIECE));
                self.handed += piece.len() as u64;
                return Poll::Ready(Some(Ok(piece)));
            }
            let Some(source) = &mut self.source else {
                if held == missing {
                    return Poll::Ready(None);
                }
                let text = format!(
                    "the source ended after {} of {} bytes",
                    self.handed, self.len
                );
                return Poll::Ready(Some(Err(text)));
            };
            match source.as_mut().poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => self.source = None,
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Some(Err(format!("the source failed: {error}"))));
                }
                Poll::Ready(Some(Ok(bytes))) => {
                    if held + bytes.len() as u64 > missing {
                        let text = format!("the source has more than {} bytes", self.len);
                        return Poll::Ready(Some(Err(text)));
                    }
                    // If something is held here, it is all that is missing, so `bytes` is empty.
                    if held == 0 {
                        self.held = bytes;
                    }
                }
            }
        }
    }
}

/// The connection's end of a body.
pub(super) struct Outgoing(Meter);

impl Stream for Outgoing {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.0.state();
        if state.stopped {
            return Poll::Ready(Some(Err(io::Error::other("no longer wanted"))));
        }
        let next = state.next(cx);
        // Being asked is movement too: whatever was handed over before has been taken.
        if !state.waits_for_source || next.is_ready() {
            state.moved = Instant::now();
        }
        state.waits_for_source = next.is_pending();
        next.map(|item| {
            item.map(|piece| {
                piece.map_err(|text| {
                    state.source = None;
                    state.stopped = true;
                    state.failure = Some(text.clone());
                    io::Error::other(text)
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt as _, StreamExt as _, stream};
    use proptest::prelude::*;

    fn pieces(sizes: &[usize]) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let pieces: Vec<_> = sizes
            .iter()
            .map(|size| Ok(Bytes::from(vec![7; *size])))
            .collect();
        stream::iter(pieces)
    }

    /// Bytes handed over, and how it ended.
    fn run(len: u64, sizes: &[usize]) -> (u64, Option<String>) {
        let meter = Meter::new(UploadBody::stream(len, pieces(sizes)));
        let mut handed = 0;
        let mut outgoing = meter.outgoing();
        while let Some(Some(Ok(piece))) = outgoing.next().now_or_never() {
            assert!(!piece.is_empty() && piece.len() <= PIECE);
            handed += piece.len() as u64;
        }
        (handed, meter.failure())
    }

    proptest! {
        #[test]
        fn the_last_byte_goes_out_only_if_nothing_follows_it(
            sizes in proptest::collection::vec(0_usize..200_000, 0..6),
            off_by in -2_i64..=2,
        ) {
            let there = sizes.iter().sum::<usize>() as u64;
            let len = there.saturating_add_signed(off_by);
            let (handed, failure) = run(len, &sizes);
            if len == there {
                prop_assert_eq!((handed, failure), (len, None));
            } else {
                prop_assert!(handed < len || len == 0, "{} of {}", handed, len);
                prop_assert!(failure.is_some());
            }
        }
    }

    #[tokio::test]
    async fn the_guard_tells_what_it_waited_for() {
        let limits = Limits {
            stall: Duration::from_millis(5),
            source: Duration::from_millis(5),
            answer: Duration::from_millis(20),
            ..Limits::default()
        };
        let meter = Meter::new(UploadBody::whole(vec![1; 2 * PIECE]));
        let said = meter.overdue(limits).await;
        assert_eq!(said, "the server took no bytes for 5ms");

        let mut outgoing = meter.outgoing();
        while outgoing.next().await.is_some() {}
        let start = Instant::now();
        assert_eq!(meter.overdue(limits).await, "no answer for 20ms");
        assert!(start.elapsed() >= limits.answer);

        let meter = Meter::new(UploadBody::stream(5, stream::pending()));
        let mut outgoing = meter.outgoing();
        assert!(outgoing.next().now_or_never().is_none());
        let said = meter.overdue(limits).await;
        assert_eq!(said, "the file gave no bytes for 5ms");
    }

    #[tokio::test]
    async fn stopping_closes_the_source() {
        let open = Arc::new(());
        let held = open.clone();
        let source = stream::repeat_with(move || {
            let _ = &held;
            Ok(Bytes::from_static(b"more"))
        });
        let meter = Meter::new(UploadBody::stream(1000, source));
        let mut outgoing = meter.outgoing();
        assert!(outgoing.next().await.unwrap().is_ok());
        assert!(!meter.stop());
        assert_eq!(Arc::strong_count(&open), 1);
        assert!(outgoing.next().await.unwrap().is_err());
        assert_eq!(meter.failure(), None);
    }
}
