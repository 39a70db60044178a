//! What may start now: claims, and the steps of the three stages.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Event, Pool};
use crate::engine::already::{self, Acquaintance, Next, Ways};
use crate::engine::plan::{self, Step};
use crate::engine::register::Stored;
use crate::engine::stock::{self, Stock};
use crate::engine::{
    Recorded, batch, compare, imports, lot, next_version, reconcile, register, reserve,
};
use crate::job::{Job, Kind, ParkReason, WatchName};
use crate::journal::{Last, Queue};
use crate::redivis::BATCH_LIMIT;

/// Jobs that are taken out of the journal at a time.
const CLAIM: usize = BATCH_LIMIT;
/// And of each watch, however many there are.
const FEWEST: usize = 50;
/// Stored jobs that wait in memory for their registration; more stay in the journal.
const MOST_STORED: usize = 4 * CLAIM;

/// Until a version is looked at again that waits for the registration of the one before; while that cannot be made,
/// as long as anything waits that failed.
const NEXT_VERSION: Duration = Duration::from_secs(5);

impl Pool {
    pub(super) async fn start_what_may_start(&mut self, stop: &CancellationToken) -> Recorded<()> {
        self.claim().await?;
        // in trouble one call finds out whether the API is well: not one for what may have brought the trouble, if there is
        // another
        let ails = self.pauses.api_until().is_some();
        if !ails {
            self.start_asking();
        }
        self.start_comparing();
        self.start_reserving();
        self.start_reconciling();
        self.start_registering();
        self.start_polling();
        if ails {
            self.start_asking();
        }
        self.keep_what_cannot_be_registered().await?;
        self.start_transfers(stop).await?;
        match self.rate.new_reading(Instant::now(), self.shared.sent()) {
            Some(bytes_per_sec) => {
                self.shared
                    .journal
                    .report_rate(&self.shared.account, bytes_per_sec)
                    .await
            }
            None => Ok(()),
        }
    }

    async fn claim(&mut self) -> Recorded<()> {
        // these need no worker, but memory
        let few = |stock: &Stock, watch: &WatchName| stock.to_register(watch) < MOST_STORED;
        let stored = self.claim_from(Queue::Stored, few).await?;
        self.sort(stored).await?;
        let capacity = self.capacity();
        let low = |stock: &Stock, watch: &WatchName| stock.runs_low(capacity, watch);
        let interrupted = self.claim_from(Queue::Interrupted, low).await?;
        self.sort(interrupted).await?;
        let unmet = self.tables.waiting();
        let lacks = |stock: &Stock, watch: &WatchName| {
            stock.queued.lacks(watch) && stock.to_compare(watch) + unmet < MOST_STORED
        };
        let queued = self.claim_from(Queue::Queued, lacks).await?;
        let queued = self.without_empty_tables(queued).await?;
        self.sort_new(queued).await
    }

    /// Puts each new job where it goes on, by what is known of its name in its table.
    pub(super) async fn sort_new(&mut self, jobs: Vec<Job>) -> Recorded<()> {
        if jobs.is_empty() {
            return Ok(());
        }
        let mut last = self.shared.journal.last(&jobs).await?;
        let now = self.shared.now();
        let mut sorted = Vec::with_capacity(jobs.len());
        for job in jobs {
            let last = last.remove(&job.id);
            let folder = self.shared.folders.get(&job.watch);
            let ways = Ways {
                adopts: folder.is_some_and(|folder| folder.adopt_existing),
                keeps: self.shared.keeps(&job),
            };
            match self.tables.sort(job, last, ways, now) {
                Next::List(job) => self.tables.wait(job),
                Next::Go(job, last) => sorted.push((job, last)),
            }
        }
        self.put(sorted).await
    }

    /// As [`Pool::sort_new`], for jobs whose table has been listed just now, if it `is_listed`, or has refused to be:
    /// they are not sent to ask it once more.
    pub(super) async fn sort_listed(&mut self, jobs: Vec<Job>, is_listed: bool) -> Recorded<()> {
        let (shared, now) = (self.shared.clone(), self.shared.now());
        let keeps = |job: &Job| shared.keeps(job);
        let (kept, others): (Vec<_>, Vec<_>) = jobs.into_iter().partition(keeps);
        let mut last = shared.journal.last(&kept).await?;
        last.extend(shared.journal.last_listed(&others).await?);
        let jobs = kept.into_iter().chain(others).map(|job| {
            let last = last.remove(&job.id);
            let last = Acquaintance::believe(&job, last, is_listed, keeps(&job), now);
            (job, last)
        });
        self.put(jobs.collect()).await
    }

    async fn put(&mut self, jobs: Vec<(Job, Option<Last>)>) -> Recorded<()> {
        let mut early = Vec::new();
        for (job, last) in jobs {
            match last {
                Some(last @ (Last::InTable(_) | Last::Listed(_) | Last::Unproven(_))) => {
                    self.stock.compare(job, last);
                }
                Some(Last::UnderWay) => early.push(job),
                None => self.stock.queued.extend([job]),
            }
        }
        if !early.is_empty() {
            let ails = self.pauses.api_until().is_some() || self.destinations.any_closed();
            let wait = if ails {
                self.shared.retry.max
            } else {
                NEXT_VERSION
            };
            let until = batch::postpone(&self.shared, early, wait).await?;
            self.wake_at(until);
        }
        Ok(())
    }

    /// Nothing can be imported from a file without a byte: it is parked before anything is sent.
    async fn without_empty_tables(&self, jobs: Vec<Job>) -> Recorded<Vec<Job>> {
        let is_empty = |job: &Job| job.kind == Kind::Tabular && job.seen.size == 0;
        let (empty, others): (Vec<_>, Vec<_>) = jobs.into_iter().partition(is_empty);
        let why = "the file has no bytes, and so no rows to import; nothing was sent";
        batch::park(&self.shared, empty, ParkReason::EmptyFile, why).await?;
        Ok(others)
    }

    /// Takes jobs of each watch that may have more and for which they are `wanted`.
    async fn claim_from(
        &mut self,
        queue: Queue,
        wanted: impl Fn(&Stock, &WatchName) -> bool,
    ) -> Recorded<Vec<Job>> {
        let mut jobs = Vec::new();
        if self.unexhausted.is_empty() {
            return Ok(jobs);
        }
        let journal = self.shared.journal.clone();
        // with many watches few of each, so that they fit in memory
        let most = (4 * CLAIM / self.watches.len().max(1)).clamp(FEWEST, CLAIM);
        for watch in self.watches.clone() {
            let key = (queue, watch);
            if !self.unexhausted.contains(&key) || !wanted(&self.stock, &key.1) {
                continue;
            }
            let claimed = journal
                .claim(queue, &key.1, most, self.shared.now())
                .await?;
            if claimed.len() < most {
                if let Some(at) = journal.next_due(queue, &key.1).await? {
                    self.wake_at(at);
                }
                self.unexhausted.remove(&key);
            }
            jobs.extend(claimed);
        }
        Ok(jobs)
    }

    /// Puts each interrupted job where it goes on.
    async fn sort(&mut self, jobs: Vec<Job>) -> Recorded<()> {
        let now = self.shared.now();
        let mut stale = Vec::new();
        for job in jobs {
            match plan::next(&job, now) {
                Step::Reserve => self.stock.queued.extend([job]),
                Step::Renew => stale.push(job),
                Step::Transfer => self.stock.make_ready([job]),
                Step::Register => self.store([job]),
                Step::Reconcile => self.stock.look_up([job]),
                Step::Await => self.rounds.expect(&job.table, Instant::now()),
                Step::Rest => {}
            }
        }
        self.renew(stale).await
    }

    async fn renew(&mut self, stale: Vec<Job>) -> Recorded<()> {
        let renewed = batch::advance(&self.shared, stale, |_, state| state.renew()).await?;
        self.stock.queued.extend(renewed);
        Ok(())
    }

    fn start_reserving(&mut self) {
        let now = Instant::now();
        let capacity = self.capacity();
        let may = self.pauses.may_upload(now) && self.pauses.may_call(now);
        if self.under_way.reserving > 0 || !may {
            return;
        }
        let least = self.stock.runs_low_from(capacity);
        let sends = self.under_way.transferring > 0;
        let open = |table: &str| self.destinations.may_ask(table, now);
        let batch = self.stock.next_to_reserve(sends, least, open);
        if let Some(first) = batch.first() {
            self.destinations.asked(&first.table, now);
            self.under_way.reserving = batch.len();
            self.pauses.called();
            let step = reserve::reserve(self.shared.clone(), batch, self.api_delay());
            self.start(async { Event::Reserved(step.await) });
        }
    }

    /// What is to be known of datasets and tables.
    fn start_asking(&mut self) {
        self.start_looking();
        self.start_listing();
    }

    fn start_looking(&mut self) {
        let now = Instant::now();
        if self.inquiries.looking || !self.pauses.may_call(now) {
            return;
        }
        if let Some(inquiry) = self.inquiries.next(now) {
            self.inquiries.looking = true;
            self.pauses.called();
            let step = next_version::look(self.shared.clone(), inquiry);
            self.start(async { Event::Looked(step.await) });
        }
    }

    fn start_listing(&mut self) {
        let now = Instant::now();
        if self.under_way.listing || !self.pauses.may_call(now) {
            return;
        }
        let open = |table: &str| self.destinations.may_ask(table, now);
        if let Some((table, jobs)) = self.tables.next(open, now) {
            self.under_way.listing = true;
            self.pauses.called();
            let step = already::list(self.shared.clone(), table.clone(), jobs);
            self.start(async move { Event::Listed(table, step.await) });
        }
    }

    fn start_comparing(&mut self) {
        if self.under_way.comparing {
            return;
        }
        let batch = self.stock.next_to_compare(compare::AT_ONCE);
        if batch.is_empty() {
            return;
        }
        self.under_way.comparing = true;
        let step = compare::compare(self.shared.clone(), batch);
        self.start(async { Event::Compared(step.await) });
    }

    fn start_reconciling(&mut self) {
        let now = Instant::now();
        if self.under_way.reconciling || !self.pauses.may_call(now) {
            return;
        }
        let open = |table: &str| self.destinations.may_ask(table, now);
        let batch = self.stock.next_to_look_up(open);
        if let Some(first) = batch.first() {
            self.destinations.asked(&first.table, now);
            self.under_way.reconciling = true;
            self.pauses.called();
            let (shared, delay) = (self.shared.clone(), self.api_delay());
            if first.kind == Kind::Tabular {
                let step = imports::look_up(shared, batch, delay);
                self.start(async { Event::Reconciled(step.await) });
            } else {
                let step = reconcile::reconcile(shared, batch, delay);
                self.start(async { Event::Reconciled(step.await) });
            }
        }
    }

    fn start_registering(&mut self) {
        let now = Instant::now();
        let company = self.company();
        while self.pauses.may_call(now) {
            let may = |table: &str| {
                !self.under_way.registering.contains(table) && self.destinations.may_ask(table, now)
            };
            let Some((table, batch)) = self.stock.next_to_register(may, company, now) else {
                return;
            };
            self.destinations.asked(&table, now);
            self.under_way.registering.insert(table.clone());
            self.pauses.called();
            let (shared, delay) = (self.shared.clone(), self.api_delay());
            let of_rows = |stored: &Stored| stored.job.kind == Kind::Tabular;
            if batch.first().is_some_and(of_rows) {
                let step = imports::register(shared, batch, delay);
                self.start(async move { Event::Registered(table, step.await) });
            } else {
                let step = register::register(shared, batch, delay);
                self.start(async move { Event::Registered(table, step.await) });
            }
        }
    }

    /// A table that takes nothing now still tells how far its imports are.
    fn start_polling(&mut self) {
        let now = Instant::now();
        while self.pauses.may_call(now) {
            let Some(table) = self.rounds.next(now) else {
                return;
            };
            self.pauses.called();
            let step = imports::poll(self.shared.clone(), table.clone());
            self.start(async move { Event::Polled(table, step.await) });
        }
    }

    /// While the API or a table is closed, files that are stored are at least recorded as such.
    async fn keep_what_cannot_be_registered(&mut self) -> Recorded<()> {
        let now = Instant::now();
        let may_call = self.pauses.may_call(now);
        let closed = |table: &str| !may_call || !self.destinations.may_ask(table, now);
        let unrecorded = self.stock.unrecorded(now, closed);
        let stored = register::stored(&self.shared, unrecorded).await?;
        self.store(stored);
        Ok(())
    }

    /// Without a token there is nobody to speak for: what is half sent keeps its session and its offset.
    async fn start_transfers(&mut self, stop: &CancellationToken) -> Recorded<()> {
        let mut stale = Vec::new();
        let mut lacks = false;
        while self.has_token && self.pauses.may_upload(Instant::now()) {
            let capacity = self.capacity();
            let mut free = self.seat.free(Instant::now());
            let mut most = capacity.min(stock::MOST_IN_A_LOT);
            if self.pauses.uploads_ail() {
                // one finds out whether they are well again
                most = 1;
            }
            if capacity < stock::SHARES && self.under_way.transferring == 0 {
                // squeezed below one worker: a large file goes alone
                (free, most) = (stock::SHARES, most.min(capacity));
            }
            let mut lot = self.stock.next_lot(free, most);
            if lot.is_empty() {
                lacks = self.stock.ready() > 0;
                break;
            }
            let now = self.shared.now();
            // they waited too long behind others
            stale.extend(lot.extract_if(.., |job| plan::next(job, now) == Step::Renew));
            if !lot.is_empty() {
                self.start_lot(lot, stop.clone());
            }
        }
        self.seat.want(lacks);
        self.renew(stale).await
    }

    fn start_lot(&mut self, lot: Vec<Job>, stop: CancellationToken) {
        let taken: usize = lot.iter().map(|job| stock::shares(job.seen.size)).sum();
        self.under_way.transferring += taken;
        self.seat.take(taken);
        self.pauses.uploading();
        let (shared, report) = (self.shared.clone(), self.report.clone());
        self.watch_over(async move {
            let mut carried = pin!(lot::carry(shared, lot));
            while let Some(Some(carried)) = stop.run_until_cancelled(carried.next()).await {
                // at shutdown nobody listens any more; the journal has what was recorded
                let _ = report.send(Event::Transferred(carried)).await;
            }
        });
    }

    /// Begins a step that ends with one report.
    fn start(&self, step: impl Future<Output = Event> + Send + 'static) {
        let report = self.report.clone();
        self.watch_over(async move {
            // as above
            let _ = report.send(step.await).await;
        });
    }

    fn watch_over(&self, step: impl Future<Output = ()> + Send + 'static) {
        let report = self.report.clone();
        self.tasks.spawn(async move {
            if AssertUnwindSafe(step).catch_unwind().await.is_err() {
                let _ = report.send(Event::Panicked).await;
            }
        });
    }
}
