//! Keeps all uploads together below a limit, smoothly. The bucket is pure; time is an argument.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Zoned;
use tokio::time::Instant;

use crate::config::Bandwidth;

/// So much of the limit may be used at once after a pause: enough that timers need not be exact,
/// too little to be seen in an average over a second.
const BURST: Duration = Duration::from_millis(20);
/// The schedule is looked at this often.
const LOOK: Duration = Duration::from_secs(1);
/// A piece takes about so long at the limit, so that uploads share it evenly.
const PIECES_PER_SEC: u64 = 100;
/// Pieces are not smaller than this, however low the limit.
const SMALLEST_PIECE: u64 = 1024;
/// Nor larger than this: what is handed to the network at a time.
const LARGEST_PIECE: u64 = 64 * 1024;

/// The limit that all uploads share.
pub(super) struct Limiter {
    bandwidth: Bandwidth,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    /// Bytes a second; `None`: no limit.
    limit: Option<u64>,
    look_at: Instant,
    /// When everything that was let go would have gone, at the limit.
    spent_until: Instant,
}

impl Limiter {
    /// With the limits of a configuration.
    pub fn new(bandwidth: Bandwidth) -> Self {
        let now = Instant::now();
        let bucket = Bucket {
            limit: None,
            look_at: now,
            spent_until: now,
        };
        Self {
            bandwidth,
            bucket: Mutex::new(bucket),
        }
    }

    /// How many bytes to ask for at a time; `None`: there is no limit, send as you like.
    pub fn piece(&self) -> Option<u64> {
        let limit = self.bucket(Instant::now()).limit?;
        Some((limit / PIECES_PER_SEC).clamp(SMALLEST_PIECE, LARGEST_PIECE))
    }

    /// Waits until `bytes` more may go.
    pub async fn pass(&self, bytes: u64) {
        let now = Instant::now();
        let at = self.bucket(now).spend(bytes, now);
        if at > now {
            tokio::time::sleep_until(at).await;
        }
    }

    fn bucket(&self, now: Instant) -> std::sync::MutexGuard<'_, Bucket> {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        if bucket.look_at <= now {
            bucket.look_at = now + LOOK;
            bucket.limit = self.bandwidth.at(|| Zoned::now().datetime());
        }
        bucket
    }
}

impl Bucket {
    /// Takes `bytes` out of the bucket; returns when they may go.
    fn spend(&mut self, bytes: u64, now: Instant) -> Instant {
        let Some(limit) = self.limit else {
            return now;
        };
        let at = self.spent_until.max(now.checked_sub(BURST).unwrap_or(now));
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(limit);
        self.spent_until = at + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        at.max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(limit: Option<u64>) -> (Bucket, Instant) {
        let now = Instant::now();
        let bucket = Bucket {
            limit,
            look_at: now + LOOK,
            spent_until: now,
        };
        (bucket, now)
    }

    #[test]
    fn what_passes_is_the_limit_over_any_second() {
        let (mut bucket, begin) = bucket(Some(1_000_000));
        let mut now = begin;
        let mut passed = 0_u64;
        while now < begin + Duration::from_secs(10) {
            now = bucket.spend(10_000, now);
            passed += 10_000;
        }
        assert!((9_990_000..=10_050_000).contains(&passed), "{passed}");
    }

    #[test]
    fn a_pause_saves_up_only_a_moment() {
        let (mut bucket, begin) = bucket(Some(1_000_000));
        let later = begin + Duration::from_mins(1);
        assert_eq!(bucket.spend(20_000, later), later);
        assert_eq!(bucket.spend(1_000, later), later);
        assert!(bucket.spend(1_000, later) > later);
    }

    #[test]
    fn without_a_limit_nothing_waits() {
        let (mut bucket, now) = bucket(None);
        assert_eq!(bucket.spend(u64::MAX, now), now);
        assert_eq!(bucket.spend(u64::MAX, now), now);
    }
}
