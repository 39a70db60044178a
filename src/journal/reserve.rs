//! A file that keeps room on the journal's disk for the records of what is on its way.
//!
//! Nearly every record needs new blocks: frames in the WAL, and when that is written back, pages of the
//! database. When the disk is full the reserve is deleted, and what is known can be recorded for a while
//! yet: moves of existing jobs, but no new jobs. It is made again as soon as there is room.
//!
//! Why a file: growing SQLite's own files ahead does not do it. A WAL that is longer than its content
//! takes more frames on a full disk, but it begins anew only when all of them were written back,
//! and the database cannot grow for that; on a tmpfs 600 records went into 5 MB grown ahead, and then not
//! even free pages could be had, since giving them back is a record too. And the WAL is made anew at
//! each start. Room that is let go can be taken by others, of course. Then everything waits, and
//! nothing is lost.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::Errno;

use super::open::folder_of;

/// The WAL four times over, as long as it normally gets: about 20,000 jobs, from queued to done.
const BYTES: u64 = 16 << 20;
/// Free besides, before it is made again, so that it is not made and deleted in turns.
const BESIDES: u64 = 4 << 20;
/// What a person has to make free.
pub(super) const WANTED: &str = "20 MiB";

/// The reserve of one journal.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    held: bool,
}

fn path_beside(journal: &Path) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push("-reserve");
    name.into()
}

/// Whether a journal's reserve is there. While a daemon runs, that says whether it takes new jobs.
pub(super) fn is_held(journal: &Path) -> bool {
    path_beside(journal).exists()
}

impl Reserve {
    /// As the last daemon left it.
    pub fn of(journal: &Path) -> Self {
        let path = path_beside(journal);
        // a crash while it was being made left less
        let held = fs::metadata(&path).is_ok_and(|file| file.len() >= BYTES);
        Self { path, held }
    }

    /// Whether the room is kept.
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// Makes it, if there is room for it and some more.
    pub fn make(&mut self) -> io::Result<()> {
        if self.held {
            return Ok(());
        }
        let disk = statvfs(folder_of(&self.path))?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < BYTES + BESIDES {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let made = self.allocate();
        if made.is_err() {
            self.delete();
        }
        self.held = made.is_ok();
        made
    }

    fn allocate(&self) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&self.path)?;
        match fallocate(&file, FallocateFlags::empty(), 0, BYTES) {
            Err(Errno::OPNOTSUPP) => write_out(&mut file),
            result => Ok(result?),
        }
    }

    /// Gives the room to the journal. `false`: that was done already.
    pub fn release(&mut self) -> bool {
        if self.held {
            self.delete();
        }
        std::mem::replace(&mut self.held, false)
    }

    fn delete(&self) {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let path = self.path.display();
                tracing::error!(%path, %error, "the journal's reserve cannot be deleted");
            }
            _ => {}
        }
    }
}

/// For a file system that knows no other way.
fn write_out(file: &mut File) -> io::Result<()> {
    let block = vec![0; 1 << 20];
    for _ in 0..BYTES >> 20 {
        file.write_all(&block)?;
    }
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn the_reserve_is_made_of_real_blocks_and_found_by_the_next_daemon() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal.db");
        let mut reserve = Reserve::of(&journal);
        assert!(!reserve.is_held() && !is_held(&journal));
        assert!(!reserve.release());
        reserve.make().unwrap();
        assert!(reserve.is_held() && is_held(&journal));
        let file = fs::metadata(folder.path().join("journal.db-reserve")).unwrap();
        assert_eq!(file.len(), BYTES);
        assert!(file.blocks() * 512 >= BYTES, "not a hole");
        assert_eq!(file.mode() & 0o777, 0o600);
        let mut next = Reserve::of(&journal);
        assert!(next.is_held());
        next.make().unwrap();
        assert!(next.release() && !next.is_held() && !is_held(&journal));
        assert!(!next.release(), "once");
    }

    #[test]
    fn half_a_reserve_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal.db");
        fs::write(folder.path().join("journal.db-reserve"), [0; 100]).unwrap();
        let mut reserve = Reserve::of(&journal);
        assert!(!reserve.is_held());
        reserve.make().unwrap();
        assert!(Reserve::of(&journal).is_held());
    }

    #[test]
    fn where_blocks_cannot_be_reserved_they_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write_out(&mut File::create(&path).unwrap()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), BYTES);
    }
}
