//! `watch.release_on`: which files say that a folder is complete.

use toml::de::{DeTable, DeValue};

use super::value::{Complaint, Reading, quoted, wrong_kind};

/// The files whose presence releases their folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Names of files, at least one, each once.
    pub markers: Vec<String>,
    /// Whether all of them must be there; otherwise one is enough.
    pub all: bool,
}

const HINT: &str = r#"write a name, "CopyComplete.txt", or several: { require_all = ["A.txt", "B.txt"] } or { require_any = […] }"#;

/// A name, or several with whether all or any of them must be there; `None` for "".
pub(super) fn release(value: &DeValue) -> Reading<Option<Release>> {
    match value {
        DeValue::String(name) if name.is_empty() => Ok(None),
        DeValue::String(name) => Ok(Some(Release {
            markers: vec![file_name(name)?],
            all: true,
        })),
        DeValue::Table(table) => several(table).map(Some),
        other => Err(wrong_kind("the name of a file, or several", other).hint(HINT)),
    }
}

fn several(table: &DeTable) -> Reading<Release> {
    let mut keys = table.iter();
    let (Some((key, value)), None) = (keys.next(), keys.next()) else {
        return Err(Complaint::new("either `require_all` or `require_any` is needed").hint(HINT));
    };
    let all = match key.get_ref().as_ref() {
        "require_all" => true,
        "require_any" => false,
        other => return Err(Complaint::new(format!("{} is unknown", quoted(other))).hint(HINT)),
    };
    let Some(list) = value.get_ref().as_array() else {
        return Err(wrong_kind("a list of names", value.get_ref()).hint(HINT));
    };
    let mut markers = Vec::new();
    for item in list {
        let DeValue::String(name) = item.get_ref() else {
            return Err(wrong_kind("the name of a file", item.get_ref()).hint(HINT));
        };
        let name = file_name(name)?;
        if !markers.contains(&name) {
            markers.push(name);
        }
    }
    if markers.is_empty() {
        return Err(Complaint::new("an empty list releases nothing").hint(HINT));
    }
    Ok(Release { markers, all })
}

fn file_name(text: &str) -> Reading<String> {
    if text.is_empty() || text.contains(['/', '\0']) || matches!(text, "." | "..") {
        return Err(Complaint::new(format!("{} is no file name", quoted(text)))
            .hint(r#"write the name alone, without a folder: "CopyComplete.txt""#));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Release>, String> {
        let value = DeValue::parse(text).unwrap();
        release(value.get_ref()).map_err(|complaint| complaint.what)
    }

    #[test]
    fn one_marker_or_several_release_a_folder() {
        let release = |markers: &[&str], all| {
            let markers = markers.iter().map(ToString::to_string).collect();
            Ok(Some(Release { markers, all }))
        };
        for (text, want) in [
            (r#""""#, Ok(None)),
            (r#""Done.txt""#, release(&["Done.txt"], true)),
            (
                r#"{ require_all = ["a", "b", "a"] }"#,
                release(&["a", "b"], true),
            ),
            (
                r#"{ require_any = ["a", "b"] }"#,
                release(&["a", "b"], false),
            ),
        ] {
            assert_eq!(read(text), want, "{text}");
        }
        for (text, want) in [
            (r#""a/b""#, r#""a/b" is no file name"#),
            (r#""..""#, r#"".." is no file name"#),
            (
                "7",
                "expected the name of a file, or several, found the number 7",
            ),
            ("{}", "either `require_all` or `require_any` is needed"),
            (
                r#"{ require_all = ["a"], require_any = ["b"] }"#,
                "either `require_all` or `require_any` is needed",
            ),
            (r#"{ require = ["a"] }"#, r#""require" is unknown"#),
            ("{ require_all = [] }", "an empty list releases nothing"),
            (
                r#"{ require_any = "a" }"#,
                r#"expected a list of names, found the text "a""#,
            ),
            (
                "{ require_any = [1] }",
                "expected the name of a file, found the number 1",
            ),
            (r#"{ require_any = [""] }"#, r#""" is no file name"#),
        ] {
            assert_eq!(read(text).unwrap_err(), want, "{text}");
        }
    }
}
