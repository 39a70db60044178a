//! Whether a file, or a folder with all that lies in it, has been carried as it is now.
//!
//! What is looked at is the file and the journal: its bytes are read now, and must have the size and the md5 of a receipt
//! for this very path. Everything that is not certain counts as no: a link, a pipe, a file that may not be read, one that
//! changes meanwhile, and a folder without files, which is what a share that is not mounted looks like.
//!
//! The md5 is computed by another implementation than the one that made the receipt.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};

use md5::Digest as _;

use crate::beneath::{self, Guess, Kind, Listing, OpenError, Root};
use crate::config::{Config, Watch};
use crate::job::{Fingerprint, Md5};
use crate::journal::{JournalError, Reader};

/// Bytes that are read at a time.
const BLOCK: usize = 256 * 1024;

/// Whether something may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// So many files, with so many bytes, are in their tables as they are here.
    Yes {
        /// How many.
        files: usize,
        /// In all of them.
        bytes: u64,
    },
    /// Not certain of these, in the order of their paths.
    No(Vec<Doubt>),
}

/// Why something may not go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// What it is about: a whole path.
    pub path: PathBuf,
    /// For people.
    pub why: String,
}

/// Asks of a file or a folder in one of the drop folders. `path` is a whole path; no link below the drop folder is followed.
pub fn safe_to_delete(
    config: &Config,
    reader: &Reader,
    path: &Path,
) -> Result<Answer, JournalError> {
    let doubt = |why: &str| {
        Answer::No(vec![Doubt {
            path: path.to_path_buf(),
            why: why.to_owned(),
        }])
    };
    let Some((watch, below)) = place(config, path) else {
        return Ok(doubt("it is in no drop folder of this configuration"));
    };
    let root = match Root::open(&watch.path) {
        Ok(root) => root,
        Err(error) => return Ok(doubt(&format!("its drop folder cannot be opened: {error}"))),
    };
    let case = Case {
        watch,
        root: &root,
        reader,
    };
    case.answer(&below)
}

/// The watch in whose folder a path lies, and where in it.
fn place<'a>(config: &'a Config, path: &Path) -> Option<(&'a Watch, PathBuf)> {
    config.watches.iter().find_map(|watch| {
        let within = |root: &Path| path.strip_prefix(root).ok().map(Path::to_path_buf);
        // a shell may stand in the folder under its real name
        let real = || within(&watch.path.canonicalize().ok()?);
        let below = within(&watch.path).or_else(real)?;
        let plain = |step: Component<'_>| matches!(step, Component::Normal(_));
        below.components().all(plain).then_some((watch, below))
    })
}

struct Case<'a> {
    watch: &'a Watch,
    root: &'a Root,
    reader: &'a Reader,
}

/// What lies somewhere: files, and what is none.
type Found = BTreeMap<PathBuf, Result<Fingerprint, String>>;

impl Case<'_> {
    fn answer(&self, below: &Path) -> Result<Answer, JournalError> {
        let found = self.look(below);
        if found.is_empty() {
            let why =
                "there is no file in it, so that nothing can be proven (is its share mounted?)";
            return Ok(Answer::No(vec![self.doubt(below, why)]));
        }
        let mut doubts = Vec::new();
        // reading takes long: first whether it can come to anything
        let mut sums: BTreeMap<&Path, Vec<Md5>> = BTreeMap::new();
        for (path, seen) in &found {
            match seen {
                Err(why) => doubts.push(self.doubt(path, why)),
                Ok(seen) => match self.receipts(path, seen.size)? {
                    Ok(of_this_size) => drop(sums.insert(path, of_this_size)),
                    Err(why) => doubts.push(self.doubt(path, why)),
                },
            }
        }
        if doubts.is_empty() {
            for (path, wanted) in sums {
                match self.read(path, found.get(path)) {
                    Ok(md5) if wanted.contains(&md5) => {}
                    Ok(_) => doubts.push(self.doubt(path, CHANGED)),
                    Err(why) => doubts.push(self.doubt(path, &why)),
                }
            }
        }
        if doubts.is_empty() && self.look(below) != found {
            doubts.push(self.doubt(below, "it changed while it was looked at: ask again"));
        }
        if !doubts.is_empty() {
            return Ok(Answer::No(doubts));
        }
        let sizes = found.values().flatten().map(|seen| seen.size);
        Ok(Answer::Yes {
            files: found.len(),
            bytes: sizes.sum(),
        })
    }

    fn doubt(&self, path: &Path, why: &str) -> Doubt {
        let path = if path.as_os_str().is_empty() {
            self.watch.path.clone()
        } else {
            self.watch.path.join(path)
        };
        let why = why.to_owned();
        Doubt { path, why }
    }

    /// All that lies at a path or below it, but folders.
    fn look(&self, at: &Path) -> Found {
        let mut found = Found::new();
        let mut folders = Vec::new();
        match self.root.stat(at) {
            Ok((seen, _)) => drop(found.insert(at.to_path_buf(), Ok(seen))),
            Err(OpenError::NotAFile(Kind::Folder)) => folders.push(at.to_path_buf()),
            Err(error) => drop(found.insert(at.to_path_buf(), Err(error.to_string()))),
        }
        while let Some(folder) = folders.pop() {
            // a name that this machine has not heard of yet would be deleted unseen
            let listing = match self.root.list(&folder).and_then(Listing::fresh) {
                Ok(listing) => listing,
                Err(error) => {
                    found.insert(folder, Err(error.to_string()));
                    continue;
                }
            };
            for entry in listing {
                let entry = match entry {
                    Ok(entry) => entry,
                    Err(error) => {
                        found.insert(folder.clone(), Err(error.to_string()));
                        break;
                    }
                };
                let path = folder.join(&entry.name);
                if entry.guess == Guess::Folder {
                    folders.push(path);
                    continue;
                }
                match self.root.stat(&path) {
                    Ok((seen, _)) => drop(found.insert(path, Ok(seen))),
                    Err(OpenError::NotAFile(Kind::Folder)) => folders.push(path),
                    Err(error) => drop(found.insert(path, Err(error.to_string()))),
                }
            }
        }
        found
    }

    /// The md5s of the receipts for a path that are about a file of this size; at least one, or why there is none.
    fn receipts(
        &self,
        path: &Path,
        size: u64,
    ) -> Result<Result<Vec<Md5>, &'static str>, JournalError> {
        let Watch { name, table, .. } = self.watch;
        let receipts = self.reader.proofs(name, path, table)?;
        if receipts.is_empty() {
            return Ok(Err("it has no receipt: it is not known to be in a table"));
        }
        let same = receipts.iter().filter(|(receipt, _)| *receipt == size);
        let same: Vec<Option<Md5>> = same.map(|(_, md5)| *md5).collect();
        if same.is_empty() {
            return Ok(Err(CHANGED));
        }
        let sums: Vec<Md5> = same.into_iter().flatten().collect();
        Ok(if sums.is_empty() {
            Err("its receipt has no md5 (verify = \"crc32c\"), so that it cannot be compared")
        } else {
            Ok(sums)
        })
    }

    /// The md5 of a file that is the version that was found, from its first byte to its last.
    fn read(
        &self,
        path: &Path,
        found: Option<&Result<Fingerprint, String>>,
    ) -> Result<Md5, String> {
        let open = self
            .root
            .open_file(path)
            .map_err(|error| error.to_string())?;
        let unreadable = |error: io::Error| format!("it cannot be read: {error}");
        let md5 = sum(open.file.try_clone().map_err(unreadable)?).map_err(unreadable)?;
        let (after, _) = beneath::fingerprint(&open.file).map_err(unreadable)?;
        if found != Some(&Ok(open.seen)) || after != open.seen {
            return Err("it changed while it was looked at: ask again".to_owned());
        }
        Ok(md5)
    }
}

const CHANGED: &str = "it is not what was registered: it has changed since";

fn sum(mut file: File) -> io::Result<Md5> {
    let (mut sum, mut block) = (md5::Md5::new(), vec![0; BLOCK]);
    loop {
        match file.read(&mut block) {
            Ok(0) => return Ok(Md5(sum.finalize().into())),
            Ok(read) => sum.update(&block[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
