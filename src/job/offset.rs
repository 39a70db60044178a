//! A position in a file, counted in bytes from its start.

use std::fmt;

/// Number of bytes that stand before this position, 0 ..= 2⁶³−1 (what SQLite can hold).
///
/// A type of its own, so that an unknown offset is `Option<ByteOffset>` and never a 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteOffset(u64);

impl ByteOffset {
    /// The start of a file.
    pub const ZERO: Self = Self(0);

    /// The position after `bytes` bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Bytes before this position.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ByteOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
