//! Tables of rows: stored files are taken in one by one, and Redivis imports them in its own time.
//!
//! ```text
//! stored → [policy] → begin (one request a file) → importing → poll (one list for all) → done
//!                       └ answer lost → look_up (the same list) ┘
//! ```
//!
//! The intent is recorded before each request and its answer after it, as for files. What differs: the answer
//! is no proof yet. An import that ends well is one only if Redivis has our size and md5; one that fails is a
//! matter for a person, with Redivis' own words.

mod begin;
mod deadline;
mod known;
mod look_up;
mod policy;
mod poll;
mod refused;
mod rounds;
mod same;
mod unlisted;
mod unproven;
mod versions;

pub(super) use begin::register;
pub(super) use known::list_in_parts;
pub(super) use look_up::look_up;
pub(super) use poll::poll;
pub(super) use rounds::Rounds;
pub(super) use unlisted::Unlisted;
pub(super) use unproven::set_apart_again;

use super::Shared;
use super::batch;
use crate::redivis::{ApiError, Upload};

/// Files that one step takes in: more wait for the next, so that what is more urgent gets its turn.
pub(super) const AT_ONCE: usize = 128;

/// A list has no more pages: a million uploads.
const MOST_PAGES: usize = 1000;

/// The uploads of a table that are `wanted`, page by page, each within the budget. All or nothing.
async fn list(
    shared: &Shared,
    table: &str,
    wanted: impl Fn(&Upload) -> bool + Send,
) -> Result<Vec<Upload>, ApiError> {
    let (mut found, mut after) = (Vec::new(), None);
    for _ in 0..MOST_PAGES {
        batch::budget(shared).await;
        let page = shared.client.list_uploads(table, after.as_deref()).await?;
        found.extend(page.uploads.into_iter().filter(&wanted));
        match page.next {
            None => return Ok(found),
            Some(next) if Some(&next) == after.as_ref() => break,
            next => after = next,
        }
    }
    let what = "a list of uploads that does not end".to_owned();
    Err(ApiError::Nonsense { what })
}

#[cfg(test)]
mod tests;
