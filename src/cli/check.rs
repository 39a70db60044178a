//! `redivis-drop check`

use std::fs;

use super::error::{Exit, Failure};
use super::versions::Datasets;
use super::{print, runtime};
use crate::after;
use crate::config::{self, Config, Environment, Redivis, Watch};
use crate::job::address;
use crate::journal::Reader;
use crate::redivis::{ApiError, Bearer, BuildError, Client};

pub(super) fn check(config: &Config, env: &Environment, online: bool) -> Result<Exit, Failure> {
    if !config.remarks.is_empty() {
        say(&config.remarks.to_string())?;
    }
    say(&format!(
        "{}: the configuration is right",
        config.file.display()
    ))?;
    if let Some(said) = other_home(config) {
        say(&said)?;
    }
    for account in config.accounts_in_use() {
        if !config.accounts.is_empty() {
            say(&whose(config, account))?;
        }
        for watch in config.watches_of(account) {
            say(&format!("{}: {}", watch.name, folder(watch)))?;
            for said in after::check(watch) {
                say(&format!("{}: {said}", watch.name))?;
            }
        }
    }
    if !online {
        return Ok(Exit::Fine);
    }
    let (mut worst, mut failure) = (Exit::Fine, None);
    for account in config.accounts_in_use() {
        match ask(config, account, env) {
            Ok(Exit::Fine) => {}
            Ok(exit) => worst = exit,
            // the others are asked all the same; the exit code is that of the first that failed
            Err(error) if config.accounts.is_empty() => return Err(error),
            Err(error) => {
                let error = error.of_account(&account.name);
                if failure.is_some() {
                    error.tell();
                } else {
                    failure = Some(error);
                }
            }
        }
    }
    failure.map_or(Ok(worst), Err)
}

/// What a person should know before the daemon starts, if the journal is at home at another endpoint than that of
/// `[redivis]`. Nothing if it is not there yet, or not ours to read.
fn other_home(config: &Config) -> Option<String> {
    let home = Reader::open(&config.journal.path).ok()?.home().ok()??;
    let endpoint = config.redivis.endpoint.as_str();
    (home != endpoint).then(|| {
        format!(
            "the journal is at home at {home}, and [redivis] goes to {endpoint}: what is done at its home does not count \
             there, so all files go there too"
        )
    })
}

fn whose(config: &Config, account: &Redivis) -> String {
    let watches = config.watches_of(account);
    let names: Vec<_> = watches.map(|watch| watch.name.as_str()).collect();
    let Redivis { name, endpoint, .. } = account;
    format!("account {name}: {endpoint}: {}", names.join(", "))
}

/// Asks for the table of every watch of an account.
fn ask(config: &Config, account: &Redivis, env: &Environment) -> Result<Exit, Failure> {
    let client = client(account, env)?;
    let mut worst = Exit::Fine;
    let mut datasets = Datasets::default();
    for watch in config.watches_of(account) {
        let name = &watch.name;
        let (_, table) = address::parts(&watch.table);
        let version = runtime()?.block_on(datasets.standing(&client, watch))?;
        if let Some(why) = &version.why {
            say(&format!("{name}: {why}"))?;
        }
        if version.exit != Exit::Fine {
            worst = version.exit;
        }
        match runtime()?.block_on(client.table(&watch.table)) {
            Ok(found) if found.is_file_index == Some(false) => {
                say(&format!(
                    "{name}: {table} is no file index table; kind = \"files\" needs one"
                ))?;
                worst = Exit::Config;
            }
            Ok(_) => say(&format!("{name}: the table {table} is there"))?,
            // there is no table in a version that is not there
            Err(ApiError::Refused { status: 404, .. }) if version.why.is_some() => {}
            Err(ApiError::Refused {
                status: 404, text, ..
            }) => {
                say(&format!(
                    "{name}: the table {table} is not there, or not visible with this token: {text}"
                ))?;
                worst = Exit::Config;
            }
            Err(error) => return Err(Failure::new(exit(&error), error.to_string())),
        }
    }
    Ok(worst)
}

/// Speaks to the Redivis of an account as the daemon does.
pub(super) fn client(account: &Redivis, env: &Environment) -> Result<Client, Failure> {
    let token = config::read_token(account, env)?;
    let unexpected = |error: BuildError| Failure::new(Exit::Unexpected, error.to_string());
    let bearer = Bearer::new(token.expose()).map_err(unexpected)?;
    Client::new(account, bearer).map_err(unexpected)
}

/// One line. The exit code counts also when nobody reads it.
pub(super) fn say(line: &str) -> Result<(), Failure> {
    print(format!("{line}\n").as_bytes()).map(drop)
}

pub(super) fn exit(error: &ApiError) -> Exit {
    match error {
        ApiError::Auth { .. } => Exit::Token,
        ApiError::Refused { .. } => Exit::Unexpected,
        _ => Exit::Unreachable,
    }
}

fn folder(watch: &Watch) -> String {
    let path = watch.path.display();
    match fs::read_dir(&watch.path) {
        Ok(_) => format!("{path} is readable"),
        Err(error) => format!("{path} cannot be read now ({error}); the watch will wait for it"),
    }
}
