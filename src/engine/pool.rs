//! The one loop: something happened → note it → start whatever may start now.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::batch::{self, Outcome};
use super::condition::{Account, Condition};
use super::plan::{self, Step};
use super::worker::{Left, Trouble, Worker};
use super::{Credential, Recorded, Shared, reconcile, register, reserve, retry};
use crate::config::Config;
use crate::job::Job;
use crate::journal::{AccountState, Journal, JournalError, Queue};
use crate::redivis::{BATCH_LIMIT, Client};

/// Jobs that are taken out of the journal at a time.
const CLAIM: usize = BATCH_LIMIT;
/// Reserved bytes that may wait for a worker: about what a fast link moves within the time that a
/// temporary upload stays fresh. One file more is always allowed.
const RESERVED_BYTES: u64 = 4 << 30;
/// Stored files wait this long for company before they are registered while others are in flight.
const COMPANY: Duration = Duration::from_secs(1);
/// A paused account is tried again this often, with the credential read again.
const PROBE: Duration = Duration::from_mins(5);
/// The rate in `status` is an average over this.
const RATE_OVER: Duration = Duration::from_secs(2);
/// Calls to the API that are on their way at shutdown may end for this long.
const FAREWELL: Duration = Duration::from_secs(5);
/// The journal is asked again at least this often, should a clock have jumped.
const LOOK_AGAIN: Duration = Duration::from_mins(5);

/// The engine, before it runs.
pub struct Engine {
    pool: Pool,
}

/// Asks the running engine whether its loop still turns.
#[derive(Debug, Clone)]
pub struct Pulse(mpsc::Sender<Event>);

impl Pulse {
    /// Returns once the loop has taken a turn; `false` when it has ended.
    pub async fn beat(&self) -> bool {
        let (tell, told) = oneshot::channel();
        self.0.send(Event::Pulse(tell)).await.is_ok() && told.await.is_ok()
    }
}

/// What a step reports back.
#[derive(Debug)]
enum Event {
    Reserved(Recorded<Outcome>),
    Transferred(Recorded<Left>),
    Registered(String, Recorded<Outcome>),
    Reconciled(Recorded<Outcome>),
    Pulse(oneshot::Sender<()>),
}

struct Pool {
    shared: Arc<Shared>,
    events: mpsc::Receiver<Event>,
    report: mpsc::Sender<Event>,
    tasks: TaskTracker,
    condition: watch::Sender<Condition>,

    /// Claimed, to be reserved.
    queued: VecDeque<Job>,
    /// Reserved or interrupted, waiting for a worker.
    ready: VecDeque<Job>,
    /// Stored, by table, waiting for registration; and since when the oldest waits.
    stored: BTreeMap<String, Vec<Job>>,
    stored_since: Option<Instant>,
    /// Their registration got no answer.
    unresolved: Vec<Job>,

    reserving: bool,
    reconciling: bool,
    transferring: usize,
    registering: HashSet<String>,

    /// The journal may have more jobs that may go on now.
    more_queued: bool,
    more_interrupted: bool,
    /// When the next waiting job may go on.
    due: Option<Instant>,
    /// No call to the API before this.
    api_pause: Option<Instant>,
    /// No new upload before this.
    upload_pause: Option<Instant>,
    /// When a paused account is tried again.
    probe_at: Option<Instant>,
    /// When the rate was last taken, the bytes sent until then, and the rate.
    rated: (Instant, u64, u64),
    /// One call may be made although the account is paused.
    probing: bool,
}

impl Engine {
    /// Puts the engine together; nothing runs yet.
    pub fn new(config: &Config, journal: Journal, client: Client, credential: Credential) -> Self {
        let (report, events) = mpsc::channel(config.transfer.workers + 16);
        let pool = Pool {
            shared: Arc::new(Shared::new(config, journal, client, credential)),
            events,
            report,
            tasks: TaskTracker::new(),
            condition: watch::channel(Condition::default()).0,
            queued: VecDeque::new(),
            ready: VecDeque::new(),
            stored: BTreeMap::new(),
            stored_since: None,
            unresolved: Vec::new(),
            reserving: false,
            reconciling: false,
            transferring: 0,
            registering: HashSet::new(),
            more_queued: true,
            more_interrupted: true,
            due: None,
            api_pause: None,
            upload_pause: None,
            probe_at: None,
            rated: (Instant::now(), 0, 0),
            probing: false,
        };
        Self { pool }
    }

    /// How the way to Redivis is, now and from now on.
    pub fn condition(&self) -> watch::Receiver<Condition> {
        self.pool.condition.subscribe()
    }

    /// For the watchdog.
    pub fn pulse(&self) -> Pulse {
        Pulse(self.pool.report.clone())
    }

    /// Runs until `stop`. Then the chunks in flight are dropped: the server tells where to go on.
    ///
    /// # Errors
    /// When the journal fails: nothing can be recorded, so nothing may be done.
    pub async fn run(self, stop: CancellationToken) -> Result<(), JournalError> {
        self.pool.run(stop).await
    }
}

impl Pool {
    async fn run(mut self, stop: CancellationToken) -> Recorded<()> {
        let mut news = self.shared.journal.news();
        loop {
            self.start_what_may_start(&stop).await?;
            let wake = self.wake();
            tokio::select! {
                () = stop.cancelled() => break,
                Some(event) = self.events.recv() => self.on_event(event).await?,
                _ = news.changed() => self.more_queued = true,
                () = tokio::time::sleep_until(wake) => self.on_time(),
            }
        }
        // every step that was recorded counts; what is in flight is asked about after the restart
        self.tasks.close();
        self.events.close();
        while self.events.recv().await.is_some() {}
        if tokio::time::timeout(FAREWELL, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::info!(
                "a call to Redivis is still on its way; it is looked up after the next start"
            );
        }
        Ok(())
    }

    // ---- what happened

    async fn on_event(&mut self, event: Event) -> Recorded<()> {
        match event {
            Event::Reserved(outcome) => {
                self.reserving = false;
                let outcome = outcome?;
                self.ready.extend(outcome.onward);
                self.queued.extend(outcome.kept);
                self.answered(outcome.until, outcome.trouble).await?;
            }
            Event::Transferred(left) => {
                self.transferring -= 1;
                self.on_transferred(left?);
            }
            Event::Registered(table, outcome) => {
                self.registering.remove(&table);
                let outcome = outcome?;
                self.stored.entry(table).or_default().extend(outcome.kept);
                self.answered(outcome.until, outcome.trouble).await?;
            }
            Event::Reconciled(outcome) => {
                self.reconciling = false;
                let outcome = outcome?;
                outcome.onward.into_iter().for_each(|job| self.store(job));
                self.unresolved.extend(outcome.kept);
                self.answered(outcome.until, outcome.trouble).await?;
            }
            // whoever asked may be gone
            Event::Pulse(tell) => drop(tell.send(())),
        }
        Ok(())
    }

    fn on_transferred(&mut self, left: Left) {
        match left {
            Left::Stored(job) => {
                self.upload_pause = None;
                self.note(|condition| condition.upload_failures = 0);
                self.store(job);
            }
            Left::Until(at, trouble) => {
                self.wake_at(at);
                if let Trouble::UploadServer(why, wanted) = trouble {
                    // those that failed together are one failure
                    if self
                        .upload_pause
                        .is_none_or(|until| until <= Instant::now())
                    {
                        self.note(|condition| {
                            condition.upload_failures += 1;
                            condition.last_failure = Some(why);
                        });
                    }
                    let failures = self.condition.borrow().upload_failures;
                    let delay = wanted.unwrap_or_else(|| self.delay(failures));
                    self.upload_pause = later(self.upload_pause, Instant::now() + delay);
                }
            }
            Left::Over => {}
        }
    }

    fn store(&mut self, job: Job) {
        self.stored_since.get_or_insert_with(Instant::now);
        self.stored.entry(job.table.clone()).or_default().push(job);
    }

    /// A call to the API came back, with or without trouble that concerns the others.
    async fn answered(
        &mut self,
        until: Option<Timestamp>,
        trouble: Option<batch::Trouble>,
    ) -> Recorded<()> {
        if let Some(at) = until {
            self.wake_at(at);
        }
        let before = self.condition.borrow().clone();
        match trouble {
            None => {
                (self.api_pause, self.probe_at) = (None, None);
                self.note(|condition| {
                    condition.account = Account::Ok;
                    condition.api_failures = 0;
                });
            }
            Some(batch::Trouble::Auth(why)) => {
                self.probe_at = Some(Instant::now() + PROBE);
                tracing::error!(why, "the account is paused: uploads wait, nothing is lost");
                self.note(|condition| condition.account = Account::Paused(why));
            }
            Some(batch::Trouble::Pause(why, wanted)) => {
                self.note(|condition| {
                    condition.api_failures += 1;
                    condition.last_failure = Some(why.clone());
                });
                let failures = self.condition.borrow().api_failures;
                let delay = wanted.unwrap_or_else(|| self.delay(failures));
                tracing::warn!(why, ?delay, failures, "no calls to Redivis for a while");
                self.api_pause = later(self.api_pause, Instant::now() + delay);
            }
        }
        if *self.condition.borrow() == before {
            return Ok(());
        }
        self.report_account().await
    }

    fn on_time(&mut self) {
        let now = Instant::now();
        if self.due.is_some_and(|due| due <= now) {
            self.due = None;
        }
        self.more_queued = true;
        self.more_interrupted = true;
        if self.probe_at.is_some_and(|at| at <= now) {
            self.probe_at = Some(now + PROBE);
            self.probing = true;
            match (self.shared.credential)() {
                Ok(token) => self.shared.client.set_token(token),
                Err(why) => tracing::error!(why, "the token cannot be read"),
            }
        }
    }

    // ---- what may start

    async fn start_what_may_start(&mut self, stop: &CancellationToken) -> Recorded<()> {
        self.claim().await?;
        if self.may_call() {
            self.start_reserving();
        }
        if self.may_call() {
            self.start_reconciling();
        }
        if self.may_call() {
            self.start_registering();
        }
        self.start_transfers(stop).await?;
        self.rate().await
    }

    async fn claim(&mut self) -> Recorded<()> {
        let now = Timestamp::now();
        let room = self.ready.len() < self.shared.transfer.workers;
        let journal = self.shared.journal.clone();
        if self.more_interrupted && room {
            let jobs = journal.claim(Queue::Interrupted, CLAIM, now).await?;
            self.more_interrupted = jobs.len() == CLAIM;
            self.sort(jobs, now).await?;
            if !self.more_interrupted {
                self.look_ahead(Queue::Interrupted).await?;
            }
        }
        if self.more_queued && self.queued.is_empty() {
            let jobs = journal.claim(Queue::Queued, CLAIM, now).await?;
            self.more_queued = jobs.len() == CLAIM;
            self.queued.extend(jobs);
            if !self.more_queued {
                self.look_ahead(Queue::Queued).await?;
            }
        }
        Ok(())
    }

    async fn look_ahead(&mut self, queue: Queue) -> Recorded<()> {
        if let Some(at) = self.shared.journal.next_due(queue).await? {
            self.wake_at(at);
        }
        Ok(())
    }

    /// Puts each interrupted job where it goes on.
    async fn sort(&mut self, jobs: Vec<Job>, now: Timestamp) -> Recorded<()> {
        let (mut stale, mut registered) = (Vec::new(), Vec::new());
        for job in jobs {
            match plan::next(&job, now) {
                Step::Reserve => self.queued.push_back(job),
                Step::Renew => stale.push(job),
                Step::Transfer => self.ready.push_back(job),
                Step::Register => self.store(job),
                Step::Reconcile => self.unresolved.push(job),
                Step::Finish => registered.push(job),
                Step::Rest => {}
            }
        }
        let renewed = batch::advance(&self.shared, stale, |_, state| state.renew()).await?;
        self.queued.extend(renewed);
        register::finish(&self.shared, registered).await
    }

    fn start_reserving(&mut self) {
        let wanted = self.ready.len() < self.shared.transfer.workers;
        if self.reserving || !wanted || self.upload_pause() {
            return;
        }
        let batch = self.next_batch();
        if !batch.is_empty() {
            self.probing = false;
            self.reserving = true;
            let step = reserve::reserve(self.shared.clone(), batch, self.api_delay());
            self.start(async { Event::Reserved(step.await) });
        }
    }

    /// The next jobs of one table, as many as can be sent soon.
    fn next_batch(&mut self) -> Vec<Job> {
        let Some(table) = self.queued.front().map(|job| job.table.clone()) else {
            return Vec::new();
        };
        let mut batch = Vec::new();
        let mut bytes = 0_u64;
        let mut rest = VecDeque::new();
        while let Some(job) = self.queued.pop_front() {
            if job.table != table || batch.len() == BATCH_LIMIT || bytes > RESERVED_BYTES {
                rest.push_back(job);
            } else {
                bytes += job.seen.size;
                batch.push(job);
            }
        }
        self.queued = rest;
        batch
    }

    async fn start_transfers(&mut self, stop: &CancellationToken) -> Recorded<()> {
        let mut stale = Vec::new();
        while self.transferring < self.shared.transfer.workers && !self.upload_pause() {
            let Some(job) = self.ready.pop_front() else {
                break;
            };
            if plan::next(&job, Timestamp::now()) == Step::Renew {
                stale.push(job);
                continue;
            }
            self.transferring += 1;
            let worker = Worker {
                shared: self.shared.clone(),
                job,
            };
            let stop = stop.clone();
            self.start(async move {
                tokio::select! {
                    () = stop.cancelled() => Event::Transferred(Ok(Left::Over)),
                    left = worker.transfer() => Event::Transferred(left),
                }
            });
        }
        // they waited too long behind others
        let renewed = batch::advance(&self.shared, stale, |_, state| state.renew()).await?;
        self.queued.extend(renewed);
        Ok(())
    }

    fn start_registering(&mut self) {
        let idle = self.transferring == 0 && self.ready.is_empty() && !self.reserving;
        let waited = self
            .stored_since
            .is_some_and(|since| since.elapsed() >= COMPANY);
        let tables: Vec<String> = self
            .stored
            .iter()
            .filter(|(table, jobs)| {
                let enough = jobs.len() >= BATCH_LIMIT || waited || idle;
                enough && !jobs.is_empty() && !self.registering.contains(*table)
            })
            .map(|(table, _)| table.clone())
            .collect();
        for table in tables {
            let jobs = self.stored.remove(&table).unwrap_or_default();
            if !self.may_call() {
                self.stored.insert(table, jobs);
                break;
            }
            let (batch, rest) = distinct_names(jobs);
            if !rest.is_empty() {
                self.stored.insert(table.clone(), rest);
            }
            self.probing = false;
            self.registering.insert(table.clone());
            let step = register::register(self.shared.clone(), batch, self.api_delay());
            self.start(async move { Event::Registered(table, step.await) });
        }
        if self.stored.values().all(Vec::is_empty) {
            self.stored_since = None;
        }
    }

    fn start_reconciling(&mut self) {
        if self.reconciling || self.unresolved.is_empty() {
            return;
        }
        let table = self.unresolved[0].table.clone();
        let (batch, rest) = std::mem::take(&mut self.unresolved)
            .into_iter()
            .partition(|job| job.table == table);
        self.unresolved = rest;
        self.probing = false;
        self.reconciling = true;
        let step = reconcile::reconcile(self.shared.clone(), batch, self.api_delay());
        self.start(async { Event::Reconciled(step.await) });
    }

    fn start(&self, step: impl Future<Output = Event> + Send + 'static) {
        let report = self.report.clone();
        self.tasks.spawn(async move {
            // the loop listens until the last step has reported, or has ended with an error
            let _ = report.send(step.await).await;
        });
    }

    // ---- pauses and times

    /// A paused account gets one call at a time, when it is probed.
    fn may_call(&self) -> bool {
        let paused = self.api_pause.is_some_and(|until| until > Instant::now());
        !paused && (self.condition.borrow().account == Account::Ok || self.probing)
    }

    fn upload_pause(&self) -> bool {
        self.upload_pause
            .is_some_and(|until| until > Instant::now())
    }

    fn delay(&self, failures: u32) -> Duration {
        retry::delay(self.shared.retry, failures, Shared::chance())
    }

    /// How long a call that fails now keeps its jobs waiting.
    fn api_delay(&self) -> Duration {
        self.delay(self.condition.borrow().api_failures + 1)
    }

    fn note(&self, change: impl FnOnce(&mut Condition)) {
        self.condition.send_if_modified(|condition| {
            let before = condition.clone();
            change(condition);
            *condition != before
        });
    }

    fn wake_at(&mut self, at: Timestamp) {
        let wait = Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default();
        let at = Instant::now() + wait.min(LOOK_AGAIN);
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// When something may be startable that is not now.
    fn wake(&self) -> Instant {
        let now = Instant::now();
        let busy = self.transferring > 0 || self.reserving || !self.ready.is_empty();
        let company = self
            .stored_since
            .filter(|_| busy)
            .map(|since| since + COMPANY);
        let rating = self.transferring > 0 || self.rated.2 > 0;
        let rate = rating.then(|| self.rated.0 + RATE_OVER);
        // times that have passed were acted upon in this turn; only a due job needs another
        [
            company,
            rate,
            self.api_pause,
            self.upload_pause,
            self.probe_at,
        ]
        .into_iter()
        .flatten()
        .filter(|at| *at > now)
        .chain(self.due)
        .fold(now + LOOK_AGAIN, Instant::min)
    }

    // ---- for status

    async fn rate(&mut self) -> Recorded<()> {
        let (since, sent_then, rate_then) = self.rated;
        let elapsed = since.elapsed();
        if elapsed < RATE_OVER {
            return Ok(());
        }
        let sent = self.shared.sent.load(Ordering::Relaxed);
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let rate = (sent - sent_then).saturating_mul(1000) / millis;
        self.rated = (Instant::now(), sent, rate);
        if rate == rate_then {
            return Ok(());
        }
        self.shared.journal.report_rate(rate).await
    }

    async fn report_account(&self) -> Recorded<()> {
        let condition = self.condition.borrow().clone();
        let (state, reason) = match condition.account {
            Account::Ok => (AccountState::Ok, condition.last_failure.unwrap_or_default()),
            Account::Paused(why) => (AccountState::Paused, why),
        };
        let reason = if condition.api_failures == 0 && state == AccountState::Ok {
            String::new()
        } else {
            reason
        };
        let until = self.api_pause.and_then(|until| {
            let wait = until.checked_duration_since(Instant::now())?;
            Some(Timestamp::now() + super::worker::signed(wait))
        });
        self.shared
            .journal
            .report_account(state, reason, until, None)
            .await
    }
}

fn later(pause: Option<Instant>, until: Instant) -> Option<Instant> {
    Some(pause.map_or(until, |pause| pause.max(until)))
}

/// The first jobs whose remote names differ, at most a batch, and the rest: two files of one name
/// in one call could not be told apart in its answer.
fn distinct_names(jobs: Vec<Job>) -> (Vec<Job>, Vec<Job>) {
    let mut names = HashSet::new();
    let mut taken = 0;
    jobs.into_iter().partition(|job| {
        let take = taken < BATCH_LIMIT && names.insert(job.remote_name.clone());
        taken += usize::from(take);
        take
    })
}
