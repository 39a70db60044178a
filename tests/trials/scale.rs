//! How long a trial is, and how long to wait for its end.

use std::thread;
use std::time::{Duration, Instant};

/// The number in an environment variable, or the usual one.
pub fn so_many(variable: &str, usually: u64) -> u64 {
    std::env::var(variable).map_or(usually, |number| {
        number
            .parse()
            .unwrap_or_else(|_| panic!("{variable} is a number"))
    })
}

/// Waits for something that may take long and is dear to ask for. `None`: it did not come in time.
pub fn wait_long<T>(
    limit: Duration,
    between_looks: Duration,
    mut ready: impl FnMut() -> Option<T>,
) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = ready() {
            return Some(answer);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(between_looks);
    }
}
