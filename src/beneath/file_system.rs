//! On what kind of file system something lies.
//!
//! What lies on another machine, or behind a program, behaves unlike a disk of this machine: no event tells what others
//! do there, and locks and shared memory hold for one machine only.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{fstatfs, statfs};

/// File systems by the number that `statfs` gives them (`linux/magic.h` and the drivers' own headers).
const ELSEWHERE: &[(u32, &str)] = &[
    (0x0000_6969, "NFS"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x0000_517b, "SMB"),
    // behind it may be sshfs, a bucket or a local disk; that cannot be told from here
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9P"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x7375_7245, "CODA"),
    (0x0000_564c, "NCP"),
    (0x00c3_6400, "CEPH"),
    (0x0bd0_0bd0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
    (0x0116_1970, "GFS2"),
    (0x7461_636f, "OCFS2"),
    (0x786f_4256, "a folder shared with a virtual machine"),
    (0xbacb_acbc, "a folder shared with a virtual machine"),
];

/// File systems whose leases know of all writers: local ones, by the number that `statfs` gives them.
const WITH_LEASES: [u64; 9] = [
    0xef53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683e, // btrfs
    0x0102_1994, // tmpfs
    0x794c_7630, // overlayfs
    0xf2f5_2010, // F2FS
    0xca45_1a4e, // bcachefs
    0x2fc1_2fc1, // ZFS
    0x3153_464a, // JFS
];

/// What kind of network, or of program, the file system at `path` belongs to; `None`: a disk of this machine.
///
/// # Errors
/// What `statfs` says.
pub fn network(path: &Path) -> io::Result<Option<&'static str>> {
    Ok(network_of(statfs(path)?.f_type))
}

/// The same of something open.
pub(super) fn network_behind(open: impl AsFd) -> io::Result<Option<&'static str>> {
    Ok(network_of(fstatfs(open)?.f_type))
}

/// Whether its leases know of all writers.
pub(super) fn has_leases(open: impl AsFd) -> io::Result<bool> {
    let kind = number(fstatfs(open)?.f_type).unsigned_abs();
    Ok(WITH_LEASES.contains(&kind))
}

/// The system gives it as a signed long; only 32 bits of it count.
fn number(kind: impl TryInto<i64>) -> i64 {
    kind.try_into().unwrap_or_default() & 0xffff_ffff
}

/// The same by number.
fn network_of(kind: impl TryInto<i64>) -> Option<&'static str> {
    let kind = number(kind);
    let found = ELSEWHERE
        .iter()
        .find(|(magic, _)| i64::from(*magic) == kind);
    found.map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_told_from_disks() {
        for (kind, want) in [
            (0x6969_i64, Some("NFS")),
            (0xff53_4d42, Some("CIFS")),
            // as a machine with 32 bits gives it
            (-0x00ac_b2be, Some("CIFS")),
            (0xfe53_4d42, Some("SMB2")),
            (0x517b, Some("SMB")),
            (0x6573_5546, Some("FUSE")),
            (0x00c3_6400, Some("CEPH")),
            // ext4, XFS, Btrfs, ZFS, tmpfs, overlay
            (0xef53, None),
            (0x5846_5342, None),
            (0x9123_683e, None),
            (0x2fc1_2fc1, None),
            (0x0102_1994, None),
            (0x794c_7630, None),
        ] {
            assert_eq!(network_of(kind), want, "{kind:x}");
        }
    }

    #[test]
    fn the_folder_of_the_tests_is_on_a_disk() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(network(folder.path()).unwrap(), None);
        assert!(network(&folder.path().join("missing")).is_err());
    }
}
