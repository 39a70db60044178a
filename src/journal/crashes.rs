//! Files that bring the daemon down again and again.
//!
//! A daemon that stops in order lets go of every job. Jobs that are still claimed when the journal is
//! opened were in hand at a crash, and each of them may have been its cause: it is charged with it, and
//! any progress or an orderly failure acquits it. What stays charged is taken up later than
//! everything else and in ever smaller lots, so that the one that does it is soon alone, and is parked:
//!
//! | Crashes in a row | What follows                                               |
//! |------------------|------------------------------------------------------------|
//! | 1, 2             | nothing: power cuts and kills happen                       |
//! | 3                | lots of 125, ten seconds apart, behind all other jobs      |
//! | 4                | lots of 15                                                 |
//! | 5                | alone                                                      |
//! | 6                | parked (`crash-loop`), and all others are acquitted        |
//!
//! A crash leaves no time to write down who was at fault, and a mark before every step would
//! cost every file a commit; this costs nothing until there is a crash.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, named_params};

use super::record::{Entry, Hold, apply};
use super::rows::{JOB_COLUMNS, job, millis};
use crate::job::{Job, ParkReason, printable};

/// So many crashes in a row are no accident.
const SUSPICIOUS: u32 = 3;
/// After so many the job was alone in hand, the last time at least.
const CULPRIT: u32 = 6;
/// Jobs that can be in hand at once, about.
const MOST: u32 = 1000;
/// Between two lots: longer than most crashes need to happen.
const APART: SignedDuration = SignedDuration::from_secs(10);

/// Frees what a daemon that crashed had in hand, and charges it with that. Returns how many jobs that
/// were; a second call finds none.
pub(super) fn charge(connection: &Connection) -> rusqlite::Result<usize> {
    connection.execute(
        "UPDATE jobs SET claimed = 0, crashes = crashes + 1 WHERE claimed = 1",
        [],
    )
}

/// An orderly stop: nobody is to be charged.
pub(super) fn release(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .execute("UPDATE jobs SET claimed = 0 WHERE claimed = 1", [])
        .map(drop)
}

/// Parks the culprit, or sets the suspects apart; after an orderly stop only those on probation.
pub(super) fn isolate(
    connection: &Connection,
    orderly: bool,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let suspicious = if orderly { ON_PROBATION } else { SUSPICIOUS };
    let culprits = culprits(connection)?;
    for culprit in &culprits {
        park(connection, culprit, now)?;
    }
    if culprits.is_empty() {
        set_apart(connection, suspicious, now)
    } else {
        acquit(connection)
    }
}

/// The crashes that a job begins its next life with after a person asked for it: one more, and it is
/// parked again.
pub(super) const ON_PROBATION: u32 = CULPRIT - 1;

/// What is registered cannot be parked: only its source remains to be dealt with.
fn culprits(connection: &Connection) -> rusqlite::Result<Vec<Job>> {
    let sql = format!(
        "SELECT {JOB_COLUMNS} FROM jobs WHERE crashes >= {CULPRIT} AND finished_at IS NULL \
         AND state <> 'importing' AND state <> 'registered'"
    );
    let mut statement = connection.prepare(&sql)?;
    statement.query_map([], job)?.collect()
}

fn park(connection: &Connection, culprit: &Job, now: Timestamp) -> rusqlite::Result<()> {
    let why = format!(
        "the daemon crashed {CULPRIT} times in a row while it had this file in hand; the file is held \
         back so that the others go on, and is tried again, alone, after the next orderly restart"
    );
    let path = printable(&culprit.path);
    let from = culprit.state.name();
    let mut job = culprit.clone();
    match job.state.park(ParkReason::CrashLoop) {
        Ok(parked) => job.state = parked,
        // the query leaves out the only state in which this can happen
        Err(_) => return Ok(()),
    }
    tracing::error!(job = %job.id, watch = %job.watch, %path, why, "a file needs a person");
    let entry = Entry {
        job,
        from,
        hold: Hold::Keep,
        error: Some(why.clone()),
        note: why,
    };
    apply(connection, &entry, now).map(drop)
}

fn acquit(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .execute(
            "UPDATE jobs SET crashes = 0, next_attempt_at = iif(attempts = 0, 0, next_attempt_at) \
             WHERE crashes > 0 AND finished_at IS NULL",
            [],
        )
        .map(drop)
}

fn set_apart(connection: &Connection, suspicious: u32, now: Timestamp) -> rusqlite::Result<()> {
    let mut suspects = connection.prepare(
        "SELECT id, crashes FROM jobs WHERE crashes >= :crashes AND finished_at IS NULL \
         ORDER BY crashes DESC, id",
    )?;
    let suspects = suspects.query_map(named_params! { ":crashes": suspicious }, |row| {
        Ok((row.get::<_, i64>("id")?, row.get::<_, u32>("crashes")?))
    })?;
    let mut lots = Lots::default();
    let mut postpone = connection
        .prepare("UPDATE jobs SET next_attempt_at = max(next_attempt_at, :at) WHERE id = :id")?;
    for suspect in suspects {
        let (id, crashes) = suspect?;
        let at = now + APART * lots.number_for(crashes);
        postpone.execute(named_params! { ":id": id, ":at": millis(at) })?;
    }
    Ok(())
}

/// Deals suspects out to lots, the most suspicious first.
#[derive(Debug, Default)]
struct Lots {
    /// Of the lot that is being filled, from 1.
    number: i32,
    crashes: u32,
    room: u32,
}

impl Lots {
    fn number_for(&mut self, crashes: u32) -> i32 {
        if self.room == 0 || self.crashes != crashes {
            self.number = self.number.saturating_add(1);
            self.crashes = crashes;
            self.room = size(crashes);
        }
        self.room -= 1;
        self.number
    }
}

/// How many jobs with so many crashes may be in hand together: an eighth as many for each crash more.
fn size(crashes: u32) -> u32 {
    let more = crashes.saturating_sub(SUSPICIOUS - 1).min(10);
    (MOST >> (3 * more)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lots_shrink_to_one_before_a_job_is_parked() {
        let sizes: Vec<_> = (SUSPICIOUS..CULPRIT).map(size).collect();
        assert_eq!(sizes, [125, 15, 1]);
        assert_eq!(size(u32::MAX), 1);
    }

    #[test]
    fn suspects_are_dealt_out_by_how_suspicious_they_are() {
        let mut lots = Lots::default();
        let mut numbers = Vec::new();
        for (crashes, jobs) in [(5, 2), (4, 16), (3, 126)] {
            for _ in 0..jobs {
                numbers.push(lots.number_for(crashes));
            }
        }
        let want = [vec![1, 2], vec![3; 15], vec![4], vec![5; 125], vec![6]].concat();
        assert_eq!(numbers, want);
    }
}
