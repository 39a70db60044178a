//! What the demo drops: reproducible bytes under names as people give them.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use md5::digest::Digest as _;

use crate::job::Md5;

/// Bytes written or read at a time.
const BLOCK: usize = 1024 * 1024;

/// A file to be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Planned {
    /// Relative to the drop folder; its name in the table is to be the same.
    pub name: &'static str,
    /// Bytes.
    pub size: u64,
}

const fn planned(name: &'static str, size: u64) -> Planned {
    Planned { name, size }
}

/// The one that is cut and resumed.
pub(super) const LARGE: Planned = planned("Sequenzer/Lauf 7/Rohdaten.bin", 96_000_000);

/// Those that go in one piece.
pub(super) const SMALL: [Planned; 6] = [
    planned("Protokoll.txt", 1_234),
    planned("Notizen/noch leer.txt", 0),
    planned("Messwerte/Übersicht Jan.csv", 48_000),
    planned("Messwerte/März/Größe 2.tsv", 310_007),
    planned("Bilder/Serie A/1.tif", 2_500_000),
    planned("Bilder/Serie A/2 schärfer.tif", 2_600_001),
];

/// The one that is dropped while no daemon runs.
pub(super) const LATE: Planned = planned("Messwerte/während Pause.csv", 77_777);

/// Makes the file beside the drop folder, and moves it there when it is whole.
pub(super) fn drop_into(folder: &Path, beside: &Path, file: Planned) -> io::Result<()> {
    fs::create_dir_all(beside)?;
    let draft = beside.join("draft");
    write(&draft, file)?;
    let target = folder.join(file.name);
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::rename(draft, target)
}

fn write(path: &Path, file: Planned) -> io::Result<()> {
    let mut out = File::create(path)?;
    let mut numbers = Numbers::from_name(file.name);
    let mut block = vec![0; BLOCK];
    let mut left = file.size;
    while left > 0 {
        numbers.fill(&mut block);
        let len = usize::try_from(left).map_or(BLOCK, |left| left.min(BLOCK));
        out.write_all(&block[..len])?;
        left -= len as u64;
    }
    Ok(())
}

/// Size and md5 of what lies there now.
pub(super) fn measure(path: &Path) -> io::Result<(u64, Md5)> {
    let mut file = File::open(path)?;
    let mut sum = md5::Md5::new();
    let mut block = vec![0; BLOCK];
    let mut size = 0;
    loop {
        match file.read(&mut block)? {
            0 => return Ok((size, Md5(sum.finalize().into()))),
            len => {
                sum.update(&block[..len]);
                size += len as u64;
            }
        }
    }
}

/// `SplitMix64`: bytes that no compression shortens, the same on every machine.
struct Numbers(u64);

impl Numbers {
    fn from_name(name: &str) -> Self {
        let fnv = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self(name.bytes().fold(0xcbf2_9ce4_8422_2325, fnv))
    }

    fn fill(&mut self, block: &mut [u8]) {
        for eight in block.chunks_mut(8) {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^= z >> 31;
            eight.copy_from_slice(&z.to_le_bytes()[..eight.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_gives_the_same_bytes_and_another_name_gives_others() {
        let folder = tempfile::tempdir().unwrap();
        let (drop, beside) = (folder.path().join("drop"), folder.path().join("beside"));
        let sum = |name, size| {
            drop_into(&drop, &beside, planned(name, size)).unwrap();
            measure(&drop.join(name)).unwrap()
        };
        let (size, first) = sum("a b/ü.bin", 1_500_001);
        assert_eq!(size, 1_500_001);
        assert_eq!(sum("a b/ü.bin", 1_500_001).1, first);
        assert_ne!(sum("a b/u.bin", 1_500_001).1, first);
        let (size, empty) = sum("empty", 0);
        assert_eq!(
            (size, empty.to_string().as_str()),
            (0, "d41d8cd98f00b204e9800998ecf8427e")
        );
    }
}
