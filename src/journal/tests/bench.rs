//! A journal of its own for each test, and what goes into it.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::super::*;
use crate::job::{Fingerprint, Job, Kind, Naming, Sighting, StateName, Template, WatchName};

pub struct Bench {
    pub _folder: tempfile::TempDir,
    pub path: PathBuf,
    pub journal: Option<Journal>,
}

impl Bench {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        let journal = Some(Journal::open(&path).unwrap());
        Self {
            _folder: folder,
            path,
            journal,
        }
    }

    pub fn journal(&self) -> Journal {
        self.journal.clone().unwrap()
    }

    /// As after a restart. The writer lets go of the lock when its last handle is gone.
    pub fn reopen(&mut self) {
        self.journal = None;
        self.journal = Some(loop {
            match Journal::open(&self.path) {
                Err(OpenError::Held { .. }) => std::thread::yield_now(),
                other => break other.unwrap(),
            }
        });
    }

    /// Behind the journal's back.
    pub fn edit(&self, sql: &str) {
        let connection = rusqlite::Connection::open(&self.path).unwrap();
        connection.execute(sql, []).unwrap();
    }

    pub fn jobs(&self) -> Vec<Job> {
        let mut jobs = Vec::new();
        let reader = Reader::open(&self.path).unwrap();
        reader
            .jobs(&Filter::default(), |row| {
                jobs.push(row.job);
                true
            })
            .unwrap();
        jobs
    }

    pub fn enqueue(&self, files: &[(&str, u64)]) -> usize {
        let files = files
            .iter()
            .map(|(name, ino)| NewJob {
                sighting: sighting(name, *ino),
                remote_name: (*name).into(),
            })
            .collect();
        self.journal()
            .enqueue(&watch(), "lab.data.raw", files, now())
            .unwrap()
    }
}

pub fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

pub fn watch() -> WatchName {
    WatchName::new("w")
}

pub fn sighting(name: &str, ino: u64) -> Sighting {
    let seen = Fingerprint {
        dev: u64::MAX,
        ino,
        size: 1 << 40,
        mtime_ns: -1,
        ctime_ns: i64::MAX,
    };
    Sighting {
        path: Path::new(name).into(),
        seen,
    }
}

pub fn configured(path: &str, table: &str) -> Configured {
    Configured {
        account: "redivis".into(),
        endpoint: "https://redivis.com/api/v1".into(),
        path: path.into(),
        table: table.into(),
        kind: Kind::Files,
        naming: Naming {
            template: Template::default(),
            watch: watch(),
            host: "host".into(),
        },
        leaves_existing: false,
    }
}

pub fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

pub fn claim(journal: &Journal, queue: Queue) -> Vec<Job> {
    block(journal.claim(queue, &watch(), 10, now())).unwrap()
}

pub fn record(
    journal: &Journal,
    from: StateName,
    job: Job,
    hold: Hold,
) -> Result<bool, JournalError> {
    let entry = Entry {
        job,
        from,
        hold,
        error: None,
        note: String::new(),
    };
    block(journal.record(entry, now()))
}
