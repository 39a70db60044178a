//! What the after-actions need from the outside: somebody who remembers.
//!
//! This room defines it and the journal provides it, so that neither knows the other.

use std::time::Duration;

use crate::job::{AfterIntent, Job, JobId, Proven};

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Concluded {
    /// Nothing more is to be done: why, for people.
    Done(String),
    /// It did not work now: what failed, for people.
    Later(String),
}

/// Remembers what is to be done, and what was.
pub trait Ledger: Send + Sync + 'static {
    /// It cannot remember any more: nothing may be done then.
    type Error: Send + 'static;

    /// Files that are in their table and whose turn it is, at most so many.
    fn proven(&self, most: usize) -> impl Future<Output = Result<Vec<Proven>, Self::Error>> + Send;

    /// When the next one's turn is, from now; `None` if none waits.
    fn next(&self) -> impl Future<Output = Result<Option<Duration>, Self::Error>> + Send;

    /// Returns when there may be more of them.
    fn news(&mut self) -> impl Future<Output = ()> + Send;

    /// Writes down what is about to be done, durably when this returns.
    fn intend(
        &self,
        intents: Vec<(JobId, AfterIntent)>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Writes down what was done, durably when this returns.
    fn conclude(
        &self,
        concluded: Vec<(Job, Concluded)>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
}
