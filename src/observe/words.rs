//! Comments, numbers and strings of the block. Pure.

use std::path::Path;
use std::time::Duration;

use crate::config;
use crate::job::printable;

/// Comments are broken behind this column.
const WIDTH: usize = 100;

/// More of a path does not help.
const LONGEST_PATH: usize = 160;

/// A text that grows line by line.
#[derive(Default)]
pub(super) struct Page {
    text: String,
}

impl Page {
    /// A line as it is.
    pub fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// An empty line.
    pub fn blank(&mut self) {
        self.text.push('\n');
    }

    /// A setting that only stands there as a comment.
    pub fn comment(&mut self, line: &str) {
        self.line(&format!("# {line}"));
    }

    /// A sentence, as a comment.
    pub fn say(&mut self, sentence: &str) {
        let mut line = String::from("#");
        // no comment may hold one
        let sentence = sentence.replace(|c: char| c.is_control() && !c.is_whitespace(), "?");
        for word in sentence.split_whitespace() {
            if line.len() > 1 && line.chars().count() + 1 + word.chars().count() > WIDTH {
                self.line(&line);
                line = String::from("#");
            }
            line.push(' ');
            line.push_str(word);
        }
        self.line(&line);
    }

    pub fn text(self) -> String {
        // the head is a paragraph of its own
        self.text.replacen("\n[[watch]]", "\n\n[[watch]]", 1)
    }
}

/// A path in a comment: on one line, and not endless.
pub(super) fn shown(path: &Path) -> String {
    let path = printable(path);
    match path.char_indices().nth(LONGEST_PATH) {
        Some((end, _)) => format!("{}…", &path[..end]),
        None => path,
    }
}

/// `1 file`, `12 files`.
pub(super) fn count(number: u64, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

/// A time to the second, or below ten seconds to a tenth.
pub(super) fn time(time: Duration) -> String {
    if time < Duration::from_secs(10) {
        let tenths = (time.as_millis() + 50) / 100;
        return format!("{}.{} s", tenths / 10, tenths % 10);
    }
    config::write_duration(Duration::from_secs(time.as_secs()))
}

/// `1.5 GB`, by powers of ten.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    let Some(power) = bytes
        .checked_ilog10()
        .map(|digits| digits / 3)
        .filter(|power| *power > 0)
    else {
        return format!("{bytes} B");
    };
    let unit = 10_u64.pow(power * 3);
    format!(
        "{}.{} {}",
        bytes / unit,
        bytes % unit / (unit / 10),
        UNITS[power as usize - 1]
    )
}

/// A string as TOML has it.
pub(super) fn toml(text: &str) -> String {
    toml::Value::from(text).to_string()
}
