//! What the journal knows of other versions of a file.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension as _, params};

use super::listings::{Held, listed};
use super::rows::path_bytes;
use super::{Journal, JournalError};
use crate::job::{Job, JobId, Md5, RemoteId, StateName};

/// The version of a file that was registered last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    /// In the table.
    pub remote: RemoteId,
    /// Bytes.
    pub size: u64,
    /// Of its bytes; `None` if only their CRC32C was taken.
    pub md5: Option<Md5>,
}

/// What is known of the version under a job's name that is in the table, or comes to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Last {
    /// It is there.
    InTable(Before),
    /// None of ours is, but the table held one, or what may be one, when it was listed.
    Listed(Held),
    /// Redivis has taken it in, and nothing proves what came of it: its rows may be there.
    Unproven(Before),
    /// It is stored and about to be registered, or being imported: what the job is to be held against is not there yet.
    UnderWay,
}

/// The last version that is in the table or may come to be. No two files share a name, but one that was moved may
/// keep it. Of one whose job was pruned there is the receipt. What nothing proves stands for itself, also when its job was
/// superseded since, or begins anew.
const LAST: &str = "SELECT * FROM (SELECT id, remote_id, size, md5, state, 0 AS unproven FROM jobs WHERE table_ref = ?1 \
     AND remote_name = ?2 AND id <> ?3 AND state <> 'missing' AND state <> 'superseded' AND (remote_id IS NOT NULL \
     OR state = 'uploaded' OR intent IS NOT NULL) ORDER BY id DESC LIMIT 1) \
     UNION ALL SELECT * FROM (SELECT job, remote_id, size, md5, 'done', 0 FROM receipts WHERE table_ref = ?1 \
     AND remote_name = ?2 AND job <> ?3 ORDER BY job DESC LIMIT 1) \
     UNION ALL SELECT * FROM (SELECT job, uri, size, md5, 'parked', 1 FROM imports WHERE table_ref = ?1 \
     AND remote_name = ?2 AND failed = 0 ORDER BY job DESC LIMIT 1) ORDER BY id DESC, unproven LIMIT 1";

const SUPERSEDED: &str = "SELECT 1 FROM jobs WHERE id = ?1 AND state = 'superseded'";

const OTHERS: &str = "SELECT remote_id FROM receipts WHERE table_ref = ?1 AND remote_name = ?2 AND job <> ?3 \
     UNION ALL SELECT uri FROM imports WHERE table_ref = ?1 AND remote_name = ?2 AND job <> ?3";

const NEWER: &str = "SELECT 1 FROM jobs WHERE watch = ?1 AND path = ?2 AND id > ?3 \
     AND state <> 'missing' AND state <> 'superseded' \
     UNION ALL SELECT 1 FROM receipts WHERE watch = ?1 AND path = ?2 AND job > ?3 LIMIT 1";

impl Journal {
    /// Those of the jobs whose file was registered before, by the same name in the same table, or is about to be, or
    /// of which the table's listing has the name, or which Redivis has taken in without a proof. Not
    /// those of which another version waits for a person after it was stored: it may be in the table or not.
    pub async fn last(&self, jobs: &[Job]) -> Result<HashMap<JobId, Last>, JournalError> {
        self.last_by(jobs, last).await
    }

    /// As [`Journal::last`], but what is in the table is taken from its listing alone: what was registered may have
    /// been removed since.
    pub async fn last_listed(&self, jobs: &[Job]) -> Result<HashMap<JobId, Last>, JournalError> {
        self.last_by(jobs, |connection, job| match last(connection, job)? {
            Some(Last::InTable(before)) => {
                let held = listed(connection, job)?;
                Ok(held.map(|held| Last::Listed(only(&before, held))))
            }
            other => Ok(other),
        })
        .await
    }

    async fn last_by(
        &self,
        jobs: &[Job],
        look_up: impl Fn(&Connection, &Job) -> rusqlite::Result<Option<Last>> + Send + 'static,
    ) -> Result<HashMap<JobId, Last>, JournalError> {
        let jobs: Vec<Job> = jobs.to_vec();
        self.write(move |connection| {
            let found = jobs.iter().filter_map(|job| {
                let found = look_up(connection, job).transpose()?;
                Some(found.map(|last| (job.id, last)))
            });
            found.collect()
        })
        .await
    }

    /// Those of the jobs that were superseded since they were claimed.
    pub async fn superseded(&self, jobs: &[Job]) -> Result<HashSet<JobId>, JournalError> {
        let ids: Vec<JobId> = jobs.iter().map(|job| job.id).collect();
        self.write(move |connection| {
            let mut statement = connection.prepare_cached(SUPERSEDED)?;
            let mut superseded = HashSet::new();
            for id in &ids {
                if statement.exists([id.0])? {
                    superseded.insert(*id);
                }
            }
            Ok(superseded)
        })
        .await
    }

    /// The rows of the jobs' tables under their names that other jobs have put there: what was changed and changed back has
    /// the content of one of them, and is not it.
    pub async fn rows_of_others(&self, jobs: &[Job]) -> Result<HashSet<RemoteId>, JournalError> {
        let jobs: Vec<Job> = jobs.to_vec();
        self.write(move |connection| {
            let mut statement = connection.prepare_cached(OTHERS)?;
            let mut others = HashSet::new();
            for job in &jobs {
                let place = params![job.table, job.remote_name, job.id.0];
                let rows = statement.query_map(place, |row| row.get::<_, String>(0))?;
                for row in rows {
                    others.insert(RemoteId::new(row?));
                }
            }
            Ok(others)
        })
        .await
    }

    /// Those of the jobs of whose file there is a newer version.
    pub async fn outdated(&self, jobs: &[Job]) -> Result<HashSet<JobId>, JournalError> {
        let jobs: Vec<Job> = jobs.to_vec();
        self.write(move |connection| {
            let mut statement = connection.prepare_cached(NEWER)?;
            let mut outdated = HashSet::new();
            for job in &jobs {
                let place = params![job.watch.as_str(), path_bytes(&job.path), job.id.0];
                if statement.exists(place)? {
                    outdated.insert(job.id);
                }
            }
            Ok(outdated)
        })
        .await
    }
}

fn last(connection: &Connection, job: &Job) -> rusqlite::Result<Option<Last>> {
    let mut statement = connection.prepare_cached(LAST)?;
    let place = params![job.table, job.remote_name, job.id.0];
    let row = statement.query_row(place, |row| {
        let state = row.get::<_, String>("state")?;
        if state == StateName::Importing.as_str() {
            return Ok(Some(Last::UnderWay));
        }
        let Some(remote) = row.get::<_, Option<String>>("remote_id")? else {
            let parked = state == StateName::Parked.as_str();
            return Ok((!parked).then_some(Last::UnderWay));
        };
        let before = Before {
            remote: RemoteId::new(remote),
            size: row.get::<_, i64>("size")?.unsigned_abs(),
            md5: row.get::<_, Option<[u8; 16]>>("md5")?.map(Md5),
        };
        Ok(Some(if row.get("unproven")? {
            Last::Unproven(before)
        } else {
            Last::InTable(before)
        }))
    });
    match row.optional()? {
        Some(ours) => Ok(ours),
        None => last_listed(connection, job),
    }
}

fn last_listed(connection: &Connection, job: &Job) -> rusqlite::Result<Option<Last>> {
    Ok(listed(connection, job)?.map(Last::Listed))
}

/// Of what a table held, the last that was registered from here, if it is still there: what came before that, under
/// whatever number, is not what the file was last.
fn only(last: &Before, held: Held) -> Held {
    let row = held.all().find(|before| before.remote == last.remote);
    match row.cloned() {
        Some(row) => Held {
            so_named: Some(row),
            numbered: Vec::new(),
            at: held.at,
        },
        None => held,
    }
}
