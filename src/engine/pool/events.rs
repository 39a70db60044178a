//! What comes back from the steps, and what follows for the others.

use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::super::batch::{self, Destination};
use super::super::condition::Account;
use super::super::register::Stored;
use super::super::worker::{Left, Trouble};
use super::super::{Recorded, Shared};
use super::{Event, Pool};
use crate::job::Job;
use crate::journal::JournalError;

impl Pool {
    pub(super) async fn on_event(&mut self, event: Event) -> Recorded<()> {
        match event {
            Event::Reserved(outcome) => {
                self.under_way.reserving = 0;
                let outcome = outcome?;
                self.stock.make_ready(outcome.onward);
                self.stock.queued.extend(outcome.kept);
                self.on_call(outcome.until, outcome.answered, outcome.trouble)
                    .await?;
                self.on_destination(outcome.destination).await
            }
            Event::Transferred(carried) => {
                self.pauses.upload_ended();
                for (taken, left) in carried {
                    self.under_way.transferring -= taken;
                    self.seat.give(taken);
                    self.on_transferred(left?);
                }
                Ok(())
            }
            Event::Registered(table, outcome) => {
                self.under_way.registering.remove(&table);
                let outcome = outcome?;
                self.store(outcome.kept);
                self.stock.queued.extend(outcome.again);
                self.on_call(outcome.until, outcome.answered, outcome.trouble)
                    .await?;
                self.on_destination(outcome.destination).await
            }
            Event::Reconciled(outcome) => {
                self.under_way.reconciling = false;
                let outcome = outcome?;
                self.store(outcome.onward);
                self.stock.look_up(outcome.kept);
                self.on_call(outcome.until, outcome.answered, outcome.trouble)
                    .await?;
                self.on_destination(outcome.destination).await
            }
            Event::Compared(outcome) => {
                self.under_way.comparing = false;
                self.stock.queued.extend(outcome?.again);
                Ok(())
            }
            Event::Listed(table, outcome) => {
                self.under_way.listing = false;
                let mut outcome = outcome?;
                if outcome.answered {
                    outcome.again.extend(self.tables.met(table));
                }
                for job in outcome.kept {
                    self.tables.wait(job);
                }
                self.on_call(None, outcome.answered, outcome.trouble)
                    .await?;
                self.sort_listed(outcome.again).await
            }
            Event::Panicked => Err(JournalError::Rejected(
                "a step of the engine panicked".into(),
            )),
            Event::Pulse(tell) => {
                // whoever asked may be gone
                let _ = tell.send(());
                Ok(())
            }
        }
    }

    fn on_transferred(&mut self, left: Left) {
        match left {
            Left::Stored(job, unrecorded) => {
                self.on_upload_server_well();
                let stored = Stored {
                    job: *job,
                    unrecorded,
                    since: Some(self.shared.now()),
                };
                self.stock.store(stored, Instant::now());
            }
            Left::Until(at, trouble) => {
                self.wake_at(at);
                match trouble {
                    Trouble::UploadServer(why, wanted) => self.on_upload_trouble(why, wanted),
                    Trouble::Machine => {
                        if self.seat.squeeze(Instant::now()) {
                            tracing::warn!("out of descriptors or memory: fewer files at once");
                        }
                    }
                    Trouble::Own => {}
                }
            }
            Left::Over => {}
        }
    }

    pub(super) fn on_upload_server_well(&mut self) {
        self.pauses.uploads_are_well();
        self.note(|condition| condition.upload_failures = 0);
    }

    fn on_upload_trouble(&mut self, why: String, wanted: Option<Duration>) {
        let now = Instant::now();
        // uploads that were in flight together fail together, and count once
        if self.pauses.may_upload(now) {
            self.note(|condition| {
                condition.upload_failures += 1;
                condition.last_failure = Some(why);
            });
        }
        let failures = self.condition.borrow().upload_failures;
        let delay = self.pause(failures).max(wanted.unwrap_or_default());
        self.pauses.pause_uploads(now + delay);
        self.shared.uploads.ails.store(true, Ordering::Relaxed);
    }

    pub(super) fn store(&mut self, jobs: impl IntoIterator<Item = Job>) {
        let now = Instant::now();
        let stored = jobs.into_iter().map(Stored::recorded);
        stored.for_each(|stored| self.stock.store(stored, now));
    }

    /// A step that calls the API came back, with or without trouble that concerns the others.
    async fn on_call(
        &mut self,
        until: Option<Timestamp>,
        answered: bool,
        trouble: Option<batch::Trouble>,
    ) -> Recorded<()> {
        self.pauses.call_ended();
        if let Some(at) = until {
            self.wake_at(at);
        }
        let before = self.condition.borrow().clone();
        match trouble {
            None if !answered => {}
            None => {
                self.pauses.api_is_well();
                self.note(|condition| {
                    condition.account = Account::Ok;
                    condition.api_failures = 0;
                });
            }
            Some(batch::Trouble::Auth(why)) => {
                let account = &self.shared.account;
                tracing::error!(
                    account,
                    why,
                    "the account is paused: its uploads wait, nothing is lost"
                );
                self.pauses.pause_account(Instant::now());
                self.note(|condition| condition.account = Account::Paused(why));
            }
            Some(batch::Trouble::Pause(why, wanted)) => {
                let now = Instant::now();
                // calls that were on their way together fail together, and count once
                if self.pauses.may_call(now) {
                    self.note(|condition| {
                        condition.api_failures += 1;
                        condition.last_failure = Some(why.clone());
                    });
                }
                let failures = self.condition.borrow().api_failures;
                let delay = self.pause(failures).max(wanted.unwrap_or_default());
                let account = &self.shared.account;
                tracing::warn!(
                    account,
                    why,
                    ?delay,
                    failures,
                    "no calls to Redivis for a while"
                );
                self.pauses.pause_api(now + delay);
            }
        }
        if *self.condition.borrow() == before {
            return Ok(());
        }
        self.report_account().await
    }

    /// A table takes everything, or nothing.
    async fn on_destination(&mut self, learnt: Option<Destination>) -> Recorded<()> {
        let (table, closed, is_news) = match learnt {
            None => return Ok(()),
            Some(Destination::Takes(table)) => {
                let is_news = self.destinations.open(&table);
                if is_news {
                    tracing::info!(table, "the table takes files again");
                }
                (table, None, is_news)
            }
            Some(Destination::Refuses(table, why)) => {
                let is_news = self.destinations.close(&table, why.clone(), Instant::now());
                if is_news {
                    tracing::error!(
                        table,
                        why,
                        "the table takes nothing: its files wait, the others go on"
                    );
                }
                (table, Some(why), is_news)
            }
        };
        if !is_news {
            return Ok(());
        }
        let closed_tables = self.destinations.closed();
        self.note(|condition| condition.closed_tables = closed_tables);
        let Shared {
            journal, account, ..
        } = &*self.shared;
        journal.report_table(account, table, closed).await
    }
}
