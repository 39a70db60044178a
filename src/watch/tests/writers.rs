//! Open files of this process and of another one, seen by each means.

use std::process::Command;

use super::*;

struct Place {
    dir: tempfile::TempDir,
    root: Root,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "text").unwrap();
        let root = Root::open(dir.path()).unwrap();
        Self { dir, root }
    }

    fn sighting(&self) -> Sighting {
        sighting(&self.root, "file")
    }

    fn open(&self) -> File {
        let path = self.dir.path().join("file");
        File::options().append(true).open(path).unwrap()
    }

    /// Whether leases work here.
    fn has_leases(&self) -> bool {
        let root = Root::open(self.dir.path()).unwrap();
        root.has_leases(Path::new("")).unwrap()
    }
}

fn sighting(root: &Root, name: &str) -> Sighting {
    let (seen, _) = root.stat(Path::new(name)).unwrap();
    let path = name.into();
    Sighting { path, seen }
}

#[test]
fn a_lease_tells_for_certain_and_processes_only_what_is_open() {
    let place = Place::new();
    let unleased = [(Means::Processes, Writer::Unknown)];
    let leased = [(Means::Lease, Writer::Absent)];
    let leased = leased.into_iter().filter(|_| place.has_leases());
    for (means, nobody) in unleased.into_iter().chain(leased) {
        let ask = || {
            let mut writers = Writers::new(means);
            writers.ask(&place.root, &place.sighting(), Instant::now())
        };
        assert_eq!(ask(), Some(nobody), "{means:?}");
        let _reader = File::open(place.dir.path().join("file")).unwrap();
        assert_eq!(ask(), Some(nobody), "{means:?}: a reader is no writer");
        let writer = place.open();
        assert_eq!(ask(), Some(Writer::Present), "{means:?}");
        drop(writer);
        assert_eq!(ask(), Some(nobody), "{means:?}");
    }
}

#[test]
fn without_any_means_nothing_is_known() {
    let place = Place::new();
    let _writer = place.open();
    let mut writers = Writers::new(Means::Nothing);
    let answer = writers.ask(&place.root, &place.sighting(), Instant::now());
    assert_eq!(answer, Some(Writer::Unknown));
}

#[test]
fn another_version_or_none_is_to_be_looked_at_again() {
    let place = Place::new();
    let before = place.sighting();
    fs::write(place.dir.path().join("file"), "another text").unwrap();
    let mut writers = Writers::new(Means::Lease);
    assert_eq!(writers.ask(&place.root, &before, Instant::now()), None);
    let before = place.sighting();
    fs::remove_file(place.dir.path().join("file")).unwrap();
    assert_eq!(writers.ask(&place.root, &before, Instant::now()), None);
}

#[test]
fn the_open_files_are_read_once_for_many_and_again_for_a_later_version() {
    let place = Place::new();
    let mut writers = Writers::new(Means::Processes);
    let before = Instant::now();
    let read_at = writers.processes(before).read_at;
    for _ in 0..100 {
        writers.ask(&place.root, &place.sighting(), before);
    }
    let again = writers.open.as_ref().unwrap().read_at;
    assert!(again == read_at || again - read_at >= FRESH);
    assert!(writers.processes(Instant::now()).read_at > again);
    // What is read is not kept for long.
    let old = Instant::now().checked_sub(FRESH).unwrap();
    writers.open = Some(OpenFiles::none(old));
    assert!(writers.processes(old).read_at > old);
}

#[test]
fn only_descriptors_that_may_write_count() {
    for (description, want) in [
        (
            "pos:\t0\nflags:\t0100001\nmnt_id:\t29\nino:\t77\n",
            Some(77),
        ),
        (
            "pos:\t0\nflags:\t02100002\nmnt_id:\t29\nino:\t77\n",
            Some(77),
        ),
        ("pos:\t0\nflags:\t0100000\nmnt_id:\t29\nino:\t77\n", None),
        ("pos:\t0\nflags:\t010000000\nmnt_id:\t29\nino:\t77\n", None),
        ("pos:\t0\nflags:\t0100001\nmnt_id:\t29\n", None),
        ("flags:\t9\nino:\t77\n", None),
        ("", None),
    ] {
        assert_eq!(inode_written(description), want, "{description:?}");
    }
}

/// Runs itself again as a user who has no privilege, and asks about a file of another user.
#[test]
fn a_lease_on_another_users_file_is_refused_and_that_is_told() {
    if rustix::process::geteuid().is_root() {
        let output = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "watch::writers::tests::a_lease_on_another_users_file_is_refused_and_that_is_told",
            ])
            .output();
        match output {
            Ok(output) if !String::from_utf8_lossy(&output.stdout).contains("running 1 test") => {
                eprintln!("skipped: no other user can run this test");
            }
            Err(error) => eprintln!("skipped: setpriv: {error}"),
            Ok(output) => assert!(output.status.success(), "{output:?}"),
        }
        return;
    }
    let root = Root::open(Path::new("/etc")).unwrap();
    if !root.has_leases(Path::new("")).unwrap() {
        eprintln!("skipped: no leases on this file system");
        return;
    }
    let mut writers = Writers::new(Means::Lease);
    assert_eq!(writers.explain("why"), "why");
    let answer = writers.ask(&root, &sighting(&root, "passwd"), Instant::now());
    assert_eq!(answer, Some(Writer::Unknown));
    let told = writers.explain("why");
    assert!(
        told.starts_with("why; ") && told.contains("CAP_LEASE"),
        "{told}"
    );
    writers.clear();
    assert_eq!(writers.explain("why"), "why");
}
