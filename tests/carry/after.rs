//! What becomes of files that are in their table: deleted or moved, whenever the daemon is killed, and none is ever
//! lost by it.
//!
//! ```text
//! REDIVIS_DROP_AFTER_KILLS=200 cargo test --test carry after -- --nocapture
//! ```

mod disks;
mod hangs;
#[cfg(debug_assertions)]
mod kills;
mod power;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use redivis_drop::sandbox::Call;
use tempfile::TempDir;
use walkdir::WalkDir;

use crate::lab::{Holding, Lab, Plan, holding};
use crate::process::wait_until;

/// What is done with the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Delete,
    Move,
    /// To another file system.
    Across,
}

const ALL: [After; 3] = [After::Delete, After::Move, After::Across];

/// Empty, read at once, and copied in several pieces.
const SIZES: [usize; 3] = [0, 1_000, 700_000];

/// A laboratory in which nothing stays where it was dropped.
struct Scene {
    lab: Lab,
    after: After,
    done: PathBuf,
    wanted: Vec<Holding>,
    _dir: Option<TempDir>,
}

impl Scene {
    /// `None`, loudly, where there is only one file system.
    fn new(after: After, more: &str) -> Option<Self> {
        let lab = Lab::new();
        let dir = match after {
            After::Across => match tempfile::tempdir_in("/dev/shm") {
                Ok(dir) => Some(dir),
                Err(error) => {
                    println!("skipped: there is no other file system: {error}");
                    return None;
                }
            },
            _ => None,
        };
        let done = dir
            .as_ref()
            .map_or_else(|| lab.elsewhere("done"), |dir| dir.path().join("done"));
        fs::create_dir(&done).unwrap();
        let scene = Self {
            lab,
            after,
            done,
            wanted: Vec::new(),
            _dir: dir,
        };
        scene.configure(more);
        Some(scene)
    }

    fn configure(&self, more: &str) {
        let after = match self.after {
            After::Delete => "after_upload = \"delete\"".to_owned(),
            _ => format!(
                "after_upload = \"move\"\nmove_to = \"{}\"",
                self.done.display()
            ),
        };
        let watch: &'static str = format!("{after}\n{more}").leak();
        let plan = Plan {
            watch,
            ..Plan::default()
        };
        self.lab.configure(&plan, &self.lab.endpoint());
    }

    fn drop_file(&mut self, name: &str, size: usize, seed: u64) {
        let held = self.lab.drop_file(name, size, seed);
        self.wanted.push(held);
    }

    /// At any moment: each file is here or there, or, when it is to be deleted, in the table with equal md5.
    fn nothing_is_missing(&self) {
        let there = [sums(&self.lab.drop_folder), sums(&self.done)];
        let table = self.lab.registered();
        for file in &self.wanted {
            let content = (file.1, file.2.clone());
            let deleted = self.after == After::Delete && table.contains(file);
            let found = there.iter().any(|sums| sums.contains(&content));
            assert!(
                found || deleted,
                "{file:?} is nowhere: {:?}",
                self.lab.jobs()
            );
        }
    }

    /// In the end: all are in the table, and here none, or there each once, and no private name anywhere.
    fn all_is_done(&self) {
        self.lab.expect(self.wanted.clone());
        assert_eq!(files(&self.lab.drop_folder), [""; 0]);
        if self.after == After::Delete {
            return;
        }
        let mut there: Vec<_> = files(&self.done)
            .into_iter()
            .map(|name| holding(&name, &self.done.join(&name)))
            .collect();
        let mut wanted = self.wanted.clone();
        there.sort();
        wanted.sort();
        assert_eq!(there, wanted);
    }
}

/// Every file below a folder, by its path.
fn files(root: &Path) -> Vec<String> {
    let entries = WalkDir::new(root).sort_by_file_name().into_iter().flatten();
    let files = entries.filter(|entry| entry.file_type().is_file());
    files
        .map(|entry| {
            entry
                .path()
                .strip_prefix(root)
                .unwrap()
                .display()
                .to_string()
        })
        .collect()
}

fn sums(root: &Path) -> BTreeSet<(u64, String)> {
    let of = |name: String| {
        let (_, size, md5) = holding(&name, &root.join(&name));
        (size, md5)
    };
    files(root).into_iter().map(of).collect()
}

#[test]
fn what_is_in_the_table_is_deleted_or_moved_and_nothing_else() {
    for after in ALL {
        let Some(mut scene) = Scene::new(after, "include = [\"**/*.csv\"]") else {
            continue;
        };
        for (seed, size) in (1..).zip(SIZES) {
            scene.drop_file(&format!("a/{seed}/file.csv"), size, seed);
        }
        let other = scene.lab.path("a/notes.txt");
        fs::write(&other, "not wanted").unwrap();
        scene.lab.carry_all();
        assert_eq!(fs::read(&other).unwrap(), b"not wanted");
        fs::remove_file(other).unwrap();
        scene.all_is_done();
        assert!(
            scene.lab.path("a/1/x").parent().unwrap().is_dir(),
            "folders stay"
        );
        let job = scene.lab.job("a/2/file.csv");
        assert_eq!(job["state"], "done");
        let shown = scene.lab.output(&["jobs", "show", &job["id"].to_string()]);
        let shown = String::from_utf8(shown.stdout).unwrap();
        let how = if after == After::Delete {
            "was deleted here"
        } else {
            "was moved to"
        };
        assert!(
            shown.contains(how) && shown.contains("registered"),
            "{shown}"
        );
        // the same content again is not sent, and does not stay either
        let before = scene.lab.report().bytes_received;
        scene.lab.drop_file("a/2/file.csv", SIZES[1], 2);
        scene.lab.carry_all();
        scene.all_is_done();
        assert_eq!(scene.lab.report().bytes_received, before);
    }
}

/// That the table had it once is no proof that it has it now.
#[test]
fn the_same_content_again_goes_only_if_the_table_still_has_it() {
    for (after, more) in [
        (After::Delete, ""),
        (After::Move, ""),
        (After::Delete, "adopt_existing = false"),
    ] {
        let mut scene = Scene::new(after, more).unwrap();
        for (seed, name) in (1..).zip(["removed", "still there"]) {
            scene.drop_file(name, 5_000, seed);
        }
        scene.lab.carry_all();
        scene.all_is_done();
        scene.lab.rewrite_the_books(|entries| {
            entries.retain(|entry| entry["file"]["name"] != "removed");
        });
        scene.configure(more);
        for (seed, name) in (1..).zip(["removed", "still there"]) {
            scene.lab.drop_file(name, 5_000, seed);
        }
        scene.lab.carry_all();
        scene.all_is_done();
        let report = scene.lab.report();
        let requests = [Call::Put, Call::List].map(|call| report.requests(call));
        assert_eq!(requests, [1, 1], "{after:?} {more}");
    }
}

#[test]
fn what_cannot_be_moved_now_waits_with_the_reason_and_a_version_that_came_meanwhile_goes_too() {
    let mut scene = Scene::new(After::Move, "").unwrap();
    fs::remove_dir(&scene.done).unwrap();
    scene.drop_file("stays", 1_000, 1);
    scene.drop_file("changes", 1_000, 2);
    let daemon = scene.lab.start(&["run"]);
    wait_until("both wait with a reason", || {
        let jobs = scene.lab.jobs();
        let waits = |job: &&serde_json::Value| {
            let error = job["error"].as_str().unwrap_or_default();
            job["state"] == "registered" && error.contains("make it, or mount it")
        };
        jobs.iter().filter(waits).count() == 2
    });
    let status = scene.lab.status().unwrap().to_string();
    assert_eq!(
        files(&scene.lab.drop_folder),
        ["changes", "stays"],
        "{status}"
    );
    // the version that waits to be moved is no more
    scene.drop_file("changes", 2_000, 3);
    wait_until("the new version is in the table", || {
        scene.lab.registered().len() == 3
    });
    fs::create_dir(&scene.done).unwrap();
    wait_until("all are done", || scene.lab.total("done") == 3);
    assert_eq!(daemon.terminate().code, Some(0));
    scene.lab.expect(scene.wanted.clone());
    assert_eq!(files(&scene.lab.drop_folder), [""; 0]);
    assert_eq!(files(&scene.done), ["changes", "stays"]);
    let new = holding("changes", &scene.done.join("changes"));
    assert!(scene.wanted.contains(&new) && new.1 == 2_000);
}

#[test]
fn a_file_that_waits_for_its_after_action_is_kept_once_its_watch_keeps_files() {
    let mut scene = Scene::new(After::Move, "").unwrap();
    fs::remove_dir(&scene.done).unwrap();
    scene.drop_file("file", 1_000, 1);
    let ended = scene.lab.run_once();
    assert_eq!(ended.code, Some(3), "{}", ended.said);
    fs::create_dir(&scene.done).unwrap();
    scene.lab.configure(&Plan::default(), &scene.lab.endpoint());
    scene.lab.carry_all();
    assert_eq!(files(&scene.lab.drop_folder), ["file"]);
    assert_eq!(files(&scene.done), [""; 0]);
    assert_eq!(scene.lab.job("file")["state"], "done");
}

#[test]
fn the_emptied_folders_of_a_finished_set_go_and_no_others() {
    let settings = "release_on = \"Done.txt\"\nremove_empty_folders = true";
    for after in [After::Delete, After::Move] {
        let mut scene = Scene::new(after, settings).unwrap();
        for (seed, name) in (1..).zip(["2024/run/lane/1/a", "2024/run/b", "2024/run/Done.txt"]) {
            scene.drop_file(name, 100, seed);
        }
        let lab = &scene.lab;
        fs::create_dir_all(lab.drop_folder.join("2024/run 2/empty")).unwrap();
        lab.carry_all();
        scene.all_is_done();
        let left = |path: &str| scene.lab.drop_folder.join(path).is_dir();
        assert!(
            left("2024/run 2/empty") && left("2024"),
            "nothing of a set was there"
        );
        assert!(!left("2024/run"), "emptied");
    }
    // the root of a set is never removed when it is the drop folder
    let mut scene = Scene::new(After::Delete, settings).unwrap();
    scene.drop_file("Done.txt", 10, 1);
    scene.lab.carry_all();
    scene.all_is_done();
    assert!(scene.lab.drop_folder.is_dir());
}
