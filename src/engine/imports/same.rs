//! Which row of a list of uploads is the file that was sent: pure questions of names and contents.

use crate::job::Job;
use crate::redivis::{Import, Upload};

/// How a table writes a name in addresses; two names that are written alike are one name to it.
pub(super) fn slug(name: &str) -> String {
    name.replace('.', "_")
}

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

/// Whether the import brings rows, or may.
pub(super) fn lives(upload: &Upload) -> bool {
    !matches!(upload.import, Import::Failed(_))
}

/// Whether a name is another one with a number put into it, as Redivis does when that is taken: behind it, or
/// before its ending.
pub(super) fn is_numbered(numbered: &str, name: &str) -> bool {
    let alike = numbered
        .bytes()
        .zip(name.bytes())
        .take_while(|(one, other)| one == other)
        .count();
    let (inserted, rest) = match numbered.len().checked_sub(name.len() - alike) {
        Some(end) if end > alike => (
            &numbered.as_bytes()[alike..end],
            &numbered.as_bytes()[end..],
        ),
        _ => return false,
    };
    rest == &name.as_bytes()[alike..]
        && matches!(inserted.first(), Some(b' ' | b'-' | b'_' | b'('))
        && inserted.iter().any(u8::is_ascii_digit)
        && inserted
            .iter()
            .all(|byte| byte.is_ascii_digit() || b" -_()".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::stock::tests::job;
    use crate::job::{Md5, RemoteId, State, Sums};

    #[test]
    fn a_number_in_a_name_is_told_from_another_name() {
        for (numbered, name, so) in [
            ("a.csv-2", "a.csv", true),
            ("a.csv (2)", "a.csv", true),
            ("a-2.csv", "a.csv", true),
            ("a_12.csv", "a.csv", true),
            ("a (3).csv", "a.csv", true),
            ("dir/a-2-2.csv", "dir/a-2.csv", true),
            ("a.csv", "a.csv", false),
            ("a2.csv", "a.csv", false),
            ("a.csv-", "a.csv", false),
            ("a.csv-b2", "a.csv", false),
            ("b.csv-2", "a.csv", false),
            ("a.cs", "a.csv", false),
            ("", "a.csv", false),
            ("a.csv-2", "", false),
            ("é-2", "é", true),
        ] {
            assert_eq!(is_numbered(numbered, name), so, "{numbered} of {name}");
        }
    }

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
            };
            assert_eq!(content(&job, &upload), want, "{size:?} {hash:?}");
        }
    }
}
