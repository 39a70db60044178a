//! One engine for each account that a watch names: its own client, token, pauses and budget. What one of them waits
//! for, the others do not; what belongs to the machine they share.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::DaemonError;
use crate::config::{self, Config, Environment, Redivis};
use crate::engine::{Condition, Credential, Engine, Machine, Pulse};
use crate::job::WatchName;
use crate::journal::{Journal, JournalError};
use crate::redivis::{Bearer, Client};

/// An account with which a life can begin.
pub(super) struct Account {
    config: Config,
    client: Client,
    /// Why it is paused from the beginning, if so: the others need not wait for that.
    paused: Option<Paused>,
}

/// What an account lacks, for people.
enum Paused {
    /// Its token, which is looked for now and then.
    NoToken(String),
    /// What its client is made of: only a reload makes another.
    NoClient(String),
}

/// Sent to nobody: without a token nothing is asked.
const NO_TOKEN: &str = "none";

/// Every account that a watch names.
///
/// # Errors
/// When none of them has all that it needs.
pub(super) fn all(config: &Config, env: &Environment) -> Result<Vec<Account>, DaemonError> {
    let mut accounts = Vec::new();
    let mut missing = None;
    for settings in config.accounts_in_use() {
        let (client, paused) = match Client::new(settings, Bearer::new(NO_TOKEN)?) {
            Ok(client) => match bearer(settings, env) {
                Ok(token) => {
                    client.set_token(token);
                    (client, None)
                }
                Err(error) => {
                    let why = error.to_string();
                    missing.get_or_insert(error);
                    (client, Some(Paused::NoToken(why)))
                }
            },
            Err(error) => {
                let why = format!("{error}; put that right, then reload the daemon");
                missing.get_or_insert(error.into());
                let plain = Redivis {
                    extra_ca_file: None,
                    ..settings.clone()
                };
                let idle = Client::new(&plain, Bearer::new(NO_TOKEN)?)?;
                (idle, Some(Paused::NoClient(why)))
            }
        };
        accounts.push(Account {
            config: config.of_account(settings),
            client,
            paused,
        });
    }
    match missing {
        Some(error) if accounts.iter().all(|account| account.paused.is_some()) => Err(error),
        _ => Ok(accounts),
    }
}

fn bearer(settings: &Redivis, env: &Environment) -> Result<Bearer, DaemonError> {
    let token = config::read_token(settings, env)?;
    Ok(Bearer::new(token.expose())?)
}

fn credential(settings: &Redivis, env: &Environment) -> Credential {
    let (settings, env) = (settings.clone(), env.clone());
    Arc::new(move || bearer(&settings, &env).map_err(|error| error.to_string()))
}

/// How an account is doing, and whose files wait when it is not well.
pub(super) struct Doing {
    pub account: String,
    pub condition: watch::Receiver<Condition>,
    pub watches: Vec<(WatchName, String)>,
}

/// The engines, running.
pub(super) struct Engines {
    pub running: JoinSet<Result<(), JournalError>>,
    pub doing: Vec<Doing>,
    pub pulses: Vec<Pulse>,
}

/// Starts one engine for each account.
pub(super) fn start(
    accounts: Vec<Account>,
    env: &Environment,
    journal: &Journal,
    stop: &CancellationToken,
) -> Engines {
    let mut engines = Engines {
        running: JoinSet::new(),
        doing: Vec::new(),
        pulses: Vec::new(),
    };
    let Some(first) = accounts.first() else {
        return engines;
    };
    let machine = Machine::new(&first.config.transfer);
    for account in accounts {
        let Account {
            config,
            client,
            paused,
        } = account;
        let credential = match &paused {
            Some(Paused::NoClient(why)) => {
                let why = why.clone();
                Arc::new(move || Err(why.clone()))
            }
            _ => credential(&config.redivis, env),
        };
        let mut engine = Engine::new(&config, journal.clone(), client, credential, &machine);
        if let Some(Paused::NoToken(why) | Paused::NoClient(why)) = paused {
            let account = &config.redivis.name;
            tracing::error!(account, why, "the account is paused");
            engine = engine.without_token(why);
        }
        let watches = config.watches.into_iter();
        engines.doing.push(Doing {
            account: config.redivis.name.clone(),
            condition: engine.condition(),
            watches: watches.map(|watch| (watch.name, watch.table)).collect(),
        });
        engines.pulses.push(engine.pulse());
        engines.running.spawn(engine.run(stop.clone()));
    }
    engines
}

/// Whether the loops of all engines turn.
pub(super) async fn beat(pulses: &[Pulse]) -> bool {
    let beats = pulses.iter().map(Pulse::beat);
    let alive = futures_util::future::join_all(beats).await;
    alive.into_iter().all(|alive| alive)
}
