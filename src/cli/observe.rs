//! `redivis-drop observe`

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::arguments::Observe;
use super::error::{Exit, Failure};
use super::{print, runtime};
use crate::beneath;
use crate::config;
use crate::observe::{self, ObserveError, Settings};

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_hours(7 * 24);

/// A file system that does not answer holds its thread; the end does not wait longer for it.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn observe(asked: &Observe) -> Result<Exit, Failure> {
    let settings = Settings {
        folder: asked.path.clone(),
        lasts: lasts(&asked.lasts)?,
        // if that cannot be told, opening the folder says why
        network: beneath::network(&asked.path)
            .ok()
            .flatten()
            .map(str::to_owned),
    };
    let runtime = runtime()?;
    let block = runtime.block_on(until_a_signal(settings));
    runtime.shutdown_background();
    print(block?.as_bytes())
}

async fn until_a_signal(settings: Settings) -> Result<String, Failure> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    let mut observing =
        tokio::task::spawn_blocking(move || observe::observe(&settings, &asked, &mut tell));
    tokio::select! {
        ended = &mut observing => return block(ended),
        () = either(&mut interrupt, &mut terminate) => {}
    }
    stop.store(true, Ordering::Relaxed);
    tokio::select! {
        ended = &mut observing => block(ended),
        () = tokio::time::sleep(PATIENCE) => Err(no_answer()),
        () = either(&mut interrupt, &mut terminate) => Err(no_answer()),
    }
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}

fn block(
    ended: Result<Result<String, ObserveError>, tokio::task::JoinError>,
) -> Result<String, Failure> {
    let ended = ended.map_err(|error| Failure::new(Exit::Unexpected, error.to_string()))?;
    ended.map_err(|error| {
        let text = error.to_string();
        match error {
            ObserveError::Unusable { .. } => Failure::new(Exit::Usage, text)
                .hint("name a folder that is there and that this user may read"),
            ObserveError::Unsupported(_) => Failure::new(Exit::Unexpected, text),
        }
    })
}

fn no_answer() -> Failure {
    Failure::new(
        Exit::Unexpected,
        "the folder does not answer; nothing can be said about it",
    )
}

fn lasts(text: &str) -> Result<Duration, Failure> {
    let wrong = |what: &str| {
        Failure::new(Exit::Usage, format!("--for {text}: {what}"))
            .hint("write it like 10m or 2h, from 1s to 7d")
    };
    let lasts = config::parse_duration(text).ok_or_else(|| wrong("that is no time"))?;
    match lasts {
        _ if lasts < SHORTEST => Err(wrong("that is too short to see anything")),
        _ if lasts > LONGEST => Err(wrong("that is too long")),
        _ => Ok(lasts),
    }
}

/// One line of progress. Whoever does not listen to stderr still gets the block.
fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
