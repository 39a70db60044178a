//! Uploads: files that are imported as rows of a tabular table.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{self, Refusal};
use super::books::{Books, ImportOptions, ImportState, Kind, Table, Upload};
use super::faults::Action;
use super::import;
use super::ledger::Entry;
use super::multipart;
use super::raw_files;
use super::reference::TableRef;
use super::report::Breach;
use super::room::{Room, Visit};
use super::{tables, temp_uploads};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewUpload {
    name: String,
    #[serde(default)]
    temp_upload_id: Option<String>,
    #[serde(flatten)]
    options: ImportOptions,
}

/// `POST uploads`: takes a stored file in and begins its import.
///
/// A name that is taken gets a number, as on Redivis: the answer's `name` and `uri` tell it. Small
/// content may come along, as the official client sends it: a multipart form of `metadata` (the
/// usual body) and `data`.
pub(super) async fn create(
    room: &Arc<Room>,
    table: &str,
    visit: &mut Visit,
) -> Result<Response, Refusal> {
    let table = tables::parse(table)?;
    let wanted = wanted(room, visit).await?;
    let temp = wanted
        .temp_upload_id
        .ok_or_else(|| Refusal::bad_request("invalid_request_error", "there is no tempUploadId"))?;
    if wanted.name.is_empty() {
        return Err(Refusal::bad_request(
            "invalid_request_error",
            "an upload needs a name",
        ));
    }
    let id = room.ids.draw();
    let slug = room.ledger.change(|books| {
        tables::writable(books, &table)?;
        tables::holds(books, &table, Kind::Tabular)?;
        raw_files::stored(books, &temp, false)?;
        let (name, slug) = free_name(books.table(&table.key), &wanted.name);
        let entry = Entry::Upload {
            id,
            table: table.key.clone(),
            name,
            slug: slug.clone(),
            temp,
            options: wanted.options,
        };
        Ok((vec![entry], slug))
    })?;
    let answer = one(room, &table, &slug);
    if visit.action == Some(Action::ImportForever) {
        import::begin(room, &table.key, &slug);
        return answer;
    }
    let work = import::run(Arc::clone(room), table.key, slug);
    room.tasks.spawn(work);
    answer
}

/// The request's body: JSON, or a form with the content in it.
async fn wanted(room: &Arc<Room>, visit: &mut Visit) -> Result<NewUpload, Refusal> {
    let boundary = visit
        .header("content-type")
        .and_then(multipart::boundary)
        .map(str::to_owned);
    let Some(boundary) = boundary else {
        return temp_uploads::body(room, visit).await;
    };
    let body = visit.inflow.all().await?;
    let bad =
        |detail: String| visit.breach(room, Breach::MalformedBody, StatusCode::BAD_REQUEST, detail);
    let metadata = multipart::part(&body, &boundary, "metadata")
        .ok_or_else(|| bad("the form has no metadata".to_owned()))?;
    let data = multipart::part(&body, &boundary, "data")
        .ok_or_else(|| bad("the form has no data".to_owned()))?;
    let mut wanted: NewUpload = serde_json::from_slice(metadata)
        .map_err(|error| bad(format!("the form's metadata: {error}")))?;
    wanted.temp_upload_id = Some(multipart::store(room, data)?);
    Ok(wanted)
}

/// The name and its slug, numbered if the slug is taken.
fn free_name(table: Option<&Table>, name: &str) -> (String, String) {
    let taken = |slug: &str| table.is_some_and(|table| table.uploads.contains_key(slug));
    let slug = slug_of(name);
    if !taken(&slug) {
        return (name.to_owned(), slug);
    }
    // One more number than there are uploads: one of them is free.
    let uploads = table.map_or(0, |table| table.uploads.len());
    (2..=uploads + 2)
        .map(|number| (format!("{name}-{number}"), format!("{slug}-{number}")))
        .find(|(_, slug)| !taken(slug))
        .unwrap_or_default()
}

/// How a name stands in a path.
fn slug_of(name: &str) -> String {
    name.replace('.', "_")
}

/// `GET uploads`.
pub(super) fn list(room: &Arc<Room>, table: &str, visit: &Visit) -> Result<Response, Refusal> {
    let table = tables::parse(table)?;
    let results = room.ledger.read(|books| -> Result<_, Refusal> {
        tables::readable(books, &table)?;
        let uploads = books.table(&table.key).map(|t| t.uploads.iter());
        let uploads = uploads.into_iter().flatten();
        let results = uploads.map(|(slug, upload)| upload_json(&table, slug, upload));
        Ok(results.collect())
    })?;
    Ok(raw_files::page("uploadList", results, visit))
}

/// `GET|HEAD uploads/:slug`.
pub(super) fn get(room: &Arc<Room>, table: &str, slug: &str) -> Result<Response, Refusal> {
    one(room, &tables::parse(table)?, &slug_of(slug))
}

/// `DELETE uploads/:slug`. Answers 200 with JSON: the official client fails on an empty 204.
pub(super) fn delete(room: &Arc<Room>, table: &str, slug: &str) -> Result<Response, Refusal> {
    let (table, slug) = (tables::parse(table)?, slug_of(slug));
    room.ledger.change(|books| {
        tables::writable(books, &table)?;
        known(books, &table, &slug)?;
        let entry = Entry::UploadGone {
            table: table.key.clone(),
            slug: slug.clone(),
        };
        Ok((vec![entry], ()))
    })?;
    Ok(answer::json(StatusCode::OK, &json!({})))
}

fn one(room: &Room, table: &TableRef, slug: &str) -> Result<Response, Refusal> {
    let body = room.ledger.read(|books| {
        tables::readable(books, table)?;
        known(books, table, slug).map(|upload| upload_json(table, slug, upload))
    })?;
    Ok(answer::json(StatusCode::OK, &body))
}

fn known<'b>(books: &'b Books, table: &TableRef, slug: &str) -> Result<&'b Upload, Refusal> {
    books
        .table(&table.key)
        .and_then(|table| table.uploads.get(slug))
        .ok_or_else(|| Refusal::not_found(format!("the table has no upload {slug}")))
}

fn upload_json(table: &TableRef, slug: &str, upload: &Upload) -> Value {
    let (status, error, rows, bad) = match &upload.state {
        ImportState::Queued => ("queued", None, None, 0),
        ImportState::Running => ("running", None, None, 0),
        ImportState::Completed { rows, bad } => ("completed", None, *rows, *bad),
        ImportState::Failed { message } => ("failed", Some(message), None, 0),
    };
    json!({
        "kind": "upload",
        "id": upload.id,
        "name": upload.name,
        "uri": format!("{}/uploads/{}", tables::uri(table), tables::segment(slug)),
        "status": status,
        "errorMessage": error,
        "size": upload.size,
        "hash": upload.stored.sums.md5_base64(),
        "numRows": rows,
        "badRecordsCount": bad,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::blobs::RunningSums;
    use crate::sandbox::books::Stored;

    #[test]
    fn names_that_share_a_slug_get_numbers() {
        let mut table = Table::default();
        let upload = Upload {
            id: "u".into(),
            name: "a.b.csv".into(),
            size: 0,
            stored: Stored {
                blob: String::new(),
                sums: RunningSums::default().finish(),
            },
            options: ImportOptions::default(),
            state: ImportState::Queued,
        };
        let (_, slug) = free_name(Some(&table), "a.b.csv");
        assert_eq!(slug, "a_b_csv");
        table.uploads.insert(slug, upload.clone());
        let (name, slug) = free_name(Some(&table), "a_b.csv");
        assert_eq!((name.as_str(), slug.as_str()), ("a_b.csv-2", "a_b_csv-2"));
        table.uploads.insert(slug, upload);
        assert_eq!(free_name(Some(&table), "a.b.csv").1, "a_b_csv-3");
    }
}
