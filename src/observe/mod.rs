//! Watches a folder while an instrument writes to it, and proposes the settings of a `[[watch]]` for it.
//!
//! Events and looks go into the [`learner`], which remembers; the [`findings`] draw conclusions; the [`proposal`] words
//! them. These three are pure, with the time as an argument. The loop around them is here, in `eye` and in `walk`.
//!
//! It reads names, sizes and times, and nothing else: no file is opened, nothing is written anywhere, no journal, no
//! token and no network are needed.

mod eye;
mod file;
mod findings;
mod learner;
mod markers;
mod names;
mod proposal;
mod report;
mod walk;
mod words;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use thiserror::Error;

use crate::beneath::Root;
use crate::config;
use crate::job::printable;
use eye::Eye;

/// The first word about the progress; then after twice the time, and so on.
const FIRST_WORDS: Duration = Duration::from_secs(1);

/// At most between two words about the progress.
const WORDS: Duration = Duration::from_secs(30);

/// What to observe.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder.
    pub folder: PathBuf,
    /// How long.
    pub lasts: Duration,
    /// The kind of network that the folder is on, if it is.
    pub network: Option<String>,
}

/// Why there is nothing to observe.
#[derive(Debug, Error)]
pub enum ObserveError {
    /// Another path is meant, or permissions have to change.
    #[error("{} cannot be observed: {why}", printable(folder))]
    Unusable {
        /// Which folder.
        folder: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// This machine cannot do it.
    #[error("{0}")]
    Unsupported(io::Error),
}

/// Observes until the time is over or `stop` is set, and returns the proposed block. Progress goes to `tell`.
///
/// # Errors
/// When the folder is missing, no folder, not readable, or has a path that no configuration can hold.
pub fn observe(
    settings: &Settings,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(&str),
) -> Result<String, ObserveError> {
    let folder = plain(&settings.folder)?;
    let root = open(&folder)?;
    let mut eye = Eye::new(&folder, root.identity().map_err(ObserveError::Unsupported)?);
    drop(root);
    tell(&format!(
        "observing {} for {}; Ctrl-C ends it early",
        printable(&folder),
        config::write_duration(settings.lasts)
    ));
    if rustix::process::geteuid().is_root() {
        tell(
            "this is root, who may read everything; run it as the daemon's user to learn what that one may read",
        );
    }
    let mut next_words = FIRST_WORDS;
    while !stop.load(Ordering::Relaxed) && eye.now() < settings.lasts {
        eye.turn(stop, tell);
        if eye.now() >= next_words {
            // often at first, when people look
            next_words = eye.now() + eye.now().min(WORDS);
            tell(&eye.words());
        }
    }
    // the last word of each file
    eye.finish();
    Ok(eye.block(settings.network.as_deref()))
}

/// The path as a configuration wants it.
fn plain(folder: &Path) -> Result<PathBuf, ObserveError> {
    let unusable = |why: String| ObserveError::Unusable {
        folder: folder.to_owned(),
        why,
    };
    let absolute = std::path::absolute(folder).map_err(|error| unusable(error.to_string()))?;
    let absolute = if absolute.components().any(|part| part.as_os_str() == "..") {
        absolute
            .canonicalize()
            .map_err(|error| unusable(error.to_string()))?
    } else {
        absolute.components().collect()
    };
    if absolute.to_str().is_none() {
        return Err(unusable(
            "its path is not UTF-8, so no configuration can name it".to_owned(),
        ));
    }
    Ok(absolute)
}

fn open(folder: &Path) -> Result<Root, ObserveError> {
    let unusable = |error: &dyn std::error::Error| ObserveError::Unusable {
        folder: folder.to_owned(),
        why: error.to_string(),
    };
    let root = Root::open(folder).map_err(|error| match error.kind() {
        io::ErrorKind::Unsupported => ObserveError::Unsupported(error),
        _ => unusable(&error),
    })?;
    root.list(Path::new("")).map_err(|error| unusable(&error))?;
    Ok(root)
}
