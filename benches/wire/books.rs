//! What the sink has seen.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::http::Head;

/// The window of the API's limit.
pub const WINDOW: Duration = Duration::from_secs(100);

/// A temporary upload.
#[derive(Debug)]
pub struct Upload {
    pub name: String,
    pub size: u64,
}

/// Told to the bench. Times are nanoseconds since 1970; 0: not yet.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Report {
    /// Requests, by kind.
    pub calls: BTreeMap<String, u64>,
    /// The first request's head was read.
    pub first_request: u64,
    /// The last answer was written.
    pub last_answer: u64,
    /// The last registration's answer was written.
    pub last_registration: u64,
    /// Files registered.
    pub registered: u64,
    /// Body bytes of uploads.
    pub bytes: u64,
    /// When the first body byte of each upload came, by name.
    pub first_bytes: BTreeMap<String, u64>,
    /// Connections that ended in the middle of something.
    pub broken: Vec<String>,
}

/// Everything that the connections share.
#[derive(Debug)]
pub struct Books {
    pub port: u16,
    bytes: AtomicU64,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    uploads: Vec<Upload>,
    recent: VecDeque<Instant>,
    report: Report,
}

impl Books {
    pub fn new(port: u16) -> Self {
        Self {
            port,
            bytes: AtomicU64::new(0),
            book: Mutex::default(),
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn note_request(&self) {
        let now = now();
        let mut book = self.book();
        if book.report.first_request == 0 {
            book.report.first_request = now;
        }
    }

    pub fn note_answer(&self, head: &Head) {
        let now = now();
        let mut book = self.book();
        book.report.last_answer = now;
        if head.method == "POST" && head.path.ends_with("/rawFiles") {
            book.report.last_registration = now;
        }
    }

    pub fn note_break(&self, error: &io::Error) {
        let mut book = self.book();
        if book.report.broken.len() < 10 {
            book.report.broken.push(error.to_string());
        }
    }

    pub fn count(&self, call: &str) {
        let mut book = self.book();
        *book.report.calls.entry(call.to_owned()).or_default() += 1;
    }

    pub fn arrived(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts a request against the limit. `Ok`: how many more; `Err`: how long to wait.
    pub fn admit(&self, limit: usize) -> Result<usize, Duration> {
        let now = Instant::now();
        let mut book = self.book();
        while let Some(oldest) = book.recent.front().copied() {
            let age = now.duration_since(oldest);
            if age < WINDOW {
                if book.recent.len() >= limit {
                    return Err(WINDOW.saturating_sub(age));
                }
                break;
            }
            book.recent.pop_front();
        }
        book.recent.push_back(now);
        Ok(limit - book.recent.len())
    }

    /// The number of a new temporary upload.
    pub fn reserve(&self, name: String, size: u64) -> usize {
        let mut book = self.book();
        book.uploads.push(Upload { name, size });
        book.uploads.len() - 1
    }

    /// The name and size of a temporary upload.
    pub fn upload(&self, id: usize) -> Option<(String, u64)> {
        let book = self.book();
        let upload = book.uploads.get(id)?;
        Some((upload.name.clone(), upload.size))
    }

    /// The first byte of an upload has come.
    pub fn begun(&self, name: String) {
        let now = now();
        self.book().report.first_bytes.entry(name).or_insert(now);
    }

    pub fn registered(&self, files: u64) {
        self.book().report.registered += files;
    }

    pub fn report(&self) -> Report {
        let mut report = self.book().report.clone();
        report.bytes = self.bytes.load(Ordering::Relaxed);
        report
    }

    /// The report without what grows with the number of files.
    pub fn brief(&self) -> Report {
        let first_bytes = std::mem::take(&mut self.book().report.first_bytes);
        let report = self.report();
        self.book().report.first_bytes = first_bytes;
        report
    }
}

/// Nanoseconds since 1970: the same clock in every process of this machine.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(0))
}
