//! Where all decisions of a world come from: the same seed, the same numbers, on every machine.

/// `SplitMix64`: tiny, even, and good from any seed.
#[derive(Debug, Clone)]
pub(super) struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 ..= `most`.
    pub fn up_to(&mut self, most: u64) -> u64 {
        self.number() % (most + 1)
    }

    /// Both ends included.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.up_to(most - least)
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.number().is_multiple_of(n)
    }

    /// So many times in a thousand.
    pub fn per_mille(&mut self, times: u64) -> bool {
        self.up_to(999) < times
    }

    pub fn of<T: Copy>(&mut self, things: &[T]) -> T {
        things[self.index(things.len())]
    }

    pub fn index(&mut self, len: usize) -> usize {
        let last = u64::try_from(len - 1).unwrap();
        usize::try_from(self.up_to(last)).unwrap()
    }

    /// 0 ..= 1
    pub fn fraction(&mut self) -> f64 {
        f64::from(u32::try_from(self.number() >> 32).unwrap()) / f64::from(u32::MAX)
    }

    /// Bytes that occur nowhere else.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let words = len.div_ceil(8);
        let mut bytes: Vec<u8> = (0..words)
            .flat_map(|_| self.number().to_le_bytes())
            .collect();
        bytes.truncate(len);
        bytes
    }
}
