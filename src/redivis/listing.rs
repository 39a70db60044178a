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
mod tests {
    use super::*;
    use std::sync::Arc;

    use arrow_array::types::Int32Type;
    use arrow_array::{
        ArrayRef, DictionaryArray, FixedSizeBinaryArray, Int32Array, Int64Array, LargeStringArray,
        RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array,
    };
    use arrow_ipc::writer::StreamWriter;
    use arrow_schema::DataType;
    use proptest::prelude::*;

    use crate::job::Md5;

    const HEX: &str = "d41d8cd98f00b204e9800998ecf8427e";
    const BASE64: &str = "1B2M2Y8AsgTpgAmY7PhCfg==";

    fn texts(values: [&str; 3]) -> ArrayRef {
        Arc::new(StringArray::from_iter_values(values))
    }

    fn columns() -> Vec<(&'static str, ArrayRef)> {
        vec![
            ("file_id", texts(["1", "2", "3"])),
            ("file_name", texts(["a", "run 7/b", "c"])),
            ("size", Arc::new(Int64Array::from(vec![0, 5, 1 << 60]))),
            ("md5_hash", texts([BASE64, HEX, BASE64])),
        ]
    }

    /// The columns, one of them replaced or added.
    fn with(name: &'static str, column: ArrayRef) -> Vec<(&'static str, ArrayRef)> {
        let mut columns = columns();
        columns.retain(|(other, _)| *other != name);
        columns.push((name, column));
        columns
    }

    fn stream(columns: Vec<(&'static str, ArrayRef)>, batches: usize) -> Vec<u8> {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut bytes = Vec::new();
        let mut writer = StreamWriter::try_new(&mut bytes, &batch.schema()).unwrap();
        for _ in 0..batches {
            writer.write(&batch).unwrap();
        }
        writer.finish().unwrap();
        drop(writer);
        bytes
    }

    fn read(bytes: &[u8], chunk: usize, has_length: bool) -> Result<Vec<RemoteFile>, String> {
        let mut listing = Listing::new();
        let mut want = |name: &str| if name == "c" { Want::Not } else { Want::Whole };
        for chunk in bytes.chunks(chunk) {
            listing.feed(Bytes::copy_from_slice(chunk), &mut want)?;
        }
        let files = std::mem::take(&mut listing.files);
        listing.finish(has_length).map(|()| files)
    }

    #[test]
    fn rows_are_read_wherever_the_network_cuts_them() {
        let bytes = stream(columns(), 3);
        for chunk in [1, 2, 3, 5, 7, 64, 1000, bytes.len()] {
            let files = read(&bytes, chunk, false).unwrap();
            assert_eq!(files.len(), 6, "chunks of {chunk}");
            let file = &files[1];
            assert_eq!((file.id.as_str(), file.name.as_str()), ("2", "run 7/b"));
            assert_eq!((file.size, file.md5.to_string()), (5, HEX.into()));
            assert_eq!(file.added_at, None);
        }
        assert_eq!(read(&stream(columns(), 0), 9, true).unwrap(), []);
    }

    #[test]
    fn columns_come_in_many_types() {
        let raw = Md5::parse(HEX).unwrap().0;
        let raw = FixedSizeBinaryArray::try_from_iter([raw; 3].into_iter()).unwrap();
        let moment = 1_700_000_000_000_000;
        let names: DictionaryArray<Int32Type> = ["a", "run 7/b", "c"].into_iter().collect();
        for columns in [
            with("size", texts(["0", "5", "9"])),
            with("size", Arc::new(UInt64Array::from(vec![0, 5, u64::MAX]))),
            with("size", Arc::new(Int32Array::from(vec![0, 5, 9]))),
            with(
                "file_id",
                Arc::new(LargeStringArray::from(vec!["1", "2", "3"])),
            ),
            with("file_name", Arc::new(names)),
            with("md5_hash", Arc::new(raw)),
            with(
                "added_at",
                Arc::new(TimestampMicrosecondArray::from(vec![moment; 3])),
            ),
            with("added_at", texts(["2023-11-14T22:13:20Z"; 3])),
            with("added_at", texts(["once"; 3])),
            with("another", texts([""; 3])),
        ] {
            let known = columns[4..].iter().any(|(name, _)| *name == "added_at");
            let readable = known && columns[4].1.data_type() != &DataType::Utf8;
            let files = read(&stream(columns, 1), 50, true).unwrap();
            let file = &files[1];
            assert_eq!((file.id.as_str(), file.name.as_str()), ("2", "run 7/b"));
            assert_eq!((file.size, file.md5.to_string()), (5, HEX.into()));
            if readable {
                assert_eq!(file.added_at.unwrap().as_microsecond(), moment);
            }
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_never_a_missing_row() {
        let whole = stream(columns(), 2);
        let no_end = &whole[..whole.len() - 8];
        let mut no_md5 = columns();
        no_md5.pop();
        for (bytes, has_length, want) in [
            (
                &whole[..whole.len() - 100],
                true,
                "an Arrow stream that ends in the middle",
            ),
            (no_end, false, "an Arrow stream that may have been cut off"),
            (b"", true, "an empty body instead of an Arrow stream"),
            (
                b" <html><body>log in",
                true,
                "an HTML page, as of a captive portal or a login",
            ),
            (
                &stream(no_md5, 1),
                true,
                "a listing without the column md5_hash",
            ),
            (
                &stream(with("md5_hash", texts(["", "?", ""])), 1),
                true,
                "a listing whose md5_hash cannot be read",
            ),
            (
                &stream(with("size", Arc::new(Int64Array::from(vec![-1, 5, 6]))), 1),
                true,
                "a listing whose size cannot be read",
            ),
            (
                &stream(
                    with(
                        "size",
                        Arc::new(Int64Array::from(vec![None, Some(1), None])),
                    ),
                    1,
                ),
                true,
                "a listing whose size cannot be read",
            ),
            (
                &stream(
                    with("file_name", Arc::new(Int64Array::from(vec![1, 2, 3]))),
                    1,
                ),
                true,
                "a listing whose file_name is no text",
            ),
        ] {
            for chunk in [1, 1000] {
                assert_eq!(read(bytes, chunk, has_length).unwrap_err(), want);
            }
        }
        // with a length, the end of the body is proof enough
        assert_eq!(read(no_end, 1000, true).unwrap().len(), 4);
        assert!(read(b"{\"results\":[]}", 4, true).is_err());
    }

    #[test]
    fn rows_that_nobody_wants_need_not_be_readable() {
        let sizes = Int64Array::from(vec![Some(1), Some(2), None]);
        let files = read(&stream(with("size", Arc::new(sizes)), 1), 1000, true).unwrap();
        assert_eq!(files.len(), 2);
    }

    #[test]
    fn a_buffer_beyond_the_body_is_damage() {
        // Found by the test below: Arrow's reader panics instead of refusing it.
        let whole = stream(columns(), 1);
        let found = (0..whole.len()).any(|at| {
            let mut bytes = whole.clone();
            bytes[at] = 3;
            read(&bytes, 300, true) == Err("a damaged Arrow stream".into())
        });
        assert!(found);
    }

    /// Damage at some places, and fewer bytes.
    fn damaged(mut bytes: Vec<u8>, damage: &[(usize, u8)], cut: usize) -> Vec<u8> {
        let length = bytes.len();
        for (at, byte) in damage {
            bytes[at % length] = *byte;
        }
        bytes.truncate(length - cut % length.min(40));
        bytes
    }

    proptest! {
        /// Whatever comes, it is read or refused, and the same wherever the network cuts it.
        #[test]
        fn any_damaged_listing_is_the_same_in_any_pieces(
            damage in proptest::collection::vec((0_usize..4000, any::<u8>()), 0..6),
            cut in 0_usize..4000,
            chunk in prop_oneof![1..9_usize, 1..400_usize],
        ) {
            let bytes = damaged(stream(columns(), 2), &damage, cut);
            let whole = read(&bytes, bytes.len(), false).ok();
            let in_pieces = read(&bytes, chunk, false).ok();
            prop_assert_eq!(&in_pieces, &whole);
            // what nobody wants is never kept, and no row is made of nothing
            if let Some(files) = whole {
                prop_assert!(files.iter().all(|file| file.name != "c"));
                prop_assert!(files.len() <= bytes.len());
            }
        }

        #[test]
        fn any_bytes_are_no_listing(bytes: Vec<u8>, chunk in 1..64_usize) {
            prop_assert!(read(&bytes, chunk, false).is_err());
        }
    }
}
