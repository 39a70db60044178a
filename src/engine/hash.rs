//! CRC32C and MD5, growing with the bytes that are sent.

use super::md5::Md5Sum;
use crate::config::Verify;
use crate::job::{ByteOffset, HashState, Sums};

/// First byte of a stored state; another one means another layout. 1 was that of another library.
const LAYOUT: u8 = 2;

/// Checksums of the first [`Hasher::at`] bytes of a file.
#[derive(Clone)]
pub(super) struct Hasher {
    at: u64,
    crc32c: u32,
    md5: Option<Md5Sum>,
}

impl Hasher {
    /// Of no bytes yet.
    pub fn new(verify: Verify) -> Self {
        Self {
            at: 0,
            crc32c: 0,
            md5: (verify == Verify::Md5).then(Md5Sum::new),
        }
    }

    /// How many bytes went in.
    pub fn at(&self) -> ByteOffset {
        ByteOffset::new(self.at)
    }

    /// The next bytes of the file.
    pub fn update(&mut self, bytes: &[u8]) {
        self.at += bytes.len() as u64;
        self.crc32c = crc32c::crc32c_append(self.crc32c, bytes);
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
    }

    /// Parts with the md5, so that a thread of its own can compute it: it takes several times as
    /// long as everything else. To be given back with [`Hasher::with_md5`].
    pub fn without_md5(mut self) -> (Self, Option<Md5Sum>) {
        let md5 = self.md5.take();
        (self, md5)
    }

    /// Takes the md5 back; it must have seen the same bytes.
    pub fn with_md5(self, md5: Option<Md5Sum>) -> Self {
        Self { md5, ..self }
    }

    /// The checksums of all that went in.
    pub fn sums(&self) -> Sums {
        Sums {
            crc32c: self.crc32c,
            md5: self.md5.as_ref().map(Md5Sum::sum),
        }
    }

    /// To be kept in the journal beside the offset.
    pub fn state(&self) -> HashState {
        let mut state = vec![LAYOUT];
        state.extend_from_slice(&self.at.to_be_bytes());
        state.extend_from_slice(&self.crc32c.to_be_bytes());
        if let Some(md5) = &self.md5 {
            state.extend_from_slice(&md5.state());
        }
        HashState(state)
    }

    /// Goes on where a stored state stopped. `None` when it is of another layout, or lacks the
    /// md5 that is asked for now: then the bytes must be read again.
    pub fn restore(state: &HashState, verify: Verify) -> Option<Self> {
        let (layout, rest) = state.0.split_first()?;
        let (at, rest) = rest.split_first_chunk::<8>()?;
        let (crc32c, rest) = rest.split_first_chunk::<4>()?;
        if *layout != LAYOUT {
            return None;
        }
        let at = u64::from_be_bytes(*at);
        let md5 = match verify {
            Verify::Crc32c => None,
            Verify::Md5 => Some(Md5Sum::restore(rest, at)?),
        };
        Some(Self {
            at,
            crc32c: u32::from_be_bytes(*crc32c),
            md5,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_are_those_of_every_reference() {
        let mut hasher = Hasher::new(Verify::Md5);
        hasher.update(b"12345");
        hasher.update(b"6789");
        let sums = hasher.sums();
        assert_eq!(sums.crc32c, 0xe306_9283);
        assert_eq!(
            sums.md5.unwrap().to_string(),
            "25f9e794323b453885f5181f1b624d0b"
        );
    }

    #[test]
    fn a_stored_state_goes_on_at_any_byte() {
        let bytes: Vec<u8> = (0..200_u8).collect();
        let mut whole = Hasher::new(Verify::Md5);
        whole.update(&bytes);
        for cut in 0..bytes.len() {
            let mut first = Hasher::new(Verify::Md5);
            first.update(&bytes[..cut]);
            let mut second = Hasher::restore(&first.state(), Verify::Md5).unwrap();
            assert_eq!(second.at().get(), cut as u64);
            second.update(&bytes[cut..]);
            assert_eq!(second.sums(), whole.sums(), "cut at {cut}");
        }
    }

    #[test]
    fn a_state_that_cannot_serve_is_not_used() {
        let without_md5 = Hasher::new(Verify::Crc32c).state();
        assert!(Hasher::restore(&without_md5, Verify::Md5).is_none());
        assert!(Hasher::restore(&without_md5, Verify::Crc32c).is_some());
        for state in [vec![], vec![9; 120], vec![LAYOUT; 12]] {
            assert!(Hasher::restore(&HashState(state), Verify::Md5).is_none());
        }
    }
}
