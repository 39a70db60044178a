//! MD5 as fast as it gets: it is the slowest thing on the way of a large file, and cannot be shared
//! among processors.
//!
//! The assembly comes with the library that TLS brings along anyway, and needs three quarters of
//! the time of portable code. Its safe wrapper leaves MD5 out, so these are the three calls, and the only
//! `unsafe` of this room. The state is a plain struct of numbers: it can be kept and taken up again.

use aws_lc_sys::{MD5_CTX, MD5_Final, MD5_Init, MD5_Update};

use crate::job::Md5;

/// Bytes that are taken in at a time.
const BLOCK: u64 = 64;

/// The MD5 of all bytes so far.
#[derive(Clone)]
pub(super) struct Md5Sum(MD5_CTX);

impl Md5Sum {
    /// Of no bytes yet.
    pub fn new() -> Self {
        let mut context = MD5_CTX::default();
        #[expect(unsafe_code, reason = "the library has no safe face for MD5")]
        // SAFETY: the pointer is to a context that nobody else sees. The call cannot fail.
        unsafe {
            MD5_Init(&raw mut context);
        }
        Self(context)
    }

    /// The next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        #[expect(unsafe_code, reason = "the library has no safe face for MD5")]
        // SAFETY: the context went through `MD5_Init`, and is borrowed for this call alone; the length is
        // that of the slice. An empty slice is a pointer that is not read. The call cannot fail.
        unsafe {
            MD5_Update(&raw mut self.0, bytes.as_ptr().cast(), bytes.len());
        }
    }

    /// The sum of all that went in. More may go in afterwards.
    pub fn sum(&self) -> Md5 {
        let (mut context, mut sum) = (self.0, [0; 16]);
        #[expect(unsafe_code, reason = "the library has no safe face for MD5")]
        // SAFETY: the context is a copy of an initialized one, and `sum` has the 16 bytes that are
        // written. The call cannot fail.
        unsafe {
            MD5_Final(sum.as_mut_ptr(), &raw mut context);
        }
        Md5(sum)
    }

    /// The inner state: four words, and the bytes of a block that is not full yet.
    pub fn state(&self) -> Vec<u8> {
        let pending = usize::try_from(self.0.num).unwrap_or(0);
        let words = self.0.h.iter().flat_map(|word| word.to_be_bytes());
        words
            .chain(self.0.data.iter().copied().take(pending))
            .collect()
    }

    /// Takes up a state of [`Md5Sum::state`] after `count` bytes. `None` if it is not one of that many.
    pub fn restore(state: &[u8], count: u64) -> Option<Self> {
        let (words, rest) = state.split_first_chunk::<16>()?;
        let pending = usize::try_from(count % BLOCK).ok()?;
        if rest.len() != pending {
            return None;
        }
        let mut sum = Self::new();
        let (chunks, _) = words.as_chunks::<4>();
        for (word, bytes) in sum.0.h.iter_mut().zip(chunks) {
            *word = u32::from_be_bytes(*bytes);
        }
        // the length in bits, in two halves
        let bits = count.wrapping_mul(8);
        sum.0.Nl = u32::try_from(bits & u64::from(u32::MAX)).ok()?;
        sum.0.Nh = u32::try_from(bits >> 32).ok()?;
        sum.0.data[..pending].copy_from_slice(rest);
        sum.0.num = u32::try_from(pending).ok()?;
        Some(sum)
    }
}

#[cfg(test)]
mod tests {
    use md5::Digest as _;

    use super::*;

    /// Another implementation.
    fn reference(bytes: &[u8]) -> Md5 {
        Md5(md5::Md5::digest(bytes).into())
    }

    #[test]
    fn the_sum_is_that_of_another_implementation_at_every_length() {
        let bytes: Vec<u8> = (0..=255_u8).cycle().take(300).collect();
        for len in 0..bytes.len() {
            let mut sum = Md5Sum::new();
            sum.update(&bytes[..len / 3]);
            sum.update(&[]);
            sum.update(&bytes[len / 3..len]);
            assert_eq!(sum.sum(), reference(&bytes[..len]), "{len} bytes");
            assert_eq!(sum.sum(), reference(&bytes[..len]), "asked twice");
        }
    }

    #[test]
    fn a_state_is_taken_up_at_every_byte() {
        let bytes: Vec<u8> = (0..=255_u8).rev().cycle().take(300).collect();
        for cut in 0..bytes.len() {
            let mut first = Md5Sum::new();
            first.update(&bytes[..cut]);
            let mut second = Md5Sum::restore(&first.state(), cut as u64).unwrap();
            assert_eq!(second.state(), first.state());
            second.update(&bytes[cut..]);
            assert_eq!(second.sum(), reference(&bytes), "cut at {cut}");
        }
    }

    #[test]
    fn the_length_counts_beyond_four_gibibits() {
        // 576 MiB: the upper half of the length is used
        let block = vec![0x5a; 8 << 20];
        let (mut sum, mut other) = (Md5Sum::new(), md5::Md5::new());
        let mut count = 0;
        for _ in 0..72 {
            sum = Md5Sum::restore(&sum.state(), count).unwrap();
            sum.update(&block);
            other.update(&block);
            count += block.len() as u64;
        }
        assert!(count * 8 > u64::from(u32::MAX));
        assert_eq!(sum.sum(), Md5(other.finalize().into()));
    }

    #[test]
    fn a_state_of_another_length_is_refused() {
        let mut sum = Md5Sum::new();
        sum.update(b"1234567");
        assert!(Md5Sum::restore(&sum.state(), 7).is_some());
        assert!(Md5Sum::restore(&sum.state(), 7 + BLOCK).is_some());
        for count in [0, 6, 8, 63, 64] {
            assert!(Md5Sum::restore(&sum.state(), count).is_none(), "{count}");
        }
        assert!(Md5Sum::restore(&[], 0).is_none());
    }
}
