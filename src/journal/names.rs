//! Who goes by a name into a table: one file, and its versions.
//!
//! Two files of one name would be two versions of one to whoever looks at the table. So a name belongs to the
//! file that was recorded with it last and was not given up, and another one is parked. A file that was
//! moved and keeps its name is still the same.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, named_params, params};

use super::enqueue::note;
use super::home::was_carried;
use super::rows::{JOB_COLUMNS, fingerprint, job, millis, path};
use super::start::Configured;
use crate::job::{Fingerprint, ParkReason, Sighting, StateName, WatchName, printable};

/// How a file stands to a name.
pub(super) enum Standing {
    /// Nobody has it, or an earlier version of the file does.
    Free,
    /// The file had it at another path, in this job.
    Moved(i64),
    /// Another file has it; which one, for people.
    Taken(String),
}

/// The newest job of the name that is, or may come to be, in the table, or the receipt of one that was pruned.
const HOLDER: &str = "SELECT * FROM (SELECT id, watch, path, dev, ino, size, mtime_ns, ctime_ns FROM jobs \
     WHERE table_ref = :table AND remote_name = :name AND id <> :self \
     AND state <> 'missing' AND state <> 'superseded' \
     AND NOT (state = 'parked' AND intent IS NULL AND (reason = :collision OR reason = :orphan)) \
     ORDER BY id DESC LIMIT 1) \
     UNION ALL SELECT * FROM (SELECT job, watch, path, dev, ino, size, mtime_ns, ctime_ns FROM receipts \
     WHERE table_ref = :table AND remote_name = :name AND job <> :self ORDER BY job DESC LIMIT 1) \
     ORDER BY id DESC LIMIT 1";

/// A file and the name that it is to have.
pub(super) struct Wish<'a> {
    pub watch: &'a WatchName,
    pub table: &'a str,
    pub name: &'a str,
    pub file: &'a Sighting,
    /// Its job, if it has one already.
    pub job: i64,
}

impl Wish<'_> {
    /// Asks whether the file may have the name.
    pub fn standing(&self, connection: &Connection) -> rusqlite::Result<Standing> {
        let mut holder = connection.prepare_cached(HOLDER)?;
        let wanted = named_params! {
            ":table": self.table,
            ":name": self.name,
            ":self": self.job,
            ":collision": ParkReason::NameCollision.code(),
            ":orphan": ParkReason::NoWatch.code(),
        };
        let holder = holder.query_row(wanted, |row| {
            let watch = WatchName::new(row.get::<_, String>("watch")?);
            Ok((row.get("id")?, watch, path(row)?, fingerprint(row)?))
        });
        Ok(match holder.optional()? {
            None => Standing::Free,
            Some((_, watch, path, _)) if watch == *self.watch && path == self.file.path => {
                Standing::Free
            }
            Some((id, _, _, seen)) if is_same(&seen, &self.file.seen) => Standing::Moved(id),
            Some((id, watch, path, _)) => Standing::Taken(self.text(id, &watch, &path)),
        })
    }

    fn text(&self, holder: i64, watch: &WatchName, path: &Path) -> String {
        format!(
            "{} of the watch `{}` would be {:?} in {}, and so is {} of the watch `{watch}` (job {holder}); rename one \
             of them, or tell them apart by `remote_name`, and restart or reload",
            printable(&self.file.path),
            self.watch,
            self.name,
            self.table,
            printable(path),
        )
    }
}

/// The change time is another one after a file was moved.
fn is_same(one: &Fingerprint, other: &Fingerprint) -> bool {
    let ctime_ns = other.ctime_ns;
    Fingerprint { ctime_ns, ..*one } == *other
}

/// A job that begins anew is of the kind that its watch has now.
const RENAME: &str = "UPDATE jobs SET table_ref = ?2, remote_name = ?3, kind = ?4 WHERE id = ?1";

/// Gives a job that begins anew the name that is configured now, or parks it; or ends it, if its file was carried there
/// before.
pub(super) fn rename(
    connection: &Connection,
    id: i64,
    watch: &Configured,
    now: Timestamp,
) -> rusqlite::Result<()> {
    if was_carried(connection, id, watch, now)? {
        return Ok(());
    }
    let sql = format!("SELECT {JOB_COLUMNS} FROM jobs WHERE id = ?1");
    let job = connection.prepare_cached(&sql)?.query_row([id], job)?;
    let file = Sighting {
        path: job.path,
        seen: job.seen,
    };
    let name = watch.naming.name(&file);
    connection.prepare_cached(RENAME)?.execute(params![
        id,
        watch.table,
        name,
        watch.kind.as_str()
    ])?;
    let wish = Wish {
        watch: &job.watch,
        table: &watch.table,
        name: &name,
        file: &file,
        job: id,
    };
    let Standing::Taken(why) = wish.standing(connection)? else {
        return Ok(());
    };
    let mut park = connection.prepare_cached(
        "UPDATE jobs SET state = 'parked', reason = ?2, error = ?3, finished_at = ?4 WHERE id = ?1",
    )?;
    let reason = ParkReason::NameCollision.code();
    park.execute(params![id, reason, why, millis(now)])?;
    note(connection, id, now, StateName::Parked.as_str(), &why)
}

/// At a start: files that were parked because of their names, the first recorded first. Their names are
/// asked for again by what is configured now.
pub(super) fn settle(
    connection: &Connection,
    watches: &[Configured],
    now: Timestamp,
) -> rusqlite::Result<()> {
    let sql = format!(
        "SELECT {JOB_COLUMNS} FROM jobs WHERE state = 'parked' AND reason = ?1 AND intent IS NULL ORDER BY id"
    );
    let mut parked = connection.prepare(&sql)?;
    let mut settle = connection.prepare_cached(
        "UPDATE jobs SET state = 'queued', reason = NULL, error = NULL, finished_at = NULL, \
         attempts = 0, failing_since = NULL, next_attempt_at = 0 WHERE id = ?1",
    )?;
    let mut again = connection.prepare_cached("UPDATE jobs SET error = ?2 WHERE id = ?1")?;
    let mut rename = connection.prepare_cached(RENAME)?;
    for parked in parked.query_map([ParkReason::NameCollision.code()], job)? {
        let job = parked?;
        let Some(watch) = watches.iter().find(|watch| watch.naming.watch == job.watch) else {
            continue;
        };
        if was_carried(connection, job.id.0, watch, now)? {
            continue;
        }
        let file = Sighting {
            path: job.path,
            seen: job.seen,
        };
        let name = watch.naming.name(&file);
        let id = job.id.0;
        rename.execute(params![id, watch.table, name, watch.kind.as_str()])?;
        let wish = Wish {
            watch: &job.watch,
            table: &watch.table,
            name: &name,
            file: &file,
            job: id,
        };
        if let Standing::Taken(why) = wish.standing(connection)? {
            again.execute(params![id, why])?;
        } else {
            settle.execute([id])?;
            let text = "its name in the table is free now";
            note(connection, id, now, StateName::Queued.as_str(), text)?;
        }
    }
    Ok(())
}
