//! What the daemon runs with: every value checked, nothing left to ask.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::accounts::call_by;
use super::bandwidth::Bandwidth;
use super::problem::Problems;
use super::release::Release;
use super::tabular::Tabular;
use crate::job::{Kind, Template, WatchName};

/// A configuration that needs no further checks. Made by [`super::load`] only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The file that this was read from.
    pub file: PathBuf,
    /// `[redivis]`: the account of watches that name none.
    pub redivis: Redivis,
    /// Each `[account.NAME]`, by name; none is called as that of `[redivis]`.
    pub accounts: Vec<Redivis>,
    /// `[journal]`
    pub journal: Journal,
    /// `[transfer]`
    pub transfer: Transfer,
    /// `[retry]`
    pub retry: Retry,
    /// `[status]`
    pub status: Status,
    /// `[[watch]]`, at least one; names and roots are unique and not nested.
    pub watches: Vec<Watch>,
    /// What is legal but probably not meant, for `check` and the log.
    pub remarks: Problems,
}

impl Config {
    /// Every account that a watch names: that of `[redivis]` first.
    pub fn accounts_in_use(&self) -> impl Iterator<Item = &Redivis> {
        let all = std::iter::once(&self.redivis).chain(&self.accounts);
        all.filter(|account| self.watches_of(account).next().is_some())
    }

    /// The watches of an account.
    pub fn watches_of<'a>(&'a self, account: &'a Redivis) -> impl Iterator<Item = &'a Watch> {
        let watches = self.watches.iter();
        watches.filter(|watch| watch.account == account.name)
    }

    /// Calls every table as a journal with this home does. Until this was said, the endpoint of `[redivis]` stands for it.
    #[must_use]
    pub fn at_home(&self, home: &str) -> Self {
        let mut config = self.clone();
        call_by(
            home,
            std::iter::once(&mut config.redivis).chain(&mut config.accounts),
            &mut config.watches,
        );
        config
    }

    /// What an account alone would be configured by: itself, and its watches.
    #[must_use]
    pub fn of_account(&self, account: &Redivis) -> Self {
        Self {
            redivis: account.clone(),
            accounts: Vec::new(),
            watches: self.watches_of(account).cloned().collect(),
            ..self.clone()
        }
    }
}

/// `[redivis]` or `[account.NAME]`: where the API is and who may see the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redivis {
    /// [`super::HOME`], or NAME: 1 to 32 of `a-z 0-9 -`.
    pub name: String,
    /// Base URL without a trailing slash in its path (an empty path is `/`); https, or http on
    /// loopback; no query, fragment or user name.
    pub endpoint: Url,
    /// Whether that is another than the journal's home: its tables are called by it then ([`Config::at_home`]).
    pub is_elsewhere: bool,
    /// Read again whenever the token is refused. `None`: no file (`""`). That the default file
    /// is absent is no error; that another is, is one.
    pub token_file: Option<PathBuf>,
    /// Origins besides the endpoint's own that may see the token.
    pub send_token_to: Vec<url::Origin>,
    /// Absolute path of a PEM file with further certificate authorities.
    pub extra_ca_file: Option<PathBuf>,
}

/// `[journal]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    /// Absolute path of the SQLite file, in no drop folder; its folder holds the lock too.
    pub path: PathBuf,
    /// How long finished jobs stay listed; at least a day.
    pub keep_finished: Duration,
}

/// `[transfer]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Files in flight, 1 ..= 256.
    pub workers: usize,
    /// Files of more bytes than this use a resumable session; 0 means all but empty ones.
    pub resumable_above: u64,
    /// Bytes per chunk, a multiple of 256 KiB, 256 KiB ..= 1 GiB.
    pub chunk_size: u64,
    /// What proves that the bytes arrived.
    pub verify: Verify,
    /// How much all uploads may use together.
    pub bandwidth: Bandwidth,
}

/// `transfer.verify`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// The md5 that the table lists must be the md5 of the bytes read here.
    Md5,
    /// The upload's own CRC32C answer is trusted; no md5 is computed.
    Crc32c,
}

/// `[retry]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Delay after the first failure; not longer than the other two.
    pub initial: Duration,
    /// No delay is longer.
    pub max: Duration,
    /// A job that made no progress for this long is parked.
    pub park_after: Duration,
}

/// `[status]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Where the page is served, on loopback; `None` turns it off.
    pub listen: Option<SocketAddr>,
}

/// One `[[watch]]`: a drop folder and where its files go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// Unique; 1 to 64 of `A-Z a-z 0-9 . _ -`.
    pub name: WatchName,
    /// Absolute path of the drop folder, without `..`; it need not exist yet.
    pub path: PathBuf,
    /// The account that its files go to: [`super::HOME`], or one of [`Config::accounts`].
    pub account: String,
    /// `owner.dataset[:refId][:sample][:version].table[:refId]`, checked for shape only; behind the endpoint if that is
    /// another than the journal's home ([`crate::job::address`]).
    pub table: String,
    /// What becomes of the bytes. Watches of one table have the same.
    pub kind: Kind,
    /// How rows are to be read; all left out unless the kind is tabular.
    pub tabular: Tabular,
    /// Whether folders below the root are watched too.
    pub recursive: bool,
    /// Globs over the path relative to the root, at least one; one of them must match.
    pub include: Vec<String>,
    /// Globs over the path relative to the root; none of them may match.
    pub exclude: Vec<String>,
    /// A file is settled when nothing about it changed for this long; 100 ms or more.
    pub settle: Duration,
    /// Warn about a file that has not settled for this long; not less than `settle`.
    pub max_wait: Duration,
    /// How changes are noticed.
    pub backend: Backend,
    /// Between two scans when polling; 100 ms or more.
    pub poll_interval: Duration,
    /// Between two full scans when events come in; 100 ms or more.
    pub rescan_interval: Duration,
    /// Which files say that a folder is complete; without, each file goes on its own.
    pub release_on: Option<Release>,
    /// What becomes of the files that lie in the folder when it is watched for the first time.
    pub existing: Existing,
    /// How files are called in the table.
    pub remote_name: Template,
    /// What becomes of new content under a name that the table has.
    pub on_conflict: OnConflict,
    /// Whether what a table holds already when it is met is compared with, and not sent again.
    pub adopt_existing: bool,
    /// Whether a file with more than one name (nlink > 1) may be uploaded.
    pub allow_hard_links: bool,
    /// Watches of a higher number are served first, -100 ..= 100.
    pub priority: i64,
    /// What becomes of a file that is in its table.
    pub after_upload: AfterUpload,
    /// What becomes of the folders of a released set that an after-action emptied.
    pub emptied: Emptied,
    /// Who makes the next version of the table's dataset when there is none.
    pub next_version: NextVersion,
}

/// `watch.create_next_version`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextVersion {
    /// A person.
    ByHand,
    /// The daemon, once after each release.
    Made,
}

/// `watch.after_upload`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterUpload {
    /// It stays.
    Keep,
    /// It is deleted.
    Delete,
    /// It is moved into this folder, an absolute path, keeping its path below the drop folder.
    Move(PathBuf),
}

/// `watch.remove_empty_folders`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emptied {
    /// They stay.
    Kept,
    /// They are removed, the drop folder itself never.
    Removed,
}

/// `watch.existing`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// They are uploaded as all others.
    Upload,
    /// They stay here until they change.
    Ignore,
}

/// `watch.on_conflict`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    /// It is added too.
    NewVersion,
    /// It stays here.
    Skip,
    /// A person decides.
    Fail,
}

/// `watch.backend`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// inotify, and polling where it cannot work.
    Auto,
    /// inotify.
    Inotify,
    /// Scans only, every `poll_interval`.
    Poll,
}
