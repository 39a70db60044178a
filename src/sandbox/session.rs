//! A resumable session: what it is, how far it came, and what the client was told about it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as AsyncMutex;
use tokio_util::sync::CancellationToken;

use super::blobs::{RunningSums, Sums};
use super::books::Stored;
use super::report::{KEPT_OFFSETS, SessionReport};

/// A session that has not ended.
#[derive(Debug)]
pub(super) struct Session {
    id: String,
    temp: String,
    blob: String,
    size: u64,
    opened_ms: i64,
    persisted: AtomicU64,
    complete: OnceLock<Sums>,
    /// Ends the request that is at work; a newer one replaces it.
    turn: Mutex<CancellationToken>,
    /// Whoever holds it writes. Inside: the checksums up to `persisted`, if they are known
    /// (after a restart they are not).
    pub writer: AsyncMutex<Option<RunningSums>>,
    story: Mutex<Story>,
}

#[derive(Debug, Default)]
struct Story {
    received: u64,
    queries: u64,
    told: Vec<u64>,
    resumed_at: Vec<u64>,
    just_asked: bool,
}

impl Session {
    /// A session with nothing stored.
    pub(super) fn new(id: String, temp: String, blob: String, size: u64, opened_ms: i64) -> Self {
        Self {
            id,
            temp,
            blob,
            size,
            opened_ms,
            persisted: AtomicU64::new(0),
            complete: OnceLock::new(),
            turn: Mutex::default(),
            writer: AsyncMutex::new(None),
            story: Mutex::default(),
        }
    }

    /// Its id, a secret.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The temp upload that it fills.
    pub(super) fn temp(&self) -> &str {
        &self.temp
    }

    /// Where its bytes are.
    pub(super) fn blob(&self) -> &str {
        &self.blob
    }

    /// The announced size in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// When it was opened, milliseconds since 1970.
    pub(super) fn opened_ms(&self) -> i64 {
        self.opened_ms
    }

    /// Whether its life is over.
    pub(super) fn expired(&self, now_ms: i64, life: Duration) -> bool {
        let life = i64::try_from(life.as_millis()).unwrap_or(i64::MAX);
        now_ms >= self.opened_ms.saturating_add(life)
    }

    /// Bytes stored.
    pub(super) fn persisted(&self) -> u64 {
        self.persisted.load(Ordering::Acquire)
    }

    /// Only the books call this, from the ledger's entries.
    pub(super) fn set_persisted(&self, bytes: u64) {
        self.persisted.store(bytes, Ordering::Release);
    }

    /// The object's checksums, if it was made.
    pub(super) fn complete(&self) -> Option<&Sums> {
        self.complete.get()
    }

    /// Only the books call this, from the ledger's entries.
    pub(super) fn set_complete(&self, stored: Option<&Stored>) {
        if let Some(stored) = stored {
            // Set twice only by a ledger that says so twice, with the same bytes.
            let _ = self.complete.set(stored.sums);
        }
    }

    /// A new request takes over: an older one that is still at work ends, and stores what it has.
    pub(super) fn take_over(&self) -> CancellationToken {
        let mine = CancellationToken::new();
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *turn, mine.clone()).cancel();
        mine
    }

    fn story(&self) -> MutexGuard<'_, Story> {
        self.story.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client asked for the offset.
    pub(super) fn note_query(&self) {
        let mut story = self.story();
        story.queries += 1;
        story.just_asked = true;
    }

    /// A chunk begins.
    pub(super) fn note_chunk(&self, first: u64) {
        let mut story = self.story();
        if std::mem::take(&mut story.just_asked) && story.resumed_at.len() < KEPT_OFFSETS {
            story.resumed_at.push(first);
        }
    }

    /// So many bytes of a chunk arrived.
    pub(super) fn note_received(&self, bytes: u64) {
        self.story().received += bytes;
    }

    /// The client is told an offset.
    pub(super) fn note_told(&self, offset: u64) {
        let mut story = self.story();
        if story.told.len() < KEPT_OFFSETS {
            story.told.push(offset);
        }
    }

    /// Whether the client was ever told this offset, right or wrong.
    pub(super) fn was_told(&self, offset: u64) -> bool {
        self.story().told.contains(&offset)
    }

    /// Its part of the report.
    pub(super) fn report(&self) -> SessionReport {
        let story = self.story();
        SessionReport {
            temp_upload: self.temp.clone(),
            size: self.size,
            opened: jiff::Timestamp::from_millisecond(self.opened_ms)
                .unwrap_or_default()
                .to_string(),
            received: story.received,
            persisted: self.persisted(),
            complete: self.complete().is_some(),
            queries: story.queries,
            told: story.told.clone(),
            resumed_at: story.resumed_at.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_ends_when_it_is_over_and_not_before() {
        let session = Session::new("s".into(), "t".into(), "b".into(), 1, 1_000);
        let life = Duration::from_millis(500);
        assert!(!session.expired(1_499, life));
        assert!(session.expired(1_500, life));
        assert!(!session.expired(i64::MAX - 1, Duration::MAX));
    }

    #[test]
    fn a_newer_request_ends_the_older_one_only() {
        let session = Session::new("s".into(), "t".into(), "b".into(), 1, 0);
        let older = session.take_over();
        let newer = session.take_over();
        assert!(older.is_cancelled() && !newer.is_cancelled());
    }

    #[test]
    fn only_a_chunk_right_after_a_query_is_a_resumption() {
        let session = Session::new("s".into(), "t".into(), "b".into(), 9, 0);
        session.note_chunk(0);
        session.note_query();
        session.note_query();
        session.note_chunk(3);
        session.note_chunk(6);
        assert_eq!(session.report().resumed_at, [3]);
        assert_eq!(session.report().queries, 2);
    }
}
