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
    use proptest::prelude::*;

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

    /// Whether the text begins like an address that may be used, read without a URL parser.
    fn looks_fit(text: &str) -> bool {
        // what a URL parser passes over
        let text = text.trim_matches(|c: char| c <= ' ');
        let text: String = text.chars().filter(|c| !"\t\n\r".contains(*c)).collect();
        let lower = text.to_ascii_lowercase();
        if let Some(rest) = lower.strip_prefix("https:") {
            return rest.chars().any(|c| !"/\\".contains(c));
        }
        let Some(rest) = lower.strip_prefix("http:") else {
            return false;
        };
        let host = rest.trim_start_matches(['/', '\\']);
        let host = host.split(['/', '\\', '?', '#']).next().unwrap_or_default();
        // nobody's name and no password
        let host = host.trim_start_matches('@');
        let host = percent_encoding::percent_decode_str(host).decode_utf8_lossy();
        host.starts_with("localhost")
            || host.starts_with('[')
            || host.chars().next().is_some_and(char::is_numeric)
    }

    proptest! {
        #[test]
        fn any_location_is_a_session_only_over_tls_or_at_home(
            text in prop_oneof![
                any::<String>(),
                "(https?|HTTP|ftp|)(:|)[/\\\\]{0,3}([a-z]{0,3}@)?(localhost|127\\.0\\.0\\.1|127\\.1|10\\.0\\.0\\.1|0x7f000001|\\[::1\\]|\\[::2\\]|up\\.example|localhost\\.example)(:[0-9]{0,5})?([/?#].{0,9})?",
            ],
        ) {
            let Some(session) = session_from(&text) else {
                return Ok(());
            };
            prop_assert_eq!(session.expose(), &text, "kept to the letter");
            prop_assert!(looks_fit(&text), "{:?}", text);
            prop_assert_eq!(format!("{session:?}"), "SessionUrl(…)");
            let url = Url::parse(session.expose()).unwrap();
            prop_assert!(url.host().is_some());
            prop_assert!(url.username().is_empty() && url.password().is_none());
            let home = match url.host() {
                Some(Host::Ipv4(address)) => address.octets()[0] == 127,
                Some(Host::Ipv6(address)) => address.segments() == [0, 0, 0, 0, 0, 0, 0, 1],
                Some(Host::Domain(name)) => name == "localhost",
                None => false,
            };
            prop_assert!(home || url.scheme() == "https", "{}", url);
        }

        #[test]
        fn any_reference_stays_one_segment(reference in any::<String>()) {
            let endpoint = Url::parse("https://redivis.com/api/v1").unwrap();
            let Some(url) = resource(&endpoint, "tables", &reference, "/rawFiles") else {
                return Ok(());
            };
            let segments: Vec<_> = url.path_segments().unwrap().collect();
            prop_assert_eq!(segments.len(), 5, "{}", url);
            let decoded = percent_encoding::percent_decode_str(segments[3]).decode_utf8().unwrap();
            prop_assert_eq!(decoded.as_ref(), &reference);
            prop_assert!(url.query().is_none() && url.fragment().is_none());
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
