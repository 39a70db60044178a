//! The writer without its thread, for simulations: it commits when it is polled, on the caller's thread
//! and clock. Dropped, it has forgotten all that was not committed, as after a crash.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::{mpsc, watch};

use super::count::Count;
use super::enqueue::insert_new;
use super::known::those_unknown;
use super::lock::Lock;
use super::lookup::Lookup;
use super::piece::{Order, Piece};
use super::writer::{GROUP, commit_together};
use super::{Journal, JournalError, NewJob, OpenError, open};
use crate::job::{Sighting, WatchName};

/// Pieces of work that may wait, as for the thread.
const QUEUE: usize = 1024;

/// The other end of a [`Journal`].
pub(crate) struct Writer {
    connection: Connection,
    queue: mpsc::Receiver<Order>,
    waiting: Vec<Order>,
    count: Count,
    _lock: Lock,
}

impl Journal {
    /// As [`Journal::open`]; nothing is written unless the [`Writer`] is asked to.
    pub(crate) fn open_by_hand(path: &Path) -> Result<(Self, Writer), OpenError> {
        let open::Opened {
            connection,
            lock,
            interrupted,
            room,
            count,
        } = open::open(path)?;
        let (work, queue) = mpsc::channel(QUEUE);
        let (news, _) = watch::channel(());
        let writer = Writer {
            connection,
            queue,
            waiting: Vec::new(),
            count,
            _lock: lock,
        };
        let journal = Self {
            work,
            news,
            registered: watch::channel(()).0,
            follows_a_crash: interrupted > 0,
            notice: room.notice(),
            lookup: Arc::new(Lookup::of(path)),
        };
        Ok((journal, writer))
    }

    /// [`Journal::unknown`], for a task.
    pub(crate) async fn unknown_to(
        &self,
        watch: &WatchName,
        sightings: Vec<Sighting>,
    ) -> Result<Vec<Sighting>, JournalError> {
        let watch = watch.clone();
        self.write(move |connection| those_unknown(connection, &watch, &sightings))
            .await
    }

    /// [`Journal::enqueue`], for a task.
    pub(crate) async fn enqueue_from(
        &self,
        watch: &WatchName,
        table: &str,
        files: Vec<NewJob>,
        now: Timestamp,
    ) -> Result<usize, JournalError> {
        let (watch, table) = (watch.clone(), table.to_owned());
        let new = self
            .write(move |connection| insert_new(connection, &watch, &table, &files, now))
            .await?;
        Ok(self.taken_in(&new))
    }
}

impl Writer {
    /// Waits until there is something to write; `false` when every handle is gone.
    pub(crate) async fn wait(&mut self) -> bool {
        !self.waiting.is_empty() || self.queue.recv_many(&mut self.waiting, 1).await > 0
    }

    /// Rows that were changed since the journal was opened.
    pub(crate) fn changes(&self) -> u64 {
        self.connection.total_changes()
    }

    /// Commits all that waits, as the thread does. Returns whether the journal stays open.
    pub(crate) fn commit(&mut self) -> bool {
        while let Some(order) = (self.waiting.len() < GROUP)
            .then(|| self.queue.try_recv().ok())
            .flatten()
        {
            self.waiting.push(order);
        }
        let (mut group, open) = sorted(&mut self.waiting);
        open && !matches!(
            commit_together(&self.connection, &mut self.count, &mut group),
            Err(JournalError::Broken(_))
        )
    }
}

/// What is to be written, and whether the journal stays open after it.
fn sorted(orders: &mut Vec<Order>) -> (Vec<Box<dyn Piece>>, bool) {
    let mut open = true;
    let mut group = Vec::with_capacity(orders.len());
    for order in orders.drain(..) {
        match order {
            Order::Write(piece) if open => group.push(piece),
            Order::Write(piece) => piece.answer(Err(JournalError::Closed)),
            Order::Close => open = false,
        }
    }
    (group, open)
}

#[cfg(test)]
mod tests {
    use super::super::{Filter, Reader};
    use super::*;
    use crate::job::Fingerprint;

    fn file(name: &str) -> NewJob {
        let seen = Fingerprint {
            dev: 1,
            ino: 1,
            size: 1,
            mtime_ns: 1,
            ctime_ns: 1,
        };
        let sighting = Sighting {
            path: name.into(),
            seen,
        };
        NewJob {
            sighting,
            remote_name: name.into(),
        }
    }

    #[tokio::test]
    async fn what_was_not_committed_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        let (journal, mut writer) = Journal::open_by_hand(&path).unwrap();
        let watch = WatchName::new("w");
        let now = Timestamp::UNIX_EPOCH;
        let write = |name| journal.enqueue_from(&watch, "t", vec![file(name)], now);

        let committing = async {
            assert!(writer.wait().await);
            assert!(writer.commit());
        };
        let (new, again, ()) = tokio::join!(write("a"), write("a"), committing);
        assert_eq!((new.unwrap(), again.unwrap()), (1, 0), "one commit");
        let asking = journal.unknown_to(&watch, vec![file("a").sighting, file("b").sighting]);
        let (unknown, ()) = tokio::join!(asking, async {
            assert!(writer.wait().await && writer.commit());
        });
        assert_eq!(unknown.unwrap(), [file("b").sighting]);
        let (forgotten, ()) = tokio::join!(write("b"), async {
            assert!(writer.wait().await);
            drop(writer);
        });
        assert!(matches!(forgotten, Err(JournalError::Closed)));

        let mut names = Vec::new();
        let reader = Reader::open(&path).unwrap();
        let each = |row: super::super::JobRow| {
            names.push(row.job.remote_name);
            true
        };
        reader.jobs(&Filter::default(), each).unwrap();
        assert_eq!(names, ["a"]);
    }
}
