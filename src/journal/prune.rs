//! Jobs that ended long ago go, with their history. Their receipts stay.
//!
//! A job is also a memory, and nothing that is remembered may be lost with it, or a file that still lies in its drop folder
//! would be sent again. What is remembered of a version that came to be in a table stands in its receipt: that it
//! is known (`known`), what the table has under a name (`versions`), and whose name that is (`names`). All three look
//! there too. So no such job goes without a receipt, whatever lies in the folder; and nobody need look there, where a
//! share that is not mounted looks as if everything were gone. Of a version that was given up, missing or superseded,
//! nothing is remembered but that: seen again, it is taken for new, as it would be with its job. (What Redivis
//! took in of it, if nothing proves that, has gone over to a newer version with its content, and waits with that; or it is
//! in another table than the job's by now, and stays by itself.) What waits for a person is not touched.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::rows::millis;
use super::{Journal, JournalError};

/// Jobs that go in one commit: so few that nobody who waits for his own notices.
const AT_ONCE: u32 = 200;

/// The very words of the index `jobs_ended`.
pub(super) const ENDED: &str = "SELECT id FROM jobs WHERE finished_at IS NOT NULL AND state <> 'parked' AND finished_at < ?1 \
     AND (remote_id IS NULL OR EXISTS (SELECT 1 FROM receipts WHERE receipts.job = jobs.id)) \
     ORDER BY finished_at LIMIT ?2";

impl Journal {
    /// Forgets some of the jobs that were done, superseded or missing before that time, and returns whether there may be
    /// more. Refused while the journal's disk is full: to forget takes room, too.
    pub async fn prune(&self, before: Timestamp) -> Result<bool, JournalError> {
        self.room_for_new_jobs()?;
        self.write(move |connection| prune(connection, before))
            .await
    }
}

fn prune(connection: &Connection, before: Timestamp) -> rusqlite::Result<bool> {
    let mut ended = connection.prepare_cached(ENDED)?;
    let ended = ended.query_map(params![millis(before), AT_ONCE], |row| row.get(0))?;
    let ended: Vec<i64> = ended.collect::<rusqlite::Result<_>>()?;
    let mut imports = connection.prepare_cached(
        "DELETE FROM imports WHERE job = ?1 \
         AND (failed OR table_ref = (SELECT table_ref FROM jobs WHERE id = ?1))",
    )?;
    let mut history = connection.prepare_cached("DELETE FROM history WHERE job = ?1")?;
    let mut jobs = connection.prepare_cached("DELETE FROM jobs WHERE id = ?1")?;
    for id in &ended {
        imports.execute([id])?;
        history.execute([id])?;
        jobs.execute([id])?;
    }
    Ok(ended.len() == AT_ONCE as usize)
}
