//! From a path, which may be any bytes, to a name in a table, which is text; and back to a terminal.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// The remote name of a file: its path relative to the drop folder.
///
/// Text stays as it is. A byte that is no text (not UTF-8) and a control character become `%XX`,
/// and so that two paths never share a name, a `%` that already stands before two
/// hex digits becomes `%25`. The mapping is injective: decoding every `%XX` undoes it.
pub fn remote_name(relative: &Path) -> String {
    let mut name = String::new();
    let mut rest = relative.as_os_str().as_bytes();
    while !rest.is_empty() {
        let (text, bad) = match std::str::from_utf8(rest) {
            Ok(text) => (text, 0),
            Err(error) => {
                let (good, tail) = rest.split_at(error.valid_up_to());
                let bad = error.error_len().unwrap_or(tail.len());
                (std::str::from_utf8(good).unwrap_or_default(), bad)
            }
        };
        push_text(&mut name, text);
        for byte in &rest[text.len()..text.len() + bad] {
            push_escaped(&mut name, *byte);
        }
        rest = &rest[text.len() + bad..];
    }
    name
}

fn push_text(name: &mut String, text: &str) {
    for (at, c) in text.char_indices() {
        let looks_escaped = || {
            text.as_bytes()[at + 1..]
                .iter()
                .take(2)
                .filter(|b| b.is_ascii_hexdigit())
                .count()
                == 2
        };
        if c.is_control() || (c == '%' && looks_escaped()) {
            let mut bytes = [0; 4];
            c.encode_utf8(&mut bytes)
                .bytes()
                .for_each(|byte| push_escaped(name, byte));
        } else {
            name.push(c);
        }
    }
}

fn push_escaped(name: &mut String, byte: u8) {
    write!(name, "%{byte:02X}").expect("writing to a String cannot fail");
}

/// A path for people: one line, no control or direction-changing character, nothing lost.
pub fn printable(path: &Path) -> String {
    remote_name(path)
        .chars()
        .fold(String::new(), |mut line, c| {
            if matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}') {
                line.extend(c.escape_unicode());
            } else {
                line.push(c);
            }
            line
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::ffi::OsStr;

    fn name(bytes: &[u8]) -> String {
        remote_name(Path::new(OsStr::from_bytes(bytes)))
    }

    fn original(name: &str) -> Vec<u8> {
        let bytes = name.as_bytes();
        let mut out = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let escaped = (bytes[at] == b'%')
                .then(|| name.get(at + 1..at + 3))
                .flatten()
                .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
                .and_then(|digits| u8::from_str_radix(digits, 16).ok());
            out.push(escaped.unwrap_or(bytes[at]));
            at += if escaped.is_some() { 3 } else { 1 };
        }
        out
    }

    #[test]
    fn text_stays_and_everything_else_is_escaped() {
        for (path, want) in [
            (
                &b"run 7/Proben \xc3\xa4\xc3\xb6\xc3\xbc.csv"[..],
                "run 7/Proben äöü.csv",
            ),
            (b"50%.csv", "50%.csv"),
            (b"a%41", "a%2541"),
            (b"latin\xe9.txt", "latin%E9.txt"),
            (b"two\nlines", "two%0Alines"),
            (b"%\xff", "%%FF"),
        ] {
            assert_eq!(name(path), want);
            assert_eq!(original(want), path);
        }
    }

    #[test]
    fn a_direction_override_does_not_reach_the_terminal() {
        assert_eq!(
            printable(Path::new("a\u{202e}gpj.exe")),
            "a\\u{202e}gpj.exe"
        );
    }

    proptest! {
        #[test]
        fn two_paths_never_share_a_name(bytes in proptest::collection::vec(
            prop_oneof![Just(b'%'), Just(b'2'), Just(b'F'), any::<u8>()], 0..24)) {
            prop_assert_eq!(original(&name(&bytes)), bytes);
        }

        #[test]
        fn any_path_keeps_its_steps_and_prints_on_one_line(parts in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(prop_oneof![Just(b'.'), Just(b'%'), any::<u8>()], 1..9),
                any::<String>().prop_map(String::into_bytes),
            ], 1..4,
        )) {
            let parts: Vec<_> = parts
                .into_iter()
                .map(|mut part| {
                    part.retain(|byte| !b"/\0".contains(byte));
                    part
                })
                .filter(|part| !matches!(&part[..], b"" | b"." | b".."))
                .collect();
            let path = parts.join(&b'/');
            let name = name(&path);
            let steps: Vec<_> = name.split('/').filter(|step| !step.is_empty()).collect();
            prop_assert_eq!(steps.len(), parts.len(), "{}", name);
            prop_assert!(!steps.iter().any(|step| matches!(*step, "." | "..")));
            prop_assert!(!name.starts_with('/'));
            let line = printable(Path::new(OsStr::from_bytes(&path)));
            for text in [&name, &line] {
                prop_assert!(!text.chars().any(char::is_control), "{text:?}");
            }
            let turns = ['\u{202e}', '\u{2066}', '\u{200f}', '\u{2028}'];
            prop_assert!(!line.contains(turns), "{line:?}");
        }
    }
}
