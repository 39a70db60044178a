//! What can be said on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// Carries every file of a drop folder, once and unchanged, into a Redivis table.
#[derive(Debug, Parser)]
#[command(name = "redivis-drop", version, after_help = EXIT_CODES, propagate_version = true)]
pub(super) struct Arguments {
    /// The configuration [default: /etc/redivis-drop/config.toml, or what `REDIVIS_DROP_CONFIG` names]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
   0  fine
   1  unexpected failure
   2  wrong usage
   3  some files failed or are parked (run --once); not all is proven (receipts)
   4  the token is missing or refused
   5  the server cannot be reached
  74  the journal cannot be used
  75  another daemon holds the journal
  78  the configuration is wrong";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The daemon, in the foreground
    Run {
        /// Upload all there is, then exit: 0, or 3 if a file failed or is parked
        #[arg(long)]
        once: bool,
    },
    /// Check the configuration: every problem at once, with file, line and column
    Check {
        /// Ask Redivis too: the token, and each table
        #[arg(long)]
        online: bool,
    },
    /// Watch a folder while an instrument writes to it, and propose a [[watch]] block for it
    Observe(Observe),
    /// What the daemon does now
    Status {
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
    /// List and search jobs
    Jobs(Jobs),
    /// What is in its table for good: list it, hold it against the tables, ask what may be deleted
    Receipts(Receipts),
    /// A practice server on this machine: what Redivis does, on disk, with faults on demand
    Sandbox(Practice),
    /// The whole job on this machine: a drop, a cut connection, a kill, a restart, equal checksums
    Demo {
        /// Stay afterwards, so that you can drop files of your own
        #[arg(long)]
        keep: bool,
    },
    /// Print the completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the man page
    Man,
}

#[derive(Debug, Args)]
pub(super) struct Jobs {
    #[command(subcommand)]
    pub one: Option<OneJob>,

    /// Only jobs in this state; may be given several times
    #[arg(long, value_name = "STATE")]
    pub state: Vec<String>,
    /// Only jobs of this watch
    #[arg(long, value_name = "NAME")]
    pub watch: Option<String>,
    /// Only jobs whose remote name contains this text
    #[arg(long, value_name = "TEXT")]
    pub path: Option<String>,
    /// Only jobs whose file has this md5, in hex or base64
    #[arg(long, value_name = "MD5")]
    pub md5: Option<String>,
    /// No more than the newest N
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// One JSON object a line
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum OneJob {
    /// One job and its whole history
    Show {
        /// Its number
        id: i64,
    },
}

/// Receipts are written when a table has a file, and never removed. A daemon may run or not.
#[derive(Debug, Args)]
pub(super) struct Receipts {
    /// How they are printed
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    pub format: Format,
    /// Only receipts whose local path or remote name contains this text
    #[arg(long, value_name = "TEXT")]
    pub path: Option<String>,
    /// Only receipts of files with this md5, in hex or base64
    #[arg(long, value_name = "MD5")]
    pub md5: Option<String>,
    /// Only receipts of this table, written as in the configuration
    #[arg(long, value_name = "TABLE")]
    pub table: Option<String>,
    /// Only receipts of this watch
    #[arg(long, value_name = "NAME")]
    pub watch: Option<String>,
    /// Only what was registered at this time or later: RFC 3339, or a day in UTC
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only what was registered until this time, or until the end of this day
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Ask the tables instead of printing: 0 if they list all of it, 3 if something is missing or another
    #[arg(long, conflicts_with = "format")]
    pub verify: bool,
    /// Read a file in a drop folder, or all in a folder there: 0 if each has a receipt with the md5 that it has now, else 3
    #[arg(long, value_name = "PATH", conflicts_with_all = ["format", "path", "md5", "table", "watch", "since", "until", "verify"])]
    pub safe_to_delete: Option<PathBuf>,
}

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A line of names, and a line each
    Csv,
    /// A JSON object a line
    Ndjson,
}

/// Needs no configuration and no daemon, opens no file and writes nothing.
///
/// The block goes to stdout, with its reasons as comments; the progress goes to stderr.
#[derive(Debug, Args)]
pub(super) struct Observe {
    /// The folder, which must be there
    pub path: PathBuf,
    /// How long, from 1s to 7d; Ctrl-C ends it early, with what was learned so far
    #[arg(long = "for", value_name = "TIME", default_value = "10m")]
    pub lasts: String,
}

#[derive(Debug, Args)]
pub(super) struct Practice {
    /// Where the API listens; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7979")]
    pub listen: SocketAddr,
    /// Where uploads are taken, as another origin [default: where the API is]
    #[arg(long, value_name = "ADDRESS")]
    pub upload_listen: Option<SocketAddr>,
    /// Where bytes and books are kept; a later start goes on with them
    #[arg(long, value_name = "FOLDER")]
    pub dir: PathBuf,
    /// The one token that is accepted
    #[arg(long, value_name = "TOKEN", default_value = "sandbox")]
    pub token: String,
    /// How long a resumable session lives
    #[arg(long, value_name = "TIME", default_value = "24h")]
    pub session_life: String,
    /// API requests per period, such as 100/100s [default: unlimited]
    #[arg(long, value_name = "N/TIME")]
    pub rate_limit: Option<String>,
    /// How fast uploads are read, such as 20MB, for each connection [default: unlimited]
    #[arg(long, value_name = "SIZE")]
    pub bytes_per_sec: Option<String>,
    /// Added to every request
    #[arg(long, value_name = "TIME")]
    pub latency: Option<String>,
    /// Store a plain PUT of another size than was reserved, as Google does, instead of refusing it
    #[arg(long)]
    pub lenient: bool,
    /// A JSON file with faults
    #[arg(long, value_name = "FILE")]
    pub faults: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_contradict_themselves_nowhere() {
        Arguments::command().debug_assert();
    }
}
