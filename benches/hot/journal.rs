//! The journal: jobs come in, and go from state to state.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use jiff::Timestamp;
use redivis_drop::job::{
    Fingerprint, Job, Md5, RemoteId, Reservation, Sighting, State, Sums, TempUploadId, TempUrl,
    WatchName,
};
use redivis_drop::journal::{Entry, Hold, Journal, NewJob, Queue};

use crate::figures::{Bar, Table, note, number};
use crate::median_of;

const JOBS: u64 = 20_000;
const BATCH: u64 = 1000;
/// From queued to done by three records: reserved, about to be registered, done.
const RECORDS: u64 = 3;
const WATCH: &str = "bench";

pub fn journal(place: &Path, table: &mut Table) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let watch = WatchName::new(WATCH);
    let mut through = Vec::new();
    let seconds = median_of(|| {
        let place = tempfile::tempdir_in(place)?;
        let journal = Journal::open(&place.path().join("journal.db"))?;
        let enqueued = enqueue(&journal)?;
        through.push(runtime.block_on(carry_all(&journal, &watch))?.as_secs_f64());
        Ok(enqueued)
    })?;
    let rate = number(JOBS) / seconds;
    let bar = Bar::AtLeast(20_000.0);
    table.figure("journal, enqueue", &format!("{rate:.0} jobs/s"), rate, bar);
    note("in batches of 1,000, each synced before it counts");
    let rate = number(JOBS * RECORDS) / crate::figures::median(through);
    table.figure(
        "journal, record",
        &format!("{rate:.0} moves/s"),
        rate,
        Bar::None,
    );
    note("claimed, and recorded from queued to done in batches of 1,000, each synced");
    Ok(())
}

fn enqueue(journal: &Journal) -> anyhow::Result<Duration> {
    let watch = WatchName::new(WATCH);
    let began = Instant::now();
    for first in (0..JOBS).step_by(1000) {
        let files = (first..first + BATCH).map(new_job).collect();
        journal.enqueue(&watch, "lab.bench:next.raw", files, Timestamp::now())?;
    }
    Ok(began.elapsed())
}

fn new_job(number: u64) -> NewJob {
    let name = format!("run-{:03}/lane-{number:06}.fastq.gz", number / 1000);
    NewJob {
        sighting: Sighting {
            path: name.clone().into(),
            seen: Fingerprint {
                dev: 1,
                ino: number,
                size: 4096,
                mtime_ns: 1_700_000_000_000_000_000,
                ctime_ns: 1_700_000_000_000_000_000,
            },
        },
        remote_name: name,
    }
}

/// All jobs, as the engine moves small files when nothing fails.
async fn carry_all(journal: &Journal, watch: &WatchName) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let mut done = 0;
    loop {
        let limit = usize::try_from(BATCH)?;
        let jobs = journal
            .claim(Queue::Queued, watch, limit, Timestamp::now())
            .await?;
        if jobs.is_empty() {
            ensure!(done == JOBS, "{done} jobs of {JOBS} went through");
            return Ok(began.elapsed());
        }
        done += jobs.len() as u64;
        let now = Timestamp::now();
        let jobs = step(journal, jobs, |job, state| {
            Ok(state.reserve(Reservation {
                temp: TempUploadId::new(job.id.to_string()),
                url: TempUrl::new(format!("https://storage.example/{}", job.id)),
                resumable: false,
                at: now,
            })?)
        })
        .await?;
        let sums = Sums {
            crc32c: 1,
            md5: Some(Md5([7; 16])),
        };
        let jobs = step(journal, jobs, |_, state| {
            Ok(state.complete(sums)?.intend(now)?)
        })
        .await?;
        step(journal, jobs, |job, state| {
            Ok(state
                .register(RemoteId::new(job.id.to_string()))?
                .finish()?)
        })
        .await?;
    }
}

async fn step(
    journal: &Journal,
    jobs: Vec<Job>,
    next: impl Fn(&Job, State) -> anyhow::Result<State>,
) -> anyhow::Result<Vec<Job>> {
    let entries = jobs.into_iter().map(|job| {
        let from = job.state.name();
        let state = next(&job, job.state.clone())?;
        Ok(Entry {
            job: Job { state, ..job },
            from,
            hold: Hold::Keep,
            error: None,
            note: String::new(),
        })
    });
    let entries = entries.collect::<anyhow::Result<Vec<_>>>()?;
    let moved = entries.len();
    let jobs = journal.record_all(entries, Timestamp::now()).await?;
    ensure!(jobs.len() == moved, "a move was lost");
    Ok(jobs)
}
