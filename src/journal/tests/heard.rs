//! What is logged while something is done on this thread.

use std::io;
use std::sync::{Arc, Mutex};

use tracing::Dispatch;
use tracing::dispatcher::with_default;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that are logged, and what came of it.
pub(in crate::journal) fn heard<T>(what: impl FnOnce() -> T) -> (String, T) {
    let log = Log::default();
    let writer = log.clone();
    let listener = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let listener = Dispatch::new(listener);
    // With one listener alone, a line that is met first on a thread which does not listen is switched off for
    // all threads. Other tests run meanwhile.
    let _second = Dispatch::new(tracing_subscriber::registry());
    let value = with_default(&listener, what);
    let bytes = log.0.lock().unwrap().clone();
    (String::from_utf8(bytes).unwrap(), value)
}

/// Those lines alone.
pub(in crate::journal) fn said(what: impl FnOnce()) -> String {
    heard(what).0
}
