//! `redivis-drop check`

use std::fs;

use super::error::{Exit, Failure};
use super::{print, runtime};
use crate::after;
use crate::config::{self, Config, Environment, Watch};
use crate::redivis::{ApiError, Bearer, BuildError, Client};

pub(super) fn check(config: &Config, env: &Environment, online: bool) -> Result<Exit, Failure> {
    if !config.remarks.is_empty() {
        say(&config.remarks.to_string())?;
    }
    say(&format!(
        "{}: the configuration is right",
        config.file.display()
    ))?;
    for watch in &config.watches {
        say(&format!("{}: {}", watch.name, folder(watch)))?;
        for said in after::check(watch) {
            say(&format!("{}: {said}", watch.name))?;
        }
    }
    if !online {
        return Ok(Exit::Fine);
    }
    let client = client(config, env)?;
    let mut worst = Exit::Fine;
    for watch in &config.watches {
        match runtime()?.block_on(client.table(&watch.table)) {
            Ok(table) if table.is_file_index == Some(false) => {
                say(&format!(
                    "{}: {} is no file index table; kind = \"files\" needs one",
                    watch.name, watch.table
                ))?;
                worst = Exit::Config;
            }
            Ok(_) => say(&format!(
                "{}: the table {} is there",
                watch.name, watch.table
            ))?,
            Err(ApiError::Refused {
                status: 404, text, ..
            }) => {
                say(&format!(
                    "{}: the table {} is not there, or not visible with this token: {text}",
                    watch.name, watch.table
                ))?;
                worst = Exit::Config;
            }
            Err(error) => return Err(Failure::new(exit(&error), error.to_string())),
        }
    }
    Ok(worst)
}

/// Speaks to Redivis as the daemon does.
pub(super) fn client(config: &Config, env: &Environment) -> Result<Client, Failure> {
    let token = config::read_token(&config.redivis, env)?;
    let unexpected = |error: BuildError| Failure::new(Exit::Unexpected, error.to_string());
    let bearer = Bearer::new(token.expose()).map_err(unexpected)?;
    Client::new(&config.redivis, bearer).map_err(unexpected)
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
