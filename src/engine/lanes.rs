//! Queued jobs in hand, a lane for each watch: one user's million files do not keep the others waiting.

use std::collections::{BTreeMap, VecDeque};

use crate::job::{Job, WatchName};

/// Queued jobs by watch, served in turns.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    /// None is empty.
    by_watch: BTreeMap<WatchName, VecDeque<Job>>,
    /// Whose turn was last.
    served: Option<WatchName>,
    len: usize,
}

impl Lanes {
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
    /// they have `bytes`. The table is that of the watch whose turn it is.
    pub fn take(&mut self, most: usize, bytes: u64, open: impl Fn(&str) -> bool) -> Vec<Job> {
        let Some(table) = self.next_table(open) else {
            return Vec::new();
        };
        let (mut taken, mut sum) = (Vec::new(), 0_u64);
        while taken.len() < most && sum <= bytes {
            let Some(job) = self.take_one(&table) else {
                break;
            };
            sum = sum.saturating_add(job.seen.size);
            taken.push(job);
        }
        taken
    }

    fn next_table(&self, open: impl Fn(&str) -> bool) -> Option<String> {
        let mut tables = self.in_turn().map(|(_, lane)| &lane[0].table);
        tables.find(|table| open(table)).cloned()
    }

    fn take_one(&mut self, table: &str) -> Option<Job> {
        let of_table = |(_, lane): &(&WatchName, &VecDeque<Job>)| lane[0].table == table;
        let watch = self.in_turn().find(of_table)?.0.clone();
        let lane = self.by_watch.get_mut(&watch)?;
        let job = lane.pop_front()?;
        if lane.is_empty() {
            self.by_watch.remove(&watch);
        }
        self.len -= 1;
        self.served = Some(watch);
        Some(job)
    }

    /// The lanes, beginning behind the one that was served last.
    fn in_turn(&self) -> impl Iterator<Item = (&WatchName, &VecDeque<Job>)> {
        let served = self.served.as_ref();
        let is_later = move |(watch, _): &(&WatchName, _)| served.is_none_or(|last| *watch > last);
        let later = self.by_watch.iter().filter(is_later);
        let earlier = self.by_watch.iter().filter(move |lane| !is_later(lane));
        later.chain(earlier)
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
            ids(&lanes.take(6, 1000, |_| true)),
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
        assert_eq!(ids(&lanes.take(2, 1000, |_| true)), [0, 1]);
        assert_eq!(ids(&lanes.take(2, 1000, |_| true)), [10, 11]);
        assert_eq!(ids(&lanes.take(2, 1000, |_| true)), [2]);
        assert!(lanes.take(2, 1000, |_| true).is_empty());
    }

    #[test]
    fn a_closed_table_keeps_only_its_own_jobs_waiting() {
        let mut lanes = Lanes::default();
        lanes.extend(jobs("a", "closed", 0..3));
        lanes.extend(jobs("b", "open", 10..11));
        let open = |table: &str| table == "open";
        assert_eq!(ids(&lanes.take(9, 1000, open)), [10]);
        assert!(lanes.take(9, 1000, open).is_empty());
        assert_eq!(ids(&lanes.take(9, 1000, |_| true)), [0, 1, 2]);
    }

    #[test]
    fn a_batch_ends_when_it_has_enough_bytes() {
        let mut lanes = Lanes::default();
        lanes.extend(jobs("a", "t", 0..9));
        assert_eq!(lanes.take(9, 19, |_| true).len(), 2);
    }
}
