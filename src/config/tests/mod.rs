//! The configuration as a whole.

mod accounts;
mod loading;
mod messages;
mod shipped;
mod watches;

use super::*;

/// The least that a configuration holds.
const WATCH: &str = r#"
[[watch]]
name = "sequencer-1"
path = "/data/drop/sequencer-1"
table = "my_lab.sequencing:next.raw_reads"
"#;

fn read(text: &str) -> Result<Config, Problems> {
    read::read(Path::new("config.toml"), text, &Environment::default())
}

fn said(text: &str) -> String {
    read(text).unwrap_err().to_string()
}
