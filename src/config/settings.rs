//! What the daemon runs with: every value checked, nothing left to ask.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::job::WatchName;

/// A configuration that needs no further checks. Made by [`super::load`] only.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file that this was read from.
    pub file: PathBuf,
    /// `[redivis]`
    pub redivis: Redivis,
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
}

/// `[redivis]`: where the API is and who may see the token.
#[derive(Debug, Clone)]
pub struct Redivis {
    /// Base URL without a trailing slash in its path; https, or http on loopback.
    pub endpoint: Url,
    /// Read again whenever the token is refused. `None`: no file named and the default one absent is not an error here.
    pub token_file: Option<PathBuf>,
    /// Origins besides the endpoint's own that may see the token.
    pub send_token_to: Vec<url::Origin>,
    /// A PEM file with further certificate authorities.
    pub extra_ca_file: Option<PathBuf>,
}

/// `[journal]`
#[derive(Debug, Clone)]
pub struct Journal {
    /// The SQLite file; its folder holds the lock too.
    pub path: PathBuf,
    /// How long finished jobs stay listed.
    pub keep_finished: Duration,
}

/// `[transfer]`
#[derive(Debug, Clone)]
pub struct Transfer {
    /// Files in flight, 1 ..= 256.
    pub workers: usize,
    /// Files of more bytes than this use a resumable session.
    pub resumable_above: u64,
    /// Bytes per chunk, a multiple of 256 KiB, 256 KiB ..= 1 GiB.
    pub chunk_size: u64,
    /// What proves that the bytes arrived.
    pub verify: Verify,
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
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// Delay after the first failure.
    pub initial: Duration,
    /// No delay is longer.
    pub max: Duration,
    /// A job that made no progress for this long is parked.
    pub park_after: Duration,
}

/// `[status]`
#[derive(Debug, Clone)]
pub struct Status {
    /// Where the page is served; `None` turns it off.
    pub listen: Option<SocketAddr>,
}

/// One `[[watch]]`: a drop folder and where its files go.
#[derive(Debug, Clone)]
pub struct Watch {
    /// Unique.
    pub name: WatchName,
    /// Absolute path of the drop folder; it need not exist yet.
    pub path: PathBuf,
    /// `owner.dataset[:ref][:version].table[:ref]`, checked for shape only.
    pub table: String,
    /// What becomes of the bytes.
    pub kind: Kind,
    /// Whether folders below the root are watched too.
    pub recursive: bool,
    /// Globs over the path relative to the root; one of them must match.
    pub include: Vec<String>,
    /// Globs over the path relative to the root; none of them may match.
    pub exclude: Vec<String>,
    /// A file is settled when nothing about it changed for this long.
    pub settle: Duration,
    /// Warn about a file that has not settled for this long.
    pub max_wait: Duration,
    /// How changes are noticed.
    pub backend: Backend,
    /// Between two scans when polling.
    pub poll_interval: Duration,
    /// Between two full scans when events come in.
    pub rescan_interval: Duration,
    /// Whether a file with more than one name (nlink > 1) may be uploaded.
    pub allow_hard_links: bool,
}

/// `watch.kind`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Files of an index table.
    Files,
    /// Rows of a table, imported by Redivis.
    Tabular,
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
