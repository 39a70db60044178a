//! How much all uploads may use together, and when: a pure question of the local time.

use jiff::civil::{DateTime, Time, Weekday};
use toml::de::DeValue;

use super::quantity;
use super::section::Section;
use super::value::{Complaint, Reading, quoted, text, text_or_empty};

/// `transfer.bandwidth_limit` and `[[transfer.schedule]]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bandwidth {
    /// Bytes a second, outside of all windows; `None`: no limit.
    pub limit: Option<u64>,
    /// The first one that covers a time decides.
    pub windows: Vec<Window>,
}

/// A part of the week with a limit of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Its first minute.
    pub from: Time,
    /// The minute after its last; at or before `from` it lies in the next day.
    pub to: Time,
    /// The days on which it begins.
    pub days: Vec<Weekday>,
    /// Bytes a second; `None`: no limit.
    pub limit: Option<u64>,
}

impl Bandwidth {
    /// The limit at a local time, in bytes a second. The time is asked for only if there is a schedule:
    /// finding the local time zone reads many files.
    pub fn at(&self, now: impl FnOnce() -> DateTime) -> Option<u64> {
        if self.windows.is_empty() {
            return self.limit;
        }
        let now = now();
        let window = self.windows.iter().find(|window| window.covers(now));
        window.map_or(self.limit, |window| window.limit)
    }
}

impl Window {
    fn covers(&self, now: DateTime) -> bool {
        let (today, time) = (now.date().weekday(), now.time());
        let begins = |day: Weekday| self.days.contains(&day);
        if self.from < self.to {
            begins(today) && (self.from..self.to).contains(&time)
        } else {
            begins(today) && time >= self.from || begins(today.previous()) && time < self.to
        }
    }
}

/// One `[[transfer.schedule]]`.
pub(super) fn window(mut section: Section) -> Option<Window> {
    let from = section.need("from", "08:00", text("08:00", clock));
    let to = section.need("to", "18:00", text("18:00", clock));
    let days = section.each("days", r#"["mon", "tue"]"#, text("mon", weekday));
    let limit = section.need("limit", "20 MB/s", limit);
    section.finish();
    Some(Window {
        from: from?,
        to: to?,
        days: days.unwrap_or_else(|| Weekday::Monday.cycle_forward().take(7).collect()),
        limit: limit?,
    })
}

/// A rate above zero, or "" for none.
pub(super) fn limit(value: &DeValue) -> Reading<Option<u64>> {
    text_or_empty("80 MB/s", |text| match quantity::rate(text)? {
        0 => Err(Complaint::new("nothing would ever arrive at this rate")
            .hint(r#"write "" for no limit, or stop the daemon to upload nothing"#)),
        rate => Ok(rate),
    })(value)
}

fn clock(text: &str) -> Reading<Time> {
    let wrong = || {
        Complaint::new(format!("{} is no time of the day", quoted(text)))
            .hint(r#"write hours and minutes, as in "08:00" or "17:30"; midnight is "00:00""#)
    };
    let (hours, minutes) = text.split_once(':').ok_or_else(wrong)?;
    let number = |text: &str| match text.as_bytes() {
        [b'0'..=b'9', b'0'..=b'9'] => text.parse::<i8>().map_err(|_| wrong()),
        _ => Err(wrong()),
    };
    Time::new(number(hours)?, number(minutes)?, 0, 0).map_err(|_| wrong())
}

fn weekday(text: &str) -> Reading<Weekday> {
    Ok(match text {
        "mon" => Weekday::Monday,
        "tue" => Weekday::Tuesday,
        "wed" => Weekday::Wednesday,
        "thu" => Weekday::Thursday,
        "fri" => Weekday::Friday,
        "sat" => Weekday::Saturday,
        "sun" => Weekday::Sunday,
        other => {
            return Err(Complaint::new(format!("{} is no day", quoted(other)))
                .hint("the days are mon, tue, wed, thu, fri, sat, sun"));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::{date, time};
    use proptest::prelude::*;

    fn any_time() -> impl Strategy<Value = Time> {
        // few different ones, so that windows touch each other
        let minute = prop_oneof![Just(0), Just(1), Just(30), 0..60_i8];
        (0..24_i8, minute).prop_map(|(hour, minute)| time(hour, minute, 0, 0))
    }

    fn any_window() -> impl Strategy<Value = Window> {
        let days = proptest::collection::vec(0..7_i8, 0..4);
        let limit = proptest::option::of(1..100_u64);
        (any_time(), any_time(), days, limit).prop_map(|(from, to, days, limit)| Window {
            from,
            to,
            days: days
                .into_iter()
                .map(|day| Weekday::from_monday_zero_offset(day).unwrap())
                .collect(),
            limit,
        })
    }

    /// The minutes of a week that a window covers, counted one by one from each of its beginnings.
    fn minutes(window: &Window) -> Vec<bool> {
        const DAY: usize = 24 * 60;
        let minute = |time: Time| {
            usize::try_from(time.hour()).unwrap() * 60 + usize::try_from(time.minute()).unwrap()
        };
        let mut covered = vec![false; 7 * DAY];
        for day in &window.days {
            let midnight = usize::try_from(day.to_monday_zero_offset()).unwrap() * DAY;
            let mut at = minute(window.from);
            loop {
                covered[(midnight + at) % (7 * DAY)] = true;
                at += 1;
                if at % DAY == minute(window.to) {
                    break;
                }
            }
        }
        covered
    }

    proptest! {
        #[test]
        fn any_schedule_is_what_a_calendar_of_minutes_says(
            windows in proptest::collection::vec(any_window(), 0..4),
            limit in proptest::option::of(100..200_u64),
            (day, at, second) in (0..7_i8, any_time(), 0..60_i8),
        ) {
            let minute = usize::try_from(i32::from(day) * 1440 + i32::from(at.hour()) * 60 + i32::from(at.minute())).unwrap();
            let covers = windows.iter().find(|window| minutes(window)[minute]);
            let want = covers.map_or(limit, |window| window.limit);
            // 2 November 2026 is a Monday
            let now = date(2026, 11, 2 + day).at(at.hour(), at.minute(), second, 999);
            let bandwidth = Bandwidth { limit, windows };
            prop_assert_eq!(bandwidth.at(|| now), want);
        }
    }

    #[test]
    fn the_first_window_that_covers_a_time_decides() {
        let working = [Weekday::Monday, Weekday::Friday].to_vec();
        let bandwidth = Bandwidth {
            limit: Some(100),
            windows: vec![
                Window {
                    from: time(8, 0, 0, 0),
                    to: time(18, 0, 0, 0),
                    days: working.clone(),
                    limit: Some(10),
                },
                Window {
                    from: time(17, 0, 0, 0),
                    to: time(6, 0, 0, 0),
                    days: working,
                    limit: None,
                },
            ],
        };
        // 2 November 2026 is a Monday
        for (day, hour, minute, want) in [
            (2, 7, 59, Some(100)),
            (2, 8, 0, Some(10)),
            (2, 17, 30, Some(10)),
            (2, 18, 0, None),
            (3, 5, 59, None),
            (3, 6, 0, Some(100)),
            (3, 12, 0, Some(100)),
            (6, 23, 0, None),
            (7, 0, 0, None),
            (8, 3, 0, Some(100)),
        ] {
            let now = date(2026, 11, day).at(hour, minute, 0, 0);
            assert_eq!(bandwidth.at(|| now), want, "{now}");
        }
    }

    #[test]
    fn times_and_days_are_read_strictly() {
        assert_eq!(clock("08:05").unwrap(), time(8, 5, 0, 0));
        for wrong in ["8:00", "24:00", "12", "12:60", "-1:00", "ab:cd", "+8:00"] {
            assert!(clock(wrong).is_err(), "{wrong}");
        }
        assert_eq!(weekday("sun").unwrap(), Weekday::Sunday);
        assert!(weekday("Sunday").is_err());
    }
}
