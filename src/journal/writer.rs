//! The one thread that writes, and the handle through which everyone else does.

use std::path::Path;
use std::thread;

use rusqlite::{Connection, ErrorCode};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

use super::OpenError;
use super::crashes;
use super::lock::Lock;
use super::open;
use crate::crash_point::{self, Point};

/// Pieces of work that may wait; who has more to write waits with it.
const QUEUE: usize = 1024;
/// Pieces of work in one commit: enough to hide the price of `fsync`, little enough to
/// answer soon.
pub(super) const GROUP: usize = 512;

/// Why something was not recorded. The journal is as it was before.
#[derive(Debug, Clone, Error)]
pub enum JournalError {
    /// The disk is full: what is known stays, nothing new is taken.
    #[error("the journal's disk is full: {0}")]
    Full(String),
    /// Reading or writing failed: what is on disk is uncertain until it is opened again.
    #[error("the journal cannot be written: {0}")]
    Broken(String),
    /// The journal's own rules forbid it: a mistake in this program, and only this piece is lost.
    #[error("the journal refuses an impossible record: {0}")]
    Rejected(String),
    /// The writer has ended, after an error that it has told or at shutdown.
    #[error("the journal is closed")]
    Closed,
}

impl From<&rusqlite::Error> for JournalError {
    fn from(error: &rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(error.to_string()),
            Some(ErrorCode::ConstraintViolation) => Self::Rejected(error.to_string()),
            _ => Self::Broken(error.to_string()),
        }
    }
}

/// What is sent to the writer.
pub(super) enum Order {
    Write(Box<dyn Piece>),
    /// The last one; whoever comes later finds the journal closed.
    Close,
}

/// Something to write and someone who waits for it.
pub(super) trait Piece: Send {
    /// Does it, inside the group's transaction.
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()>;
    /// Tells the caller, after the commit or its failure.
    fn answer(self: Box<Self>, result: Result<(), JournalError>);
}

struct Task<T, F> {
    work: Option<F>,
    value: Option<T>,
    tell: oneshot::Sender<Result<T, JournalError>>,
}

impl<T, F> Piece for Task<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> rusqlite::Result<T> + Send,
{
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if let Some(work) = self.work.take() {
            self.value = Some(work(connection)?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, result: Result<(), JournalError>) {
        let Self { value, tell, .. } = *self;
        // a caller that no longer listens has lost interest in the answer, not in the work
        let _ = tell.send(result.and_then(|()| value.ok_or(JournalError::Closed)));
    }
}

/// The handle to the journal; cheap to clone. The writer ends when the last one is gone.
#[derive(Clone)]
pub struct Journal {
    pub(super) work: mpsc::Sender<Order>,
    pub(super) news: watch::Sender<u64>,
    /// The last daemon crashed, with jobs in hand.
    pub(super) follows_a_crash: bool,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Journal")
    }
}

impl Journal {
    /// Opens the journal for this process alone and starts the writer.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let open::Opened {
            connection,
            lock,
            interrupted,
        } = open::open(path)?;
        if interrupted > 0 {
            tracing::warn!(
                jobs = interrupted,
                "the last daemon did not stop in order; the files that it had in hand go on from what is recorded"
            );
        }
        let (work, queue) = mpsc::channel(QUEUE);
        let (news, _) = watch::channel(0);
        thread::Builder::new()
            .name("journal".into())
            .spawn(move || write_until_closed(&connection, queue, lock))
            .map_err(|source| OpenError::Files {
                path: path.into(),
                source,
            })?;
        Ok(Self {
            work,
            news,
            follows_a_crash: interrupted > 0,
        })
    }

    /// Writes what waits and lets go of the journal, whoever still has a handle. Returns when that is
    /// done.
    pub async fn close(&self) {
        // if it is closed already, there is nothing to wait for
        let _ = self.work.send(Order::Close).await;
        self.work.closed().await;
    }

    /// Changes whenever new jobs were recorded.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    pub(super) fn announce(&self) {
        self.news.send_modify(|count| *count += 1);
    }

    /// Runs `work` on the writer and waits for the commit that contains it.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, JournalError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (piece, answer) = piece(work);
        self.work
            .send(Order::Write(piece))
            .await
            .map_err(|_| JournalError::Closed)?;
        answer.await.unwrap_or(Err(JournalError::Closed))
    }

    /// The same for a thread that may block; never from an async task.
    pub(super) fn write_blocking<T, F>(&self, work: F) -> Result<T, JournalError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (piece, answer) = piece(work);
        self.work
            .blocking_send(Order::Write(piece))
            .map_err(|_| JournalError::Closed)?;
        answer.blocking_recv().unwrap_or(Err(JournalError::Closed))
    }
}

type Waiting<T> = oneshot::Receiver<Result<T, JournalError>>;

fn piece<T, F>(work: F) -> (Box<dyn Piece>, Waiting<T>)
where
    T: Send + 'static,
    F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
{
    let (tell, answer) = oneshot::channel();
    (
        Box::new(Task {
            work: Some(work),
            value: None,
            tell,
        }),
        answer,
    )
}

fn write_until_closed(connection: &Connection, mut queue: mpsc::Receiver<Order>, lock: Lock) {
    let mut orders = Vec::with_capacity(GROUP);
    let mut open = true;
    while open && queue.blocking_recv_many(&mut orders, GROUP) > 0 {
        let mut group;
        (group, open) = sorted(&mut orders);
        if let Err(error) = commit_together(connection, &mut group) {
            tracing::error!(%error, "the journal failed");
            if matches!(error, JournalError::Broken(_)) {
                // what is on disk is uncertain: no second try. Everyone is told by the closed queue.
                return;
            }
        }
    }
    if !open {
        // if this fails, the next start takes it for a crash, which is no more than a delay
        let _ = crashes::release(connection);
    }
    // leaves a small WAL behind; a failure here loses nothing
    let _ = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA optimize;");
    // before the queue, by whose end `close` knows that the journal is free
    drop(lock);
}

/// What is to be written, and whether the journal stays open after it.
pub(super) fn sorted(orders: &mut Vec<Order>) -> (Vec<Box<dyn Piece>>, bool) {
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

/// One transaction for the whole group; its answers go out after the commit.
///
/// Crash window: after the commit and before the answers. The caller then has acted on nothing,
/// and finds its work done when the journal is read again.
pub(super) fn commit_together(
    connection: &Connection,
    group: &mut Vec<Box<dyn Piece>>,
) -> Result<(), JournalError> {
    crash_point::pass(Point::GroupTaken);
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
    let result = result.and_then(|()| {
        crash_point::before_commit();
        connection
            .execute_batch("COMMIT")
            .map_err(|e| JournalError::from(&e))
    });
    crash_point::after_commit();
    if result.is_err() && !connection.is_autocommit() {
        // the error itself is on its way to everyone
        let _ = connection.execute_batch("ROLLBACK");
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
