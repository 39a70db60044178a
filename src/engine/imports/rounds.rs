//! When to ask how far the imports of a table are: soon at first, then with growing pauses, however many files
//! are being imported and however many come to it. Time is an argument.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

/// Before the first question.
const FIRST: Duration = Duration::from_secs(2);
/// No pause is longer, while the list can be had.
const LONGEST: Duration = Duration::from_mins(1);
/// After a list that was refused.
const REFUSED: Duration = Duration::from_mins(5);

/// The tables in which something is imported, or was not long ago.
#[derive(Debug, Default)]
pub(in crate::engine) struct Rounds(BTreeMap<String, Round>);

#[derive(Debug)]
struct Round {
    /// When to ask next. `None`: a question is on its way, or there is nothing to ask.
    due: Option<Instant>,
    asking: bool,
    /// The latest answer was a refusal.
    is_refused: bool,
    /// More came while a question was on its way, which may have been asked before that.
    more: bool,
    /// Before the latest question.
    pause: Duration,
    /// When the latest question was asked.
    asked: Option<Instant>,
}

impl Rounds {
    /// Something is being imported into a table.
    pub fn expect(&mut self, table: &str, now: Instant) {
        let round = self.0.entry(table.to_owned()).or_insert(Round {
            due: None,
            asking: false,
            is_refused: false,
            more: false,
            pause: Duration::ZERO,
            asked: None,
        });
        round.more |= round.asking;
        if round.asking || round.due.is_some() {
            return;
        }
        // one file after the other is no reason to begin anew after each
        let lately = round
            .asked
            .is_some_and(|asked| now.saturating_duration_since(asked) <= 2 * round.pause);
        round.pause = if lately {
            (2 * round.pause).min(LONGEST)
        } else {
            FIRST
        };
        round.due = Some(now + round.pause);
    }

    /// A table that is to be asked now.
    pub fn next(&mut self, now: Instant) -> Option<String> {
        let is_due = |round: &Round| round.due.is_some_and(|due| due <= now);
        let (table, round) = self.0.iter_mut().find(|(_, round)| is_due(round))?;
        *round = Round {
            due: None,
            asking: true,
            asked: Some(now),
            ..*round
        };
        Some(table.clone())
    }

    /// The answer is here. What came after the question is asked about in a while.
    pub fn answered(&mut self, table: &str, now: Instant) {
        let Some(round) = self.0.get_mut(table) else {
            return;
        };
        (round.asking, round.is_refused) = (false, false);
        if std::mem::take(&mut round.more) {
            self.expect(table, now);
        }
    }

    /// The answer is here, and it was a refusal: what is still imported is asked about much later.
    pub fn refused(&mut self, table: &str, now: Instant) {
        if let Some(round) = self.0.get_mut(table) {
            (round.asking, round.more, round.is_refused) = (false, false, true);
            round.due = Some(now + REFUSED);
        }
    }

    /// The tables that do not tell.
    pub fn silent(&self) -> BTreeSet<String> {
        let refused = self.0.iter().filter(|(_, round)| round.is_refused);
        refused.map(|(table, _)| table.clone()).collect()
    }

    /// The times at which there is something to ask.
    pub fn ends(&self) -> impl Iterator<Item = Instant> {
        self.0.values().filter_map(|round| round.due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks whenever it is due, for so long, with something always being imported. The pauses in seconds.
    fn pauses(rounds: &mut Rounds, from: Instant, long: Duration) -> Vec<u64> {
        let (mut now, mut pauses) = (from, Vec::new());
        rounds.expect("t", now);
        while let Some(due) = rounds.ends().min().filter(|due| *due <= from + long) {
            assert_eq!(rounds.next(due - Duration::from_millis(1)), None);
            assert_eq!(rounds.next(due).as_deref(), Some("t"));
            pauses.push((due - now).as_secs());
            now = due;
            rounds.expect("t", now);
            assert_eq!(rounds.ends().count(), 0, "a question is on its way");
            rounds.answered("t", now);
        }
        pauses
    }

    #[test]
    fn the_pauses_grow_from_two_seconds_to_a_minute() {
        let mut rounds = Rounds::default();
        let told = pauses(&mut rounds, Instant::now(), Duration::from_mins(5));
        assert_eq!(told, [2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn files_that_end_one_by_one_make_no_storm_and_one_after_a_rest_is_asked_about_soon() {
        let mut rounds = Rounds::default();
        let mut now = Instant::now();
        let (begin, mut asked) = (now, 0);
        // every second one file, which is imported before the next round
        while now < begin + Duration::from_mins(17) {
            rounds.expect("t", now);
            while rounds.next(now).is_some() {
                asked += 1;
                rounds.answered("t", now);
            }
            now += Duration::from_secs(1);
        }
        assert!(asked <= 22, "{asked}");
        now += Duration::from_mins(10);
        while rounds.next(now).is_some() {
            rounds.answered("t", now);
        }
        now += Duration::from_mins(10);
        rounds.expect("t", now);
        assert_eq!(rounds.ends().min(), Some(now + FIRST));
    }

    #[test]
    fn a_list_that_is_refused_is_asked_for_much_later_and_other_tables_go_on() {
        let now = Instant::now();
        let mut rounds = Rounds::default();
        rounds.expect("a", now);
        rounds.expect("b", now);
        let due = now + FIRST;
        assert_eq!(rounds.next(due).as_deref(), Some("a"));
        assert_eq!(rounds.next(due).as_deref(), Some("b"));
        rounds.refused("a", due);
        assert!(rounds.silent().contains("a"));
        rounds.answered("b", now);
        rounds.expect("b", due);
        assert_eq!(rounds.next(due + 2 * FIRST).as_deref(), Some("b"));
        assert_eq!(rounds.next(due + REFUSED).as_deref(), Some("a"));
        assert!(rounds.silent().contains("a"), "no answer yet");
        rounds.answered("a", due + REFUSED);
        assert!(rounds.silent().is_empty());
    }

    #[test]
    fn what_comes_while_a_question_is_on_its_way_is_asked_about_too() {
        let (mut rounds, now) = (Rounds::default(), Instant::now());
        rounds.expect("t", now);
        let asked = now + FIRST;
        assert!(rounds.next(asked).is_some());
        // nothing is left of what the question was about, and so nobody expects anything after the answer
        rounds.expect("t", asked);
        rounds.answered("t", asked + FIRST);
        assert_eq!(rounds.ends().count(), 1);
        assert!(rounds.next(asked + LONGEST).is_some());
        rounds.answered("t", asked + LONGEST);
        assert_eq!(rounds.ends().count(), 0, "nothing came since");
    }
}
