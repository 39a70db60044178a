//! References to datasets and tables: `owner.dataset[:refId][:sample][:version].table[:refId]`.

/// Which version of a dataset a reference means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// None was named, or `current`.
    Current,
    /// `next`: the unreleased one.
    Next,
    /// `v1_0` and so on: released, and closed for good.
    Numbered,
}

/// A dataset, as a request names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DatasetRef {
    /// The reference as it was written.
    pub text: String,
    /// `owner.dataset` without qualifiers: what the ledger knows it by.
    pub key: String,
    /// The version that was asked for.
    pub version: Version,
}

/// A table, as a request names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableRef {
    /// The reference as it was written.
    pub text: String,
    /// `owner.dataset.table` without qualifiers: what the ledger knows it by.
    pub key: String,
    /// The table's own name.
    pub name: String,
    /// The dataset that holds it.
    pub dataset: DatasetRef,
}

impl DatasetRef {
    /// `None` if the text is no dataset reference.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (owner, dataset) = text.split_once('.')?;
        let mut parts = dataset.split(':');
        let name = parts.next()?;
        let mut version = Version::Current;
        for part in parts {
            match part {
                "next" => version = Version::Next,
                part if is_numbered(part) => version = Version::Numbered,
                part if is_name(part) => {}
                _ => return None,
            }
        }
        (is_name(owner) && is_name(name)).then(|| Self {
            text: text.to_owned(),
            key: format!("{owner}.{name}"),
            version,
        })
    }
}

impl TableRef {
    /// `None` if the text is no table reference.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (dataset, table) = text.rsplit_once('.')?;
        let dataset = DatasetRef::parse(dataset)?;
        let (name, ref_id) = match table.split_once(':') {
            Some((name, ref_id)) => (name, Some(ref_id)),
            None => (table, None),
        };
        (is_name(name) && ref_id.is_none_or(is_name)).then(|| Self {
            text: text.to_owned(),
            key: format!("{}.{name}", dataset.key),
            name: name.to_owned(),
            dataset,
        })
    }
}

/// Names and reference ids: letters, digits, `_`, `-` and blanks.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | ' '))
}

/// `v1_0`, `v12_3`.
fn is_numbered(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.strip_prefix('v')
        .and_then(|numbers| numbers.split_once('_'))
        .is_some_and(|(major, minor)| digits(major) && digits(minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qualifiers_do_not_make_another_table() {
        for (text, version) in [
            ("lab.data.raw", Version::Current),
            ("lab.data:current.raw", Version::Current),
            ("lab.data:next.raw", Version::Next),
            ("lab.data:x7c1:sample:next.raw:9fwz", Version::Next),
            ("lab.data:v1_0.raw", Version::Numbered),
        ] {
            let table = TableRef::parse(text).unwrap();
            assert_eq!(table.key, "lab.data.raw");
            assert_eq!(table.dataset.version, version, "{text}");
        }
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in [
            "",
            "raw",
            "data.raw",
            "lab.data.",
            ".data.raw",
            "lab.data/x.raw",
            "a.b.c.d",
            "lab.data:.raw",
        ] {
            assert_eq!(TableRef::parse(text), None, "{text}");
        }
    }
}
