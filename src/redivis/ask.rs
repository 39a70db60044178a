//! One question to the API: sent once, and its answer sorted by what it means.

use std::future::Future;
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use reqwest::{Method, Response, StatusCode};
use serde::de::DeserializeOwned;
use tracing::warn;
use url::Url;

use super::redact::Secrets;
use super::shapes::Complaint;
use super::wire::{self, Body, ERROR_CAP, RESULT_CAP};
use super::{ApiError, Bearer, Client};

impl Client {
    /// One request with a JSON answer, within the limit of a request.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        body: Option<Vec<u8>>,
    ) -> Result<T, ApiError> {
        let token = self.token();
        within(self.limits().request, async {
            let response = self.ask(method, url, body, &token).await?;
            read_json(response, &Secrets::of_token(&token)).await
        })
        .await
    }

    /// Sends one request; an answer is returned only with status 200, 201 or 202.
    pub(super) async fn ask(
        &self,
        method: Method,
        url: Url,
        body: Option<Vec<u8>>,
        token: &Bearer,
    ) -> Result<Response, ApiError> {
        let secrets = Secrets::of_token(token);
        let is_post = method == Method::POST;
        let mut request = self.request(method, url, token);
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        } else if is_post {
            // left out otherwise, which some servers refuse
            request = request.header(CONTENT_LENGTH, 0);
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() || error.is_builder() => {
                return Err(ApiError::NotReached {
                    text: secrets.error(error),
                });
            }
            Err(error) => return Err(lost(&secrets, error)),
        };
        self.note(response.headers(), &secrets);
        match response.status() {
            StatusCode::OK | StatusCode::CREATED | StatusCode::ACCEPTED => Ok(response),
            _ => Err(self.failure(response, &secrets).await),
        }
    }

    /// What every answer says besides its result.
    fn note(&self, headers: &HeaderMap, secrets: &Secrets<'_>) {
        if let Some(warning) = wire::header(headers, "x-redivis-warning") {
            warn!("Redivis warns: {}", secrets.line(warning));
        }
        let number = |name| wire::header(headers, name)?.trim().parse().ok();
        self.budget().learn(
            number("x-ratelimit-limit"),
            number("x-ratelimit-remaining"),
            Instant::now(),
        );
    }

    async fn failure(&self, response: Response, secrets: &Secrets<'_>) -> ApiError {
        let status = response.status();
        let retry_after = wire::pause(response.headers());
        if status.is_success() || status.is_redirection() || status.is_informational() {
            let kind = if status.is_redirection() {
                "a redirect"
            } else {
                "an unknown success"
            };
            return ApiError::nonsense(format!("{kind} ({})", status.as_u16()));
        }
        let body = Body::read(response, ERROR_CAP).await.text();
        let error = classify(status, retry_after, &body, secrets);
        if let ApiError::Throttled { retry_after, .. } = &error {
            let pause = retry_after.unwrap_or_default();
            self.budget().pause(Instant::now() + pause);
        }
        error
    }
}

fn classify(
    status: StatusCode,
    retry_after: Option<Duration>,
    body: &str,
    secrets: &Secrets<'_>,
) -> ApiError {
    let complaint = Complaint::read(body);
    let code = complaint.code.map(|code| secrets.line(&code));
    let text = secrets.line(&complaint.text.unwrap_or_else(|| {
        if wire::is_page(body.as_bytes()) {
            "an HTML page instead of a reason".into()
        } else if body.trim().is_empty() || code.is_some() {
            status
                .canonical_reason()
                .unwrap_or("no reason given")
                .into()
        } else {
            body.to_owned()
        }
    }));
    let number = status.as_u16();
    match number {
        401 => ApiError::Auth {
            status: number,
            text,
            scope: complaint.scope.map(|scope| secrets.line(&scope)),
        },
        403 if code.as_deref() == Some("insufficient_scope") => ApiError::Auth {
            status: number,
            text,
            scope: complaint.scope.map(|scope| secrets.line(&scope)),
        },
        // The proxy in between wants a password: Redivis never saw the request.
        407 => ApiError::NotReached { text },
        429 => ApiError::Throttled {
            status: number,
            retry_after,
        },
        503 if retry_after.is_some() => ApiError::Throttled {
            status: number,
            retry_after,
        },
        // 425 is "too early", 499 a hop that gave up.
        408 | 425 | 499 | 500.. => ApiError::Unavailable {
            status: Some(number),
            text,
        },
        _ => ApiError::Refused {
            status: number,
            code,
            text,
        },
    }
}

/// The result, or `Unavailable` when the limit is over first.
pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, ApiError>> + Send,
) -> Result<T, ApiError> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        Err(ApiError::Unavailable {
            status: None,
            text: format!("no complete answer within {limit:?}"),
        })
    })
}

/// A connection that failed after something may have been sent.
pub(super) fn lost(secrets: &Secrets<'_>, error: reqwest::Error) -> ApiError {
    ApiError::Unavailable {
        status: None,
        text: secrets.error(error),
    }
}

async fn read_json<T: DeserializeOwned>(
    response: Response,
    secrets: &Secrets<'_>,
) -> Result<T, ApiError> {
    let bytes = match Body::read(response, RESULT_CAP).await {
        Body::Whole(bytes) => bytes,
        Body::Cut(_) => return Err(ApiError::nonsense("a result of more than 8 MiB")),
        Body::Broken(_, error) => return Err(lost(secrets, error)),
    };
    serde_json::from_slice(&bytes).map_err(|error| {
        ApiError::nonsense(if wire::is_page(&bytes) {
            "an HTML page, as of a captive portal or a login".into()
        } else {
            secrets.line(&format!("JSON of another shape, {error}"))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_status_has_its_consequence() {
        let token = Bearer::new("t0k3n").unwrap();
        let secrets = Secrets::of_token(&token);
        let scope =
            r#"{"error":"insufficient_scope","error_description":"no","scope":"data.edit"}"#;
        for (status, pause, body, want) in [
            (
                400,
                None,
                r#"{"error":"invalid","error_description":"bad\nname"}"#,
                "Redivis refuses (400 invalid): bad name",
            ),
            (
                400,
                None,
                r#"{"error":"not t0k3n"}"#,
                "Redivis refuses (400 not …): Bad Request",
            ),
            (
                404,
                None,
                r#"{"error":{"message":"no such table","status":404}}"#,
                "Redivis refuses (404): no such table",
            ),
            (
                404,
                None,
                "<!doctype html><p>t0k3n",
                "Redivis refuses (404): an HTML page instead of a reason",
            ),
            (
                409,
                None,
                "plain words",
                "Redivis refuses (409): plain words",
            ),
            (413, None, " ", "Redivis refuses (413): Payload Too Large"),
            (
                401,
                None,
                "",
                "Redivis does not accept the access token (401): Unauthorized",
            ),
            (
                403,
                None,
                scope,
                "Redivis does not accept the access token (403): no (needs scope data.edit)",
            ),
            (403, None, "", "Redivis refuses (403): Forbidden"),
            (
                407,
                None,
                "",
                "Redivis cannot be reached: Proxy Authentication Required",
            ),
            (
                408,
                None,
                "",
                "no result from Redivis (408): Request Timeout",
            ),
            (429, None, "", "Redivis asks for a pause (429)"),
            (500, None, "oops", "no result from Redivis (500): oops"),
            (
                503,
                None,
                "",
                "no result from Redivis (503): Service Unavailable",
            ),
            (503, Some(1), "", "Redivis asks for a pause (503)"),
            (
                599,
                None,
                "",
                "no result from Redivis (599): no reason given",
            ),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let error = classify(status, pause.map(Duration::from_secs), body, &secrets);
            assert_eq!(error.to_string(), want);
        }
    }

    proptest! {
        #[test]
        fn any_error_prints_as_one_line_without_the_token(
            status in 400..=599_u16,
            pause in proptest::option::of(0..900_u64),
            token in "[!-~]{6,30}",
            form in 0..6,
            noise in "\\PC{0,30}",
        ) {
            let noise = noise.replace(&token, "");
            let json = |text: &str| serde_json::Value::from(text).to_string();
            let said = json(&format!("{noise}\n{token} {noise}"));
            let body = match form {
                0 => format!("{noise}{token}{noise}"),
                1 => format!(r#"{{"error":{said},"error_description":{said},"scope":{said}}}"#),
                2 => format!(r#"{{"error":{{"message":{said},"code":{said}}}}}"#),
                3 => format!(r#"{{"error":"insufficient_scope","scope":{said}}}"#),
                4 => format!("<html>{token}"),
                _ => format!(r#"{{"error":{said}"#),
            };
            let bearer = Bearer::new(&token).unwrap();
            let secrets = Secrets::of_token(&bearer);
            let pause = pause.map(Duration::from_secs);
            let error = classify(StatusCode::from_u16(status).unwrap(), pause, &body, &secrets);
            let text = error.to_string();
            prop_assert!(!text.chars().any(char::is_control), "{text:?}");
            let own = ApiError::Unavailable { status: None, text: noise }.to_string();
            prop_assert!(!text.contains(&token) || own.contains(&token), "{token} in {text}");
            // only what the server has certainly not carried out is repeated without a look
            let known = matches!(status, 400..=407 | 409..=424 | 426..=498);
            prop_assert_eq!(error.certainly_not_applied(), known, "{}", status);
        }
    }
}
