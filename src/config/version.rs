//! Which version of its dataset a table reference names, and what may be asked of that.

use crate::job::address;

use super::table_reference::{Rank, rank};
use super::value::{Complaint, quoted};

/// Which version of its dataset a table reference names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version<'a> {
    /// None, or `current`: the one that was released last.
    Current,
    /// `next`: the one that is not released.
    Next,
    /// `v1_0` and so on: released, for good.
    Numbered(&'a str),
}

/// What the journal calls a table ([`address`]), taken apart as far as versions go. Its shape is known to be right.
#[derive(Debug, Clone, Copy)]
pub struct Reference<'a> {
    endpoint: Option<&'a str>,
    owner: &'a str,
    name: &'a str,
    ref_id: Option<&'a str>,
    /// Which version it names.
    pub version: Version<'a>,
    table: &'a str,
}

impl<'a> Reference<'a> {
    /// `None` of a text that is no table reference.
    pub fn read(text: &'a str) -> Option<Self> {
        let (endpoint, reference) = address::parts(text);
        let (owner, rest) = reference.split_once('.')?;
        let (dataset, table) = rest.rsplit_once('.')?;
        let mut words = dataset.split(':');
        let name = words.next()?;
        let (mut ref_id, mut version) = (None, Version::Current);
        for word in words {
            match rank(word) {
                Rank::RefId => ref_id = Some(word),
                Rank::Version if word == "next" => version = Version::Next,
                Rank::Version if word != "current" => version = Version::Numbered(word),
                Rank::Sample | Rank::Version => {}
            }
        }
        Some(Self {
            endpoint,
            owner,
            name,
            ref_id,
            version,
            table,
        })
    }

    /// The dataset's name for people: without its endpoint, version and id.
    pub fn dataset_name(&self) -> String {
        format!("{}.{}", self.owner, self.name)
    }

    /// The dataset's name, whatever else the reference says of it: two tables of one dataset have the same, and no others.
    pub fn dataset_key(&self) -> String {
        self.there(self.dataset_name())
    }

    /// The table's name in its dataset's, whatever the version and the ids.
    pub fn plain(&self) -> String {
        let table = self.table.split(':').next().unwrap_or(self.table);
        self.there(format!("{}.{table}", self.dataset_name()))
    }

    /// What is asked for the dataset, without a version.
    pub fn dataset(&self) -> String {
        self.there(self.dataset_reference())
    }

    /// The same table in the next version, as it is written into the configuration.
    pub fn in_next_version(&self) -> String {
        format!("{}:next.{}", self.dataset_reference(), self.table)
    }

    fn dataset_reference(&self) -> String {
        match self.ref_id {
            Some(id) => format!("{}:{id}", self.dataset_name()),
            None => self.dataset_name(),
        }
    }

    fn there(&self, reference: String) -> String {
        match self.endpoint {
            Some(endpoint) => address::at(endpoint, &reference),
            None => reference,
        }
    }
}

/// What is wrong with `create_next_version = true` for a table; nothing if it names the next version.
pub(super) fn cannot_help(table: &str) -> Option<Complaint> {
    let reference = Reference::read(table)?;
    let what = match reference.version {
        Version::Next => return None,
        Version::Numbered(version) => format!(
            "it cannot help: the table {} is in the version `{version}`, which stays as it was released",
            quoted(table)
        ),
        Version::Current => format!(
            "it cannot help: the table {} is in the current version, also when there is a next one",
            quoted(table)
        ),
    };
    let next = reference.in_next_version();
    Some(Complaint::new(what).hint(format!("write table = {next:?}, or remove this line")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_reference_says_which_version_it_means() {
        for (text, version, dataset, next) in [
            ("a.b.c", Version::Current, "a.b", "a.b:next.c"),
            ("a.b:current.c", Version::Current, "a.b", "a.b:next.c"),
            ("a.b:next.c", Version::Next, "a.b", "a.b:next.c"),
            (
                "a.b:7br5:sample:v1_0.c:9fwz",
                Version::Numbered("v1_0"),
                "a.b:7br5",
                "a.b:7br5:next.c:9fwz",
            ),
        ] {
            let reference = Reference::read(text).unwrap();
            assert_eq!(reference.version, version, "{text}");
            assert_eq!(reference.dataset(), dataset, "{text}");
            assert_eq!(reference.dataset_name(), "a.b", "{text}");
            assert_eq!(reference.plain(), "a.b.c", "{text}");
            assert_eq!(reference.in_next_version(), next, "{text}");
        }
        assert!(Reference::read("table").is_none());

        // of two endpoints, the same names mean something else
        let here = Reference::read("a.b:7br5:next.c:9fwz").unwrap();
        let there = address::at("https://redivis.example/api/v1", "a.b:7br5:next.c:9fwz");
        let there = Reference::read(&there).unwrap();
        assert_eq!(there.version, Version::Next);
        let at = |reference| address::at("https://redivis.example/api/v1", reference);
        assert_eq!(there.dataset(), at("a.b:7br5"));
        assert_eq!(there.dataset_key(), at("a.b"));
        assert_eq!(there.plain(), at("a.b.c"));
        assert_eq!(here.plain(), "a.b.c");
        // what people read and write has no endpoint
        assert_eq!(there.in_next_version(), here.in_next_version());
        assert_eq!(there.dataset_name(), here.dataset_name());
    }
}
