//! What a table holds already when it is met for the first time.
//!
//! A lab that moves to another machine, loses its journal, or has uploaded by hand before need not send everything
//! again: the table is listed once, into the journal, and a file of a name that it has is read and compared
//! before it is sent.
//!
//! A listing tells of its own moment. What it has may be removed from the table since, and then nothing would be there
//! in the end; so an old one is not believed: it is made again, should it matter. Where files are moved or deleted
//! when the table has them, nothing that was learnt earlier is believed, not even what was registered from here:
//! the table is asked again.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::batch::{Trouble, budget};
use super::{Recorded, Shared, imports};
use crate::job::{Job, Kind};
use crate::journal::{Last, Listed};
use crate::redivis::RemoteFile;

/// A listing is believed for so long.
const BELIEVED: Duration = Duration::from_hours(1);

/// Parts of a listing that wait for the journal.
const PARTS: usize = 2;

/// The tables that were met, and jobs that wait until theirs is.
#[derive(Debug, Default)]
pub(super) struct Acquaintance {
    met: HashSet<String>,
    waiting: BTreeMap<String, Vec<Job>>,
    /// Tables whose listing failed.
    failing: BTreeMap<String, Failing>,
}

#[derive(Debug)]
struct Failing {
    /// In a row.
    times: u32,
    /// So often while the API was well otherwise.
    alone: u32,
    /// Not before this.
    at: Instant,
}

/// So many failures in a row are told to people.
const TOLD_AFTER: u32 = 3;

/// What a watch makes of what its table has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ways {
    /// It cares what others have put there.
    pub adopts: bool,
    /// Files stay where they are when they are in the table.
    pub keeps: bool,
}

/// What is to be done with a job, by what is known of its name in the table.
#[derive(Debug)]
pub(super) enum Next {
    /// The table must be listed first.
    List(Job),
    /// As this says.
    Go(Job, Option<Last>),
}

/// What came of listing a table.
#[derive(Debug)]
pub(super) enum Heard {
    /// Its listing counts now. These jobs go on by it.
    Whole(Vec<Job>),
    /// It cannot be listed; these go on without.
    Refused(Vec<Job>),
    /// These wait on, for a reason that concerns every call.
    Later(Vec<Job>, Trouble),
}

impl Acquaintance {
    /// These tables were met before.
    pub fn with(met: HashSet<String>) -> Self {
        Self {
            met,
            ..Self::default()
        }
    }

    /// A table has been listed, or cannot be. Returns the jobs that came while it was.
    pub fn met(&mut self, table: String) -> Vec<Job> {
        let meanwhile = self.waiting.remove(&table).unwrap_or_default();
        self.failing.remove(&table);
        self.met.insert(table);
        meanwhile
    }

    /// Sorts a new job.
    pub fn sort(&self, job: Job, last: Option<Last>, ways: Ways, now: Timestamp) -> Next {
        match last {
            Some(Last::Listed(_)) | None if !ways.adopts => Next::Go(job, None),
            None if !self.met.contains(&job.table) => Next::List(job),
            Some(Last::InTable(before)) if !ways.keeps && before.size == job.seen.size => {
                Next::List(job)
            }
            Some(Last::Listed(held))
                if held.may_be(job.seen.size) && !(ways.keeps && is_believed(held.at, now)) =>
            {
                Next::List(job)
            }
            last => Next::Go(job, last),
        }
    }

    /// What is to be made of what is known of a job whose table was to be listed: everything, if it `is_listed` now. Of
    /// one that refused, an earlier listing stays; what led to the question is not believed, or it would be asked for ever.
    pub fn believe(
        job: &Job,
        last: Option<Last>,
        is_listed: bool,
        keeps: bool,
        now: Timestamp,
    ) -> Option<Last> {
        last.filter(|last| match last {
            Last::Listed(held) => {
                is_listed || keeps && (!held.may_be(job.seen.size) || is_believed(held.at, now))
            }
            Last::InTable(_) | Last::UnderWay | Last::Unproven(_) => true,
        })
    }

    /// A job waits for the listing of its table.
    pub fn wait(&mut self, job: Job) {
        self.waiting.entry(job.table.clone()).or_default().push(job);
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.values().map(Vec::len).sum()
    }

    /// The jobs of a table that is to be listed now, if it `may` be asked.
    pub fn next(&mut self, may: impl Fn(&str) -> bool, now: Instant) -> Option<(String, Vec<Job>)> {
        let is_due = |table: &str| {
            self.failing
                .get(table)
                .is_none_or(|failing| failing.at <= now)
        };
        let mut tables = self.waiting.keys();
        let table = tables.find(|table| is_due(table) && may(table))?.clone();
        self.waiting.remove_entry(&table)
    }

    /// The listing of a table failed, while all else `is_well` or not: it is left alone for as long as is right after so
    /// many failures. Returns whether people should hear of it.
    pub fn failed(
        &mut self,
        table: &str,
        is_well: bool,
        now: Instant,
        delay: impl Fn(u32) -> Duration,
    ) -> bool {
        let before = self.failing.get(table);
        let (times, alone) = before.map_or((0, 0), |failing| (failing.times, failing.alone));
        let (times, alone) = (
            times.saturating_add(1),
            alone.saturating_add(u32::from(is_well)),
        );
        let at = now + delay(times);
        let failing = Failing { times, alone, at };
        self.failing.insert(table.to_owned(), failing);
        is_well && alone >= TOLD_AFTER
    }

    /// The tables that could not be listed again and again.
    pub fn unlisted(&self) -> impl Iterator<Item = &String> {
        let often = |failing: &Failing| failing.alone >= TOLD_AFTER;
        let tables = self
            .failing
            .iter()
            .filter(move |(_, failing)| often(failing));
        tables.map(|(table, _)| table)
    }

    /// The times at which a table may be listed again.
    pub fn ends(&self) -> impl Iterator<Item = Instant> {
        self.failing.values().map(|failing| failing.at)
    }
}

fn is_believed(at: Timestamp, now: Timestamp) -> bool {
    // one from the future was made before the clock was set back
    Duration::try_from(now.duration_since(at)).is_ok_and(|age| age < BELIEVED)
}

/// Lists a table into the journal, for these jobs. A table that cannot be listed is taken as one that holds nothing:
/// whoever sends to it will find out why.
pub(super) async fn list(shared: Arc<Shared>, table: String, jobs: Vec<Job>) -> Recorded<Heard> {
    budget(&shared).await;
    let listing = shared.journal.begin_listing(&table, shared.now()).await?;
    let (send, mut receive) = mpsc::channel::<Vec<RemoteFile>>(PARTS);
    let record = async {
        while let Some(part) = receive.recv().await {
            let rows = part.into_iter().map(row).collect();
            shared.journal.add_to_listing(listing, rows).await?;
        }
        Ok(())
    };
    let of_rows = jobs.iter().any(|job| job.kind == Kind::Tabular);
    let called = async {
        if of_rows {
            imports::list_in_parts(&shared, &table, send).await
        } else {
            shared.client.list_files_in_parts(&table, send).await
        }
    };
    let (listed, recorded): (_, Recorded<()>) = futures_util::future::join(called, record).await;
    recorded?;
    let Err(error) = listed else {
        shared.journal.end_listing(&table, listing).await?;
        return Ok(Heard::Whole(jobs));
    };
    shared.journal.give_up_listing(listing).await?;
    if let Some(trouble) = Trouble::of(&error) {
        return Ok(Heard::Later(jobs, trouble));
    }
    tracing::warn!(table, %error, "what the table holds already is not known; what it may hold is sent");
    Ok(Heard::Refused(jobs))
}

fn row(file: RemoteFile) -> Listed {
    Listed {
        name: file.name,
        remote: file.id,
        size: file.size,
        md5: file.md5,
        added_at: file.added_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::stock::tests::job;
    use crate::job::{Md5, RemoteId};
    use crate::journal::{Before, Held};

    fn listed(size: u64, seconds_ago: i64) -> (Option<Last>, Timestamp) {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let before = Before {
            remote: RemoteId::new("r1"),
            size,
            md5: Some(Md5([7; 16])),
        };
        let at = now - jiff::SignedDuration::from_secs(seconds_ago);
        let held = Held {
            so_named: Some(before),
            numbered: Vec::new(),
            at,
        };
        (Some(Last::Listed(held)), now)
    }

    /// Of a job with `size` bytes, whether its table is listed first, and whether it is compared.
    fn sorted(
        size: u64,
        (last, now): (Option<Last>, Timestamp),
        (adopts, keeps): (bool, bool),
    ) -> (bool, bool) {
        let job = job(1, "t", "a", size);
        let tables = Acquaintance::with(HashSet::from([job.table.clone()]));
        match tables.sort(job, last, Ways { adopts, keeps }, now) {
            Next::List(_) => (true, false),
            Next::Go(_, last) => (false, last.is_some()),
        }
    }

    #[test]
    fn a_listing_is_believed_for_an_hour_if_it_matters() {
        for (age, adopts, want) in [
            (0, true, (false, true)),
            (3_599, true, (false, true)),
            (3_600, true, (true, false)),
            // the clock was set back since
            (-60, true, (true, false)),
            (0, false, (false, false)),
            (7_200, false, (false, false)),
        ] {
            let ways = (adopts, true);
            assert_eq!(sorted(5, listed(5, age), ways), want, "{age} {adopts}");
        }
        // another size is other content, whenever it was listed
        assert_eq!(sorted(6, listed(5, 7_200), (true, true)), (false, true));
    }

    #[test]
    fn where_files_are_let_go_nothing_earlier_is_believed() {
        let (last, now) = listed(5, 0);
        let Some(Last::Listed(held)) = last.clone() else {
            panic!("{last:?}");
        };
        let ours = held.so_named.map(Last::InTable);
        for (last, adopts, keeps, want) in [
            (last.clone(), true, false, (true, false)),
            (ours.clone(), true, false, (true, false)),
            (ours.clone(), false, false, (true, false)),
            (ours, true, true, (false, true)),
            // what others have put there does not matter then
            (last, false, false, (false, false)),
        ] {
            let known = (last.clone(), now);
            let got = sorted(5, known, (adopts, keeps));
            assert_eq!(got, want, "{last:?} {adopts} {keeps}");
        }
        // it is sent, or not, whatever the table has by now
        assert_eq!(sorted(6, (last_of(5), now), (true, false)), (false, true));
    }

    fn last_of(size: u64) -> Option<Last> {
        listed(size, 0).0
    }

    #[test]
    fn what_waited_for_a_listing_goes_on_whatever_came_of_it() {
        let (same, other) = (job(1, "t", "a", 5), job(2, "t", "a", 6));
        let young = 60;
        for (age, job, is_listed, keeps, want) in [
            // it took longer than it is believed
            (7_200, &same, true, true, true),
            (7_200, &same, true, false, true),
            (7_200, &same, false, true, false),
            (7_200, &other, false, true, true),
            // of another account
            (young, &same, false, true, true),
            (young, &same, false, false, false),
            (young, &other, false, false, false),
        ] {
            let (last, now) = listed(5, age);
            let got = Acquaintance::believe(job, last, is_listed, keeps, now);
            assert_eq!(got.is_some(), want, "{age} {} {is_listed} {keeps}", job.id);
        }
        for last in [None, Some(Last::UnderWay)] {
            let now = Timestamp::UNIX_EPOCH;
            let got = Acquaintance::believe(&same, last.clone(), false, false, now);
            assert_eq!(got, last);
        }
    }

    #[test]
    fn a_table_is_met_before_anything_is_sent_to_it() {
        let mut tables = Acquaintance::default();
        let (adopts, keeps) = (true, true);
        let ways = Ways { adopts, keeps };
        let now = Timestamp::UNIX_EPOCH;
        let next = tables.sort(job(1, "t", "a", 5), None, ways, now);
        let Next::List(first) = next else {
            panic!("{next:?}");
        };
        let table = first.table.clone();
        tables.wait(first);
        assert_eq!(tables.waiting(), 1);
        let then = Instant::now();
        assert!(tables.next(|_| false, then).is_none());
        // one that failed is left alone for a while, longer each time, and others are not
        let delay = Duration::from_secs;
        let told = [true, false, true, true, false]
            .map(|is_well| tables.failed(&table, is_well, then, |times| delay(times.into())));
        assert_eq!(told, [false, false, false, true, false]);
        assert_eq!(tables.unlisted().collect::<Vec<_>>(), [&table]);
        let end = tables.ends().next().unwrap();
        assert_eq!(end - then, delay(5));
        assert!(tables.next(|_| true, end - delay(1)).is_none());
        let (listed, jobs) = tables.next(|_| true, end).unwrap();
        assert_eq!((&listed, jobs.len(), tables.waiting()), (&table, 1, 0));
        // one that comes while the table is listed needs no listing of its own
        tables.wait(job(3, "t", "b", 5));
        let meanwhile: Vec<_> = tables.met(table).iter().map(|job| job.id.0).collect();
        assert_eq!((tables.unlisted().count(), tables.ends().count()), (0, 0));
        assert_eq!((meanwhile, tables.waiting()), (vec![3], 0));
        let next = tables.sort(job(2, "t", "a", 5), None, ways, now);
        assert!(matches!(next, Next::Go(_, None)), "{next:?}");
    }
}
