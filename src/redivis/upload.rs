//! Carries the requests of an upload to the addresses that Redivis gave, one at a time.
//!
//! What an answer means is not decided here. Two things are no answer, though: a success before
//! all bytes were handed over, and a page for people; both come from something in between.

use std::error::Error;
use std::time::Duration;
use std::{fmt, io};

use futures_util::StreamExt as _;
use reqwest::header::{
    CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, HeaderName, HeaderValue, LOCATION, RANGE,
};
use reqwest::{Method, Response};
use rustix::io::Errno;

use super::address::sendable;
use super::outgoing::{Meter, UploadBody};
use super::redact::Secrets;
use super::wire::{self, Body, ERROR_CAP};
use super::{Client, Limits};
use crate::crash_point::Call;
use crate::job::{ByteOffset, SessionUrl, TempUrl};

const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("x-upload-content-length");
const RESUMABLE: HeaderName = HeaderName::from_static("x-goog-resumable");

/// What came back, as it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// Any status, also 3xx: nothing is followed.
    pub status: u16,
    /// `Range`, as the server wrote it.
    pub range: Option<String>,
    /// `Location`, as the server wrote it. A secret: see [`super::session_from`].
    pub location: Option<String>,
    /// Every value of `x-goog-hash`, such as `crc32c=n03x6A==`, as the server wrote it.
    pub goog_hash: Vec<String>,
    /// `x-goog-stored-content-length`
    pub stored_length: Option<u64>,
    /// `Retry-After`, at most 15 minutes.
    pub retry_after: Option<Duration>,
    /// What an error says, for people: one line, without secrets. Empty for successes.
    pub text: String,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("range", &self.range)
            .field("location", &self.location.as_ref().map(|_| "…"))
            .field("goog_hash", &self.goog_hash.len())
            .field("stored_length", &self.stored_length)
            .field("retry_after", &self.retry_after)
            .field("text", &self.text)
            .finish()
    }
}

/// There was no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each answers another question"
)]
pub struct Lost {
    /// One line for people, without secrets.
    pub why: String,
    /// `false`: not a byte left this machine (name resolution, connection, TLS, an unfit address).
    pub reached: bool,
    /// A guard ended it: nothing moved, or no answer came.
    pub stalled: bool,
    /// Our own bytes were at fault: fewer or more than announced, or unreadable.
    pub source: bool,
    /// This machine has run out of descriptors or memory: the server has nothing to do with it.
    pub exhausted: bool,
}

/// What one request led to.
pub type Reply = Result<Answer, Lost>;

impl Client {
    /// A whole file to a temp upload that is not resumable.
    pub async fn put_whole(&self, url: &TempUrl, body: UploadBody) -> Reply {
        self.carry(Call::PUT, Method::PUT, url.expose(), HeaderMap::new(), body)
            .await
    }

    /// Opens a session for `size` bytes; it is in `location`.
    pub async fn start_session(&self, url: &TempUrl, size: u64) -> Reply {
        let mut headers = HeaderMap::new();
        headers.insert(UPLOAD_LENGTH, size.into());
        headers.insert(RESUMABLE, HeaderValue::from_static("start"));
        self.carry(
            Call::START,
            Method::POST,
            url.expose(),
            headers,
            UploadBody::whole(""),
        )
        .await
    }

    /// Asks how many of `size` bytes the server holds.
    pub async fn query(&self, session: &SessionUrl, size: u64) -> Reply {
        let headers = content_range(&format!("bytes */{size}"));
        self.carry(
            Call::QUERY,
            Method::PUT,
            session.expose(),
            headers,
            UploadBody::whole(""),
        )
        .await
    }

    /// Sends the bytes from `first` on, of a file of `size` bytes.
    ///
    /// # Panics
    /// With an empty body, or one that reaches beyond `size`: there is no way to write that range.
    pub async fn put_chunk(
        &self,
        session: &SessionUrl,
        first: ByteOffset,
        body: UploadBody,
        size: u64,
    ) -> Reply {
        let first = first.get();
        let end = first.checked_add(body.len);
        assert!(body.len > 0, "a chunk has at least one byte");
        assert!(
            end.is_some_and(|end| end <= size),
            "a chunk ends within its file"
        );
        let last = first + body.len - 1;
        let headers = content_range(&format!("bytes {first}-{last}/{size}"));
        self.carry(Call::CHUNK, Method::PUT, session.expose(), headers, body)
            .await
    }

    async fn carry(
        &self,
        call: Call,
        method: Method,
        address: &str,
        headers: HeaderMap,
        body: UploadBody,
    ) -> Reply {
        call.before();
        let reply = self.send(method, address, headers, body).await;
        call.answered();
        reply
    }

    async fn send(
        &self,
        method: Method,
        address: &str,
        mut headers: HeaderMap,
        body: UploadBody,
    ) -> Reply {
        let Some(url) = sendable(address) else {
            return Err(Lost::before("the upload address is not one to send to"));
        };
        let token = self.token();
        let secrets = Secrets::of_upload(&token, address);
        let limits = self.limits();

        // reqwest leaves it out for empty bodies, and sends streams in chunks without it.
        headers.insert(CONTENT_LENGTH, body.len.into());
        let empty = body.len == 0;
        let meter = Meter::new(body);
        let request = self.request(method, url, &token).headers(headers);
        let sending = async {
            if !empty {
                let body = reqwest::Body::wrap_stream(meter.outgoing());
                return request.body(body).send().await.map(Some);
            }
            // Nothing to hand over, but the source must agree that it is nothing.
            match meter.outgoing().next().await {
                None => request.send().await.map(Some),
                Some(_) => Ok(None),
            }
        };
        let sent = tokio::select! {
            biased;
            sent = sending => sent,
            why = meter.overdue(limits) => {
                meter.stop();
                return Err(Lost::overdue(&why));
            }
        };

        // An early answer ends the body: what is left of it helps nobody.
        let complete = meter.stop();
        match (sent, meter.failure()) {
            (Ok(Some(response)), _) => understand(response, complete, &secrets, limits).await,
            (Ok(None), why) => Err(Lost::source(why.unwrap_or_default(), false)),
            (Err(_), Some(why)) => Err(Lost::source(why, true)),
            (Err(error), None) => Err(Lost::transport(error, &secrets)),
        }
    }
}

async fn understand(
    response: Response,
    complete: bool,
    secrets: &Secrets<'_>,
    limits: Limits,
) -> Reply {
    let status = response.status();
    let mut answer = bare(status.as_u16(), response.headers(), secrets);

    // The status stands, whatever becomes of the text. Reading it also frees the connection.
    let body = tokio::time::timeout(limits.text, Body::read(response, ERROR_CAP)).await;
    let body = body.map(|body| body.text()).unwrap_or_default();
    if status.is_success() {
        if wire::is_page(body.as_bytes()) {
            return Err(Lost::meanwhile(
                "an HTML page, as of a captive portal or a login",
            ));
        }
        if !complete {
            return Err(Lost::meanwhile("a success before all bytes were sent"));
        }
    } else if status.is_client_error() || status.is_server_error() {
        answer.text = secrets.line(&body);
    }
    Ok(answer)
}

fn bare(status: u16, headers: &HeaderMap, secrets: &Secrets<'_>) -> Answer {
    let text = |name: &HeaderName| wire::header(headers, name.as_str()).map(str::to_owned);
    Answer {
        status,
        range: text(&RANGE).map(|range| secrets.line(&range)),
        location: text(&LOCATION),
        goog_hash: headers
            .get_all("x-goog-hash")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|value| value.trim().to_owned())
            .collect(),
        stored_length: wire::header(headers, "x-goog-stored-content-length")
            .and_then(|length| length.trim().parse().ok()),
        retry_after: wire::pause(headers),
        text: String::new(),
    }
}

fn content_range(range: &str) -> HeaderMap {
    let value = HeaderValue::from_str(range).expect("digits, a dash and a slash are fit");
    HeaderMap::from_iter([(CONTENT_RANGE, value)])
}

/// Whether the system refused a descriptor or memory.
fn is_exhausted(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let io: Option<&io::Error> = error.downcast_ref();
        let errno = io.and_then(io::Error::raw_os_error);
        match errno.map(Errno::from_raw_os_error) {
            Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS) => return true,
            _ => cause = error.source(),
        }
    }
    false
}

impl Lost {
    fn before(why: &str) -> Self {
        Self {
            why: why.to_owned(),
            reached: false,
            stalled: false,
            source: false,
            exhausted: false,
        }
    }

    fn meanwhile(why: &str) -> Self {
        Self {
            reached: true,
            ..Self::before(why)
        }
    }

    fn overdue(why: &str) -> Self {
        Self {
            stalled: true,
            ..Self::meanwhile(why)
        }
    }

    fn source(why: String, reached: bool) -> Self {
        Self {
            why,
            reached,
            source: true,
            ..Self::before("")
        }
    }

    fn transport(error: reqwest::Error, secrets: &Secrets<'_>) -> Self {
        Self {
            reached: !(error.is_connect() || error.is_builder()),
            exhausted: is_exhausted(&error),
            why: secrets.error(error),
            ..Self::before("")
        }
    }
}
