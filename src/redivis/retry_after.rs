//! `Retry-After`, of which Redivis' pages say "a timestamp" and the standard says otherwise. Pure.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// No server can make us wait longer without a look.
pub const LONGEST_PAUSE: Duration = Duration::from_mins(15);

/// How long to wait, 0 ..= [`LONGEST_PAUSE`]. `None`: the value says nothing, use your own back-off.
///
/// | value                | read as                          |
/// |----------------------|----------------------------------|
/// | below 10⁸            | seconds                          |
/// | 10⁹ ..= 10¹¹         | seconds since 1970               |
/// | from 10¹²            | milliseconds since 1970          |
/// | an HTTP date         | that moment                      |
/// | anything else        | nothing                          |
///
/// Moments are relative to the answer's own `Date` where it has one: the server's clock and ours
/// may disagree. A moment that has passed is a pause of zero.
pub fn parse(value: &str, date: Option<&str>, now: Timestamp) -> Option<Duration> {
    const SECONDS_END: u64 = 100_000_000;
    const EPOCH_SECONDS: std::ops::RangeInclusive<u64> = 1_000_000_000..=100_000_000_000;
    const EPOCH_MILLIS_START: u64 = 1_000_000_000_000;

    let value = value.trim();
    let now_ms = date.and_then(http_date).unwrap_or(now).as_millisecond();
    let until = |moment_ms: i64| {
        let wait = moment_ms.saturating_sub(now_ms);
        Duration::from_millis(u64::try_from(wait).unwrap_or(0))
    };

    let pause = if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        match value.parse::<u64>().ok()? {
            seconds @ ..SECONDS_END => Duration::from_secs(seconds),
            seconds if EPOCH_SECONDS.contains(&seconds) => {
                until(i64::try_from(seconds).ok()?.saturating_mul(1000))
            }
            millis @ EPOCH_MILLIS_START.. => until(i64::try_from(millis).ok()?),
            _ => return None,
        }
    } else {
        until(http_date(value)?.as_millisecond())
    };
    Some(pause.min(LONGEST_PAUSE))
}

fn http_date(text: &str) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new()
        .parse_timestamp(text.trim())
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const DATE_SECONDS: i64 = 784_111_777;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn every_form_is_read() {
        let now = at(1_700_000_000);
        let secs = |s| Some(Duration::from_secs(s));
        for (value, date, want) in [
            ("0", None, secs(0)),
            (" 7 ", None, secs(7)),
            ("900", None, secs(900)),
            ("901", None, secs(900)),
            ("99999999", None, secs(900)),
            ("100000000", None, None),
            ("999999999", None, None),
            ("1000000000", None, secs(0)),
            ("1700000030", None, secs(30)),
            ("1699999999", None, secs(0)),
            ("100000000000", None, secs(900)),
            ("100000000001", None, None),
            ("999999999999", None, None),
            ("1700000030000", None, secs(30)),
            ("1700000000250", None, Some(Duration::from_millis(250))),
            ("9999999999999999", None, secs(900)),
            ("99999999999999999999999999", None, None),
            // the server's clock counts, not ours
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(DATE), secs(30)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(DATE), secs(0)),
            ("784111807", Some(DATE), None), // neither seconds nor a moment after 2001
            (
                "1700000030",
                Some("Tue, 14 Nov 2023 22:13:30 GMT"),
                secs(20),
            ),
            ("Tue, 14 Nov 2023 22:13:30 GMT", None, secs(10)),
            ("Tue, 14 Nov 2023 22:13:30 GMT", Some("rubbish"), secs(10)),
            ("", None, None),
            ("soon", None, None),
            ("-5", None, None),
            ("+5", None, None),
            ("1.5", None, None),
            ("5 minutes", None, None),
        ] {
            assert_eq!(
                parse(value, date, now),
                want,
                "{value:?} with date {date:?}"
            );
        }
        assert_eq!(http_date(DATE), Some(at(DATE_SECONDS)));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_no_pause_is_too_long(
            value in prop_oneof!["\\PC*", "[0-9]{1,30}", "[A-Za-z]{3}, [0-9]{1,3} [A-Za-z]{3} [0-9]{4} [0-9:]{8} GMT"],
            date in proptest::option::of("\\PC*"),
            now in -10_000_000_000_i64..100_000_000_000,
        ) {
            let pause = parse(&value, date.as_deref(), at(now));
            prop_assert!(pause.is_none_or(|pause| pause <= LONGEST_PAUSE));
        }

        #[test]
        fn any_number_is_seconds_or_a_moment_or_nothing(
            value in prop_oneof![any::<u128>(), 0..2_000_000_000_u128, (0_u32..39).prop_map(|zeros| 10_u128.pow(zeros))],
            now in 0..20_000_000_000_u128,
        ) {
            let until = |moment: u128| Some(moment.saturating_sub(now * 1000));
            let millis = if value < 100_000_000 {
                Some(value * 1000)
            } else if (1_000_000_000..=100_000_000_000).contains(&value) {
                until(value * 1000)
            } else if (1_000_000_000_000..1 << 63).contains(&value) {
                until(value)
            } else {
                None
            };
            let want = millis.map(|ms| Duration::from_millis(u64::try_from(ms.min(900_000)).unwrap()));
            let now = at(i64::try_from(now).unwrap());
            prop_assert_eq!(parse(&value.to_string(), None, now), want);
            prop_assert_eq!(parse(&format!(" {value}\t"), None, now), want);
        }

        #[test]
        fn any_date_counts_from_the_date_of_the_answer(
            answered in 0..200_000_000_000_i64, ahead in -2000..2000_i64, now in 0..200_000_000_000_i64,
        ) {
            let text = |second| rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at(second)).unwrap();
            let pause = parse(&text(answered + ahead), Some(&text(answered)), at(now));
            prop_assert_eq!(pause, Some(Duration::from_secs(ahead.clamp(0, 900).unsigned_abs())));
        }
    }
}
