//! Whether files can be added to the version of a dataset that a table reference names, and what to do if not.

use crate::config::{Reference, Version};
use crate::job::address;

use super::DatasetInfo;

/// Where a table stands among the versions of its dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is in a version that is not released, as far as the dataset says.
    Open,
    /// It names the current version, which is released.
    Current(Released),
    /// It names a version by its number.
    Numbered(Released),
    /// It names the next version, and there is none.
    NoNext(Released),
}

/// What was found of a dataset of which a version is released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    table: String,
    /// The table in the next version.
    next: String,
    dataset: String,
    /// The version that was released last, if its name is known.
    pub version: Option<String>,
    has_next: bool,
}

impl Standing {
    /// Holds a table reference against its dataset.
    pub fn of(table: &str, dataset: &DatasetInfo) -> Self {
        let Some(reference) = Reference::read(table) else {
            return Self::Open;
        };
        let released = Released {
            table: address::parts(table).1.to_owned(),
            next: reference.in_next_version(),
            dataset: reference.dataset_name(),
            version: dataset.released.clone(),
            has_next: dataset.has_next_version,
        };
        match reference.version {
            Version::Numbered(_) => Self::Numbered(released),
            Version::Next if !dataset.has_next_version => Self::NoNext(released),
            Version::Current if dataset.released.is_some() => Self::Current(released),
            Version::Next | Version::Current => Self::Open,
        }
    }

    /// What is wrong, in a sentence or two; `in_flight`: files were on their way. Nothing if it is open. What to do
    /// about a next version that is not there is for the caller to say.
    pub fn why(&self, in_flight: bool) -> Option<String> {
        let (Self::Current(of) | Self::Numbered(of) | Self::NoNext(of)) = self else {
            return None;
        };
        let Released {
            table,
            next,
            dataset,
            ..
        } = of;
        let version = of.version.as_deref().map(|tag| format!(", {tag},"));
        let version = version.unwrap_or_default();
        let first = if of.has_next {
            ""
        } else {
            "; there is none yet, so make it in Redivis first"
        };
        let instead = format!("Write table = \"{next}\"{first}");
        Some(match self {
            Self::Current(_) => format!(
                "{table} is in the current version of its dataset{version} which is released, and files can only be \
                 added to one that is not. {instead}"
            ),
            Self::Numbered(_) => format!(
                "{table} names a version by its number; such a version stays as it was released, and files can only \
                 be added to the next one. {instead}"
            ),
            _ if in_flight => format!(
                "{dataset} was released{} after files had begun to go there, and has no next version yet. What was \
                 sent is kept and goes into the next version, without being sent again unless Redivis has let go \
                 of it",
                of.version
                    .as_deref()
                    .map(|tag| format!(" as {tag}"))
                    .unwrap_or_default()
            ),
            _ => format!(
                "{dataset} has no next version: its last one{version} is released, and files can only be added to \
                 one that is not"
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset(released: Option<&str>, has_next_version: bool) -> DatasetInfo {
        DatasetInfo {
            name: None,
            qualified_reference: None,
            released: released.map(str::to_owned),
            has_next_version,
        }
    }

    #[test]
    fn each_standing_is_told_apart_and_says_what_is_wrong() {
        let first = Some("v1.0");
        for (table, dataset, in_flight, said) in [
            ("a.b.c", dataset(None, true), false, None),
            ("a.b:next.c", dataset(None, true), false, None),
            ("a.b:next.c", dataset(first, true), true, None),
            (
                "a.b.c",
                dataset(first, true),
                false,
                Some(
                    "a.b.c is in the current version of its dataset, v1.0, which is released, and files can only be \
                     added to one that is not. Write table = \"a.b:next.c\"",
                ),
            ),
            (
                "a.b:7br5:current.c",
                dataset(first, false),
                false,
                Some(
                    "a.b:7br5:current.c is in the current version of its dataset, v1.0, which is released, and files \
                     can only be added to one that is not. Write table = \"a.b:7br5:next.c\"; there is none yet, so \
                     make it in Redivis first",
                ),
            ),
            (
                "a.b:v1_0.c",
                dataset(first, true),
                false,
                Some(
                    "a.b:v1_0.c names a version by its number; such a version stays as it was released, and files \
                     can only be added to the next one. Write table = \"a.b:next.c\"",
                ),
            ),
            (
                "a.b:next.c",
                dataset(first, false),
                false,
                Some(
                    "a.b has no next version: its last one, v1.0, is released, and files can only be added to one \
                     that is not",
                ),
            ),
            (
                "a.b:next.c",
                dataset(None, false),
                false,
                Some(
                    "a.b has no next version: its last one is released, and files can only be added to one that is \
                     not",
                ),
            ),
            (
                "a.b:next.c",
                dataset(Some("v2.0"), false),
                true,
                Some(
                    "a.b was released as v2.0 after files had begun to go there, and has no next version yet. What \
                     was sent is kept and goes into the next version, without being sent again unless Redivis has \
                     let go of it",
                ),
            ),
        ] {
            let standing = Standing::of(table, &dataset);
            assert_eq!(standing.why(in_flight).as_deref(), said, "{table}");
        }
    }
}
