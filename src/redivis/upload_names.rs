//! Names of uploads: which of them are one to a table, and which Redivis made of another.

use super::{Import, Upload};

/// How a table writes a name in addresses; two names that are written alike are one name to it.
pub fn slug(name: &str) -> String {
    name.replace('.', "_")
}

impl Upload {
    /// Whether its import brings rows, or may.
    pub fn lives(&self) -> bool {
        !matches!(self.import, Import::Failed(_))
    }

    /// Whether it has this name, or one that Redivis made of it.
    pub fn goes_by(&self, name: &str) -> bool {
        self.name == name || is_numbered(&self.name, name)
    }
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
        }
    }
}
