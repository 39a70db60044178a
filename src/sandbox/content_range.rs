//! `Content-Range` of an upload request, as Google and the seed document write it.

/// What an upload request says about its place in the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContentRange {
    /// `bytes a-b/N` or `bytes a-b/*`: this body holds the bytes a to b, both included.
    Bytes {
        /// The first byte's offset.
        first: u64,
        /// The last byte's offset, not below `first`.
        last: u64,
        /// The whole object's size, if it is said.
        total: Option<u64>,
    },
    /// `bytes */N` or `bytes */*`: how far are we?
    Query {
        /// The whole object's size, if it is said.
        total: Option<u64>,
    },
}

impl ContentRange {
    /// Reads the header's value; the error is a phrase for the report.
    ///
    /// The seed writes the query once with and once without `bytes`, so that unit is optional there.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let (unit, range) = match text.split_once(' ') {
            Some((unit, range)) => (Some(unit), range),
            None => (None, text),
        };
        if unit.is_some_and(|unit| unit != "bytes") {
            return Err("the unit is not bytes");
        }
        let (range, total) = range.split_once('/').ok_or("no total after a slash")?;
        let total = match total {
            "*" => None,
            total => Some(number(total).ok_or("the total is no number")?),
        };
        if range == "*" {
            return Ok(Self::Query { total });
        }
        if unit.is_none() {
            return Err("the unit is missing");
        }
        let (first, last) = range.split_once('-').ok_or("no range before the slash")?;
        let first = number(first).ok_or("the first byte is no number")?;
        let last = number(last).ok_or("the last byte is no number")?;
        if last < first {
            return Err("the last byte stands before the first");
        }
        if total.is_some_and(|total| last >= total) {
            return Err("the last byte stands beyond the total");
        }
        Ok(Self::Bytes { first, last, total })
    }
}

/// Digits only: no sign, no blanks. 2⁶³ is out of any file's reach.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits
        .then(|| text.parse().ok())
        .flatten()
        .filter(|number| *number < 1 << 63)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn chunks_and_queries_are_read() {
        for (text, want) in [
            (
                "bytes 0-524287/2000000",
                ContentRange::Bytes {
                    first: 0,
                    last: 524_287,
                    total: Some(2_000_000),
                },
            ),
            (
                "bytes 43-43/*",
                ContentRange::Bytes {
                    first: 43,
                    last: 43,
                    total: None,
                },
            ),
            (
                "bytes */2000000",
                ContentRange::Query {
                    total: Some(2_000_000),
                },
            ),
            (
                "*/2000000",
                ContentRange::Query {
                    total: Some(2_000_000),
                },
            ),
            ("*/*", ContentRange::Query { total: None }),
            ("bytes */0", ContentRange::Query { total: Some(0) }),
        ] {
            assert_eq!(ContentRange::parse(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "bytes",
            "bytes 0--1/0",
            "bytes 5-4/10",
            "bytes 0-10/10",
            "bytes 0-/10",
            "bytes -5/10",
            "bytes +1-5/10",
            "items 0-4/10",
            "0-4/10",
            "bytes 0-4",
            "bytes 0-4/ten",
            "bytes 0-9223372036854775808/*",
            "bytes 0-99999999999999999999/*",
        ] {
            assert!(ContentRange::parse(text).is_err(), "{text}");
        }
    }

    fn written(range: ContentRange) -> String {
        let total = |total: Option<u64>| total.map_or("*".to_owned(), |total| total.to_string());
        match range {
            ContentRange::Bytes {
                first,
                last,
                total: all,
            } => format!("bytes {first}-{last}/{}", total(all)),
            ContentRange::Query { total: all } => format!("bytes */{}", total(all)),
        }
    }

    proptest! {
        #[test]
        fn any_content_range_that_is_read_says_just_that(
            text in prop_oneof![
                any::<String>(), "(bytes )?[0-9*-]{0,22}/[0-9*]{0,20}", "bytes [0-9]{1,3}-[0-9]{1,3}/([0-9]{1,3}|\\*)",
            ],
        ) {
            if let Ok(range) = ContentRange::parse(&text) {
                if let ContentRange::Bytes { first, last, total } = range {
                    prop_assert!(first <= last && total.is_none_or(|total| last < total));
                }
                // what it was read as says the same, but for zeros in front and the optional unit
                let bare = |text: &str| {
                    let words: Vec<_> = text
                        .trim_start_matches("bytes ")
                        .split(['-', '/'])
                        .map(|word| word.trim_start_matches('0').to_owned())
                        .collect();
                    words
                };
                prop_assert_eq!(bare(&written(range)), bare(&text));
                prop_assert_eq!(ContentRange::parse(&written(range)), Ok(range));
            }
        }

        #[test]
        fn any_chunk_comes_back(first in 0_u64..1 << 61, len in 1_u64..1 << 61, more in proptest::option::of(0_u64..1 << 61)) {
            let last = first + len - 1;
            let total = more.map(|more| last + 1 + more);
            let range = ContentRange::Bytes { first, last, total };
            prop_assert_eq!(ContentRange::parse(&written(range)), Ok(range));
        }
    }
}
