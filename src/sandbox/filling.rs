//! A chunk on its way to the disk, and what stays of it if its connection breaks.

use std::fs::File;
use std::io::{self, Write as _};

use bytes::Bytes;

use super::blobs::RunningSums;
use super::inflow::{Broken, Inflow};

/// All chunks but the last are multiples of this, and so is what a broken chunk leaves.
pub(super) const QUANTUM: u64 = 256 * 1024;

/// A chunk being written.
pub(super) struct Filling {
    file: File,
    /// The offset of the next byte that comes.
    at: u64,
    /// The offset of the next byte to store; what comes before it is stored already.
    stored: u64,
    /// Bytes from here on are not stored.
    limit: u64,
    sums: RunningSums,
    /// The last multiple of 256 KiB, and the checksums there: what stays if the connection breaks.
    mark: (u64, RunningSums),
}

impl Filling {
    /// A chunk that begins at `first`, on a file that ends at `persisted` (not before it), with
    /// the checksums up to there. From `limit` on nothing is stored.
    pub(super) fn new(
        file: File,
        first: u64,
        persisted: u64,
        limit: u64,
        sums: RunningSums,
    ) -> Self {
        Self {
            file,
            at: first,
            stored: persisted,
            limit,
            mark: (persisted, sums.clone()),
            sums,
        }
    }

    /// Takes the body in; whether it came to its end.
    pub(super) async fn fill(&mut self, inflow: &mut Inflow) -> io::Result<bool> {
        loop {
            match inflow.next().await {
                Ok(Some(bytes)) => self.take(bytes)?,
                Ok(None) => return Ok(true),
                Err(Broken) => return Ok(false),
            }
        }
    }

    /// How many bytes of the chunk arrived, if it began at `first`.
    pub(super) fn received(&self, first: u64) -> u64 {
        self.at - first
    }

    /// How many bytes are stored now, with their checksums: of a chunk that is not whole, those up
    /// to the mark.
    pub(super) fn end(self, whole: bool) -> io::Result<(u64, RunningSums)> {
        if whole {
            return Ok((self.stored, self.sums));
        }
        self.file.set_len(self.mark.0)?;
        Ok(self.mark)
    }

    fn take(&mut self, mut bytes: Bytes) -> io::Result<()> {
        let known = self.stored.saturating_sub(self.at);
        self.at += bytes.len() as u64;
        let known = usize::try_from(known).unwrap_or(usize::MAX);
        drop(bytes.split_to(known.min(bytes.len())));
        let room_left = usize::try_from(self.limit - self.stored.min(self.limit));
        bytes.truncate(room_left.unwrap_or(usize::MAX));
        while !bytes.is_empty() {
            let to_mark = usize::try_from(QUANTUM - self.stored % QUANTUM).unwrap_or(usize::MAX);
            let piece = bytes.split_to(to_mark.min(bytes.len()));
            self.file.write_all(&piece)?;
            self.sums.update(&piece);
            self.stored += piece.len() as u64;
            if self.stored.is_multiple_of(QUANTUM) {
                self.mark = (self.stored, self.sums.clone());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pieces of any size into a file that holds the first `persisted` bytes of a chunk at 0.
    fn filled(persisted: u64, limit: u64, pieces: &[usize]) -> Filling {
        let file = tempfile::tempfile().unwrap();
        let sums = RunningSums::default();
        let mut filling = Filling::new(file, 0, persisted, limit, sums);
        for piece in pieces {
            filling.take(Bytes::from(vec![7; *piece])).unwrap();
        }
        filling
    }

    #[test]
    fn what_is_stored_is_neither_stored_again_nor_beyond_the_limit() {
        let q = usize::try_from(QUANTUM).unwrap();
        for (persisted, limit, pieces, whole, broken) in [
            (0, 2 * QUANTUM, &[q, q][..], 2 * QUANTUM, 2 * QUANTUM),
            (0, 2 * QUANTUM, &[q + 1, 5], QUANTUM + 6, QUANTUM),
            (0, 2 * QUANTUM, &[q - 1], QUANTUM - 1, 0),
            (
                QUANTUM,
                3 * QUANTUM,
                &[1, q, q],
                2 * QUANTUM + 1,
                2 * QUANTUM,
            ),
            (QUANTUM, 3 * QUANTUM, &[q - 1], QUANTUM, QUANTUM),
            (1000, 3 * QUANTUM, &[q - 1], QUANTUM - 1, 1000),
            (0, 10, &[q, q], 10, 0),
            (100, 10, &[q], 100, 100),
        ] {
            let case = format!("{persisted} {limit} {pieces:?}");
            let end = |whole| filled(persisted, limit, pieces).end(whole).unwrap().0;
            assert_eq!(end(true), whole, "{case}");
            assert_eq!(end(false), broken, "{case}");
        }
    }
}
