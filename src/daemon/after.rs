//! Where the after-actions meet the journal: neither room knows the other.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::TaskEnded;
use crate::after::{self, Concluded, Ledger, Orders};
use crate::config::{Config, Retry};
use crate::engine::retry_delay;
use crate::job::{AfterIntent, Job, JobId, Proven, WatchName};
use crate::journal::{self, Journal, JournalError, Queue};

/// What a hand has begun may end for this long at a stop: a copy notices it between two pieces.
const FAREWELL: Duration = Duration::from_secs(5);
/// At a reload for longer, since the daemon ends if it does not: a slow disk may take its time. Not so long that a stop
/// that is asked for meanwhile would take more than systemd grants it.
const PATIENCE: Duration = Duration::from_secs(15);

/// One hand for each watch, and for each that is configured no more and has something left to end.
pub(super) async fn start(
    config: &Config,
    journal: &Journal,
    stop: &CancellationToken,
) -> Result<JoinSet<Result<(), JournalError>>, JournalError> {
    let mut hands = JoinSet::new();
    let mut others = journal.watches_with_registered().await?;
    let configured = config.watches.iter().map(|watch| {
        others.remove(&watch.name);
        (watch.name.clone(), Orders::of(watch))
    });
    let mut all: Vec<_> = configured.collect();
    all.extend(others.into_iter().map(|name| (name, Orders::none())));
    for (watch, orders) in all {
        let memory = Memory {
            journal: journal.clone(),
            news: journal.news_of_registered(),
            retry: config.retry,
            watch,
        };
        hands.spawn(after::run(orders, memory, stop.clone()));
    }
    Ok(hands)
}

/// Waits for hands that were told to stop, and tells how each ended. `false`: some were left behind. A file system that
/// does not answer can hold a hand for ever, and what it does is found by its intent, whatever becomes of it.
pub(super) async fn stop(
    mut hands: JoinSet<Result<(), JournalError>>,
    reloads: bool,
    mut ended: impl FnMut(TaskEnded),
) -> bool {
    let all = async {
        while let Some(one) = hands.join_next().await {
            ended(one);
        }
    };
    let patience = if reloads { PATIENCE } else { FAREWELL };
    let in_time = tokio::time::timeout(patience, all).await.is_ok();
    if !in_time {
        tracing::warn!(
            "a disk or a share does not answer; what was begun with a file on it is ended by the next start"
        );
    }
    in_time
}

struct Memory {
    journal: Journal,
    news: watch::Receiver<()>,
    retry: Retry,
    watch: WatchName,
}

impl Ledger for Memory {
    type Error = JournalError;

    async fn proven(&self, most: usize) -> Result<Vec<Proven>, JournalError> {
        let now = Timestamp::now();
        self.journal.registered(&self.watch, most, now).await
    }

    async fn next(&self) -> Result<Option<Duration>, JournalError> {
        let due = self.journal.next_due(Queue::Registered, &self.watch);
        let wait = |at: Timestamp| at.duration_since(Timestamp::now());
        let wait = due.await?.map(wait);
        Ok(wait.map(|wait| Duration::try_from(wait).unwrap_or_default()))
    }

    async fn news(&mut self) {
        if self.news.changed().await.is_err() {
            // the journal is closed, which whoever asks it next is told
            std::future::pending::<()>().await;
        }
    }

    async fn intend(&self, intents: Vec<(JobId, AfterIntent)>) -> Result<(), JournalError> {
        self.journal.intend_after(intents, Timestamp::now()).await
    }

    async fn conclude(&self, concluded: Vec<(Job, Concluded)>) -> Result<(), JournalError> {
        let now = Timestamp::now();
        let concluded = concluded.into_iter().map(|(job, what)| {
            let what = match what {
                Concluded::Done(how) => journal::Concluded::Done(how),
                Concluded::Later(why) => {
                    let delay = retry_delay(self.retry, job.attempts + 1, 0.5);
                    let delay = jiff::SignedDuration::try_from(delay).unwrap_or_default();
                    journal::Concluded::Later(now + delay, why)
                }
            };
            (job, what)
        });
        self.journal.conclude_after(concluded.collect(), now).await
    }
}
