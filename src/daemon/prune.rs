//! Now and then, what ended long ago leaves the journal.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::journal::{Journal, JournalError};

/// Between two times.
const PAUSE: Duration = Duration::from_hours(1);

/// At a start and every hour after it, for ever.
pub(super) async fn now_and_then(journal: Journal, keep: Duration) {
    loop {
        now(&journal, keep).await;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Forgets what is older, in small steps, so that others come in between.
pub(super) async fn now(journal: &Journal, keep: Duration) {
    let keep = SignedDuration::try_from(keep).unwrap_or(SignedDuration::MAX);
    let Ok(before) = Timestamp::now().checked_sub(keep) else {
        // that is before all times
        return;
    };
    loop {
        match journal.prune(before).await {
            Ok(true) => {}
            // on a full disk the next time is soon enough
            Ok(false) | Err(JournalError::Full(_) | JournalError::Closed) => return,
            Err(error) => {
                tracing::warn!(%error, "what ended long ago could not be removed from the journal");
                return;
            }
        }
    }
}
