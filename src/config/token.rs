//! The API token: where it is found, and that it never prints.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use thiserror::Error;

use super::accounts::HOME;
use super::environment::Environment;
use super::settings::Redivis;
use crate::job::printable;

/// `redivis.token_file`, unless the configuration names another.
pub(super) const DEFAULT_TOKEN_FILE: &str = "/etc/redivis-drop/token";

const CREDENTIAL: &str = "redivis-token";

/// What the unit file sets when the credential was never stored.
const UNSET: &str = "unset";

/// Bytes; far more than any token has.
const LONGEST: u64 = 16 * 1024;

/// Lets its holder write to the account's tables. Prints as `Token(…)`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Wraps a text as it was found; [`read_token`] checks it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The token itself, for the `Authorization` header only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// No usable token. No message holds any part of one.
#[derive(Debug, Error)]
pub enum TokenError {
    /// None of the places has one.
    #[error(
        "there is no Redivis token{}: no systemd credential `{}`, {}, and \
         {} is not set\n  hint: make a token with the scope data.edit in your \
         Redivis workspace, write it to {} and chmod 600 it",
        sources.whose(),
        sources.credential(),
        none_in(sources, file.as_deref()),
        sources.variable(),
        printable(file.as_deref().unwrap_or(&sources.default_file()))
    )]
    Missing {
        /// Whose token.
        sources: Sources,
        /// The token file that was looked for.
        file: Option<PathBuf>,
    },
    /// The configuration names a file that is not there.
    #[error(
        "the token file {} does not exist\n  hint: write the token to it, or correct \
         `{}`",
        printable(file),
        sources.key()
    )]
    NoSuchFile {
        /// Whose token.
        sources: Sources,
        /// `redivis.token_file`
        file: PathBuf,
    },
    /// Something is there and cannot be read.
    #[error(
        "cannot read the token from {}: {source}\n  hint: the daemon's user must be allowed to \
         read it",
        printable(file)
    )]
    Unreadable {
        /// The file or credential.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A folder, a pipe, a device.
    #[error(
        "{} is no regular file, so no token is read from it\n  hint: write the token to a file",
        printable(file)
    )]
    NotAFile {
        /// `redivis.token_file`
        file: PathBuf,
    },
    /// Others may read the token, or put theirs in its place.
    #[error(
        "the token file {0} is open to other users (mode {mode:03o})\n  hint: chmod 600 {0}, and if \
         others could read it, revoke the token and make another",
        printable(file)
    )]
    Exposed {
        /// `redivis.token_file`
        file: PathBuf,
        /// The permission bits.
        mode: u32,
    },
    /// Empty, too long, or holding something that no token holds.
    #[error(
        "what stands in {place} is no token: {fault}\n  hint: it must hold the token alone, on one \
         line"
    )]
    Malformed {
        /// The file or the variable.
        place: String,
        /// What is wrong with it.
        fault: &'static str,
    },
}

fn none_in(sources: &Sources, file: Option<&Path>) -> String {
    file.map_or(format!("no `{}`", sources.key()), |file| {
        format!("no file {}", printable(file))
    })
}

/// Where the token of an account is looked for: each has places of its own, so that none is sent in the place of
/// another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    account: String,
}

impl Sources {
    fn is_home(&self) -> bool {
        self.account == HOME
    }

    fn whose(&self) -> String {
        if self.is_home() {
            String::new()
        } else {
            format!(" for the account `{}`", self.account)
        }
    }

    fn key(&self) -> String {
        if self.is_home() {
            "redivis.token_file".to_owned()
        } else {
            format!("account.{}.token_file", self.account)
        }
    }

    fn credential(&self) -> String {
        self.with_name(CREDENTIAL)
    }

    fn default_file(&self) -> PathBuf {
        self.with_name(DEFAULT_TOKEN_FILE).into()
    }

    fn with_name(&self, place: &str) -> String {
        if self.is_home() {
            place.to_owned()
        } else {
            format!("{place}.{}", self.account)
        }
    }

    /// What stands behind the prefix of the variable.
    fn suffix(&self) -> String {
        self.account.to_uppercase().replace('-', "_")
    }

    fn variable(&self) -> String {
        if self.is_home() {
            "REDIVIS_API_TOKEN".to_owned()
        } else {
            format!("REDIVIS_API_TOKEN_{}", self.suffix())
        }
    }

    fn in_environment<'a>(&self, env: &'a Environment) -> Option<&'a Token> {
        if self.is_home() {
            env.token.as_ref()
        } else {
            env.account_tokens.get(&self.suffix())
        }
    }
}

/// Reads the token from the first place that has one: the systemd credential `redivis-token`,
/// `redivis.token_file`, `REDIVIS_API_TOKEN`. Of `[account.NAME]`: `redivis-token.NAME`,
/// `account.NAME.token_file`, `REDIVIS_API_TOKEN_NAME`.
///
/// Reads the files anew each time: a rotated token is found without a restart.
pub fn read_token(redivis: &Redivis, env: &Environment) -> Result<Token, TokenError> {
    let sources = Sources {
        account: redivis.name.clone(),
    };
    if let Some(token) = credential(&sources, env)? {
        return Ok(token);
    }
    if let Some(file) = &redivis.token_file
        && let Some(token) = token_file(&sources, file)?
    {
        return Ok(token);
    }
    match sources.in_environment(env) {
        Some(token) => checked(&token.0, || sources.variable()),
        None => Err(TokenError::Missing {
            sources,
            file: redivis.token_file.clone(),
        }),
    }
}

fn credential(sources: &Sources, env: &Environment) -> Result<Option<Token>, TokenError> {
    let Some(folder) = &env.credentials else {
        return Ok(None);
    };
    let path = folder.join(sources.credential());
    let unreadable = |source| TokenError::Unreadable {
        file: path.clone(),
        source,
    };
    let Some(file) = open(&path).map_err(unreadable)? else {
        return Ok(None);
    };
    let text = contents(file).map_err(unreadable)?;
    match line(&text) {
        "" | UNSET => Ok(None),
        _ => checked(&text, || printable(&path)).map(Some),
    }
}

fn token_file(sources: &Sources, path: &Path) -> Result<Option<Token>, TokenError> {
    let named = || path.to_owned();
    let unreadable = |source| TokenError::Unreadable {
        file: named(),
        source,
    };
    let Some(file) = open(path).map_err(unreadable)? else {
        let is_default = path == sources.default_file();
        return if is_default {
            Ok(None)
        } else {
            Err(TokenError::NoSuchFile {
                sources: sources.clone(),
                file: named(),
            })
        };
    };
    // Asked of the open file, so that what was checked is what is read.
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(TokenError::NotAFile { file: named() });
    }
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(TokenError::Exposed {
            file: named(),
            mode,
        });
    }
    let text = contents(file).map_err(unreadable)?;
    checked(&text, || printable(path)).map(Some)
}

/// `None` if nothing is there. Never waits for the other end of a pipe.
fn open(path: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    match rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from) {
        Ok(file) => Ok(Some(file.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Bytes that are no text become U+FFFD, which no token may hold.
fn contents(file: File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Without the newline that editors and `echo` leave at the end.
fn line(text: &str) -> &str {
    text.trim_end_matches(['\n', '\r'])
}

fn checked(text: &str, place: impl Fn() -> String) -> Result<Token, TokenError> {
    let token = line(text);
    let fault = if token.is_empty() {
        "it is empty"
    } else if text.len() as u64 > LONGEST {
        "it is too long"
    } else if token.contains(char::is_whitespace) {
        "it holds a blank or a line break"
    } else if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        "it holds a character that is no printable ASCII"
    } else {
        return Ok(Token::new(token));
    };
    Err(TokenError::Malformed {
        place: place(),
        fault,
    })
}

#[cfg(test)]
#[path = "tests/token.rs"]
mod tests;
