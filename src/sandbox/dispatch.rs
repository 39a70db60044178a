//! The way of every request: latency, counting, token, rate limit, faults, then its handler.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use axum::response::Response;
use tokio::time::Instant;

use super::answer::{self, Refusal};
use super::content_range::ContentRange;
use super::faults::{Action, Answer, Call, When};
use super::inflow::{Broken, Disturbance, Inflow};
use super::report::Breach;
use super::room::{Origin, Room, Visit};
use super::route::Route;
use super::wire::Line;
use super::{control, put, raw_files, resumable, tables, temp_uploads, uploads};

/// Answers one request.
pub(super) async fn answer(
    room: Arc<Room>,
    origin: Origin,
    line: Line,
    request: Request<Body>,
) -> Response {
    if let Some(latency) = room.settings.latency {
        tokio::time::sleep(latency).await;
    }
    let (parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let route = Route::of(origin, &parts.method, parts.uri.path(), &query);
    let call = route.call(&parts.headers);
    let controls = matches!(route, Route::Control(..));
    if !controls {
        room.recorder.count(call);
    }
    let mut visit = Visit {
        request: format!("{} {}", parts.method, shortened(parts.uri.path())),
        query,
        inflow: Inflow::new(
            body,
            announced(&parts.headers),
            line.clone(),
            Arc::clone(&room),
            !route.is_api() && !controls,
        ),
        headers: parts.headers,
        action: None,
    };
    watch_the_token(&room, origin, &visit);

    if !route.is_api() {
        return faulty(&room, route, call, visit).await;
    }
    if visit.header("authorization") != Some(&format!("Bearer {}", room.settings.token)) {
        let missing = Refusal::new(
            StatusCode::UNAUTHORIZED,
            "invalid_token",
            "the token is missing, or it is not the one this server was started with",
        );
        let _: Result<u64, Broken> = visit.inflow.drain().await;
        return missing.into_api_response();
    }
    let allowance = room.budget.spend(Instant::now());
    let mut response = match allowance.and_then(super::room::Allowance::refusal) {
        Some(refused) => {
            let _: Result<u64, Broken> = visit.inflow.drain().await;
            refused
        }
        None => faulty(&room, route, call, visit).await,
    };
    if let Some(allowance) = allowance {
        allowance.announce(&mut response);
    }
    response
}

/// Performs the request, with what the script does to it.
async fn faulty(room: &Arc<Room>, route: Route, call: Call, mut visit: Visit) -> Response {
    if matches!(route, Route::Control(..)) {
        return perform(room, route, &mut visit).await;
    }
    let action = room.script.take(call, chunk_offset(&visit));
    match action {
        Some(Action::Answer(scripted)) => {
            match scripted.when {
                When::Early => {}
                When::AfterBody => {
                    let _: Result<u64, Broken> = visit.inflow.drain().await;
                }
                When::AfterPerforming => {
                    perform(room, route, &mut visit).await;
                }
            }
            return as_scripted(&scripted);
        }
        Some(Action::RateLimit(retry_after)) => {
            let _: Result<u64, Broken> = visit.inflow.drain().await;
            let scripted = Answer::status(429).header("Retry-After", &retry_after);
            return as_scripted(&scripted);
        }
        Some(Action::CutAfter(after)) => visit.inflow.disturb(Disturbance {
            cut_after: Some(after),
            stall: None,
        }),
        Some(Action::Stall { after, seconds }) => {
            let pause = seconds.and_then(|s| Duration::try_from_secs_f64(s).ok());
            visit.inflow.disturb(Disturbance {
                cut_after: None,
                stall: Some((after, pause)),
            });
        }
        _ => {}
    }
    visit.action.clone_from(&action);
    let disturbed = matches!(action, Some(Action::CutAfter(_) | Action::Stall { .. }));
    if disturbed && visit.inflow.announced().unwrap_or(0) == 0 && call != Call::Put {
        // Most handlers of an empty body never ask for it: the disturbance has to happen here.
        if visit.inflow.drain().await == Err(Broken) {
            return answer::empty(StatusCode::BAD_REQUEST);
        }
    }
    let response = perform(room, route, &mut visit).await;
    match action {
        Some(Action::CutBeforeReply) => {
            visit.inflow.line().cut();
            response
        }
        Some(Action::NeverReply) => {
            visit.inflow.line().gone().await;
            response
        }
        Some(Action::ReplyLate(seconds)) => {
            let pause = Duration::try_from_secs_f64(seconds).unwrap_or_default();
            tokio::time::sleep(pause).await;
            response
        }
        _ => response,
    }
}

/// Performs the request as the protocol has it.
async fn perform(room: &Arc<Room>, route: Route, visit: &mut Visit) -> Response {
    let api = route.is_api();
    let outcome = match route {
        Route::TempUploads(table) => temp_uploads::reserve(room, &table, visit).await,
        Route::RegisterFiles(table) => raw_files::register(room, &table, visit).await,
        Route::ListFiles(table) => raw_files::list(room, &table, visit),
        Route::Download(id) => raw_files::download(room, &id, visit),
        Route::CreateUpload(table) => uploads::create(room, &table, visit).await,
        Route::ListUploads(table) => uploads::list(room, &table, visit),
        Route::GetUpload(table, slug) => uploads::get(room, &table, &slug),
        Route::DeleteUpload(table, slug) => uploads::delete(room, &table, &slug),
        Route::GetTable(table) => tables::table(room, &table),
        Route::CreateTable(dataset) => tables::create_table(room, &dataset, visit).await,
        Route::GetDataset(dataset) => tables::dataset(room, &dataset),
        Route::CreateVersion(dataset) => tables::create_version(room, &dataset),
        Route::ReleaseVersion(dataset) => tables::release_version(room, &dataset, visit).await,
        Route::Put(temp) => put::whole(room, &temp, visit).await,
        Route::Start(temp) => resumable::start(room, &temp, visit),
        Route::Session(id) => resumable::put(room, &id, visit).await,
        Route::CancelSession(id) => resumable::cancel(room, &id),
        Route::Control(method, name) => control::answer(room, &method, &name, visit).await,
        Route::Unknown => Err(visit.breach(
            room,
            Breach::UnknownCall,
            StatusCode::NOT_FOUND,
            "no such call",
        )),
    };
    if outcome.is_err() {
        // A refusal that comes before the body's end would be lost in the reset that follows it.
        let _: Result<u64, Broken> = visit.inflow.drain().await;
    }
    match outcome {
        Ok(response) => response,
        Err(refusal) if api => refusal.into_api_response(),
        Err(refusal) => refusal.into_storage_response(),
    }
}

/// A token on an upload origin that is not the API's own is a leak, and it is let pass: the
/// official client sends it there.
fn watch_the_token(room: &Room, origin: Origin, visit: &Visit) {
    if origin == Origin::Upload && visit.headers.contains_key("authorization") {
        room.recorder.token_elsewhere();
        room.recorder.violation(
            Breach::TokenOnUploadOrigin,
            &visit.request,
            "an Authorization header came to the upload origin",
        );
    }
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get("content-length")?.to_str().ok()?.parse().ok()
}

/// Where a chunk begins; 0 for everything else.
fn chunk_offset(visit: &Visit) -> u64 {
    match visit.header("content-range").map(ContentRange::parse) {
        Some(Ok(ContentRange::Bytes { first, .. })) => first,
        _ => 0,
    }
}

fn as_scripted(scripted: &Answer) -> Response {
    let mut response = Response::new(Body::from(scripted.body.clone()));
    *response.status_mut() =
        StatusCode::from_u16(scripted.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in &scripted.headers {
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_bytes(value.as_bytes()),
        ) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// Upload paths are secrets: the report shows where they begin.
fn shortened(path: &str) -> String {
    match path.strip_prefix("/upload/") {
        Some(secret) => format!("/upload/{}…", secret.chars().take(8).collect::<String>()),
        None => path.chars().take(300).collect(),
    }
}
