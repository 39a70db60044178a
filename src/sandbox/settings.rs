//! How a practice server is to run.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// What [`Sandbox::start`](super::Sandbox::start) needs to know.
#[derive(Clone)]
pub struct Settings {
    /// Where the API listens; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Where uploads are taken, as a second origin. `None`: on the API's own origin.
    pub upload_listen: Option<SocketAddr>,
    /// Bytes and ledger live here; made if missing. A later start in the same folder goes on.
    pub dir: PathBuf,
    /// The one token that the API accepts.
    pub token: String,
    /// How long a resumable session lives, counted from its start (24 h at Redivis).
    pub session_life: Duration,
    /// The API's request budget; `None`: unlimited, and no `X-RateLimit-*` headers.
    pub rate_limit: Option<RateLimit>,
    /// Upload bodies are read no faster than this, for each connection. `None`: as fast as they come.
    pub bytes_per_sec: Option<u64>,
    /// Waited before each request is looked at.
    pub latency: Option<Duration>,
    /// A plain PUT of another size than was reserved is stored all the same, as Google's storage does; the
    /// report names it. And a temp upload may be registered twice, which makes two files: nobody knows whether
    /// Redivis allows that.
    pub lenient: bool,
    /// A JSON file with an array of [`Fault`](super::Fault)s, in force from the start.
    pub faults: Option<PathBuf>,
}

impl Settings {
    /// A server on a free loopback port, without limits or faults, whose sessions live 24 h.
    pub fn new(dir: impl Into<PathBuf>, token: impl Into<String>) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            upload_listen: None,
            dir: dir.into(),
            token: token.into(),
            session_life: Duration::from_hours(24),
            rate_limit: None,
            bytes_per_sec: None,
            latency: None,
            lenient: false,
            faults: None,
        }
    }
}

/// Leaves the token out.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("listen", &self.listen)
            .field("upload_listen", &self.upload_listen)
            .field("dir", &self.dir)
            .field("session_life", &self.session_life)
            .field("rate_limit", &self.rate_limit)
            .field("bytes_per_sec", &self.bytes_per_sec)
            .field("latency", &self.latency)
            .field("lenient", &self.lenient)
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

/// So many API requests in each period, e.g. `100/100s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests that a period allows, at least 1.
    pub requests: u32,
    /// Length of the period; the first request opens it, the first after its end opens the next.
    pub period: Duration,
}

impl RateLimit {
    /// Reads `REQUESTS/PERIOD`, such as `100/100s` or `1000/1m`.
    pub fn parse(text: &str) -> Result<Self, RateLimitError> {
        text.parse()
    }
}

impl FromStr for RateLimit {
    type Err = RateLimitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || RateLimitError(text.to_owned());
        let (requests, period) = text.split_once('/').ok_or_else(wrong)?;
        let requests = requests.trim().parse().map_err(|_| wrong())?;
        let period = humantime::parse_duration(period.trim()).map_err(|_| wrong())?;
        if requests == 0 || period.is_zero() {
            return Err(wrong());
        }
        Ok(Self { requests, period })
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}",
            self.requests,
            humantime::format_duration(self.period)
        )
    }
}

/// A rate limit that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no rate limit: write requests/period, both above zero, such as 100/100s")]
pub struct RateLimitError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_limit_is_requests_over_a_period() {
        for (text, requests, seconds) in [
            ("100/100s", 100, 100),
            ("1000/1m", 1000, 60),
            ("1 / 1s", 1, 1),
        ] {
            let limit = RateLimit::parse(text).unwrap();
            assert_eq!(
                (limit.requests, limit.period.as_secs()),
                (requests, seconds)
            );
        }
    }

    #[test]
    fn anything_else_is_refused_with_an_example() {
        for text in ["", "100", "100/", "/1s", "0/1s", "5/0s", "-1/1s", "5/fast"] {
            let error = RateLimit::parse(text).unwrap_err();
            assert!(error.to_string().contains("100/100s"), "{text}: {error}");
        }
    }
}
