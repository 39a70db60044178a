//! Recording what became of a claimed job.

use std::sync::Arc;

use jiff::Timestamp;

use super::enqueue::note;
use super::rows::{Standing, update};
use super::{Journal, JournalError, imported, receipts};
use crate::crash_point::{self, Write};
use crate::job::{Job, StateName};

/// Whether the job stays with its worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// The worker goes on with it.
    Keep,
    /// Anyone may claim it from this time on.
    Until(Timestamp),
}

/// A move to record.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The job, already in its new state.
    pub job: Job,
    /// The state that the journal must have it in.
    pub from: StateName,
    /// Who has it next.
    pub hold: Hold,
    /// What failed, for people; `None` clears it.
    pub error: Option<String>,
    /// A line for the job's history; empty writes none unless the state's name changes.
    pub note: String,
}

impl Journal {
    /// Records a move. `false`: the job is no longer in the expected state (superseded meanwhile);
    /// it is left alone, and the worker must drop it.
    pub async fn record(&self, entry: Entry, now: Timestamp) -> Result<bool, JournalError> {
        self.write(move |connection| apply(connection, &entry, now))
            .await
    }

    /// Records the moves of several jobs in one commit, tells of those that are in their table now, and returns the jobs whose moves were applied.
    pub async fn record_all(
        &self,
        entries: Vec<Entry>,
        now: Timestamp,
    ) -> Result<Vec<Job>, JournalError> {
        let entries = Arc::new(entries);
        let writing = Arc::clone(&entries);
        let applied = self.write(move |connection| {
            let each = writing.iter().map(|entry| apply(connection, entry, now));
            each.collect::<rusqlite::Result<Vec<_>>>()
        });
        let applied = applied.await?;
        // the writer has let go of them
        let entries = Arc::try_unwrap(entries).unwrap_or_else(|entries| (*entries).clone());
        let applied = entries
            .into_iter()
            .zip(applied)
            .filter(|(_, applied)| *applied);
        let jobs: Vec<Job> = applied.map(|(entry, _)| entry.job).collect();
        let in_table = |job: &Job| job.state.name() == StateName::Registered;
        if jobs.iter().any(in_table) {
            self.registered.send_replace(());
        }
        Ok(jobs)
    }
}

pub(super) fn apply(
    connection: &rusqlite::Connection,
    entry: &Entry,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let Entry {
        job,
        from,
        hold,
        error,
        note: text,
    } = entry;
    let next_attempt_at = match hold {
        Hold::Keep => None,
        Hold::Until(at) => Some(*at),
    };
    let applied = update(
        connection,
        &job.state,
        &Standing {
            id: job.id,
            expected: *from,
            attempts: job.attempts,
            failing_since: job.failing_since,
            next_attempt_at,
            error: error.as_deref(),
            troubles: job.troubles,
            claimed: *hold == Hold::Keep,
            now,
        },
    )?;
    let name = job.state.name();
    // an import has an address too, and no rows yet
    let in_table = matches!(name, StateName::Registered | StateName::Done);
    if applied && in_table && *from != StateName::Registered {
        receipts::give(connection, job.id, now)?;
    }
    if applied {
        imported::follow(connection, job, *from)?;
    }
    if let Some(write) = durable(*from, name, *hold).filter(|_| applied) {
        crash_point::writing(write);
    }
    if applied && (name != *from || !text.is_empty()) {
        note(connection, job.id.0, now, name.as_str(), text)?;
    }
    Ok(applied)
}

/// Which of the writes that matter for a crash this move is.
fn durable(from: StateName, to: StateName, hold: Hold) -> Option<Write> {
    Some(match (from, to) {
        (StateName::Registering, StateName::Importing) => Write::IMPORT,
        (StateName::Registered, StateName::Registered) => return None,
        (_, StateName::Registered) => Write::REGISTER,
        _ if hold != Hold::Keep => Write::GIVE_BACK,
        (_, StateName::Reserved) => Write::RESERVE,
        (StateName::Uploading, StateName::Uploading) => Write::CONFIRM,
        (_, StateName::Uploading) => Write::SESSION,
        (StateName::Registering, StateName::Uploaded) => Write::WITHDRAW,
        (_, StateName::Uploaded) => Write::STORE,
        (_, StateName::Registering) => Write::INTEND,
        (_, StateName::Done) => Write::REGISTER,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row that named the wrong point would fail nothing but the kill loop's search of its windows: it would
    /// kill elsewhere, and find all well.
    #[test]
    fn each_write_that_matters_for_a_crash_has_its_points() {
        use StateName::{
            Done, Importing, Missing, Parked, Queued, Registered, Registering, Reserved,
            Superseded, Uploaded, Uploading,
        };
        for (from, to, want) in [
            (Queued, Reserved, Some(Write::RESERVE)),
            (Uploading, Reserved, Some(Write::RESERVE)),
            (Reserved, Uploading, Some(Write::SESSION)),
            (Uploading, Uploading, Some(Write::CONFIRM)),
            (Uploading, Uploaded, Some(Write::STORE)),
            (Reserved, Uploaded, Some(Write::STORE)),
            (Registering, Uploaded, Some(Write::WITHDRAW)),
            (Uploaded, Registering, Some(Write::INTEND)),
            (Registering, Registering, Some(Write::INTEND)),
            (Registering, Importing, Some(Write::IMPORT)),
            (Importing, Done, Some(Write::REGISTER)),
            (Importing, Parked, None),
            (Registered, Done, Some(Write::REGISTER)),
            (Registering, Done, Some(Write::REGISTER)),
            (Queued, Parked, None),
            (Queued, Missing, None),
            (Uploading, Superseded, None),
        ] {
            assert_eq!(durable(from, to, Hold::Keep), want, "{from} to {to}");
            let later = Hold::Until(Timestamp::UNIX_EPOCH);
            let back = Some(Write::GIVE_BACK);
            // an import is nobody's while Redivis works on it
            let back = if to == Importing { want } else { back };
            assert_eq!(durable(from, to, later), back, "{from} to {to}, given back");
        }
        for from in [Queued, Registering] {
            let later = Hold::Until(Timestamp::UNIX_EPOCH);
            let let_go = durable(from, Registered, later);
            assert_eq!(let_go, Some(Write::REGISTER), "{from} to registered");
        }
    }
}
