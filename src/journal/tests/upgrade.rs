//! A journal of an earlier version is brought to the present one with everything in it.

use rusqlite::OptionalExtension as _;

use super::*;

const FIRST: &str = include_str!("../../../migrations/01-jobs/up.sql");

/// One job in each state, as the first version wrote them.
const JOBS: &str = "
    INSERT INTO jobs (id, watch, path, remote_name, table_ref, kind, dev, ino, size, mtime_ns, ctime_ns, state,
        claimed, temp_id, temp_url, resumable, reserved_at, session_url, session_at, confirmed, bound, hash_state,
        crc32c, md5, intent, intended_at, remote_id, reason, attempts, failing_since, next_attempt_at, error,
        sessions_lost, corrupted, created_at, finished_at)
    VALUES
    (1, 'w', x'61', 'a', 't', 'files', -1, 1, 100, -1, 1, 'queued', 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 3, 5, 6, 'busy', 1, 1, 7, NULL),
    (2, 'w', x'62ff', 'b', 't', 'files', -1, 2, 100, -1, 1, 'reserved', 0, 't2', 'u2', 0, 8, NULL, NULL, NULL,
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, 0, NULL, 0, 0, 7, NULL),
    (3, 'w', x'63', 'c', 't', 'files', -1, 3, 100, -1, 1, 'uploading', 1, 't3', 'u3', 1, 8, 's3', 9, 50,
        100, x'0102', NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, 0, NULL, 2, 0, 7, NULL),
    (4, 'w', x'64', 'd', 't', 'files', -1, 4, 100, -1, 1, 'uploaded', 0, 't4', NULL, NULL, NULL, NULL, NULL, NULL,
        NULL, NULL, 11, x'00112233445566778899aabbccddeeff', NULL, NULL, NULL, NULL, 0, NULL, 0, NULL, 0, 0, 7, NULL),
    (5, 'w', x'65', 'e', 't', 'files', -1, 5, 100, -1, 1, 'registering', 0, 't5', NULL, NULL, NULL, NULL, NULL, NULL,
        NULL, NULL, 11, NULL, 2, 10, NULL, NULL, 0, NULL, 0, NULL, 0, 0, 7, NULL),
    (6, 'w', x'66', 'f', 't', 'files', -1, 6, 100, -1, 1, 'registered', 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
        NULL, NULL, 11, NULL, NULL, NULL, 'r6', NULL, 0, NULL, 0, NULL, 0, 0, 7, NULL),
    (7, 'w', x'67', 'g', 't', 'files', -1, 7, 100, -1, 1, 'done', 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
        NULL, NULL, 11, NULL, NULL, NULL, 'r7', NULL, 0, NULL, 0, NULL, 0, 0, 7, 12),
    (8, 'w', x'68', 'h', 't', 'files', -1, 8, 100, -1, 1, 'parked', 0, 't8', NULL, NULL, NULL, NULL, NULL, NULL,
        NULL, NULL, 11, NULL, 1, 10, NULL, 'gave-up', 9, 5, 0, 'no', 0, 0, 7, 12),
    (9, 'w', x'69', 'i', 't', 'files', -1, 9, 100, -1, 1, 'superseded', 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, 0, NULL, 0, 0, 7, 12),
    (10, 'w', x'6a', 'j', 't', 'files', -1, 10, 100, -1, 1, 'missing', 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, 0, NULL, 0, 0, 7, 12);
    INSERT INTO history (job, at, state, note) VALUES (1, 7, 'queued', 'the file settled'), (7, 12, 'done', NULL);
    INSERT INTO daemon (one, pid, version, since) VALUES (1, 42, '0.1.0', 7);
    INSERT INTO watches (name, path, table_ref, mode, mode_reason) VALUES ('w', x'2f', 't', 'poll', 'why');
";

/// Every column that the first version knew, as text.
fn contents(path: &Path) -> Vec<String> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut lines = Vec::new();
    for (table, columns) in [
        (
            "jobs",
            "id, watch, hex(path), remote_name, table_ref, kind, dev, ino, size, mtime_ns, ctime_ns, state, \
            temp_id, temp_url, resumable, reserved_at, session_url, session_at, confirmed, bound, hex(hash_state), \
            crc32c, hex(md5), intent, intended_at, remote_id, reason, attempts, failing_since, next_attempt_at, \
            error, sessions_lost, corrupted, created_at, finished_at",
        ),
        ("history", "job, at, state, note"),
        ("daemon", "pid, version, since"),
        ("watches", "name, hex(path), table_ref, mode, mode_reason"),
    ] {
        let sql = format!("SELECT {columns} FROM {table} ORDER BY rowid");
        let mut statement = connection.prepare(&sql).unwrap();
        let width = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values = (0..width).map(|at| row.get::<_, rusqlite::types::Value>(at).unwrap());
            lines.push(format!("{table} {:?}", values.collect::<Vec<_>>()));
        }
    }
    lines
}

#[test]
fn a_journal_of_the_first_version_keeps_every_job_in_its_state() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch("PRAGMA journal_mode = WAL; PRAGMA application_id = 0x52447270;")
        .unwrap();
    old.execute_batch(FIRST).unwrap();
    old.execute_batch(JOBS).unwrap();
    // ten jobs after this one were forgotten
    old.execute_batch("UPDATE sqlite_sequence SET seq = 20 WHERE name = 'jobs'")
        .unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    drop(old);
    let before = contents(&path);
    assert_eq!(before.len(), 14);

    let journal = Journal::open(&path).unwrap();
    assert_eq!(contents(&path), before);
    let mut states = Vec::new();
    let reader = Reader::open(&path).unwrap();
    reader
        .jobs(&Filter::default(), |row| {
            states.push(row.job.state.name());
            true
        })
        .unwrap();
    // the first version knew no other
    let known = StateName::ALL
        .iter()
        .filter(|state| **state != StateName::Importing);
    assert!(states.iter().eq(known), "{states:?}");
    // what was in its table has its receipt, with the folder as it was then known, and the time as far as it was
    let mut receipts = Vec::new();
    reader
        .receipts(&ReceiptFilter::default(), |receipt| {
            let at = receipt.registered_at.as_millisecond();
            receipts.push((receipt.job.0, receipt.path, at));
            true
        })
        .unwrap();
    assert_eq!(receipts, [(6, "/f".into(), 7), (7, "/g".into(), 12)]);
    // what was in hand when the old version ended is free, and charged with a crash
    let connection = rusqlite::Connection::open(&path).unwrap();
    let (claimed, crashes): (i64, String) = connection
        .query_row(
            "SELECT sum(claimed), group_concat(crashes, '' ORDER BY id) FROM jobs",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    assert_eq!((claimed, crashes.as_str()), (0, "1010000000"));
    let broken: Option<String> = connection
        .query_row("PRAGMA foreign_key_check", [], |row| row.get(0))
        .optional()
        .unwrap();
    assert_eq!(broken, None);
    let next: i64 = connection
        .query_row("SELECT seq FROM sqlite_sequence", [], |row| row.get(0))
        .unwrap();
    assert_eq!(next, 20, "numbers are never given again");
    let claimed: usize = Queue::ALL
        .into_iter()
        .map(|queue| claim(&journal, queue).len())
        .sum();
    assert_eq!(claimed, 6);
    // what it watched has had its first start
    let leaving = Configured {
        leaves_existing: true,
        ..configured("/", "t")
    };
    block(journal.begin("2", vec![leaving], now())).unwrap();
    let mut old = vec![sighting("old", 1)];
    old[0].seen.ctime_ns = 0;
    assert_eq!(journal.unknown(&watch(), old.clone()).unwrap(), old);
}

/// The rules of the table were put in place by hand; SQLite itself must hold them.
#[test]
fn an_import_is_kept_with_its_address_and_only_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    drop(Journal::open(&path).unwrap());
    let journal = rusqlite::Connection::open(&path).unwrap();
    let sound: String = journal
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(sound, "ok");
    let insert = |ino: i64, state: &str, remote: Option<&str>, crc32c: Option<i64>| {
        journal.execute(
            "INSERT INTO jobs (watch, path, remote_name, table_ref, kind, dev, ino, size, mtime_ns, ctime_ns, state, \
             crc32c, remote_id, created_at) VALUES ('w', x'61', 'a', 't', 'tabular', 1, ?1, 1, 1, 1, ?2, ?3, ?4, 7)",
            rusqlite::params![ino, state, crc32c, remote],
        )
    };
    assert!(insert(1, "importing", Some("/u"), Some(1)).is_ok());
    assert!(insert(2, "importing", None, Some(1)).is_err());
    assert!(insert(3, "importing", Some("/u"), None).is_err());
    assert!(insert(4, "imported", Some("/u"), Some(1)).is_err());
    assert!(insert(5, "queued", Some("/u"), None).is_err());
    assert!(insert(6, "registered", None, Some(1)).is_err());
    assert!(insert(7, "registered", Some("r"), Some(1)).is_ok());
}

/// A journal of the 13th version whose last start went to these tables of the accounts.
fn of_the_13th_version(path: &Path, watches: &str) {
    let old = rusqlite::Connection::open(path).unwrap();
    old.execute_batch("PRAGMA journal_mode = WAL; PRAGMA application_id = 0x52447270;")
        .unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let folders = std::fs::read_dir(folder).unwrap();
    let mut folders: Vec<_> = folders.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    for folder in &folders[..13] {
        let sql = std::fs::read_to_string(folder.join("up.sql")).unwrap();
        old.execute_batch(&sql).unwrap();
    }
    old.execute_batch(watches).unwrap();
    old.execute_batch(
        "INSERT INTO receipts (job, watch, path, remote_name, table_ref, kind, remote_id, dev, ino, size, mtime_ns, \
         ctime_ns, created_at, registered_at) VALUES (1, 'w', CAST('a' AS BLOB), 'a', 'lab.data.raw', 'files', 'r', 1, \
         1, 1 << 40, -1, 9223372036854775807, 7, 8)",
    )
    .unwrap();
    old.pragma_update(None, "user_version", 13).unwrap();
}

#[test]
fn a_journal_of_the_13th_version_is_at_home_where_its_last_start_went() {
    const ACCOUNTS: &str = "INSERT INTO accounts (name, endpoint) VALUES \
         ('eu', 'https://eu.example/api/v1'), ('lab', 'https://last.example/api/v1');";
    let went = |account: &str, table: &str| {
        format!(
            "{ACCOUNTS} INSERT INTO watches (name, path, table_ref, mode, mode_reason, account) \
             VALUES ('w', x'2f', '{table}', 'poll', 'why', '{account}');"
        )
    };
    let there = "https://eu.example/api/v1#lab.data.raw";
    for (watches, home) in [
        (went("lab", "lab.data.raw"), "https://last.example/api/v1"),
        // it does not tell: then where this start goes
        (went("eu", there), "https://now.example/api/v1"),
        (String::new(), "https://now.example/api/v1"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        of_the_13th_version(&path, &watches);
        let journal = Journal::open(&path).unwrap();
        let now_at = "https://now.example/api/v1".to_owned();
        block(journal.begin_at(now_at, "2", Vec::new(), now())).unwrap();
        let found = block(journal.home()).unwrap();
        assert_eq!(found.as_deref(), Some(home), "{watches}");
        // what it has carried is known, where that was
        for (table, unknown) in [("lab.data.raw", 0), (there, 1)] {
            block(journal.begin("2", vec![configured("/", table)], now())).unwrap();
            let asked = vec![sighting("a", 1)];
            assert_eq!(journal.unknown(&watch(), asked).unwrap().len(), unknown);
        }
    }
}
