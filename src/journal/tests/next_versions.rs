//! What is written down of the next versions that are made.

use super::*;
use crate::job::Awake;

fn of(dataset: &str, released: &str) -> NextVersionOf {
    NextVersionOf {
        dataset: dataset.into(),
        released: released.into(),
    }
}

fn known(bench: &Bench, of: &NextVersionOf) -> Option<NextVersionRow> {
    block(bench.journal().next_version(of)).unwrap()
}

fn intend(bench: &Bench, of: &NextVersionOf) {
    block(bench.journal().intend_next_version(of, now())).unwrap();
}

const INTENDED: Option<NextVersionRow> = Some(NextVersionRow::Intended(None));
const MADE: Option<NextVersionRow> = Some(NextVersionRow::Made);

#[test]
fn a_next_version_is_made_at_most_once_after_each_release() {
    let mut bench = Bench::new();
    let (first, second, other) = (of("a.b", "v1.0"), of("a.b", "v2.0"), of("a.c", "v1.0"));
    assert_eq!(known(&bench, &first), None);
    intend(&bench, &first);
    intend(&bench, &other);
    bench.reopen();
    assert_eq!(known(&bench, &first), INTENDED, "a crash leaves it");
    let since = Awake {
        boot: "boot".into(),
        millis: 12,
    };
    block(
        bench
            .journal()
            .next_version_is_absent(&first, since.clone()),
    )
    .unwrap();
    let absent = Some(NextVersionRow::Intended(Some(since)));
    assert_eq!(known(&bench, &first), absent);
    intend(&bench, &first);
    assert_eq!(known(&bench, &first), INTENDED, "asked for once more");
    block(bench.journal().next_version_is_there("a.b")).unwrap();
    assert_eq!(known(&bench, &first), MADE);
    assert_eq!(known(&bench, &second), None);
    assert_eq!(known(&bench, &other), INTENDED, "another dataset's");
    // what was made is not forgotten, and what certainly never arrived is
    block(bench.journal().withdraw_next_version(&first)).unwrap();
    assert_eq!(known(&bench, &first), MADE);
    block(bench.journal().withdraw_next_version(&other)).unwrap();
    assert_eq!(known(&bench, &other), None);
}

#[test]
fn what_is_refused_is_asked_for_once_more_by_an_orderly_start_and_what_was_made_is_not() {
    let bench = Bench::new();
    let (refused, made) = (of("a.b", ""), of("a.c", "v1.0"));
    intend(&bench, &refused);
    intend(&bench, &made);
    block(bench.journal().next_version_is_there("a.c")).unwrap();
    let why = "it may not".to_owned();
    block(
        bench
            .journal()
            .next_version_is_refused(&refused, why.clone()),
    )
    .unwrap();
    assert_eq!(known(&bench, &refused), Some(NextVersionRow::Refused(why)));
    block(bench.journal().begin("1", Vec::new(), now())).unwrap();
    assert_eq!(known(&bench, &refused), None);
    assert_eq!(known(&bench, &made), MADE);
}
