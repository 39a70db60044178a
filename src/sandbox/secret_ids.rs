//! Names nobody can guess: ids of temp uploads, sessions and files.

use std::fs::File;
use std::io::{self, Read as _};
use std::sync::atomic::{AtomicU64, Ordering};

use md5::{Digest as _, Md5};

/// Makes ids: a keyed hash of a counter, so that one read of the system's randomness is enough
/// for any number of them.
#[derive(Debug)]
pub(super) struct SecretIds {
    key: [u8; 32],
    next: AtomicU64,
}

impl SecretIds {
    /// Draws the key from `/dev/urandom`.
    pub(super) fn new() -> io::Result<Self> {
        let mut key = [0; 32];
        File::open("/dev/urandom")?.read_exact(&mut key)?;
        Ok(Self {
            key,
            next: AtomicU64::new(0),
        })
    }

    /// 32 hex digits, never twice the same.
    pub(super) fn draw(&self) -> String {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let hash = Md5::new()
            .chain_update(self.key)
            .chain_update(turn.to_le_bytes());
        hex(&hash.finalize())
    }
}

/// Lower-case hex digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| char::from(DIGITS[usize::from(nibble)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_comes_twice_or_starts_the_same_in_the_next_run() {
        let (one, other) = (SecretIds::new().unwrap(), SecretIds::new().unwrap());
        let first = one.draw();
        assert_eq!(first.len(), 32);
        assert_ne!(first, one.draw());
        assert_ne!(first, other.draw());
    }

    #[test]
    fn hex_keeps_leading_zeros() {
        assert_eq!(hex(&[0, 1, 0xab, 0xff]), "0001abff");
    }
}
