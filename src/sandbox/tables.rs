//! Tables and datasets: made by being named, closed by being released.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{self, Refusal};
use super::books::{Books, Dataset, Kind};
use super::ledger::Entry;
use super::reference::{DatasetRef, TableRef, Version};
use super::room::{Room, Visit};
use super::temp_uploads;

/// What a path segment shows as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'.')
    .remove(b'_')
    .remove(b'-')
    .remove(b'~');

/// A table reference, or 400.
pub(super) fn parse(table: &str) -> Result<TableRef, Refusal> {
    TableRef::parse(table).ok_or_else(|| {
        Refusal::bad_request(
            "invalid_request_error",
            format!("`{table}` is no reference such as owner.dataset:next.table"),
        )
    })
}

fn parse_dataset(dataset: &str) -> Result<DatasetRef, Refusal> {
    DatasetRef::parse(dataset).ok_or_else(|| {
        Refusal::bad_request(
            "invalid_request_error",
            format!("`{dataset}` is no reference such as owner.dataset:next"),
        )
    })
}

/// The path of a table, as its `uri`.
pub(super) fn uri(table: &TableRef) -> String {
    format!("/tables/{}", segment(&table.text))
}

/// Text as one path segment.
pub(super) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// Refuses a table whose version is released.
pub(super) fn writable(books: &Books, table: &TableRef) -> Result<(), Refusal> {
    let dataset = books.dataset(&table.dataset.key);
    let open = match table.dataset.version {
        Version::Current => !dataset.released,
        Version::Next => dataset.has_unreleased(),
        Version::Numbered => false,
    };
    if open {
        return Ok(());
    }
    Err(Refusal::bad_request(
        "invalid_request_error",
        format!(
            "{} is on a released version of its dataset; create the next version, and name it",
            table.text
        ),
    ))
}

/// Refuses a table of a next version that is not there (yet, or any more).
pub(super) fn readable(books: &Books, table: &TableRef) -> Result<(), Refusal> {
    let dataset = books.dataset(&table.dataset.key);
    if table.dataset.version != Version::Next || dataset.has_unreleased() {
        return Ok(());
    }
    let what = format!("{}: its dataset has no next version", table.text);
    Err(Refusal::not_found(what))
}

/// Refuses a table that holds something else.
pub(super) fn holds(books: &Books, table: &TableRef, kind: Kind) -> Result<(), Refusal> {
    let is = books.table(&table.key).map_or(Kind::Open, |t| t.kind);
    if is == Kind::Open || is == kind {
        return Ok(());
    }
    let what = if is == Kind::FileIndex {
        "a file index table: it takes rawFiles, no uploads"
    } else {
        "a tabular table: it takes uploads, no rawFiles"
    };
    Err(Refusal::bad_request(
        "invalid_request_error",
        format!("{} is {what}", table.text),
    ))
}

/// Makes a table that was not named before.
pub(super) fn first_use(books: &Books, table: &TableRef) -> Option<Entry> {
    books.table(&table.key).is_none().then(|| Entry::Table {
        table: table.key.clone(),
        kind: Kind::Open,
    })
}

/// `GET /tables/:ref`.
pub(super) fn table(room: &Arc<Room>, table: &str) -> Result<Response, Refusal> {
    let table = parse(table)?;
    room.ledger.change(|books| {
        readable(books, &table)?;
        Ok((first_use(books, &table).into_iter().collect(), ()))
    })?;
    Ok(answer::json(StatusCode::OK, &table_json(room, &table)))
}

fn table_json(room: &Room, table: &TableRef) -> Value {
    let (kind, files) = room.ledger.read(|books| {
        books
            .table(&table.key)
            .map_or((Kind::Open, 0), |table| (table.kind, table.files.len()))
    });
    json!({
        "kind": "table",
        "name": table.name,
        "qualifiedReference": table.text,
        "scopedReference": table.name,
        "uri": uri(table),
        "isFileIndex": kind != Kind::Tabular,
        "uploadMergeStrategy": "append",
        "numFiles": files,
        "container": dataset_json(room, &table.dataset),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewTable {
    name: String,
    #[serde(default)]
    is_file_index: bool,
}

/// `POST /datasets/:ref/tables`: decides what a table holds before anything is in it.
pub(super) async fn create_table(
    room: &Arc<Room>,
    dataset: &str,
    visit: &mut Visit,
) -> Result<Response, Refusal> {
    parse_dataset(dataset)?;
    let wanted: NewTable = temp_uploads::body(room, visit).await?;
    let table = parse(&format!("{dataset}.{}", wanted.name))?;
    let kind = if wanted.is_file_index {
        Kind::FileIndex
    } else {
        Kind::Tabular
    };
    room.ledger.change(|books| {
        writable(books, &table)?;
        if books
            .table(&table.key)
            .is_some_and(|t| t.kind != Kind::Open)
        {
            return Err(Refusal::bad_request(
                "invalid_request_error",
                format!("the table {} already exists", table.text),
            ));
        }
        let entry = Entry::Table {
            table: table.key.clone(),
            kind,
        };
        Ok((vec![entry], ()))
    })?;
    Ok(answer::json(StatusCode::CREATED, &table_json(room, &table)))
}

/// `GET /datasets/:ref`.
pub(super) fn dataset(room: &Arc<Room>, dataset: &str) -> Result<Response, Refusal> {
    let dataset = parse_dataset(dataset)?;
    Ok(answer::json(StatusCode::OK, &dataset_json(room, &dataset)))
}

fn dataset_json(room: &Room, dataset: &DatasetRef) -> Value {
    let state = room.ledger.read(|books| books.dataset(&dataset.key));
    let (owner, name) = dataset.key.split_once('.').unwrap_or(("", &dataset.key));
    let (_, scoped) = dataset.text.split_once('.').unwrap_or(("", &dataset.text));
    json!({
        "kind": "dataset",
        "name": name,
        "owner": { "kind": "organization", "userName": owner, "name": owner },
        "qualifiedReference": dataset.text,
        "scopedReference": scoped,
        "uri": format!("/datasets/{}", segment(&dataset.text)),
        "currentVersion": state.current().map(|tag| json!({ "kind": "version", "tag": tag })),
        "nextVersion": state.has_unreleased().then(|| next_version_json(dataset)),
    })
}

fn next_version_json(dataset: &DatasetRef) -> Value {
    let next = format!("{}:next", dataset.key);
    json!({
        "kind": "version",
        "tag": "next",
        "isReleased": false,
        "datasetUri": format!("/datasets/{}", segment(&next)),
    })
}

/// `POST /datasets/:ref/versions`: there is never more than one that is not released.
pub(super) fn create_version(room: &Arc<Room>, dataset: &str) -> Result<Response, Refusal> {
    let dataset = parse_dataset(dataset)?;
    room.ledger.change(|books| {
        let state = books.dataset(&dataset.key);
        if state.has_unreleased() {
            return Err(Refusal::bad_request(
                "invalid_request_error",
                format!("{} already has an unreleased version", dataset.text),
            ));
        }
        let state = Dataset {
            next: true,
            ..state
        };
        Ok((vec![versions(&dataset, state)], ()))
    })?;
    let body = next_version_json(&dataset);
    Ok(answer::json(StatusCode::CREATED, &body))
}

/// `POST /datasets/:ref/versions/next/release`: what a person does, here by a call.
pub(super) async fn release_version(
    room: &Arc<Room>,
    dataset: &str,
    visit: &mut Visit,
) -> Result<Response, Refusal> {
    let dataset = parse_dataset(dataset)?;
    visit.inflow.drain().await.ok();
    room.ledger.change(|books| {
        let state = books.dataset(&dataset.key);
        if !state.has_unreleased() {
            return Err(Refusal::bad_request(
                "invalid_request_error",
                format!("{} has no unreleased version", dataset.text),
            ));
        }
        Ok((vec![versions(&dataset, released(state))], ()))
    })?;
    let state = room.ledger.read(|books| books.dataset(&dataset.key));
    let body = json!({
        "kind": "version",
        "tag": state.current(),
        "isReleased": true,
        "datasetUri": format!("/datasets/{}", segment(&dataset.key)),
    });
    Ok(answer::json(StatusCode::OK, &body))
}

/// Marks a dataset as released, without a next version: the server's own control call.
pub(super) fn release(room: &Room, dataset: &str) -> Result<(), Refusal> {
    let dataset = parse_dataset(dataset)?;
    room.ledger.change(|books| {
        let state = books.dataset(&dataset.key);
        Ok((vec![versions(&dataset, released(state))], ()))
    })
}

/// Its unreleased version becomes the current one.
const fn released(state: Dataset) -> Dataset {
    Dataset {
        released: true,
        next: false,
        releases: state.releases + 1,
    }
}

fn versions(dataset: &DatasetRef, state: Dataset) -> Entry {
    let Dataset {
        released,
        next,
        releases,
    } = state;
    Entry::Dataset {
        dataset: dataset.key.clone(),
        released,
        next,
        releases,
    }
}
