//! Registered files: registration by the batch, listing, and reading back.

use std::collections::HashSet;
use std::io::Read as _;
use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{self, Refusal};
use super::blobs::{PIECE, Sums};
use super::books::{Books, Kind, RawFile, Table};
use super::faults::Action;
use super::ledger::Entry;
use super::listing;
use super::reference::TableRef;
use super::room::{self, Room, Visit};
use super::{tables, temp_uploads};

#[derive(Deserialize)]
struct Registration {
    files: Vec<NewFile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewFile {
    name: String,
    temp_upload_id: String,
}

/// `POST rawFiles`: all of the batch, or nothing. A name may come again: both files stay.
pub(super) async fn register(
    room: &Arc<Room>,
    table: &str,
    visit: &mut Visit,
) -> Result<Response, Refusal> {
    let table = tables::parse(table)?;
    let wanted: Registration = temp_uploads::body(room, visit).await?;
    temp_uploads::check_batch(room, visit, wanted.files.len())?;
    let added_us = room::now_us();
    let results = room.ledger.change(|books| {
        tables::writable(books, &table)?;
        tables::holds(books, &table, Kind::FileIndex)?;
        let mut taken = HashSet::new();
        let mut entries = Vec::with_capacity(wanted.files.len());
        let mut results = Vec::with_capacity(wanted.files.len());
        for file in &wanted.files {
            if file.name.is_empty() {
                return Err(refused("a file needs a name".to_owned()));
            }
            if !taken.insert(file.temp_upload_id.as_str()) {
                return Err(refused(format!(
                    "the tempUploadId {} comes twice in this call",
                    file.temp_upload_id
                )));
            }
            let (size, sums) = stored(books, &file.temp_upload_id, room.settings.lenient)?;
            let id = room.ids.draw();
            results.push(file_json(&id, &file.name, size, sums, visit));
            entries.push(Entry::File {
                id,
                table: table.key.clone(),
                name: file.name.clone(),
                temp: file.temp_upload_id.clone(),
                added_us,
            });
        }
        Ok((entries, results))
    })?;
    let status = StatusCode::CREATED;
    Ok(temp_uploads::list("rawFileList", status, results, visit))
}

/// A temp upload that is complete and, unless it may be used again, in no table yet.
pub(super) fn stored(books: &Books, temp_id: &str, again: bool) -> Result<(u64, Sums), Refusal> {
    let temp = books
        .temp(temp_id)
        .ok_or_else(|| refused(format!("no temp upload has the id {temp_id}")))?;
    if temp.used && !again {
        return Err(refused(format!(
            "the temp upload {temp_id} has already been used"
        )));
    }
    let stored = temp.stored.as_ref().ok_or_else(|| {
        refused(format!(
            "the temp upload {temp_id} has no content: its upload is not finished"
        ))
    })?;
    Ok((temp.size, stored.sums))
}

fn refused(why: String) -> Refusal {
    Refusal::bad_request("invalid_request_error", why)
}

fn file_json(id: &str, name: &str, size: u64, sums: Sums, visit: &Visit) -> Value {
    let wrong = |action| visit.action.as_ref() == Some(&action);
    let sums = if wrong(Action::WrongHash) {
        sums.spoiled()
    } else {
        sums
    };
    json!({
        "kind": "rawFile",
        "id": id,
        "uri": format!("/rawFiles/{id}"),
        "url": format!("https://redivis.example/rawFiles/{id}"),
        "name": name,
        "md5Hash": sums.md5_base64(),
        "size": size + u64::from(wrong(Action::WrongSize)),
    })
}

/// `GET rawFiles`: as an Arrow stream, or as pages of JSON.
pub(super) fn list(room: &Arc<Room>, table: &str, visit: &Visit) -> Result<Response, Refusal> {
    let table = tables::parse(table)?;
    room.ledger.read(|books| tables::readable(books, &table))?;
    let (mut files, changed_us) = files_of(room, &table);
    if unchanged_since(visit.header("if-modified-since"), changed_us) {
        return Ok(answer::empty(StatusCode::NOT_MODIFIED));
    }
    match visit.action {
        Some(Action::DropResult) => {
            files.pop();
        }
        Some(Action::ReverseResults) => files.reverse(),
        _ => {}
    }
    if visit.parameter("format").as_deref() == Some("arrow") {
        let name_column = visit.parameter("fileNameVariable");
        let stream = listing::arrow(&files, name_column.as_deref())
            .map_err(|error| Refusal::from(std::io::Error::other(error)))?;
        let mut response = Response::new(Body::from(stream));
        answer::set(
            &mut response,
            "content-type",
            "application/vnd.apache.arrow.stream",
        );
        return Ok(response);
    }
    let results = files
        .iter()
        .map(|file| file_json(&file.id, &file.name, file.size, file.stored.sums, visit))
        .collect();
    Ok(page("rawFileList", results, visit))
}

fn files_of(room: &Room, table: &TableRef) -> (Vec<Arc<RawFile>>, i64) {
    let look = |table: &Table| (table.files.clone(), table.changed_us);
    room.ledger
        .read(|books| books.table(&table.key).map(look).unwrap_or_default())
}

/// The header has whole seconds: what changed within its second may not have been seen yet.
fn unchanged_since(header: Option<&str>, changed_us: i64) -> bool {
    header
        .and_then(|text| jiff::fmt::rfc2822::parse(text).ok())
        .is_some_and(|time| changed_us < time.timestamp().as_microsecond())
}

/// One page of a list; `maxResults` and `pageToken` choose it.
pub(super) fn page(kind: &str, mut results: Vec<Value>, visit: &Visit) -> Response {
    let number = |name| visit.parameter(name).and_then(|text| text.parse().ok());
    let first: usize = number("pageToken").unwrap_or(0).min(results.len());
    let length: usize = number("maxResults").unwrap_or(100).clamp(1, 1000);
    let end = first.saturating_add(length).min(results.len());
    let next = (end < results.len()).then(|| end.to_string());
    results.truncate(end);
    results.drain(..first);
    let body = json!({ "kind": kind, "results": results, "nextPageToken": next });
    answer::json(StatusCode::OK, &body)
}

/// `GET /rawFiles/:id`: the content, whole or one range of it.
pub(super) fn download(room: &Arc<Room>, id: &str, visit: &Visit) -> Result<Response, Refusal> {
    let file = room
        .ledger
        .read(|books| books.file(id).cloned())
        .ok_or_else(|| Refusal::not_found("no file has this id"))?;
    let range = visit.header("range");
    let (first, end) = match range {
        None => (0, file.size),
        Some(text) => byte_range(text, file.size).ok_or_else(|| {
            Refusal::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "invalid_request_error",
                format!("no such range of {} bytes", file.size),
            )
        })?,
    };
    let content = room.blobs.read(&file.stored.blob, first)?.take(end - first);
    let pieces = futures_util::stream::unfold(content, |mut content| async {
        let mut piece = vec![0; PIECE];
        match content.read(&mut piece) {
            Ok(0) => None,
            Ok(read) => {
                piece.truncate(read);
                Some((Ok(Bytes::from(piece)), content))
            }
            Err(error) => Some((Err(error), content)),
        }
    });
    let mut response = Response::new(Body::from_stream(pieces));
    answer::set(&mut response, "content-type", "application/octet-stream");
    answer::set(&mut response, "content-length", &(end - first).to_string());
    answer::set(&mut response, "accept-ranges", "bytes");
    answer::set(&mut response, "x-goog-hash", &file.stored.sums.goog_hash());
    if range.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let content_range = format!("bytes {first}-{}/{}", end.max(1) - 1, file.size);
        answer::set(&mut response, "content-range", &content_range);
    }
    Ok(response)
}

/// `bytes=a-b` or `bytes=a-`, as first byte and end.
fn byte_range(text: &str, size: u64) -> Option<(u64, u64)> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let first: u64 = first.parse().ok()?;
    let last: u64 = match last {
        "" => size.checked_sub(1)?,
        last => last.parse().ok()?,
    };
    (first <= last && first < size).then(|| (first, last.saturating_add(1).min(size)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_to_the_file() {
        for (text, want) in [
            ("bytes=0-0", Some((0, 1))),
            ("bytes=2-", Some((2, 10))),
            ("bytes=8-99", Some((8, 10))),
            ("bytes=10-", None),
            ("bytes=5-4", None),
            ("bytes=-3", None),
            ("items=0-1", None),
        ] {
            assert_eq!(byte_range(text, 10), want, "{text}");
        }
    }

    #[test]
    fn a_change_within_the_headers_own_second_is_still_news() {
        let header = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        let second = 784_111_777_000_000;
        assert!(unchanged_since(header, second - 1));
        assert!(!unchanged_since(header, second));
        assert!(!unchanged_since(None, 0));
        assert!(!unchanged_since(Some("yesterday"), 0));
    }
}
