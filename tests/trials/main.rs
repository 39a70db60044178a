//! Trials that can be made as long as one likes: many files, many changes, many races, small limits.
//!
//! ```text
//! REDIVIS_DROP_CHURN=1000000    cargo test --test trials churn    -- --nocapture
//! REDIVIS_DROP_MUTATIONS=100000 cargo test --test trials mutation -- --nocapture
//! REDIVIS_DROP_RACES=10000000   cargo test --test trials races    -- --nocapture
//! REDIVIS_DROP_SEED=123         cargo test --test trials          -- --nocapture    # the same choices again
//! ```
//!
//! The program is a process of its own. What it did is read off its journal (`jobs --json`), off what it says
//! of itself (`status --json`), and off the practice server's tables.

#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first surprise, also in its helpers"
)]

mod census;
#[path = "../kill_loop/chance.rs"]
mod chance;
mod churn;
#[path = "../carry/lab.rs"]
#[expect(dead_code, reason = "other tests need the rest")]
mod lab;
mod limits;
mod mutations;
#[path = "../carry/process.rs"]
#[expect(dead_code, reason = "other tests need the rest")]
mod process;
mod races;
mod scale;
mod versions;
mod writer;
