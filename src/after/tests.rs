//! Real files in real folders, each interruption made by hand.

mod interrupted;
mod writers;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use md5::Digest as _;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::carry::{carry, part};
use super::deed::{Deleted, Ended, Work, delete, perform};
use super::place::{numbered, settle};
use super::resume::{Resumed, resume};
use super::{check, hand};
use crate::beneath::{Folder, Root};
use crate::config::{AfterUpload, Environment};
use crate::job::{
    AfterIntent, Deed, Fingerprint, Job, JobId, Kind, Md5, RemoteId, State, Sums, Troubles,
    WatchName, private_name,
};

/// A drop folder, a folder to move to, and a file that is in its table.
struct Place {
    drop: PathBuf,
    done: PathBuf,
    job: Job,
    intent: AfterIntent,
    _dirs: Vec<TempDir>,
}

const BYTES: &[u8] = b"what the instrument wrote";

fn md5(bytes: &[u8]) -> Md5 {
    Md5(md5::Md5::digest(bytes).into())
}

fn job(root: &Path, path: &str, bytes: &[u8]) -> Job {
    let sums = Sums {
        crc32c: 0,
        md5: Some(md5(bytes)),
    };
    Job {
        id: JobId(7),
        watch: WatchName::new("w"),
        path: path.into(),
        remote_name: path.into(),
        table: "t".into(),
        seen: seen(&root.join(path)),
        kind: Kind::Files,
        state: State::Registered(RemoteId::new("r"), sums),
        attempts: 0,
        failing_since: None,
        troubles: Troubles::default(),
    }
}

fn seen(path: &Path) -> Fingerprint {
    let root = Root::open(path.parent().unwrap()).unwrap();
    root.stat(path.file_name().unwrap().as_ref()).unwrap().0
}

impl Place {
    fn new(moves: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (drop, done) = (dir.path().join("drop"), dir.path().join("done"));
        Self::of(moves, drop, done, vec![dir])
    }

    /// `None`, loudly, where there is only one file system.
    fn across(moves: bool) -> Option<Self> {
        let (here, there) = (
            tempfile::tempdir().unwrap(),
            tempfile::tempdir_in("/dev/shm").ok()?,
        );
        let dev = |dir: &TempDir| fs::metadata(dir.path()).unwrap().dev();
        if dev(&here) == dev(&there) {
            println!("skipped: /dev/shm is no other file system");
            return None;
        }
        let (drop, done) = (here.path().join("drop"), there.path().join("done"));
        Some(Self::of(moves, drop, done, vec![here, there]))
    }

    fn of(moves: bool, drop: PathBuf, done: PathBuf, dirs: Vec<TempDir>) -> Self {
        fs::create_dir_all(drop.join("run")).unwrap();
        fs::create_dir(&done).unwrap();
        fs::set_permissions(drop.join("run"), fs::Permissions::from_mode(0o2750)).unwrap();
        fs::write(drop.join("run/a.csv"), BYTES).unwrap();
        let job = job(&drop, "run/a.csv", BYTES);
        let deed = if moves {
            Deed::Move(done.clone())
        } else {
            Deed::Delete
        };
        let intent = AfterIntent {
            deed,
            root: drop.clone(),
            aside: private_name(job.id, 1),
        };
        Self {
            drop,
            done,
            job,
            intent,
            _dirs: dirs,
        }
    }

    fn source(&self) -> PathBuf {
        self.drop.join("run/a.csv")
    }

    fn target(&self) -> PathBuf {
        self.done.join("run/a.csv")
    }

    fn aside(&self) -> PathBuf {
        self.drop.join("run").join(&self.intent.aside)
    }

    fn work<T>(&self, what: impl FnOnce(&mut Work<'_>) -> T) -> T {
        let mut touched = Vec::new();
        what(&mut Work {
            job: &self.job,
            intent: &self.intent,
            stop: &CancellationToken::new(),
            touched: &mut touched,
        })
    }

    fn perform(&self) -> Result<Ended, String> {
        self.work(perform)
    }

    /// What the next start does: it ends what was begun, or begins anew.
    fn again(&self) -> Ended {
        match self.work(resume).unwrap() {
            Resumed::Ended(ended) => ended,
            Resumed::Untouched => self.perform().unwrap(),
        }
    }

    fn acts(&self) {
        assert!(matches!(self.perform(), Ok(Ended::Acted(_))));
    }

    fn leaves(&self) {
        assert!(matches!(self.perform(), Ok(Ended::Left(_))));
    }

    /// Every file below both folders, private ones too, with what it holds.
    fn all(&self) -> Vec<(String, Vec<u8>)> {
        let mut all = Vec::new();
        for (root, name) in [(&self.drop, "drop"), (&self.done, "done")] {
            for entry in walkdir::WalkDir::new(root).sort_by_file_name() {
                let entry = entry.unwrap();
                if entry.file_type().is_file() {
                    let path = entry.path().strip_prefix(root).unwrap();
                    let path = format!("{name}/{}", path.display());
                    all.push((path, fs::read(entry.path()).unwrap()));
                }
            }
        }
        all
    }

    fn holds(&self, wanted: &[(&str, &[u8])]) {
        let wanted: Vec<_> = wanted
            .iter()
            .map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec()))
            .collect();
        assert_eq!(self.all(), wanted);
    }
}

fn folder(path: &Path) -> Folder {
    Root::open(path).unwrap().folder("".as_ref()).unwrap()
}

#[test]
fn a_proven_file_is_deleted_or_moved_with_its_folders_permissions_and_time() {
    let place = Place::new(false);
    place.acts();
    place.holds(&[]);
    place.acts();

    let places = [Some(Place::new(true)), Place::across(true)];
    for place in places.into_iter().flatten() {
        let before = fs::metadata(place.source()).unwrap();
        place.acts();
        place.holds(&[("done/run/a.csv", BYTES)]);
        let after = fs::metadata(place.target()).unwrap();
        assert_eq!(after.mtime_nsec(), before.mtime_nsec());
        assert_eq!(after.mtime(), before.mtime());
        assert_eq!(after.mode(), before.mode());
        let run = fs::metadata(place.done.join("run")).unwrap();
        assert_eq!(run.mode() & 0o7777, 0o2750);
    }
}

#[test]
fn only_the_very_version_that_is_in_the_table_is_touched() {
    for moves in [false, true] {
        let places = [Some(Place::new(moves)), Place::across(moves)];
        for place in places.into_iter().flatten() {
            // the same bytes and the same time: only the ctime, or the inode, tells
            let time = fs::metadata(place.source()).unwrap().modified().unwrap();
            let keep_time = |path: &Path| {
                let file = fs::File::options().write(true).open(path).unwrap();
                file.set_modified(time).unwrap();
            };
            fs::write(place.source(), b"what another program wrote").unwrap();
            keep_time(&place.source());
            place.leaves();
            fs::remove_file(place.source()).unwrap();
            fs::write(place.source(), BYTES).unwrap();
            keep_time(&place.source());
            place.leaves();
            place.holds(&[("drop/run/a.csv", BYTES)]);
        }
    }
}

#[test]
fn what_is_behind_a_link_is_never_touched() {
    for moves in [false, true] {
        let place = Place::new(moves);
        let (victim, run) = (place.drop.join("../victim"), place.drop.join("run"));
        fs::rename(&run, &victim).unwrap();
        // the parent is swapped for a link to the very folder
        symlink(&victim, &run).unwrap();
        assert!(matches!(place.perform(), Ok(Ended::Acted(how)) if how.contains("gone already")));
        assert_eq!(fs::read(victim.join("a.csv")).unwrap(), BYTES);
        // the file is
        fs::remove_file(&run).unwrap();
        fs::create_dir(&run).unwrap();
        symlink(victim.join("a.csv"), place.source()).unwrap();
        place.leaves();
        assert_eq!(fs::read(victim.join("a.csv")).unwrap(), BYTES);
        // and a folder of the target
        fs::remove_file(place.source()).unwrap();
        fs::rename(victim.join("a.csv"), place.source()).unwrap();
        let place = Place {
            job: job(&place.drop, "run/a.csv", BYTES),
            ..place
        };
        symlink(&victim, place.done.join("run")).unwrap();
        assert_eq!(place.perform().is_err(), moves, "tried again");
        assert_eq!(fs::read_dir(&victim).unwrap().count(), 0);
    }
}

#[test]
fn nothing_in_the_new_folder_is_overwritten_and_the_same_content_is_not_kept_twice() {
    for across in [false, true] {
        let place = |moves| {
            if across {
                Place::across(moves)
            } else {
                Some(Place::new(moves))
            }
        };
        let Some(taken) = place(true) else { return };
        fs::create_dir(taken.done.join("run")).unwrap();
        // of the same size
        let other: Vec<u8> = BYTES.iter().rev().copied().collect();
        fs::write(taken.target(), &other).unwrap();
        symlink("nowhere", taken.done.join("run/a-1.csv")).unwrap();
        taken.acts();
        taken.holds(&[("done/run/a-2.csv", BYTES), ("done/run/a.csv", &other)]);

        let Some(same) = place(true) else { return };
        fs::create_dir(same.done.join("run")).unwrap();
        fs::write(same.target(), BYTES).unwrap();
        same.acts();
        same.holds(&[("done/run/a.csv", BYTES)]);
    }
    assert_eq!(numbered("a.tar.gz".as_ref(), 2), "a.tar-2.gz");
    assert_eq!(numbered(".a".as_ref(), 1), ".a-1");
    assert_eq!(numbered("a".as_ref(), 0), "a");
}

#[test]
fn bytes_that_are_not_those_of_the_table_do_not_cross_file_systems() {
    let Some(mut place) = Place::across(true) else {
        return;
    };
    let sums = Sums {
        crc32c: 0,
        md5: Some(md5(b"something else")),
    };
    place.job.state = State::Registered(RemoteId::new("r"), sums);
    place.leaves();
    place.holds(&[("drop/run/a.csv", BYTES)]);
}

#[test]
fn a_target_that_is_not_there_or_leads_back_is_tried_again() {
    let place = Place::new(true);
    fs::remove_dir(&place.done).unwrap();
    assert!(
        place
            .perform()
            .unwrap_err()
            .contains("make it, or mount it")
    );
    symlink(place.drop.join("run"), &place.done).unwrap();
    assert!(place.perform().unwrap_err().contains("leads into"));
    fs::remove_file(&place.done).unwrap();
    fs::create_dir(&place.done).unwrap();
    place.acts();
}

#[test]
fn an_empty_mount_point_is_no_deleted_file() {
    let mut place = Place::new(false);
    fs::remove_dir_all(place.drop.join("run")).unwrap();
    place.job.seen.dev += 1;
    assert!(place.perform().unwrap_err().contains("not mounted"));
    place.job.seen.dev -= 1;
    place.acts();
}

#[test]
fn renaming_in_two_steps_overwrites_nothing_either() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    fs::write(&a, "a").unwrap();
    fs::write(&b, "b").unwrap();
    let folder = folder(dir.path());
    let step =
        |old: &str, new: &str| hand::by_two_names(&folder, old.as_ref(), &folder, new.as_ref());
    assert_eq!(step("a", "b"), Err(rustix::io::Errno::EXIST));
    assert_eq!(step("a", "c"), Ok(()));
    assert!(!a.exists());
    assert_eq!(fs::read(dir.path().join("c")).unwrap(), b"a");
    // a name that was taken between the look and the renaming
    let content = super::place::Content {
        size: 1,
        md5: md5(b"a"),
    };
    let named = settle(&folder, "c".as_ref(), "b".as_ref(), content).unwrap();
    assert_eq!(named, "b-1");
}

#[test]
fn check_tells_whether_the_action_could_be_done() {
    let place = Place::new(true);
    let file = place.drop.join("../config.toml");
    let text = format!(
        "[[watch]]\nname = \"w\"\ntable = \"a.b.c\"\npath = {:?}\n",
        place.drop
    );
    fs::write(&file, text).unwrap();
    let config = crate::config::load(&file, &Environment::default()).unwrap();
    let mut watch = config.watches[0].clone();
    assert_eq!(check(&watch), [""; 0]);
    watch.after_upload = AfterUpload::Move(place.done.clone());
    let said = check(&watch);
    let right = |line: &String| line.ends_with("is writable for the after-action");
    assert!(said.len() == 2 && said.iter().all(right), "{said:?}");
    watch.after_upload = AfterUpload::Move(place.done.join("not there"));
    assert!(check(&watch)[1].contains("make it, or mount it"));
}
