//! Names that Redivis makes of a name that is taken.

use std::ops::Range;

/// Where a name with a number can stand among others, in the order of their bytes: behind all that comes before the
/// name's ending.
pub fn numbered_names(name: &str) -> Range<String> {
    let from = name.rfind('/').map_or(0, |slash| slash + 1);
    let stem = match name[from..].rfind('.') {
        // a dot in front is no ending
        Some(dot) if dot > 0 => &name[..from + dot],
        _ => name,
    };
    stem.to_owned()..format!("{stem}{}", char::MAX)
}

/// Whether a name is another one with a number put into it, as Redivis does when that is taken: behind it, or
/// before its ending.
pub fn is_numbered(numbered: &str, name: &str) -> bool {
    let alike = numbered
        .bytes()
        .zip(name.bytes())
        .take_while(|(one, other)| one == other)
        .count();
    let (inserted, rest) = match numbered.len().checked_sub(name.len() - alike) {
        Some(end) if end > alike => (
            &numbered.as_bytes()[alike..end],
            &numbered.as_bytes()[end..],
        ),
        _ => return false,
    };
    rest == &name.as_bytes()[alike..]
        && matches!(inserted.first(), Some(b' ' | b'-' | b'_' | b'('))
        && inserted.iter().any(u8::is_ascii_digit)
        && inserted
            .iter()
            .all(|byte| byte.is_ascii_digit() || b" -_()".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_in_a_name_is_told_from_another_name() {
        for (numbered, name, so) in [
            ("a.csv-2", "a.csv", true),
            ("a.csv (2)", "a.csv", true),
            ("a-2.csv", "a.csv", true),
            ("a_12.csv", "a.csv", true),
            ("a (3).csv", "a.csv", true),
            ("dir/a-2-2.csv", "dir/a-2.csv", true),
            ("a.csv", "a.csv", false),
            ("a2.csv", "a.csv", false),
            ("a.csv-", "a.csv", false),
            ("a.csv-b2", "a.csv", false),
            ("b.csv-2", "a.csv", false),
            ("a.cs", "a.csv", false),
            ("", "a.csv", false),
            ("a.csv-2", "", false),
            ("é-2", "é", true),
        ] {
            assert_eq!(is_numbered(numbered, name), so, "{numbered} of {name}");
            let is_among = numbered_names(name).contains(&numbered.to_owned());
            assert!(is_among || !so, "{numbered} of {name}");
        }
    }

    #[test]
    fn numbered_names_are_looked_for_among_few() {
        for (name, from) in [
            ("a.csv", "a"),
            ("run/a.b.csv", "run/a.b"),
            ("run.1/a", "run.1/a"),
            ("run.1/.a", "run.1/.a"),
        ] {
            let names = numbered_names(name);
            assert_eq!(names.start, from);
            assert!(names.contains(&name.to_owned()));
            assert!(!names.contains(&"b".to_owned()));
        }
    }
}
