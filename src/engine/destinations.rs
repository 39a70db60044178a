//! Tables that refuse everything: released meanwhile, missing, or not for this token. Each is left alone
//! by itself, and asked again now and then. Time is an argument.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::next_version::{OPEN, Words};
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
pub(super) struct Destinations {
    closed: BTreeMap<String, Closed>,
    /// Those that have taken something since the start.
    took: BTreeSet<String>,
}

#[derive(Debug)]
struct Closed {
    probe_at: Instant,
    /// Redivis' own words.
    said: String,
    /// What that means, once it is known.
    why: Option<String>,
    /// Files of it were on their way when it was closed.
    in_flight: bool,
}

impl Destinations {
    /// A table refuses everything, with these words, and perhaps files that were sent already. Returns whether that is
    /// news.
    pub fn close(&mut self, table: &str, said: String, sent: bool, now: Instant) -> bool {
        let before = self.closed.remove(table);
        let known = before.as_ref().filter(|before| before.said == said);
        let closed = Closed {
            probe_at: now + PROBE,
            why: known.and_then(|known| known.why.clone()),
            in_flight: sent
                || self.took.contains(table)
                || before.as_ref().is_some_and(|before| before.in_flight),
            said,
        };
        let is_news = known.is_none();
        self.closed.insert(table.to_owned(), closed);
        is_news
    }

    /// What the refusal of a closed table means. Returns it, if that is news.
    pub fn explain(&mut self, table: &str, words: &Words) -> Option<String> {
        let closed = self.closed.get_mut(table)?;
        let why = match words {
            Words::Instead(_, in_flight) if closed.in_flight => in_flight.clone(),
            Words::Instead(why, _) => why.clone(),
            Words::Open => format!("{} ({OPEN})", closed.said),
            Words::Also(more) => format!("{} ({more})", closed.said),
        };
        let is_news = closed.why.as_ref() != Some(&why);
        closed.why = Some(why.clone());
        is_news.then_some(why)
    }

    /// A closed table may take files now: it is asked at once.
    pub fn try_now(&mut self, table: &str, now: Instant) {
        if let Some(closed) = self.closed.get_mut(table) {
            closed.probe_at = now;
            closed.why = None;
        }
    }

    /// A table has taken something. Returns whether that is news.
    pub fn open(&mut self, table: &str) -> bool {
        self.took.insert(table.to_owned());
        self.closed.remove(table).is_some()
    }

    /// Whether a table may be asked at `now`: it is not closed, or it is time to try again.
    pub fn may_ask(&self, table: &str, now: Instant) -> bool {
        self.closed
            .get(table)
            .is_none_or(|closed| closed.probe_at <= now)
    }

    /// A table is being asked: if it is closed, not again until the next probe.
    pub fn asked(&mut self, table: &str, now: Instant) {
        if let Some(closed) = self.closed.get_mut(table) {
            closed.probe_at = now + PROBE;
        }
    }

    /// The closed tables of which it is known what that means.
    pub fn closed(&self) -> BTreeSet<String> {
        let known = self
            .closed
            .iter()
            .filter(|(_, closed)| closed.why.is_some());
        known.map(|(table, _)| table.clone()).collect()
    }

    /// Whether any table is closed.
    pub fn any_closed(&self) -> bool {
        !self.closed.is_empty()
    }

    /// The times at which a table may be tried again.
    pub fn ends(&self) -> impl Iterator<Item = Instant> {
        self.closed.values().map(|closed| closed.probe_at)
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
        assert!(tables.close("a", "released".into(), false, now));
        assert!(!tables.close("a", "released".into(), false, now), "known");
        let gone = || "gone".to_owned();
        assert!(tables.close("a", gone(), false, now), "another reason");
        assert!(!tables.may_ask("a", now) && tables.may_ask("b", now));
        let probe = tables.ends().next().unwrap();
        assert_eq!(probe, now + PROBE);
        assert!(tables.may_ask("a", probe));
        tables.asked("a", probe);
        assert!(!tables.may_ask("a", probe), "one call is the probe");
        assert_eq!(tables.closed(), BTreeSet::new(), "not explained yet");
        assert!(tables.explain("a", &Words::Also("why".into())).is_some());
        assert_eq!(tables.closed(), BTreeSet::from(["a".to_owned()]));
        assert!(tables.open("a") && !tables.open("a"));
        assert!(tables.may_ask("a", now));
    }

    #[test]
    fn a_closed_table_says_what_its_refusal_means_and_whether_files_were_on_their_way() {
        let now = Instant::now();
        let mut tables = Destinations::default();
        let words = Words::Instead("make one".into(), "it was released".into());
        assert_eq!(tables.explain("a", &words), None, "it is open");
        tables.close("a", "no".into(), false, now);
        assert_eq!(tables.explain("a", &words).as_deref(), Some("make one"));
        assert!(!tables.close("a", "no".into(), false, now));
        assert_eq!(tables.explain("a", &words), None, "known");
        let also = Words::Also("who knows".into());
        assert_eq!(
            tables.explain("a", &also).as_deref(),
            Some("no (who knows)")
        );
        tables.close("a", "no".into(), true, now);
        let in_flight = Some("it was released");
        assert_eq!(tables.explain("a", &words).as_deref(), in_flight);
        tables.close("a", "other words".into(), false, now);
        assert_eq!(tables.explain("a", &words).as_deref(), in_flight);
        tables.try_now("a", now);
        assert!(tables.may_ask("a", now) && tables.closed().is_empty());
        tables.open("a");
        tables.close("a", "no".into(), false, now);
        assert_eq!(tables.explain("a", &words).as_deref(), in_flight);
    }
}
