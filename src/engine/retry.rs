//! How long to wait after a failure; the only file that names `backoff`.

use std::time::Duration;

use backoff::ExponentialBackoffBuilder;
use backoff::backoff::Backoff as _;

use crate::config::Retry;

/// Doublings after which every delay is at its cap, whatever the settings.
const DOUBLINGS: u32 = 64;

/// The delay after the `failures`-th failure in a row: doubled each time, never above
/// `retry.max`, and spread over its upper half by `chance` (0 ..= 1) so that what failed
/// together does not come back together.
pub fn delay(retry: Retry, failures: u32, chance: f64) -> Duration {
    let mut backoff = ExponentialBackoffBuilder::new()
        .with_initial_interval(retry.initial)
        .with_multiplier(2.0)
        .with_max_interval(retry.max)
        // its own spread could exceed the cap, and its clock would end it after a while
        .with_randomization_factor(0.0)
        .with_max_elapsed_time(None)
        .build();
    let mut delay = retry.initial;
    for _ in 0..failures.clamp(1, DOUBLINGS) {
        delay = backoff.next_backoff().unwrap_or(retry.max);
    }
    delay
        .min(retry.max)
        .mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
}

/// How long to leave a server alone after so many failures in a row. As [`delay`], but at the cap exactly
/// the cap: one request each time, so no more than one a cap; those who failed
/// together were spread on the way up.
pub(super) fn pause(retry: Retry, failures: u32, chance: f64) -> Duration {
    if delay(retry, failures, 1.0) >= retry.max {
        return retry.max;
    }
    delay(retry, failures, chance)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Retry = Retry {
        initial: Duration::from_secs(1),
        max: Duration::from_mins(5),
        park_after: Duration::from_hours(168),
    };

    #[test]
    fn delays_double_up_to_the_cap() {
        let seconds = |failures| delay(RETRY, failures, 1.0).as_secs();
        let delays: Vec<_> = [0, 1, 2, 3, 8, 9, 10, 1000, u32::MAX].map(seconds).into();
        assert_eq!(delays, [1, 1, 2, 4, 128, 256, 300, 300, 300]);
    }

    #[test]
    fn chance_moves_a_delay_within_its_upper_half() {
        for failures in [1, 5, 50] {
            let whole = delay(RETRY, failures, 1.0);
            assert_eq!(delay(RETRY, failures, 0.0), whole / 2);
            assert!(delay(RETRY, failures, 0.3) < whole);
        }
    }

    #[test]
    fn a_server_is_left_alone_for_the_whole_cap() {
        assert_eq!(pause(RETRY, 5, 0.0), delay(RETRY, 5, 0.0));
        assert_eq!(pause(RETRY, 50, 0.0), RETRY.max);
    }
}
