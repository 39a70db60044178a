//! What comes next for a job: a pure question of its state and the time.

use std::time::Duration;

use jiff::Timestamp;

use crate::job::{Job, State};

/// A temporary upload is made just before it is used; one that waited longer is not trusted.
pub(super) const FRESH: Duration = Duration::from_mins(5);

/// The next step for a claimed job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Ask for a temporary upload.
    Reserve,
    /// The temporary upload waited too long: give it back and ask for a new one.
    Renew,
    /// Send bytes, from the start or from where the server is.
    Transfer,
    /// Add it to the table.
    Register,
    /// A registration was begun and its answer is not known: look before repeating it.
    Reconcile,
    /// Redivis reads its rows: ask now and then how far it is.
    Await,
    /// Nothing: what remains to be done with a file in its table is not the engine's.
    Rest,
}

/// What to do with `job` at `now`.
pub(super) fn next(job: &Job, now: Timestamp) -> Step {
    match &job.state {
        State::Queued => Step::Reserve,
        State::Reserved(reservation) => {
            // a clock that went back makes it young, which only costs an answer from the server
            match Duration::try_from(now.duration_since(reservation.at)) {
                Ok(age) if age > FRESH => Step::Renew,
                _ => Step::Transfer,
            }
        }
        // however old the session is: the server decides
        State::Uploading(..) => Step::Transfer,
        State::Uploaded(..) => Step::Register,
        State::Registering(..) => Step::Reconcile,
        State::Importing(..) => Step::Await,
        State::Registered(..)
        | State::Done(..)
        | State::Parked(..)
        | State::Superseded
        | State::Missing => Step::Rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{
        ByteOffset, Fingerprint, HashState, JobId, Kind, Moment, Progress, RemoteId, Reservation,
        SessionUrl, Sums, TempUploadId, TempUrl, Troubles, WatchName,
    };
    use jiff::SignedDuration;

    #[test]
    fn every_state_has_its_next_step() {
        let at = Timestamp::UNIX_EPOCH;
        let reservation = Reservation {
            temp: TempUploadId::new("t"),
            url: TempUrl::new("u"),
            resumable: true,
            at,
        };
        let progress = Progress {
            session: SessionUrl::new("s"),
            opened: Moment::at(at),
            confirmed: ByteOffset::ZERO,
            bound: ByteOffset::ZERO,
            hash: HashState::default(),
        };
        let sums = Sums {
            crc32c: 0,
            md5: None,
        };
        let reserved = State::Queued.reserve(reservation).unwrap();
        let uploading = reserved.clone().open_session(progress).unwrap();
        let uploaded = uploading.clone().complete(sums).unwrap();
        let registering = uploaded.clone().intend(at).unwrap();
        let importing = registering.clone().import(RemoteId::new("r")).unwrap();
        let registered = registering.clone().register(RemoteId::new("r")).unwrap();
        let done = registered.clone().finish().unwrap();
        for (state, age, step) in [
            (State::Queued, 0, Step::Reserve),
            (reserved.clone(), 300, Step::Transfer),
            (reserved.clone(), 301, Step::Renew),
            (reserved, -90_000, Step::Transfer),
            (uploading, 90_000, Step::Transfer),
            (uploaded, 90_000, Step::Register),
            (registering, 0, Step::Reconcile),
            (importing, 90_000, Step::Await),
            (registered, 0, Step::Rest),
            (done, 0, Step::Rest),
        ] {
            let job = Job {
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
                state,
                attempts: 0,
                failing_since: None,
                troubles: Troubles::default(),
            };
            let now = at + SignedDuration::from_secs(age);
            assert_eq!(next(&job, now), step, "{}", job.state.name());
        }
    }
}
