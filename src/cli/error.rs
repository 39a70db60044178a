//! Failures as people and scripts see them: a text on stderr and an exit code.

use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::config::{LoadError, TokenError};
use crate::daemon::DaemonError;
use crate::journal::{JournalError, OpenError};

/// The exit codes; scripts rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Exit {
    Fine = 0,
    Unexpected = 1,
    Usage = 2,
    SomeFailed = 3,
    Token = 4,
    Unreachable = 5,
    Journal = 74,
    Held = 75,
    Config = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// What went wrong, where, and what to do.
#[derive(Debug)]
pub(super) struct Failure {
    pub exit: Exit,
    text: String,
    hint: Option<String>,
}

impl Failure {
    pub fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self {
            exit,
            text: text.into(),
            hint: None,
        }
    }

    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// Says which account it is about.
    pub fn of_account(self, name: &str) -> Self {
        let text = format!("account {name}: {}", self.text);
        Self { text, ..self }
    }

    /// Says it on stderr. If nobody can hear it, the exit code remains.
    pub fn tell(&self) {
        let mut stderr = io::stderr().lock();
        let _ = writeln!(stderr, "redivis-drop: {}", self.text);
        if let Some(hint) = &self.hint {
            let _ = writeln!(stderr, "  hint: {hint}");
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        let text = match &error {
            LoadError::Problems(problems) if problems.len() > 1 => {
                format!("the configuration has {} problems\n{error}", problems.len())
            }
            _ => format!("the configuration cannot be used\n{error}"),
        };
        Self::new(Exit::Config, text)
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        Self::new(Exit::Token, error.to_string())
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let exit = match error {
            OpenError::Held { .. } => Exit::Held,
            _ => Exit::Journal,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        Self::new(Exit::Journal, error.to_string())
    }
}

impl From<DaemonError> for Failure {
    fn from(error: DaemonError) -> Self {
        match error {
            DaemonError::Config(error) => error.into(),
            DaemonError::Token(error) => error.into(),
            DaemonError::Open(error) => error.into(),
            DaemonError::Journal(error) => error.into(),
            other => Self::new(Exit::Unexpected, other.to_string()),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(Exit::Unexpected, error.to_string())
    }
}
