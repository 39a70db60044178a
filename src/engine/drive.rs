//! Carrying one file's bytes: performs what the upload machine asks for, records what it says.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinHandle;

use super::body::{self, Body};
use super::hash::Hasher;
use super::source::{Source, Unfit};
use super::worker::{Left, Trouble, Worker};
use super::{Folder, Recorded};
use crate::config::Verify;
use crate::job::{
    ByteOffset, Job, ParkReason, Progress, Reservation, SessionUrl, State, StateName, printable,
};
use crate::journal::JournalError;
use crate::redivis::{self, session_from};
use crate::transfer::{CHUNK_QUANTUM, Cause, Evidence, Reply, Request, Resume, Upload, Verdict};

/// Files up to this many bytes are read at once: one read, one write, no thread in between.
const SMALL: u64 = 256 * 1024;

impl Worker {
    /// Sends the job's bytes until they are stored or something is in the way.
    pub async fn transfer(mut self) -> Recorded<Left> {
        let Some(folder) = self.shared.folders.get(&self.job.watch).cloned() else {
            let why = "its watch is no longer in the configuration";
            return self.end(|state| state.park(ParkReason::NoWatch), why).await;
        };
        let (job, verify) = (self.job.clone(), self.shared.transfer.verify);
        let reading = self.shared.surroundings.reading;
        match reading.run(move || open(&folder, &job, verify)).await? {
            Ok((source, whole)) => Drive::new(self, source, whole).run().await,
            Err(unfit) => self.unfit(unfit).await,
        }
    }

    async fn unfit(&mut self, unfit: Unfit) -> Recorded<Left> {
        match unfit {
            Unfit::Gone => self.end(State::miss, "the file is gone").await,
            Unfit::Changed => {
                self.end(
                    State::supersede,
                    "the file changed before all of it was stored",
                )
                .await
            }
            Unfit::HardLink(links) => {
                let why = format!(
                    "the file has {links} names (hard links), so it may be somebody else's; \
                     remove the others, or set allow_hard_links = true for this watch"
                );
                self.end(|state| state.park(ParkReason::HardLink), &why)
                    .await
            }
            Unfit::NotAFile(kind) => {
                let why = format!("the path leads to {kind}, not to a regular file");
                self.end(|state| state.park(ParkReason::NotAFile), &why)
                    .await
            }
            Unfit::Denied => {
                let why = "the file may not be read: give the daemon's user read permission";
                self.end(|state| state.park(ParkReason::Unreadable), why)
                    .await
            }
            Unfit::Later(why) => self.back_off(Ok, &why, None, Trouble::Own).await,
        }
    }
}

/// A small file's bytes and their checksums.
type Whole = (Bytes, Hasher);

/// Opens the job's file, and reads it if it is small. Blocks.
fn open(folder: &Folder, job: &Job, verify: Verify) -> Result<(Source, Option<Whole>), Unfit> {
    let source = Source::open(folder, job)?;
    let is_small = job.seen.size <= SMALL && matches!(job.state, State::Reserved(..));
    if !is_small {
        return Ok((source, None));
    }
    let mut hasher = Hasher::new(verify);
    match source.read_whole(&mut hasher) {
        Ok(bytes) => Ok((source, Some((bytes, hasher)))),
        Err(error) => Err(source.unreadable(&error)),
    }
}

/// An upload in progress.
struct Drive {
    worker: Worker,
    source: Source,
    upload: Upload,
    /// Checksums up to the confirmed offset.
    hasher: Hasher,
    /// Checksums up to the end of the request in flight, once its bytes were read.
    ahead: Option<Hasher>,
    /// All bytes, if they are few and to be sent at once.
    whole: Option<Whole>,
    /// Counts the files that are streamed; small ones are not.
    _stream: Option<Arc<()>>,
    /// The record of the last confirmed offset, on its way to disk.
    recording: Option<JoinHandle<Recorded<bool>>>,
    /// `Retry-After` of the last answer.
    pause: Option<Duration>,
}

impl Drive {
    fn new(worker: Worker, source: Source, whole: Option<Whole>) -> Self {
        let verify = worker.shared.transfer.verify;
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
        let stream = whole.is_none().then(|| Arc::clone(&worker.shared.streams));
        Self {
            _stream: stream,
            worker,
            source,
            upload,
            hasher,
            ahead: None,
            whole,
            recording: None,
            pause: None,
        }
    }

    async fn run(mut self) -> Recorded<Left> {
        loop {
            if let Some(left) = self.turn().await? {
                return Ok(left);
            }
        }
    }

    /// One request and what follows from its answer; `None`: another one.
    async fn turn(&mut self) -> Recorded<Option<Left>> {
        if let Err(unfit) = self.source.look_again() {
            return self.give_up(unfit).await.map(Some);
        }
        if let Err(unfit) = self.catch_up().await? {
            return self.give_up(unfit).await.map(Some);
        }
        let verdict = match self.send().await? {
            Ok(answer) => {
                self.pause = answer.retry_after;
                if answer.status < 500 && answer.status != 429 {
                    self.worker.shared.uploads.answers();
                }
                self.upload.on_reply(&reply(answer))
            }
            Err(lost) => {
                if let (true, Err(unfit)) = (lost.source, self.source.look_again()) {
                    return self.give_up(unfit).await.map(Some);
                }
                let verdict = self.upload.on_lost(lost.why.clone());
                self.pause = None;
                let trouble = if lost.source {
                    Trouble::Own
                } else {
                    Trouble::UploadServer(lost.why, None)
                };
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
                let (body, summed) = self.whole_body().await;
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

    async fn whole_body(&mut self) -> Body {
        let shared = &self.worker.shared;
        if let Some((bytes, hasher)) = self.whole.take() {
            return body::whole(shared, bytes, hasher).await;
        }
        let hasher = Hasher::new(shared.transfer.verify);
        body::streamed(shared, &self.source, hasher, self.worker.job.seen.size)
    }

    // ---- what the server said

    async fn open(&mut self, session: SessionUrl) -> Recorded<Option<Left>> {
        self.hasher = Hasher::new(self.worker.shared.transfer.verify);
        let progress = Progress {
            session,
            opened_at: self.worker.shared.now(),
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
        let entry = self.worker.entry(StateName::Uploading);
        let (journal, now) = (self.worker.shared.journal.clone(), self.worker.shared.now());
        self.recording = Some(tokio::spawn(async move {
            let applied = journal.record(vec![entry], now).await?;
            Ok(applied.first().copied().unwrap_or(false))
        }));
        Ok(None)
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
        if let Err(unfit) = self.source.look_again() {
            return self.give_up(unfit).await;
        }
        let sums = self.hasher.sums();
        if let Err(discrepancy) = evidence.proves(size, &sums) {
            tracing::error!(job = %self.worker.job.id, path = %printable(&self.worker.job.path), %discrepancy, "the upload server stored something else");
            let verdict = self.upload.on_discrepancy(discrepancy.to_string());
            self.worker.job.troubles = self.upload.troubles();
            return self.leave(verdict, Trouble::Own).await;
        }
        self.worker.shared.uploads.stores();
        if !self.recorded().await? {
            return Ok(Left::Over);
        }
        if matches!(self.worker.job.state, State::Reserved(..)) {
            // cheap to send again: recorded together with many others, before it is registered
            self.worker.forget_failures();
            return Ok(Left::Stored(Box::new(self.worker.job.clone()), Some(sums)));
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
            self.hasher = Hasher::new(self.worker.shared.transfer.verify);
        }
        let (source, mut hasher) = (self.source.clone(), self.hasher.clone());
        let reading = self.worker.shared.surroundings.reading;
        let read = reading
            .run(move || source.hash_up_to(&mut hasher, at).map(|()| hasher))
            .await?;
        Ok(match read {
            Ok(hasher) => {
                self.hasher = hasher;
                Ok(())
            }
            Err(error) => Err(self.source.unreadable(&error)),
        })
    }

    // ---- leaving

    async fn leave(&mut self, verdict: Verdict, trouble: Trouble) -> Recorded<Left> {
        if !self.recorded().await? {
            return Ok(Left::Over);
        }
        let (worker, pause) = (&mut self.worker, self.pause);
        match verdict {
            Verdict::BackOff(cause) => {
                let trouble = match &cause {
                    Cause::Busy(_, text) => Trouble::UploadServer(text.clone(), pause),
                    _ => trouble,
                };
                worker
                    .back_off(Ok, &cause.to_string(), pause, trouble)
                    .await
            }
            Verdict::NewSession(cause) => {
                worker
                    .back_off(State::lose_session, &cause.to_string(), None, trouble)
                    .await
            }
            Verdict::NewTempUpload(cause) => {
                worker
                    .back_off(State::renew, &explained(&cause), None, trouble)
                    .await
            }
            Verdict::Park(reason, cause) => {
                worker
                    .end(|state| state.park(reason), &cause.to_string())
                    .await
            }
            other => Err(JournalError::Rejected(format!(
                "{other:?} is no reason to leave"
            ))),
        }
    }
}

/// A 401 from an upload host has one likely reason, and one key that helps.
fn explained(cause: &Cause) -> String {
    match cause {
        Cause::Refused(401 | 403, _) => format!(
            "{cause}; if that host wants the Redivis token, name its origin in redivis.send_token_to"
        ),
        _ => cause.to_string(),
    }
}

fn reply(answer: redivis::Answer) -> Reply {
    let hashes = answer.goog_hash.iter().map(String::as_str);
    Reply {
        status: answer.status,
        evidence: Evidence::from_headers(hashes, answer.stored_length),
        session: answer.location.as_deref().and_then(session_from),
        range: answer.range,
        text: answer.text,
    }
}
