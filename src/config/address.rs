//! Where the token may travel, and where the status page listens.

use std::net::SocketAddr;

use url::{Host, Origin, Url};

use super::value::{Complaint, Reading, quoted};

/// Base URL of the API, without a trailing slash (unless the path is only that).
pub(super) fn endpoint(text: &str) -> Reading<Url> {
    let mut url = web_address(text)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(
            Complaint::new(format!("{} has a `?` or `#` part", quoted(text)))
                .hint("an endpoint ends with its path, as in https://redivis.com/api/v1"),
        );
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// Scheme, host and port.
pub(super) fn origin(text: &str) -> Reading<Origin> {
    let url = web_address(text)?;
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        let origin = url.origin().ascii_serialization();
        return Err(
            Complaint::new(format!("{} is more than an origin", quoted(text)))
                .hint(format!("scheme, host and port only: {origin:?}")),
        );
    }
    Ok(url.origin())
}

/// IP address and port of this machine.
pub(super) fn listen(text: &str) -> Reading<SocketAddr> {
    let address: SocketAddr = text.parse().map_err(|_| {
        Complaint::new(format!("{} is no address with a port", quoted(text)))
            .hint(r#"write "127.0.0.1:7878" or "[::1]:7878"; "" turns the page off"#)
    })?;
    if !address.ip().is_loopback() {
        return Err(Complaint::new(format!(
            "{} can be reached from other machines",
            quoted(text)
        ))
        .hint("write 127.0.0.1 or [::1], and use `ssh -L` to look from elsewhere"));
    }
    Ok(address)
}

fn web_address(text: &str) -> Reading<Url> {
    const HINT: &str = "write it in full, as in https://redivis.com/api/v1";
    // With a user name in it the text is not shown: there may be a secret beside it.
    let has_user = || {
        Complaint::new("the URL holds a user name or password")
            .hint("leave it out: the token has its own place, `redivis.token_file`")
    };
    let url = Url::parse(text).map_err(|error| {
        if text.contains('@') {
            has_user()
        } else {
            Complaint::new(format!("{} is no URL: {error}", quoted(text))).hint(HINT)
        }
    })?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(has_user());
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err(
            Complaint::new(format!("{} would send the token unencrypted", quoted(text)))
                .hint("write https://; plain http is for this machine only (127.0.0.1, localhost)"),
        ),
        other => Err(Complaint::new(format!("`{other}` is not spoken here")).hint(HINT)),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_https_or_on_this_machine() {
        for (text, want) in [
            ("https://redivis.com/api/v1", "https://redivis.com/api/v1"),
            ("https://redivis.com/api/v1/", "https://redivis.com/api/v1"),
            ("https://redivis.example", "https://redivis.example/"),
            (
                "http://127.0.0.1:8080/api/v1",
                "http://127.0.0.1:8080/api/v1",
            ),
            ("http://[::1]:8080/api/v1", "http://[::1]:8080/api/v1"),
            ("http://localhost/api/v1", "http://localhost/api/v1"),
        ] {
            assert_eq!(endpoint(text).unwrap().as_str(), want);
        }
        for (text, want) in [
            (
                "redivis.com",
                r#""redivis.com" is no URL: relative URL without a base"#,
            ),
            ("ftp://redivis.com", "`ftp` is not spoken here"),
            (
                "http://redivis.com/api/v1",
                r#""http://redivis.com/api/v1" would send the token unencrypted"#,
            ),
            (
                "http://localhost.evil.example",
                r#""http://localhost.evil.example" would send the token unencrypted"#,
            ),
            (
                "https://me:secret@redivis.com",
                "the URL holds a user name or password",
            ),
            (
                "https://me:secret@",
                "the URL holds a user name or password",
            ),
            (
                "https://redivis.com/?a=b",
                r#""https://redivis.com/?a=b" has a `?` or `#` part"#,
            ),
        ] {
            assert_eq!(endpoint(text).unwrap_err().what, want);
        }
    }

    #[test]
    fn an_origin_has_no_path() {
        let uploads = origin("https://uploads.example:8443").unwrap();
        assert_eq!(
            uploads.ascii_serialization(),
            "https://uploads.example:8443"
        );
        let complaint = origin("https://uploads.example/a/b?c").unwrap_err();
        assert_eq!(
            complaint.what,
            r#""https://uploads.example/a/b?c" is more than an origin"#
        );
        assert_eq!(
            complaint.hint.as_deref(),
            Some(r#"scheme, host and port only: "https://uploads.example""#)
        );
    }

    #[test]
    fn the_page_listens_on_this_machine_only() {
        assert!(listen("[::1]:7878").is_ok());
        for (text, want) in [
            ("7878", r#""7878" is no address with a port"#),
            (
                "localhost:7878",
                r#""localhost:7878" is no address with a port"#,
            ),
            (
                "0.0.0.0:7878",
                r#""0.0.0.0:7878" can be reached from other machines"#,
            ),
        ] {
            assert_eq!(listen(text).unwrap_err().what, want);
        }
    }
}
