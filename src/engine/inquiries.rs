//! Datasets that are to be looked at, because a table of theirs refuses everything. Time is an argument.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use crate::config::Reference;

/// Which datasets are to be looked at, and when. All tables of a dataset are looked at together, so that whoever
/// makes its next version makes one.
#[derive(Debug, Default)]
pub(super) struct Inquiries {
    waiting: BTreeMap<String, Waiting>,
    /// Those that had no next version when they were looked at last.
    without_next: BTreeSet<String>,
    /// Those that have one since, and the tables that were tried for that.
    with_next: BTreeMap<String, BTreeSet<String>>,
    /// One is being looked at.
    pub looking: bool,
}

#[derive(Debug, Default)]
struct Waiting {
    tables: BTreeSet<String>,
    /// Not before this.
    at: Option<Instant>,
}

/// A dataset that is to be looked at now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Inquiry {
    /// `owner.dataset`
    pub dataset: String,
    /// Those of its tables that refuse everything; at least one.
    pub tables: Vec<String>,
}

impl Inquiries {
    /// A table refuses everything: its dataset is to be looked at, if its reference names one.
    pub fn ask(&mut self, table: &str) -> bool {
        let Some(reference) = Reference::read(table) else {
            return false;
        };
        let waiting = self.waiting.entry(reference.dataset_key()).or_default();
        waiting.tables.insert(table.to_owned());
        waiting.at = None;
        true
    }

    /// The tables of a dataset are to be looked at again.
    pub fn ask_later(&mut self, inquiry: Inquiry, at: Option<Instant>) {
        let waiting = self.waiting.entry(inquiry.dataset).or_default();
        // whoever asked meanwhile is told as soon
        let is_new = waiting.tables.is_empty();
        waiting.tables.extend(inquiry.tables);
        waiting.at = if is_new { at } else { waiting.at };
    }

    /// A table takes files again.
    pub fn forget(&mut self, table: &str) {
        self.waiting.retain(|_, waiting| {
            waiting.tables.remove(table);
            !waiting.tables.is_empty()
        });
    }

    /// A dataset was looked at.
    pub fn looked(&mut self, dataset: &str, has_next: bool) {
        if !has_next {
            self.with_next.remove(dataset);
            self.without_next.insert(dataset.to_owned());
        } else if self.without_next.remove(dataset) {
            self.with_next.insert(dataset.to_owned(), BTreeSet::new());
        }
    }

    /// Whether a table may have refused only because its dataset had no next version then. Once for each that came.
    pub fn may_try(&mut self, dataset: &str, table: &str) -> bool {
        let tried = self.with_next.get_mut(dataset);
        tried.is_some_and(|tried| tried.insert(table.to_owned()))
    }

    /// A dataset that is to be looked at at `now`; it is not named again until somebody asks.
    pub fn next(&mut self, now: Instant) -> Option<Inquiry> {
        let is_due = |waiting: &Waiting| waiting.at.is_none_or(|at| at <= now);
        let due = self.waiting.iter().find(|(_, waiting)| is_due(waiting));
        let dataset = due?.0.clone();
        let waiting = self.waiting.remove(&dataset)?;
        Some(Inquiry {
            dataset,
            tables: waiting.tables.into_iter().collect(),
        })
    }

    /// The times at which a dataset is to be looked at.
    pub fn ends(&self) -> impl Iterator<Item = Instant> {
        self.waiting.values().filter_map(|waiting| waiting.at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_tables_of_a_dataset_are_looked_at_together_and_when_it_is_time() {
        let now = Instant::now();
        let soon = now + Duration::from_secs(1);
        let mut inquiries = Inquiries::default();
        assert!(!inquiries.ask("no reference"));
        for table in ["a.b:next.x", "a.c:next.x", "a.b:7br5:next.y", "a.b:next.x"] {
            assert!(inquiries.ask(table));
        }
        let first = inquiries.next(now).unwrap();
        assert_eq!(first.dataset, "a.b");
        assert_eq!(first.tables, ["a.b:7br5:next.y", "a.b:next.x"]);
        assert_eq!(inquiries.next(now).unwrap().dataset, "a.c");
        assert_eq!(inquiries.next(now), None, "once only");

        inquiries.ask_later(first.clone(), Some(soon));
        assert_eq!(inquiries.next(now), None);
        assert_eq!(inquiries.ends().next(), Some(soon));
        inquiries.forget("a.b:next.x");
        let again = inquiries.next(soon).unwrap();
        assert_eq!(again.tables, ["a.b:7br5:next.y"]);

        inquiries.ask_later(again, Some(soon));
        inquiries.ask("a.b:next.x");
        assert_eq!(inquiries.next(now).unwrap().tables.len(), 2, "a new reason");
    }

    #[test]
    fn each_table_is_tried_once_for_each_next_version_that_came() {
        let mut inquiries = Inquiries::default();
        inquiries.looked("a.b", true);
        assert!(!inquiries.may_try("a.b", "x"), "it was there before");
        for _ in 0..2 {
            inquiries.looked("a.b", false);
            assert!(!inquiries.may_try("a.b", "x"));
            inquiries.looked("a.b", true);
            assert!(inquiries.may_try("a.b", "x") && !inquiries.may_try("a.b", "x"));
            inquiries.looked("a.b", true);
            assert!(inquiries.may_try("a.b", "y") && !inquiries.may_try("a.b", "x"));
        }
    }
}
