//! A refused batch: is it one file, or the table?
//!
//! A batch is halved until a refused file stands alone. The table is believed to be the reason when its
//! status says so, when several files in a row are refused with the same words, or when the words
//! speak of the table and no file was taken. Then no file is blamed.

use super::batch::{self, Destination, Outcome};
use super::destinations::{names_the_table, speaks_of_the_table};
use super::{Recorded, Shared};
use crate::job::{Job, ParkReason};
use crate::redivis::ApiError;

/// So many files refused alone with the same words: it is the table, not the files.
const SAME: usize = 3;

/// What was refused in one step, for one table.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// Files that were refused alone.
    alone: Vec<(Job, ApiError)>,
    taken: bool,
    /// Why the table takes nothing, once that is certain.
    closed: Option<ApiError>,
}

/// What to do with a refused batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Try these two, one after the other.
    Halves(Vec<Job>, Vec<Job>),
    /// The file is noted.
    Noted,
    /// The table takes nothing: leave these, and all others.
    Leave(Vec<Job>),
}

impl Refusals {
    /// The table has taken something: refusals are about files.
    pub fn taken(&mut self) {
        self.taken = true;
    }

    /// Whether it is certain that the table takes nothing.
    pub fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    /// A batch was refused. `doubtful`: "not found" may speak of what the batch refers to.
    pub fn refused(&mut self, mut jobs: Vec<Job>, error: &ApiError, doubtful: bool) -> Next {
        if names_the_table(error) && !doubtful {
            self.closed = Some(error.clone());
            return Next::Leave(jobs);
        }
        if jobs.len() > 1 {
            let second = jobs.split_off(jobs.len() / 2);
            return Next::Halves(jobs, second);
        }
        let alone = jobs.into_iter().map(|job| (job, error.clone()));
        self.alone.extend(alone);
        let mut last = self.alone.iter().rev().map(|(_, error)| error);
        let same = last.by_ref().take_while(|last| *last == error).count();
        if same >= SAME && !self.taken {
            self.closed = Some(error.clone());
        }
        Next::Noted
    }

    /// Closes the table, or parks the files that it refuses.
    pub async fn conclude(
        mut self,
        shared: &Shared,
        table: &str,
        outcome: &mut Outcome,
    ) -> Recorded<()> {
        if !self.taken && self.closed.is_none() {
            let words = self.alone.first().map(|(_, error)| error);
            self.closed = words.filter(|error| speaks_of_the_table(error)).cloned();
        }
        if let Some(error) = self.closed {
            outcome
                .kept
                .extend(self.alone.into_iter().map(|(job, _)| job));
            let why = error.to_string();
            outcome.destination = Some(Destination::Refuses(table.to_owned(), why));
            return Ok(());
        }
        if self.taken {
            outcome.destination = Some(Destination::Takes(table.to_owned()));
        }
        for (job, error) in self.alone {
            let why = error.to_string();
            batch::park(shared, vec![job], ParkReason::Refused, &why).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::stock::tests::job;

    fn error(status: u16, text: &str) -> ApiError {
        ApiError::Refused {
            status,
            code: None,
            text: text.into(),
        }
    }

    fn jobs(count: i64) -> Vec<Job> {
        (0..count).map(|id| job(id, "t", "x", 1)).collect()
    }

    #[test]
    fn a_bad_file_is_looked_for_by_halving() {
        let mut refusals = Refusals::default();
        let bad = error(400, "bad name");
        let Next::Halves(first, second) = refusals.refused(jobs(5), &bad, false) else {
            panic!("not halved");
        };
        assert_eq!((first.len(), second.len()), (2, 3));
        assert_eq!(refusals.refused(jobs(1), &bad, false), Next::Noted);
        assert!(!refusals.is_closed());
    }

    #[test]
    fn a_table_that_takes_none_is_soon_believed() {
        let bad = error(400, "no");
        let mut refusals = Refusals::default();
        for _ in 1..SAME {
            refusals.refused(jobs(1), &bad, false);
            assert!(!refusals.is_closed());
        }
        refusals.refused(jobs(1), &error(400, "other words"), false);
        assert!(!refusals.is_closed());
        for _ in 0..SAME {
            refusals.refused(jobs(1), &bad, false);
        }
        assert!(refusals.is_closed());
        // one that took something is open, however many bad files there are
        let mut refusals = Refusals::default();
        refusals.taken();
        for _ in 0..2 * SAME {
            refusals.refused(jobs(1), &bad, false);
        }
        assert!(!refusals.is_closed());
    }

    #[test]
    fn a_missing_table_is_believed_at_once() {
        let mut refusals = Refusals::default();
        let missing = error(404, "not found");
        let next = refusals.refused(jobs(1000), &missing, true);
        assert!(matches!(next, Next::Halves(..)), "of what?");
        assert!(!refusals.is_closed());
        let next = refusals.refused(jobs(1000), &missing, false);
        assert!(matches!(next, Next::Leave(jobs) if jobs.len() == 1000));
        assert!(refusals.is_closed());
    }
}
