//! Uploads that Redivis has taken in and that its list does not have. It may lag behind, for a while.
//!
//! The while is counted by a clock that nobody sets: if the time of day jumped, what is there would be taken for gone, and
//! set apart. A restart counts anew.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::job::JobId;

/// An upload that the list does not have for so long is gone.
const GONE_AFTER: Duration = Duration::from_hours(1);

/// For so long a list may simply lag behind.
const LATE_AFTER: Duration = Duration::from_mins(1);

/// Since when each is missing.
#[derive(Debug, Default)]
pub(in crate::engine) struct Unlisted(Mutex<HashMap<JobId, Instant>>);

impl Unlisted {
    /// The list has the upload of this job.
    pub fn is_there(&self, job: JobId) {
        self.lock().remove(&job);
    }

    /// Whether the lists have not had it for longer than they lag behind.
    pub fn is_late(&self, job: JobId, now: Instant) -> bool {
        let missing = self.lock();
        let since = missing.get(&job);
        since.is_some_and(|since| now.saturating_duration_since(*since) > LATE_AFTER)
    }

    /// The list that came at `now` does not have it. Whether it has not for so long that it is gone.
    pub fn is_gone(&self, job: JobId, now: Instant) -> bool {
        let mut missing = self.lock();
        let since = *missing.entry(job).or_insert(now);
        let is_gone = now.saturating_duration_since(since) > GONE_AFTER;
        if is_gone {
            missing.remove(&job);
        }
        is_gone
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_is_gone_when_the_list_has_not_had_it_for_an_hour() {
        let unlisted = Unlisted::default();
        let (job, other, began) = (JobId(1), JobId(2), Instant::now());
        let after = |minutes| began + Duration::from_mins(minutes);
        assert!(!unlisted.is_late(job, after(9)));
        assert!(!unlisted.is_gone(job, began));
        assert!(!unlisted.is_late(job, after(1)) && unlisted.is_late(job, after(2)));
        assert!(!unlisted.is_gone(job, after(60)));
        assert!(!unlisted.is_gone(other, after(61)), "each for itself");
        // back in the list for a moment
        unlisted.is_there(job);
        assert!(!unlisted.is_gone(job, after(62)));
        assert!(!unlisted.is_gone(job, after(122)));
        assert!(unlisted.is_gone(job, after(123)));
        assert!(
            !unlisted.is_gone(job, after(124)),
            "another try counts anew"
        );
    }
}
