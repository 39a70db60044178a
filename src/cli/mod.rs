//! The command line: arguments, reports, exit codes, progress. What is asked for happens in the
//! other rooms.
//!
//! Data goes to stdout, messages to stderr. A closed pipe ends a command quietly.

mod arguments;
mod check;
mod demo;
mod error;
mod jobs;
mod log;
mod observe;
mod practice;
mod receipts;
mod status;
mod text;
mod versions;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use tokio::runtime::{Builder, Runtime};

use crate::config::{self, Config, Environment};
use crate::daemon::{self, Ended};
use arguments::{Arguments, Command};
use error::{Exit, Failure};

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    #[cfg(debug_assertions)]
    arm_crash_point();
    let env = Environment::from_process();
    match perform(&arguments, &env) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.tell();
            failure.exit.into()
        }
    }
}

/// For the tests that kill: see [`crate::crash_point`].
#[cfg(debug_assertions)]
fn arm_crash_point() {
    use crate::crash_point::{ARMED_BY, arm};
    if let Ok(at) = std::env::var(ARMED_BY) {
        arm(&at).expect(ARMED_BY);
    }
}

fn perform(arguments: &Arguments, env: &Environment) -> Result<Exit, Failure> {
    let load = || load(arguments, env);
    match &arguments.command {
        Command::Run { once } => run(load()?, env, *once),
        Command::Check { online } => check::check(&load()?, env, *online),
        Command::Observe(asked) => observe::observe(asked),
        Command::Status { json } => status::status(&load()?, *json),
        Command::Jobs(asked) => jobs::jobs(&load()?, asked),
        Command::Receipts(asked) => receipts::receipts(&load()?, env, asked),
        Command::Sandbox(asked) => practice::serve(asked),
        Command::Demo { keep } => demo::demo(*keep),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(
                *shell,
                &mut Arguments::command(),
                "redivis-drop",
                &mut script,
            );
            print(&script)
        }
        Command::Man => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Arguments::command()).render(&mut page)?;
            print(&page)
        }
    }
}

fn load(arguments: &Arguments, env: &Environment) -> Result<Config, Failure> {
    let file = arguments
        .config
        .clone()
        .unwrap_or_else(|| config::default_path(env));
    Ok(config::load(&file, env)?)
}

fn run(config: Config, env: &Environment, once: bool) -> Result<Exit, Failure> {
    log::start();
    for remark in &config.remarks {
        tracing::warn!(hint = remark.hint, "{}", remark.what);
    }
    let runtime = runtime()?;
    let ended = runtime.block_on(daemon::run(config, env, once));
    // nothing that is still under way may hold the process: the journal knows where it stands
    runtime.shutdown_background();
    let failure = match ended? {
        Ended::Stopped => return Ok(Exit::Fine),
        Ended::Settled { done, failed } => {
            // the exit code says it too, should nobody read this
            let _ = writeln!(io::stderr(), "{done} files are in their tables, {failed} failed or wait");
            return Ok(if failed == 0 { Exit::Fine } else { Exit::SomeFailed });
        }
        Ended::TokenRefused(why) => Failure::new(Exit::Token, why).hint(
            "make a token with the scope data.edit in Redivis, and put it where this one came from; \
             nothing was lost, the next run goes on",
        ),
        Ended::Unreachable(why) => Failure::new(Exit::Unreachable, why)
            .hint("check the network and redivis.endpoint; nothing was lost, the next run goes on"),
    };
    Err(failure)
}

/// Two threads carry everything: the work is waiting, and hashing and reading have threads of
/// their own.
fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(16)
        .enable_all()
        .build()
}

/// Data for stdout. Whoever closes it early has seen enough.
fn print(bytes: &[u8]) -> Result<Exit, Failure> {
    match io::stdout().lock().write_all(bytes) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(Exit::Fine),
    }
}
