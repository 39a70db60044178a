//! Which call a request is: a pure reading of method, path and headers.

use axum::http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;

use super::faults::Call;
use super::room::Origin;

/// What a request wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// `POST /tables/:ref/tempUploads`
    TempUploads(String),
    /// `POST /tables/:ref/rawFiles`
    RegisterFiles(String),
    /// `GET /tables/:ref/rawFiles`
    ListFiles(String),
    /// `GET /rawFiles/:id`
    Download(String),
    /// `POST /tables/:ref/uploads`
    CreateUpload(String),
    /// `GET /tables/:ref/uploads`
    ListUploads(String),
    /// `GET|HEAD /tables/:ref/uploads/:slug`
    GetUpload(String, String),
    /// `DELETE /tables/:ref/uploads/:slug`
    DeleteUpload(String, String),
    /// `GET|HEAD /tables/:ref`
    GetTable(String),
    /// `POST /datasets/:ref/tables`
    CreateTable(String),
    /// `GET|HEAD /datasets/:ref`
    GetDataset(String),
    /// `POST /datasets/:ref/versions`
    CreateVersion(String),
    /// `POST /datasets/:ref/versions/next/release`
    ReleaseVersion(String),
    /// `PUT /upload/:temp`
    Put(String),
    /// `POST /upload/:temp`
    Start(String),
    /// `PUT /upload/:temp?upload_id=…`
    Session(String),
    /// `DELETE /upload/:temp?upload_id=…`
    CancelSession(String),
    /// `/_sandbox/:name`: reports and control.
    Control(Method, String),
    /// Anything else.
    Unknown,
}

impl Route {
    /// Reads a request line. A listener serves only what belongs to it.
    pub(super) fn of(origin: Origin, method: &Method, path: &str, query: &str) -> Self {
        let Some(parts) = decoded(path) else {
            return Self::Unknown;
        };
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match parts.as_slice() {
            ["api", "v1", rest @ ..] if origin != Origin::Upload => Self::of_api(method, rest),
            ["_sandbox", name] if origin != Origin::Upload => {
                Self::Control(method.clone(), (*name).to_owned())
            }
            // A redirect may lead to either origin.
            ["_sandbox", "trap"] => Self::Control(method.clone(), "trap".to_owned()),
            ["upload", temp] if origin != Origin::Api => Self::of_storage(method, temp, query),
            _ => Self::Unknown,
        }
    }

    fn of_api(method: &Method, parts: &[&str]) -> Self {
        // A HEAD is a GET whose body stays away.
        let method = if method == Method::HEAD {
            "GET"
        } else {
            method.as_str()
        };
        let own = |text: &&str| (*text).to_owned();
        match (method, parts) {
            ("POST", ["tables", table, "tempUploads"]) => Self::TempUploads(own(table)),
            ("POST", ["tables", table, "rawFiles"]) => Self::RegisterFiles(own(table)),
            ("GET", ["tables", table, "rawFiles"]) => Self::ListFiles(own(table)),
            ("GET", ["rawFiles", id]) => Self::Download(own(id)),
            ("POST", ["tables", table, "uploads"]) => Self::CreateUpload(own(table)),
            ("GET", ["tables", table, "uploads"]) => Self::ListUploads(own(table)),
            ("GET", ["tables", table, "uploads", slug]) => Self::GetUpload(own(table), own(slug)),
            ("DELETE", ["tables", table, "uploads", slug]) => {
                Self::DeleteUpload(own(table), own(slug))
            }
            ("GET", ["tables", table]) => Self::GetTable(own(table)),
            ("POST", ["datasets", dataset, "tables"]) => Self::CreateTable(own(dataset)),
            ("GET", ["datasets", dataset]) => Self::GetDataset(own(dataset)),
            ("POST", ["datasets", dataset, "versions"]) => Self::CreateVersion(own(dataset)),
            ("POST", ["datasets", dataset, "versions", "next", "release"]) => {
                Self::ReleaseVersion(own(dataset))
            }
            _ => Self::Unknown,
        }
    }

    fn of_storage(method: &Method, temp: &str, query: &str) -> Self {
        let session = url::form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == "upload_id")
            .map(|(_, id)| id.into_owned());
        match (method.as_str(), session) {
            ("PUT", Some(id)) => Self::Session(id),
            ("DELETE", Some(id)) => Self::CancelSession(id),
            ("PUT", None) => Self::Put(temp.to_owned()),
            ("POST", None) => Self::Start(temp.to_owned()),
            _ => Self::Unknown,
        }
    }

    /// What it counts as. The headers tell a chunk from a query.
    pub(super) fn call(&self, headers: &HeaderMap) -> Call {
        match self {
            Self::TempUploads(_) => Call::TempUploads,
            Self::RegisterFiles(_) => Call::RawFiles,
            Self::ListFiles(_) | Self::ListUploads(_) => Call::List,
            Self::Download(_) => Call::Download,
            Self::CreateUpload(_) => Call::Uploads,
            Self::GetUpload(..) | Self::DeleteUpload(..) => Call::Upload,
            Self::GetTable(_) | Self::CreateTable(_) => Call::Table,
            Self::GetDataset(_) | Self::ReleaseVersion(_) => Call::Dataset,
            Self::CreateVersion(_) => Call::Versions,
            Self::Put(_) => Call::Put,
            Self::Start(_) => Call::Start,
            Self::Session(_) if asks(headers) => Call::Query,
            Self::Session(_) => Call::Chunk,
            Self::CancelSession(_) | Self::Control(..) | Self::Unknown => Call::Unknown,
        }
    }

    /// Whether it is one of the API's, for the token and the rate limit.
    pub(super) fn is_api(&self) -> bool {
        !matches!(
            self,
            Self::Put(_)
                | Self::Start(_)
                | Self::Session(_)
                | Self::CancelSession(_)
                | Self::Control(..)
                | Self::Unknown
        )
    }
}

/// `bytes */N`.
fn asks(headers: &HeaderMap) -> bool {
    headers
        .get("content-range")
        .and_then(|value| value.to_str().ok())
        .is_some_and(|text| text.trim_start_matches("bytes ").starts_with('*'))
}

/// The path's segments, each percent-decoded: `%2F` within one is no separator.
fn decoded(path: &str) -> Option<Vec<String>> {
    path.strip_prefix('/')?
        .split('/')
        .map(|part| {
            percent_decode_str(part)
                .decode_utf8()
                .ok()
                .map(std::borrow::Cow::into_owned)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(origin: Origin, method: &Method, path: &str, query: &str) -> Route {
        Route::of(origin, method, path, query)
    }

    #[test]
    fn an_encoded_reference_is_one_segment() {
        let path = "/api/v1/tables/lab.data%3Anext.raw/uploads/a%2Fb_csv";
        assert_eq!(
            route(Origin::Shared, &Method::HEAD, path, ""),
            Route::GetUpload("lab.data:next.raw".into(), "a/b_csv".into())
        );
    }

    #[test]
    fn an_origin_serves_only_its_own() {
        let api = "/api/v1/tables/a.b.c/tempUploads";
        for (origin, path, want) in [
            (Origin::Api, api, Route::TempUploads("a.b.c".into())),
            (Origin::Upload, api, Route::Unknown),
            (Origin::Upload, "/upload/x-y", Route::Start("x-y".into())),
            (Origin::Api, "/upload/x-y", Route::Unknown),
            (Origin::Shared, "/upload/x-y", Route::Start("x-y".into())),
            (Origin::Upload, "/_sandbox/report", Route::Unknown),
        ] {
            assert_eq!(route(origin, &Method::POST, path, ""), want, "{path}");
        }
    }

    #[test]
    fn the_content_range_tells_a_chunk_from_a_query() {
        let session = route(Origin::Shared, &Method::PUT, "/upload/x", "upload_id=s");
        assert_eq!(session, Route::Session("s".into()));
        for (range, want) in [
            ("bytes */10", Call::Query),
            ("*/*", Call::Query),
            ("bytes 0-9/10", Call::Chunk),
            ("nonsense", Call::Chunk),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("content-range", range.parse().unwrap());
            assert_eq!(session.call(&headers), want, "{range}");
        }
        assert_eq!(session.call(&HeaderMap::new()), Call::Chunk);
    }
}
