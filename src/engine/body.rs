//! What goes out: a file's bytes, within the bandwidth limit, counted and summed on the way.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{Stream, unfold};
use tokio::sync::oneshot;

use super::Shared;
use super::hash::Hasher;
use super::source::Source;
use crate::redivis::UploadBody;

/// A body, and the checksums up to its end once its bytes were read.
pub(super) type Body = (UploadBody, oneshot::Receiver<Hasher>);

/// All bytes of a small file, which were read and summed already.
pub(super) async fn whole(shared: &Shared, bytes: Bytes) -> UploadBody {
    shared.limiter.pass(bytes.len() as u64).await;
    count(shared, &bytes);
    UploadBody::whole(bytes)
}

/// The `len` bytes from where the hasher is, read on the way.
pub(super) fn streamed(shared: &Arc<Shared>, source: &Source, hasher: Hasher, len: u64) -> Body {
    // everyone who streams has one, and the pool the first
    let files = Arc::strong_count(&shared.streams) - 1;
    let (blocks, summed) = shared
        .surroundings
        .reading
        .stream(source, hasher, len, files);
    let shared = Arc::clone(shared);
    let limited = blocks.flat_map(move |block| pieces(block, &shared));
    (UploadBody::stream(len, limited), summed)
}

/// A block as it may go out: at once, or piece by piece at the limit.
fn pieces(
    block: io::Result<Bytes>,
    shared: &Arc<Shared>,
) -> impl Stream<Item = io::Result<Bytes>> + use<> {
    let shared = Arc::clone(shared);
    unfold(Some(block), move |block| {
        let shared = Arc::clone(&shared);
        async move {
            let mut bytes = match block? {
                Ok(bytes) => bytes,
                failed => return Some((failed, None)),
            };
            let piece = match shared.limiter.piece() {
                Some(most) => {
                    bytes.split_to(bytes.len().min(usize::try_from(most).unwrap_or(usize::MAX)))
                }
                None => std::mem::take(&mut bytes),
            };
            shared.limiter.pass(piece.len() as u64).await;
            count(&shared, &piece);
            let rest = (!bytes.is_empty()).then_some(Ok(bytes));
            Some((Ok(piece), rest))
        }
    })
}

fn count(shared: &Shared, bytes: &Bytes) {
    shared.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
}
