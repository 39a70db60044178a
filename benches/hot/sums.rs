//! Checksums, from a file in the page cache.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::ensure;
use md5::{Digest as _, Md5};

use crate::figures::{Bar, Table, note, number};
use crate::{median_of, timed};

const SIZE: u64 = 512 << 20;
/// As the engine reads.
const BLOCK: usize = 256 << 10;

pub fn sums(place: &Path, table: &mut Table) -> anyhow::Result<()> {
    let file = place.join("sums");
    fs::write(&file, content()?)?;
    let openssl = median_of(|| {
        timed(|| {
            let mut command = Command::new("openssl");
            let status = command
                .arg("md5")
                .arg(&file)
                .stdout(Stdio::null())
                .status()?;
            ensure!(status.success(), "openssl failed");
            Ok(())
        })
    })?;
    let md5 = median_of(|| {
        timed(|| {
            let mut md5 = Md5::new();
            read(&file, |block| md5.update(block))?;
            Ok(std::hint::black_box(md5.finalize()))
        })
    })?;
    let crc32c = median_of(|| {
        timed(|| {
            let mut sum = 0;
            read(&file, |block| sum = crc32c::crc32c_append(sum, block))?;
            Ok(std::hint::black_box(sum))
        })
    })?;
    let shown = |seconds: f64| format!("{:.0} MB/s", number(SIZE) / 1e6 / seconds);
    let bar = Bar::AtMost(1.1);
    table.ratio(
        "sums, md5",
        &shown(md5),
        &shown(openssl),
        md5 / openssl,
        bar,
    );
    note("the ratio is of the times, against openssl md5");
    let rate = number(SIZE) / 1e6 / crc32c;
    table.figure("sums, crc32c", &shown(crc32c), rate, Bar::None);
    note("both read the file from the page cache, 256 KiB at a time");
    fs::remove_file(file)?;
    Ok(())
}

fn content() -> anyhow::Result<Vec<u8>> {
    let mut state = 1_u64;
    let mut content = Vec::with_capacity(usize::try_from(SIZE)?);
    while (content.len() as u64) < SIZE {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        content.extend_from_slice(&state.to_le_bytes());
    }
    Ok(content)
}

fn read(path: &Path, mut each: impl FnMut(&[u8])) -> anyhow::Result<()> {
    let mut file = File::open(path)?;
    let mut block = vec![0; BLOCK];
    loop {
        match file.read(&mut block)? {
            0 => return Ok(()),
            len => each(&block[..len]),
        }
    }
}
