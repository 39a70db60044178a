//! Whether somebody has a file open for writing, as well as this process may know.
//!
//! It is asked about files that would be settled, in this order:
//!
//! 1. A read lease ([`lease`]), where files lie on a local disk: certain both ways. The kernel gives
//!    one on own files only, or to who has `CAP_LEASE`.
//! 2. What processes have open, by `/proc`: certain if one is found. That none is found means nothing: other
//!    users' processes may not be looked at, those of other machines are not there, and a file that is only mapped into
//!    memory is not among the descriptors. All descriptors are read once for many files.
//! 3. Otherwise it is not known, and [`super::settle`] goes by the signs.
//!
//! Files on networks are not opened for the question: that would take their writer's own lease away, or wait
//! for a server. Nothing here waits for anybody, makes an event that leads to a look, or writes.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, CWD, StatxFlags};

use super::settle::Writer;
use crate::beneath::lease::{self, Answer};
use crate::beneath::{OpenError, Root};
use crate::job::Sighting;

/// The list of open files is read again after so long.
const FRESH: Duration = Duration::from_secs(1);

/// So many descriptors of all processes are looked at; what is beyond stays unseen.
const DESCRIPTORS: usize = 100_000;

/// So many devices without leases are remembered; then all are asked again.
const DEVICES: usize = 1_000;

/// The means to begin with; those behind it follow when it gives no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    /// Leases, then processes.
    Lease,
    #[cfg(test)]
    Processes,
    #[cfg(test)]
    Nothing,
}

/// Asks, and remembers what need not be asked for each file.
#[derive(Debug)]
pub(super) struct Writers {
    means: Means,
    /// Devices whose files are not opened for the question.
    without_leases: HashSet<u64>,
    /// The last device whose files have leases that say something.
    with_leases: Option<u64>,
    open: Option<OpenFiles>,
    /// Some file was another user's, and no lease was allowed.
    not_allowed: bool,
}

/// What the processes that may be looked at have open for writing.
#[derive(Debug)]
struct OpenFiles {
    /// When the reading began, and when it had ended.
    read_at: Instant,
    read_by: Instant,
    /// By inode number; which device it is on is asked where it matters.
    descriptors: HashMap<u64, Vec<PathBuf>>,
}

impl Writers {
    pub fn new(means: Means) -> Self {
        Self {
            means,
            without_leases: HashSet::new(),
            with_leases: None,
            open: None,
            not_allowed: false,
        }
    }

    /// Forgets what belonged to a root.
    pub fn clear(&mut self) {
        *self = Self::new(self.means);
    }

    /// Whether somebody has this file open for writing; `since` is when this version was seen first. `None`: it is
    /// another version by now, or gone, and has to be looked at again.
    pub fn ask(&mut self, root: &Root, file: &Sighting, since: Instant) -> Option<Writer> {
        if self.means == Means::Lease && self.has_leases(root, file) {
            match root.open_file(&file.path) {
                Ok(open) if open.seen != file.seen => return None,
                Ok(open) => match lease::ask(&open.file) {
                    Answer::Writer => return Some(Writer::Present),
                    Answer::NoWriter => return Some(Writer::Absent),
                    Answer::NotAllowed => self.not_allowed = true,
                    Answer::Unknown => {}
                },
                Err(OpenError::Gone | OpenError::NotAFile(_)) => return None,
                // Somebody holds a lease for writing, and is being asked to give it back.
                Err(OpenError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Some(Writer::Present);
                }
                // Whoever reads it for the upload meets the same, and tells it.
                Err(OpenError::Denied | OpenError::Io(_)) => {}
            }
        }
        let found = self.processes(since).has(file);
        Some(if found {
            Writer::Present
        } else {
            Writer::Unknown
        })
    }

    /// Whether a lease on this file says something. Asked without opening it: on a share that could already disturb
    /// somebody.
    fn has_leases(&mut self, root: &Root, file: &Sighting) -> bool {
        let device = file.seen.dev;
        if self.without_leases.contains(&device) || self.with_leases == Some(device) {
            return self.with_leases == Some(device);
        }
        let Ok(has_leases) = root.has_leases(&file.path) else {
            return false;
        };
        if has_leases {
            self.with_leases = Some(device);
            return true;
        }
        if self.without_leases.len() >= DEVICES {
            self.without_leases.clear();
        }
        self.without_leases.insert(device);
        false
    }

    /// What is open for writing; read after `since`, because who came after an older reading wrote this version.
    fn processes(&mut self, since: Instant) -> &OpenFiles {
        let now = Instant::now();
        // a reading that takes long is good for longer: it must not be made for each file
        let good = |open: &OpenFiles| {
            let fresh = FRESH.max(10 * (open.read_by - open.read_at));
            open.read_at >= since && now.saturating_duration_since(open.read_by) < fresh
        };
        let open = self.open.take().filter(good);
        self.open.insert(open.unwrap_or_else(|| match self.means {
            #[cfg(test)]
            Means::Nothing => OpenFiles::none(now),
            _ => OpenFiles::read(now),
        }))
    }

    /// How changes are noticed, and what of their writers is not.
    pub fn explain(&self, mode_reason: &str) -> String {
        if self.not_allowed {
            format!(
                "{mode_reason}; whether another user's program still has a file open is not seen: \
                 that needs the capability CAP_LEASE"
            )
        } else {
            mode_reason.to_owned()
        }
    }
}

impl OpenFiles {
    fn none(now: Instant) -> Self {
        Self {
            read_at: now,
            read_by: now,
            descriptors: HashMap::new(),
        }
    }

    fn read(now: Instant) -> Self {
        let mut open = Self::none(now);
        let mut left = DESCRIPTORS;
        for process in entries(Path::new("/proc")) {
            let numbered = |name: &[u8]| name.iter().all(u8::is_ascii_digit);
            if !process
                .file_name()
                .is_some_and(|name| numbered(name.as_bytes()))
            {
                continue;
            }
            for descriptor in entries(&process.join("fd")).take(left) {
                left -= 1;
                if let Some(inode) = written_by(&process, &descriptor) {
                    open.descriptors.entry(inode).or_default().push(descriptor);
                }
            }
        }
        open.read_by = Instant::now();
        open
    }

    fn has(&self, file: &Sighting) -> bool {
        let candidates = self.descriptors.get(&file.seen.ino);
        candidates.into_iter().flatten().any(|descriptor| {
            // Without asking a server that may not answer.
            let flags = AtFlags::STATX_DONT_SYNC;
            let stat = rustix::fs::statx(CWD, descriptor, flags, StatxFlags::INO);
            stat.is_ok_and(|stat| {
                let device = rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor);
                (device, stat.stx_ino) == (file.seen.dev, file.seen.ino)
            })
        })
    }
}

/// What lies in a folder of `/proc`; nothing, if it may not be looked at or its process has ended.
fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path())
}

/// The inode number of a file that this descriptor may write to.
fn written_by(process: &Path, descriptor: &Path) -> Option<u64> {
    // Those that are no files can be expensive to describe.
    let target = fs::read_link(descriptor).ok()?;
    if !target.is_absolute() {
        return None;
    }
    let mut text = [0; 256];
    let info = process.join("fdinfo").join(descriptor.file_name()?);
    let length = File::open(info).ok()?.read(&mut text).ok()?;
    inode_written(str::from_utf8(&text[..length]).ok()?)
}

/// The inode number, if this description is one of a descriptor that may write. Kernels before 5.14 do not tell it.
fn inode_written(description: &str) -> Option<u64> {
    let field = |name: &str| {
        let line = |line: &'_ str| Some(line.strip_prefix(name)?.trim().to_owned());
        description.lines().find_map(line)
    };
    let flags = u32::from_str_radix(&field("flags:")?, 8).ok()?;
    // O_WRONLY and O_RDWR
    matches!(flags & 3, 1 | 2)
        .then(|| field("ino:")?.parse().ok())
        .flatten()
}

#[cfg(test)]
#[path = "tests/writers.rs"]
mod tests;
