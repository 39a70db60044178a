//! Texts from elsewhere, made fit for logs and terminals: one line, short, no secrets.

use std::error::Error;
use std::fmt::Write as _;

use percent_encoding::percent_decode_str;
use url::Url;

use super::Bearer;

/// Characters of a server's text that people get to see.
pub(super) const LINE_LIMIT: usize = 300;

/// Parts of a URL shorter than this are no secrets, and replacing them would garble the text.
const SHORTEST_SECRET: usize = 6;

/// What must not appear in a text. Taken apart only when there is a text to look at, which is seldom.
pub(super) struct Secrets<'a> {
    token: &'a Bearer,
    address: Option<&'a str>,
}

impl<'a> Secrets<'a> {
    /// The token of the request.
    pub fn of_token(token: &'a Bearer) -> Self {
        let address = None;
        Self { token, address }
    }

    /// The token, and all of the URL behind its host, whole and in parts, as it is and decoded:
    /// a server that complains likes to repeat them.
    pub fn of_upload(token: &'a Bearer, address: &'a str) -> Self {
        let address = Some(address);
        Self { token, address }
    }

    /// The longest first, so that no part of it is left over.
    fn parts(&self) -> Vec<String> {
        let mut parts = Vec::new();
        if let Some(url) = self.address.and_then(|address| Url::parse(address).ok()) {
            let query = url.query().unwrap_or_default();
            let value = |pair| str::split_once(pair, '=').map_or(pair, |(_, value)| value);
            let of_url = [url.path(), query]
                .into_iter()
                .chain(url.path().split('/'))
                .chain(query.split('&').map(value));
            parts.extend(of_url.flat_map(spellings));
        }
        parts.retain(|part| part.len() >= SHORTEST_SECRET);
        parts.push(self.token.expose().to_owned());
        parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
        parts.dedup();
        parts
    }

    /// One line for people: secrets and the far ends of URLs left out, control characters escaped.
    pub fn line(&self, text: &str) -> String {
        if text.is_empty() {
            return String::new();
        }
        let mut text = text.to_owned();
        for secret in self.parts() {
            text = text.replace(&secret, "…");
        }
        one_line(&origins_only(&text))
    }

    /// An HTTP error with everything that caused it. `error.without_url()` comes first: reqwest
    /// prints the full address.
    pub fn error(&self, error: reqwest::Error) -> String {
        let error = error.without_url();
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        self.line(&text)
    }
}

/// A part of a URL as it is, with its escapes in either case, and decoded: in a path, a `+` is a
/// plus, in a query it may be a blank.
fn spellings(part: &str) -> [String; 5] {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    [
        part.to_owned(),
        escapes_in(part, |digit| digit.to_ascii_lowercase()),
        escapes_in(part, |digit| digit.to_ascii_uppercase()),
        decoded(part),
        decoded(&part.replace('+', " ")),
    ]
}

/// The two digits behind each `%` in another case.
fn escapes_in(text: &str, case: fn(char) -> char) -> String {
    let mut digits = 0;
    let in_case = |c: char| {
        let is_digit = digits > 0;
        digits = if c == '%' { 2 } else { i32::max(digits - 1, 0) };
        if is_digit { case(c) } else { c }
    };
    text.chars().map(in_case).collect()
}

/// `https://host/path?query` becomes `https://host/…`: whatever stands behind the host may be a secret.
fn origins_only(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (head, url) = rest.split_at(at + 3);
        out.push_str(head);
        let ends = |c: char| c.is_whitespace() || "\"'<>()".contains(c);
        let (url, tail) = url.split_at(url.find(ends).unwrap_or(url.len()));
        let (host, path) = url.split_at(url.find(['/', '?', '#', '\\']).unwrap_or(url.len()));
        out.push_str(host.rsplit('@').next().unwrap_or_default());
        out.push_str(if path.is_empty() { "" } else { "/…" });
        rest = tail;
    }
    out + rest
}

fn one_line(text: &str) -> String {
    let mut line = String::new();
    let mut length = 0;
    for (at, word) in text.split_whitespace().enumerate() {
        let space = if at == 0 { "" } else { " " };
        for c in space.chars().chain(word.chars()) {
            if length == LINE_LIMIT {
                line.push('…');
                return line;
            }
            length += 1;
            if c.is_control() || turns_direction(c) {
                line.extend(c.escape_unicode());
            } else {
                line.push(c);
            }
        }
    }
    line
}

/// Characters that change the direction of what follows, or hide in it.
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(text: &str) -> String {
        let url = "https://up.example/bucket/se-cret?X-Sig=ab%2Fcdefgh&upload_id=geheim";
        Secrets::of_upload(&Bearer::new("t0k3n").unwrap(), url).line(text)
    }

    #[test]
    fn a_text_becomes_one_line_without_secrets() {
        for (text, want) in [
            ("all\n  is\twell \r\n", "all is well"),
            ("bell\u{7} esc\u{1b}[31m", "bell\\u{7} esc\\u{1b}[31m"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("sent Bearer t0k3n!", "sent Bearer …!"),
            (
                "see https://docs.example/help?a=1.",
                "see https://docs.example/…",
            ),
            ("(https://docs.example) ok", "(https://docs.example) ok"),
            (
                "http://me:pw@proxy.example:3128/ refused",
                "http://proxy.example:3128/… refused",
            ),
            (
                "no <a>https://up.example/bucket/se-cret?X-Sig=ab%2Fcdefgh&upload_id=geheim</a>",
                "no <a>https://up.example…/…</a>",
            ),
            ("GET /bucket/se-cret", "GET …"),
            (
                "object se-cret, signature ab/cdefgh, id geheim",
                "object …, signature …, id …",
            ),
            (
                "X-Sig=ab%2Fcdefgh&amp;upload_id=geheim",
                "X-Sig=…&amp;upload_id=…",
            ),
        ] {
            assert_eq!(told(text), want);
        }
    }

    #[test]
    fn a_part_of_the_address_is_known_in_every_spelling() {
        // found by the test of any secret below
        let url = "https://up.example/my%20folder%2Fx?upload_id=a%2Fb+c%2Bdef";
        let token = Bearer::new("t0k3n-long").unwrap();
        let secrets = Secrets::of_upload(&token, url);
        for said in [
            "my%20folder%2Fx",
            "my%20folder%2fx",
            "my folder/x",
            "a%2Fb+c%2Bdef",
            "a%2fb+c%2bdef",
            "a/b+c+def",
            "a/b c+def",
        ] {
            assert_eq!(secrets.line(&format!("no {said}!")), "no …!", "{said}");
        }
    }

    #[test]
    fn a_long_text_is_cut_after_the_secrets_were_taken_out() {
        let text = format!("{}geheim", "x".repeat(LINE_LIMIT - 3));
        let line = told(&text);
        assert!(!line.contains("geh"), "{line}");
        assert_eq!(told(&"ä".repeat(9999)).chars().count(), LINE_LIMIT + 1);
    }

    proptest! {
        #[test]
        fn nothing_gets_through(before in "\\PC{0,40}", after in "\\PC{0,400}") {
            for secret in ["t0k3n", "geheim", "ab/cdefgh", "se-cret"] {
                let line = told(&format!("{before}{secret}{after}"));
                prop_assert!(!line.contains(secret), "{}", line);
                prop_assert!(!line.contains('\n'));
            }
        }

        /// A server that complains repeats what it was sent, as it was or in its own spelling.
        #[test]
        fn any_secret_stays_out_of_any_line(
            token in "[!-~]{8,40}",
            secret in "[!-~é ]{6,30}",
            folder in "[!-~é]{6,20}",
            spelling in 0..5_usize,
            before in prop_oneof!["\\PC{0,40}", "[ -~]{0,20}://", "[<>\"' (:/@]{0,6}"],
            after in prop_oneof!["\\PC{0,40}", "[<>\"') &,:/?#@]{0,6}.{0,9}"],
        ) {
            let (before, after) = (before.replace('…', "."), after.replace('…', "."));
            let mut url = Url::parse("https://up.example/").unwrap();
            url.path_segments_mut().unwrap().push(&folder).push("o");
            url.query_pairs_mut().append_pair("upload_id", &secret);
            let query = url.query().unwrap().to_owned();
            let value = query.split_once('=').unwrap().1;
            let segment = url.path_segments().unwrap().next().unwrap();
            let said = [&token, &secret, value, &folder, segment][spelling];
            let bearer = Bearer::new(&token).unwrap();
            let secrets = Secrets::of_upload(&bearer, url.as_str());
            for said in [said.to_owned(), escapes_in(said, |digit| digit.to_ascii_lowercase()), url.to_string(), url.path().to_owned(), query.clone()] {
                let line = secrets.line(&format!("{before}{said}{after}"));
                // a blank at its ends is lost when the line is made
                for part in [&token, secret.trim(), &folder] {
                    let own = before.contains(part) || after.contains(part) || part.len() < SHORTEST_SECRET;
                    prop_assert!(own || !line.contains(part), "{part:?} of {said:?} in {line:?}");
                }
                prop_assert!(line.chars().all(|c| !c.is_control() && !turns_direction(c)));
                // one character may be escaped into ten
                prop_assert!(line.chars().count() <= 10 * LINE_LIMIT + 1);
            }
        }
    }
}
