//! Which URLs are fit for use, and how a table becomes a path.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::{Host, Url};

use crate::job::SessionUrl;

/// All that may stand in one path segment as it is (RFC 3986 "unreserved").
const UNRESERVED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A `Location`, if it can be a session: absolute, https, or http on loopback.
///
/// A relative one is refused: resolving it would mean to trust a path on a host that nobody named.
pub fn session_from(location: &str) -> Option<SessionUrl> {
    sendable(location)?;
    Some(SessionUrl::new(location))
}

/// The URL, if bytes may be sent there: absolute, https, or http on loopback, without a password.
pub(super) fn sendable(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
    let plain = url.username().is_empty() && url.password().is_none();
    (safe && plain).then_some(url)
}

/// Whether the host is this machine, by its address or by the name `localhost`.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// `endpoint/kind/reference[/rest]`, the reference as one segment. `None`: it cannot be a segment.
pub(super) fn resource(endpoint: &Url, kind: &str, reference: &str, rest: &str) -> Option<Url> {
    // `.` and `..` would be taken for steps, in whatever encoding.
    if reference.bytes().all(|byte| byte == b'.') {
        return None;
    }
    let segment = utf8_percent_encode(reference, &UNRESERVED);
    let base = endpoint.path().trim_end_matches('/');
    let mut url = endpoint.clone();
    url.set_path(&format!("{base}/{kind}/{segment}{rest}"));
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_https_or_loopback_is_fit() {
        for (text, fit) in [
            ("https://storage.example/u?upload_id=1", true),
            ("HTTPS://storage.example/u", true),
            ("http://127.0.0.1:8080/u", true),
            ("http://127.8.9.1/u", true),
            ("http://[::1]:8080/u", true),
            ("http://localhost/u", true),
            ("http://storage.example/u", false),
            ("http://127.0.0.1.example/u", false),
            ("http://localhost.example/u", false),
            ("https://me:pw@storage.example/u", false),
            ("https://me@storage.example/u", false),
            ("ftp://storage.example/u", false),
            ("file:///etc/passwd", false),
            ("//storage.example/u", false),
            ("/u?upload_id=1", false),
            ("u", false),
            ("", false),
        ] {
            assert_eq!(session_from(text).is_some(), fit, "{text}");
        }
    }

    #[test]
    fn a_reference_is_one_segment() {
        for (endpoint, reference, want) in [
            (
                "https://redivis.com/api/v1",
                "lab.plates:ab12:next.raw files:9",
                "https://redivis.com/api/v1/tables/lab.plates%3Aab12%3Anext.raw%20files%3A9/rawFiles",
            ),
            (
                "http://127.0.0.1:99",
                "a/../b%2F?#é",
                "http://127.0.0.1:99/tables/a%2F..%2Fb%252F%3F%23%C3%A9/rawFiles",
            ),
        ] {
            let url = resource(
                &Url::parse(endpoint).unwrap(),
                "tables",
                reference,
                "/rawFiles",
            );
            assert_eq!(url.unwrap().as_str(), want);
        }
    }

    #[test]
    fn a_reference_is_never_a_step_in_the_path() {
        let endpoint = Url::parse("https://redivis.com/api/v1").unwrap();
        for reference in ["", ".", ".."] {
            assert_eq!(resource(&endpoint, "tables", reference, ""), None);
        }
    }
}
