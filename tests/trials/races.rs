//! Parents and files that are swapped for links to the outside, while they are opened, looked at and listed.

use std::collections::HashSet;
use std::fs;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use redivis_drop::beneath::{Listing, OpenError, Root};
use rustix::fs::{CWD, Mode, OFlags, RenameFlags};

use crate::chance::Chance;
use crate::scale::so_many;

/// Without `REDIVIS_DROP_RACES`.
const RACES: u64 = 30_000;

/// Longer is no race, however many it is to be.
const LONGEST: Duration = Duration::from_mins(10);

/// Until both sides have won at times, a small race may go on for so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Parents and the file itself, each below the one before.
const WAY: [&str; 3] = ["parent", "folder", "file"];

/// Inside and outside, of the same length.
const INSIDE: &str = "belongs to the drop folder";
const OUTSIDE: &str = "somebody else's, outside!!";

/// What came of the calls of one kind.
#[derive(Debug, Default)]
struct Tally {
    /// It led to what lies inside.
    inside: u64,
    /// A link was in the way.
    refused: u64,
    /// For another reason.
    other: u64,
}

#[test]
fn in_races_with_swapped_parents_and_files_nothing_outside_is_opened_or_listed() {
    let races = so_many("REDIVIS_DROP_RACES", RACES);
    let seed = Chance::seed();
    eprintln!("REDIVIS_DROP_SEED={seed} REDIVIS_DROP_RACES={races}");
    let place = Place::new();
    let done = AtomicBool::new(false);
    let swaps = AtomicU64::new(0);
    let began = Instant::now();
    let (mut opened, mut looked, mut listed) = <(Tally, Tally, Tally)>::default();
    let mut rounds = 0;
    thread::scope(|scope| {
        let _end = SetOnDrop(&done);
        scope.spawn(|| place.swap(Chance::new(seed), &done, &swaps));
        let mut chance = Chance::new(seed).branch(1);
        let both = |tally: &Tally| tally.inside.min(tally.refused) > 0;
        while (rounds < races && began.elapsed() < LONGEST)
            || (![&opened, &looked, &listed].into_iter().all(both) && began.elapsed() < PATIENCE)
        {
            rounds += 1;
            opened.count(&place.open());
            match chance.within(0..4) {
                0 => looked.count(&place.look()),
                1 => listed.count(&place.list(Path::new("parent"), "folder")),
                2 => listed.count(&place.list(Path::new("parent/folder"), "file")),
                _ => {}
            }
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    let swaps = swaps.into_inner();
    #[expect(
        clippy::cast_precision_loss,
        reason = "a rate that is printed and no more"
    )]
    let rate = rounds as f64 / seconds;
    eprintln!(
        "{rounds} races in {seconds:.1} s, {rate:.0} a second, against {swaps} swaps\n\
         opened: {opened:?}\nlooked at: {looked:?}\nlisted: {listed:?}"
    );
    for tally in [opened, looked, listed] {
        // or it was no race
        assert!(tally.inside > 0 && tally.refused > 0, "{tally:?}");
        assert_eq!(tally.other, 0, "only a link is in the way");
    }
}

/// Ends the other side of a race, also when this side fails.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Tally {
    fn count(&mut self, result: &Result<(), OpenError>) {
        match result {
            Ok(()) => self.inside += 1,
            Err(OpenError::NotAFile(_)) => self.refused += 1,
            Err(_) => self.other += 1,
        }
    }
}

/// A drop folder and what lies outside of it, with the same names in both. Beside each parent and the file
/// there is a link to its counterpart outside, and one to another place inside; they change places.
struct Place {
    _dir: tempfile::TempDir,
    root: Root,
    /// Each of the real folders that something is swapped in, wherever their names lead at the moment.
    folders: Vec<OwnedFd>,
    /// The one file that may be seen.
    ino: u64,
    /// Names that may be listed.
    names: HashSet<String>,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (drop, outside) = (dir.path().join("drop"), dir.path().join("outside"));
        let way: std::path::PathBuf = WAY[..2].iter().collect();
        for (top, content) in [(&drop, INSIDE), (&outside, OUTSIDE)] {
            fs::create_dir_all(top.join(&way)).unwrap();
            fs::write(top.join(&way).join("file"), content).unwrap();
        }
        fs::write(outside.join("parent/secret"), OUTSIDE).unwrap();
        fs::write(outside.join("parent/folder/secret"), OUTSIDE).unwrap();
        fs::create_dir_all(drop.join("elsewhere/folder")).unwrap();
        fs::write(drop.join("elsewhere/folder/file"), OUTSIDE).unwrap();
        fs::write(drop.join("elsewhere/folder/secret"), OUTSIDE).unwrap();
        let (mut at, mut folders) = (Path::new("").to_owned(), Vec::new());
        let mut names = HashSet::new();
        for name in WAY {
            let folder = drop.join(&at);
            let real = at.join(name);
            symlink(outside.join(&real), folder.join(format!("{name}-outside"))).unwrap();
            let other = drop
                .join("elsewhere")
                .join(real.strip_prefix("parent").unwrap());
            symlink(other, folder.join(format!("{name}-elsewhere"))).unwrap();
            names.extend([
                name.to_owned(),
                format!("{name}-outside"),
                format!("{name}-elsewhere"),
            ]);
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            folders.push(rustix::fs::openat(CWD, &folder, flags, Mode::empty()).unwrap());
            at = real;
        }
        Self {
            root: Root::open(&drop).unwrap(),
            ino: fs::metadata(drop.join(&at)).unwrap().ino(),
            folders,
            names,
            _dir: dir,
        }
    }

    /// Swaps one of them for a link and back, over and over. In the end everything is in its place.
    fn swap(&self, mut chance: Chance, done: &AtomicBool, swaps: &AtomicU64) {
        while !done.load(Ordering::Relaxed) {
            let which = chance.size(0..WAY.len());
            let (folder, name) = (&self.folders[which], WAY[which]);
            let link = format!("{name}-{}", chance.one_of(&["outside", "elsewhere"]));
            for _ in 0..2 {
                rustix::fs::renameat_with(folder, name, folder, &*link, RenameFlags::EXCHANGE)
                    .unwrap();
                swaps.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn open(&self) -> Result<(), OpenError> {
        let mut open = self.root.open_file(Path::new("parent/folder/file"))?;
        let mut text = String::new();
        open.file.read_to_string(&mut text).unwrap();
        assert_eq!(text, INSIDE, "another file was read");
        assert_eq!(open.seen.ino, self.ino, "another file was opened");
        Ok(())
    }

    fn look(&self) -> Result<(), OpenError> {
        let (seen, _) = self.root.stat(Path::new("parent/folder/file"))?;
        assert_eq!(seen.ino, self.ino, "another file was looked at");
        Ok(())
    }

    /// What lies in a folder that holds `name`, sees it swapped, and holds nothing else.
    fn list(&self, folder: &Path, name: &str) -> Result<(), OpenError> {
        let listing: Listing = self.root.list(folder)?;
        for entry in listing {
            let entry = entry.unwrap().name.into_string().unwrap();
            assert!(
                entry.starts_with(name) && self.names.contains(&entry),
                "{entry} lies outside"
            );
        }
        Ok(())
    }
}
