//! What every request shares, and what one request carries.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::answer::{self, Refusal};
use super::blobs::Blobs;
use super::faults::Action;
use super::inflow::Inflow;
use super::ledger::Ledger;
use super::report::{Breach, Recorder, SessionReport};
use super::script::Script;
use super::secret_ids::SecretIds;
use super::settings::{RateLimit, Settings};

/// Which listener a request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// API only; uploads have a listener of their own.
    Api,
    /// Uploads only: no token belongs here.
    Upload,
    /// Both on one listener.
    Shared,
}

/// The running server's state.
#[derive(Debug)]
pub(super) struct Room {
    /// As it was started.
    pub settings: Settings,
    /// What it remembers.
    pub ledger: Ledger,
    /// What it stores.
    pub blobs: Blobs,
    /// Names nobody can guess.
    pub ids: SecretIds,
    /// What is to go wrong.
    pub script: Script,
    /// What it saw.
    pub recorder: Recorder,
    /// The API's request budget.
    pub budget: Budget,
    /// `http://host:port` of the upload origin.
    pub upload_base: String,
    /// Connections, requests and imports, to be waited for at the end.
    pub tasks: TaskTracker,
}

impl Room {
    /// The story of every session that has not ended, oldest first.
    pub(super) fn session_reports(&self) -> Vec<SessionReport> {
        let mut sessions: Vec<_> = self
            .ledger
            .read(|books| books.sessions().cloned().collect::<Vec<_>>());
        sessions.sort_by_key(|session| session.opened_ms());
        sessions.iter().map(|session| session.report()).collect()
    }
}

/// One request, as its handler gets it.
pub(super) struct Visit {
    /// Method and path for the report, secrets shortened.
    pub request: String,
    /// The query string, without `?`.
    pub query: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub inflow: Inflow,
    /// What the script does to it, beyond its body.
    pub action: Option<Action>,
}

impl Visit {
    /// A header's text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A parameter of the query string, decoded.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// Notes a breach, and words the refusal for it.
    pub(super) fn breach(
        &self,
        room: &Room,
        kind: Breach,
        status: StatusCode,
        detail: impl Into<String>,
    ) -> Refusal {
        let detail = detail.into();
        room.recorder.violation(kind, &self.request, detail.clone());
        Refusal::new(status, "invalid_request_error", detail)
    }
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    now_us() / 1000
}

/// Microseconds since 1970.
pub(super) fn now_us() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// How much of the rate limit's period is used up.
#[derive(Debug)]
pub(super) struct Budget {
    limit: Option<RateLimit>,
    window: Mutex<Option<Window>>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    opened: Instant,
    used: u32,
}

/// What the budget says to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Allowance {
    limit: u32,
    remaining: u32,
    /// `Some`: refused; the period ends in so long.
    wait: Option<Duration>,
}

impl Budget {
    pub(super) fn new(limit: Option<RateLimit>) -> Self {
        Self {
            limit,
            window: Mutex::new(None),
        }
    }

    /// Takes one request out of the budget. `None`: there is no limit.
    pub(super) fn spend(&self, now: Instant) -> Option<Allowance> {
        let limit = self.limit?;
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let current = window
            .filter(|window| now.duration_since(window.opened) < limit.period)
            .unwrap_or(Window {
                opened: now,
                used: 0,
            });
        let refused = current.used >= limit.requests;
        let used = if refused {
            current.used
        } else {
            current.used + 1
        };
        *window = Some(Window { used, ..current });
        Some(Allowance {
            limit: limit.requests,
            remaining: limit.requests - used,
            wait: refused.then(|| {
                limit
                    .period
                    .saturating_sub(now.duration_since(current.opened))
            }),
        })
    }
}

impl Allowance {
    /// The 429, if the request is refused.
    pub(super) fn refusal(self) -> Option<Response> {
        let wait = self.wait?;
        let mut response = Refusal::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limit_exceeded",
            format!("more than {} requests in a period", self.limit),
        )
        .into_api_response();
        // Redivis describes the header as a timestamp: seconds since 1970, rounded up.
        let until = (now_ms() + i64::try_from(wait.as_millis()).unwrap_or(0)) / 1000 + 1;
        answer::set(&mut response, "retry-after", &until.to_string());
        Some(response)
    }

    /// The headers of every API answer.
    pub(super) fn announce(self, response: &mut Response) {
        answer::set(response, "x-ratelimit-limit", &self.limit.to_string());
        answer::set(
            response,
            "x-ratelimit-remaining",
            &self.remaining.to_string(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_allows_its_requests_and_the_next_one_begins_anew() {
        let budget = Budget::new(Some(RateLimit::parse("2/10s").unwrap()));
        let start = Instant::now();
        let at = |seconds| {
            let allowance = budget.spend(start + Duration::from_secs(seconds)).unwrap();
            (allowance.remaining, allowance.wait.map(|w| w.as_secs()))
        };
        assert_eq!(at(0), (1, None));
        assert_eq!(at(3), (0, None));
        assert_eq!(at(4), (0, Some(6)));
        assert_eq!(at(10), (1, None));
    }

    #[test]
    fn without_a_limit_nothing_is_said() {
        assert_eq!(Budget::new(None).spend(Instant::now()), None);
    }
}
