//! The bytes: one file for each attempt to store something, and their checksums.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

/// How much is read or written at once.
pub(super) const PIECE: usize = 256 * 1024;

/// The folder that holds every blob, spread over 256 subfolders.
///
/// Nothing is synced to the disk: this is a practice server. Each attempt writes a blob of its
/// own, so that two writers of one temp upload never mix their bytes.
#[derive(Debug)]
pub(super) struct Blobs {
    root: PathBuf,
}

impl Blobs {
    /// Opens the folder, and makes it if it is missing.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let root = dir.join("blobs");
        for shard in 0..=255u8 {
            fs::create_dir_all(root.join(format!("{shard:02x}")))?;
        }
        Ok(Self { root })
    }

    /// Where a blob lies.
    pub(super) fn path(&self, blob: &str) -> PathBuf {
        self.root.join(blob.get(..2).unwrap_or("00")).join(blob)
    }

    /// A new, empty blob.
    pub(super) fn create(&self, blob: &str) -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(self.path(blob))
    }

    /// A blob to write on from `offset`; what stands behind it is cut off.
    pub(super) fn append(&self, blob: &str, offset: u64) -> io::Result<File> {
        let mut file = OpenOptions::new().write(true).open(self.path(blob))?;
        file.set_len(offset)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(file)
    }

    /// A blob to read from `offset`.
    pub(super) fn read(&self, blob: &str, offset: u64) -> io::Result<File> {
        let mut file = File::open(self.path(blob))?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(file)
    }

    /// Drops a blob that nothing refers to; a leftover does no harm.
    pub(super) fn discard(&self, blob: &str) {
        let _ = fs::remove_file(self.path(blob));
    }

    /// The checksums of a blob's first `length` bytes. Reads them all: for the blocking pool.
    pub(super) fn sums(&self, blob: &str, length: u64) -> io::Result<RunningSums> {
        let mut file = self.read(blob, 0)?.take(length);
        let mut sums = RunningSums::default();
        let mut piece = vec![0; PIECE];
        loop {
            match file.read(&mut piece)? {
                0 => return Ok(sums),
                read => sums.update(&piece[..read]),
            }
        }
    }
}

/// MD5 and CRC32C of the bytes so far.
#[derive(Debug, Clone, Default)]
pub(super) struct RunningSums {
    md5: Md5,
    crc32c: u32,
}

impl RunningSums {
    /// Takes the next bytes in.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.crc32c = crc32c::crc32c_append(self.crc32c, bytes);
    }

    /// The checksums of all that was taken in.
    pub(super) fn finish(&self) -> Sums {
        Sums {
            md5: self.md5.clone().finalize().into(),
            crc32c: self.crc32c,
        }
    }
}

/// The checksums of a whole object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sums {
    /// The MD5 digest.
    pub md5: [u8; 16],
    /// The Castagnoli checksum.
    pub crc32c: u32,
}

impl Sums {
    /// The MD5 as Redivis writes it.
    pub(super) fn md5_base64(&self) -> String {
        STANDARD.encode(self.md5)
    }

    /// The value of `x-goog-hash`: the CRC32C big-endian, both in Base64.
    pub(super) fn goog_hash(&self) -> String {
        let crc32c = STANDARD.encode(self.crc32c.to_be_bytes());
        format!("crc32c={crc32c},md5={}", self.md5_base64())
    }

    /// Other checksums than these: what a server answers that stored something else.
    pub(super) fn spoiled(mut self) -> Self {
        self.md5[0] ^= 0xff;
        self.crc32c ^= 1;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_header_is_googles_own_example_of_hello_world() {
        let mut sums = RunningSums::default();
        sums.update(b"hello ");
        sums.update(b"world");
        assert_eq!(
            sums.finish().goog_hash(),
            "crc32c=yZRlqg==,md5=XrY7u+Ae7tCTyyK7j1rNww=="
        );
    }

    #[test]
    fn appending_cuts_off_what_stands_behind_the_offset() {
        use std::io::Write as _;
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(dir.path()).unwrap();
        blobs
            .create("ab01")
            .unwrap()
            .write_all(b"0123456789")
            .unwrap();
        blobs.append("ab01", 4).unwrap().write_all(b"x").unwrap();
        assert_eq!(fs::read(blobs.path("ab01")).unwrap(), b"0123x");
        let mut want = RunningSums::default();
        want.update(b"0123");
        assert_eq!(blobs.sums("ab01", 4).unwrap().finish(), want.finish());
    }
}
