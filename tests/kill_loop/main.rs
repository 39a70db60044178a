//! Nothing lost, nothing twice, nothing mixed, nothing stuck: a real process, killed by real SIGKILLs at
//! random moments and at every named point around a durable write or a request, with a server that fails
//! in between. What the server has registered is the judge.
//!
//! ```text
//! REDIVIS_DROP_KILLS=2000 cargo test --test kill_loop -- --nocapture
//! REDIVIS_DROP_SEED=123   cargo test --test kill_loop -- --nocapture     # the same choices again
//! ```
//!
//! The points are in debug builds only, and so is this test.

#![cfg(debug_assertions)]
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first surprise, also in its helpers"
)]

mod chance;
mod judge;
#[path = "../carry/lab.rs"]
#[expect(dead_code, reason = "other tests need the rest")]
mod lab;
mod points;
#[path = "../carry/process.rs"]
#[expect(dead_code, reason = "other tests need the rest")]
mod process;
mod scene;
mod turns;
mod weather;
