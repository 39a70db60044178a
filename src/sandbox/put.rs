//! The plain PUT: a whole file in one request.

use std::io::Write as _;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;

use super::answer::{self, Refusal};
use super::blobs::{RunningSums, Sums};
use super::books::{Books, Temp};
use super::faults::Action;
use super::inflow::Broken;
use super::ledger::Entry;
use super::report::Breach;
use super::room::{Room, Visit};

/// Stores a whole file: exactly as many bytes as were reserved, unless the server is lenient.
pub(super) async fn whole(
    room: &Arc<Room>,
    temp_url: &str,
    visit: &mut Visit,
) -> Result<Response, Refusal> {
    let (id, temp) = find(room, temp_url)?;
    check(room, visit, &temp)?;
    let blob = room.ids.draw();
    let (size, sums) = match store(room, &blob, temp.size, visit).await {
        Ok(stored) => stored,
        Err(refusal) => {
            room.blobs.discard(&blob);
            return Err(refusal);
        }
    };
    let resized = Entry::Resized {
        temp: id.clone(),
        size,
    };
    let more = (size != temp.size).then_some(resized);
    make_object(room, &id, &blob, sums, more.into_iter().collect())?;
    Ok(stored_response(size, sums, visit))
}

/// The temp upload behind the last segment of its URL.
pub(super) fn find(room: &Room, temp_url: &str) -> Result<(String, Temp), Refusal> {
    let unknown = || Refusal::not_found("no temp upload has this URL");
    let (id, secret) = temp_url.split_once('-').ok_or_else(unknown)?;
    let temp = room
        .ledger
        .read(|books| books.temp(id).cloned())
        .filter(|temp| temp.secret == secret)
        .ok_or_else(unknown)?;
    Ok((id.to_owned(), temp))
}

fn check(room: &Room, visit: &Visit, temp: &Temp) -> Result<(), Refusal> {
    let breach =
        |kind, detail: String| Err(visit.breach(room, kind, StatusCode::BAD_REQUEST, detail));
    if temp.resumable {
        return breach(
            Breach::PutOnResumable,
            "this temp upload is resumable: start a session".to_owned(),
        );
    }
    if temp.used {
        return breach(
            Breach::StoredAfterUse,
            "this temp upload is already registered".to_owned(),
        );
    }
    match visit.inflow.announced() {
        Some(length) if length != temp.size && !room.settings.lenient => breach(
            Breach::SizeMismatch,
            format!("{length} bytes are announced, {} were reserved", temp.size),
        ),
        None if !visit.headers.contains_key("transfer-encoding") => Err(visit.breach(
            room,
            Breach::NoContentLength,
            StatusCode::LENGTH_REQUIRED,
            "a Content-Length is needed, also of 0",
        )),
        _ => Ok(()),
    }
}

/// The size and the checksums of what came.
async fn store(
    room: &Room,
    blob: &str,
    size: u64,
    visit: &mut Visit,
) -> Result<(u64, Sums), Refusal> {
    let lenient = room.settings.lenient;
    let mut file = room.blobs.create(blob)?;
    let mut sums = RunningSums::default();
    let mut stored: u64 = 0;
    loop {
        match visit.inflow.next().await {
            Ok(Some(bytes)) => {
                stored += bytes.len() as u64;
                if stored <= size || lenient {
                    sums.update(&bytes);
                    file.write_all(&bytes)?;
                }
            }
            Ok(None) => break,
            Err(Broken) => return Err(Refusal::bad_request("broken", "the connection broke")),
        }
    }
    if stored == size {
        return Ok((stored, sums.finish()));
    }
    let refusal = visit.breach(
        room,
        Breach::SizeMismatch,
        StatusCode::BAD_REQUEST,
        format!("{stored} bytes came, {size} were reserved"),
    );
    if lenient {
        Ok((stored, sums.finish()))
    } else {
        Err(refusal)
    }
}

/// A temp upload's object is made; one that it had before goes, unless a table holds it already.
pub(super) fn make_object(
    room: &Room,
    temp: &str,
    blob: &str,
    sums: Sums,
    more: Vec<Entry>,
) -> Result<(), Refusal> {
    let entry = Entry::Stored {
        temp: temp.to_owned(),
        blob: blob.to_owned(),
        sums,
    };
    let earlier = room.ledger.change(|books: &Books| {
        let known = books.temp(temp);
        if known.is_none_or(|temp| temp.used) {
            return Err(Refusal::bad_request(
                "invalid_request_error",
                "this temp upload was registered meanwhile",
            ));
        }
        let earlier = known.and_then(|temp| temp.stored.clone());
        let entries = std::iter::once(entry).chain(more).collect();
        Ok((entries, earlier))
    })?;
    if let Some(earlier) = earlier {
        room.blobs.discard(&earlier.blob);
    }
    Ok(())
}

/// The 200 of a complete object, with its checksums and size.
pub(super) fn stored_response(size: u64, sums: Sums, visit: &Visit) -> Response {
    let wrong = |action| visit.action.as_ref() == Some(&action);
    let sums = if wrong(Action::WrongHash) {
        sums.spoiled()
    } else {
        sums
    };
    let size = size + u64::from(wrong(Action::WrongSize));
    let body = serde_json::json!({ "kind": "storage#object", "size": size.to_string(), "md5Hash": sums.md5_base64() });
    let mut response = answer::json(StatusCode::OK, &body);
    answer::set(&mut response, "x-goog-hash", &sums.goog_hash());
    answer::set(
        &mut response,
        "x-goog-stored-content-length",
        &size.to_string(),
    );
    response
}
