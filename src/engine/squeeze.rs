//! How many files may be in flight when the machine runs out of descriptors or memory. Pure; time is an
//! argument.

use std::time::Duration;

use tokio::time::Instant;

use super::stock::SHARES;

/// Descriptors that the rest of the program has: journal, watches, the API, standard streams.
const OTHERS: u64 = 32;
/// A file in flight has a connection and, if it is large, itself.
const EACH: u64 = 2;
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

    /// The machine has run out of something.
    pub fn squeeze(&mut self, now: Instant) {
        // what runs out together counts once
        if self.relief_at.is_none_or(|at| at < now + RELIEF) {
            self.now = (self.now / 2).max(SHARES);
        }
        self.relief_at = Some(now + RELIEF);
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
            (8, Some(128), 48),
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
        for _ in 0..9 {
            squeeze.squeeze(start + 2 * second);
        }
        assert_eq!(squeeze.capacity(start + 2 * second), SHARES);
        let later = start + 2 * second + RELIEF;
        assert_eq!(squeeze.capacity(later), 2 * SHARES);
        assert_eq!(squeeze.capacity(later), 2 * SHARES);
        assert_eq!(squeeze.capacity(later + RELIEF), 4 * SHARES);
        assert_eq!(squeeze.capacity(later + 9 * RELIEF), 8 * SHARES);
    }
}
