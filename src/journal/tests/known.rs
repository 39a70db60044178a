//! What a scan is told is unknown, against one question for each file.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::journal::known::{BETWEEN, RECEIVED, Same, same};

/// Names that lie next to each other, in and below folders, also of folders whose names begin alike.
fn name() -> impl Strategy<Value = String> {
    let folder = prop_oneof![
        Just(""),
        Just("a/"),
        Just("a/b/"),
        Just("a-/"),
        Just("a0/"),
        Just("z/")
    ];
    (folder, 0..12_u8).prop_map(|(folder, number)| format!("{folder}{number}"))
}

/// Those of the files that are known by themselves to be unknown.
fn one_by_one(bench: &Bench, files: &[Sighting]) -> Vec<Sighting> {
    let connection = rusqlite::Connection::open(&bench.path).unwrap();
    let mut unknown = files.to_vec();
    unknown.retain(|file| !matches!(same(&connection, &watch(), file).unwrap(), Same::Known));
    unknown
}

fn by_path(mut files: Vec<Sighting>) -> Vec<Sighting> {
    files.sort_by(|one, other| one.path.as_os_str().cmp(other.path.as_os_str()));
    files
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_scan_is_told_the_same_as_one_who_asks_for_each_file(
        // newer versions supersede older ones, also by a version that was there before; of some files there are many
        versions in vec((name(), prop_oneof![0..3_u64, 0..40_u64]), 0..200),
        gone in vec(name(), 0..6),
        carried in vec(name(), 0..40),
        asked in proptest::collection::btree_map(name(), prop_oneof![0..3_u64, 0..40_u64], 0..60),
    ) {
        let bench = Bench::new();
        for (name, ino) in &versions {
            bench.enqueue(&[(name, *ino)]);
        }
        for name in gone {
            bench.edit(&format!(
                "UPDATE jobs SET state = 'missing', finished_at = 1 \
                 WHERE state = 'queued' AND path = CAST('{name}' AS BLOB)"
            ));
        }
        for name in carried {
            receipts::carry_path(&bench, &name);
        }
        let asked: Vec<_> = asked.iter().map(|(name, ino)| sighting(name, *ino)).collect();
        let ask = || bench.journal().unknown(&watch(), asked.clone()).unwrap();
        let unknown = ask();
        prop_assert_eq!(by_path(unknown.clone()), by_path(one_by_one(&bench, &asked)));
        // nor does it matter that jobs were forgotten
        receipts::prune(&bench);
        prop_assert_eq!(&by_path(ask()), &by_path(unknown));
        prop_assert_eq!(by_path(ask()), by_path(one_by_one(&bench, &asked)));
    }
}

#[test]
fn other_files_between_two_that_are_asked_for_do_not_hide_the_second() {
    let bench = Bench::new();
    let names: Vec<_> = (0..100).map(|number| format!("{number:02}")).collect();
    let all: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
    bench.enqueue(&all);
    let ask = |names: &[&str]| {
        let files = names.iter().map(|name| sighting(name, 1)).collect();
        bench.journal().unknown(&watch(), files).unwrap()
    };
    assert_eq!(ask(&["00", "50", "99"]), []);
    assert_eq!(ask(&["00", "50", "50-", "99"]), [sighting("50-", 1)]);
    assert_eq!(ask(&["-", "zz"]), [sighting("-", 1), sighting("zz", 1)]);
}

/// A mounted share may have another number each time.
#[test]
fn a_version_is_known_on_whatever_device_it_was() {
    let bench = Bench::new();
    bench.enqueue(&[("a", 1), ("a", 3), ("b", 2)]);
    for (dev, new) in [(7, 1), (8, 0), (0, 0)] {
        let mut file = sighting("a", 2);
        file.seen.dev = dev;
        let job = NewJob {
            sighting: file.clone(),
            remote_name: "a".into(),
        };
        let (journal, watch) = (bench.journal(), watch());
        let enqueued = journal.enqueue(&watch, "lab.data.raw", vec![job], now());
        assert_eq!(enqueued.unwrap(), new, "{dev}");
        assert_eq!(journal.unknown(&watch, vec![file]).unwrap(), []);
    }
}

#[test]
fn the_question_of_a_scan_is_answered_by_indexes_alone() {
    let bench = Bench::new();
    let connection = rusqlite::Connection::open(&bench.path).unwrap();
    for question in [BETWEEN, RECEIVED] {
        let plan = format!("EXPLAIN QUERY PLAN {question}");
        let mut plan = connection.prepare(&plan).unwrap();
        let blob: &[u8] = b"a";
        let steps = plan.query_map(rusqlite::params!["w", blob, blob], |row| {
            row.get::<_, String>("detail")
        });
        let steps: Vec<_> = steps.unwrap().map(Result::unwrap).collect();
        assert!(
            steps
                .iter()
                .all(|step| !step.contains("TEMP B-TREE") && !step.contains("SCAN")),
            "{steps:?}"
        );
    }
}
