//! What waits for the writer: something to write, and someone who waits for it.

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::JournalError;

/// What is sent to the writer.
pub(super) enum Order {
    Write(Box<dyn Piece>),
    /// The last one; whoever comes later finds the journal closed.
    Close,
}

/// Something to write and someone who waits for it.
pub(super) trait Piece: Send {
    /// Does it, inside the group's transaction; again, if that was rolled back because the disk was full.
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()>;
    /// Whether it waits while the disk is full.
    fn waits(&self) -> bool;
    /// Tells the caller, after the commit or its failure.
    fn answer(self: Box<Self>, result: Result<(), JournalError>);
}

struct Task<T, F> {
    work: F,
    waits: bool,
    value: Option<T>,
    tell: oneshot::Sender<Result<T, JournalError>>,
}

impl<T, F> Piece for Task<T, F>
where
    T: Send,
    F: FnMut(&Connection) -> rusqlite::Result<T> + Send,
{
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.value = Some((self.work)(connection)?);
        Ok(())
    }

    fn waits(&self) -> bool {
        self.waits
    }

    fn answer(self: Box<Self>, result: Result<(), JournalError>) {
        let Self {
            work, value, tell, ..
        } = *self;
        // what it took with it is free before the caller goes on
        drop(work);
        // a caller that no longer listens has lost interest in the answer, not in the work
        let _ = tell.send(result.and_then(|()| value.ok_or(JournalError::Closed)));
    }
}

pub(super) type Waiting<T> = oneshot::Receiver<Result<T, JournalError>>;

/// Work, and where its caller hears how it went.
pub(super) fn piece<T, F>(work: F, waits: bool) -> (Box<dyn Piece>, Waiting<T>)
where
    T: Send + 'static,
    F: FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
{
    let (tell, answer) = oneshot::channel();
    (
        Box::new(Task {
            work,
            waits,
            value: None,
            tell,
        }),
        answer,
    )
}
