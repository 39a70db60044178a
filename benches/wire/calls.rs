//! What the sink answers to each call.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::books::{Books, now};
use crate::drops::Sums;
use crate::http::{Answer, Head, Wire};
use crate::sink::Manner;

/// Told where there is no limit, so that no client holds itself back.
const GENEROUS: usize = 100_000;

/// Reads the request's body, and says what to answer.
pub fn handle(wire: &mut Wire, head: &Head, manner: Manner, books: &Books) -> io::Result<Answer> {
    if let Some(rest) = head.path.strip_prefix("/api/v1/") {
        return api(wire, head, rest, manner, books);
    }
    let path = head.path.trim_start_matches('/');
    let (kind, rest) = path.split_once('/').unwrap_or((path, ""));
    match (head.method.as_str(), kind) {
        ("PUT", "up") => put(wire, head, rest, books),
        ("POST", "up") => start(wire, head, rest, books),
        ("PUT", "session") => chunk(wire, head, rest, books),
        ("PUT", "sink") => {
            books.count("curl");
            wire.discard(head, |bytes| books.arrived(bytes))?;
            Ok(Answer::empty(201))
        }
        ("GET", "_sink") => {
            let report = if rest == "brief" {
                books.brief()
            } else {
                books.report()
            };
            Ok(Answer::json(200, serde_json::to_string(&report)?))
        }
        _ => unknown(wire, head, books),
    }
}

// ---- the API

fn api(
    wire: &mut Wire,
    head: &Head,
    rest: &str,
    manner: Manner,
    books: &Books,
) -> io::Result<Answer> {
    let body = wire.keep(head)?;
    let call = match rest.rsplit_once('/') {
        Some(("tables" | "datasets", _)) => "get",
        Some((_, call)) => call,
        None => rest,
    };
    if manner.closed {
        books.count("closed");
        return Ok(Answer::json(401, r#"{"error":"unauthorized"}"#.to_owned()));
    }
    let remaining = match manner.limit.map(|limit| books.admit(limit)) {
        None => GENEROUS,
        Some(Ok(remaining)) => remaining,
        Some(Err(wait)) => {
            books.count("429");
            let at = now() / 1_000_000_000 + wait.as_secs() + 1;
            let answer = Answer::json(429, r#"{"error":"rate_limit"}"#.to_owned());
            return Ok(answer.with("Retry-After", at.to_string()));
        }
    };
    books.count(call);
    let answer = match (head.method.as_str(), call) {
        ("POST", "tempUploads") => temp_uploads(&body, books),
        ("POST", "rawFiles") => raw_files(&body, books),
        ("GET", "get") => Some(json!({"kind": "table", "name": "raw", "isFileIndex": true})),
        _ => None,
    };
    let answer = match answer {
        Some(answer) => Answer::json(200, answer.to_string()),
        None => Answer::json(404, r#"{"error":"not_found"}"#.to_owned()),
    };
    Ok(answer
        .with(
            "X-RateLimit-Limit",
            manner.limit.unwrap_or(GENEROUS).to_string(),
        )
        .with("X-RateLimit-Remaining", remaining.to_string()))
}

fn temp_uploads(body: &[u8], books: &Books) -> Option<Value> {
    let wanted: Value = serde_json::from_slice(body).ok()?;
    let made = wanted["tempUploads"].as_array()?.iter().map(|wanted| {
        let (name, size) = (wanted["name"].as_str()?, wanted["size"].as_u64()?);
        let id = books.reserve(name.to_owned(), size);
        Some(json!({
            "kind": "tempUpload",
            "id": id.to_string(),
            "url": format!("http://127.0.0.1:{}/up/{id}", books.port),
            "size": size.to_string(),
            "resumable": wanted["resumable"],
        }))
    });
    let made = made.collect::<Option<Vec<_>>>()?;
    Some(json!({"kind": "tempUploadList", "results": made}))
}

fn raw_files(body: &[u8], books: &Books) -> Option<Value> {
    let wanted: Value = serde_json::from_slice(body).ok()?;
    let added = wanted["files"].as_array()?.iter().map(|wanted| {
        let name = wanted["name"].as_str()?;
        let id = wanted["tempUploadId"].as_str()?;
        let (_, size) = books.upload(id.parse().ok()?)?;
        let md5 = Sums::of_name(name).map_or([0; 16], |sums| sums.md5);
        Some(json!({
            "kind": "rawFile",
            "id": format!("f{id}"),
            "uri": format!("/rawFiles/f{id}"),
            "url": format!("http://127.0.0.1:{}/api/v1/rawFiles/f{id}", books.port),
            "name": name,
            "md5Hash": STANDARD.encode(md5),
            "size": size.to_string(),
        }))
    });
    let added = added.collect::<Option<Vec<_>>>()?;
    books.registered(added.len() as u64);
    Some(json!({"kind": "rawFileList", "results": added}))
}

// ---- uploads

fn put(wire: &mut Wire, head: &Head, id: &str, books: &Books) -> io::Result<Answer> {
    let Some((name, _)) = find(id, books) else {
        return unknown(wire, head, books);
    };
    books.count("put");
    body(wire, head, name.clone(), books)?;
    Ok(stored(&name, head.length))
}

fn start(wire: &mut Wire, head: &Head, id: &str, books: &Books) -> io::Result<Answer> {
    if find(id, books).is_none() {
        return unknown(wire, head, books);
    }
    books.count("start");
    wire.keep(head)?;
    let session = format!("http://127.0.0.1:{}/session/{id}", books.port);
    Ok(Answer::empty(201).with("Location", session))
}

fn chunk(wire: &mut Wire, head: &Head, id: &str, books: &Books) -> io::Result<Answer> {
    let range = head.content_range.as_deref().and_then(range);
    let (Some((name, size)), Some((first, last))) = (find(id, books), range) else {
        return unknown(wire, head, books);
    };
    books.count("chunk");
    if first == 0 {
        body(wire, head, name.clone(), books)?;
    } else {
        wire.discard(head, |bytes| books.arrived(bytes))?;
    }
    if last + 1 == size {
        return Ok(stored(&name, size));
    }
    Ok(Answer::empty(308).with("Range", format!("bytes=0-{last}")))
}

fn body(wire: &mut Wire, head: &Head, name: String, books: &Books) -> io::Result<()> {
    let mut name = Some(name);
    wire.discard(head, |bytes| {
        if let Some(name) = name.take() {
            books.begun(name);
        }
        books.arrived(bytes);
    })
}

/// With the checksum that a store would have computed, so that it is compared.
fn stored(name: &str, size: u64) -> Answer {
    let answer = Answer::empty(200).with("x-goog-stored-content-length", size.to_string());
    match Sums::of_name(name) {
        Some(sums) => {
            let sum = STANDARD.encode(sums.crc32c.to_be_bytes());
            answer.with("x-goog-hash", format!("crc32c={sum}"))
        }
        None => answer,
    }
}

fn find(id: &str, books: &Books) -> Option<(String, u64)> {
    books.upload(id.parse().ok()?)
}

/// `bytes first-last/size`; a session of this sink never has to be asked how far it is.
fn range(text: &str) -> Option<(u64, u64)> {
    let (range, _) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

fn unknown(wire: &mut Wire, head: &Head, books: &Books) -> io::Result<Answer> {
    books.count("unknown");
    wire.discard(head, |_| {})?;
    Ok(Answer::empty(404))
}
