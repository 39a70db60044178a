//! Queued jobs in hand, a lane for each watch: one user's million files do not keep the others waiting.
//! Watches of a higher priority come first, those of the same take turns.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use super::priority::Priorities;
use crate::job::{Job, WatchName};

/// Queued jobs by watch, served in turns.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    /// None is empty.
    by_watch: BTreeMap<WatchName, VecDeque<Job>>,
    /// Whose turn was last, by priority.
    served: BTreeMap<i64, WatchName>,
    priorities: Priorities,
    len: usize,
}

impl Lanes {
    pub fn new(priorities: Priorities) -> Self {
        Self {
            priorities,
            ..Self::default()
        }
    }

    /// Adds jobs behind those of their watches.
    pub fn extend(&mut self, jobs: impl IntoIterator<Item = Job>) {
        for job in jobs {
            self.len += 1;
            let lane = self.by_watch.entry(job.watch.clone()).or_default();
            lane.push_back(job);
        }
    }

    /// Jobs in all lanes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether a watch has none here.
    pub fn lacks(&self, watch: &WatchName) -> bool {
        !self.by_watch.contains_key(watch)
    }

    /// Takes jobs of one table that is `open`, one of each watch in turns, until there are `most` or
    /// they have `bytes`. The table is that of the watch whose turn it is. Watches of a priority
    /// below `least` have no turn.
    pub fn take(
        &mut self,
        most: usize,
        bytes: u64,
        least: i64,
        open: impl Fn(&str) -> bool,
    ) -> Vec<Job> {
        let Some(table) = self.next_table(least, open) else {
            return Vec::new();
        };
        let (mut taken, mut sum) = (Vec::new(), 0_u64);
        while taken.len() < most && sum <= bytes {
            let Some(job) = self.take_one(&table, least) else {
                break;
            };
            sum = sum.saturating_add(job.seen.size);
            taken.push(job);
        }
        taken
    }

    fn next_table(&self, least: i64, open: impl Fn(&str) -> bool) -> Option<String> {
        self.next(least, open)
            .map(|(_, lane)| lane[0].table.clone())
    }

    fn take_one(&mut self, table: &str, least: i64) -> Option<Job> {
        let watch = self.next(least, |of| of == table)?.0.clone();
        let lane = self.by_watch.get_mut(&watch)?;
        let job = lane.pop_front()?;
        if lane.is_empty() {
            self.by_watch.remove(&watch);
        }
        self.len -= 1;
        self.served.insert(self.priorities.of(&watch), watch);
        Some(job)
    }

    /// The lane whose turn it is, of those whose next job goes to a table that is `wanted`: of the highest
    /// priority, and there the first behind the one that was served last.
    fn next(
        &self,
        least: i64,
        wanted: impl Fn(&str) -> bool,
    ) -> Option<(&WatchName, &VecDeque<Job>)> {
        let place = |watch: &WatchName| {
            let priority = self.priorities.of(watch);
            let served = self.served.get(&priority);
            (Reverse(priority), served.is_some_and(|last| watch <= last))
        };
        self.by_watch
            .iter()
            .filter(|(watch, lane)| self.priorities.of(watch) >= least && wanted(&lane[0].table))
            // the first of equals, so in the order of their names
            .min_by_key(|(watch, _)| place(watch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::stock::tests::job;

    fn jobs(watch: &str, table: &str, ids: std::ops::Range<i64>) -> impl Iterator<Item = Job> {
        ids.map(move |id| Job {
            watch: WatchName::new(watch),
            ..job(id, table, "x", 10)
        })
    }

    fn ids(jobs: &[Job]) -> Vec<i64> {
        jobs.iter().map(|job| job.id.0).collect()
    }

    #[test]
    fn watches_are_served_in_turns_however_many_files_one_has() {
        let mut lanes = Lanes::default();
        lanes.extend(jobs("a", "t", 0..100));
        lanes.extend(jobs("b", "t", 100..102));
        lanes.extend(jobs("c", "t", 200..201));
        assert_eq!(
            ids(&lanes.take(6, 1000, i64::MIN, |_| true)),
            [0, 100, 200, 1, 101, 2]
        );
        assert_eq!(lanes.len(), 97);
        assert!(lanes.lacks(&WatchName::new("b")) && !lanes.lacks(&WatchName::new("a")));
    }

    #[test]
    fn a_batch_is_of_one_table_and_tables_take_turns() {
        let mut lanes = Lanes::default();
        lanes.extend(jobs("a", "t", 0..3));
        lanes.extend(jobs("b", "u", 10..12));
        assert_eq!(ids(&lanes.take(2, 1000, i64::MIN, |_| true)), [0, 1]);
        assert_eq!(ids(&lanes.take(2, 1000, i64::MIN, |_| true)), [10, 11]);
        assert_eq!(ids(&lanes.take(2, 1000, i64::MIN, |_| true)), [2]);
        assert!(lanes.take(2, 1000, i64::MIN, |_| true).is_empty());
    }

    #[test]
    fn a_closed_table_keeps_only_its_own_jobs_waiting() {
        let mut lanes = Lanes::default();
        lanes.extend(jobs("a", "closed", 0..3));
        lanes.extend(jobs("b", "open", 10..11));
        let open = |table: &str| table == "open";
        assert_eq!(ids(&lanes.take(9, 1000, i64::MIN, open)), [10]);
        assert!(lanes.take(9, 1000, i64::MIN, open).is_empty());
        assert_eq!(ids(&lanes.take(9, 1000, i64::MIN, |_| true)), [0, 1, 2]);
    }

    #[test]
    fn a_batch_ends_when_it_has_enough_bytes() {
        let mut lanes = Lanes::default();
        lanes.extend(jobs("a", "t", 0..9));
        assert_eq!(lanes.take(9, 19, i64::MIN, |_| true).len(), 2);
    }

    #[test]
    fn a_higher_priority_is_served_first_and_equals_in_turns() {
        let priority = |(watch, priority)| (WatchName::new(watch), priority);
        let ranks = [("a", -1), ("b", 5), ("c", 5)].map(priority);
        let mut lanes = Lanes::new(Priorities::new(ranks));
        lanes.extend(jobs("a", "t", 0..9));
        lanes.extend(jobs("b", "t", 10..12));
        lanes.extend(jobs("c", "t", 20..22));
        lanes.extend(jobs("nobody's", "t", 30..31));
        assert_eq!(ids(&lanes.take(3, 1000, i64::MIN, |_| true)), [10, 20, 11]);
        assert_eq!(ids(&lanes.take(9, 1000, 0, |_| true)), [21, 30]);
        assert!(lanes.take(9, 1000, 0, |_| true).is_empty());
        // what comes later is not behind what waits
        lanes.extend(jobs("c", "t", 22..23));
        assert_eq!(ids(&lanes.take(2, 1000, i64::MIN, |_| true)), [22, 0]);
        // a closed table is in nobody's way
        lanes.extend(jobs("b", "closed", 12..13));
        assert_eq!(
            ids(&lanes.take(2, 1000, i64::MIN, |table| table == "t")),
            [1, 2]
        );
    }
}
