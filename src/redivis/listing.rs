//! The files of a table: an Arrow stream, read row by row and never held as a whole.

mod rows;

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_ipc::reader::StreamDecoder;
use bytes::Bytes;
use reqwest::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use reqwest::{Method, Response, Url};
use tokio::sync::mpsc;

use rows::{Rows, Want};

use super::ask::{lost, within};
use super::redact::Secrets;
use super::{ApiError, Client, RemoteFile, wire};
use crate::crash_point::Call;

/// About ten million files.
const LISTING_CAP: u64 = 1024 * 1024 * 1024;
/// What one batch of rows may take before it can be read: the memory that a listing needs.
const BATCH_CAP: u64 = 256 * 1024 * 1024;

/// How an Arrow stream ends when its writer finished it.
const END_OF_STREAM: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

impl Client {
    /// The files of a table whose names are `wanted`. Only those are kept.
    ///
    /// All or nothing: a listing that was cut off is an error, since a missing row would be taken
    /// for a file that is not there. A row of a wanted name without a readable size or md5 is an
    /// error too.
    pub async fn list_files(
        &self,
        table: &str,
        mut wanted: impl FnMut(&str) -> bool + Send,
    ) -> Result<Vec<RemoteFile>, ApiError> {
        let mut url = self.locate("tables", table, "/rawFiles")?;
        url.set_query(Some("format=arrow"));
        let mut wanted = |name: &str| if wanted(name) { Want::Whole } else { Want::Not };
        let mut files = Vec::new();
        let takers = &mut Takers::One(&mut files);
        self.list(url, &mut wanted, takers).await?;
        Ok(files)
    }

    /// All files of a table, in parts as they come in. A row whose size or md5 cannot be read is left out.
    ///
    /// Only what ends well counts: a listing that was cut off is an error, after some parts perhaps. It waits while
    /// nobody takes them, and ends when there is nobody any more.
    pub async fn list_files_in_parts(
        &self,
        table: &str,
        parts: mpsc::Sender<Vec<RemoteFile>>,
    ) -> Result<(), ApiError> {
        let mut url = self.locate("tables", table, "/rawFiles")?;
        url.set_query(Some("format=arrow"));
        let takers = &mut Takers::Elsewhere(parts);
        self.list(url, &mut |_: &str| Want::IfReadable, takers)
            .await
    }

    async fn list(
        &self,
        url: Url,
        want: &mut (impl FnMut(&str) -> Want + Send),
        takers: &mut Takers<'_>,
    ) -> Result<(), ApiError> {
        let token = self.token();
        let limits = self.limits();
        Call::LIST.before();
        let listed = within(limits.listing, async {
            let response = within(limits.request, self.ask(Method::GET, url, None, &token)).await?;
            let secrets = Secrets::of_token(&token);
            self.read_listing(response, &secrets, want, takers).await
        })
        .await;
        Call::LIST.answered();
        listed
    }

    async fn read_listing(
        &self,
        mut response: Response,
        secrets: &Secrets<'_>,
        want: &mut (impl FnMut(&str) -> Want + Send),
        takers: &mut Takers<'_>,
    ) -> Result<(), ApiError> {
        // Without either, the end of the connection is the end of the body, and a broken one
        // looks the same.
        let has_length = [CONTENT_LENGTH, TRANSFER_ENCODING]
            .iter()
            .any(|name| response.headers().contains_key(name));
        let mut listing = Listing::new();
        loop {
            let chunk = within(self.limits().stall, async {
                response.chunk().await.map_err(|error| lost(secrets, error))
            });
            match chunk.await? {
                Some(bytes) => {
                    let fed = listing.feed(bytes, want);
                    fed.map_err(|what| ApiError::nonsense(secrets.line(&what)))?;
                    takers.take(std::mem::take(&mut listing.files)).await;
                }
                None => break,
            }
        }
        listing
            .finish(has_length)
            .map_err(|what| ApiError::nonsense(secrets.line(&what)))
    }
}

/// Where the rows go.
enum Takers<'a> {
    One(&'a mut Vec<RemoteFile>),
    Elsewhere(mpsc::Sender<Vec<RemoteFile>>),
}

impl Takers<'_> {
    async fn take(&mut self, files: Vec<RemoteFile>) {
        match self {
            Self::One(all) => all.extend(files),
            Self::Elsewhere(_) if files.is_empty() => {}
            Self::Elsewhere(parts) => {
                // whoever went has no use for the rest either
                let _ = parts.send(files).await;
            }
        }
    }
}

/// A listing on its way in.
struct Listing {
    decoder: StreamDecoder,
    files: Vec<RemoteFile>,
    bytes: u64,
    /// Since the last complete batch.
    pending: u64,
    start: Vec<u8>,
    tail: [u8; 8],
}

impl Listing {
    fn new() -> Self {
        Self {
            decoder: StreamDecoder::new(),
            files: Vec::new(),
            bytes: 0,
            pending: 0,
            start: Vec::new(),
            tail: [0; 8],
        }
    }

    fn feed(&mut self, bytes: Bytes, want: &mut impl FnMut(&str) -> Want) -> Result<(), String> {
        let length = bytes.len() as u64;
        self.bytes += length;
        self.pending += length;
        if self.bytes > LISTING_CAP || self.pending > BATCH_CAP {
            return Err("a listing larger than any table's".into());
        }
        self.watch_ends(&bytes)?;
        let mut buffer = bytes.into();
        loop {
            // Arrow's reader panics on some damaged streams. Damage is no reason to lose a worker;
            // nothing of this listing is used afterwards.
            let decoded = catch_unwind(AssertUnwindSafe(|| self.decoder.decode(&mut buffer)))
                .map_err(|_| "a damaged Arrow stream")?;
            let batch = decoded.map_err(|error| format!("no Arrow stream: {error}"))?;
            let Some(batch) = batch else {
                return Ok(());
            };
            self.pending = buffer.len() as u64;
            Rows::of(&batch)?.collect(want, &mut self.files)?;
        }
    }

    /// Keeps the last bytes, and knows a page for people by the first.
    fn watch_ends(&mut self, bytes: &[u8]) -> Result<(), String> {
        if self.start.len() < 64 {
            self.start.extend(bytes.iter().take(64));
            if wire::is_page(&self.start) {
                return Err("an HTML page, as of a captive portal or a login".into());
            }
        }
        let tail = &bytes[bytes.len().saturating_sub(8)..];
        self.tail.rotate_left(tail.len());
        self.tail[8 - tail.len()..].copy_from_slice(tail);
        Ok(())
    }

    fn finish(mut self, has_length: bool) -> Result<(), String> {
        self.decoder
            .finish()
            .map_err(|_| "an Arrow stream that ends in the middle".to_owned())?;
        if self.decoder.schema().is_none() {
            return Err("an empty body instead of an Arrow stream".into());
        }
        if !has_length && self.tail != END_OF_STREAM {
            return Err("an Arrow stream that may have been cut off".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
