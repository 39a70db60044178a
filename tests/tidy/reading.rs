//! Reads Rust as text: enough of it to tell paths from comments and literals.

/// The text with comments and the insides of literals blanked; lines stay where they are.
pub fn bare(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let mut out = String::with_capacity(text.len());
    let mut here = 0;
    while here < chars.len() {
        let end = match (at(here), at(here + 1)) {
            ('/', '/') => find(&chars, here, "\n").unwrap_or(chars.len()),
            ('/', '*') => end_of_comment(&chars, here),
            ('"', _) => end_of_string(&chars, here),
            ('\'', '\\') => find(&chars, here + 3, "'").map_or(chars.len(), |quote| quote + 1),
            ('\'', _) if at(here + 2) == '\'' => here + 3,
            _ => {
                out.push(at(here));
                here += 1;
                continue;
            }
        };
        out.extend(
            chars[here..end]
                .iter()
                .map(|c| if *c == '\n' { '\n' } else { ' ' }),
        );
        here = end;
    }
    out
}

/// Block comments nest.
fn end_of_comment(chars: &[char], start: usize) -> usize {
    let mut open = 0;
    let mut here = start;
    while here < chars.len() {
        match chars[here..].get(..2) {
            Some(['/', '*']) => (open, here) = (open + 1, here + 2),
            Some(['*', '/']) => (open, here) = (open - 1, here + 2),
            _ => here += 1,
        }
        if open == 0 {
            break;
        }
    }
    here
}

/// `"…"` with escapes, or a raw string, told by the `r` and the hashes before its quote.
fn end_of_string(chars: &[char], quote: usize) -> usize {
    let before = &chars[..quote];
    let hashes = before.iter().rev().take_while(|c| **c == '#').count();
    if before.len() > hashes && before[before.len() - hashes - 1] == 'r' {
        let close = format!("\"{}", "#".repeat(hashes));
        return find(chars, quote + 1, &close).map_or(chars.len(), |end| end + close.len());
    }
    let mut here = quote + 1;
    while here < chars.len() && chars[here] != '"' {
        here += if chars[here] == '\\' { 2 } else { 1 };
    }
    (here + 1).min(chars.len())
}

fn find(chars: &[char], from: usize, wanted: &str) -> Option<usize> {
    let wanted: Vec<char> = wanted.chars().collect();
    let rest = chars.get(from..)?;
    let found = rest
        .windows(wanted.len())
        .position(|window| window == wanted)?;
    Some(from + found)
}

/// What `crate::…` names, also in groups: the line and the first part after the root.
pub fn from_the_root(bare: &str) -> Vec<(usize, String)> {
    let mut named = Vec::new();
    for at in words(bare, "crate::") {
        let start = at + "crate::".len();
        let rest = &bare[start..];
        if !rest.trim_start().starts_with('{') {
            named.push((line_of(bare, at), first_word(rest)));
            continue;
        }
        let mut open = 0;
        let mut expected = false;
        for (index, c) in rest.char_indices() {
            match c {
                '{' => (open, expected) = (open + 1, open == 0),
                '}' => open -= 1,
                ',' => expected = open == 1,
                c if expected && is_word(c) => {
                    named.push((line_of(bare, start + index), first_word(&rest[index..])));
                    expected = false;
                }
                _ => {}
            }
            if open == 0 && c == '}' {
                break;
            }
        }
    }
    named
}

/// The lines where more `super::` stand in a row than there are modules between that place and
/// the room's own.
pub fn climbs(bare: &str, depth: usize) -> Vec<usize> {
    let mut lines = Vec::new();
    for at in words(bare, "super::") {
        if bare[..at].ends_with("super::") {
            continue; // counted from the first of the row
        }
        let mut row = 0;
        let mut rest = &bare[at..];
        while let Some(shorter) = rest.strip_prefix("super::") {
            (row, rest) = (row + 1, shorter);
        }
        if row > depth + inline_modules_around(bare, at) {
            lines.push(line_of(bare, at));
        }
    }
    lines
}

/// How many `mod name { … }` are open at this place.
fn inline_modules_around(bare: &str, at: usize) -> usize {
    let mut open = Vec::new();
    for (index, c) in bare[..at].char_indices() {
        match c {
            '{' => {
                let mut before = bare[..index].split_whitespace().rev().skip(1);
                open.push(before.next() == Some("mod"));
            }
            '}' => {
                open.pop();
            }
            _ => {}
        }
    }
    open.iter().filter(|is_module| **is_module).count()
}

/// How far a file's module lies below its room: `watch/mod.rs` 0, `watch/scan.rs` 1.
pub fn depth(place: &str) -> usize {
    let folders = place.matches('/').count();
    if place.ends_with("/mod.rs") {
        folders - 1
    } else {
        folders
    }
}

/// The lines that name this crate: as the beginning of a path, or in a `use` of its own. A module
/// of the same name in the file is not the crate.
pub fn names_crate(bare: &str, name: &str) -> impl Iterator<Item = usize> {
    let shadowed = words(bare, name).any(|at| bare[..at].trim_end().ends_with("mod"));
    words(bare, name)
        .filter(move |at| {
            let (before, after) = (&bare[..*at], &bare[at + name.len()..]);
            let begins = before
                .strip_suffix("::")
                .is_none_or(|root| !root.ends_with(|c| is_word(c) || c == '>'));
            let used = before.trim_end().ends_with("use") && !after.starts_with(is_word);
            !shadowed && begins && (after.starts_with("::") || used)
        })
        .map(|at| line_of(bare, at))
        .collect::<Vec<_>>()
        .into_iter()
}

/// Where this text stands and does not continue a longer word on its left.
pub fn words(bare: &str, wanted: &str) -> impl Iterator<Item = usize> {
    let found = bare.match_indices(wanted);
    found
        .map(|(at, _)| at)
        .filter(|at| !bare[..*at].ends_with(is_word))
}

fn first_word(text: &str) -> String {
    text.trim_start()
        .chars()
        .take_while(|c| is_word(*c))
        .collect()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

pub fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked() {
        let cases = [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            ("f(\"a\\\"b\", c)", "f(      , c)"),
            ("r#\"a\"b\"# c", "r#       c"),
            ("r\"\\\" c", "r    c"),
            (
                "'\"' 'a' '\\'' fn f<'a>(x: &'a str)",
                "             fn f<'a>(x: &'a str)",
            ),
            ("\"a\nb\" c", "  \n   c"),
            ("\"never closed", "             "),
        ];
        for (text, wanted) in cases {
            let bare = bare(text);
            assert_eq!(bare.trim_end(), wanted.trim_end(), "{text}");
            assert_eq!(bare.matches('\n').count(), text.matches('\n').count());
        }
    }
}
