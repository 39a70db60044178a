//! Readers of single values: from a TOML value to a type, or a complaint that a person can act on.
//!
//! A reader is a function `&DeValue → Result<T, Complaint>`; those that take arguments return one.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use globset::Glob;
use toml::de::DeValue;

use super::quantity::{self, time_text};

/// What is wrong with a value; its key and place are added by who reads the section.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    /// Goes on after "`key`: ".
    pub(super) what: String,
    /// What to do.
    pub(super) hint: Option<String>,
}

pub(super) type Reading<T> = Result<T, Complaint>;

impl Complaint {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            hint: None,
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The hint, unless there is a better one already.
    pub(super) fn hint_or(mut self, hint: &str) -> Self {
        self.hint.get_or_insert_with(|| hint.to_owned());
        self
    }
}

/// A text for a message: quoted, on one line, not endless.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// The value is of another kind than `expected`.
pub(super) fn wrong_kind(expected: &str, found: &DeValue) -> Complaint {
    let found = match found {
        DeValue::String(text) => format!("the text {}", quoted(text)),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(number) => format!("the number {number}"),
        DeValue::Boolean(value) => format!("the truth value {value}"),
        DeValue::Datetime(date) => format!("the date {date}"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a section".to_owned(),
    };
    Complaint::new(format!("expected {expected}, found {found}"))
}

/// Any text, handed on to `parse`; the example stands in the message about other kinds.
pub(super) fn text<T>(
    example: &'static str,
    parse: impl Fn(&str) -> Reading<T>,
) -> impl Fn(&DeValue) -> Reading<T> {
    move |value| match value {
        DeValue::String(text) => parse(text),
        other => Err(wrong_kind(&format!("a text such as {example:?}"), other)
            .hint("texts stand in double quotes")),
    }
}

/// A text, where the empty one means "none".
pub(super) fn text_or_empty<T>(
    example: &'static str,
    parse: impl Fn(&str) -> Reading<T>,
) -> impl Fn(&DeValue) -> Reading<Option<T>> {
    text(example, move |text| match text {
        "" => Ok(None),
        text => parse(text).map(Some),
    })
}

/// `true` or `false`.
pub(super) fn truth(value: &DeValue) -> Reading<bool> {
    value.as_bool().ok_or_else(|| {
        wrong_kind("true or false", value).hint("write true or false, without quotes")
    })
}

/// A whole number.
pub(super) fn whole(range: RangeInclusive<i64>) -> impl Fn(&DeValue) -> Reading<i64> {
    move |value| {
        let (least, most) = (range.start(), range.end());
        let hint = format!("write a number from {least} to {most}, without quotes");
        let DeValue::Integer(number) = value else {
            return Err(wrong_kind("a whole number", value).hint(hint));
        };
        i64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .filter(|number| range.contains(number))
            .ok_or_else(|| {
                Complaint::new(format!("{number} is not in {least} ..= {most}")).hint(hint)
            })
    }
}

/// One of some fixed words.
pub(super) fn one_of<T: Copy>(
    choices: &'static [(&'static str, T)],
) -> impl Fn(&DeValue) -> Reading<T> {
    text(choices[0].0, move |text| {
        choices
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, choice)| *choice)
            .ok_or_else(|| {
                let words: Vec<_> = choices.iter().map(|(word, _)| quoted(word)).collect();
                Complaint::new(format!("{} is none of the choices", quoted(text)))
                    .hint(format!("write one of {}", words.join(", ")))
            })
    })
}

/// A time of at least so many milliseconds.
pub(super) fn time(least_ms: u64) -> impl Fn(&DeValue) -> Reading<Duration> {
    text("10s", move |text| {
        let least = Duration::from_millis(least_ms);
        let time = quantity::duration(text)?;
        if time < least {
            let least = time_text(least);
            return Err(Complaint::new(format!("{} is too short", quoted(text)))
                .hint(format!("write at least {least:?}")));
        }
        Ok(time)
    })
}

/// An absolute path without `..`; a trailing slash and `.` fall away.
pub(super) fn absolute(text: &str) -> Reading<PathBuf> {
    let path = Path::new(text);
    let complain = |what: &str| Complaint::new(format!("{} {what}", quoted(text)));
    if text.contains('\0') {
        return Err(complain("holds a zero byte"));
    }
    if text.starts_with('~') {
        return Err(
            complain("is not absolute").hint("`~` is not expanded here: write the whole path")
        );
    }
    if !path.is_absolute() {
        return Err(complain("is not absolute").hint("write the whole path, from `/` on"));
    }
    if path.components().any(|part| part.as_os_str() == "..") {
        return Err(complain("holds `..`").hint("write the path that is meant, without `..`"));
    }
    Ok(path.components().collect())
}

/// A pattern over paths relative to the drop folder.
pub(super) fn glob(text: &str) -> Reading<String> {
    let complain = |what: String| Complaint::new(format!("the pattern {} {what}", quoted(text)));
    if text.is_empty() {
        return Err(complain("matches nothing".into()).hint(r#"for every file write "**""#));
    }
    if text.starts_with('/') {
        return Err(complain("matches nothing".into())
            .hint("patterns are relative to the drop folder: leave the leading `/` out"));
    }
    match Glob::new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(complain(format!("does not work: {}", error.kind()))
            .hint(r"a special character that is meant literally stands in brackets: `[[]`, `[*]`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint<T: std::fmt::Debug>(reading: Reading<T>) -> String {
        reading.unwrap_err().what
    }

    #[test]
    fn a_value_of_another_kind_is_named_as_people_would() {
        let time = time(0);
        for (toml, want) in [
            (
                "10",
                r#"expected a text such as "10s", found the number 10"#,
            ),
            (
                "0x1F",
                r#"expected a text such as "10s", found the number 0x1f"#,
            ),
            (
                "1.5",
                r#"expected a text such as "10s", found the number 1.5"#,
            ),
            (
                "true",
                r#"expected a text such as "10s", found the truth value true"#,
            ),
            (
                "1979-05-27",
                r#"expected a text such as "10s", found the date 1979-05-27"#,
            ),
            ("[]", r#"expected a text such as "10s", found a list"#),
            ("{}", r#"expected a text such as "10s", found a section"#),
        ] {
            let value = DeValue::parse(toml).unwrap();
            assert_eq!(
                complaint(time(value.get_ref())).to_lowercase(),
                want.to_lowercase()
            );
        }
        let value = DeValue::parse(r#""yes""#).unwrap();
        assert_eq!(
            complaint(truth(value.get_ref())),
            r#"expected true or false, found the text "yes""#
        );
    }

    #[test]
    fn a_path_is_whole_and_plain() {
        assert_eq!(
            absolute("/data//drop/./a/").unwrap(),
            Path::new("/data/drop/a")
        );
        for (path, want) in [
            ("", r#""" is not absolute"#),
            ("drop", r#""drop" is not absolute"#),
            ("~/drop", r#""~/drop" is not absolute"#),
            ("/data/../etc", r#""/data/../etc" holds `..`"#),
            ("/data\0", r#""/data\0" holds a zero byte"#),
        ] {
            assert_eq!(complaint(absolute(path)), want);
        }
    }

    #[test]
    fn a_pattern_compiles_and_can_match() {
        assert_eq!(glob("**/*.{csv,tsv}").unwrap(), "**/*.{csv,tsv}");
        for (pattern, want) in [
            ("", r#"the pattern "" matches nothing"#),
            ("/data/**", r#"the pattern "/data/**" matches nothing"#),
            (
                "a[",
                r#"the pattern "a[" does not work: unclosed character class; missing ']'"#,
            ),
            (
                "{a",
                r#"the pattern "{a" does not work: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)"#,
            ),
        ] {
            assert_eq!(complaint(glob(pattern)), want);
        }
    }

    #[test]
    fn a_long_text_is_cut_in_messages() {
        assert_eq!(quoted(&"ä".repeat(200)).chars().count(), 83);
    }
}
