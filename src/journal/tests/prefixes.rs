//! A crash after every commit, and inside every commit: what is on disk then is opened again.

use std::collections::HashSet;
use std::fs;

use super::*;

/// The files of a journal as a crash would leave them, and what stood in them.
pub(super) struct Remains {
    pub files: Vec<(String, Vec<u8>)>,
    jobs: Vec<Job>,
}

impl Remains {
    /// While nobody writes.
    pub fn of(bench: &Bench) -> Self {
        // the shared memory is made anew from the WAL, and the lock is that of the process
        let files = ["journal.db", "journal.db-wal", "journal.db-count"];
        let files = files.into_iter().filter_map(|name| {
            let bytes = fs::read(bench.path.with_file_name(name)).ok()?;
            Some((name.to_owned(), bytes))
        });
        Self {
            files: files.collect(),
            jobs: bench.jobs(),
        }
    }

    /// The files, in a folder of their own.
    pub fn lay_out(&self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in &self.files {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        folder
    }

    /// The next daemon's view.
    fn open(&self) -> Bench {
        let folder = self.lay_out();
        let path = folder.path().join("journal.db");
        let journal = Some(Journal::open(&path).unwrap());
        Bench {
            _folder: folder,
            path,
            journal,
        }
    }

    fn wal(&self) -> &[u8] {
        let wal = self.files.iter().find(|(name, _)| name.ends_with("-wal"));
        wal.map_or(&[], |(_, bytes)| bytes)
    }

    fn with_wal(&self, wal: Vec<u8>) -> Self {
        let mut files = self.files.clone();
        files.retain(|(name, _)| !name.ends_with("-wal"));
        files.push(("journal.db-wal".into(), wal));
        let jobs = self.jobs.clone();
        Self { files, jobs }
    }

    /// Nothing lost, nothing invented, and every job that is not over is handed out once.
    fn check(&self, when: &str) {
        let mut bench = self.open();
        assert_eq!(bench.jobs(), self.jobs, "{when}");
        let once = dump(&bench.path);
        bench.reopen();
        assert_eq!(dump(&bench.path), once, "{when}: opened twice");
        let late = now() + SignedDuration::from_hours(9);
        let claim = |queue| block(bench.journal().claim(queue, &watch(), 1000, late)).unwrap();
        let claimed: Vec<_> = Queue::ALL.into_iter().flat_map(claim).collect();
        let ids: HashSet<_> = claimed.iter().map(|job| job.id).collect();
        assert_eq!(ids.len(), claimed.len(), "{when}: claimed twice");
        let open = self.jobs.iter().filter(|job| !job.state.name().is_final());
        assert_eq!(ids, open.map(|job| job.id).collect(), "{when}");
        let again: usize = Queue::ALL.into_iter().map(|queue| claim(queue).len()).sum();
        assert_eq!(again, 0, "{when}: claimed again");
        let versions: HashSet<_> = self.jobs.iter().map(|job| (&job.path, job.seen)).collect();
        assert_eq!(versions.len(), self.jobs.len(), "{when}: a version twice");
    }
}

/// Every row of what must not depend on how often the journal was opened.
fn dump(path: &Path) -> Vec<String> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut lines = Vec::new();
    for table in ["jobs", "history"] {
        let sql = format!("SELECT * FROM {table} ORDER BY rowid");
        let mut statement = connection.prepare(&sql).unwrap();
        let width = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values = (0..width).map(|at| row.get::<_, rusqlite::types::Value>(at).unwrap());
            lines.push(format!("{:?}", values.collect::<Vec<_>>()));
        }
    }
    lines
}

/// Lives through everything that a journal is told, with a look after each commit.
fn live(mut look: impl FnMut(&Bench, &str)) {
    let bench = Bench::new();
    look(&bench, "new");
    let configured = configured("/drop", "lab.data.raw");
    block(bench.journal().begin("1", vec![configured], now())).unwrap();
    look(&bench, "begun");
    for (number, way) in ways().into_iter().enumerate() {
        let name = format!("file {number}");
        bench.enqueue(&[(&name, 1)]);
        look(&bench, &format!("{name} enqueued"));
        let mut job = claim(&bench.journal(), Queue::Queued).remove(0);
        look(&bench, &format!("{name} claimed"));
        let mut free = true;
        for state in way {
            let from = std::mem::replace(&mut job.state, state).name();
            assert!(record(&bench.journal(), from, job.clone(), Hold::Keep).unwrap());
            look(&bench, &format!("{name} {}", job.state.name()));
            free = job.state.name().is_final();
        }
        if !free {
            let later = now() + SignedDuration::from_hours(1);
            let from = job.state.name();
            assert!(record(&bench.journal(), from, job, Hold::Until(later)).unwrap());
            look(&bench, &format!("{name} given back"));
        }
    }
    // newer versions, of which some supersede
    let newer: Vec<_> = (0..5).map(|number| format!("file {number}")).collect();
    let newer: Vec<_> = newer.iter().map(|name| (name.as_str(), 2)).collect();
    bench.enqueue(&newer);
    look(&bench, "newer versions");
    claim(&bench.journal(), Queue::Queued);
    look(&bench, "claimed together");
    block(bench.journal().wait_for_nothing()).unwrap();
    look(&bench, "waits for nothing");
}

#[test]
fn a_crash_after_any_commit_loses_nothing_and_claims_nothing_twice() {
    let mut looks = 0;
    live(|bench, when| {
        Remains::of(bench).check(when);
        looks += 1;
    });
    assert!(looks > 30, "{looks} looks");
}

#[test]
fn a_crash_inside_any_commit_is_as_if_it_had_not_begun() {
    let mut before: Option<Remains> = None;
    let mut torn = 0;
    live(|bench, when| {
        let after = Remains::of(bench);
        if let Some(before) = before.replace(Remains::of(bench)) {
            let (old, new) = (before.wal().len(), after.wal().len());
            assert!(new >= old && after.wal()[..old] == *before.wal(), "{when}");
            // the last byte alone is missing; half; a few bytes of the first frame
            let cuts = [new.saturating_sub(1), usize::midpoint(old, new), old + 30];
            for cut in cuts.into_iter().filter(|cut| (old..new).contains(cut)) {
                let wal = after.wal()[..cut].to_vec();
                before.with_wal(wal).check(&format!("{when}, cut at {cut}"));
                torn += 1;
            }
            // everything is there but one block that did not reach the disk
            if new > old + 512 {
                let mut wal = after.wal().to_vec();
                wal[new - 512..].fill(0);
                before.with_wal(wal).check(&format!("{when}, a hole"));
            }
        }
    });
    assert!(torn > 60, "{torn} torn commits");
}
