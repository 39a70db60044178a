//! The files that are dropped. Each carries its checksums in its name, so that the sink can answer
//! with them and need not compute any.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use md5::{Digest as _, Md5};

/// Bytes made at a time.
const BLOCK: usize = 1 << 20;

/// A file's checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sums {
    pub md5: [u8; 16],
    pub crc32c: u32,
}

impl Sums {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            md5: Md5::digest(bytes).into(),
            crc32c: crc32c::crc32c(bytes),
        }
    }

    /// `label-MD5-CRC32C`, in hex.
    pub fn name(&self, label: &str) -> String {
        let md5 = u128::from_be_bytes(self.md5);
        format!("{label}-{md5:032x}-{:08x}", self.crc32c)
    }

    /// What [`Sums::name`] wrote, of a path's last part.
    pub fn of_name(path: &str) -> Option<Self> {
        let mut parts = path.rsplit('-');
        let crc32c = u32::from_str_radix(parts.next()?, 16).ok()?;
        let md5 = u128::from_str_radix(parts.next()?, 16).ok()?;
        Some(Self {
            md5: md5.to_be_bytes(),
            crc32c,
        })
    }
}

/// Makes `count` files of `size` bytes, no two alike, 1,000 to a folder.
pub fn small_files(root: &Path, count: usize, size: usize) -> io::Result<()> {
    let mut bytes = Noise::new(1);
    for first in (0..count).step_by(1000) {
        let folder = root.join(format!("run-{:03}", first / 1000));
        fs::create_dir_all(&folder)?;
        for number in first..count.min(first + 1000) {
            let content = bytes.take(size);
            let name = Sums::of(&content).name(&format!("{number:06}"));
            fs::write(folder.join(name), content)?;
        }
    }
    rustix::fs::sync();
    Ok(())
}

/// Makes one file of `size` bytes; the page cache has it afterwards.
pub fn large_file(folder: &Path, size: u64) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let making = folder.join(".making");
    let mut file = File::create(&making)?;
    let (mut md5, mut crc32c, mut left) = (Md5::new(), 0, size);
    let mut bytes = Noise::new(2);
    while left > 0 {
        let block = bytes.take(usize::try_from(left).map_or(BLOCK, |left| left.min(BLOCK)));
        md5.update(&block);
        crc32c = crc32c::crc32c_append(crc32c, &block);
        file.write_all(&block)?;
        left -= block.len() as u64;
    }
    file.sync_all()?;
    let sums = Sums {
        md5: md5.finalize().into(),
        crc32c,
    };
    let path = folder.join(sums.name("large"));
    fs::rename(making, &path)?;
    Ok(path)
}

/// Bytes that do not compress and never repeat (xorshift64).
pub struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn take(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            bytes.extend_from_slice(&self.0.to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }
}
