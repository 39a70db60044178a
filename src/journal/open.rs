//! Opening the journal: lock, pragmas, migrations.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use include_dir::{Dir, include_dir};
use rusqlite::{Connection, OpenFlags};
use rusqlite_migration::Migrations;
use thiserror::Error;

use super::Holder;
use super::crashes;
use super::lock::{self, Lock};
use crate::crash_point::{self, Point};

static FOLDER: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/migrations");
static MIGRATIONS: LazyLock<Migrations<'static>> = LazyLock::new(|| {
    Migrations::from_directory(&FOLDER).expect("migrations/ holds numbered folders with up.sql")
});

/// In every journal's header, so that a foreign database is recognised: the letters `RDrp`.
const APPLICATION_ID: i32 = 0x5244_7270;

/// Why the journal cannot be used. Nothing was changed.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another daemon has it.
    #[error("another daemon{} holds the journal {}; stop it first, or give this one a journal of its own", pid_text(*holder), path.display())]
    Held {
        /// The journal.
        path: PathBuf,
        /// Who has it.
        holder: Holder,
    },
    /// The folder or a file could not be made or opened.
    #[error("the journal {} cannot be opened: {source}; its folder must exist or be makeable, and be writable for this user", path.display())]
    Files {
        /// The journal.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No daemon has ever made it.
    #[error("there is no journal {} yet: no daemon has run with this configuration", path.display())]
    Absent {
        /// The journal.
        path: PathBuf,
    },
    /// Not one of ours.
    #[error("{} is a database, but not a journal of redivis-drop; it was left alone: name another `journal.path`", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer program wrote it.
    #[error("the journal {} was written by a newer redivis-drop; it was left alone: install that version again", path.display())]
    Newer {
        /// The journal.
        path: PathBuf,
    },
    /// Damaged, or no database.
    #[error("the journal {} is damaged or no database ({what}); it was left alone: move it away to start a new one, the scan finds the files again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        what: String,
    },
}

fn pid_text(holder: Holder) -> String {
    holder
        .pid
        .map(|pid| format!(" (pid {pid})"))
        .unwrap_or_default()
}

/// An opened journal.
pub(super) struct Opened {
    /// May write.
    pub connection: Connection,
    /// Allows it.
    pub lock: Lock,
    /// Jobs that the last daemon had in hand when it crashed.
    pub interrupted: usize,
}

/// Opens the journal for writing, and makes it if it is new.
pub(super) fn open(path: &Path) -> Result<Opened, OpenError> {
    let files = |source| OpenError::Files {
        path: path.into(),
        source,
    };
    make_folder(path).map_err(files)?;
    let lock = Lock::take(path)
        .map_err(files)?
        .map_err(|holder| OpenError::Held {
            path: path.into(),
            holder,
        })?;
    crash_point::pass(Point::OpenLocked);
    // before SQLite makes it, so that it is never readable for others; its WAL takes the same mode
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .and_then(|file| file.set_permissions(fs::Permissions::from_mode(0o600)))
        .map_err(files)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection =
        Connection::open_with_flags(path, flags).map_err(|error| damaged(path, &error))?;
    let interrupted = prepare(&mut connection, path)?;
    Ok(Opened {
        connection,
        lock,
        interrupted,
    })
}

/// A connection that cannot write; for reports, also while a daemon runs.
pub(super) fn open_read_only(path: &Path) -> Result<Connection, OpenError> {
    fs::metadata(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => OpenError::Absent { path: path.into() },
        _ => OpenError::Files {
            path: path.into(),
            source,
        },
    })?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(|error| damaged(path, &error))?;
    connection
        .busy_timeout(std::time::Duration::from_secs(5))
        .map_err(|error| damaged(path, &error))?;
    check_ours(&connection, path)?;
    Ok(connection)
}

/// The daemon that holds the journal, if one runs.
pub(super) fn holder(path: &Path) -> io::Result<Option<Holder>> {
    lock::holder(path)
}

fn make_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)
        }
        _ => Ok(()),
    }
}

fn prepare(connection: &mut Connection, path: &Path) -> Result<usize, OpenError> {
    let is_new = check_ours(connection, path)? == Age::New;
    let sql = |error: rusqlite::Error| damaged(path, &error);
    if is_new {
        // before anything else is written: a kill leaves an empty file or one that is known as ours
        connection
            .pragma_update(None, "application_id", APPLICATION_ID)
            .map_err(sql)?;
        crash_point::pass(Point::OpenMarked);
    }
    // WAL grows until a checkpoint, which FULL makes every 1000 pages; 64 MiB is kept at most
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA foreign_keys = OFF;
             PRAGMA journal_size_limit = 67108864;
             PRAGMA temp_store = MEMORY;",
        )
        .map_err(sql)?;
    crash_point::pass(Point::OpenWal);
    MIGRATIONS
        .to_latest(connection)
        .map_err(|error| migration(path, &error))?;
    crash_point::pass(Point::OpenMigrated);
    // off until now: a migration may make a table anew to which others refer
    connection
        .pragma_update(None, "foreign_keys", true)
        .map_err(sql)?;
    // nobody works on anything yet: what a daemon that crashed had claimed is free again
    let interrupted = crashes::charge(connection).map_err(sql)?;
    crash_point::pass(Point::OpenUnclaimed);
    Ok(interrupted)
}

#[derive(PartialEq, Eq)]
enum Age {
    New,
    Used,
}

/// An empty file is a new journal; anything else must carry our mark.
fn check_ours(connection: &Connection, path: &Path) -> Result<Age, OpenError> {
    let sql = |error: rusqlite::Error| damaged(path, &error);
    let pages: i64 = connection
        .query_row("PRAGMA page_count", [], |row| row.get(0))
        .map_err(sql)?;
    let mark: i32 = connection
        .query_row("PRAGMA application_id", [], |row| row.get(0))
        .map_err(sql)?;
    match (pages, mark) {
        (0, _) => Ok(Age::New),
        (_, APPLICATION_ID) => Ok(Age::Used),
        _ => Err(OpenError::Foreign { path: path.into() }),
    }
}

fn migration(path: &Path, error: &rusqlite_migration::Error) -> OpenError {
    use rusqlite_migration::{Error, MigrationDefinitionError as Definition};
    match error {
        Error::MigrationDefinition(Definition::DatabaseTooFarAhead) => {
            OpenError::Newer { path: path.into() }
        }
        other => OpenError::Damaged {
            path: path.into(),
            what: other.to_string(),
        },
    }
}

fn damaged(path: &Path, error: &rusqlite::Error) -> OpenError {
    OpenError::Damaged {
        path: path.into(),
        what: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_migrations_are_valid_and_can_be_applied_twice() {
        MIGRATIONS.validate().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/journal.db");
        for _ in 0..2 {
            let opened = open(&path).unwrap();
            let jobs: i64 = opened
                .connection
                .query_row("SELECT count(*) FROM jobs", [], |row| row.get(0))
                .unwrap();
            assert_eq!(jobs, 0);
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
    }

    #[test]
    fn a_second_daemon_is_refused_and_told_who_was_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        let first = open(&path).unwrap();
        let Err(OpenError::Held { holder, .. }) = open(&path) else {
            panic!("two daemons")
        };
        assert_eq!(holder.pid, Some(std::process::id()));
        drop(first);
        open(&path).unwrap();
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let foreign = folder.path().join("foreign.db");
        let database = Connection::open(&foreign).unwrap();
        database
            .execute_batch("CREATE TABLE notes (text TEXT)")
            .unwrap();
        drop(database);
        let garbage = folder.path().join("garbage.db");
        fs::write(
            &garbage,
            "this is no database, and long enough to be looked at".repeat(9),
        )
        .unwrap();
        let newer = folder.path().join("newer.db");
        drop(open(&newer).unwrap());
        Connection::open(&newer)
            .unwrap()
            .pragma_update(None, "user_version", 999)
            .unwrap();

        for (path, want) in [
            (&foreign, "not a journal of redivis-drop"),
            (&garbage, "damaged or no database"),
            (&newer, "newer redivis-drop"),
        ] {
            let before = fs::read(path).unwrap();
            let error = open(path).err().unwrap().to_string();
            assert!(error.contains(want), "{error}");
            assert!(
                fs::read(path).unwrap() == before,
                "{want}: the file was changed"
            );
        }
    }
}
