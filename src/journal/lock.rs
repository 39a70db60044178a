//! One daemon a journal.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

/// `status` holds the lock for a moment to see whether somebody has it; a daemon that starts in that
/// moment tries again.
const LOOKERS: u32 = 5;
/// Much longer than such a moment.
const LOOK: Duration = Duration::from_millis(20);

/// Held as long as the daemon lives; the kernel lets go of it when the process ends, however.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// The process that holds a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// Its process id, if it could be read.
    pub pid: Option<u32>,
}

fn path_beside(journal: &Path) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

impl Lock {
    /// Takes the lock, or tells who has it.
    pub(super) fn take(journal: &Path) -> io::Result<Result<Self, Holder>> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path_beside(journal))?;
        for _ in 0..LOOKERS {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {
                    match sign(&mut file) {
                        // the lock holds without a name, too
                        Err(error) if error.kind() != io::ErrorKind::StorageFull => {
                            return Err(error);
                        }
                        _ => return Ok(Ok(Self { _file: file })),
                    }
                }
                Err(rustix::io::Errno::WOULDBLOCK) => std::thread::sleep(LOOK),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Err(read_holder(&mut file)))
    }
}

/// The daemon that holds this journal now, if any.
pub(super) fn holder(journal: &Path) -> io::Result<Option<Holder>> {
    let mut file = match File::open(path_beside(journal)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(None),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(Some(read_holder(&mut file))),
        Err(error) => Err(error.into()),
    }
}

fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{}", std::process::id())
}

fn read_holder(file: &mut File) -> Holder {
    let mut text = String::new();
    let read = file.read_to_string(&mut text);
    Holder {
        pid: read.ok().and_then(|_| text.trim().parse().ok()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_lock_that_cannot_be_asked_for_is_not_taken_for_a_free_one() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal.db");
        let file = folder.path().join("journal.db.lock");
        assert_eq!(holder(&journal).unwrap(), None, "no daemon ever ran");
        let lock = Lock::take(&journal).unwrap().unwrap();
        let pid = Some(std::process::id());
        assert_eq!(holder(&journal).unwrap(), Some(Holder { pid }));
        drop(lock);
        assert_eq!(holder(&journal).unwrap(), None);
        fs::remove_file(&file).unwrap();
        symlink(&file, &file).unwrap();
        assert!(holder(&journal).is_err(), "a loop");
        assert!(Lock::take(&journal).is_err());
    }

    #[test]
    fn where_no_name_can_be_written_the_lock_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        // it can be opened and locked, and cannot be cut to length
        symlink("/dev/null", folder.path().join("journal.db.lock")).unwrap();
        assert!(Lock::take(&folder.path().join("journal.db")).is_err());
    }
}
