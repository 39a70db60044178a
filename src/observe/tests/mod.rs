//! What is learned from what writers do, under a clock that stands still between steps.
//!
//! Each case is a story of a writer. It is told twice: with events, and with looks alone, once a second; and the
//! block that comes out is put into a configuration, which must take it.

mod bounds;
mod scene;
mod stories;

use std::fs;

use crate::config::{self, Config, Environment};

/// The block as the configuration understands it.
pub fn load(block: &str) -> Config {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    let text = block.replace(
        "owner.dataset:next.table",
        "my_lab.sequencing:next.raw_reads",
    );
    fs::write(&file, &text).unwrap();
    config::load(&file, &Environment::default()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}
