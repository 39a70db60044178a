//! The `Range` header of a 308.

/// What a 308 says about the bytes that the server holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    /// No `Range`: nothing, or nothing said.
    Nothing,
    /// `bytes=0-r`: this many bytes, `r + 1`.
    Bytes(u64),
    /// A `Range` that says nothing.
    Malformed,
}

/// Reads `bytes=0-r`. Anything that does not start at 0, or does not fit, is malformed.
pub(super) fn held(header: Option<&str>) -> Held {
    let Some(header) = header else {
        return Held::Nothing;
    };
    header
        .trim()
        .strip_prefix("bytes=0-")
        .filter(|last| !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|last| last.parse::<u64>().ok())
        .and_then(|last| last.checked_add(1))
        .map_or(Held::Malformed, Held::Bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_range_from_zero_says_something() {
        for (header, want) in [
            (None, Held::Nothing),
            (Some("bytes=0-0"), Held::Bytes(1)),
            (Some("bytes=0-42"), Held::Bytes(43)),
            (Some(" bytes=0-42 "), Held::Bytes(43)),
            (Some("bytes=0-18446744073709551615"), Held::Malformed),
            (Some("bytes=0-99999999999999999999999"), Held::Malformed),
            (Some("bytes=1-42"), Held::Malformed),
            (Some("bytes=0--1"), Held::Malformed),
            (Some("bytes=0-+4"), Held::Malformed),
            (Some("bytes=0-"), Held::Malformed),
            (Some("0-42"), Held::Malformed),
            (Some(""), Held::Malformed),
        ] {
            assert_eq!(held(header), want, "{header:?}");
        }
    }
}
