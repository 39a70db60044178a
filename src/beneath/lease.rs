//! Asks the kernel whether somebody has a file open for writing: a read lease is given only if nobody has.
//!
//! A lease is a promise to be told before somebody else opens the file for writing, and until it is given back or
//! the system's `lease-break-time` is over, that other one waits. So it is given back at once, by a call
//! of its own: closing alone would leave it with a child process that another thread starts at that
//! moment. In between are a few microseconds. Who opens the file for writing just then waits for so long, and who does that
//! with `O_NONBLOCK` is refused and may try again; a program that asks for that expects it. Only a process
//! that is stopped in that window (by a debugger, a frozen group) makes others wait for longer.
//!
//! The system calls have no safe face in a library here, so this file has the only `unsafe` of the room.
//!
//! Only local file systems know of all writers, and a share could be disturbed by the question: ask
//! [`Root::has_leases`](super::Root::has_leases) first, or [`Folder::writer`](super::Folder::writer), which does.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

use rustix::io::Errno;

/// Linux has the same number on all processors but HP's; the library has no name for it.
const F_SETSIG: libc::c_int = 10;

/// What the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Somebody has it open for writing.
    Writer,
    /// Nobody has.
    NoWriter,
    /// It says that only to the file's owner, and to who has `CAP_LEASE`.
    NotAllowed,
    /// There are no leases here, or no room for one.
    Unknown,
}

/// Whether somebody has this file open for writing. It must be open for reading only.
pub fn ask(file: &File) -> Answer {
    match take(file).and_then(|()| give_back(file)) {
        Ok(()) => Answer::NoWriter,
        Err(Errno::AGAIN) => Answer::Writer,
        Err(Errno::ACCESS) => Answer::NotAllowed,
        Err(_) => Answer::Unknown,
    }
}

fn take(file: &File) -> Result<(), Errno> {
    // Whoever breaks a lease sends SIGIO, which would end this process. SIGURG is ignored by default.
    fcntl(file, F_SETSIG, libc::SIGURG)?;
    fcntl(file, libc::F_SETLEASE, libc::F_RDLCK)
}

/// If this should ever fail, closing the file gives the lease back.
fn give_back(file: &File) -> Result<(), Errno> {
    fcntl(file, libc::F_SETLEASE, libc::F_UNLCK)
}

fn fcntl(file: &File, command: libc::c_int, argument: libc::c_int) -> Result<(), Errno> {
    #[expect(unsafe_code, reason = "no library here has a safe face for leases")]
    // SAFETY: the descriptor is open for as long as `file` is borrowed. Both commands take a number as
    // their argument, and touch no memory of this process.
    let answer = unsafe { libc::fcntl(file.as_raw_fd(), command, argument) };
    if answer == -1 {
        let error = io::Error::last_os_error();
        return Err(Errno::from_io_error(&error).unwrap_or(Errno::INVAL));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::fs::OpenOptions;
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::OpenOptionsExt as _;

    use rustix::fs::OFlags;

    use super::*;

    #[test]
    fn a_writer_is_seen_and_a_reader_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "text").unwrap();
        let reader = File::open(&path).unwrap();
        assert_eq!(ask(&reader), Answer::NoWriter);
        let _another = File::open(&path).unwrap();
        assert_eq!(ask(&reader), Answer::NoWriter);
        for append in [false, true] {
            let writer = OpenOptions::new().write(true).append(append).open(&path);
            assert_eq!(ask(&reader), Answer::Writer, "append: {append}");
            drop(writer);
            assert_eq!(ask(&reader), Answer::NoWriter);
        }
    }

    /// A lease that stays would refuse this at once, and end this process by SIGIO.
    #[test]
    fn the_lease_is_given_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "text").unwrap();
        let reader = File::open(&path).unwrap();
        assert_eq!(ask(&reader), Answer::NoWriter);
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap();
        let mut impatient = OpenOptions::new();
        impatient.write(true).custom_flags(flags);
        assert!(impatient.open(&path).is_ok());
    }

    /// The window itself: somebody opens the file while the lease is held.
    #[test]
    fn a_lease_that_is_broken_does_not_end_the_process() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "text").unwrap();
        let reader = File::open(&path).unwrap();
        take(&reader).unwrap();
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap();
        let mut impatient = OpenOptions::new();
        impatient.write(true).custom_flags(flags);
        let refused = impatient.open(&path).unwrap_err();
        assert_eq!(Errno::from_io_error(&refused), Some(Errno::AGAIN));
        give_back(&reader).unwrap();
        assert!(impatient.open(&path).is_ok());
    }

    #[test]
    fn what_has_no_leases_gives_no_answer() {
        let (reader, _writer) = io::pipe().unwrap();
        assert_eq!(ask(&File::from(OwnedFd::from(reader))), Answer::Unknown);
    }
}
