//! What may start now: claims, and the steps of the three stages.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Event, Pool};
use crate::engine::plan::{self, Step};
use crate::engine::worker::{Left, Worker};
use crate::engine::{Recorded, batch, reconcile, register, reserve, stock};
use crate::job::Job;
use crate::journal::Queue;
use crate::redivis::BATCH_LIMIT;

/// Jobs that are taken out of the journal at a time.
const CLAIM: usize = BATCH_LIMIT;

impl Pool {
    pub(super) async fn start_what_may_start(&mut self, stop: &CancellationToken) -> Recorded<()> {
        self.claim().await?;
        self.start_reserving();
        self.start_reconciling();
        self.start_registering();
        self.keep_what_cannot_be_registered().await?;
        self.start_transfers(stop).await?;
        match self.rate.new_reading(Instant::now(), self.shared.sent()) {
            Some(bytes_per_sec) => self.shared.journal.report_rate(bytes_per_sec).await,
            None => Ok(()),
        }
    }

    async fn claim(&mut self) -> Recorded<()> {
        // these need no worker
        let stored = self.claim_from(Queue::Stored).await?;
        self.sort(stored).await?;
        if self.stock.runs_low(self.capacity()) {
            let interrupted = self.claim_from(Queue::Interrupted).await?;
            self.sort(interrupted).await?;
        }
        if self.stock.queued.is_empty() {
            let queued = self.claim_from(Queue::Queued).await?;
            self.stock.queued.extend(queued);
        }
        Ok(())
    }

    async fn claim_from(&mut self, queue: Queue) -> Recorded<Vec<Job>> {
        if !self.unexhausted.contains(&queue) {
            return Ok(Vec::new());
        }
        let journal = self.shared.journal.clone();
        let jobs = journal.claim(queue, CLAIM, self.shared.now()).await?;
        if jobs.len() < CLAIM {
            self.unexhausted.remove(&queue);
            if let Some(at) = journal.next_due(queue).await? {
                self.wake_at(at);
            }
        }
        Ok(jobs)
    }

    /// Puts each interrupted job where it goes on.
    async fn sort(&mut self, jobs: Vec<Job>) -> Recorded<()> {
        let now = self.shared.now();
        let (mut stale, mut registered) = (Vec::new(), Vec::new());
        for job in jobs {
            match plan::next(&job, now) {
                Step::Reserve => self.stock.queued.push_back(job),
                Step::Renew => stale.push(job),
                Step::Transfer => self.stock.make_ready([job]),
                Step::Register => self.store([job]),
                Step::Reconcile => self.stock.unresolved.push(job),
                Step::Finish => registered.push(job),
                Step::Rest => {}
            }
        }
        self.renew(stale).await?;
        register::finish(&self.shared, registered).await
    }

    async fn renew(&mut self, stale: Vec<Job>) -> Recorded<()> {
        let renewed = batch::advance(&self.shared, stale, |_, state| state.renew()).await?;
        self.stock.queued.extend(renewed);
        Ok(())
    }

    fn start_reserving(&mut self) {
        let now = Instant::now();
        let wanted = self.stock.runs_low(self.capacity()) && self.pauses.may_upload(now);
        if self.under_way.reserving || !wanted || !self.pauses.may_call(now) {
            return;
        }
        let batch = self.stock.next_to_reserve();
        if !batch.is_empty() {
            self.under_way.reserving = true;
            self.pauses.called();
            let step = reserve::reserve(self.shared.clone(), batch, self.api_delay());
            self.start(async { Event::Reserved(step.await) });
        }
    }

    fn start_reconciling(&mut self) {
        if self.under_way.reconciling || !self.pauses.may_call(Instant::now()) {
            return;
        }
        let batch = self.stock.next_to_look_up();
        if !batch.is_empty() {
            self.under_way.reconciling = true;
            self.pauses.called();
            let step = reconcile::reconcile(self.shared.clone(), batch, self.api_delay());
            self.start(async { Event::Reconciled(step.await) });
        }
    }

    fn start_registering(&mut self) {
        let now = Instant::now();
        let company_comes = self.company_comes();
        while self.pauses.may_call(now) {
            let busy = &self.under_way.registering;
            let Some((table, batch)) = self.stock.next_to_register(busy, company_comes, now) else {
                return;
            };
            self.under_way.registering.insert(table.clone());
            self.pauses.called();
            let step = register::register(self.shared.clone(), batch, self.api_delay());
            self.start(async move { Event::Registered(table, step.await) });
        }
    }

    /// While the API is closed, files that are stored are at least recorded as such.
    async fn keep_what_cannot_be_registered(&mut self) -> Recorded<()> {
        let now = Instant::now();
        if self.pauses.may_call(now) {
            return Ok(());
        }
        let unrecorded = self.stock.unrecorded(now);
        let stored = register::stored(&self.shared, unrecorded).await?;
        self.store(stored);
        Ok(())
    }

    async fn start_transfers(&mut self, stop: &CancellationToken) -> Recorded<()> {
        let mut stale = Vec::new();
        while self.pauses.may_upload(Instant::now()) {
            let free = self.capacity() - self.under_way.transferring;
            let Some(job) = self.stock.next_to_transfer(free) else {
                break;
            };
            if plan::next(&job, self.shared.now()) == Step::Renew {
                stale.push(job);
            } else {
                self.start_transfer(job, stop.clone());
            }
        }
        // they waited too long behind others
        self.renew(stale).await
    }

    fn start_transfer(&mut self, job: Job, stop: CancellationToken) {
        let taken = stock::shares(job.seen.size);
        self.under_way.transferring += taken;
        self.pauses.uploading();
        let shared = self.shared.clone();
        self.start(async move {
            let worker = Worker { shared, job };
            let left = tokio::select! {
                biased;
                () = stop.cancelled() => Ok(Left::Over),
                left = worker.transfer() => left,
            };
            Event::Transferred(taken, left)
        });
    }

    fn start(&self, step: impl Future<Output = Event> + Send + 'static) {
        let report = self.report.clone();
        self.tasks.spawn(async move {
            let event = AssertUnwindSafe(step).catch_unwind().await;
            // at shutdown nobody listens any more; the journal has what was recorded
            let _ = report.send(event.unwrap_or(Event::Panicked)).await;
        });
    }
}
