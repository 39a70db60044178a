//! Which version of a file this is.

/// What tells one version of a file from another: identity, size and both times.
///
/// Taken from `fstat` or `statx`. The change time is part of it because copies that keep
/// the modification time (`cp -p`, rsync) would otherwise look unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// Device number.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Size in bytes.
    pub size: u64,
    /// Modification time, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Status change time, nanoseconds since 1970.
    pub ctime_ns: i64,
}
