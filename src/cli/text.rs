//! Numbers as people read them.

use jiff::Timestamp;

/// `1.5 GB`: powers of ten, as disks and networks are sold.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let power = bytes.ilog10() / 3;
    let unit = 10_u64.pow(power * 3);
    let name = UNITS[power as usize - 1];
    format!("{}.{} {name}", bytes / unit, bytes % unit / (unit / 10))
}

/// `46,137,344`: every digit, for what is compared.
pub(super) fn exact(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `3 d 4 h`, `5 min 6 s`: the two largest units that say something.
pub(super) fn seconds(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (unit, name) in UNITS {
        if rest >= unit && parts.len() < 2 {
            parts.push(format!("{} {name}", rest / unit));
            rest %= unit;
        }
    }
    if parts.is_empty() {
        "0 s".into()
    } else {
        parts.join(" ")
    }
}

/// A time to the second, UTC.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_keep_their_first_digits() {
        for (number, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (1_999, "1.9 kB"),
            (300_000_000, "300.0 MB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(bytes(number), text);
        }
    }

    #[test]
    fn exact_numbers_have_their_digits_in_threes() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (46_137_344, "46,137,344"),
        ] {
            assert_eq!(exact(number), text);
        }
    }

    #[test]
    fn times_keep_their_two_largest_units() {
        for (number, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (61, "1 min 1 s"),
            (90_061, "1 d 1 h"),
            (3600, "1 h"),
        ] {
            assert_eq!(seconds(number), text);
        }
    }
}
