//! A journal, a clock and a Redivis for each test.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::config::{self, Environment, Retry};
use crate::engine::patience::Concerns;
use crate::engine::register::{self, Stored};
use crate::engine::remote::{Called, Remote};
use crate::engine::surroundings::{Reading, Surroundings};
use crate::engine::{Machine, Shared, batch, imports};
use crate::job::{
    Awake, ByteOffset, Fingerprint, Job, Kind, Md5, Moment, Naming, RemoteId, Reservation,
    SessionUrl, Sighting, State, Sums, TempUploadId, TempUrl, WatchName,
};
use crate::journal::{Configured, Filter, JobRow, Journal, NewJob, Queue, Reader};
use crate::redivis::{
    ApiError, Bearer, DatasetInfo, Import, NewUpload, RegisteredFile, Registration, RemoteFile,
    Reply, TempUpload, TempUploadRequest, Upload, UploadBody, UploadPage,
};

pub const TABLE: &str = "lab.data:next.rows";
/// Of every file here.
pub const SIZE: u64 = 7;
pub const MD5: Md5 = Md5([1; 16]);

/// An upload with the size and md5 of every file here.
pub fn upload(name: &str, uri: &str, import: Import) -> Upload {
    let is_complete = import == Import::Completed;
    Upload {
        uri: RemoteId::new(uri),
        name: name.into(),
        import,
        size: Some(SIZE),
        md5: Some(MD5),
        rows: is_complete.then_some(1),
    }
}

pub struct Scene {
    pub shared: Arc<Shared>,
    pub far: Arc<Far>,
    clock: Arc<Mutex<Moment>>,
    folder: TempDir,
}

impl Scene {
    pub fn new() -> Self {
        Self::with("")
    }

    /// With other lines for its watch.
    pub fn with(watch: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        let text = format!(
            "[[watch]]\nname = 'w'\npath = '{}'\ntable = '{TABLE}'\nkind = 'tabular'\n{watch}\n",
            folder.path().join("drop").display()
        );
        std::fs::create_dir(folder.path().join("drop")).unwrap();
        std::fs::write(&file, text).unwrap();
        let mut config = config::load(&file, &Environment::default()).unwrap();
        config.retry = Retry {
            park_after: Duration::from_hours(24 * 7),
            ..config.retry
        };
        let at: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let awake = Some(Awake {
            boot: "first".into(),
            millis: 1_000,
        });
        let clock = Arc::new(Mutex::new(Moment { at, awake }));
        let (now, awake) = (clock.clone(), clock.clone());
        let surroundings = Surroundings {
            now: Box::new(move || now.lock().unwrap().at),
            awake: Box::new(move || awake.lock().unwrap().awake.clone()),
            chance: Box::new(|| 0.5),
            reading: Reading::Here,
        };
        let far = Arc::new(Far::default());
        let shared = Shared::new(
            &config,
            Journal::open(&folder.path().join("journal.db")).unwrap(),
            far.clone(),
            Arc::new(|| Err("there is none".into())),
            surroundings,
            &Machine::new(&config.transfer),
        );
        let shared = Arc::new(shared);
        Self {
            shared,
            far,
            clock,
            folder,
        }
    }

    // ---- time

    /// All clocks go on.
    pub async fn wait(&self, long: Duration) {
        tokio::time::advance(long).await;
        let mut clock = self.clock.lock().unwrap();
        clock.at += SignedDuration::try_from(long).unwrap();
        if let Some(awake) = &mut clock.awake {
            awake.millis += u64::try_from(long.as_millis()).unwrap();
        }
    }

    // ---- what there is

    /// The table's list, from now on.
    pub fn lists(&self, uploads: Vec<Upload>) {
        *self.far.uploads.lock().unwrap() = uploads;
    }

    fn rows(&self) -> Vec<JobRow> {
        let reader = Reader::open(&self.folder.path().join("journal.db")).unwrap();
        let mut rows = Vec::new();
        let each = |row| {
            rows.push(row);
            true
        };
        reader.jobs(&Filter::default(), each).unwrap();
        rows
    }

    fn row(&self, name: &str) -> JobRow {
        let mut rows = self.rows();
        let last = rows.iter().rposition(|row| row.job.remote_name == name);
        rows.swap_remove(last.unwrap())
    }

    /// The latest job of a name.
    pub fn job(&self, name: &str) -> Job {
        self.row(name).job
    }

    /// Why it failed last.
    pub fn why(&self, name: &str) -> String {
        self.row(name).error.unwrap_or_default()
    }

    // ---- what happens

    /// The drop folder is not there.
    pub fn unmount(&self) {
        std::fs::remove_dir(self.folder.path().join("drop")).unwrap();
    }

    /// As at a start that a person asked for.
    pub async fn start_again(&self) {
        let watch = Configured {
            account: "redivis".into(),
            endpoint: "https://redivis.com/api/v1".into(),
            path: self.folder.path().join("drop"),
            table: TABLE.into(),
            kind: Kind::Tabular,
            naming: Naming {
                template: crate::job::Template::default(),
                watch: WatchName::new("w"),
                host: "host".into(),
            },
            leaves_existing: false,
        };
        let begun = self
            .shared
            .journal
            .begin("1", vec![watch], self.shared.now());
        begun.await.unwrap();
    }

    /// A new job of a file; its inode tells one version from another.
    pub async fn queued(&self, name: &str, ino: u64) -> Job {
        let seen = Fingerprint {
            dev: 1,
            ino,
            size: SIZE,
            mtime_ns: 1,
            ctime_ns: 1,
        };
        let sighting = Sighting {
            path: name.into(),
            seen,
        };
        let file = NewJob {
            sighting,
            remote_name: name.into(),
        };
        if self.rows().is_empty() {
            self.start_again().await;
        }
        let (watch, now) = (WatchName::new("w"), self.shared.now());
        let journal = &self.shared.journal;
        let new = journal.enqueue_from(&watch, TABLE, vec![file], now);
        assert_eq!(new.await.unwrap(), 1);
        self.claim().await
    }

    /// A job whose request to be taken in got no answer.
    pub async fn unanswered(&self, name: &str) {
        let job = self.queued(name, 1).await;
        self.lose_the_answer(job).await;
    }

    /// As [`Scene::unanswered`], for the job that waits.
    pub async fn unanswered_again(&self) {
        let job = self.claim().await;
        self.lose_the_answer(job).await;
    }

    async fn lose_the_answer(&self, job: Job) {
        let jobs = vec![self.intend(job).await];
        let (why, wait) = ("no answer", Duration::ZERO);
        let back = batch::give_back(&self.shared, jobs, why, wait, Concerns::Everyone);
        back.await.unwrap();
    }

    async fn claim(&self) -> Job {
        let (watch, now) = (WatchName::new("w"), self.shared.now());
        let claimed = self.shared.journal.claim(Queue::Queued, &watch, 10, now);
        claimed.await.unwrap().remove(0)
    }

    /// Its bytes are stored, and it is about to be taken in.
    async fn intend(&self, job: Job) -> Job {
        let now = self.shared.now();
        let advance = batch::advance(&self.shared, vec![job], |_, state| {
            let reservation = Reservation {
                temp: TempUploadId::new("t1"),
                url: TempUrl::new("http://127.0.0.1/u"),
                resumable: false,
                at: now,
            };
            let sums = Sums {
                crc32c: 1,
                md5: Some(MD5),
            };
            state.reserve(reservation)?.complete(sums)?.intend(now)
        });
        advance.await.unwrap().remove(0)
    }

    /// A job that Redivis has taken in under an address.
    pub async fn importing(&self, name: &str, uri: &str) {
        let job = self.queued(name, 1).await;
        let job = self.intend(job).await;
        let begun = batch::begin_importing(&self.shared, vec![(job, RemoteId::new(uri))]);
        begun.await.unwrap();
        assert!(matches!(self.job(name).state, State::Importing(..)));
    }

    /// Has a new file taken in, which Redivis answers with this.
    pub async fn register(&self, name: &str, answer: Result<Upload, ApiError>) {
        self.far.answers.lock().unwrap().push_back(answer);
        let job = self.queued(name, 1).await;
        let job = self.intend(job).await;
        let stored = register::withdraw(&self.shared, vec![job]).await.unwrap();
        let stored = stored.into_iter().map(Stored::recorded).collect();
        let asked = imports::register(self.shared.clone(), stored, Duration::ZERO);
        asked.await.unwrap();
        assert!(self.far.answers.lock().unwrap().is_empty(), "not asked");
    }

    /// Looks a job up whose request got no answer, if its turn has come.
    pub async fn look_up(&self) {
        let watch = WatchName::new("w");
        let journal = &self.shared.journal;
        let jobs = journal.claim(Queue::Stored, &watch, 10, self.shared.now());
        let looked = imports::look_up(self.shared.clone(), jobs.await.unwrap(), Duration::ZERO);
        looked.await.unwrap();
    }

    /// Asks how far the imports are, and returns whether something is left to ask about.
    pub async fn poll(&self) -> bool {
        let asked = imports::poll(self.shared.clone(), TABLE.into());
        asked.await.unwrap().importing.is_some()
    }
}

/// Redivis, as far as its uploads go.
#[derive(Default)]
pub struct Far {
    uploads: Mutex<Vec<Upload>>,
    /// To requests for an import, one after the other.
    pub answers: Mutex<VecDeque<Result<Upload, ApiError>>>,
}

/// No other call is made here.
fn none<T>() -> T {
    unimplemented!("no import needs this call")
}

impl Remote for Far {
    fn acquire(&self, _: Instant) -> Result<(), Instant> {
        Ok(())
    }

    fn set_token(&self, _: Bearer) {}

    fn create_upload<'a>(&'a self, _: &'a str, _: &'a NewUpload) -> Called<'a, Upload> {
        let answer = self.answers.lock().unwrap().pop_front();
        Box::pin(async { answer.expect("one import fewer") })
    }

    fn list_uploads<'a>(&'a self, _: &'a str, _: Option<&'a str>) -> Called<'a, UploadPage> {
        let uploads = self.uploads.lock().unwrap().clone();
        let page = UploadPage {
            uploads,
            next: None,
        };
        Box::pin(async { Ok(page) })
    }

    fn create_temp_uploads<'a>(
        &'a self,
        _: &'a str,
        _: &'a [TempUploadRequest],
    ) -> Called<'a, Vec<TempUpload>> {
        none()
    }

    fn register_files<'a>(
        &'a self,
        _: &'a str,
        _: &'a [Registration],
    ) -> Called<'a, Vec<RegisteredFile>> {
        none()
    }

    fn list_files<'a>(
        &'a self,
        _: &'a str,
        _: &'a (dyn Fn(&str) -> bool + Send + Sync),
    ) -> Called<'a, Vec<RemoteFile>> {
        none()
    }

    fn list_files_in_parts<'a>(
        &'a self,
        _: &'a str,
        _: mpsc::Sender<Vec<RemoteFile>>,
    ) -> Called<'a, ()> {
        none()
    }

    fn dataset<'a>(&'a self, _: &'a str) -> Called<'a, DatasetInfo> {
        none()
    }

    fn create_next_version<'a>(&'a self, _: &'a str) -> Called<'a, ()> {
        none()
    }

    fn put_whole<'a>(&'a self, _: &'a TempUrl, _: UploadBody) -> BoxFuture<'a, Reply> {
        none()
    }

    fn start_session<'a>(&'a self, _: &'a TempUrl, _: u64) -> BoxFuture<'a, Reply> {
        none()
    }

    fn query<'a>(&'a self, _: &'a SessionUrl, _: u64) -> BoxFuture<'a, Reply> {
        none()
    }

    fn put_chunk<'a>(
        &'a self,
        _: &'a SessionUrl,
        _: ByteOffset,
        _: UploadBody,
        _: u64,
    ) -> BoxFuture<'a, Reply> {
        none()
    }
}
