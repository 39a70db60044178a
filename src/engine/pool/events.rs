//! What comes back from the steps, and what follows for the others.

use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::super::already::Heard;
use super::super::batch::{self, Destination, Outcome};
use super::super::condition::Account;
use super::super::next_version::{Looked, Verdict, Words};
use super::super::register::Stored;
use super::super::worker::{Left, Trouble};
use super::super::{Recorded, Shared, retry};
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
                self.on_destination(outcome.destination, false).await
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
                self.expect_imports(&outcome);
                self.store(outcome.kept);
                self.stock.queued.extend(outcome.again);
                self.on_call(outcome.until, outcome.answered, outcome.trouble)
                    .await?;
                self.on_destination(outcome.destination, true).await
            }
            Event::Reconciled(outcome) => {
                self.under_way.reconciling = false;
                let outcome = outcome?;
                self.expect_imports(&outcome);
                self.store(outcome.onward);
                self.stock.look_up(outcome.kept);
                self.on_call(outcome.until, outcome.answered, outcome.trouble)
                    .await?;
                self.on_destination(outcome.destination, true).await
            }
            Event::Compared(outcome) => {
                self.under_way.comparing = false;
                let outcome = outcome?;
                self.stock.queued.extend(outcome.again);
                if let Some(until) = outcome.until {
                    self.wake_at(until);
                }
                Ok(())
            }
            Event::Polled(table, outcome) => {
                let outcome = outcome?;
                if outcome.destination.is_some() {
                    self.rounds.refused(&table, Instant::now());
                } else {
                    self.rounds.answered(&table, Instant::now());
                    self.expect_imports(&outcome);
                }
                let silent = self.rounds.silent();
                self.note(|condition| condition.silent_tables = silent);
                self.on_call(None, outcome.answered, outcome.trouble).await
            }
            Event::Listed(table, heard) => {
                self.under_way.listing = false;
                self.on_listed(table, heard?).await
            }
            Event::Looked(looked) => {
                self.inquiries.looking = false;
                self.on_looked(looked?).await
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

    async fn on_listed(&mut self, table: String, heard: Heard) -> Recorded<()> {
        match heard {
            Heard::Whole(jobs) => {
                let meanwhile = self.meet(table).await?;
                self.on_call(None, true, None).await?;
                self.sort_listed(jobs, true).await?;
                // what was registered while the table was listed may be missing there: they may need a listing of their own
                self.sort_new(meanwhile).await
            }
            Heard::Refused(mut jobs) => {
                jobs.extend(self.meet(table).await?);
                self.on_call(None, true, None).await?;
                self.sort_listed(jobs, false).await
            }
            Heard::Later(jobs, trouble) => {
                for job in jobs {
                    self.tables.wait(job);
                }
                if let batch::Trouble::Pause(why, _) = &trouble {
                    self.on_unlisted(table, why).await?;
                }
                self.on_call(None, false, Some(trouble)).await
            }
        }
    }

    /// A table has been listed, or cannot be. Returns the jobs that came meanwhile.
    async fn meet(&mut self, table: String) -> Recorded<Vec<Job>> {
        let was_told = self.tables.unlisted().any(|unlisted| *unlisted == table);
        let meanwhile = self.tables.met(table.clone());
        if was_told {
            self.note_closed_tables();
            self.report_table(table, None).await?;
        }
        Ok(meanwhile)
    }

    /// The listing of a table failed, and not for what it holds: others go on meanwhile.
    async fn on_unlisted(&mut self, table: String, why: &str) -> Recorded<()> {
        let (retry, chance) = (self.shared.retry, self.shared.chance());
        let delay = |failures| retry::delay(retry, failures, chance);
        let is_well = self.pauses.api_until().is_none();
        if !self.tables.failed(&table, is_well, Instant::now(), delay) {
            return Ok(());
        }
        self.note_closed_tables();
        let why = format!(
            "what the table holds already cannot be listed ({why}); its files wait, and it is asked again now and then. \
             adopt_existing = false would send them without asking"
        );
        tracing::warn!(table, why, "why nothing is sent to the table");
        self.report_table(table, Some(why)).await
    }

    /// Something is being imported: it is asked about in a while.
    fn expect_imports(&mut self, outcome: &Outcome) {
        if let Some(table) = &outcome.importing {
            self.rounds.expect(table, Instant::now());
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

    /// A table takes everything, or nothing; `sent`: not even what was sent already.
    async fn on_destination(&mut self, learnt: Option<Destination>, sent: bool) -> Recorded<()> {
        match learnt {
            None => Ok(()),
            Some(Destination::Takes(table)) => {
                self.inquiries.forget(&table);
                if !self.destinations.open(&table) {
                    return Ok(());
                }
                tracing::info!(table, "the table takes files again");
                self.note_closed_tables();
                self.report_table(table, None).await
            }
            Some(Destination::Refuses(table, said)) => {
                let now = Instant::now();
                let is_news = self.destinations.close(&table, said.clone(), sent, now);
                if !self.inquiries.ask(&table) {
                    self.destinations
                        .explain(&table, &Words::Instead(said.clone(), said.clone()));
                }
                if !is_news {
                    return Ok(());
                }
                tracing::error!(
                    table,
                    why = said,
                    "the table takes nothing: its files wait, the others go on"
                );
                self.note_closed_tables();
                self.report_table(table, Some(said)).await
            }
        }
    }

    /// The dataset of tables that refuse everything was looked at.
    async fn on_looked(&mut self, looked: Looked) -> Recorded<()> {
        let Looked { inquiry, .. } = looked;
        if let Some(has_next) = looked.has_next {
            self.inquiries.looked(&inquiry.dataset, has_next);
        }
        if looked.made {
            self.inquiries.looked(&inquiry.dataset, true);
        }
        let now = Instant::now();
        match looked.verdict {
            Verdict::Closed(tables, again) => {
                for (table, words) in tables {
                    let dataset = &inquiry.dataset;
                    if words == Words::Open && self.inquiries.may_try(dataset, &table) {
                        self.destinations.try_now(&table, now);
                    } else if let Some(why) = self.destinations.explain(&table, &words) {
                        tracing::warn!(table, why, "why the table takes nothing");
                        self.report_table(table, Some(why)).await?;
                    }
                }
                if let Some(wait) = again {
                    self.inquiries.ask_later(inquiry, Some(now + wait));
                }
            }
            Verdict::Unknown => {
                let at = now + self.shared.retry.max;
                self.inquiries.ask_later(inquiry, Some(at));
            }
        }
        self.note_closed_tables();
        self.on_call(None, looked.answered, looked.trouble).await
    }

    async fn report_table(&self, table: String, why: Option<String>) -> Recorded<()> {
        let Shared {
            journal, account, ..
        } = &*self.shared;
        journal.report_table(account, table, why).await
    }

    fn note_closed_tables(&self) {
        let mut closed_tables = self.destinations.closed();
        closed_tables.extend(self.tables.unlisted().cloned());
        self.note(|condition| condition.closed_tables = closed_tables);
    }
}
