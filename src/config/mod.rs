//! The configuration: a TOML file becomes a [`Config`] that needs no further checks, or a list of
//! everything that is wrong with it, each with its place and what to do.
//!
//! Here too: the [`Environment`], which nothing else reads, and the [`Token`], which never prints.
//! Never here: opening a drop folder, asking the server. `check --online` does that.

mod accounts;
mod address;
mod bandwidth;
mod environment;
mod not_yet;
mod problem;
mod quantity;
mod read;
mod release;
mod section;
mod settings;
mod side_by_side;
mod table_reference;
mod tabular;
mod template;
mod token;
mod value;
mod version;
mod watches;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use accounts::HOME;
pub use bandwidth::{Bandwidth, Window};
pub use environment::Environment;
pub use problem::{Place, Problem, Problems};
pub use release::Release;
pub use settings::{
    AfterUpload, Backend, Config, Emptied, Existing, Journal, NextVersion, OnConflict, Redivis,
    Retry, Status, Transfer, Verify, Watch,
};
pub use tabular::Tabular;
pub use token::{Token, TokenError, read_token};
pub use version::{Reference, Version};

pub use crate::job::Kind;

use crate::job::printable;

use section::Notes;
use value::Complaint;

/// Where the configuration is when nobody says otherwise.
const DEFAULT_FILE: &str = "/etc/redivis-drop/config.toml";

/// Bytes; a thousand watches fit.
const LONGEST: u64 = 1 << 20;

/// There is no configuration to run with. Exit code 78.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file is not there or not ours to read.
    #[error(
        "cannot read the configuration {}: {source}\n  hint: {}",
        printable(file),
        unreadable_hint(source)
    )]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file was read, and this is wrong with it.
    #[error("{0}")]
    Problems(Problems),
}

fn unreadable_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "name it with --config or REDIVIS_DROP_CONFIG; config/redivis-drop.toml is one to start from"
        }
        io::ErrorKind::PermissionDenied => "the daemon's user must be allowed to read it",
        _ => "name a file with --config or REDIVIS_DROP_CONFIG",
    }
}

/// Reads a time such as "10s" or "24h", as the configuration writes it.
pub fn parse_duration(text: &str) -> Option<std::time::Duration> {
    quantity::duration(text).ok()
}

/// Reads a number of bytes such as "20 MB" or "32 MiB", as the configuration writes it.
pub fn parse_size(text: &str) -> Option<u64> {
    quantity::size(text).ok()
}

/// A time as the configuration writes it: "1h 30m". Fractions of a millisecond are left out.
pub fn write_duration(time: std::time::Duration) -> String {
    quantity::time_text(time)
}

/// Whether this version takes other values than the default for a key of `[[watch]]`.
pub fn watch_key_is_there(key: &str) -> bool {
    not_yet::is_there("watch", key)
}

/// What `exclude` of a `[[watch]]` is without a word.
pub fn default_exclude() -> Vec<String> {
    watches::EXCLUDE.map(str::to_owned).to_vec()
}

/// The file to load when `--config` names none: `REDIVIS_DROP_CONFIG`, else
/// `/etc/redivis-drop/config.toml`.
pub fn default_path(env: &Environment) -> PathBuf {
    env.config.clone().unwrap_or_else(|| DEFAULT_FILE.into())
}

/// Reads and checks the configuration.
pub fn load(file: &Path, env: &Environment) -> Result<Config, LoadError> {
    let bytes = contents(file).map_err(|source| LoadError::Unreadable {
        file: file.to_owned(),
        source,
    })?;
    let text = text(file, &bytes).map_err(LoadError::Problems)?;
    read::read(file, text, env).map_err(LoadError::Problems)
}

fn contents(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?
        .take(LONGEST + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn text<'a>(file: &Path, bytes: &'a [u8]) -> Result<&'a str, Problems> {
    let refuse = |before: &[u8], complaint| {
        let mut notes = Notes::default();
        notes.problem(before.len(), complaint);
        notes
            .finish(file, std::str::from_utf8(before).unwrap_or_default())
            .0
    };
    if bytes.len() as u64 > LONGEST {
        let complaint = Complaint::new("the file is larger than 1 MiB");
        return Err(refuse(b"", complaint.hint("is it a configuration?")));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let (before, after) = bytes.split_at(error.valid_up_to());
        let complaint = Complaint::new(format!("the byte 0x{:02X} is no UTF-8", after[0]));
        refuse(before, complaint.hint("save the file in UTF-8"))
    })
}
