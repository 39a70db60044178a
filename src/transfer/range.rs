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
    use proptest::prelude::*;

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

    /// A second reading, by characters and in wider numbers.
    fn read_slowly(header: &str) -> Held {
        let mut rest = header.trim().chars();
        let starts = "bytes=0-".chars().all(|c| rest.next() == Some(c));
        let mut last = None;
        for c in rest {
            let Some(digit) = c.to_digit(10) else {
                return Held::Malformed;
            };
            let number = last.unwrap_or(0_u128);
            last = Some(number.saturating_mul(10).saturating_add(digit.into()));
        }
        match last {
            Some(last) if starts && last < u64::MAX.into() => {
                Held::Bytes(u64::try_from(last + 1).unwrap())
            }
            _ => Held::Malformed,
        }
    }

    proptest! {
        #[test]
        fn any_range_is_read_the_same_way_twice(
            header in prop_oneof![
                any::<String>(), "bytes=0-[0-9]{0,25}", "[bytes= 0-9,+*/-]{0,20}",
                any::<u64>().prop_map(|last| format!("bytes=0-{last}")),
            ],
        ) {
            prop_assert_eq!(held(Some(&header)), read_slowly(&header));
        }

        #[test]
        fn any_number_of_bytes_comes_back(bytes in 1..=u64::MAX) {
            prop_assert_eq!(held(Some(&format!("bytes=0-{}", bytes - 1))), Held::Bytes(bytes));
        }
    }
}
