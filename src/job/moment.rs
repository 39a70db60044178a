//! A moment, by two clocks: the time of day, which may be set, and the time since the machine was
//! started, which goes on while it sleeps and is never set.

use std::time::Duration;

use jiff::Timestamp;

/// When something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// The time of day.
    pub at: Timestamp,
    /// The time since the machine was started, where that is known.
    pub awake: Option<Awake>,
}

/// How long a machine has been up, time asleep included (`CLOCK_BOOTTIME`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awake {
    /// Which start of the machine this was (`/proc/sys/kernel/random/boot_id`).
    pub boot: String,
    /// Milliseconds since then.
    pub millis: u64,
}

impl Awake {
    /// How long ago this was, if the machine was not started again since.
    pub fn age(&self, now: &Self) -> Option<Duration> {
        let same = self.boot == now.boot;
        same.then(|| Duration::from_millis(now.millis.saturating_sub(self.millis)))
    }
}

impl Moment {
    /// A moment of which only the time of day is known.
    pub const fn at(at: Timestamp) -> Self {
        Self { at, awake: None }
    }

    /// How long before `now` this was: by the clock that is never set while the machine was not started
    /// again, else by the time of day. Zero for what seems to lie in the future.
    pub fn age(&self, now: &Self) -> Duration {
        let awake = self.awake.as_ref().zip(now.awake.as_ref());
        let by_day = || Duration::try_from(now.at.duration_since(self.at)).unwrap_or_default();
        let since_start = awake.and_then(|(then, now)| then.age(now));
        since_start.unwrap_or_else(by_day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(second: i64, boot: Option<(&str, u64)>) -> Moment {
        Moment {
            at: Timestamp::from_second(second).unwrap(),
            awake: boot.map(|(boot, millis)| Awake {
                boot: boot.to_owned(),
                millis,
            }),
        }
    }

    #[test]
    fn an_age_does_not_follow_a_clock_that_is_set() {
        for (what, then, now, want) in [
            (
                "as usual",
                (100, Some(("a", 5_000))),
                (160, Some(("a", 65_000))),
                60,
            ),
            (
                "set forward",
                (100, Some(("a", 5_000))),
                (99_999, Some(("a", 65_000))),
                60,
            ),
            (
                "set back",
                (100, Some(("a", 5_000))),
                (7, Some(("a", 65_000))),
                60,
            ),
            (
                "asleep for a day",
                (0, Some(("a", 0))),
                (86_400, Some(("a", 86_400_000))),
                86_400,
            ),
            (
                "started again",
                (100, Some(("a", 5_000))),
                (160, Some(("b", 1_000))),
                60,
            ),
            (
                "started again, set back",
                (100, Some(("a", 5_000))),
                (7, Some(("b", 1_000))),
                0,
            ),
            (
                "only the time of day",
                (100, None),
                (160, Some(("b", 1_000))),
                60,
            ),
        ] {
            let (then, now) = (moment(then.0, then.1), moment(now.0, now.1));
            assert_eq!(then.age(&now), Duration::from_secs(want), "{what}");
        }
    }
}
