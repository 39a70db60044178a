//! Opening the journal: lock, pragmas, migrations.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use include_dir::{Dir, include_dir};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rusqlite_migration::Migrations;
use thiserror::Error;

use super::count::{self, Count};
use super::crashes;
use super::listings;
use super::lock::{self, Lock};
use super::room::{self, Room};
use super::wal::{self, KEPT};
use super::{Holder, JournalError};
use crate::beneath;
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
    /// Not even a start fits on its disk.
    #[error("the journal's disk is full: {}", room::advice(path))]
    Full {
        /// The journal.
        path: PathBuf,
    },
    /// Reading or writing failed.
    #[error("the journal {} cannot be read or written: {what}; look after its disk. Nothing was repaired or given up", path.display())]
    Broken {
        /// The journal.
        path: PathBuf,
        /// What SQLite said.
        what: String,
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
    /// Its folder is on a network.
    #[error("the journal {} would be on {network}, where it is not safe: name a `journal.path` on a disk of this machine", path.display())]
    Network {
        /// The journal.
        path: PathBuf,
        /// What kind.
        network: &'static str,
    },
    /// It has fewer commits than it had.
    #[error("the journal {} is older than it was: commits are gone, and with them what was recorded last ({}); it was left alone. Put the missing file back, or the newest copies of all its files. To go on without them, delete {}: what was registered since then is uploaded once more, and may stand in its table twice", path.display(), lost_how(*wal), count::path_beside(path).display())]
    Lost {
        /// The journal.
        path: PathBuf,
        /// Whether it has a WAL.
        wal: bool,
    },
    /// Damaged, or no database.
    #[error("the journal {} is damaged or no database ({what}); it was left alone. Put a copy of it back; or move it away, with all files beside it whose names begin with its name, to start a new one: the scan finds all files again, and what its table has already is uploaded once more and may stand there twice", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        what: String,
    },
}

fn lost_how(wal: bool) -> &'static str {
    if wal {
        "its -wal file is damaged or cut off, or an old copy of the journal was put back"
    } else {
        "its -wal file is missing, or an old copy of the journal was put back"
    }
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
    /// On its disk.
    pub room: Room,
    /// Of its commits.
    pub count: Count,
}

/// Opens the journal for writing, and makes it if it is new.
pub(super) fn open(path: &Path) -> Result<Opened, OpenError> {
    let files = |source| OpenError::Files {
        path: path.into(),
        source,
    };
    make_folder(path).map_err(files)?;
    if let Some(network) = beneath::network(folder_of(path)).map_err(files)? {
        let path = path.into();
        return Err(OpenError::Network { path, network });
    }
    let lock = Lock::take(path)
        .map_err(files)?
        .map_err(|holder| OpenError::Held {
            path: path.into(),
            holder,
        })?;
    crash_point::pass(Point::OpenLocked);
    // before SQLite looks at it, which deletes the WAL of an empty database
    expect_all(path)?;
    // before SQLite makes it, so that it is never readable for others; its WAL takes the same mode
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(files)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection =
        Connection::open_with_flags(path, flags).map_err(|error| damaged(path, &error))?;
    // so that a journal that is refused stays as it is, with its WAL
    leave_wal(&connection, true).map_err(|error| damaged(path, &error))?;
    let mut room = Room::of(path);
    let age = in_room(&mut room, || check(&connection, path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(files)?;
    room.look();
    let interrupted = in_room(&mut room, || prepare(&mut connection, path, age))?;
    leave_wal(&connection, false).map_err(|error| damaged(path, &error))?;
    let counted = count::counted(&connection).map_err(|error| damaged(path, &error))?;
    Ok(Opened {
        connection,
        lock,
        interrupted,
        room,
        count: Count::of(path, counted).map_err(files)?,
    })
}

/// Does it again with the room of the reserve, if the disk is full.
fn in_room<T>(
    room: &mut Room,
    mut step: impl FnMut() -> Result<T, OpenError>,
) -> Result<T, OpenError> {
    loop {
        match step() {
            Err(OpenError::Full { .. }) if room.give_way() => {}
            other => return other,
        }
    }
}

/// Whether the WAL stays behind as it is when the connection is closed. Else `SQLite` writes it back.
pub(super) fn leave_wal(connection: &Connection, leave: bool) -> rusqlite::Result<bool> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, leave)
}

/// An empty or missing database where there was a journal is no new journal.
fn expect_all(path: &Path) -> Result<(), OpenError> {
    let is_empty = fs::metadata(path).map_or(true, |file| file.len() == 0);
    let wal = wal::bytes(path) > 0;
    if is_empty && (wal || count::known(path).is_some_and(|commits| commits > 0)) {
        let path = path.into();
        return Err(OpenError::Damaged {
            path,
            what: "the files beside it are there, and it is empty or missing".into(),
        });
    }
    Ok(())
}

/// Whether all that is known of the journal is in it, and sound. Changes nothing.
fn check(connection: &Connection, path: &Path) -> Result<Age, OpenError> {
    let sql = |error: rusqlite::Error| damaged(path, &error);
    let age = check_ours(connection, path)?;
    if age == Age::New {
        return Ok(age);
    }
    let version = connection
        .pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))
        .map_err(sql)?;
    if usize::try_from(version).is_ok_and(|version| version > FOLDER.dirs().count()) {
        return Err(OpenError::Newer { path: path.into() });
    }
    let found: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(sql)?;
    if found != "ok" {
        return Err(OpenError::Damaged {
            path: path.into(),
            what: found.replace('\n', " "),
        });
    }
    let counted = count::counted(connection).map_err(sql)?;
    if count::known(path).is_some_and(|known| known > counted) {
        return Err(OpenError::Lost {
            path: path.into(),
            wal: wal::bytes(path) > 0,
        });
    }
    Ok(age)
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

/// The folder that a file is in.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn make_folder(path: &Path) -> io::Result<()> {
    let folder = folder_of(path);
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn prepare(connection: &mut Connection, path: &Path, age: Age) -> Result<usize, OpenError> {
    let sql = |error: rusqlite::Error| damaged(path, &error);
    if age == Age::New {
        // before anything else is written: a kill leaves an empty file or one that is known as ours
        connection
            .pragma_update(None, "application_id", APPLICATION_ID)
            .map_err(sql)?;
        crash_point::pass(Point::OpenMarked);
    }
    use_wal(connection, path)?;
    // the WAL is written back by the writer, which sees what comes of it
    connection
        .execute_batch(
            "PRAGMA synchronous = FULL;
             PRAGMA foreign_keys = OFF;
             PRAGMA wal_autocheckpoint = 0;
             PRAGMA temp_store = MEMORY;",
        )
        .and_then(|()| connection.pragma_update(None, "journal_size_limit", KEPT))
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
    listings::forget_parts(connection).map_err(sql)?;
    crash_point::pass(Point::OpenUnclaimed);
    // What a daemon left behind whose last `fsync` failed may be in memory only, although it can be
    // read. Written to the database and synced there, it is on disk, or this fails.
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .map_err(sql)?;
    Ok(interrupted)
}

/// Makes sure of the mode, which `SQLite` may leave as it is without an error, or with one that comes after
/// its answer: only a statement that ran to its end has worked.
fn use_wal(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let ask = || -> rusqlite::Result<Vec<String>> {
        let mut statement = connection.prepare("PRAGMA journal_mode = WAL")?;
        statement.query_map([], |row| row.get(0))?.collect()
    };
    let modes = ask().map_err(|error| damaged(path, &error))?;
    if modes == ["wal"] {
        return Ok(());
    }
    Err(OpenError::Broken {
        path: path.into(),
        what: format!("its mode stays {modes:?}, where `wal` is needed"),
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Age {
    New,
    Used,
}

/// An empty file is a new journal, also one in which a daemon had just begun; anything else must carry our
/// mark.
fn check_ours(connection: &Connection, path: &Path) -> Result<Age, OpenError> {
    let sql = |error: rusqlite::Error| damaged(path, &error);
    let pages: i64 = connection
        .query_row("PRAGMA page_count", [], |row| row.get(0))
        .map_err(sql)?;
    let mark: i32 = connection
        .query_row("PRAGMA application_id", [], |row| row.get(0))
        .map_err(sql)?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(sql)?;
    match (pages, mark, tables) {
        (0, ..) | (_, 0 | APPLICATION_ID, 0) => Ok(Age::New),
        (_, APPLICATION_ID, _) => Ok(Age::Used),
        _ => Err(OpenError::Foreign { path: path.into() }),
    }
}

fn migration(path: &Path, error: &rusqlite_migration::Error) -> OpenError {
    use rusqlite_migration::{Error, MigrationDefinitionError as Definition};
    match error {
        Error::MigrationDefinition(Definition::DatabaseTooFarAhead) => {
            OpenError::Newer { path: path.into() }
        }
        Error::RusqliteError { err, .. } => damaged(path, err),
        other => OpenError::Damaged {
            path: path.into(),
            what: other.to_string(),
        },
    }
}

fn damaged(path: &Path, error: &rusqlite::Error) -> OpenError {
    let (path, what) = (path.into(), error.to_string());
    match JournalError::from(error) {
        JournalError::Full(_) => OpenError::Full { path },
        JournalError::Broken(_)
            if error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure) =>
        {
            OpenError::Broken { path, what }
        }
        _ => OpenError::Damaged { path, what },
    }
}

#[cfg(test)]
mod tests;
