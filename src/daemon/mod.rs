//! The only wiring: opens the journal, starts the rooms, listens to signals, stops in order.
//!
//! ```text
//! open the journal → watch → engine, after-actions → ready … signal → stop watching → stop both → close
//! ```
//!
//! There is one engine for each account that a watch names.
//!
//! A reload is a stop and a start with the new configuration: everything is in the journal, so
//! nothing is lost by it, and there is one way to start instead of two.

mod accounts;
mod after;
mod once;
mod prune;
mod watches;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt as _;

use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use thiserror::Error;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::{self, Config, Environment, Existing, LoadError, TokenError};
use crate::engine::Pulse;
use crate::job::WatchName;
use crate::journal::{Configured, Journal, JournalError, OpenError};
use crate::redivis::BuildError;
use crate::watch::{SpawnError, Watching};

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// By a signal.
    Stopped,
    /// `--once`: all there was has been dealt with.
    Settled {
        /// Files that arrived in this run.
        done: u64,
        /// Files that failed, are parked, or still wait after repeated failures.
        failed: u64,
    },
    /// `--once`: the token is refused.
    TokenRefused(String),
    /// `--once`: a server cannot be reached.
    Unreachable(String),
}

/// Why the daemon could not start, or had to stop.
#[derive(Debug, Error)]
pub enum DaemonError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] LoadError),
    /// No token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The journal cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The journal failed while running. Restarted, the daemon reads it again.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The HTTP client cannot be made.
    #[error(transparent)]
    Client(#[from] BuildError),
    /// A watch cannot begin.
    #[error(transparent)]
    Watch(#[from] SpawnError),
    /// A thread that should run for ever has ended.
    #[error("the watch `{0}` has ended by itself; this is a mistake in redivis-drop")]
    WatchEnded(WatchName),
    /// A disk or a share does not answer, and a hand is on a file of it: none of a new life may be on the same file.
    #[error(
        "a file is being moved or deleted on a disk or a share that does not answer, so the configuration cannot be \
         reloaded beside that; the daemon ends, and its next start goes on with the new configuration"
    )]
    HandLeft,
    /// Signals cannot be received.
    #[error("signals cannot be received: {0}")]
    Signals(#[from] std::io::Error),
}

/// Runs until a signal, or with `once` until all there is has been dealt with.
pub async fn run(config: Config, env: &Environment, once: bool) -> Result<Ended, DaemonError> {
    let mut signals = Signals::listen()?;
    let mut config = config;
    let host = rustix::system::uname().nodename().to_bytes().to_vec();
    let host = OsString::from_vec(host);
    loop {
        match serve(&config, env, &host, once, &mut signals).await? {
            Turn::Ended(ended) => return Ok(ended),
            Turn::Reload(new) => config = *new,
        }
    }
}

enum Turn {
    Ended(Ended),
    Reload(Box<Config>),
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for a reason to stop: a signal, or a reload whose configuration is right.
    async fn reason(&mut self, config: &Config, env: &Environment) -> Turn {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return Turn::Ended(Ended::Stopped),
                _ = self.interrupt.recv() => return Turn::Ended(Ended::Stopped),
                _ = self.hang_up.recv() => {
                    tell(&[sd_notify::NotifyState::Reloading]);
                    match reloaded(config, env) {
                        Ok(new) => return Turn::Reload(Box::new(new)),
                        Err(error) => {
                            tracing::error!("the configuration was not reloaded, the old one stays: {error}");
                            tell(&[sd_notify::NotifyState::Ready]);
                        }
                    }
                }
            }
        }
    }
}

/// A new configuration with which a life can begin.
fn reloaded(config: &Config, env: &Environment) -> Result<Config, DaemonError> {
    let new = config::load(&config.file, env)?;
    accounts::all(&new, env)?;
    Ok(new)
}

/// One life with one configuration.
async fn serve(
    config: &Config,
    env: &Environment,
    host: &OsStr,
    once: bool,
    signals: &mut Signals,
) -> Result<Turn, DaemonError> {
    // without a token the journal is left alone
    accounts::all(config, env)?;
    let journal = Journal::open(&config.journal.path)?;
    let home = journal.home().await?;
    let home = home.unwrap_or_else(|| config.redivis.endpoint.to_string());
    let config = &at_home(config, &home);
    let accounts = accounts::all(config, env)?;
    begin(config, home, host, &journal).await?;
    if once {
        journal.wait_for_nothing().await?;
    }
    // up to here a full disk ended the start; from now on it is waited out
    journal.wait_for_room(true);

    let stop = CancellationToken::new();
    let _stop_on_error = stop.clone().drop_guard();
    let accounts::Engines {
        running: mut engines,
        doing,
        pulses,
    } = accounts::start(accounts, env, &journal, &stop);
    let mut after = after::start(config, &journal, &stop).await?;
    let watches = watches::start(config, host, &journal)?;

    let keep = config.journal.keep_finished;
    let pruning = (!once).then(|| tokio::spawn(prune::now_and_then(journal.clone(), keep)));
    let watchdog = tokio::spawn(watchdog(pulses, journal.tries_on_a_full_disk()));
    let status = format!("watching {} drop folders", watches.len());
    tell(&[
        sd_notify::NotifyState::Status(&status),
        sd_notify::NotifyState::Ready,
    ]);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), journal = %config.journal.path.display(), watches = watches.len(), "ready");

    let turn = tokio::select! {
        turn = signals.reason(config, env) => Ok(turn),
        ended = settled_once(config, &watches, &doing, &journal), if once => ended.map(Turn::Ended),
        name = watches::ended(&watches) => Err(DaemonError::WatchEnded(name)),
        Some(result) = engines.join_next() => return Err(engine_failed(result)),
        Some(result) = after.join_next() => return Err(engine_failed(result)),
    };

    if !matches!(turn, Ok(Turn::Reload(_))) {
        tell(&[sd_notify::NotifyState::Stopping]);
    }
    watchdog.abort();
    if let Some(pruning) = pruning {
        pruning.abort();
    }
    // or whoever waits for it would not stop
    journal.wait_for_room(false);
    watches::stop(watches).await;
    stop.cancel();
    let mut ended = Ok(Ok(()));
    while let Some(one) = engines.join_next().await {
        keep_failure(&mut ended, one);
    }
    let reloads = matches!(turn, Ok(Turn::Reload(_)));
    let hands_ended = after::stop(after, reloads, |one| keep_failure(&mut ended, one)).await;
    journal.close().await;
    match ended {
        Ok(Err(error @ JournalError::Full(_))) => {
            tracing::warn!(%error, "stopped with steps that could not be recorded; they are looked up by the next start");
        }
        Ok(Err(error)) => return Err(error.into()),
        _ => {}
    }
    if reloads && !hands_ended {
        return Err(DaemonError::HandLeft);
    }
    tracing::info!("stopped; the next start goes on from here");
    turn
}

/// `run --once`: until all there is has been dealt with. What ended long ago goes only then, since it is counted until then.
async fn settled_once(
    config: &Config,
    watches: &[Watching],
    doing: &[accounts::Doing],
    journal: &Journal,
) -> Result<Ended, DaemonError> {
    let ended = once::settled(config, watches, doing).await?;
    prune::now(journal, config.journal.keep_finished).await;
    Ok(ended)
}

/// How a task of an engine or a hand ended.
type TaskEnded = Result<Result<(), JournalError>, tokio::task::JoinError>;

/// Of all ends the first that is a failure counts.
fn keep_failure(first: &mut TaskEnded, one: TaskEnded) {
    if matches!(first, Ok(Ok(()))) {
        *first = one;
    }
}

fn engine_failed(result: TaskEnded) -> DaemonError {
    match result {
        Ok(Err(error)) => error.into(),
        _ => JournalError::Closed.into(),
    }
}

// ---- starting

/// The configuration as the journal calls its tables.
fn at_home(config: &Config, home: &str) -> Config {
    let configured = config.redivis.endpoint.as_str();
    if home != configured {
        tracing::info!(
            home,
            configured,
            "the journal is at home at another endpoint than that of [redivis]: what is done at its home does not count at this one"
        );
    }
    config.at_home(home)
}

async fn begin(
    config: &Config,
    home: String,
    host: &OsStr,
    journal: &Journal,
) -> Result<(), JournalError> {
    let endpoint = |account: &str| {
        let mut all = std::iter::once(&config.redivis).chain(&config.accounts);
        let found = all.find(|settings| settings.name == account);
        found.map_or(String::new(), |settings| settings.endpoint.to_string())
    };
    let watches = config.watches.iter().map(|watch| Configured {
        account: watch.account.clone(),
        endpoint: endpoint(&watch.account),
        path: watch.path.clone(),
        table: watch.table.clone(),
        kind: watch.kind,
        naming: watches::naming(watch, host),
        leaves_existing: watch.existing == Existing::Ignore,
    });
    let version = env!("CARGO_PKG_VERSION");
    journal
        .begin_at(home, version, watches.collect(), file_clock())
        .await
}

/// The time by the clock that files are stamped with, which lags a little behind the other: a file that
/// is made after this carries no earlier time.
fn file_clock() -> Timestamp {
    let now = clock_gettime(ClockId::RealtimeCoarse);
    let nanosecond = i32::try_from(now.tv_nsec).unwrap_or_default();
    Timestamp::new(now.tv_sec, nanosecond).unwrap_or_else(|_| Timestamp::now())
}

// ---- running

/// Tells systemd that all is well, as long as the loops really turn. While the journal's disk is full
/// the engine waits for the journal's writer, whose tries are its pulse then.
async fn watchdog(pulses: Vec<Pulse>, mut tries: tokio::sync::watch::Receiver<()>) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return;
    };
    loop {
        tokio::time::sleep(limit / 3).await;
        tries.mark_unchanged();
        tokio::select! {
            alive = accounts::beat(&pulses) => if !alive { return },
            Ok(()) = tries.changed() => {}
        }
        tell(&[sd_notify::NotifyState::Watchdog]);
    }
}

/// Without systemd there is nobody to tell, which is no error.
fn tell(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd could not be told how the daemon is doing");
    }
}
