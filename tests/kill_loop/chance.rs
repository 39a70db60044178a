//! Chance with a seed: the same seed makes the same choices.

use std::hash::{BuildHasher as _, RandomState};
use std::ops::Range;

/// A sequence of numbers that look random (`SplitMix64`).
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// What `REDIVIS_DROP_SEED` says, or something new.
    pub fn seed() -> u64 {
        let named = std::env::var("REDIVIS_DROP_SEED");
        named.map_or_else(
            |_| RandomState::new().hash_one("seed") >> 16,
            |seed| seed.parse().expect("REDIVIS_DROP_SEED is a number"),
        )
    }

    /// Another sequence, for another lane.
    pub fn branch(&self, number: u64) -> Self {
        let mut branch = Self(self.0.wrapping_add(number));
        branch.0 = branch.next();
        branch
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in the range.
    pub fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    /// A size or a count in the range.
    pub fn size(&mut self, range: Range<usize>) -> usize {
        range.start + usize::try_from(self.next() >> 1).unwrap() % (range.end - range.start)
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, so_many: u64) -> bool {
        self.within(0..100) < so_many
    }

    pub fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.size(0..all.len())]
    }
}
