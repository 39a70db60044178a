//! One job in hand: moving it, recording the move, giving it back.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::patience::{self, Concerns};
use super::{Recorded, Shared, retry};
use crate::job::{IllegalMove, Job, ParkReason, State, StateName, Sums, printable};
use crate::journal::{Entry, Hold, JournalError};
use crate::redivis::Lost;
use crate::transfer::Discrepancy;

/// Until something is tried again for which the machine had too little.
const SCARCE: Duration = Duration::from_secs(1);

/// A claimed job and the means to carry it on.
pub(super) struct Worker {
    pub shared: Arc<Shared>,
    pub job: Job,
}

/// What became of a job that a worker had.
#[derive(Debug)]
pub(super) enum Left {
    /// All bytes are stored and proven; it is to be registered. With sums, that is not recorded
    /// yet: it will be, together with the intent to register it.
    Stored(Box<Job>, Option<Sums>),
    /// Given back: may go on from this time. The failure may concern everyone.
    Until(Timestamp, Trouble),
    /// Nothing more to do for it here.
    Over,
}

/// Whether a failure concerns only this job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Only this job.
    Own,
    /// This machine has run out of descriptors or memory: fewer should be tried at once.
    Machine,
    /// The upload server cannot be reached or is overloaded: others need not try for a while.
    UploadServer(String, Option<Duration>),
}

impl Trouble {
    /// Of a request without an answer.
    pub fn of_lost(lost: Lost) -> Self {
        if lost.exhausted {
            Self::Machine
        } else if lost.source {
            Self::Own
        } else {
            Self::UploadServer(lost.why, None)
        }
    }
}

impl Worker {
    /// Makes a move and records it; the job stays in hand. `false`: the journal no longer had it
    /// in that state (a newer version took over), and it must be dropped.
    pub async fn advance(
        &mut self,
        step: impl FnOnce(State) -> Result<State, IllegalMove>,
        note: &str,
    ) -> Recorded<bool> {
        self.make(step, Hold::Keep, None, note).await
    }

    /// As [`Worker::advance`], and the troubles so far are over.
    pub async fn progress(
        &mut self,
        step: impl FnOnce(State) -> Result<State, IllegalMove>,
        note: &str,
    ) -> Recorded<bool> {
        self.forget_failures();
        self.make(step, Hold::Keep, None, note).await
    }

    /// Something went forward: failures are counted anew.
    pub fn forget_failures(&mut self) {
        self.job.attempts = 0;
        self.job.failing_since = None;
    }

    /// All bytes of a plain upload are stored and proven. That is cheap to do again, so it is recorded
    /// together with many others, before they are registered.
    pub fn stored_unrecorded(mut self, sums: Sums) -> Left {
        self.forget_failures();
        Left::Stored(Box::new(self.job), Some(sums))
    }

    /// The server has something else than was sent.
    pub fn tell_discrepancy(&self, discrepancy: &Discrepancy) {
        let path = printable(&self.job.path);
        tracing::error!(job = %self.job.id, watch = %self.job.watch, %path, %discrepancy, "the upload server stored something else");
    }

    /// As [`Worker::progress`], but the caller records it, by [`Worker::entry`].
    pub fn progress_unrecorded(
        &mut self,
        step: impl FnOnce(State) -> Result<State, IllegalMove>,
    ) -> Recorded<()> {
        self.forget_failures();
        self.job.state = step(self.job.state.clone()).map_err(|illegal| impossible(&illegal))?;
        Ok(())
    }

    /// What records the job as it is now, staying in hand.
    pub fn entry(&self, from: StateName) -> Entry {
        Entry {
            job: self.job.clone(),
            from,
            hold: Hold::Keep,
            error: None,
            note: String::new(),
        }
    }

    /// Makes a last move: parked, superseded, missing.
    pub async fn end(
        &mut self,
        step: impl FnOnce(State) -> Result<State, IllegalMove>,
        why: &str,
    ) -> Recorded<Left> {
        let path = printable(&self.job.path);
        let before = self.job.state.name();
        self.make(step, Hold::Keep, Some(why.to_owned()), why)
            .await?;
        let after = self.job.state.name();
        tracing::warn!(job = %self.job.id, watch = %self.job.watch, %path, %before, %after, why, "a file was not uploaded");
        Ok(Left::Over)
    }

    /// Gives the job back after a failure, parked if it has failed for too long.
    pub async fn back_off(
        &mut self,
        step: impl FnOnce(State) -> Result<State, IllegalMove>,
        why: &str,
        wait: Option<Duration>,
        trouble: Trouble,
    ) -> Recorded<Left> {
        let now = self.shared.now();
        if trouble == Trouble::Machine {
            // nobody's failure, least of all this file's
            let until = now + signed(SCARCE);
            self.make(step, Hold::Until(until), None, why).await?;
            return Ok(Left::Until(until, trouble));
        }
        let concerns = match trouble {
            // a server that takes nothing from anyone is no fault of this file
            Trouble::UploadServer(..) if !self.shared.uploads.is_known_well() => Concerns::Everyone,
            _ => Concerns::These,
        };
        patience::note_failure(&mut self.job, concerns, now);
        if patience::is_over(&self.job, self.shared.retry.park_after, now) {
            let since = self.job.failing_since.unwrap_or(now);
            let text = format!("no progress since {since}; the last failure: {why}");
            return self
                .end(|state| state.park(ParkReason::GaveUp), &text)
                .await;
        }
        let own = retry::delay(self.shared.retry, self.job.attempts, self.shared.chance());
        // "at once" from a server that just failed would be a busy loop
        let delay = own.max(wait.unwrap_or_default());
        let until = now + signed(delay);
        let path = printable(&self.job.path);
        tracing::info!(job = %self.job.id, watch = %self.job.watch, %path, attempt = self.job.attempts, ?delay, why, "will try again");
        self.make(step, Hold::Until(until), Some(why.to_owned()), why)
            .await?;
        Ok(Left::Until(until, trouble))
    }

    async fn make(
        &mut self,
        step: impl FnOnce(State) -> Result<State, IllegalMove>,
        hold: Hold,
        error: Option<String>,
        note: &str,
    ) -> Recorded<bool> {
        let from = self.job.state.name();
        self.job.state = step(self.job.state.clone()).map_err(|illegal| impossible(&illegal))?;
        let entry = Entry {
            hold,
            error,
            note: note.to_owned(),
            ..self.entry(from)
        };
        let now = self.shared.now();
        self.shared.journal.record(entry, now).await
    }
}

/// A move that the state machine forbids is a mistake in this program: nothing was recorded.
pub(super) fn impossible(illegal: &IllegalMove) -> JournalError {
    JournalError::Rejected(illegal.to_string())
}

/// Delays come from the configuration and are years at most.
pub(super) fn signed(delay: Duration) -> SignedDuration {
    SignedDuration::try_from(delay).unwrap_or(SignedDuration::MAX)
}
