//! The one loop: something happened → note it → start whatever may start now.

mod events;
mod starts;

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::already::{Acquaintance, Heard};
use super::batch::Outcome;
use super::condition::{Account, Condition};
use super::destinations::Destinations;
use super::imports::Rounds;
use super::inquiries::Inquiries;
use super::lot::Carried;
use super::machine::{Machine, Seat};
use super::next_version::Looked;
use super::pauses::Pauses;
use super::priority::Priorities;
use super::rate::Rate;
use super::remote::Remote;
use super::stock::Stock;
use super::surroundings::Surroundings;
use super::worker::signed;
use super::{Credential, Recorded, Shared, retry, stock};
use crate::config::Config;
use crate::job::WatchName;
use crate::journal::{AccountState, Journal, JournalError, Queue};
use crate::redivis::Client;

/// Calls to the API that are on their way at shutdown may end for this long.
const FAREWELL: Duration = Duration::from_secs(5);
/// Reports that are taken in before anything new is started.
const AT_ONCE: usize = 64;
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
    Transferred(Vec<Carried>),
    Registered(String, Recorded<Outcome>),
    Reconciled(Recorded<Outcome>),
    Compared(Recorded<Outcome>),
    Listed(String, Recorded<Heard>),
    Looked(Recorded<Looked>),
    /// How far the imports of a table are.
    Polled(String, Recorded<Outcome>),
    /// A mistake in this program. What the step had in hand is free again after a restart.
    Panicked,
    Pulse(oneshot::Sender<()>),
}

struct Pool {
    shared: Arc<Shared>,
    events: mpsc::Receiver<Event>,
    report: mpsc::Sender<Event>,
    tasks: TaskTracker,
    condition: watch::Sender<Condition>,
    stock: Stock,
    tables: Acquaintance,
    pauses: Pauses,
    destinations: Destinations,
    inquiries: Inquiries,
    rounds: Rounds,
    seat: Seat,
    rate: Rate,
    under_way: UnderWay,
    /// Whether there was ever a token.
    has_token: bool,
    /// In the order in which they are served.
    watches: Vec<WatchName>,
    /// Queues of the journal that may have more jobs of a watch that may go on now.
    unexhausted: HashSet<(Queue, WatchName)>,
    /// When the next waiting job may go on; at the latest, when the journal is asked again.
    due: Instant,
    /// When waits are looked at that a clock has made too long. Reads all jobs, so not whenever something is due.
    mend: Instant,
}

/// Steps that have begun and not reported yet.
#[derive(Debug, Default)]
struct UnderWay {
    /// Jobs that are being reserved.
    reserving: usize,
    reconciling: bool,
    comparing: bool,
    listing: bool,
    /// Shares of the workers that are taken.
    transferring: usize,
    /// Tables with a registration on its way.
    registering: HashSet<String>,
}

impl Engine {
    /// Puts the engine of one account together, by a configuration that holds it and its watches alone
    /// ([`Config::of_account`]); nothing runs yet.
    pub fn new(
        config: &Config,
        journal: Journal,
        client: Client,
        credential: Credential,
        machine: &Arc<Machine>,
    ) -> Self {
        let (client, here) = (Arc::new(client), Surroundings::real());
        Self::within(config, journal, client, credential, here, machine)
    }

    /// The account has no token yet: nothing is asked before one is found.
    #[must_use]
    pub fn without_token(mut self, why: String) -> Self {
        self.pool.has_token = false;
        self.pool.pauses.pause_account(Instant::now());
        self.pool
            .note(|condition| condition.account = Account::Paused(why));
        self
    }

    /// As [`Engine::new`], with any far side and in any surroundings.
    pub(super) fn within(
        config: &Config,
        journal: Journal,
        client: Arc<dyn Remote>,
        credential: Credential,
        surroundings: Surroundings,
        machine: &Arc<Machine>,
    ) -> Self {
        let (report, events) = mpsc::channel(config.transfer.workers * stock::SHARES);
        let shared = Shared::new(config, journal, client, credential, surroundings, machine);
        let watches = config.watches.iter();
        let priorities = Priorities::new(watches.map(|watch| (watch.name.clone(), watch.priority)));
        let mut watches: Vec<_> = shared.folders.keys().cloned().collect();
        watches.sort_by_cached_key(|watch| (Reverse(priorities.of(watch)), watch.clone()));
        let mut pool = Pool {
            shared: Arc::new(shared),
            events,
            report,
            tasks: TaskTracker::new(),
            condition: watch::channel(Condition::default()).0,
            stock: Stock::new(priorities),
            tables: Acquaintance::default(),
            pauses: Pauses::default(),
            destinations: Destinations::default(),
            inquiries: Inquiries::default(),
            rounds: Rounds::default(),
            seat: machine.join(),
            rate: Rate::new(Instant::now()),
            under_way: UnderWay::default(),
            has_token: true,
            watches,
            unexhausted: HashSet::new(),
            due: Instant::now() + LOOK_AGAIN,
            mend: Instant::now() + LOOK_AGAIN,
        };
        pool.ask_everywhere();
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
        self.tables = Acquaintance::with(self.shared.journal.listed_tables().await?);
        if !self.has_token {
            self.report_account().await?;
        }
        let mut news = self.shared.journal.news();
        let mut happened = Vec::with_capacity(AT_ONCE);
        let account = &self.shared.account;
        for table in self.shared.journal.importing_tables(account).await? {
            self.rounds.expect(&table, Instant::now());
        }
        loop {
            for event in happened.drain(..) {
                self.on_event(event).await?;
            }
            let began = Instant::now();
            self.on_time(began).await?;
            if news.has_changed().unwrap_or(false) {
                news.mark_unchanged();
                self.ask_again(Queue::Queued);
            }
            self.start_what_may_start(&stop).await?;
            let wake = self.wake(began);
            // in a fixed order, so that the same events lead to the same course; that neither kind
            // starves the other, the news are looked at in every turn
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = self.events.recv_many(&mut happened, AT_ONCE) => {}
                _ = news.changed() => self.ask_again(Queue::Queued),
                () = self.shared.uploads.answered.notified() => self.on_upload_server_well(),
                () = self.seat.freed() => {}
                () = tokio::time::sleep_until(wake) => {}
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
            tracing::info!("a call to Redivis is on its way; it is looked up after the next start");
        }
        Ok(())
    }

    /// What has become due. At the beginning of every turn, since any event may come first.
    async fn on_time(&mut self, now: Instant) -> Recorded<()> {
        if self.mend <= now {
            self.mend = now + LOOK_AGAIN;
            self.due = now;
            self.shared.journal.mend_waits(self.shared.now()).await?;
        }
        if self.due <= now {
            self.due = self.mend;
            self.ask_everywhere();
        }
        if self.pauses.probe(now) {
            match (self.shared.credential)() {
                Ok(token) => {
                    self.shared.client.set_token(token);
                    self.has_token = true;
                }
                Err(why) => {
                    tracing::error!(
                        account = self.shared.account,
                        why,
                        "the token cannot be read"
                    );
                    if !self.has_token {
                        self.pauses.pause_account(now);
                    }
                }
            }
        }
        Ok(())
    }

    /// The journal may have more jobs in this queue.
    fn ask_again(&mut self, queue: Queue) {
        let all = self.watches.iter().map(|watch| (queue, watch.clone()));
        self.unexhausted.extend(all);
    }

    fn ask_everywhere(&mut self) {
        for queue in Queue::OF_THE_ENGINE {
            self.ask_again(queue);
        }
    }

    // ---- questions

    /// Of all workers together, in shares.
    fn capacity(&self) -> usize {
        self.seat.capacity(Instant::now())
    }

    /// How many more files may soon be stored, at most; many if the journal may have more.
    fn company(&self) -> usize {
        let UnderWay {
            reserving,
            transferring,
            ..
        } = self.under_way;
        let on_the_way = reserving + transferring + self.stock.ready();
        let has_more = |(queue, _): &(Queue, WatchName)| *queue == Queue::Queued;
        if on_the_way > 0 && self.unexhausted.iter().any(has_more) {
            return usize::MAX;
        }
        on_the_way + self.stock.queued.len() + self.tables.waiting()
    }

    /// How long to leave a server alone.
    fn pause(&self, failures: u32) -> Duration {
        retry::pause(self.shared.retry, failures, self.shared.chance())
    }

    fn delay(&self, failures: u32) -> Duration {
        retry::delay(self.shared.retry, failures, self.shared.chance())
    }

    /// How long a call that fails now keeps its jobs waiting.
    fn api_delay(&self) -> Duration {
        self.delay(self.condition.borrow().api_failures + 1)
    }

    fn wake_at(&mut self, at: Timestamp) {
        let wait = Duration::try_from(at.duration_since(self.shared.now())).unwrap_or_default();
        self.due = self.due.min(Instant::now() + wait);
    }

    /// When something may be startable that was not in the turn that `began` then.
    fn wake(&self, began: Instant) -> Instant {
        let company = self.stock.register_by().filter(|_| self.company() > 0);
        let rate = self.rate.next_reading(self.under_way.transferring > 0);
        // times that had passed when this turn began were acted upon in it; one that passed
        // since may have come too late for that, and needs another turn at once
        self.pauses
            .ends()
            .chain(self.destinations.ends())
            .chain(self.inquiries.ends())
            .chain(self.rounds.ends())
            .chain(self.tables.ends())
            .chain(company)
            .chain(rate)
            .filter(|at| *at > began)
            .fold(self.due, Instant::min)
    }

    // ---- telling

    fn note(&self, change: impl FnOnce(&mut Condition)) {
        self.condition.send_if_modified(|condition| {
            let before = condition.clone();
            change(condition);
            *condition != before
        });
    }

    async fn report_account(&self) -> Recorded<()> {
        let condition = self.condition.borrow().clone();
        let (state, reason) = match condition.account {
            Account::Paused(why) => (AccountState::Paused, why),
            Account::Ok if condition.api_failures == 0 => (AccountState::Ok, String::new()),
            Account::Ok => (AccountState::Ok, condition.last_failure.unwrap_or_default()),
        };
        let until = self.pauses.api_until().and_then(|until| {
            let wait = until.checked_duration_since(Instant::now())?;
            Some(self.shared.now() + signed(wait))
        });
        let journal = &self.shared.journal;
        let account = &self.shared.account;
        journal
            .report_account(account, state, reason, until, None)
            .await
    }
}
