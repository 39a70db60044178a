//! Times and sizes as people write them: `10s`, `1h 30m`, `100 MB`, `32 MiB`.
//!
//! Our own parser rather than humantime and bytesize: the one takes `1M` for a month, the other
//! rounds fractions and lets `100` go without a unit, and neither can tell a person what to write.

use std::time::Duration;

use super::value::{Complaint, quoted};

/// 10^6 bytes.
pub(super) const MB: u64 = 1_000_000;
/// 2^10 bytes.
pub(super) const KIB: u64 = 1 << 10;
/// 2^20 bytes.
pub(super) const MIB: u64 = 1 << 20;
/// 2^30 bytes.
pub(super) const GIB: u64 = 1 << 30;

/// The spellings of a unit, the shortest first, and how many of the smallest unit it is worth.
type Unit = (&'static [&'static str], u64);

/// In nanoseconds, so that the longest time is 584 years.
const TIMES: &[Unit] = &[
    (&["ms", "millisecond", "milliseconds"], 1_000_000),
    (&["s", "sec", "secs", "second", "seconds"], SECOND),
    (&["m", "min", "mins", "minute", "minutes"], 60 * SECOND),
    (&["h", "hour", "hours"], 3600 * SECOND),
    (&["d", "day", "days"], 86_400 * SECOND),
    (&["w", "week", "weeks"], 7 * 86_400 * SECOND),
];
const SECOND: u64 = 1_000_000_000;

const SIZES: &[Unit] = &[
    (&["B", "byte", "bytes"], 1),
    (&["KB", "kB"], 1000),
    (&["MB"], MB),
    (&["GB"], 1000 * MB),
    (&["TB"], 1_000_000 * MB),
    (&["KiB"], KIB),
    (&["MiB"], MIB),
    (&["GiB"], GIB),
    (&["TiB"], 1024 * GIB),
];

/// A time: one or more numbers, each with its unit.
pub(super) fn duration(text: &str) -> Result<Duration, Complaint> {
    const HINT: &str = r#"write a number and a unit: "500ms", "10s", "5m", "24h", "7d""#;
    let complain = |fault: Fault| fault.complaint(text, "time", TIMES).hint_or(HINT);
    let mut total = 0_u64;
    let mut rest = text.trim();
    loop {
        let (amount, after) = one(rest, TIMES).map_err(complain)?;
        total = total
            .checked_add(amount)
            .ok_or(Fault::TooLarge)
            .map_err(complain)?;
        rest = after;
        if rest.is_empty() {
            return Ok(Duration::from_nanos(total));
        }
    }
}

/// A size in bytes: one number with its unit. Only zero needs none.
pub(super) fn size(text: &str) -> Result<u64, Complaint> {
    const HINT: &str =
        r#"write a number and a unit: "100 MB" is 100,000,000 bytes, "32 MiB" is 32 × 2^20 bytes"#;
    let trimmed = text.trim();
    if trimmed == "0" {
        return Ok(0);
    }
    match one(trimmed, SIZES) {
        Ok((amount, "")) => Ok(amount),
        Ok((_, rest)) => Err(Fault::Rest(rest.to_owned())),
        Err(fault) => Err(fault),
    }
    .map_err(|fault| fault.complaint(text, "size", SIZES).hint_or(HINT))
}

/// Bytes per second: a size and `/s`.
pub(super) fn rate(text: &str) -> Result<u64, Complaint> {
    let hint = || r#"write a size per second: "80 MB/s""#.to_owned();
    let Some(amount) = text.trim().strip_suffix("/s") else {
        return Err(Complaint::new(format!("{} is no rate", quoted(text))).hint(hint()));
    };
    size(amount)
}

/// Why a quantity cannot be read.
#[derive(Debug)]
enum Fault {
    NoNumber,
    NoUnit,
    UnknownUnit(String),
    Rest(String),
    TooLarge,
    TooFine,
}

impl Fault {
    fn complaint(&self, text: &str, kind: &str, units: &[Unit]) -> Complaint {
        let text = quoted(text);
        match self {
            Self::NoNumber => Complaint::new(format!("{text} is no {kind}")),
            Self::NoUnit => Complaint::new(format!("{text} has no unit")),
            Self::Rest(rest) => Complaint::new(format!(
                "{text} goes on after its unit with {}",
                quoted(rest)
            )),
            Self::TooLarge => Complaint::new(format!("{text} is too large")),
            Self::TooFine => Complaint::new(format!("{text} is finer than the smallest unit")),
            Self::UnknownUnit(unit) => {
                let names: Vec<_> = units.iter().map(|(names, _)| names[0]).collect();
                let complaint =
                    Complaint::new(format!("{} in {text} is no unit of {kind}", quoted(unit)));
                match names.iter().find(|name| name.eq_ignore_ascii_case(unit)) {
                    Some(name) => complaint.hint(format!("did you mean `{name}`?")),
                    None => complaint.hint(format!("the units are {}", names.join(", "))),
                }
            }
        }
    }
}

/// The first number with its unit, and what follows.
fn one<'a>(text: &'a str, units: &[Unit]) -> Result<(u64, &'a str), Fault> {
    let (number, rest) = split(text, |c| c.is_ascii_digit() || c == '.');
    let (unit, rest) = split(rest.trim_start(), char::is_alphabetic);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.contains('.') {
        return Err(Fault::NoNumber);
    }
    if unit.is_empty() {
        return Err(if rest.is_empty() {
            Fault::NoUnit
        } else {
            Fault::NoNumber
        });
    }
    let worth = units
        .iter()
        .find(|(names, _)| names.contains(&unit))
        .map(|(_, worth)| *worth)
        .ok_or_else(|| Fault::UnknownUnit(unit.to_owned()))?;
    let whole: u64 = whole.parse().map_err(|_| Fault::TooLarge)?;
    let part = part(fraction, worth).ok_or(Fault::TooFine)?;
    let amount = whole
        .checked_mul(worth)
        .and_then(|amount| amount.checked_add(part))
        .ok_or(Fault::TooLarge)?;
    Ok((amount, rest.trim_start()))
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

/// `0.fraction × worth`, if that is a whole number.
fn part(fraction: &str, worth: u64) -> Option<u64> {
    let digits = fraction.trim_end_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    let scale = 10_u128.checked_pow(u32::try_from(digits.len()).ok()?)?;
    let product = digits.parse::<u128>().ok()?.checked_mul(worth.into())?;
    (product % scale == 0).then(|| u64::try_from(product / scale).ok())?
}

/// The shortest exact spelling: `1h 30m`.
pub(super) fn time_text(time: Duration) -> String {
    const SPELLINGS: [(u128, &str); 5] = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1000, "s"),
        (1, "ms"),
    ];
    let mut rest = time.as_millis();
    let mut words = Vec::new();
    for (worth, unit) in SPELLINGS {
        if rest >= worth {
            words.push(format!("{}{unit}", rest / worth));
            rest %= worth;
        }
    }
    if words.is_empty() {
        "0s".to_owned()
    } else {
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_read_as_people_write_them() {
        for (text, millis) in [
            ("100ms", 100),
            ("10s", 10_000),
            (" 10 s ", 10_000),
            ("1.5h", 5_400_000),
            ("1h 30m", 5_400_000),
            ("1h30m", 5_400_000),
            ("5 minutes", 300_000),
            ("7d", 604_800_000),
            ("2w", 1_209_600_000),
            ("0s", 0),
        ] {
            assert_eq!(
                duration(text).unwrap(),
                Duration::from_millis(millis),
                "{text}"
            );
        }
        assert_eq!(time_text(duration("25h 100ms").unwrap()), "1d 1h 100ms");
    }

    #[test]
    fn sizes_tell_decimal_from_binary_units() {
        for (text, bytes) in [
            ("0", 0),
            ("512B", 512),
            ("100 MB", 100_000_000),
            ("32 MiB", 33_554_432),
            ("1.5 GB", 1_500_000_000),
            ("256KiB", 262_144),
            ("9007199254740993 B", 9_007_199_254_740_993),
        ] {
            assert_eq!(size(text).unwrap(), bytes, "{text}");
        }
        assert_eq!(rate("80 MB/s").unwrap(), 80_000_000);
    }

    #[test]
    fn what_cannot_be_read_says_what_to_write_instead() {
        let times = r#"write a number and a unit: "500ms", "10s", "5m", "24h", "7d""#;
        for (text, what, hint) in [
            ("", r#""" is no time"#, times),
            ("soon", r#""soon" is no time"#, times),
            ("10", r#""10" has no unit"#, times),
            ("-1s", r#""-1s" is no time"#, times),
            ("1..5s", r#""1..5s" is no time"#, times),
            (
                "5M",
                r#""M" in "5M" is no unit of time"#,
                "did you mean `m`?",
            ),
            (
                "3 parsecs",
                r#""parsecs" in "3 parsecs" is no unit of time"#,
                "the units are ms, s, m, h, d, w",
            ),
            ("999999999w", r#""999999999w" is too large"#, times),
            (
                "0.0000001ms",
                r#""0.0000001ms" is finer than the smallest unit"#,
                times,
            ),
            (
                "18446744073709551615s 999ms 1ms",
                r#""18446744073709551615s 999ms 1ms" is too large"#,
                times,
            ),
        ] {
            let complaint = duration(text).unwrap_err();
            assert_eq!(
                (complaint.what.as_str(), complaint.hint.as_deref()),
                (what, Some(hint))
            );
        }
        let sizes = r#"write a number and a unit: "100 MB" is 100,000,000 bytes, "32 MiB" is 32 × 2^20 bytes"#;
        for (text, what, hint) in [
            ("100", r#""100" has no unit"#, sizes),
            (
                "5 mb",
                r#""mb" in "5 mb" is no unit of size"#,
                "did you mean `MB`?",
            ),
            (
                "5 M",
                r#""M" in "5 M" is no unit of size"#,
                "the units are B, KB, MB, GB, TB, KiB, MiB, GiB, TiB",
            ),
            (
                "1 MB 2 KB",
                r#""1 MB 2 KB" goes on after its unit with "2 KB""#,
                sizes,
            ),
            ("0.3 B", r#""0.3 B" is finer than the smallest unit"#, sizes),
        ] {
            let complaint = size(text).unwrap_err();
            assert_eq!(
                (complaint.what.as_str(), complaint.hint.as_deref()),
                (what, Some(hint))
            );
        }
        assert_eq!(rate("80 MB").unwrap_err().what, r#""80 MB" is no rate"#);
    }

    /// The amount in the smallest unit, if it is a whole number: long division, digit by digit.
    fn by_hand(whole: &str, fraction: &str, worth: u64) -> Option<u64> {
        let (mut amount, mut scale) = (0_u128, 1_u128);
        for digit in whole.chars().chain(fraction.chars()) {
            amount = amount
                .checked_mul(10)?
                .checked_add(digit.to_digit(10)?.into())?;
        }
        for _ in fraction.chars() {
            scale *= 10;
        }
        let amount = amount.checked_mul(worth.into())?;
        (amount % scale == 0).then(|| u64::try_from(amount / scale).ok())?
    }

    proptest! {
        #[test]
        fn any_size_is_its_number_times_its_unit(
            whole in "[0-9]{1,12}",
            fraction in prop_oneof![Just(String::new()), "[0-9]{1,9}", "[0-9]{0,3}(5|25|125)0{0,3}"],
            (unit, name) in (0..SIZES.len(), 0..3_usize),
            blank in " ?",
        ) {
            let (names, worth) = SIZES[unit];
            let number = if fraction.is_empty() { whole.clone() } else { format!("{whole}.{fraction}") };
            let text = format!("{number}{blank}{}", names[name % names.len()]);
            prop_assert_eq!(size(&text).ok(), by_hand(&whole, &fraction, worth), "{}", text);
            prop_assert_eq!(rate(&format!("{text}/s")).ok(), size(&text).ok());
            // without a unit it is no size
            prop_assert!(number.bytes().all(|digit| digit == b'0') || size(&number).is_err());
        }

        #[test]
        fn any_time_comes_back_from_its_shortest_spelling(millis in prop_oneof![0..10_000_000_u64, 0..18_000_000_000_000_u64]) {
            let time = Duration::from_millis(millis);
            prop_assert_eq!(duration(&time_text(time)).unwrap(), time);
        }

        #[test]
        fn any_words_add_up_or_are_refused(
            words in proptest::collection::vec((0..1_000_000_u64, 0..TIMES.len(), 0..5_usize), 1..4),
        ) {
            let text = |(number, unit, name): &(u64, usize, usize)| {
                let names = TIMES[*unit].0;
                format!("{number}{}", names[name % names.len()])
            };
            let all: Vec<_> = words.iter().map(text).collect();
            let sum = words
                .iter()
                .map(|(number, unit, _)| u128::from(*number) * u128::from(TIMES[*unit].1))
                .sum::<u128>();
            let want = u64::try_from(sum).ok().map(Duration::from_nanos);
            prop_assert_eq!(duration(&all.join(" ")).ok(), want);
            prop_assert_eq!(duration(&all.concat()).ok(), want);
        }

        #[test]
        fn any_text_is_read_or_refused_on_one_line(text in prop_oneof![any::<String>(), "[0-9. ]{0,12}[a-zA-Z]{0,4}(/s)?.{0,4}"]) {
            for complaint in [duration(&text).err(), size(&text).err(), rate(&text).err()].into_iter().flatten() {
                let said = format!("{} {:?}", complaint.what, complaint.hint);
                prop_assert!(!said.chars().any(char::is_control), "{said:?}");
                prop_assert!(complaint.hint.is_some());
            }
        }
    }
}
