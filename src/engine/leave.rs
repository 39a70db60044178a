//! How a job leaves its worker without being stored: what is recorded, and for how long it rests.

use std::time::Duration;

use super::Recorded;
use super::source::Unfit;
use super::worker::{Left, Trouble, Worker};
use crate::job::{ParkReason, State};
use crate::journal::JournalError;
use crate::transfer::{Cause, Verdict};

impl Worker {
    /// Its file cannot be sent.
    pub async fn unfit(&mut self, unfit: Unfit) -> Recorded<Left> {
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
            Unfit::Exhausted(why) => self.back_off(Ok, &why, None, Trouble::Machine).await,
            Unfit::Later(why) => self.back_off(Ok, &why, None, Trouble::Own).await,
        }
    }

    /// The upload cannot go on. `pause`: the `Retry-After` of the last answer.
    pub async fn leave(
        &mut self,
        verdict: Verdict,
        trouble: Trouble,
        pause: Option<Duration>,
    ) -> Recorded<Left> {
        match verdict {
            Verdict::BackOff(cause) => {
                let trouble = match &cause {
                    Cause::Busy(_, text) => Trouble::UploadServer(text.clone(), pause),
                    _ => trouble,
                };
                self.back_off(Ok, &cause.to_string(), pause, trouble).await
            }
            Verdict::NewSession(cause) => {
                self.back_off(State::lose_session, &cause.to_string(), None, trouble)
                    .await
            }
            Verdict::NewTempUpload(cause) => {
                self.back_off(State::renew, &explained(&cause), None, trouble)
                    .await
            }
            Verdict::Park(reason, cause) => {
                let mut why = explained(&cause);
                if reason == ParkReason::SessionsLost {
                    let sessions = self.job.troubles.sessions_lost;
                    why = format!(
                        "{sessions} upload sessions have ended before the upload was complete; \
                         the last one: {why}"
                    );
                }
                self.end(|state| state.park(reason), &why).await
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
