//! How fast bytes go out, for `status`. Time is an argument.

use std::time::Duration;

use tokio::time::Instant;

/// A reading is the average over this.
const OVER: Duration = Duration::from_secs(2);

/// Takes readings of a counter of bytes.
#[derive(Debug)]
pub(super) struct Rate {
    since: Instant,
    sent: u64,
    bytes_per_sec: u64,
}

impl Rate {
    /// Nothing was sent before `now`.
    pub fn new(now: Instant) -> Self {
        Self {
            since: now,
            sent: 0,
            bytes_per_sec: 0,
        }
    }

    /// Takes a reading if it is time for one; returns it if it differs from the last.
    pub fn new_reading(&mut self, now: Instant, sent: u64) -> Option<u64> {
        let elapsed = now.duration_since(self.since);
        if elapsed < OVER {
            return None;
        }
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let reading = (sent - self.sent).saturating_mul(1000) / millis;
        let is_new = reading != self.bytes_per_sec;
        *self = Self {
            since: now,
            sent,
            bytes_per_sec: reading,
        };
        is_new.then_some(reading)
    }

    /// When the next reading is wanted: while something moves, and once more afterwards.
    pub fn next_reading(&self, moving: bool) -> Option<Instant> {
        (moving || self.bytes_per_sec > 0).then(|| self.since + OVER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_falls_to_zero_when_nothing_moves_and_is_told_once() {
        let now = Instant::now();
        let mut rate = Rate::new(now);
        assert_eq!(rate.next_reading(false), None);
        assert_eq!(rate.new_reading(now + OVER / 2, 500), None);
        assert_eq!(rate.new_reading(now + OVER, 4000), Some(2000));
        assert_eq!(rate.next_reading(false), Some(now + 2 * OVER));
        assert_eq!(rate.new_reading(now + 2 * OVER, 4000), Some(0));
        assert_eq!(rate.new_reading(now + 3 * OVER, 4000), None);
        assert_eq!(rate.next_reading(false), None);
    }
}
