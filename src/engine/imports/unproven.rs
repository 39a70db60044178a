//! What Redivis has taken in, and nothing proves what came of it: a person must look, and nothing is sent again by itself.

use std::time::Duration;

use super::batch;
use crate::engine::{Recorded, Shared};
use crate::job::{Job, ParkReason, RemoteId};
use crate::journal::Before;
use crate::redivis::Upload;

/// What is to be done where rows may be in the table.
const NOT_SENT_AGAIN: &str = "The local file was kept, and is not sent again. Look for that upload in the table: if it is \
     there and right, nothing remains to be done; if not, delete it there and drop the file again under another name";

/// The rows are there, and may be ours.
pub(super) async fn untold(shared: &Shared, job: Job, upload: &Upload) -> Recorded<()> {
    let untold = match (upload.size, upload.md5) {
        (None, None) => "size and md5",
        (None, _) => "size",
        _ => "md5",
    };
    let why = format!(
        "Redivis has imported it as {:?}, but its list of uploads does not tell the {untold}, so nothing proves that \
         the rows are those of this file",
        upload.name
    );
    set_apart(shared, job, &why).await
}

/// The list has not had it for too long.
pub(super) async fn unlisted(shared: &Shared, job: Job) -> Recorded<()> {
    let why = format!(
        "Redivis has taken it in{}, and its list of uploads has not had it for an hour: it may be in the table, or \
         somebody may have deleted it",
        address(job.state.remote_id())
    );
    set_apart(shared, job, &why).await
}

/// It has not come to its end for too long.
pub(super) async fn endless(shared: &Shared, job: Job, long: Duration) -> Recorded<()> {
    let why = format!(
        "Redivis has taken it in{} and has told of no end of its import for {}; it may still come to one",
        address(job.state.remote_id()),
        humantime::format_duration(long)
    );
    set_apart(shared, job, &why).await
}

/// The file was touched, or put there again, with the very content that is set apart already.
pub(in crate::engine) async fn set_apart_again(
    shared: &Shared,
    job: Job,
    before: &Before,
) -> Recorded<()> {
    let why = format!(
        "Redivis has taken the same content under this name in before{}, and nothing proves what came of it",
        address(Some(&before.remote))
    );
    set_apart(shared, job, &why).await
}

async fn set_apart(shared: &Shared, job: Job, why: &str) -> Recorded<()> {
    let why = format!("{why}. {NOT_SENT_AGAIN}");
    batch::park(shared, vec![job], ParkReason::NotProven, &why).await
}

/// Where Redivis has put an upload, for people.
fn address(uri: Option<&RemoteId>) -> String {
    uri.map_or_else(String::new, |uri| format!(" as {}", uri.as_str()))
}
