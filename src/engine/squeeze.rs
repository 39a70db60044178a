//! How many files may be in flight when the machine runs out of descriptors or memory. Pure; time is an
//! argument.

use std::time::Duration;

use tokio::time::Instant;

use super::stock::SHARES;

/// Descriptors that the rest of the program has: journal, watches, the API, standard streams.
const OTHERS: u64 = 36;
/// A file in flight has a connection and, if it is large, itself.
const EACH: u64 = 2;
/// Troubles within this time are one.
const TOGETHER: Duration = Duration::from_secs(1);
/// So long after the last trouble it is tried whether more works again.
const RELIEF: Duration = Duration::from_mins(1);

/// The shares that may be taken, of all workers together.
#[derive(Debug)]
pub(super) struct Squeeze {
    most: usize,
    now: usize,
    relief_at: Option<Instant>,
}

impl Squeeze {
    /// For so many workers, and as many descriptors as the process may have.
    pub fn new(workers: usize, descriptors: Option<u64>) -> Self {
        let fits = descriptors.map_or(u64::MAX, |most| most.saturating_sub(OTHERS) / EACH);
        let fits = usize::try_from(fits).unwrap_or(usize::MAX);
        // less than one worker carries nothing large
        let most = workers.saturating_mul(SHARES).min(fits).max(SHARES);
        Self {
            most,
            now: most,
            relief_at: None,
        }
    }

    /// Shares that may be taken at `now`.
    pub fn capacity(&mut self, now: Instant) -> usize {
        if self.relief_at.is_some_and(|at| at <= now) {
            self.now = (2 * self.now).min(self.most);
            self.relief_at = (self.now < self.most).then(|| now + RELIEF);
        }
        self.now
    }

    /// The machine has run out of something. Returns whether that makes a difference: what runs out
    /// within a second counts once.
    pub fn squeeze(&mut self, now: Instant) -> bool {
        let is_news = self
            .relief_at
            .is_none_or(|at| at + TOGETHER <= now + RELIEF);
        if is_news {
            self.now = (self.now / 2).max(1);
            self.relief_at = Some(now + RELIEF);
        }
        is_news
    }
}

/// As many descriptors as this process may have, after asking for as many as it is allowed to.
pub(super) fn descriptors() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => maximum,
        Err(_) => current,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_descriptors_make_few_workers_but_always_one() {
        let now = Instant::now();
        for (workers, descriptors, want) in [
            (8, Some(1024), 8 * SHARES),
            (8, Some(128), 46),
            (8, Some(40), SHARES),
            (8, Some(0), SHARES),
            (1, None, SHARES),
            (64, None, 64 * SHARES),
        ] {
            let mut squeeze = Squeeze::new(workers, descriptors);
            assert_eq!(squeeze.capacity(now), want, "{workers} {descriptors:?}");
        }
    }

    #[test]
    fn what_runs_out_halves_them_once_and_a_quiet_minute_doubles_them() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut squeeze = Squeeze::new(8, None);
        squeeze.squeeze(start);
        squeeze.squeeze(start);
        assert_eq!(squeeze.capacity(start), 4 * SHARES);
        squeeze.squeeze(start + second);
        assert_eq!(squeeze.capacity(start + second), 2 * SHARES);
        for seconds in 2..20 {
            squeeze.squeeze(start + seconds * second);
        }
        let last = start + 19 * second;
        assert_eq!(squeeze.capacity(last), 1, "one small file at a time");
        assert_eq!(squeeze.capacity(last + RELIEF), 2);
        assert_eq!(squeeze.capacity(last + RELIEF), 2);
        for minute in 2..20 {
            squeeze.capacity(last + minute * RELIEF);
        }
        assert_eq!(squeeze.capacity(last + 20 * RELIEF), 8 * SHARES);
    }
}
