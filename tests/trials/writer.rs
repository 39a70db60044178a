//! What instruments, scripts and people do in a drop folder, all at the same time and without a pause.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{CWD, Mode, OFlags};

use crate::chance::Chance;

/// So many batches may be come back to.
const LATEST: usize = 100;

/// Fills fresh folders in a lane of its own, in every way.
pub struct Writer<'a> {
    /// Below the drop folder.
    lane: PathBuf,
    /// Beside the drop folder, where nobody watches, on the same file system.
    outside: PathBuf,
    chance: Chance,
    /// The most files of one batch.
    most: u64,
    batches: u64,
    /// The folders of the latest batches, where they are now.
    latest: VecDeque<PathBuf>,
    /// Files of all writers so far, each counted once.
    written: &'a AtomicU64,
}

impl<'a> Writer<'a> {
    pub fn new(
        lane: PathBuf,
        outside: PathBuf,
        chance: Chance,
        most: u64,
        written: &'a AtomicU64,
    ) -> Self {
        fs::create_dir_all(&lane).unwrap();
        fs::create_dir_all(&outside).unwrap();
        Self {
            lane,
            outside,
            chance,
            most,
            batches: 0,
            latest: VecDeque::new(),
            written,
        }
    }

    /// Writes so many files, in batches.
    pub fn write(&mut self, files: u64) {
        let mut left = files;
        while left > 0 {
            let so_many = self.chance.within(1..self.most + 1).min(left);
            left -= so_many;
            self.batches += 1;
            let folder = self.fresh_folder();
            let names: Vec<_> = (0..so_many).map(|n| format!("file-{n}.dat")).collect();
            let folder = match self.chance.within(0..6) {
                0 => self.create(&folder, &names),
                1 => self.rename_in(&folder, &names),
                2 => self.move_in(&folder, &names),
                3 => self.rewrite(&folder, &names),
                4 => self.rename_while_filling(&folder, &names),
                _ => self.one_folder_each(&folder, &names),
            };
            self.latest.push_back(folder);
            if self.latest.len() > LATEST {
                self.latest.pop_front();
            }
            if self.chance.percent(30) {
                self.come_back();
            }
        }
    }

    /// The path of a folder that is not there yet, and whose parents may not be there either.
    fn fresh_folder(&mut self) -> PathBuf {
        let mut folder = PathBuf::from(format!("batch-{}", self.batches));
        for depth in 0..self.chance.within(0..5) {
            folder.push(format!("deep-{depth}"));
        }
        folder
    }

    fn create(&mut self, folder: &Path, names: &[String]) -> PathBuf {
        let folder = self.lane.join(folder);
        fs::create_dir_all(&folder).unwrap();
        for name in names {
            self.put(&folder.join(name), 1);
            self.count(1);
        }
        folder
    }

    /// From a temporary name beside it, a hidden one, or from another folder.
    fn rename_in(&mut self, folder: &Path, names: &[String]) -> PathBuf {
        let folder = self.lane.join(folder);
        fs::create_dir_all(&folder).unwrap();
        for name in names {
            let draft = match self.chance.within(0..3) {
                0 => folder.join(format!("{name}.part")),
                1 => folder.join(format!(".{name}")),
                _ => self.outside.join(name),
            };
            self.put(&draft, 1);
            fs::rename(draft, folder.join(name)).unwrap();
            self.count(1);
        }
        folder
    }

    /// A whole tree at once.
    fn move_in(&mut self, folder: &Path, names: &[String]) -> PathBuf {
        let top = folder.iter().next().unwrap();
        let aside = self.outside.join(folder);
        fs::create_dir_all(&aside).unwrap();
        for name in names {
            self.put(&aside.join(name), 1);
        }
        fs::rename(self.outside.join(top), self.lane.join(top)).unwrap();
        self.count(names.len());
        self.lane.join(folder)
    }

    /// Some stay as they are; some are written anew, in place or by another file in their place.
    fn rewrite(&mut self, folder: &Path, names: &[String]) -> PathBuf {
        let folder = self.create(folder, names);
        for version in 2..2 + self.chance.size(1..4) {
            for name in names {
                self.put_some(&folder.join(name), version);
            }
        }
        folder
    }

    fn put_some(&mut self, path: &Path, version: usize) {
        match self.chance.within(0..3) {
            0 => {}
            1 => self.put(path, version),
            _ => {
                let draft = path.with_extension("tmp");
                self.put(&draft, version);
                fs::rename(draft, path).unwrap();
            }
        }
    }

    /// To an earlier batch, which may have settled or been carried: its folder gets another name, or some of
    /// its files another version.
    fn come_back(&mut self) {
        let which = self.chance.size(0..self.latest.len());
        let folder = self.latest[which].clone();
        if self.chance.percent(50) {
            let moved = folder.with_file_name(format!("moved-{}", self.batches));
            fs::rename(folder, &moved).unwrap();
            self.latest[which] = moved;
            return;
        }
        let entries: Vec<_> = fs::read_dir(folder).unwrap().collect();
        for entry in entries {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                let size = usize::try_from(entry.metadata().unwrap().len()).unwrap();
                self.put_some(&entry.path(), size);
            }
        }
    }

    /// By its descriptor, as an instrument does that has the folder open; its name and that of a parent
    /// change meanwhile, and may change back.
    fn rename_while_filling(&mut self, folder: &Path, names: &[String]) -> PathBuf {
        let folder = self.lane.join(folder);
        fs::create_dir_all(&folder).unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open: OwnedFd = rustix::fs::openat(CWD, &folder, flags, Mode::empty()).unwrap();
        let parent = folder.parent().unwrap().to_path_buf();
        let parent_name = parent.file_name().unwrap().to_owned();
        // the lane itself stays where it is
        let movable = parent != self.lane;
        let renamed = folder.with_file_name(format!("renamed-{}", self.batches));
        let parent_renamed =
            parent.with_file_name(format!("{}-renamed", parent_name.to_string_lossy()));
        let back = self.chance.percent(40);
        for (number, name) in names.iter().enumerate() {
            if number == names.len() / 3 {
                fs::rename(&folder, &renamed).unwrap();
            }
            if number == names.len() / 2 && movable {
                fs::rename(&parent, &parent_renamed).unwrap();
            }
            if number == names.len() * 3 / 4 && back {
                if movable {
                    fs::rename(&parent_renamed, &parent).unwrap();
                }
                fs::rename(&renamed, &folder).unwrap();
            }
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
            let file = rustix::fs::openat(&open, name, flags, Mode::from_raw_mode(0o600)).unwrap();
            File::from(file)
                .write_all(&self.content(Path::new(name), 1))
                .unwrap();
            self.count(1);
        }
        match (back, movable) {
            (true, _) => folder,
            (false, true) => parent_renamed.join(renamed.file_name().unwrap()),
            (false, false) => renamed,
        }
    }

    /// Every file in a fresh folder of its own, which is as old as the file.
    fn one_folder_each(&mut self, folder: &Path, names: &[String]) -> PathBuf {
        /// A folder takes a watch, and there are not so many of these as there are files.
        const MOST: usize = 12;
        let folder = self.lane.join(folder);
        fs::create_dir_all(&folder).unwrap();
        for (number, name) in names.iter().enumerate() {
            let own = folder.join(format!("own-{}", number % MOST));
            if number < MOST {
                fs::create_dir(&own).unwrap();
            }
            self.put(&own.join(name), 1);
            self.count(1);
        }
        folder
    }

    /// A file whose content and size tell which version it is.
    fn put(&self, path: &Path, version: usize) {
        fs::write(path, self.content(path, version)).unwrap();
    }

    fn content(&self, path: &Path, version: usize) -> Vec<u8> {
        let name = path.file_name().unwrap().to_string_lossy();
        let lane = self.lane.file_name().unwrap().to_string_lossy();
        let mut content = format!("{lane}, batch {}, {name}: ", self.batches).into_bytes();
        content.resize(content.len() + version, b'v');
        content
    }

    fn count(&self, files: impl TryInto<u64>) {
        let files = files.try_into().unwrap_or_default();
        self.written.fetch_add(files, Ordering::Relaxed);
    }
}
