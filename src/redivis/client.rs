//! Connections, the token, and how long anything may take.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Certificate, Method, RequestBuilder};
use thiserror::Error;
use url::{Origin, Url};

use super::address::is_loopback;
use super::{Bearer, Budget};
use crate::config;
use crate::job::address;

/// From sending an API request to the last byte of its answer.
pub const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);

/// Between two requests a connection is kept for this long: shorter than common servers do, so
/// that a kept one is rarely dead.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// As many small files may be in flight.
const IDLE_PER_HOST: usize = 256;

/// How long anything may take. The defaults are right; tests take milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Name resolution, connection and TLS: 20 s.
    pub connect: Duration,
    /// One API call: [`REQUEST_TIMEOUT`].
    pub request: Duration,
    /// One listing of a table, which may be large, as a whole: 15 min.
    pub listing: Duration,
    /// No byte of a body taken by the network, or delivered by it: 60 s. Slow is no reason.
    pub stall: Duration,
    /// No byte given by our own file: 15 min. A low bandwidth limit or a slow disk is no reason.
    pub source: Duration,
    /// From the last byte of an upload's body to the answer: 120 s.
    pub answer: Duration,
    /// The body of an upload's answer, once its status is known: 10 s.
    pub text: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(20),
            request: REQUEST_TIMEOUT,
            listing: Duration::from_mins(15),
            stall: Duration::from_mins(1),
            source: Duration::from_mins(15),
            answer: Duration::from_mins(2),
            text: Duration::from_secs(10),
        }
    }
}

/// Why there is no client: the configuration or this system must change first.
#[derive(Debug, Error)]
pub enum BuildError {
    /// Empty, or with characters that cannot stand in a header.
    #[error("the access token is empty or holds characters that no token has")]
    Token,
    /// `redivis.extra_ca_file` cannot be read.
    #[error("cannot read the certificates in {}: {source}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// `redivis.extra_ca_file` holds no certificate.
    #[error("{} is no PEM file with certificates", path.display())]
    CaPem {
        /// The file.
        path: PathBuf,
    },
    /// TLS or the proxy settings of the environment are unusable.
    #[error("cannot set up HTTP: {0}")]
    Http(String),
}

/// Talks to one Redivis. Cheap to clone; all clones share token, connections and budget.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

struct Shared {
    endpoint: Url,
    is_elsewhere: bool,
    may_see_token: Vec<Origin>,
    token: RwLock<Bearer>,
    budget: Mutex<Budget>,
    limits: Limits,
    connections: Connections,
}

impl Client {
    /// With the usual [`Limits`]. Reads `extra_ca_file`; connects to nothing yet.
    pub fn new(settings: &config::Redivis, token: Bearer) -> Result<Self, BuildError> {
        Self::with_limits(settings, token, Limits::default())
    }

    /// As [`Client::new`], with other limits.
    pub fn with_limits(
        settings: &config::Redivis,
        token: Bearer,
        limits: Limits,
    ) -> Result<Self, BuildError> {
        let authorities = match &settings.extra_ca_file {
            Some(path) => certificates(path)?,
            None => Vec::new(),
        };
        let connections = Connections::new(limits, authorities)?;
        // whether TLS can be had is known before the first file waits for it
        if settings.endpoint.scheme() == "https" {
            connections.secure(&settings.endpoint)?;
        }
        let mut may_see_token = settings.send_token_to.clone();
        may_see_token.push(settings.endpoint.origin());
        Ok(Self(Arc::new(Shared {
            endpoint: settings.endpoint.clone(),
            is_elsewhere: settings.is_elsewhere,
            may_see_token,
            token: RwLock::new(token),
            budget: Mutex::new(Budget::new(Instant::now())),
            limits,
            connections,
        })))
    }

    /// Uses another token from the next request on, in all clones.
    pub fn set_token(&self, token: Bearer) {
        *self.0.token.write().unwrap_or_else(PoisonError::into_inner) = token;
    }

    /// Takes one API request out of the shared budget. To be called before each API call (uploads
    /// need none).
    ///
    /// # Errors
    /// The moment from which it is worth asking again.
    pub fn acquire(&self, now: Instant) -> Result<(), Instant> {
        self.budget().acquire(now)
    }

    pub(super) fn endpoint(&self) -> &Url {
        &self.0.endpoint
    }

    /// The reference in an address, if that lies at this endpoint: what belongs to another account is not asked for here.
    pub(super) fn own<'a>(&self, address: &'a str) -> Option<&'a str> {
        let (endpoint, reference) = address::parts(address);
        let own = self.0.is_elsewhere.then(|| self.0.endpoint.as_str());
        (endpoint == own).then_some(reference)
    }

    pub(super) fn limits(&self) -> Limits {
        self.0.limits
    }

    pub(super) fn token(&self) -> Bearer {
        self.0
            .token
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn budget(&self) -> MutexGuard<'_, Budget> {
        self.0.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request, with the token if that origin may see it.
    pub(super) fn request(&self, method: Method, url: Url, token: &Bearer) -> RequestBuilder {
        let trusted = self.0.may_see_token.contains(&url.origin());
        let request = self.0.connections.to(&url).request(method, url);
        if trusted {
            request.header(AUTHORIZATION, token.header())
        } else {
            request
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Client({})",
            self.0.endpoint.origin().ascii_serialization()
        )
    }
}

/// Connections by where they lead. Those with TLS are made when they are needed: they read hundreds of
/// certificates.
struct Connections {
    limits: Limits,
    authorities: Vec<Certificate>,
    /// Without TLS; only to loopback, and never through a proxy.
    plain: reqwest::Client,
    /// With TLS, never through a proxy.
    loopback: OnceLock<reqwest::Client>,
    /// With TLS.
    outside: OnceLock<reqwest::Client>,
}

impl Connections {
    fn new(limits: Limits, authorities: Vec<Certificate>) -> Result<Self, BuildError> {
        // trusts nobody, so that no certificate need be read
        let plain = builder(limits).no_proxy().tls_certs_only([]);
        Ok(Self {
            limits,
            authorities,
            plain: build(plain)?,
            loopback: OnceLock::new(),
            outside: OnceLock::new(),
        })
    }

    fn to(&self, url: &Url) -> &reqwest::Client {
        if url.scheme() == "http" {
            return &self.plain;
        }
        self.secure(url).unwrap_or_else(|error| {
            tracing::error!(%error, "connections with TLS fail until this is mended");
            &self.plain
        })
    }

    fn secure(&self, url: &Url) -> Result<&reqwest::Client, BuildError> {
        let is_loopback = is_loopback(url);
        let made = if is_loopback {
            &self.loopback
        } else {
            &self.outside
        };
        if let Some(client) = made.get() {
            return Ok(client);
        }
        let mut builder = builder(self.limits).tls_certs_merge(self.authorities.clone());
        if is_loopback {
            builder = builder.no_proxy();
        }
        let client = build(builder)?;
        Ok(made.get_or_init(|| client))
    }
}

fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, BuildError> {
    let client = builder.build();
    client.map_err(|error| BuildError::Http(error.without_url().to_string()))
}

fn builder(limits: Limits) -> reqwest::ClientBuilder {
    let mut headers = HeaderMap::new();
    // A compressed answer could unpack to any size.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    reqwest::Client::builder()
        .user_agent(concat!("redivis-drop/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .redirect(reqwest::redirect::Policy::none())
        // reqwest would repeat what it deems safe. What remains is hyper's own rule: a request
        // that finds its pooled connection closed before a byte of it was written (the body is
        // then untouched, be it a stream or not) is put on another one. Once anything was
        // written, a dead connection is an error here.
        .retry(reqwest::retry::never())
        // An upload in HTTP/2 shares its connection's flow control with all the others.
        .http1_only()
        .connect_timeout(limits.connect)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(IDLE_PER_HOST)
        // For connections that nobody waits for any more. reqwest's default of 30 s would come
        // before our own guard and abort an upload whose receiver only paused.
        .tcp_user_timeout(limits.stall.saturating_mul(2))
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, BuildError> {
    let pem = std::fs::read(path).map_err(|source| BuildError::CaFile {
        path: path.to_owned(),
        source,
    })?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(BuildError::CaPem {
            path: path.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(extra_ca_file: Option<PathBuf>) -> config::Redivis {
        config::Redivis {
            name: config::HOME.into(),
            is_elsewhere: false,
            endpoint: Url::parse("https://redivis.example/api/v1").unwrap(),
            token_file: None,
            send_token_to: vec![Url::parse("https://up.example").unwrap().origin()],
            extra_ca_file,
        }
    }

    fn bearer() -> Bearer {
        Bearer::new("t0k3n").unwrap()
    }

    #[test]
    fn what_lies_at_the_endpoint_of_another_account_is_not_asked_for_here() {
        let home = settings(None);
        let elsewhere = config::Redivis {
            is_elsewhere: true,
            ..home.clone()
        };
        let table = "lab.data:next.raw";
        let there = address::at(home.endpoint.as_str(), table);
        let other = address::at("https://other.example/api/v1", table);
        for (settings, own) in [(home, table), (elsewhere, &*there)] {
            let client = Client::new(&settings, bearer()).unwrap();
            for address in [table, &there, &other] {
                let wanted = (address == own).then_some(table);
                assert_eq!(client.own(address), wanted, "{address}");
            }
        }
    }

    #[test]
    fn the_token_goes_to_the_api_and_to_named_origins_only() {
        let client = Client::new(&settings(None), bearer()).unwrap();
        for (url, sent) in [
            ("https://redivis.example/anything", true),
            ("https://redivis.example:443/anything", true),
            ("https://up.example/u", true),
            ("https://redivis.example:8443/", false),
            ("http://redivis.example/", false),
            ("https://up.example.evil.example/", false),
            ("https://storage.example/", false),
        ] {
            let request = client
                .request(Method::GET, Url::parse(url).unwrap(), &client.token())
                .build()
                .unwrap();
            let header = request.headers().get(AUTHORIZATION);
            assert_eq!(header.is_some(), sent, "{url}");
            assert!(header.is_none_or(HeaderValue::is_sensitive));
        }
    }

    #[test]
    fn a_new_token_is_used_by_all_clones() {
        let client = Client::new(&settings(None), bearer()).unwrap();
        let other = client.clone();
        client.set_token(Bearer::new("other").unwrap());
        assert_eq!(other.token().expose(), "other");
        assert_eq!(format!("{other:?}"), "Client(https://redivis.example)");
    }

    #[test]
    fn unusable_authorities_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let build = || Client::new(&settings(Some(path.clone())), bearer()).unwrap_err();
        assert!(matches!(build(), BuildError::CaFile { .. }));
        std::fs::write(&path, "no certificate").unwrap();
        assert!(matches!(build(), BuildError::CaPem { .. }));
    }
}
