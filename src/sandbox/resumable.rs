//! The resumable protocol: start, chunk, query, cancel. The strict reading of Google's rules.
//!
//! A chunk that arrives whole is stored whole. Of a chunk whose connection breaks, the part up to
//! the last multiple of 256 KiB stays. A newer request on a session ends an older one first.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::http::StatusCode;
use axum::response::Response;

use super::answer::{self, Refusal};
use super::blobs::RunningSums;
use super::books::Temp;
use super::content_range::ContentRange;
use super::faults::Action;
use super::filling::{Filling, QUANTUM};
use super::inflow::Broken;
use super::ledger::Entry;
use super::put;
use super::report::Breach;
use super::room::{self, Room, Visit};
use super::session::Session;

/// Opens a session on a resumable temp upload; there may be several.
pub(super) fn start(room: &Arc<Room>, temp_url: &str, visit: &Visit) -> Result<Response, Refusal> {
    let (temp_id, temp) = put::find(room, temp_url)?;
    check_start(&temp, visit)
        .map_err(|(kind, status, detail)| visit.breach(room, kind, status, detail))?;
    let (id, blob) = (room.ids.draw(), room.ids.draw());
    room.blobs.create(&blob)?;
    let location = format!("{}/upload/{temp_url}?upload_id={id}", room.upload_base);
    room.ledger.commit(vec![Entry::Session {
        id,
        temp: temp_id,
        blob,
        opened_ms: room::now_ms(),
    }])?;
    let mut response = answer::empty(StatusCode::CREATED);
    answer::set(&mut response, "location", &location);
    Ok(response)
}

/// What a start needs, and which rule it breaks without.
fn check_start(temp: &Temp, visit: &Visit) -> Result<(), (Breach, StatusCode, String)> {
    let bad = |kind, detail: &str| Err((kind, StatusCode::BAD_REQUEST, detail.to_owned()));
    if !temp.resumable {
        return bad(
            Breach::StartOnPlain,
            "this temp upload is not resumable: PUT the file",
        );
    }
    if temp.used {
        return bad(
            Breach::StoredAfterUse,
            "this temp upload is already registered",
        );
    }
    match visit.inflow.announced() {
        Some(0) => {}
        Some(_) => return bad(Breach::MalformedStart, "the start has a body"),
        None => {
            let detail = "a Content-Length of 0 is needed".to_owned();
            return Err((Breach::NoContentLength, StatusCode::LENGTH_REQUIRED, detail));
        }
    }
    if visit.header("x-goog-resumable") != Some("start") {
        return bad(Breach::MalformedStart, "x-goog-resumable: start is needed");
    }
    match visit
        .header("x-upload-content-length")
        .map(str::parse::<u64>)
    {
        Some(Ok(size)) if size == temp.size => Ok(()),
        Some(Ok(size)) => bad(
            Breach::SizeMismatch,
            &format!("{size} bytes are announced, {} were reserved", temp.size),
        ),
        Some(Err(_)) | None => bad(
            Breach::MalformedStart,
            "x-upload-content-length is needed, in digits",
        ),
    }
}

/// A PUT on a session: a chunk or a query.
pub(super) async fn put(
    room: &Arc<Room>,
    id: &str,
    visit: &mut Visit,
) -> Result<Response, Refusal> {
    let session = find(room, id)?;
    if let Some(Action::ExpireSession(status)) = visit.action {
        end(room, &session)?;
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::NOT_FOUND);
        return Err(Refusal::new(status, "gone", "this session has expired"));
    }
    let Some(range) = visit.header("content-range") else {
        return Err(visit.breach(
            room,
            Breach::MalformedRange,
            StatusCode::BAD_REQUEST,
            "there is no Content-Range",
        ));
    };
    let range = ContentRange::parse(range).map_err(|why| {
        let detail = format!("Content-Range: {range}: {why}");
        visit.breach(
            room,
            Breach::MalformedRange,
            StatusCode::BAD_REQUEST,
            detail,
        )
    })?;
    visit.inflow.end_with(session.take_over());
    let mut writer = session.writer.lock().await;
    let response = match range {
        ContentRange::Query { total } => query(room, &session, &mut writer, total, visit).await?,
        ContentRange::Bytes { first, last, total } => {
            check_total(room, &session, total, visit)?;
            check_length(room, last - first + 1, visit)?;
            chunk(room, &session, &mut writer, first, last, visit).await?
        }
    };
    Ok(bent(&session, response, visit))
}

/// Gives a session up; Google's answer to that is 499.
pub(super) fn cancel(room: &Arc<Room>, id: &str) -> Result<Response, Refusal> {
    let session = find(room, id)?;
    end(room, &session)?;
    Ok(answer::empty(
        StatusCode::from_u16(499).unwrap_or(StatusCode::NO_CONTENT),
    ))
}

/// A session whose life is not over.
fn find(room: &Room, id: &str) -> Result<Arc<Session>, Refusal> {
    let session = room.ledger.read(|books| books.session(id).cloned());
    let unknown = || Refusal::not_found("no session has this URL, or it has expired");
    let session = session.ok_or_else(unknown)?;
    if session.expired(room::now_ms(), room.settings.session_life) {
        end(room, &session)?;
        return Err(unknown());
    }
    Ok(session)
}

fn end(room: &Room, session: &Session) -> Result<(), Refusal> {
    session.take_over();
    room.ledger.commit(vec![Entry::SessionEnd {
        session: session.id().to_owned(),
    }])?;
    if session.complete().is_none() {
        room.blobs.discard(session.blob());
    }
    Ok(())
}

async fn query(
    room: &Arc<Room>,
    session: &Session,
    writer: &mut Option<RunningSums>,
    total: Option<u64>,
    visit: &mut Visit,
) -> Result<Response, Refusal> {
    check_total(room, session, total, visit)?;
    check_length(room, 0, visit)?;
    session.note_query();
    // All bytes may be in without an object: an empty file, or a server killed in between.
    if session.complete().is_none() && session.persisted() == session.size() {
        complete(room, session, writer).await?;
    }
    Ok(progress(session, visit))
}

async fn chunk(
    room: &Arc<Room>,
    session: &Session,
    writer: &mut Option<RunningSums>,
    first: u64,
    last: u64,
    visit: &mut Visit,
) -> Result<Response, Refusal> {
    if session.complete().is_some() {
        let detail = format!("bytes {first}-{last} of a session that is complete");
        visit.breach(room, Breach::ChunkAfterEnd, StatusCode::OK, detail);
        let _: Result<u64, Broken> = visit.inflow.drain().await;
        return Ok(progress(session, visit));
    }
    let is_last = last + 1 == session.size();
    let length = last - first + 1;
    if !is_last && !length.is_multiple_of(QUANTUM) {
        return Err(visit.breach(
            room,
            Breach::ChunkNotMultiple,
            StatusCode::BAD_REQUEST,
            format!("{length} bytes: only the last chunk may be no multiple of {QUANTUM}"),
        ));
    }
    let persisted = session.persisted();
    if first > persisted {
        let detail = format!("the chunk begins at {first}, {persisted} bytes are stored");
        let status = StatusCode::RANGE_NOT_SATISFIABLE;
        // A client that believes a wrong Range of ours breaks no rule.
        return Err(if session.was_told(first) {
            Refusal::new(status, "gap", detail)
        } else {
            visit.breach(room, Breach::Gap, status, detail)
        });
    }
    session.note_chunk(first);
    let resent = persisted.min(last + 1) - first;
    room.recorder
        .bytes_resent
        .fetch_add(resent, Ordering::Relaxed);

    let sums = sums_so_far(room, session, writer).await?;
    let limit = match visit.action {
        Some(Action::PersistOnly(bytes)) => first.saturating_add(bytes).min(last + 1),
        _ => last + 1,
    };
    let file = room.blobs.append(session.blob(), persisted)?;
    let mut filling = Filling::new(file, first, persisted, limit, sums);
    let whole = filling.fill(&mut visit.inflow).await?;
    session.note_received(filling.received(first));
    let (stored, sums) = filling.end(whole)?;
    room.ledger.commit(vec![Entry::Persisted {
        session: session.id().to_owned(),
        bytes: stored,
    }])?;
    *writer = Some(sums);
    let held_back = matches!(visit.action, Some(Action::PersistOnly(_)));
    if whole && stored == session.size() && !held_back {
        complete(room, session, writer).await?;
    }
    Ok(progress(session, visit))
}

/// The checksums up to the persisted offset; after a restart they are computed anew.
async fn sums_so_far(
    room: &Arc<Room>,
    session: &Session,
    writer: &mut Option<RunningSums>,
) -> Result<RunningSums, Refusal> {
    let persisted = session.persisted();
    match writer.take() {
        Some(sums) => Ok(sums),
        None if persisted == 0 => Ok(RunningSums::default()),
        None => {
            let (room, blob) = (Arc::clone(room), session.blob().to_owned());
            let read = tokio::task::spawn_blocking(move || room.blobs.sums(&blob, persisted));
            Ok(read.await.map_err(std::io::Error::other)??)
        }
    }
}

/// Makes the object: all bytes are in.
async fn complete(
    room: &Arc<Room>,
    session: &Session,
    writer: &mut Option<RunningSums>,
) -> Result<(), Refusal> {
    let sums = sums_so_far(room, session, writer).await?;
    let end = Entry::Complete {
        session: session.id().to_owned(),
    };
    put::make_object(
        room,
        session.temp(),
        session.blob(),
        sums.finish(),
        vec![end],
    )
}

/// The total of a `Content-Range`, where it is said, is the session's size.
fn check_total(
    room: &Room,
    session: &Session,
    total: Option<u64>,
    visit: &Visit,
) -> Result<(), Refusal> {
    match total {
        Some(total) if total != session.size() => Err(visit.breach(
            room,
            Breach::WrongTotal,
            StatusCode::BAD_REQUEST,
            format!("a total of {total}, the session has {}", session.size()),
        )),
        _ => Ok(()),
    }
}

/// The `Content-Length` is there, and it is the range's.
fn check_length(room: &Room, length: u64, visit: &Visit) -> Result<(), Refusal> {
    match visit.inflow.announced() {
        Some(announced) if announced == length => Ok(()),
        Some(announced) => Err(visit.breach(
            room,
            Breach::LengthMismatch,
            StatusCode::BAD_REQUEST,
            format!("a body of {announced} bytes for a range of {length}"),
        )),
        None => Err(visit.breach(
            room,
            Breach::NoContentLength,
            StatusCode::LENGTH_REQUIRED,
            "a Content-Length is needed, also of 0",
        )),
    }
}

/// 200 for a complete session, else 308 with what is stored.
fn progress(session: &Session, visit: &Visit) -> Response {
    if let Some(sums) = session.complete() {
        session.note_told(session.size());
        return put::stored_response(session.size(), *sums, visit);
    }
    let persisted = session.persisted();
    if visit.action == Some(Action::AcceptChunkWith200) {
        return answer::empty(StatusCode::OK);
    }
    session.note_told(persisted);
    let range = persisted
        .checked_sub(1)
        .map(|last| format!("bytes=0-{last}"));
    incomplete(range.as_deref())
}

fn incomplete(range: Option<&str>) -> Response {
    let mut response = answer::empty(StatusCode::PERMANENT_REDIRECT);
    if let Some(range) = range {
        answer::set(&mut response, "range", range);
    }
    response
}

/// The answer as the script bends it: another `Range`.
fn bent(session: &Session, response: Response, visit: &Visit) -> Response {
    let Some(Action::WrongRange(range)) = &visit.action else {
        return response;
    };
    let told = match range {
        None => Some(0),
        Some(range) => range
            .strip_prefix("bytes=0-")
            .and_then(|last| last.parse::<u64>().ok())
            .map(|last| last.saturating_add(1)),
    };
    if let Some(told) = told {
        session.note_told(told);
    }
    incomplete(range.as_deref())
}
