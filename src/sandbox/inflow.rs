//! A request's body on its way in: throttled, counted, and stalled or cut where a fault says so.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::answer::{API_BODY_LIMIT, Refusal};
use super::room::Room;
use super::wire::Line;

/// The body ended before its end: the connection broke, was cut, or a newer request took over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

/// Where a scripted fault disturbs the body.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Disturbance {
    /// Cut the connection after so many bytes.
    pub cut_after: Option<u64>,
    /// Stop reading after so many bytes, for so long (`None`: for ever).
    pub stall: Option<(u64, Option<Duration>)>,
}

/// A body.
pub(super) struct Inflow {
    stream: BodyDataStream,
    /// What was read and not yet handed on.
    held: Bytes,
    seen: u64,
    announced: Option<u64>,
    disturbance: Disturbance,
    line: Line,
    superseded: CancellationToken,
    room: Arc<Room>,
    started: Instant,
    counted: bool,
}

impl Inflow {
    /// `announced` is the `Content-Length`; `counted` says whether the bytes are an upload's.
    pub(super) fn new(
        body: Body,
        announced: Option<u64>,
        line: Line,
        room: Arc<Room>,
        counted: bool,
    ) -> Self {
        Self {
            stream: body.into_data_stream(),
            held: Bytes::new(),
            seen: 0,
            announced,
            disturbance: Disturbance::default(),
            line,
            superseded: CancellationToken::new(),
            room,
            started: Instant::now(),
            counted,
        }
    }

    /// The `Content-Length`, if there was one.
    pub(super) fn announced(&self) -> Option<u64> {
        self.announced
    }

    /// The connection.
    pub(super) fn line(&self) -> &Line {
        &self.line
    }

    /// Lets a fault disturb it from now on.
    pub(super) fn disturb(&mut self, disturbance: Disturbance) {
        self.disturbance = disturbance;
    }

    /// From now on this token ends the body: a newer request on the same session takes over.
    pub(super) fn end_with(&mut self, superseded: CancellationToken) {
        self.superseded = superseded;
    }

    /// The next bytes; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        if let Some((after, pause)) = self.disturbance.stall
            && self.seen >= after
        {
            self.disturbance.stall = None;
            self.pause(pause).await?;
        }
        if self.disturbance.cut_after.is_some_and(|n| self.seen >= n) {
            self.line.cut();
            return Err(Broken);
        }
        if self.held.is_empty() {
            let next = tokio::select! {
                biased;
                () = self.superseded.cancelled() => {
                    self.line.cut();
                    return Err(Broken);
                }
                next = self.stream.next() => next,
            };
            match next {
                Some(Ok(bytes)) => self.held = bytes,
                Some(Err(_)) => return Err(Broken),
                None => return self.end().await,
            }
        }
        let piece = self.held.split_to(self.until_disturbance());
        self.seen += piece.len() as u64;
        if self.counted {
            let received = &self.room.recorder.bytes_received;
            received.fetch_add(piece.len() as u64, Ordering::Relaxed);
            self.throttle().await;
        }
        Ok(Some(piece))
    }

    /// Reads and forgets the rest; how many bytes the whole body had.
    pub(super) async fn drain(&mut self) -> Result<u64, Broken> {
        while self.next().await?.is_some() {}
        Ok(self.seen)
    }

    /// The whole body of an API call.
    pub(super) async fn all(&mut self) -> Result<Vec<u8>, Refusal> {
        let mut all = Vec::new();
        loop {
            match self.next().await {
                Ok(Some(bytes)) if all.len() + bytes.len() <= API_BODY_LIMIT => {
                    all.extend_from_slice(&bytes);
                }
                Ok(Some(_)) => {
                    return Err(Refusal::new(
                        axum::http::StatusCode::PAYLOAD_TOO_LARGE,
                        "request_too_large",
                        format!("a request body holds at most {API_BODY_LIMIT} bytes"),
                    ));
                }
                Ok(None) => return Ok(all),
                Err(Broken) => {
                    return Err(Refusal::bad_request("broken", "the connection broke"));
                }
            }
        }
    }

    /// The stream is at its end: is that the body's end, and was a disturbance left over?
    async fn end(&mut self) -> Result<Option<Bytes>, Broken> {
        if self.announced.is_some_and(|length| self.seen < length) {
            return Err(Broken);
        }
        if let Some((_, pause)) = self.disturbance.stall.take() {
            self.pause(pause).await?;
        }
        if self.disturbance.cut_after.is_some() {
            self.line.cut();
            return Err(Broken);
        }
        Ok(None)
    }

    /// How much of the held bytes may go on before the next disturbance.
    fn until_disturbance(&self) -> usize {
        [
            self.disturbance.cut_after,
            self.disturbance.stall.map(|(after, _)| after),
        ]
        .into_iter()
        .flatten()
        .map(|at| usize::try_from(at - self.seen).unwrap_or(usize::MAX))
        .fold(self.held.len(), usize::min)
    }

    async fn pause(&mut self, pause: Option<Duration>) -> Result<(), Broken> {
        let waited = async {
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = waited => Ok(()),
            () = self.line.gone() => Err(Broken),
            () = self.superseded.cancelled() => {
                self.line.cut();
                Err(Broken)
            }
        }
    }

    async fn throttle(&mut self) {
        if let Some(rate) = self.room.settings.bytes_per_sec {
            #[expect(clippy::cast_precision_loss, reason = "a rate need not be exact")]
            let due = Duration::from_secs_f64(self.seen as f64 / rate.max(1) as f64);
            tokio::time::sleep_until(self.started + due).await;
        }
    }
}
