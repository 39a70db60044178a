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

impl Fingerprint {
    /// Whether both are the same version of the file at one path. The device does not count: a share that is
    /// mounted again, and a disk after a restart of the machine, may have another number.
    pub fn is_version(&self, other: &Self) -> bool {
        let dev = self.dev;
        *self == Self { dev, ..*other }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_told_by_all_but_its_device() {
        let seen = Fingerprint {
            dev: 1,
            ino: 2,
            size: 3,
            mtime_ns: 4,
            ctime_ns: 5,
        };
        for (other, same) in [
            (Fingerprint { dev: 9, ..seen }, true),
            (Fingerprint { ino: 9, ..seen }, false),
            (Fingerprint { size: 9, ..seen }, false),
            (
                Fingerprint {
                    mtime_ns: 9,
                    ..seen
                },
                false,
            ),
            (
                Fingerprint {
                    ctime_ns: 9,
                    ..seen
                },
                false,
            ),
        ] {
            assert_eq!(seen.is_version(&other), same, "{other:?}");
        }
    }
}
