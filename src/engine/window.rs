//! An upload session lives for 24 hours. Whether the rest of a file fits in is foretold from how fast it
//! goes, so that a link that is too slow is named on the first day and not after three. Time is an argument.

use std::time::Duration;

use tokio::time::Instant;

/// The life of a session. When exactly it begins nobody knows: the opening is the earliest.
const LIFE: Duration = Duration::from_hours(24);
/// A session that vanishes at this age has come to the end of its life, more or less.
const OLD: Duration = Duration::from_hours(23);
/// Sessions of one version that may end by age; the next one would too.
const EXPIRED_ENOUGH: u32 = 2;
/// Before this nothing is foretold.
const LEAST: Duration = Duration::from_secs(30);

/// How fast one session goes.
#[derive(Debug, Clone)]
pub(super) struct Window {
    began: Instant,
    /// Confirmed when it began to be measured.
    first: Option<u64>,
}

impl Window {
    /// From now on.
    pub fn new(now: Instant) -> Self {
        Self {
            began: now,
            first: None,
        }
    }

    /// `confirmed` of `size` bytes are stored, in a session of this age. What to tell people if the
    /// rest will not fit into its life.
    pub fn warning(
        &mut self,
        now: Instant,
        confirmed: u64,
        size: u64,
        age: Duration,
    ) -> Option<String> {
        let Some(first) = self.first else {
            (self.first, self.began) = (Some(confirmed), now);
            return None;
        };
        let elapsed = now.duration_since(self.began);
        let sent = confirmed.checked_sub(first)?;
        if elapsed < LEAST {
            return None;
        }
        let millis = u64::try_from(elapsed.as_millis()).ok()?.max(1);
        let rate = sent.saturating_mul(1000) / millis;
        let rest = size.saturating_sub(confirmed);
        // nothing at all in half a minute: as slow as a byte a second
        let needed = Duration::from_secs(rest / rate.max(1));
        let left = LIFE.saturating_sub(age);
        (needed > left).then(|| {
            format!(
                "too slow: at {} KB/s the rest of the file needs {}, but its upload session ends in {}; \
                 it will have to begin anew",
                rate / 1000,
                hours(needed),
                hours(left)
            )
        })
    }
}

/// Whether a session of this age, whose like have been lost before, shows that no session is
/// long enough; then what to tell people.
pub(super) fn too_slow(age: Duration, lost: u32, confirmed: u64, size: u64) -> Option<String> {
    (age >= OLD && lost >= EXPIRED_ENOUGH).then(|| {
        format!(
            "{lost} upload sessions have ended before the file was stored: in {} only {} of {} MB went \
             through. A session lives for 24 h; the file needs a faster link, a higher bandwidth_limit, \
             or fewer files beside it",
            hours(age),
            confirmed / 1_000_000,
            size / 1_000_000
        )
    })
}

fn hours(time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    format!("{} h {:02} min", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;
    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn a_link_that_is_too_slow_is_named_early_and_a_fast_one_never() {
        let start = Instant::now();
        for (size, per_minute, age, warned) in [
            (10_000 * MB, 60 * MB, 1, false),
            // at 1 MB/s: 27 h 45 min
            (100_000 * MB, 60 * MB, 0, true),
            (100_000 * MB, 600 * MB, 20, false),
            (100_000 * MB, 600 * MB, 23, true),
            (100_000 * MB, 0, 1, true),
        ] {
            let mut window = Window::new(start);
            let mut say = |after: Duration, confirmed| {
                window.warning(start + after, confirmed, size, age * HOUR)
            };
            assert_eq!(say(Duration::ZERO, 0), None, "nothing is known");
            assert_eq!(say(LEAST / 2, per_minute / 4), None, "nor much");
            let said = say(Duration::from_mins(1), per_minute);
            assert_eq!(said.is_some(), warned, "{per_minute} {age} {said:?}");
        }
        let mut window = Window::new(start);
        window.warning(start, 0, 100_000 * MB, HOUR);
        let now = start + Duration::from_mins(1);
        assert_eq!(
            window.warning(now, 60 * MB, 100_000 * MB, HOUR).unwrap(),
            "too slow: at 1000 KB/s the rest of the file needs 27 h 45 min, but its upload session ends \
             in 23 h 00 min; it will have to begin anew"
        );
    }

    #[test]
    fn only_sessions_that_died_of_age_make_a_file_too_slow() {
        assert_eq!(too_slow(24 * HOUR, 1, MB, 2 * MB), None, "the first one");
        assert_eq!(too_slow(HOUR, 2, MB, 2 * MB), None, "it was young");
        let said = too_slow(24 * HOUR, 2, 50_000 * MB, 90_000 * MB).unwrap();
        assert!(said.contains("50000 of 90000 MB"), "{said}");
    }
}
