//! How often the API may be asked: a token bucket. Pure; time is an argument, waiting is for others.
//!
//! One page of Redivis' documentation says 100 requests in 100 s, another 1,000 in 60 s. So the
//! bucket starts at the lower one and learns the rest from the answers.

use std::time::{Duration, Instant};

/// Before anything was learnt.
const FIRST_RATE: f64 = 1.0;
const FIRST_BURST: f64 = 50.0;
/// The longer of the two windows that the documentation names, in seconds.
const WINDOW: f64 = 100.0;
/// Who has to wait waits at least this long: asking again at once would be a busy loop.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);
/// Beyond this a limit is taken for a mistake.
const HIGHEST_LIMIT: u64 = 100_000;

/// What may still be asked, and from when.
#[derive(Debug, Clone)]
pub struct Budget {
    /// Requests per second.
    rate: f64,
    /// The most that may be saved up.
    burst: f64,
    saved: f64,
    /// When `saved` was right. May lie in the future: the server asked for a pause until then.
    counted: Instant,
}

impl Budget {
    /// A full bucket of 50, refilled by one a second.
    pub fn new(now: Instant) -> Self {
        Self {
            rate: FIRST_RATE,
            burst: FIRST_BURST,
            saved: FIRST_BURST,
            counted: now,
        }
    }

    /// Takes one request out of the bucket.
    ///
    /// # Errors
    /// When it is empty: the moment from which it is worth asking again.
    pub fn acquire(&mut self, now: Instant) -> Result<(), Instant> {
        if now < self.counted {
            return Err(self.counted);
        }
        self.refill(now);
        if self.saved >= 1.0 {
            self.saved -= 1.0;
            return Ok(());
        }
        // what is missing may be so little that it takes no time at all
        let wait = Duration::from_secs_f64((1.0 - self.saved) / self.rate);
        Err(now + wait.max(SHORTEST_WAIT))
    }

    /// Takes over what `X-RateLimit-Limit` and `X-RateLimit-Remaining` said.
    pub fn learn(&mut self, limit: Option<u64>, remaining: Option<u64>, now: Instant) {
        self.refill(now);
        if let Some(limit) = limit.filter(|limit| (1..=HIGHEST_LIMIT).contains(limit)) {
            let limit = small(limit);
            self.rate = limit / WINDOW;
            // Half, so that a second client of the same account finds something left.
            self.burst = (limit / 2.0).max(1.0);
        }
        if let Some(remaining) = remaining {
            self.saved = self.saved.min(small(remaining.min(HIGHEST_LIMIT)));
        }
        self.saved = self.saved.min(self.burst);
    }

    /// Nothing before `until`, and then one request first, not a burst: the server asked for it.
    pub fn pause(&mut self, until: Instant) {
        self.counted = self.counted.max(until);
        self.saved = self.saved.clamp(0.0, 1.0);
    }

    fn refill(&mut self, now: Instant) {
        let Some(passed) = now.checked_duration_since(self.counted) else {
            return;
        };
        self.saved = (self.saved + passed.as_secs_f64() * self.rate).min(self.burst);
        self.counted = now;
    }
}

/// Exact: the argument is at most [`HIGHEST_LIMIT`].
fn small(number: u64) -> f64 {
    u32::try_from(number).map_or(f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn drain(budget: &mut Budget, now: Instant) -> u32 {
        let mut taken = 0;
        while budget.acquire(now).is_ok() {
            taken += 1;
        }
        taken
    }

    #[test]
    fn a_burst_then_one_a_second() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        assert_eq!(drain(&mut budget, start), 50);
        let next = budget.acquire(start).unwrap_err();
        assert_eq!(next, start + seconds(1));
        assert!(budget.acquire(next).is_ok());
        assert!(budget.acquire(next).is_err());
        // an hour later: one burst, not 3,600 requests
        assert_eq!(drain(&mut budget, start + seconds(3600)), 50);
    }

    #[test]
    fn the_limits_of_the_answers_are_learnt() {
        let start = Instant::now();
        for (limit, remaining, at_once, within_ten_seconds) in [
            (None, None, 50, 10),
            (Some(1000), None, 50, 100),
            (Some(1000), Some(3), 3, 100),
            (Some(100), Some(0), 0, 10),
            (Some(10), None, 5, 1),
            (Some(0), Some(9), 9, 10),
            (Some(u64::MAX), Some(u64::MAX), 50, 10),
        ] {
            let mut budget = Budget::new(start);
            budget.learn(limit, remaining, start);
            assert_eq!(
                drain(&mut budget, start),
                at_once,
                "{limit:?} {remaining:?}"
            );
            let later = drain(&mut budget, start + seconds(10));
            assert_eq!(later, within_ten_seconds, "{limit:?} {remaining:?}");
        }
    }

    #[test]
    fn who_has_to_wait_waits_a_moment_however_little_is_missing() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        drain(&mut budget, start);
        for nanos in [999_999_998, 999_999_999] {
            let now = start + Duration::from_nanos(nanos);
            let at = budget.acquire(now).unwrap_err();
            assert!(at >= now + SHORTEST_WAIT);
        }
    }

    #[test]
    fn a_pause_holds_everything_and_ends_with_one_request() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        budget.pause(start + seconds(30));
        budget.pause(start + seconds(10)); // a shorter one does not undo it
        assert_eq!(budget.acquire(start), Err(start + seconds(30)));
        budget.learn(Some(1000), Some(900), start + seconds(5));
        assert_eq!(
            budget.acquire(start + seconds(29)),
            Err(start + seconds(30))
        );
        assert_eq!(drain(&mut budget, start + seconds(30)), 1);
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_and_breaks_nothing() {
        let start = Instant::now() + seconds(100);
        let mut budget = Budget::new(start);
        assert_eq!(drain(&mut budget, start), 50);
        assert_eq!(
            budget.acquire(start.checked_sub(seconds(50)).unwrap()),
            Err(start)
        );
    }
}
