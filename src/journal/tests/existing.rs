//! What lay there when a watch began for the first time.

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A start at this second.
fn begin(bench: &Bench, path: &str, leaves_existing: bool, second: i64) {
    let watch = Configured {
        leaves_existing,
        ..configured(path, "t")
    };
    block(bench.journal().begin("1", vec![watch], at(second))).unwrap();
}

/// A file that was last changed in this second.
fn file(name: &str, second: i64) -> Sighting {
    let mut file = sighting(name, 7);
    file.seen.ctime_ns = second * 1_000_000_000;
    file
}

fn unknown(bench: &Bench, files: Vec<Sighting>) -> Vec<Sighting> {
    bench.journal().unknown(&watch(), files).unwrap()
}

fn offer(bench: &Bench, files: &[Sighting]) -> usize {
    let files = files.iter().map(|sighting| NewJob {
        sighting: sighting.clone(),
        remote_name: sighting.path.display().to_string(),
    });
    let journal = bench.journal();
    journal
        .enqueue(&watch(), "t", files.collect(), now())
        .unwrap()
}

/// The end of a complete scan.
fn scanned(bench: &Bench, whole: bool) {
    let report = WatchRow {
        account: "redivis".into(),
        name: watch(),
        path: "/w".into(),
        table: "t".into(),
        mode: "poll".into(),
        mode_reason: String::new(),
        settling: 0,
        held: 0,
        overflows: 0,
        last_scan_at: whole.then(|| at(1_000)),
        error: None,
        closed: None,
    };
    bench.journal().report_watch(report).unwrap();
}

fn ignored(bench: &Bench) -> u64 {
    Reader::open(&bench.path).unwrap().ignored().unwrap()[&watch()]
}

#[test]
fn the_first_scan_leaves_out_what_lay_there_and_nothing_that_came_since() {
    let bench = Bench::new();
    begin(&bench, "/w", true, 100);
    scanned(&bench, false);
    let (old, same, new) = (file("old", 99), file("same", 100), file("new", 101));
    let all = [old.clone(), same.clone(), new.clone()];
    assert_eq!(unknown(&bench, all.to_vec()), [new, same.clone()]);
    assert_eq!(ignored(&bench), 1);
    // also one that is found to be settled before the scan comes by
    assert_eq!(offer(&bench, &[file("hint", 98)]), 0);
    assert_eq!(ignored(&bench), 2);
    scanned(&bench, true);
    // what comes with old times later was not there then
    let moved_in = file("moved in", 50);
    assert_eq!(
        unknown(&bench, vec![old.clone(), moved_in.clone()]),
        [moved_in]
    );
    assert_eq!(offer(&bench, &[old, file("hint", 98)]), 0);
    // a newer version of what was left out goes
    assert_eq!(offer(&bench, &[file("old", 200)]), 1);
    assert_eq!(ignored(&bench), 2);
}

#[test]
fn a_first_scan_that_was_cut_short_goes_on_from_the_same_moment() {
    let mut bench = Bench::new();
    begin(&bench, "/w", true, 100);
    assert_eq!(unknown(&bench, vec![file("a", 99)]), []);
    bench.reopen();
    begin(&bench, "/w", true, 500);
    let (b, new) = (file("b", 99), file("new", 300));
    assert_eq!(unknown(&bench, vec![file("a", 99), b, new.clone()]), [new]);
    assert_eq!(ignored(&bench), 2);
}

#[test]
fn what_counts_is_what_was_configured_at_the_first_start() {
    let bench = Bench::new();
    let (a, b) = (file("a", 50), file("b", 50));
    begin(&bench, "/w", false, 100);
    begin(&bench, "/w", true, 200);
    assert_eq!(
        unknown(&bench, vec![a.clone()]),
        vec![a.clone()],
        "it had begun before"
    );
    assert_eq!(ignored(&bench), 0);
    // another folder has a first start of its own
    begin(&bench, "/other", true, 300);
    assert_eq!(unknown(&bench, vec![a.clone()]), []);
    assert_eq!(ignored(&bench), 1);
    // what was left out goes when that is wanted
    begin(&bench, "/other", false, 400);
    assert_eq!(ignored(&bench), 0);
    assert_eq!(
        unknown(&bench, vec![a.clone(), b.clone()]),
        [a.clone(), b.clone()]
    );
    // and stays again; the rest of that scan is not made up for
    begin(&bench, "/other", true, 500);
    assert_eq!(unknown(&bench, vec![a, b.clone()]), [b]);
    assert_eq!(ignored(&bench), 1);
}

#[test]
fn a_share_that_is_mounted_as_another_device_brings_back_nothing() {
    let bench = Bench::new();
    begin(&bench, "/w", true, 100);
    let mut old = file("old", 99);
    assert_eq!(unknown(&bench, vec![old.clone()]), []);
    scanned(&bench, true);
    old.seen.dev = 3;
    assert_eq!(unknown(&bench, vec![old]), []);
}

#[test]
fn only_a_first_scan_needs_room_on_the_disk() {
    let mut bench = Bench::new();
    begin(&bench, "/w", true, 100);
    let reserve = bench.path.with_file_name("journal.db-reserve");
    std::fs::remove_file(&reserve).unwrap();
    // what has the reserve's name keeps it from being made
    std::fs::create_dir(&reserve).unwrap();
    bench.reopen();
    let ask = |bench: &Bench| bench.journal().unknown(&watch(), vec![file("new", 200)]);
    assert!(matches!(ask(&bench), Err(JournalError::Full(_))));
    scanned(&bench, true);
    assert_eq!(ask(&bench).unwrap().len(), 1);
}
