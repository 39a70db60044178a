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
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use tempfile::TempDir;

    fn redivis(token_file: Option<PathBuf>) -> Redivis {
        Redivis {
            name: HOME.into(),
            endpoint: "https://redivis.com/api/v1".parse().unwrap(),
            is_elsewhere: false,
            token_file,
            send_token_to: Vec::new(),
            extra_ca_file: None,
        }
    }

    fn write(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// The outcome, with the temporary folder as `DIR`.
    fn outcome(dir: &TempDir, token_file: Option<&str>, env: &Environment) -> String {
        let file = token_file.map(|name| dir.path().join(name));
        let outcome = match read_token(&redivis(file), env) {
            Ok(token) => token.expose().to_owned(),
            Err(error) => error.to_string(),
        };
        outcome.replace(dir.path().to_str().unwrap(), "DIR")
    }

    #[test]
    fn the_credential_comes_before_the_file_and_the_file_before_the_environment() {
        let dir = TempDir::new().unwrap();
        let with_token = Environment {
            token: Some(Token::new("from-environment")),
            ..Environment::default()
        };
        let with_both = Environment {
            credentials: Some(dir.path().to_owned()),
            ..with_token.clone()
        };
        assert_eq!(outcome(&dir, None, &with_token), "from-environment");
        write(&dir.path().join("token"), "from-file\r\n", 0o600);
        assert_eq!(outcome(&dir, Some("token"), &with_both), "from-file");
        for (credential, want) in [
            ("unset", "from-file"),
            ("unset\n", "from-file"),
            ("", "from-file"),
            ("from-credential\n", "from-credential"),
        ] {
            // systemd's own files are 0400, and their mode is not our business.
            fs::write(dir.path().join(CREDENTIAL), credential).unwrap();
            assert_eq!(
                outcome(&dir, Some("token"), &with_both),
                want,
                "{credential:?}"
            );
        }
    }

    #[test]
    fn a_token_file_that_will_not_do_says_what_to_do() {
        let dir = TempDir::new().unwrap();
        let env = Environment {
            token: Some(Token::new("not-a-fallback-for-a-broken-file")),
            ..Environment::default()
        };
        write(&dir.path().join("open"), "secret", 0o640);
        write(&dir.path().join("empty"), "\n", 0o600);
        write(&dir.path().join("two"), "secret secret", 0o600);
        write(&dir.path().join("colour"), "sec\u{1b}ret", 0o600);
        write(&dir.path().join("latin"), "sécret", 0o600);
        write(&dir.path().join("long"), &"s".repeat(20_000), 0o600);
        fs::create_dir(dir.path().join("folder")).unwrap();
        let alone = "hint: it must hold the token alone, on one line";
        for (file, want) in [
            ("absent", "the token file DIR/absent does not exist\n  hint: write the token to it, or correct `redivis.token_file`".to_owned()),
            ("open", "the token file DIR/open is open to other users (mode 640)\n  hint: chmod 600 DIR/open, and if others could read it, revoke the token and make another".to_owned()),
            ("folder", "DIR/folder is no regular file, so no token is read from it\n  hint: write the token to a file".to_owned()),
            ("empty", format!("what stands in DIR/empty is no token: it is empty\n  {alone}")),
            ("two", format!("what stands in DIR/two is no token: it holds a blank or a line break\n  {alone}")),
            ("colour", format!("what stands in DIR/colour is no token: it holds a character that is no printable ASCII\n  {alone}")),
            ("latin", format!("what stands in DIR/latin is no token: it holds a character that is no printable ASCII\n  {alone}")),
            ("long", format!("what stands in DIR/long is no token: it is too long\n  {alone}")),
        ] {
            assert_eq!(outcome(&dir, Some(file), &env), want);
        }
    }

    #[test]
    fn a_pipe_in_place_of_the_file_does_not_hang() {
        let dir = TempDir::new().unwrap();
        let mode = Mode::from_raw_mode(0o600);
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, dir.path().join("pipe"), kind, mode, 0).unwrap();
        let said = outcome(&dir, Some("pipe"), &Environment::default());
        assert!(said.starts_with("DIR/pipe is no regular file"), "{said}");
    }

    #[test]
    fn no_token_anywhere_names_every_place_that_was_tried() {
        let dir = TempDir::new().unwrap();
        let said = outcome(&dir, None, &Environment::default());
        assert_eq!(
            said,
            "there is no Redivis token: no systemd credential `redivis-token`, no \
             `redivis.token_file`, and REDIVIS_API_TOKEN is not set\n  hint: make a token with the \
             scope data.edit in your Redivis workspace, write it to /etc/redivis-drop/token and \
             chmod 600 it"
        );
    }

    #[test]
    fn each_account_has_places_of_its_own_and_takes_no_token_of_another() {
        let dir = TempDir::new().unwrap();
        let mut account = Redivis {
            name: "eu-lab".into(),
            ..redivis(Some(dir.path().join("token.eu-lab")))
        };
        write(&dir.path().join(CREDENTIAL), "home", 0o600);
        let mut env = Environment {
            token: Some(Token::new("home")),
            credentials: Some(dir.path().to_owned()),
            ..Environment::default()
        };
        let said = |account: &Redivis, env: &Environment| match read_token(account, env) {
            Ok(token) => token.expose().to_owned(),
            Err(error) => error.to_string(),
        };
        let missing = said(&account, &env);
        assert!(
            missing.ends_with("correct `account.eu-lab.token_file`"),
            "{missing}"
        );
        let file = account.token_file.take();
        assert_eq!(
            said(&account, &env),
            "there is no Redivis token for the account `eu-lab`: no systemd credential \
             `redivis-token.eu-lab`, no `account.eu-lab.token_file`, and REDIVIS_API_TOKEN_EU_LAB is not \
             set\n  hint: make a token with the scope data.edit in your Redivis workspace, write it to \
             /etc/redivis-drop/token.eu-lab and chmod 600 it"
        );
        let variable = ("EU_LAB".to_owned(), Token::new("from-environment"));
        env.account_tokens.extend([variable]);
        assert_eq!(said(&account, &env), "from-environment");
        account.token_file = file;
        write(&dir.path().join("token.eu-lab"), "from-file", 0o600);
        assert_eq!(said(&account, &env), "from-file");
        write(
            &dir.path().join("redivis-token.eu-lab"),
            "from-credential",
            0o600,
        );
        assert_eq!(said(&account, &env), "from-credential");
    }

    #[test]
    fn a_token_does_not_print_itself() {
        let env = Environment {
            token: Some(Token::new("secret")),
            ..Environment::default()
        };
        assert!(!format!("{env:?}").contains("secret"));
    }

    proptest! {
        #[test]
        fn any_token_file_is_a_token_to_the_letter_or_a_fault_that_does_not_repeat_it(
            bytes in prop_oneof![
                any::<Vec<u8>>(), "[!-~]{1,20}[ \t\r\n]{0,3}".prop_map(String::into_bytes),
                "[!-~]{1,40}(\r|\n){0,3}".prop_map(String::into_bytes),
                "[!-~]{1,9}[ -~é\u{1b}\t]?[!-~]{0,9}".prop_map(String::into_bytes),
            ],
        ) {
            let text = String::from_utf8_lossy(&bytes);
            let bare: Vec<u8> = {
                let end = bytes.iter().rposition(|byte| !b"\r\n".contains(byte)).map_or(0, |at| at + 1);
                bytes[..end].to_vec()
            };
            let good = !bare.is_empty() && bare.iter().all(|byte| (b'!'..=b'~').contains(byte));
            match checked(&text, || "the file".to_owned()) {
                Ok(token) => {
                    prop_assert!(good);
                    prop_assert_eq!(token.expose().as_bytes(), &bare);
                    prop_assert_eq!(format!("{token:?}"), "Token(…)");
                }
                Err(error) => {
                    prop_assert!(!good);
                    let said = error.to_string();
                    let faults = ["empty", "too long", "a blank or a line break", "no printable ASCII"];
                    prop_assert!(faults.iter().any(|fault| said.contains(fault)), "{said}");
                    let repeats = bare.len() > 12 && said.contains(text.trim());
                    prop_assert!(!repeats, "{said}");
                }
            }
        }
    }
}
