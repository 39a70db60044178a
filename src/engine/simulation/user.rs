//! The people who drop files, and the eyes that see them: real files in real folders.
//!
//! Everything happens between two polls of the engine, so that the model always knows what a file holds.
//! Each change sets a modification time that was never used before: the kernel's clock is too coarse
//! to tell two changes within the same thousandth of a second apart.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use md5::Digest as _;

use super::server::QUANTUM;
use super::world::{Content, Step, World};
use crate::beneath::Root;
use crate::config::Watch;
use crate::job::{Sighting, remote_name};
use crate::journal::{Journal, JournalError, NewJob};

pub(super) struct Users {
    world: Arc<World>,
    watches: Vec<Watch>,
    /// What lies in the drop folders: watch and path.
    pub files: BTreeMap<(usize, PathBuf), Dropped>,
    most_files: usize,
    changes: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Dropped {
    bytes: Vec<u8>,
    /// Somebody is in the middle of writing it: the rest, which replaces everything from there on.
    rest: Option<Vec<u8>>,
}

impl Users {
    pub fn new(world: Arc<World>, watches: Vec<Watch>, most_files: usize) -> Self {
        for watch in &watches {
            std::fs::create_dir_all(&watch.path).unwrap();
        }
        Self {
            world,
            watches,
            files: BTreeMap::new(),
            most_files,
            changes: 0,
        }
    }

    /// What the table of a file should list.
    pub fn content(&self, watch: usize, path: &Path, dropped: &Dropped) -> Content {
        let table = self.watches[watch].table.clone();
        let md5 = md5::Md5::digest(&dropped.bytes).into();
        (table, remote_name(path), dropped.bytes.len() as u64, md5)
    }

    /// Somebody does something.
    pub fn act(&mut self) {
        let (drop_new, which) = {
            let chance = &mut self.world.now().chance;
            let few = self.files.len() < self.most_files;
            let index = (!self.files.is_empty()).then(|| chance.index(self.files.len()));
            (few && chance.one_in(2) || index.is_none(), index)
        };
        match which.and_then(|index| self.files.keys().nth(index).cloned()) {
            Some(key) if !drop_new => self.change(key),
            _ => self.drop_new(),
        }
    }

    fn drop_new(&mut self) {
        let (watch, number, bytes) = {
            let chance = &mut self.world.now().chance;
            let watch = chance.index(self.watches.len());
            let number = chance.up_to(self.most_files as u64 + 1);
            (watch, number, content(chance))
        };
        let path = PathBuf::from(format!("w{watch}-f{number}"));
        if self.files.contains_key(&(watch, path.clone())) {
            return self.change((watch, path));
        }
        let len = bytes.len();
        self.write_aside(watch, &path, &bytes);
        self.now_holds((watch, path), bytes, &format!("new, {len} bytes"));
    }

    fn change(&mut self, key: (usize, PathBuf)) {
        let (how, new, cut) = {
            let chance = &mut self.world.now().chance;
            let new = content(chance);
            (chance.up_to(9), new, chance.fraction())
        };
        let old = self.files[&key].clone();
        if let Some(rest) = old.rest {
            let mut bytes = old.bytes;
            self.write_at(&key, bytes.len(), &rest, None);
            bytes.extend(rest);
            return self.now_holds(key, bytes, "finished");
        }
        let mut bytes = old.bytes;
        let at = |len: usize| part(len, cut);
        match how {
            0 | 1 => {
                // in place, of the same length: only the times tell
                let len = bytes.len();
                bytes = new.iter().copied().cycle().take(len).collect();
                if new.is_empty() {
                    bytes = vec![0; len];
                }
                self.write_at(&key, 0, &bytes, None);
                self.now_holds(key, bytes, "rewritten in place");
            }
            2 => {
                self.write_at(&key, bytes.len(), &new, None);
                bytes.extend(new);
                self.now_holds(key, bytes, "appended to");
            }
            3 => {
                bytes.truncate(at(bytes.len()));
                let len = bytes.len();
                self.write_at(&key, 0, &[], Some(len));
                self.now_holds(key, bytes, &format!("truncated to {len}"));
            }
            4 | 5 => {
                self.write_aside(key.0, &key.1, &new);
                self.now_holds(key, new, "replaced by renaming");
            }
            6 => {
                std::fs::remove_file(self.place(&key)).unwrap();
                self.files.remove(&key);
                self.tell(&key, "deleted");
            }
            7 => {
                self.write_at(&key, 0, &[], None);
                self.now_holds(key, bytes, "touched");
            }
            _ => {
                // slowly, in place: half now, the rest another time
                let first = new[..at(new.len())].to_vec();
                self.write_at(&key, 0, &first, Some(first.len()));
                self.tell(&key, "being rewritten");
                let rest = Some(new[first.len()..].to_vec());
                self.files.insert(key, Dropped { bytes: first, rest });
            }
        }
    }

    /// Whoever was writing something finishes it.
    pub fn finish_all(&mut self) {
        let unfinished = self.files.iter().filter(|(_, file)| file.rest.is_some());
        let unfinished: Vec<_> = unfinished.map(|(key, _)| key.clone()).collect();
        for key in unfinished {
            self.change(key);
        }
    }

    /// The files of a watch that nobody is writing to, as its scan sees them now.
    fn sightings(&self, watch: usize) -> Vec<(Sighting, Content)> {
        let root = Root::open(&self.watches[watch].path).unwrap();
        let here = self.files.range((watch, PathBuf::new())..);
        here.take_while(|((of, _), _)| *of == watch)
            .filter(|(_, dropped)| dropped.rest.is_none())
            .map(|((_, path), dropped)| {
                let (seen, _) = root.stat(path).unwrap();
                let path = path.clone();
                let content = self.content(watch, &path, dropped);
                (Sighting { path, seen }, content)
            })
            .collect()
    }

    /// What a scan of all watches would do, with the time that it takes between looking and recording.
    pub fn scan(
        &self,
        journal: Journal,
    ) -> impl Future<Output = Result<usize, JournalError>> + use<> {
        let world = self.world.clone();
        let seen = (0..self.watches.len()).map(|watch| (watch, self.sightings(watch)));
        let seen: Vec<_> = seen.collect();
        let watches = self.watches.clone();
        world.now().step(Step::Scan, format_args!("scan"));
        async move {
            let mut found = 0;
            for (index, sightings) in seen {
                let wait = world.now().chance.up_to(400);
                tokio::time::sleep(Duration::from_millis(wait)).await;
                let watch = &watches[index];
                let files = sightings.iter().map(|(sighting, _)| sighting.clone());
                let unknown = journal.unknown_to(&watch.name, files.collect()).await?;
                let new: Vec<NewJob> = unknown
                    .into_iter()
                    .map(|sighting| NewJob {
                        remote_name: remote_name(&sighting.path),
                        sighting,
                    })
                    .collect();
                if new.is_empty() {
                    continue;
                }
                offer(&world, index, &new, &sightings);
                let now = world.now().wall();
                found += journal
                    .enqueue_from(&watch.name, &watch.table, new, now)
                    .await?;
            }
            Ok(found)
        }
    }

    // ---- the file system

    fn place(&self, (watch, path): &(usize, PathBuf)) -> PathBuf {
        self.watches[*watch].path.join(path)
    }

    fn stamp(&mut self, file: &File) {
        self.changes += 1;
        let at = Duration::from_nanos(1_700_000_000_000_000_000 + self.changes);
        file.set_modified(SystemTime::UNIX_EPOCH + at).unwrap();
    }

    fn write_aside(&mut self, watch: usize, path: &Path, bytes: &[u8]) {
        let aside = self.watches[watch].path.with_extension("aside");
        let mut file = File::create(&aside).unwrap();
        file.write_all(bytes).unwrap();
        self.stamp(&file);
        std::fs::rename(&aside, self.watches[watch].path.join(path)).unwrap();
    }

    fn write_at(&mut self, key: &(usize, PathBuf), at: usize, bytes: &[u8], len: Option<usize>) {
        let file = OpenOptions::new()
            .write(true)
            .open(self.place(key))
            .unwrap();
        if let Some(len) = len {
            file.set_len(len as u64).unwrap();
        }
        file.write_all_at(bytes, at as u64).unwrap();
        self.stamp(&file);
    }

    fn now_holds(&mut self, key: (usize, PathBuf), bytes: Vec<u8>, what: &str) {
        let dropped = Dropped { bytes, rest: None };
        let content = self.content(key.0, &key.1, &dropped);
        self.world.now().whole.entry(content).or_default();
        self.tell(&key, what);
        self.files.insert(key, dropped);
    }

    fn tell(&self, (watch, path): &(usize, PathBuf), what: &str) {
        let path = path.display();
        self.world
            .now()
            .step(Step::User, format_args!("user: w{watch}/{path} {what}"));
    }
}

/// Notes which versions may become rows, before the journal hears of them.
fn offer(world: &World, watch: usize, new: &[NewJob], sightings: &[(Sighting, Content)]) {
    let mut world = world.now();
    for job in new {
        let known = sightings
            .iter()
            .find(|(sighting, _)| *sighting == job.sighting);
        let (Sighting { path, seen }, content) = known.expect("it was seen");
        let name = &content.1;
        world.tell(format_args!("  found {name}, {} bytes", content.2));
        let versions = world.whole.entry(content.clone()).or_default();
        versions.insert((watch, path.clone(), *seen));
    }
}

fn part(len: usize, fraction: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a fraction of a small length"
    )]
    let part = (len as f64 * fraction) as usize;
    part.min(len)
}

/// Mostly small, sometimes nothing, sometimes a few chunks, sometimes exactly so many.
fn content(chance: &mut super::chance::Chance) -> Vec<u8> {
    let len = match chance.up_to(99) {
        0..=7 => 0,
        8..=69 => chance.between(1, 4000),
        70..=87 => chance.between(4000, 70_000),
        88..=92 => QUANTUM * chance.between(1, 3),
        93..=97 => chance.between(70_000, 2 * QUANTUM),
        _ => chance.between(2 * QUANTUM, 4 * QUANTUM),
    };
    chance.bytes(usize::try_from(len).unwrap())
}
