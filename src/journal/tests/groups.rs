//! The writer: what it does with what waits together.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::piece::Order;
use super::*;

fn full() -> rusqlite::Error {
    let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
    rusqlite::Error::SqliteFailure(full, None)
}

#[test]
fn asking_writes_nothing() {
    let bench = Bench::new();
    bench.enqueue(&[("a", 1)]);
    let journal = bench.journal();
    let jobs = bench.jobs();
    let written = || {
        let bytes = Reader::open(&bench.path).unwrap().troubles().wal_bytes;
        (count::known(&bench.path), bytes)
    };
    let before = written();
    assert!(before.0.is_some());
    block(journal.next_due(Queue::Queued, &watch())).unwrap();
    block(journal.outdated(&jobs)).unwrap();
    assert!(claim(&journal, Queue::Stored).is_empty());
    assert_eq!(written(), before);
    assert!(!claim(&journal, Queue::Queued).is_empty());
    assert_ne!(written(), before);
}

#[test]
fn what_met_a_full_disk_half_way_is_done_again_from_its_beginning() {
    let bench = Bench::new();
    bench.enqueue(&[("a", 1)]);
    let mut tries = 0;
    let journal = bench.journal();
    let write = journal.write(move |connection| {
        tries += 1;
        let sql = "INSERT INTO history (job, at, state) VALUES (1, ?1, 'queued')";
        connection.execute(sql, [tries])?;
        match tries {
            1 => Err(full()),
            _ => Ok(tries),
        }
    });
    assert_eq!(block(write).unwrap(), 2);
    let history = Reader::open(&bench.path)
        .unwrap()
        .history(crate::job::JobId(1));
    let at: Vec<_> = history.unwrap().iter().map(|row| row.at).collect();
    assert_eq!(at, [now(), Timestamp::from_millisecond(2).unwrap()]);
}

#[test]
fn what_comes_after_the_close_is_refused_and_not_written() {
    let bench = Bench::new();
    bench.enqueue(&[("a", 1)]);
    let journal = bench.journal();
    let (tell, started) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    let busy = journal.clone();
    let busy = thread::spawn(move || {
        busy.write_blocking(move |_| {
            tell.send(()).unwrap();
            wait.recv().unwrap();
            Ok(())
        })
    });
    // while the writer is busy, both come into its queue
    started.recv().unwrap();
    journal.work.try_send(Order::Close).unwrap();
    let (late, ()) = block(async {
        let late = journal.write(|connection| connection.execute("DELETE FROM jobs", []));
        tokio::join!(late, async { go.send(()).unwrap() })
    });
    assert!(matches!(late, Err(JournalError::Closed)), "{late:?}");
    busy.join().unwrap().unwrap();
    assert_eq!(bench.jobs().len(), 1);
}

#[test]
fn the_writer_ends_with_its_last_handle_also_where_there_is_no_room() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    // what has the reserve's name keeps it from being made
    std::fs::create_dir(folder.path().join("journal.db-reserve")).unwrap();
    drop(Journal::open(&path).unwrap());
    let deadline = Instant::now() + Duration::from_secs(15);
    while let Err(error) = Journal::open(&path) {
        assert!(matches!(error, OpenError::Held { .. }), "{error}");
        assert!(Instant::now() < deadline, "it is still held");
        thread::yield_now();
    }
}

#[test]
fn what_waits_for_room_is_bounded_and_whoever_has_more_waits_with_it() {
    let bench = Bench::new();
    let journal = bench.journal();
    journal.wait_for_room(true);
    let has_room = Arc::new(AtomicBool::new(false));
    block(async {
        let mut writes = tokio::task::JoinSet::new();
        for _ in 0..3000 {
            let (journal, has_room) = (journal.clone(), Arc::clone(&has_room));
            writes.spawn(async move {
                let write = journal.write(move |_| {
                    let has_room = has_room.load(Ordering::Relaxed);
                    if has_room { Ok(()) } else { Err(full()) }
                });
                write.await
            });
        }
        let all_wait = async {
            while journal.work.capacity() > 0 {
                tokio::task::yield_now().await;
            }
        };
        let soon = Duration::from_mins(1);
        tokio::time::timeout(soon, all_wait).await.unwrap();
        let mut tries = journal.tries_on_a_full_disk();
        for _ in 0..5 {
            tries.changed().await.unwrap();
        }
        assert_eq!(
            journal.work.capacity(),
            0,
            "the writer took no more than a group"
        );
        has_room.store(true, Ordering::Relaxed);
        while let Some(written) = writes.join_next().await {
            written.unwrap().unwrap();
        }
    });
}

#[test]
fn a_closed_journal_has_no_file_open_whoever_has_a_handle() {
    let bench = Bench::new();
    let journal = bench.journal();
    let open = || {
        let files = std::fs::read_dir("/proc/self/fd").unwrap();
        let files = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
        files
            .filter(|file| file.starts_with(bench.path.parent().unwrap()))
            .count()
    };
    journal.unknown(&watch(), vec![sighting("a", 1)]).unwrap();
    assert_ne!(open(), 0);
    block(journal.close());
    assert_eq!(open(), 0);
}
