//! The upload machine: what an answer means, without any of the work around it.

use std::path::Path;

use anyhow::bail;
use redivis_drop::job::{SessionUrl, Troubles};
use redivis_drop::transfer::{CHUNK_QUANTUM, Reply, Request, Upload, Verdict};

use crate::figures::{Bar, Table, note, number};
use crate::{median_of, timed};

const CHUNKS: u64 = 200_000;

pub fn machine(_place: &Path, table: &mut Table) -> anyhow::Result<()> {
    let seconds = median_of(|| timed(upload))?;
    let rate = number(CHUNKS) / seconds;
    let shown = format!("{:.2} M/s", rate / 1e6);
    table.figure("machine, answers", &shown, rate, Bar::AtLeast(100_000.0));
    note("chunks of 256 KiB, each answered by 308; writing the answer is part of it");
    Ok(())
}

/// One file in very many chunks.
fn upload() -> anyhow::Result<()> {
    let size = CHUNKS * CHUNK_QUANTUM;
    let mut upload = Upload::resumable(size, CHUNK_QUANTUM, Troubles::default());
    loop {
        let reply = match upload.request() {
            Request::StartSession => Reply {
                status: 201,
                session: Some(SessionUrl::new("https://storage.example/session")),
                ..Reply::default()
            },
            Request::Chunk { first, len } if first.get() + len == size => Reply {
                status: 200,
                ..Reply::default()
            },
            Request::Chunk { first, len } => Reply {
                status: 308,
                range: Some(format!("bytes=0-{}", first.get() + len - 1)),
                ..Reply::default()
            },
            other => bail!("no reason for {other:?}"),
        };
        match upload.on_reply(&reply) {
            Verdict::Continue | Verdict::Opened(_) | Verdict::Confirmed(_) => {}
            Verdict::Stored(_) => return Ok(()),
            other => bail!("no reason for {other:?}"),
        }
    }
}
