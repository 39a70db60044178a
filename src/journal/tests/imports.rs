//! Jobs whose rows Redivis reads.

use super::*;
use crate::job::{Kind, WatchName, address};

/// The first job of a bench, being imported and nobody's.
pub(super) fn import_first(bench: &Bench) -> Job {
    let job = claim(&bench.journal(), Queue::Queued).remove(0);
    import(bench, job, "/u/a")
}

/// A queued job, being imported under this address.
pub(super) fn import(bench: &Bench, job: Job, uri: &str) -> Job {
    let mut way = ways().remove(0).into_iter();
    let registering = way.find(|state| state.name() == StateName::Registering);
    let registering = Job {
        state: registering.unwrap(),
        ..job
    };
    let journal = bench.journal();
    assert!(record(&journal, StateName::Queued, registering.clone(), Hold::Keep).unwrap());
    let importing = Job {
        state: registering.state.import(RemoteId::new(uri)).unwrap(),
        ..registering
    };
    let hold = Hold::Until(now());
    assert!(record(&journal, StateName::Registering, importing.clone(), hold).unwrap());
    importing
}

fn rows() -> Vec<Configured> {
    vec![Configured {
        kind: Kind::Tabular,
        ..configured("/w", "t")
    }]
}

#[test]
fn an_import_is_nobody_s_and_found_by_its_table_also_after_a_crash() {
    let mut bench = Bench::new();
    block(bench.journal().begin("1", rows(), now())).unwrap();
    bench.enqueue(&[("a", 1), ("b", 1)]);
    let job = import_first(&bench);
    assert_eq!(job.kind, Kind::Tabular);
    for _ in 0..2 {
        let journal = bench.journal();
        let table = job.table.as_str();
        assert_eq!(block(journal.importing_tables("redivis")).unwrap(), [table]);
        assert_eq!(
            block(journal.importing("redivis", table, 10)).unwrap(),
            std::slice::from_ref(&job)
        );
        assert!(
            block(journal.importing("redivis", table, 0))
                .unwrap()
                .is_empty()
        );
        assert!(
            block(journal.importing("redivis", "other", 10))
                .unwrap()
                .is_empty()
        );
        for queue in [Queue::Stored, Queue::Interrupted] {
            assert!(claim(&journal, queue).is_empty(), "nobody claims it");
        }
        // it is not closed as long as anyone has it
        drop(journal);
        bench.reopen();
        block(bench.journal().begin("1", rows(), now())).unwrap();
    }
    assert_eq!(bench.jobs()[0], job, "no crash is its fault");
}

/// The only watch of a start: another one than that of the jobs.
fn another(account: &str, table: &str) -> Vec<Configured> {
    let mut watch = configured("/other", table);
    watch.account = account.into();
    watch.naming.watch = WatchName::new("other");
    vec![watch]
}

#[test]
fn an_import_whose_watch_is_no_more_is_asked_about_by_whoever_goes_to_its_endpoint() {
    let bench = Bench::new();
    bench.enqueue(&[("a", 1), ("b", 1)]);
    let job = import_first(&bench);
    let journal = bench.journal();
    let begin = |watches| {
        block(journal.begin("1", watches, now())).unwrap();
        let tables = |account| block(journal.importing_tables(account)).unwrap();
        let ours = |account| block(journal.importing(account, &job.table, 10)).unwrap();
        assert_eq!(ours("eu").len(), tables("eu").len());
        assert_eq!(ours("redivis").len(), tables("redivis").len());
        let staying = Reader::open(&bench.path).unwrap().staying().unwrap();
        let asked = staying.into_iter().map(|row| {
            assert_eq!((row.watch, row.table), (watch(), job.table.clone()));
            assert!(row.is_import && row.jobs == 1);
            row.account
        });
        (tables("redivis").len(), tables("eu").len(), asked.collect())
    };
    let there = address::at("https://eu.example/api/v1", "lab.data.raw");
    let mut both = another("eu", "lab.data.raw");
    both.extend(another("redivis", "lab.data.more"));
    both[1].naming.watch = WatchName::new("third");
    for (watches, asked) in [
        (
            another("eu", "lab.data.raw"),
            (0, 1, vec![Some("eu".into())]),
        ),
        (both, (1, 0, vec![Some("redivis".into())])),
        (another("eu", &there), (0, 0, vec![None])),
        (Vec::new(), (0, 0, vec![None])),
        (rows(), (1, 0, vec![Some("redivis".into())])),
    ] {
        assert_eq!(begin(watches), asked);
        assert_eq!(bench.jobs()[0].state.name(), StateName::Importing);
    }
    let states: Vec<_> = bench.jobs().iter().map(|job| job.state.name()).collect();
    assert_eq!(states, [StateName::Importing, StateName::Queued]);
    let history = Reader::open(&bench.path).unwrap().history(job.id).unwrap();
    let said = history.iter().filter_map(|row| row.note.as_deref());
    let said: Vec<_> = said.filter(|note| note.contains("no watch goes")).collect();
    assert_eq!(said.len(), 1, "said once, and not at each start: {said:?}");
}

/// What is being imported may fail: it proves nothing of a later version with the same bytes.
#[test]
fn a_new_version_waits_for_the_import_of_the_one_before() {
    let bench = Bench::new();
    bench.enqueue(&[("a", 1)]);
    let first = import_first(&bench);
    assert_eq!(bench.enqueue(&[("a", 2)]), 1);
    let second = claim(&bench.journal(), Queue::Queued);
    let last = block(bench.journal().last(&second)).unwrap();
    assert_eq!(last, [(second[0].id, Last::UnderWay)].into());
    // the first one is not superseded by it
    assert_eq!(bench.jobs()[0], first);
    let failed = Job {
        state: first.state.clone().park(ParkReason::ImportFailed).unwrap(),
        ..first
    };
    assert!(record(&bench.journal(), StateName::Importing, failed, Hold::Keep).unwrap());
    assert!(block(bench.journal().last(&second)).unwrap().is_empty());
}

#[test]
fn a_name_with_a_number_may_be_that_of_another_file() {
    let bench = Bench::new();
    bench.enqueue(&[("a.csv", 1), ("a.csv-2", 1)]);
    let jobs = bench.jobs();
    let named = |name: &str, job: &Job| {
        let asked = bench.journal();
        let asked = asked.is_name_of_another(&job.table, name, job.id);
        block(asked).unwrap()
    };
    assert!(named("a.csv-2", &jobs[0]));
    assert!(!named("a.csv-2", &jobs[1]), "it is its own");
    assert!(!named("a.csv-3", &jobs[0]));
}

#[test]
fn a_job_that_is_not_on_its_way_is_of_the_kind_that_its_watch_has() {
    let bench = Bench::new();
    let begin = |watches| block(bench.journal().begin("1", watches, now())).unwrap();
    let kinds = || -> Vec<_> { bench.jobs().iter().map(|job| job.kind).collect() };
    begin(vec![configured("/w", "t")]);
    bench.enqueue(&[("a", 1)]);
    let job = claim(&bench.journal(), Queue::Queued).remove(0);
    let parked = Job {
        state: State::Parked(ParkReason::Refused, None),
        ..job
    };
    assert!(record(&bench.journal(), StateName::Queued, parked, Hold::Keep).unwrap());
    bench.enqueue(&[("b", 1)]);
    assert_eq!(kinds(), [Kind::Files; 2]);
    begin(rows());
    bench.enqueue(&[("c", 1)]);
    assert_eq!(kinds(), [Kind::Tabular; 3]);
}
