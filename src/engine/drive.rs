//! Carrying one file's bytes: performs what the upload machine asks for, records what it says.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::Recorded;
use super::answer::reply;
use super::body;
use super::hash::Hasher;
use super::source::{self, Source, Unfit};
use super::window::{self, Window};
use super::worker::{Left, Trouble, Worker};
use crate::job::{
    ByteOffset, ParkReason, Progress, Reservation, SessionUrl, State, StateName, printable,
};
use crate::journal::{Entry, JournalError};
use crate::redivis;
use crate::transfer::{CHUNK_QUANTUM, Cause, Evidence, Request, Resume, Upload, Verdict};

/// An upload in progress.
pub(super) struct Drive {
    worker: Worker,
    source: Source,
    upload: Upload,
    /// Checksums up to the confirmed offset.
    hasher: Hasher,
    /// Checksums up to the end of the request in flight, once its bytes were read.
    ahead: Option<Hasher>,
    /// Counts the files that are streamed; small ones are not.
    _stream: Arc<()>,
    /// The record of the last confirmed offset, on its way to disk.
    recording: Option<JoinHandle<Recorded<bool>>>,
    /// `Retry-After` of the last answer.
    pause: Option<Duration>,
    /// Whether the session will live long enough.
    window: Window,
    warned: bool,
}

impl Drive {
    /// Of a job that is reserved or uploading.
    pub fn new(worker: Worker, source: Source) -> Self {
        let verify = worker.shared.verify(&worker.job);
        let (size, troubles) = (worker.job.seen.size, worker.job.troubles);
        let chunk = worker.shared.transfer.chunk_size.max(CHUNK_QUANTUM);
        let mut hasher = Hasher::new(verify);
        let upload = match &worker.job.state {
            State::Uploading(_, progress) => {
                hasher = Hasher::restore(&progress.hash, verify).unwrap_or(hasher);
                tracing::info!(job = %worker.job.id, path = %printable(&worker.job.path), confirmed = %progress.confirmed, "resuming an interrupted session");
                let resume = Resume {
                    confirmed: progress.confirmed,
                    bound: progress.bound,
                    attempts: worker.job.attempts,
                };
                Upload::resume(size, chunk, troubles, resume)
            }
            State::Reserved(reservation) if reservation.resumable => {
                Upload::resumable(size, chunk, troubles)
            }
            _ => Upload::plain(size, troubles),
        };
        Self {
            _stream: Arc::clone(&worker.shared.streams),
            worker,
            source,
            upload,
            hasher,
            ahead: None,
            recording: None,
            pause: None,
            window: Window::new(Instant::now()),
            warned: false,
        }
    }

    /// Sends the job's bytes until they are stored or something is in the way.
    pub async fn run(mut self) -> Recorded<Left> {
        loop {
            if let Some(left) = self.turn().await? {
                return Ok(left);
            }
        }
    }

    /// One request and what follows from its answer; `None`: another one.
    async fn turn(&mut self) -> Recorded<Option<Left>> {
        if let Err(unfit) = self.look_again().await? {
            return self.give_up(unfit).await.map(Some);
        }
        if let Err(unfit) = self.catch_up().await? {
            return self.give_up(unfit).await.map(Some);
        }
        let verdict = match self.send().await? {
            Ok(answer) => {
                self.pause = answer.retry_after;
                self.worker.shared.uploads.hear(answer.status);
                self.upload.on_reply(&reply(answer))
            }
            Err(lost) => {
                if lost.source
                    && let Err(unfit) = self.look_again().await?
                {
                    return self.give_up(unfit).await.map(Some);
                }
                let verdict = self.upload.on_lost(lost.why.clone());
                self.pause = None;
                let trouble = Trouble::of_lost(lost);
                return self.leave(verdict, trouble).await.map(Some);
            }
        };
        self.worker.job.troubles = self.upload.troubles();
        match verdict {
            Verdict::Continue => Ok(None),
            Verdict::Opened(session) => self.open(session).await,
            Verdict::Confirmed(at) => self.confirm(at).await,
            Verdict::Rewound(at) => {
                tracing::warn!(job = %self.worker.job.id, path = %printable(&self.worker.job.path), to = %at, "the upload server lost bytes that it had confirmed; sending them again");
                self.confirm(at).await
            }
            Verdict::Stored(evidence) => self.stored(evidence).await.map(Some),
            other => self.leave(other, Trouble::Own).await.map(Some),
        }
    }

    /// [`Source::look_again`], where waiting for a share that does not answer is allowed.
    async fn look_again(&self) -> Recorded<Result<(), Unfit>> {
        let source = self.source.clone();
        let reading = self.worker.shared.surroundings.reading;
        reading.run(move || source.look_again()).await
    }

    /// Brings the checksums to the first byte of the next chunk. They lag behind when their stored
    /// state could not be used, or when the server was further than the journal.
    async fn catch_up(&mut self) -> Recorded<Result<(), Unfit>> {
        match self.upload.request() {
            Request::Chunk { first, .. } if self.hasher.at() != first => {
                self.hash_up_to(first).await
            }
            _ => Ok(Ok(())),
        }
    }

    async fn give_up(&mut self, unfit: Unfit) -> Recorded<Left> {
        if !self.recorded().await? {
            return Ok(Left::Over);
        }
        self.worker.unfit(unfit).await
    }

    // ---- sending

    async fn send(&mut self) -> Recorded<redivis::Reply> {
        self.ahead = None;
        let client = self.worker.shared.client.clone();
        let size = self.worker.job.seen.size;
        Ok(match (self.upload.request(), &self.worker.job.state) {
            (Request::PutWhole, State::Reserved(Reservation { url, .. })) => {
                let url = url.clone();
                let hasher = Hasher::new(self.worker.shared.verify(&self.worker.job));
                let (body, summed) =
                    body::streamed(&self.worker.shared, &self.source, hasher, size);
                let reply = client.put_whole(&url, body).await;
                self.ahead = summed.await.ok();
                reply
            }
            (Request::StartSession, State::Reserved(Reservation { url, .. })) => {
                client.start_session(url, size).await
            }
            (Request::Query, State::Uploading(_, progress)) => {
                client.query(&progress.session, size).await
            }
            (Request::Chunk { first, len }, State::Uploading(_, progress)) => {
                let session = progress.session.clone();
                let hasher = self.hasher.clone();
                let (body, summed) = body::streamed(&self.worker.shared, &self.source, hasher, len);
                let reply = client.put_chunk(&session, first, body, size).await;
                self.ahead = summed.await.ok();
                reply
            }
            (request, state) => {
                let what = format!("a request {request:?} for a job that is {}", state.name());
                return Err(JournalError::Rejected(what));
            }
        })
    }

    // ---- what the server said

    async fn open(&mut self, session: SessionUrl) -> Recorded<Option<Left>> {
        self.hasher = Hasher::new(self.worker.shared.verify(&self.worker.job));
        let progress = Progress {
            session,
            opened: self.worker.shared.moment(),
            confirmed: ByteOffset::ZERO,
            bound: self.recorded_bound(),
            hash: self.hasher.state(),
        };
        let applied = self
            .worker
            .advance(|state| state.open_session(progress), "");
        Ok((!applied.await?).then_some(Left::Over))
    }

    async fn confirm(&mut self, at: ByteOffset) -> Recorded<Option<Left>> {
        if let Err(unfit) = self.sum_up_to(at).await? {
            return self.give_up(unfit).await.map(Some);
        }
        if !self.recorded().await? {
            return Ok(Some(Left::Over));
        }
        let (bound, hash) = (self.recorded_bound(), self.hasher.state());
        self.worker
            .progress_unrecorded(|state| state.confirm(at, bound, hash))?;
        let entry = Entry {
            error: self.warning(at),
            ..self.worker.entry(StateName::Uploading)
        };
        let (journal, now) = (self.worker.shared.journal.clone(), self.worker.shared.now());
        self.recording = Some(tokio::spawn(
            async move { journal.record(entry, now).await },
        ));
        Ok(None)
    }

    /// Whether the rest will not fit into the session's life. Told once in the log, and kept with the job
    /// for as long as it is so.
    fn warning(&mut self, at: ByteOffset) -> Option<String> {
        let age = self.session_age()?;
        let size = self.worker.job.seen.size;
        let warning = self.window.warning(Instant::now(), at.get(), size, age);
        if let Some(warning) = warning.as_ref().filter(|_| !self.warned) {
            self.warned = true;
            let job = &self.worker.job;
            tracing::warn!(job = %job.id, watch = %job.watch, path = %printable(&job.path), warning);
        }
        warning
    }

    fn too_slow(&self) -> Option<String> {
        let job = &self.worker.job;
        let (age, size) = (self.session_age()?, job.seen.size);
        let lost = self.upload.troubles().sessions_lost;
        window::too_slow(age, lost, job.state.confirmed_bytes(size), size)
    }

    fn session_age(&self) -> Option<Duration> {
        match &self.worker.job.state {
            State::Uploading(_, progress) => {
                Some(progress.opened.age(&self.worker.shared.moment()))
            }
            _ => None,
        }
    }

    /// The checksums up to `at`: those that grew with the request, or read again.
    async fn sum_up_to(&mut self, at: ByteOffset) -> Recorded<Result<(), Unfit>> {
        match self.ahead.take() {
            Some(ahead) if ahead.at() == at => {
                self.hasher = ahead;
                Ok(Ok(()))
            }
            _ => self.hash_up_to(at).await,
        }
    }

    /// The bound to record: one chunk further than the next one reaches, so that the next one may be
    /// sent while this record is on its way to disk.
    fn recorded_bound(&self) -> ByteOffset {
        let next = self.upload.bound().get();
        let one_more = next.saturating_add(self.worker.shared.transfer.chunk_size);
        ByteOffset::new(one_more.min(self.worker.job.seen.size))
    }

    /// Waits for the record on its way. `false`: the job is not ours any more.
    async fn recorded(&mut self) -> Recorded<bool> {
        match self.recording.take() {
            Some(recording) => recording.await.unwrap_or(Err(JournalError::Closed)),
            None => Ok(true),
        }
    }

    /// The server has it all, it says. What was read here decides whether that is so.
    async fn stored(&mut self, evidence: Evidence) -> Recorded<Left> {
        let size = self.worker.job.seen.size;
        if let Err(unfit) = self.sum_up_to(ByteOffset::new(size)).await? {
            return self.give_up(unfit).await;
        }
        if let Err(unfit) = self.look_again().await? {
            return self.give_up(unfit).await;
        }
        let sums = self.hasher.sums();
        if let Err(discrepancy) = evidence.proves(size, &sums) {
            self.worker.tell_discrepancy(&discrepancy);
            let verdict = self.upload.on_discrepancy(discrepancy.to_string());
            self.worker.job.troubles = self.upload.troubles();
            return self.leave(verdict, Trouble::Own).await;
        }
        self.worker.shared.uploads.stores();
        if !self.recorded().await? {
            return Ok(Left::Over);
        }
        if matches!(self.worker.job.state, State::Reserved(..)) {
            let (shared, job) = (self.worker.shared.clone(), self.worker.job.clone());
            return Ok(Worker { shared, job }.stored_unrecorded(sums));
        }
        let applied = self.worker.progress(|state| state.complete(sums), "");
        Ok(if applied.await? {
            Left::Stored(Box::new(self.worker.job.clone()), None)
        } else {
            Left::Over
        })
    }

    /// Brings the checksums to `at`, reading again from the start if they are beyond it.
    async fn hash_up_to(&mut self, at: ByteOffset) -> Recorded<Result<(), Unfit>> {
        if self.hasher.at() > at {
            self.hasher = Hasher::new(self.worker.shared.verify(&self.worker.job));
        }
        let reading = self.worker.shared.surroundings.reading;
        let hasher = self.hasher.clone();
        let summed = source::sum_up_to(reading, &self.source, hasher, at.get()).await?;
        Ok(summed.map(|hasher| self.hasher = hasher))
    }

    // ---- leaving

    async fn leave(&mut self, verdict: Verdict, trouble: Trouble) -> Recorded<Left> {
        if !self.recorded().await? {
            return Ok(Left::Over);
        }
        // what ends in another way did not die of its age
        let vanished = matches!(
            verdict,
            Verdict::NewSession(Cause::Gone(_))
                | Verdict::Park(ParkReason::SessionsLost, Cause::Gone(_))
        );
        if let Some(why) = self.too_slow().filter(|_| vanished) {
            return self
                .worker
                .end(|state| state.park(ParkReason::TooSlow), &why)
                .await;
        }
        self.worker.leave(verdict, trouble, self.pause).await
    }
}
