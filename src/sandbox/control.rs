//! `/_sandbox/…`: what the server saw, and how to make it misbehave. No token is needed here.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::answer::{self, Refusal};
use super::blobs::Sums;
use super::books::Books;
use super::faults::Fault;
use super::report::{Breach, Report};
use super::room::{Room, Visit};
use super::secret_ids::hex;
use super::{tables, temp_uploads};

/// Something that a table holds: the judge's view.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RegisteredFile {
    /// `owner.dataset.table`, without qualifiers.
    pub table: String,
    /// `file`, or `upload` for an import that did not fail.
    pub kind: &'static str,
    /// Its name in the table.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// MD5 of the stored bytes, in hex.
    pub md5: String,
    /// Its id.
    pub id: String,
}

#[derive(Deserialize)]
struct Release {
    dataset: String,
}

/// One fault, or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Faults {
    Several(Vec<Fault>),
    One(Fault),
}

/// Answers a control call.
pub(super) async fn answer(
    room: &Arc<Room>,
    method: &Method,
    name: &str,
    visit: &mut Visit,
) -> Result<Response, Refusal> {
    let done = || Ok(answer::json(StatusCode::OK, &json!({ "ok": true })));
    match (method.as_str(), name) {
        ("GET", "report") => Ok(answer::json(StatusCode::OK, &report(room))),
        ("GET", "registered") => Ok(answer::json(StatusCode::OK, &registered(room, None))),
        ("POST", "faults") => {
            match temp_uploads::body(room, visit).await? {
                Faults::Several(faults) => room.script.add(faults),
                Faults::One(fault) => room.script.add(vec![fault]),
            }
            done()
        }
        ("POST", "release") => {
            let Release { dataset } = temp_uploads::body(room, visit).await?;
            tables::release(room, &dataset)?;
            done()
        }
        (_, "trap") => Ok(trap(room, visit).await),
        _ => Err(Refusal::not_found("no such control call")),
    }
}

/// What the server saw so far.
pub(super) fn report(room: &Room) -> Report {
    room.recorder
        .report(room.session_reports(), room.script.pending())
}

/// What the tables hold, in the order of registration; `only` one table, by its key.
pub(super) fn registered(room: &Room, only: Option<&str>) -> Vec<RegisteredFile> {
    room.ledger.read(|books: &Books| {
        let chosen = books
            .tables()
            .filter(|(key, _)| only.is_none_or(|only| only == *key));
        let mut all = Vec::new();
        for (key, table) in chosen {
            let row = |kind, name: &str, size, sums: &Sums, id: &str| RegisteredFile {
                table: key.clone(),
                kind,
                name: name.to_owned(),
                size,
                md5: hex(&sums.md5),
                id: id.to_owned(),
            };
            let files = table.files.iter();
            all.extend(files.map(|f| row("file", &f.name, f.size, &f.stored.sums, &f.id)));
            let uploads = table.uploads.values().filter(|u| !u.state.has_failed());
            all.extend(uploads.map(|u| row("upload", &u.name, u.size, &u.stored.sums, &u.id)));
        }
        all
    })
}

/// Where a scripted redirect may lead: nobody who follows none ever comes here.
async fn trap(room: &Room, visit: &mut Visit) -> Response {
    let length = visit.inflow.drain().await.unwrap_or(0);
    if visit.headers.contains_key("authorization") {
        room.recorder.token_elsewhere();
    }
    room.recorder.violation(
        Breach::FollowedRedirect,
        &visit.request,
        format!("the trap was reached, with {length} bytes"),
    );
    let mut response = Response::new(Body::from("<html><title>Log in</title></html>\n"));
    answer::set(&mut response, "content-type", "text/html");
    response
}
