//! `POST tempUploads`: places to put bytes, reserved by the batch.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{self, Refusal};
use super::faults::Action;
use super::ledger::Entry;
use super::report::Breach;
use super::room::{Room, Visit};
use super::tables;

/// So many go into one call.
pub(super) const BATCH_LIMIT: usize = 1000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    temp_uploads: Vec<WantedUpload>,
}

/// The official client's `name` is not looked at.
#[derive(Deserialize)]
struct WantedUpload {
    size: u64,
    #[serde(default)]
    resumable: bool,
}

/// Reserves temp uploads; the answer has the request's order.
pub(super) async fn reserve(
    room: &Arc<Room>,
    table: &str,
    visit: &mut Visit,
) -> Result<Response, Refusal> {
    let table = tables::parse(table)?;
    let wanted: Wanted = body(room, visit).await?;
    check_batch(room, visit, wanted.temp_uploads.len())?;
    let mut results = Vec::with_capacity(wanted.temp_uploads.len());
    let mut entries = Vec::with_capacity(wanted.temp_uploads.len());
    for upload in wanted.temp_uploads {
        let (id, secret) = (room.ids.draw(), room.ids.draw());
        let told = upload.size + u64::from(visit.action == Some(Action::WrongSize));
        results.push(json!({
            "kind": "tempUpload",
            "id": id,
            "url": format!("{}/upload/{id}-{secret}", room.upload_base),
            "size": told.to_string(),
            "resumable": upload.resumable,
        }));
        entries.push(Entry::Temp {
            id,
            secret,
            size: upload.size,
            resumable: upload.resumable,
        });
    }
    room.ledger.change(|books| {
        tables::writable(books, &table)?;
        entries.extend(tables::first_use(books, &table));
        Ok((entries, ()))
    })?;
    Ok(list("tempUploadList", StatusCode::OK, results, visit))
}

/// A list of results, in the order that the script wants.
pub(super) fn list(
    kind: &str,
    status: StatusCode,
    mut results: Vec<Value>,
    visit: &Visit,
) -> Response {
    match visit.action {
        Some(Action::DropResult) => {
            results.pop();
        }
        Some(Action::ReverseResults) => results.reverse(),
        _ => {}
    }
    answer::json(status, &json!({ "kind": kind, "results": results }))
}

/// Reads a JSON body.
pub(super) async fn body<T: serde::de::DeserializeOwned>(
    room: &Room,
    visit: &mut Visit,
) -> Result<T, Refusal> {
    let bytes = visit.inflow.all().await?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let detail = format!("the body is not what this call takes: {error}");
        visit.breach(room, Breach::MalformedBody, StatusCode::BAD_REQUEST, detail)
    })
}

/// 1 to 1000.
pub(super) fn check_batch(room: &Room, visit: &Visit, length: usize) -> Result<(), Refusal> {
    match length {
        0 => Err(visit.breach(
            room,
            Breach::MalformedBody,
            StatusCode::BAD_REQUEST,
            "the list is empty",
        )),
        1..=BATCH_LIMIT => Ok(()),
        _ => Err(visit.breach(
            room,
            Breach::BatchTooLarge,
            StatusCode::BAD_REQUEST,
            format!("{length} in one call; at most {BATCH_LIMIT} are taken"),
        )),
    }
}
