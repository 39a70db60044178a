//! Why something below a root was not opened, split by what to do about it.

use std::fmt;
use std::io;

use rustix::fs::FileType;
use rustix::io::Errno;
use thiserror::Error;

/// Why a path below a root could not be opened or looked at.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Nothing is there: deleted, renamed, or a parent is no folder any more.
    #[error("it is gone")]
    Gone,
    /// Something is there that is never read; asking again gives the same answer.
    #[error("it is {0}, not a regular file")]
    NotAFile(Kind),
    /// The permissions do not allow it; a person has to change them.
    #[error("permission denied")]
    Denied,
    /// Anything else, such as a network share that does not answer or too many open files: try again later.
    #[error(transparent)]
    Io(io::Error),
}

/// What is there instead of a regular file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A link, or a path that leads through one or out of the root.
    Link,
    /// A directory.
    Folder,
    /// A FIFO.
    Pipe,
    /// A socket.
    Socket,
    /// A character or block device, or a type that this program does not know.
    Device,
}

impl From<Errno> for OpenError {
    fn from(error: Errno) -> Self {
        match error {
            Errno::NOENT | Errno::NOTDIR => Self::Gone,
            // XDEV is what RESOLVE_BENEATH says to `..` and to an absolute path.
            Errno::LOOP | Errno::XDEV => Self::NotAFile(Kind::Link),
            Errno::ACCESS | Errno::PERM => Self::Denied,
            // A socket, or a FIFO or device without a driver, that was swapped in.
            Errno::NXIO | Errno::NODEV => Self::NotAFile(Kind::Device),
            other => Self::Io(other.into()),
        }
    }
}

impl From<FileType> for Kind {
    fn from(kind: FileType) -> Self {
        match kind {
            FileType::Symlink => Self::Link,
            FileType::Directory => Self::Folder,
            FileType::Fifo => Self::Pipe,
            FileType::Socket => Self::Socket,
            _ => Self::Device,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Link => "a link or behind one",
            Self::Folder => "a folder",
            Self::Pipe => "a FIFO",
            Self::Socket => "a socket",
            Self::Device => "a device",
        })
    }
}
