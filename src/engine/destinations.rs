//! Tables that refuse everything: released meanwhile, missing, or not for this token. Each is left alone
//! by itself, and asked again now and then. Time is an argument.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::redivis::ApiError;

/// A closed table is tried again this often.
pub(super) const PROBE: Duration = Duration::from_mins(5);

/// What stands in the text of a refusal that is about the table and not about a file.
const ABOUT_THE_TABLE: [&str; 8] = [
    "released",
    "version",
    "not a file index",
    "wrong kind",
    "permission",
    "not authorized",
    "table not found",
    "dataset",
];

/// Whether a refusal is certainly about the table: every other file would meet it too.
pub(super) fn names_the_table(error: &ApiError) -> bool {
    matches!(error, ApiError::Refused { status, .. } if matches!(status, 403 | 404 | 405 | 410))
}

/// Whether a refusal seems to be about the table. (A file's name can hold such words too.)
pub(super) fn speaks_of_the_table(error: &ApiError) -> bool {
    let text = error.to_string().to_lowercase();
    ABOUT_THE_TABLE.iter().any(|words| text.contains(words))
}

/// The tables that refuse everything.
#[derive(Debug, Default)]
pub(super) struct Destinations(BTreeMap<String, Closed>);

#[derive(Debug)]
struct Closed {
    probe_at: Instant,
    why: String,
}

impl Destinations {
    /// A table refuses everything. Returns whether that is news.
    pub fn close(&mut self, table: &str, why: String, now: Instant) -> bool {
        let closed = Closed {
            probe_at: now + PROBE,
            why,
        };
        let before = self.0.insert(table.to_owned(), closed);
        before.is_none_or(|before| before.why != self.0[table].why)
    }

    /// A table has taken something. Returns whether that is news.
    pub fn open(&mut self, table: &str) -> bool {
        self.0.remove(table).is_some()
    }

    /// Whether a table may be asked at `now`: it is not closed, or it is time to try again.
    pub fn may_ask(&self, table: &str, now: Instant) -> bool {
        self.0
            .get(table)
            .is_none_or(|closed| closed.probe_at <= now)
    }

    /// A table is being asked: if it is closed, not again until the next probe.
    pub fn asked(&mut self, table: &str, now: Instant) {
        if let Some(closed) = self.0.get_mut(table) {
            closed.probe_at = now + PROBE;
        }
    }

    /// The closed tables.
    pub fn closed(&self) -> BTreeSet<String> {
        self.0.keys().cloned().collect()
    }

    /// The times at which a table may be tried again.
    pub fn ends(&self) -> impl Iterator<Item = Instant> {
        self.0.values().map(|closed| closed.probe_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, text: &str) -> ApiError {
        ApiError::Refused {
            status,
            code: None,
            text: text.into(),
        }
    }

    #[test]
    fn a_refusal_is_about_the_table_by_its_status_or_its_words() {
        for (status, text, names, speaks) in [
            (404, "", true, false),
            (403, "no", true, false),
            (400, "The version is released", false, true),
            (409, "create the next version first", false, true),
            (400, "You lack permission", false, true),
            (400, "the name is too long", false, false),
            (409, "a file of that name already exists", false, false),
            (422, "", false, false),
        ] {
            let error = refused(status, text);
            assert_eq!(names_the_table(&error), names, "{status} {text}");
            assert_eq!(speaks_of_the_table(&error), speaks, "{status} {text}");
        }
    }

    #[test]
    fn a_closed_table_is_asked_once_in_five_minutes_and_the_others_always() {
        let now = Instant::now();
        let mut tables = Destinations::default();
        assert!(tables.close("a", "released".into(), now));
        assert!(!tables.close("a", "released".into(), now), "known");
        assert!(tables.close("a", "gone".into(), now), "another reason");
        assert!(!tables.may_ask("a", now) && tables.may_ask("b", now));
        let probe = tables.ends().next().unwrap();
        assert_eq!(probe, now + PROBE);
        assert!(tables.may_ask("a", probe));
        tables.asked("a", probe);
        assert!(!tables.may_ask("a", probe), "one call is the probe");
        assert_eq!(tables.closed(), BTreeSet::from(["a".to_owned()]));
        assert!(tables.open("a") && !tables.open("a"));
        assert!(tables.may_ask("a", now));
    }
}
