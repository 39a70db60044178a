//! The one thread that writes, and the handle through which everyone else does.

use std::path::Path;
use std::sync::Arc;
use std::thread;

use rusqlite::Connection;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};

use super::count::Count;
use super::crashes;
use super::lock::Lock;
use super::lookup::Lookup;
use super::open;
use super::piece::{Order, Piece, piece};
use super::room::{Notice, Room};
use super::wal::Wal;
use super::{JournalError, OpenError};
use crate::crash_point::{self, Point};

/// Pieces of work that may wait; who has more to write waits with it.
const QUEUE: usize = 1024;
/// Pieces of work in one commit: enough to hide the price of `fsync`, little enough to
/// answer soon.
pub(super) const GROUP: usize = 512;

/// The handle to the journal; cheap to clone. The writer ends when the last one is gone.
#[derive(Clone, Debug)]
pub struct Journal {
    pub(super) work: mpsc::Sender<Order>,
    pub(super) news: watch::Sender<()>,
    pub(super) registered: watch::Sender<()>,
    /// The last daemon crashed, with jobs in hand.
    pub(super) follows_a_crash: bool,
    pub(super) notice: Arc<Notice>,
    pub(super) lookup: Arc<Lookup>,
}

impl Journal {
    /// Opens the journal for this process alone and starts the writer.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let files = |source| OpenError::Files {
            path: path.into(),
            source,
        };
        let open::Opened {
            connection,
            lock,
            interrupted,
            room,
            count,
        } = open::open(path)?;
        let follows_a_crash = interrupted > 0;
        if follows_a_crash {
            tracing::warn!(
                jobs = interrupted,
                "the last daemon did not stop in order; the files that it had in hand go on from what is recorded"
            );
        }
        let (work, queue) = mpsc::channel(QUEUE);
        let (news, _) = watch::channel(());
        let notice = room.notice();
        let writer = Writer {
            connection,
            queue,
            room,
            count,
            wal: Wal::of(path),
            lock,
        };
        thread::Builder::new()
            .name("journal".into())
            .spawn(
                move || match Builder::new_current_thread().enable_time().build() {
                    Ok(clock) => writer.write_until_closed(&clock),
                    Err(error) => {
                        tracing::error!(%error, "the journal's writer cannot wait for anything");
                    }
                },
            )
            .map_err(files)?;
        Ok(Self {
            work,
            news,
            registered: watch::channel(()).0,
            follows_a_crash,
            notice,
            lookup: Arc::new(Lookup::of(path)),
        })
    }

    /// Writes what waits and lets go of the journal, whoever still has a handle. Returns when that is
    /// done.
    pub async fn close(&self) {
        // if it is closed already, there is nothing to wait for
        let _ = self.work.send(Order::Close).await;
        self.lookup.close();
        self.work.closed().await;
    }

    /// Changes whenever new jobs were recorded.
    pub fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// Whether what cannot be recorded because the disk is full waits for room, or is refused with
    /// [`JournalError::Full`]. At first it is refused: a start or a stop must come to its end.
    pub fn wait_for_room(&self, wait: bool) {
        self.notice.set_patient(wait);
    }

    /// Changes with each try to record something that met a full disk: the writer is alive.
    pub fn tries_on_a_full_disk(&self) -> watch::Receiver<()> {
        self.notice.tries()
    }

    /// Refuses new jobs while the disk is full.
    pub(super) fn room_for_new_jobs(&self) -> Result<(), JournalError> {
        if self.notice.is_full() {
            Err(self.notice.error())
        } else {
            Ok(())
        }
    }

    pub(super) fn announce(&self) {
        self.news.send_replace(());
    }

    /// Reads what is committed, beside the writer if that can be; for a thread that may block.
    pub(super) fn read_blocking<T, F>(&self, mut work: F) -> Result<T, JournalError>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        if self.work.is_closed() {
            return Err(JournalError::Closed);
        }
        match self.lookup.run(&mut work) {
            Some(result) => result,
            None => self.write_blocking(work),
        }
    }

    /// Runs `work` on the writer and waits for the commit that contains it.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, JournalError>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (piece, answer) = piece(work, true);
        self.work
            .send(Order::Write(piece))
            .await
            .map_err(|_| JournalError::Closed)?;
        answer.await.unwrap_or(Err(JournalError::Closed))
    }

    /// The same for a thread that may block; never from an async task. It does not wait for room on
    /// the disk: whoever watches a folder has better things to do, and comes again.
    pub(super) fn write_blocking<T, F>(&self, work: F) -> Result<T, JournalError>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (piece, answer) = piece(work, false);
        self.work
            .blocking_send(Order::Write(piece))
            .map_err(|_| JournalError::Closed)?;
        answer.blocking_recv().unwrap_or(Err(JournalError::Closed))
    }
}

/// The thread that writes.
struct Writer {
    connection: Connection,
    queue: mpsc::Receiver<Order>,
    room: Room,
    count: Count,
    wal: Wal,
    lock: Lock,
}

impl Writer {
    /// `clock` is for waiting until something comes in or a time has come.
    fn write_until_closed(mut self, clock: &Runtime) {
        let mut orders = Vec::with_capacity(GROUP);
        // what waits for room on the disk stays in it
        let mut group = Vec::with_capacity(GROUP);
        let (mut open, mut closed) = (true, false);
        while open {
            open = self.receive(clock, &mut orders, GROUP - group.len());
            for order in orders.drain(..) {
                match order {
                    Order::Write(piece) if !closed => group.push(piece),
                    Order::Write(piece) => piece.answer(Err(JournalError::Closed)),
                    Order::Close => closed = true,
                }
            }
            open &= !closed;
            if let Err(error) = self.write(&mut group, open) {
                tracing::error!(%error, "the journal failed");
                // What is on disk is uncertain: no second try, not even by closing it. Everyone is told
                // by the closed queue.
                let _ = open::leave_wal(&self.connection, true);
                return;
            }
        }
        if closed {
            // if this fails, the next start takes it for a crash, which is no more than a delay
            let _ = crashes::release(&self.connection);
        }
        // leaves a small WAL behind; a failure here loses nothing
        let leave = "PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE);";
        if let Err(error) = self.connection.execute_batch(leave) {
            tracing::warn!(%error, "the journal's WAL could not be written back; the next start does it");
            let _ = open::leave_wal(&self.connection, true);
        }
        // before the queue, by whose end `close` knows that the journal is free
        drop(self.connection);
        drop((self.room, self.count, self.wal));
        drop(self.lock);
    }

    /// Waits for something to do. `false`: nobody has a handle any more.
    fn receive(&mut self, clock: &Runtime, orders: &mut Vec<Order>, limit: usize) -> bool {
        let again = [self.room.look_again(), self.wal.look_again()];
        let Some(wait) = again.into_iter().flatten().min() else {
            return self.queue.blocking_recv_many(orders, limit) > 0;
        };
        clock.block_on(async {
            if limit == 0 {
                tokio::time::sleep(wait).await;
                return true;
            }
            let come = self.queue.recv_many(orders, limit);
            // nothing came in that time: there is something else to do
            tokio::time::timeout(wait, come).await.unwrap_or(1) > 0
        })
    }

    /// Commits the group; what has to wait for room stays in it.
    ///
    /// # Errors
    /// Only if the journal cannot be used any more.
    fn write(&mut self, group: &mut Vec<Box<dyn Piece>>, open: bool) -> Result<(), JournalError> {
        self.room.look();
        while !group.is_empty() {
            match commit_together(&self.connection, &mut self.count, group) {
                Err(JournalError::Full(_)) if self.room.give_way() => {
                    // that room is not for new jobs
                    self.refuse(group, |piece| !piece.waits());
                }
                Err(JournalError::Full(_)) => {
                    self.room.met_a_full_disk();
                    let patient = open && self.room.notice().is_patient();
                    self.refuse(group, |piece| !patient || !piece.waits());
                    break;
                }
                Err(error) => return Err(error),
                Ok(()) => self.room.wrote(),
            }
        }
        match self.write_back() {
            Err(JournalError::Full(_)) => drop(self.room.give_way()),
            other => other?,
        }
        Ok(())
    }

    /// Tells some of the group that the disk is full.
    fn refuse(&self, group: &mut Vec<Box<dyn Piece>>, which: impl Fn(&dyn Piece) -> bool) {
        let notice = self.room.notice();
        for piece in group.extract_if(.., |piece| which(piece.as_ref())) {
            piece.answer(Err(notice.error()));
        }
    }

    fn write_back(&mut self) -> Result<(), JournalError> {
        let done = if self.wal.look_again().is_some() {
            self.wal.write_back(&self.connection)
        } else {
            self.wal.look(&self.connection)
        };
        done.map_err(|error| (&error).into())
    }
}

/// One transaction for the whole group; its answers go out after the commit. When the disk is full the
/// group stays as it is, for another try.
///
/// Crash window: after the commit and before the answers. The caller then has acted on nothing,
/// and finds its work done when the journal is read again.
pub(super) fn commit_together(
    connection: &Connection,
    count: &mut Count,
    group: &mut Vec<Box<dyn Piece>>,
) -> Result<(), JournalError> {
    crash_point::pass(Point::GroupTaken);
    let before = connection.total_changes();
    let mut waiting = Vec::with_capacity(group.len());
    let mut result = connection
        .execute_batch("BEGIN IMMEDIATE")
        .map_err(|e| (&e).into());
    for mut piece in group.drain(..) {
        if result.is_ok() {
            match run_alone(connection, piece.as_mut()) {
                Err(rejected @ JournalError::Rejected(_)) => {
                    piece.answer(Err(rejected));
                    continue;
                }
                other => result = other,
            }
        }
        waiting.push(piece);
    }
    let changes = connection.total_changes() > before;
    let commit = || {
        if changes {
            count.add(connection)?;
        }
        crash_point::before_commit();
        connection.execute_batch("COMMIT")
    };
    let result = result.and_then(|()| commit().map_err(|e| JournalError::from(&e)));
    crash_point::after_commit();
    if changes && result.is_ok() {
        count.committed();
    }
    if result.is_err() {
        // It fails if SQLite has done so already. The error itself is on its way to everyone.
        let _ = connection.execute_batch("ROLLBACK");
    }
    if matches!(result, Err(JournalError::Full(_))) {
        *group = waiting;
        return result;
    }
    for piece in waiting {
        piece.answer(result.clone());
    }
    crash_point::pass(Point::GroupAnswered);
    result
}

/// One piece, so that a row which breaks a CHECK takes nothing else of the group with it.
fn run_alone(connection: &Connection, piece: &mut dyn Piece) -> Result<(), JournalError> {
    let sql = |text| connection.prepare_cached(text)?.execute([]).map(drop);
    let mut run = || {
        sql("SAVEPOINT piece")?;
        piece.run(connection)
    };
    let result = run().map_err(|error| JournalError::from(&error));
    let end = match &result {
        Ok(()) => sql("RELEASE piece"),
        Err(JournalError::Rejected(_)) => {
            sql("ROLLBACK TO piece").and_then(|()| sql("RELEASE piece"))
        }
        Err(_) => Ok(()),
    };
    result.and(end.map_err(|error| JournalError::from(&error)))
}
