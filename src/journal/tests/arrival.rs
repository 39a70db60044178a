//! Whether a folder has arrived.

use super::*;
use crate::journal::sets::{OPEN, those_open};

fn arrived(bench: &Bench, folder: &str, but: &[&str]) -> bool {
    let but: Vec<_> = but.iter().map(PathBuf::from).collect();
    let journal = bench.journal();
    let open = journal.unarrived(&watch(), Path::new(folder), None, &but);
    open.unwrap().is_empty()
}

/// The first queued job comes to this.
fn come(bench: &Bench, state: State) {
    let mut job = claim(&bench.journal(), Queue::Queued).remove(0);
    job.state = state;
    assert!(record(&bench.journal(), StateName::Queued, job, Hold::Keep).unwrap());
}

#[test]
fn a_folder_waits_for_what_is_below_it_and_for_nothing_beside_it() {
    let bench = Bench::new();
    assert!(arrived(&bench, "", &[]) && arrived(&bench, "d", &[]));
    bench.enqueue(&[("d/a", 1), ("d/e/b", 1), ("d-1/c", 1), ("d0", 1), ("d", 1)]);
    for (folder, but, want) in [
        ("", [].as_slice(), false),
        ("d", &[], false),
        ("d", &["d/a"], false),
        ("d", &["d/a", "d/e/b"], true),
        ("d/e", &[], false),
        ("d/e", &["d/e/b"], true),
        ("d/a", &[], true),
        ("e", &[], true),
        ("d-1", &["d/a"], false),
        ("", &["d", "d0", "d-1/c", "d/a"], false),
        ("", &["d", "d0", "d-1/c", "d/a", "d/e/b"], true),
    ] {
        assert_eq!(arrived(&bench, folder, but), want, "{folder:?} but {but:?}");
    }
    let other = bench
        .journal()
        .unarrived(&WatchName::new("other"), Path::new("d"), None, &[]);
    assert!(other.unwrap().is_empty(), "another watch is another matter");
}

#[test]
fn what_is_in_the_table_or_never_will_be_is_not_waited_for() {
    let way = ways().remove(0);
    for (state, want) in [
        (way[0].clone(), false),
        (way[3].clone(), false),
        (way[4].clone(), false),
        (way[6].clone(), true),
        (way[7].clone(), true),
        (State::Superseded, true),
        (State::Missing, true),
        (State::Parked(ParkReason::Skipped, None), true),
        (State::Parked(ParkReason::Refused, None), false),
    ] {
        let bench = Bench::new();
        bench.enqueue(&[("d/a", 1)]);
        let name = format!("{state:?}");
        come(&bench, state);
        assert_eq!(arrived(&bench, "d", &[]), want, "{name}");
    }
}

#[test]
fn what_failed_is_told_from_what_is_on_its_way() {
    let bench = Bench::new();
    bench.enqueue(&[("d/a", 1), ("d/b", 1), ("d/c", 1)]);
    let failed = || {
        let open = bench
            .journal()
            .unarrived(&watch(), Path::new("d"), None, &[]);
        let files = open.unwrap().into_iter();
        files.map(|file| file.failed).collect::<Vec<_>>()
    };
    assert_eq!(failed(), [false, false, false]);
    let mut jobs = claim(&bench.journal(), Queue::Queued).into_iter();
    let (mut first, mut second) = (jobs.next().unwrap(), jobs.next().unwrap());
    first.attempts = OFTEN;
    second.state = State::Parked(ParkReason::HardLink, None);
    for job in [first, second] {
        assert!(record(&bench.journal(), StateName::Queued, job, Hold::Keep).unwrap());
    }
    assert_eq!(failed(), [true, true, false]);
}

#[test]
fn no_more_of_a_large_folder_is_read_than_is_told() {
    let bench = Bench::new();
    let names: Vec<_> = (0..1_000).map(|number| format!("d/{number:03}")).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), 1_u64)).collect();
    let but = [PathBuf::from("d/000")];
    // a connection of its own each time, so that nothing is left of the last one's steps
    let ask = || {
        let connection = rusqlite::Connection::open(&bench.path).unwrap();
        let open = those_open(&connection, &watch(), Path::new("d"), None, &but).unwrap();
        let statement = connection.prepare_cached(OPEN).unwrap();
        let steps = statement.get_status(rusqlite::StatementStatus::VmStep);
        (open, steps)
    };
    bench.enqueue(&files[..101]);
    let (of_few, few) = ask();
    bench.enqueue(&files[101..]);
    let (of_many, many) = ask();
    let told: Vec<_> = of_many.iter().map(|file| file.path.as_path()).collect();
    let first: Vec<_> = names[1..=100].iter().map(Path::new).collect();
    assert_eq!(told, first);
    assert_eq!(of_few, of_many);
    assert!(few > 0, "the steps are counted");
    assert!(
        many < 2 * few,
        "{many} steps, and {few} when there was no more"
    );
}

/// Page by page everything is told once, all versions of a file on the same page.
#[test]
fn what_is_not_told_at_once_is_told_to_who_asks_for_more() {
    let bench = Bench::new();
    let names: Vec<_> = (0..250).map(|number| format!("d/{number:03}")).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), 1_u64)).collect();
    bench.enqueue(&files);
    // another version of one, which is on its way as well
    let last = names[UNARRIVED_TOLD - 1].as_str();
    bench.enqueue(&[("other", 2)]);
    let path = format!("CAST('{last}' AS BLOB)");
    bench.edit(&format!(
        "UPDATE jobs SET path = {path} WHERE remote_name = 'other'"
    ));
    let (mut after, mut pages) = (None, Vec::new());
    loop {
        let journal = bench.journal();
        let open = journal.unarrived(&watch(), Path::new("d"), after.as_deref(), &[]);
        let page: Vec<_> = open.unwrap().into_iter().map(|file| file.path).collect();
        let Some(last) = page.last() else { break };
        after = Some(last.clone());
        pages.push(page);
    }
    let sizes: Vec<_> = pages.iter().map(Vec::len).collect();
    assert_eq!(sizes, [UNARRIVED_TOLD + 1, UNARRIVED_TOLD, 50]);
    let mut told = pages.concat();
    told.dedup();
    assert!(told.iter().map(|path| path.to_str().unwrap()).eq(&names));
}
