//! Opening: what is made, and what is refused in which words.

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
    let refused = open(&path).err().unwrap();
    let text = refused.to_string();
    let OpenError::Held { holder, .. } = refused else {
        panic!("{text}")
    };
    let pid = std::process::id();
    assert_eq!(holder.pid, Some(pid));
    let words = format!(
        "another daemon (pid {pid}) holds the journal {}",
        path.display()
    );
    assert!(text.contains(&words), "{text}");
    let nameless = OpenError::Held {
        path: path.clone(),
        holder: Holder { pid: None },
    };
    let text = nameless.to_string();
    assert!(text.contains("another daemon holds the journal"), "{text}");
    drop(first);
    open(&path).unwrap();
}

#[test]
fn a_journal_that_is_not_there_yet_is_told_from_one_that_cannot_be_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let refused = |path: &Path| open_read_only(path).err().unwrap();
    let absent = refused(&folder.path().join("journal.db"));
    assert!(matches!(absent, OpenError::Absent { .. }), "{absent}");
    let elsewhere = refused(&file.join("journal.db"));
    assert!(matches!(elsewhere, OpenError::Files { .. }), "{elsewhere}");
}

#[test]
fn a_journal_named_without_a_folder_is_in_the_current_one() {
    for (path, want) in [
        ("journal.db", "."),
        ("state/journal.db", "state"),
        ("/journal.db", "/"),
    ] {
        assert_eq!(folder_of(Path::new(path)), Path::new(want), "{path}");
    }
}

#[test]
fn a_failing_disk_is_told_from_a_full_one_and_from_damage() {
    use rusqlite::ffi;
    for (code, words) in [
        (ffi::SQLITE_FULL, "disk is full"),
        (ffi::SQLITE_IOERR_SHMSIZE, "disk is full"),
        (ffi::SQLITE_IOERR_FSYNC, "look after its disk"),
        (ffi::SQLITE_IOERR_READ, "look after its disk"),
        (ffi::SQLITE_CORRUPT, "is damaged or no database"),
        (ffi::SQLITE_NOTADB, "is damaged or no database"),
    ] {
        let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        let text = damaged(Path::new("journal.db"), &error).to_string();
        assert!(text.contains(words), "{code}: {text}");
    }
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

#[test]
fn what_is_being_imported_when_a_journal_becomes_newer_is_remembered_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let mut old = Connection::open(&path).unwrap();
    old.pragma_update(None, "application_id", APPLICATION_ID)
        .unwrap();
    MIGRATIONS.to_version(&mut old, 13).unwrap();
    for (ino, state, finished) in [(1, "importing", "NULL"), (2, "done", "7")] {
        old.execute_batch(&format!(
            "INSERT INTO jobs (watch, path, remote_name, table_ref, kind, dev, ino, size, mtime_ns, ctime_ns, state, \
             crc32c, md5, remote_id, created_at, finished_at) VALUES ('w', x'61', 'a', 't', 'tabular', 1, {ino}, 9, 1, 1, \
             '{state}', 1, x'00112233445566778899aabbccddeeff', '/u', 7, {finished})"
        ))
        .unwrap();
    }
    drop(old);
    let opened = open(&path).unwrap();
    let mut rows = opened
        .connection
        .prepare("SELECT job, uri, size, length(md5), failed, since FROM imports")
        .unwrap();
    let rows = rows.query_map([], |row| {
        let since: Option<i64> = row.get(5)?;
        let (job, uri): (i64, String) = (row.get(0)?, row.get(1)?);
        Ok((job, uri, row.get(2)?, row.get(3)?, row.get(4)?, since))
    });
    let rows: Vec<(i64, String, i64, i64, i64, Option<i64>)> =
        rows.unwrap().map(Result::unwrap).collect();
    assert_eq!(rows, [(1, "/u".into(), 9, 16, 0, None)]);
}
