//! When a job has failed for too long: a pure question.

use std::time::Duration;

use jiff::Timestamp;

use super::worker::signed;
use crate::job::Job;

/// Between two attempts there is no more than this, whatever the settings. So a job with few attempts cannot
/// have failed for long, although a clock that jumped may say so.
const LONGEST_BETWEEN: Duration = Duration::from_hours(1);

/// Whom a failure concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Concerns {
    /// These jobs.
    These,
    /// Everyone: a server is away, the account is paused. It is no fault of a file, which
    /// is not parked for it, however long it takes.
    Everyone,
}

/// Notes one more failure of the job.
pub(super) fn note_failure(job: &mut Job, concerns: Concerns, now: Timestamp) {
    job.attempts = job.attempts.saturating_add(1);
    match concerns {
        Concerns::These => drop(job.failing_since.get_or_insert(now)),
        // whatever it suffered from before is counted anew when that is over
        Concerns::Everyone => job.failing_since = None,
    }
}

/// Whether a person must look at a job that has failed by itself for longer than `park_after`.
pub(super) fn is_over(job: &Job, park_after: Duration, now: Timestamp) -> bool {
    let Some(since) = job.failing_since else {
        return false;
    };
    let tried_enough = LONGEST_BETWEEN.saturating_mul(job.attempts) > park_after;
    tried_enough && now.duration_since(since) > signed(park_after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Fingerprint, JobId, Kind, State, Troubles, WatchName};
    use jiff::SignedDuration;

    const DAY: Duration = Duration::from_hours(24);

    fn job() -> Job {
        Job {
            id: JobId(1),
            watch: WatchName::new("w"),
            path: "a".into(),
            remote_name: "a".into(),
            table: "t".into(),
            kind: Kind::Files,
            seen: Fingerprint {
                dev: 0,
                ino: 0,
                size: 0,
                mtime_ns: 0,
                ctime_ns: 0,
            },
            state: State::Queued,
            attempts: 0,
            failing_since: None,
            troubles: Troubles::default(),
        }
    }

    #[test]
    fn a_file_is_given_up_for_its_own_failures_only_and_never_by_a_clock() {
        let begin = Timestamp::UNIX_EPOCH;
        let after = |hours| begin + SignedDuration::from_hours(hours);
        let mut job = job();
        for hour in 0..=24 {
            note_failure(&mut job, Concerns::These, after(hour));
            assert!(!is_over(&job, DAY, after(hour)), "hour {hour}");
        }
        assert!(is_over(&job, DAY, after(25)));

        note_failure(&mut job, Concerns::Everyone, after(26));
        assert!(!is_over(&job, DAY, after(1000)), "an outage parks nothing");
        note_failure(&mut job, Concerns::These, after(1000));
        assert!(!is_over(&job, DAY, after(1024)), "counted from its end");
        assert!(is_over(&job, DAY, after(1025)));

        job.attempts = 20;
        assert!(!is_over(&job, DAY, after(500_000)), "the clock jumped");
    }
}
