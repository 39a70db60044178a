//! What may be opened, what never is, and a race for what must not be.

use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode};

use super::*;

/// A drop folder beside a secret that lies outside of it.
struct Place {
    _dir: tempfile::TempDir,
    drop: PathBuf,
    outside: PathBuf,
    root: Root,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let drop = dir.path().join("drop");
    let outside = dir.path().join("outside");
    fs::create_dir_all(drop.join("sub")).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    fs::write(drop.join("sub/file"), "hello").unwrap();
    let root = Root::open(&drop).unwrap();
    Place {
        _dir: dir,
        drop,
        outside,
        root,
    }
}

/// Ends the other side of a race, also when this side fails.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn make_pipe(path: &Path) {
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
}

fn outcome<T>(result: Result<T, OpenError>) -> String {
    match result {
        Ok(_) => "opened".into(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_regular_file_is_opened_and_told_apart_from_its_next_version() {
    let place = place();
    let mut open = place.root.open_file(Path::new("sub/file")).unwrap();
    let mut text = String::new();
    open.file.read_to_string(&mut text).unwrap();
    assert_eq!((text.as_str(), open.links, open.seen.size), ("hello", 1, 5));
    assert_eq!(fingerprint(&open.file).unwrap(), (open.seen, 1));
    assert_eq!(
        place.root.stat(Path::new("sub/file")).unwrap(),
        (open.seen, 1)
    );

    fs::hard_link(place.drop.join("sub/file"), place.drop.join("second name")).unwrap();
    fs::write(place.drop.join("sub/file"), "hello, world").unwrap();
    let (now, links) = fingerprint(&open.file).unwrap();
    assert_eq!((now.size, links), (12, 2));
    assert_ne!(now, open.seen);
}

#[test]
fn links_pipes_sockets_folders_and_ways_out_are_refused_at_once() {
    let place = place();
    let Place { drop, outside, .. } = &place;
    symlink(outside.join("secret"), drop.join("link")).unwrap();
    symlink("sub/file", drop.join("inner link")).unwrap();
    symlink(outside, drop.join("linked folder")).unwrap();
    make_pipe(&drop.join("pipe"));
    assert!(
        fs::metadata(drop.join("pipe"))
            .unwrap()
            .file_type()
            .is_fifo()
    );
    let _listening = UnixListener::bind(drop.join("socket")).unwrap();

    let link = "it is a link or behind one, not a regular file";
    for (path, want) in [
        ("sub/file", "opened"),
        ("link", link),
        ("inner link", link),
        ("linked folder/secret", link),
        ("../outside/secret", link),
        ("/etc/hostname", link),
        ("/proc/self/exe", link),
        ("pipe", "it is a FIFO, not a regular file"),
        ("socket", "it is a socket, not a regular file"),
        ("sub", "it is a folder, not a regular file"),
        ("", "it is a folder, not a regular file"),
        ("nothing", "it is gone"),
        ("sub/file/below", "it is gone"),
    ] {
        let path = Path::new(path);
        let begun = Instant::now();
        assert_eq!(outcome(place.root.open_file(path)), want, "open {path:?}");
        assert_eq!(outcome(place.root.stat(path)), want, "stat {path:?}");
        assert!(begun.elapsed() < Duration::from_secs(1), "{path:?} blocks");
    }
    assert_eq!(outcome(place.root.list(Path::new("linked folder"))), link);
}

#[test]
fn a_pipe_that_is_swapped_in_after_the_first_look_neither_blocks_nor_opens() {
    let place = place();
    let pipe = place.drop.join("pipe");
    make_pipe(&pipe);
    // What open_file does after its first look, with the pipe already in place.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = place.root.resolve(Path::new("pipe"), flags).unwrap();
    assert!(matches!(
        regular(opened),
        Err(OpenError::NotAFile(Kind::Pipe))
    ));
}

#[test]
fn a_parent_swapped_for_a_link_never_leads_outside() {
    let place = place();
    let Place { drop, outside, .. } = &place;
    fs::write(outside.join("file"), "secret").unwrap();
    symlink(outside, drop.join("link")).unwrap();
    let done = AtomicBool::new(false);
    let (mut opened, mut refused, mut rounds) = (0, 0, 0);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // `sub` is by turns the real folder and a link to the one outside.
            let (sub, link) = (drop.join("sub"), drop.join("link"));
            while !done.load(Ordering::Relaxed) {
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(CWD, &sub, CWD, &link, flags).unwrap();
            }
        });
        let _end = SetOnDrop(&done);
        // Go on until both sides have won at times, so that it was a race.
        while rounds < 20_000 || (opened.min(refused) == 0 && begun.elapsed().as_secs() < 20) {
            rounds += 1;
            match place.root.open_file(Path::new("sub/file")) {
                Ok(mut open) => {
                    let mut text = String::new();
                    open.file.read_to_string(&mut text).unwrap();
                    assert_eq!(text, "hello", "a file outside of the root was read");
                    opened += 1;
                }
                Err(_) => refused += 1,
            }
            if let Ok(listing) = place.root.list(Path::new("sub")) {
                for entry in listing {
                    assert_ne!(entry.unwrap().name, "secret", "a folder outside was listed");
                }
            }
        }
    });
    assert!(
        opened > 0 && refused > 0,
        "{opened} opened, {refused} refused"
    );
}

#[test]
fn a_listing_names_every_entry_and_says_what_it_is() {
    let place = place();
    let odd = OsStr::from_bytes(b"no \xff text");
    fs::write(place.drop.join(odd), "").unwrap();
    symlink("sub", place.drop.join("link")).unwrap();
    let mut entries: Vec<_> = place
        .root
        .list(Path::new(""))
        .unwrap()
        .map(|entry| entry.map(|entry| (entry.name, entry.guess)).unwrap())
        .collect();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        entries,
        [
            ("link".into(), Guess::Other),
            (odd.to_os_string(), Guess::File),
            ("sub".into(), Guess::Folder)
        ]
    );
}

#[test]
fn a_replaced_root_has_another_identity() {
    let place = place();
    let before = place.root.identity().unwrap();
    assert_eq!(Root::open(&place.drop).unwrap().identity().unwrap(), before);
    fs::rename(&place.drop, place.outside.join("moved")).unwrap();
    fs::create_dir(&place.drop).unwrap();
    assert_ne!(Root::open(&place.drop).unwrap().identity().unwrap(), before);
    assert_eq!(place.root.identity().unwrap(), before);
}

#[test]
fn times_beyond_what_fits_are_no_panic() {
    for (seconds, want) in [
        (0, 7),
        (1, 1_000_000_007),
        (-1, -999_999_993),
        (i64::MAX, i64::MAX),
        (i64::MIN, i64::MIN + 7),
    ] {
        assert_eq!(nanoseconds(seconds, 7), want);
    }
}

#[test]
fn whether_a_file_may_be_read_is_asked_without_opening_it() {
    let place = place();
    symlink(place.outside.join("secret"), place.drop.join("sub/link")).unwrap();
    symlink(&place.outside, place.drop.join("way")).unwrap();
    let file = place.drop.join("sub/file");
    for (mode, want) in [(0o400, true), (0o000, rustix::process::geteuid().is_root())] {
        fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
        assert_eq!(place.root.may_read(Path::new("sub/file")).unwrap(), want);
    }
    for (path, want) in [
        ("sub/missing", "it is gone"),
        (
            "way/secret",
            "it is a link or behind one, not a regular file",
        ),
        (
            "../outside/secret",
            "it is a link or behind one, not a regular file",
        ),
    ] {
        assert_eq!(
            outcome(place.root.may_read(Path::new(path))),
            want,
            "{path}"
        );
    }
}
