//! Which row of a list of uploads is the file that was sent: a pure question of contents.

use crate::job::Job;
use crate::redivis::Upload;

/// What Redivis has of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Our size and md5.
    Ours,
    /// Another size, or another md5.
    Other,
    /// One of them is not told.
    Untold,
}

/// Holds what Redivis has against what was read here.
pub(super) fn content(job: &Job, upload: &Upload) -> Content {
    match (upload.size, upload.md5, job.state.md5()) {
        (Some(size), ..) if size != job.seen.size => Content::Other,
        (_, Some(md5), Some(ours)) if md5 != ours => Content::Other,
        (Some(_), Some(_), Some(_)) => Content::Ours,
        _ => Content::Untold,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::stock::tests::job;
    use crate::job::{Md5, RemoteId, State, Sums};
    use crate::redivis::Import;

    #[test]
    fn only_what_is_told_and_equal_is_ours() {
        let mut job = job(1, "t", "a.csv", 7);
        let md5 = Some(Md5([1; 16]));
        let sums = Sums { crc32c: 0, md5 };
        job.state = State::Importing(RemoteId::new("/u"), sums);
        for (size, hash, want) in [
            (Some(7), md5, Content::Ours),
            (Some(8), md5, Content::Other),
            (Some(8), None, Content::Other),
            (Some(7), Some(Md5([2; 16])), Content::Other),
            (None, Some(Md5([2; 16])), Content::Other),
            (Some(7), None, Content::Untold),
            (None, md5, Content::Untold),
            (None, None, Content::Untold),
        ] {
            let upload = Upload {
                uri: RemoteId::new("/u"),
                name: "a.csv".into(),
                import: Import::Completed,
                size,
                md5: hash,
                rows: None,
            };
            assert_eq!(content(&job, &upload), want, "{size:?} {hash:?}");
        }
    }
}
