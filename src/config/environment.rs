//! The environment variables that the program knows. Nothing else reads them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::token::Token;

/// What the environment says; handed in, so that tests need not change the process.
///
/// An empty variable counts as not set.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `REDIVIS_API_ENDPOINT`: overrides `redivis.endpoint`.
    pub endpoint: Option<String>,
    /// `REDIVIS_API_TOKEN`: the last place where a token is looked for.
    pub token: Option<Token>,
    /// `REDIVIS_API_TOKEN_…`: the same for `[account.NAME]`, by what stands behind the last `_` of the prefix.
    pub account_tokens: BTreeMap<String, Token>,
    /// `REDIVIS_DROP_CONFIG`: the configuration file, unless `--config` names one.
    pub config: Option<PathBuf>,
    /// `CREDENTIALS_DIRECTORY`: where systemd puts the credentials of this unit.
    pub credentials: Option<PathBuf>,
}

impl Environment {
    /// Reads the process's own environment.
    pub fn from_process() -> Self {
        Self {
            endpoint: variable("REDIVIS_API_ENDPOINT").map(text),
            token: variable("REDIVIS_API_TOKEN").map(text).map(Token::new),
            account_tokens: account_tokens(),
            config: variable("REDIVIS_DROP_CONFIG").map(PathBuf::from),
            credentials: variable("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        }
    }
}

fn account_tokens() -> BTreeMap<String, Token> {
    let named = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.to_str()?.strip_prefix("REDIVIS_API_TOKEN_")?;
        (!value.is_empty()).then(|| (name.to_owned(), Token::new(text(value))))
    });
    named.collect()
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Bytes that are no text become U+FFFD, which neither a URL's host nor a token may hold.
fn text(value: OsString) -> String {
    value
        .into_string()
        .unwrap_or_else(|bytes| bytes.to_string_lossy().into_owned())
}
