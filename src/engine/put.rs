//! A small file on its way: all bytes in memory, one request.

use bytes::Bytes;

use super::Recorded;
use super::answer::reply;
use super::body;
use super::hash::Hasher;
use super::worker::{Left, Trouble, Worker};
use crate::job::State;
use crate::journal::JournalError;
use crate::transfer::{Upload, Verdict};

impl Worker {
    /// Sends a file that is not to be resumable until it is stored or something is in the way. The bytes are
    /// a whole version: they were looked at after the last one was read.
    pub async fn put(mut self, bytes: Bytes, hasher: Hasher) -> Recorded<Left> {
        let State::Reserved(reservation) = &self.job.state else {
            let what = format!("a job that is {} cannot be put", self.job.state.name());
            return Err(JournalError::Rejected(what));
        };
        let url = reservation.url.clone();
        let mut upload = Upload::plain(self.job.seen.size, self.job.troubles);
        let body = body::whole(&self.shared, bytes).await;
        let (verdict, trouble, pause) = match self.shared.client.put_whole(&url, body).await {
            Ok(answer) => {
                let pause = answer.retry_after;
                self.shared.uploads.hear(answer.status);
                (upload.on_reply(&reply(answer)), Trouble::Own, pause)
            }
            Err(lost) => {
                let verdict = upload.on_lost(lost.why.clone());
                (verdict, Trouble::of_lost(lost), None)
            }
        };
        let verdict = match verdict {
            Verdict::Stored(evidence) => {
                let sums = hasher.sums();
                match evidence.proves(self.job.seen.size, &sums) {
                    Ok(()) => {
                        self.shared.uploads.stores();
                        return Ok(self.stored_unrecorded(sums));
                    }
                    Err(discrepancy) => {
                        self.tell_discrepancy(&discrepancy);
                        upload.on_discrepancy(discrepancy.to_string())
                    }
                }
            }
            other => other,
        };
        self.job.troubles = upload.troubles();
        self.leave(verdict, trouble, pause).await
    }
}
