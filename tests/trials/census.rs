//! What lies in the drop folder, against what the journal has of it.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Stdio;

use jiff::Timestamp;
use serde::Deserialize;
use walkdir::WalkDir;

use crate::lab::Lab;

/// So many paths of each kind are named.
const NAMED: usize = 20;

/// A version of a file, as far as `jobs --json` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    size: u64,
    mtime: Timestamp,
}

/// A line of `jobs --json`, as much as is asked here.
#[derive(Deserialize)]
struct Job {
    path: String,
    size: u64,
    mtime: Timestamp,
    state: String,
    created_at: Timestamp,
}

/// What a census found.
#[derive(Debug, Default)]
pub struct Census {
    /// Files that are there now.
    pub files: u64,
    pub jobs: u64,
    /// Files without a live job of the version that is there now.
    pub missing: u64,
    /// Files of whose version that is there now live jobs are more than one.
    pub twice: u64,
    /// Jobs of earlier versions of files that are there: given up, or carried before the next version came.
    pub earlier: u64,
    /// Of these, jobs that wait to be carried all the same.
    pub outdated: u64,
    /// Jobs of files that lie elsewhere now: their folder was renamed when they had settled.
    pub elsewhere: u64,
    /// When the last version that is there now was recorded.
    pub last: Option<Timestamp>,
    named: Vec<String>,
}

impl Census {
    /// Counts now. The drop folder is quiet.
    pub fn take(lab: &Lab) -> Self {
        let mut there: HashMap<String, (Version, u64)> = HashMap::new();
        Self::each_file(lab, |name, path| {
            there.insert(name.to_owned(), (Version::of(path), 0));
        });
        let mut census = Self {
            files: there.len() as u64,
            ..Self::default()
        };
        each_job(lab, |job| census.count(job, &mut there));
        for (path, (version, jobs)) in there {
            if jobs == 0 {
                census.missing += 1;
                census.name(format!("not enqueued: {path} {version:?}"));
            } else if jobs > 1 {
                census.twice += 1;
                census.name(format!("{jobs} times: {path} {version:?}"));
            }
        }
        census
    }

    /// Every file that is to be carried: its path below the drop folder, and its whole path.
    pub fn each_file(lab: &Lab, mut take: impl FnMut(&str, &Path)) {
        for entry in WalkDir::new(&lab.drop_folder) {
            let entry = entry.unwrap();
            let path = entry.path().strip_prefix(&lab.drop_folder).unwrap();
            if entry.file_type().is_file() && is_wanted(path) {
                take(path.to_str().unwrap(), entry.path());
            }
        }
    }

    fn count(&mut self, job: &Job, there: &mut HashMap<String, (Version, u64)>) {
        self.jobs += 1;
        let given_up = matches!(&*job.state, "superseded" | "missing");
        let Some((version, jobs)) = there.get_mut(&job.path) else {
            self.elsewhere += 1;
            return;
        };
        let of = Version {
            size: job.size,
            mtime: job.mtime,
        };
        if *version != of {
            self.earlier += 1;
            if !given_up && job.state != "done" {
                self.outdated += 1;
                self.name(format!("an earlier version is {}: {}", job.state, job.path));
            }
        } else if !given_up {
            *jobs += 1;
            self.last = self.last.max(Some(job.created_at));
        }
    }

    fn name(&mut self, what: String) {
        if self.named.len() < NAMED {
            self.named.push(what);
        }
    }

    /// Each file that is there has exactly one job, which is about the version that is there.
    pub fn is_right(&self) -> bool {
        (self.missing, self.twice, self.outdated) == (0, 0, 0)
    }

    /// Some of the files that are not as they should be.
    pub fn wrong(&self) -> &[String] {
        &self.named
    }
}

impl Version {
    fn of(path: &Path) -> Self {
        let stat = path.symlink_metadata().unwrap();
        let mtime = i128::from(stat.mtime()) * 1_000_000_000 + i128::from(stat.mtime_nsec());
        Self {
            size: stat.size(),
            mtime: Timestamp::from_nanosecond(mtime).unwrap(),
        }
    }
}

/// Whether the default patterns leave the path in.
fn is_wanted(path: &Path) -> bool {
    path.iter().all(|name| {
        let name = name.to_string_lossy();
        !name.starts_with('.') && !name.ends_with(".tmp") && !name.ends_with(".part")
    })
}

/// Reads `jobs --json` line by line: there may be millions.
fn each_job(lab: &Lab, mut take: impl FnMut(&Job)) {
    let mut listing = lab
        .command(&["jobs", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    for line in BufReader::new(listing.stdout.take().unwrap()).lines() {
        take(&serde_json::from_str(&line.unwrap()).unwrap());
    }
    assert!(listing.wait().unwrap().success());
}
