//! What is wrong with a configuration: where, what, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::job::printable;

/// One thing that is wrong, or one that is probably not meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands.
    pub place: Place,
    /// What is wrong.
    pub what: String,
    /// What to do, if that is not obvious.
    pub hint: Option<String>,
}

/// Where a value comes from. Orders the file first, top to bottom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The configuration file.
    File {
        /// Counted from 1.
        line: usize,
        /// Characters, counted from 1.
        column: usize,
    },
    /// An environment variable.
    Environment(&'static str),
}

/// Everything that one reading found, ordered by place. Prints one problem after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    file: PathBuf,
    list: Vec<Problem>,
}

impl Problems {
    pub(super) fn new(file: &Path, mut list: Vec<Problem>) -> Self {
        list.sort_by_key(|problem| problem.place);
        Self {
            file: file.to_owned(),
            list,
        }
    }

    /// From the top of the file to its end; environment variables last.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.list.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    /// `config.toml:12:1: what`, and `  hint: …` below; no newline at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.list.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            match problem.place {
                Place::File { line, column } => {
                    write!(f, "{}:{line}:{column}: ", printable(&self.file))?;
                }
                Place::Environment(name) => write!(f, "{name}: ")?,
            }
            f.write_str(&problem.what)?;
            if let Some(hint) = &problem.hint {
                write!(f, "\n  hint: {hint}")?;
            }
        }
        Ok(())
    }
}

/// Turns byte offsets of a text into lines and columns.
pub(super) struct Lines<'a>(pub(super) &'a str);

impl Lines<'_> {
    /// The place of a byte; beyond the end it is the end.
    pub(super) fn place(&self, offset: usize) -> Place {
        let before = &self.0[..self.0.floor_char_boundary(offset)];
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place::File {
            line: before.matches('\n').count() + 1,
            column: before[start..].chars().count() + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_the_end_is_a_place() {
        for (offset, line, column) in [(0, 1, 1), (3, 1, 3), (5, 2, 1), (6, 2, 2), (99, 2, 2)] {
            assert_eq!(
                Lines("aäb\nc").place(offset),
                Place::File { line, column },
                "{offset}"
            );
        }
    }
}
