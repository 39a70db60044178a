//! Two files that would share a name in a table.

use super::*;
use crate::job::{Field, Kind, Piece};

const TABLE: &str = "lab.data.raw";

/// A file that settles; its name in the table is the last step of its path.
fn offer(bench: &Bench, of: &str, files: &[(&str, u64)]) -> usize {
    let files = files.iter().map(|(path, ino)| {
        let sighting = sighting(path, *ino);
        NewJob {
            remote_name: by_file_name(of).naming.name(&sighting),
            sighting,
        }
    });
    let journal = bench.journal();
    journal
        .enqueue(&WatchName::new(of), TABLE, files.collect(), now())
        .unwrap()
}

fn by_file_name(of: &str) -> Configured {
    let template = Template::new(vec![Piece::Field(Field::FileName)]);
    named(of, template)
}

fn named(of: &str, template: Template) -> Configured {
    Configured {
        account: "redivis".into(),
        endpoint: "https://redivis.com/api/v1".into(),
        path: PathBuf::from("/").join(of),
        table: TABLE.into(),
        kind: Kind::Files,
        naming: Naming {
            template,
            watch: WatchName::new(of),
            host: "host".into(),
        },
        leaves_existing: false,
    }
}

fn begin(bench: &Bench, watches: Vec<Configured>) {
    block(bench.journal().begin("1", watches, now())).unwrap();
}

/// `watch/path name state` of every job.
fn standing(bench: &Bench) -> Vec<String> {
    let each = bench.jobs().into_iter().map(|job| {
        let state = match &job.state {
            State::Parked(reason, _) => reason.code(),
            state => state.name().as_str(),
        };
        format!(
            "{}/{} {} {state}",
            job.watch,
            job.path.display(),
            job.remote_name
        )
    });
    each.collect()
}

/// Ends a queued job as done, or in another way.
fn end(bench: &Bench, of: &str, path: &str, end: impl Fn(State) -> State) {
    let journal = bench.journal();
    let jobs = block(journal.claim(Queue::Queued, &WatchName::new(of), 10, now())).unwrap();
    for mut job in jobs {
        let mine = job.path == Path::new(path);
        if mine {
            job.state = end(job.state);
        }
        let hold = if mine { Hold::Keep } else { Hold::Until(now()) };
        assert!(record(&journal, StateName::Queued, job, hold).unwrap());
    }
}

fn done(_: State) -> State {
    let mut way = ways().remove(0).into_iter();
    way.find(|state| state.name() == StateName::Done).unwrap()
}

#[test]
fn of_two_files_of_one_name_the_first_recorded_has_it_and_the_other_is_parked() {
    let bench = Bench::new();
    assert_eq!(offer(&bench, "a", &[("1/x", 1), ("2/x", 2), ("y", 3)]), 3);
    let files = [("x", 4), ("\u{202e}y", 5), ("3/y", 6)];
    assert_eq!(offer(&bench, "b", &files), 3, "a parked one is new, too");
    let want = [
        "a/1/x x queued",
        "a/2/x x name-collision",
        "a/y y queued",
        "b/x x name-collision",
        "b/\u{202e}y \u{202e}y queued",
        "b/3/y y name-collision",
    ];
    assert_eq!(standing(&bench), want);
    let mut errors = Vec::new();
    let reader = Reader::open(&bench.path).unwrap();
    let each = |row: JobRow| {
        errors.extend(row.error);
        true
    };
    reader.jobs(&Filter::default(), each).unwrap();
    assert_eq!(
        errors[0],
        "2/x of the watch `a` would be \"x\" in lab.data.raw, and so is 1/x of the watch `a` (job 1); rename one of \
         them, or tell them apart by `remote_name`, and restart or reload"
    );
    assert!(errors[1].contains("x of the watch `b`") && errors[1].contains("1/x of the watch `a`"));

    // newer versions change nothing about it, on its way or done
    end(&bench, "a", "1/x", done);
    offer(&bench, "a", &[("2/x", 22), ("1/x", 11)]);
    offer(&bench, "a", &[("1/x", 12)]);
    let now = standing(&bench);
    assert_eq!(now[0], "a/1/x x done");
    assert_eq!(now[1], "a/2/x x superseded");
    assert_eq!(
        now[6..],
        [
            "a/2/x x name-collision",
            "a/1/x x superseded",
            "a/1/x x queued"
        ]
    );
    // another table is another matter
    let file = NewJob {
        sighting: sighting("2/x", 222),
        remote_name: "x".into(),
    };
    let other = bench.journal().enqueue(
        &WatchName::new("c"),
        "lab.data.other",
        vec![file],
        super::now(),
    );
    assert_eq!(other.unwrap(), 1);
    assert_eq!(standing(&bench)[9], "c/2/x x queued");
}

#[test]
fn what_is_parked_for_its_name_is_announced_to_nobody() {
    let bench = Bench::new();
    offer(&bench, "a", &[("1/x", 1)]);
    let mut news = bench.journal().news();
    news.mark_unchanged();
    offer(&bench, "a", &[("2/x", 2)]);
    assert!(!news.has_changed().unwrap());
}

#[test]
fn a_start_asks_again_and_lets_nobody_slip_through() {
    let bench = Bench::new();
    let watches = || vec![by_file_name("b"), by_file_name("a")];
    begin(&bench, watches());
    offer(&bench, "a", &[("1/x", 1), ("2/x", 2)]);
    offer(&bench, "b", &[("x", 3)]);
    let parked = [
        "a/1/x x queued",
        "a/2/x x name-collision",
        "b/x x name-collision",
    ];
    assert_eq!(standing(&bench), parked);
    begin(&bench, watches());
    assert_eq!(standing(&bench), parked);
    let history = Reader::open(&bench.path)
        .unwrap()
        .history(crate::job::JobId(2));
    assert_eq!(history.unwrap().len(), 1, "nothing new to tell");
    // the first is given up: of the others the one that was recorded first has the name
    end(&bench, "a", "1/x", |state| state.miss().unwrap());
    begin(&bench, watches());
    assert_eq!(
        standing(&bench),
        ["a/1/x x missing", "a/2/x x queued", "b/x x name-collision"]
    );
    // it comes back, and is one of those that wait
    offer(&bench, "a", &[("1/x", 1)]);
    assert_eq!(standing(&bench)[0], "a/1/x x name-collision");
    // another template tells them apart
    begin(
        &bench,
        vec![named("a", Template::default()), by_file_name("b")],
    );
    assert_eq!(
        standing(&bench),
        ["a/1/x 1/x queued", "a/2/x x queued", "b/x x name-collision"]
    );
}

#[test]
fn a_job_that_was_parked_for_another_reason_is_asked_for_its_name_too() {
    let bench = Bench::new();
    let both = || vec![by_file_name("a"), by_file_name("b")];
    offer(&bench, "a", &[("x", 1)]);
    // nobody serves it, so its name is free
    begin(&bench, vec![by_file_name("b")]);
    offer(&bench, "b", &[("x", 2)]);
    assert_eq!(standing(&bench), ["a/x x no-watch", "b/x x queued"]);
    begin(&bench, both());
    assert_eq!(standing(&bench), ["a/x x name-collision", "b/x x queued"]);
}

#[test]
fn a_new_template_gives_no_name_that_is_taken() {
    let bench = Bench::new();
    offer(&bench, "a", &[("1/x", 1)]);
    let journal = bench.journal();
    let file = NewJob {
        sighting: sighting("2/x", 2),
        remote_name: "2/x".into(),
    };
    journal
        .enqueue(&WatchName::new("a"), TABLE, vec![file], now())
        .unwrap();
    end(&bench, "a", "2/x", |state| {
        state.park(ParkReason::Refused).unwrap()
    });
    begin(&bench, vec![by_file_name("a")]);
    assert_eq!(
        standing(&bench),
        ["a/1/x x queued", "a/2/x x name-collision"]
    );
}

#[test]
fn a_file_that_is_moved_and_keeps_its_name_is_the_same_file() {
    let bench = Bench::new();
    let moved = |path: &str, ctime_ns| {
        let mut sighting = sighting(path, 1);
        sighting.seen.ctime_ns = ctime_ns;
        let remote_name = "x".into();
        let file = NewJob {
            sighting,
            remote_name,
        };
        let watch = WatchName::new("a");
        bench
            .journal()
            .enqueue(&watch, TABLE, vec![file], now())
            .unwrap();
    };
    offer(&bench, "a", &[("1/x", 1)]);
    moved("2/x", 5);
    assert_eq!(standing(&bench), ["a/1/x x superseded", "a/2/x x queued"]);
    end(&bench, "a", "2/x", done);
    moved("3/x", 6);
    assert_eq!(standing(&bench)[1..], ["a/2/x x done", "a/3/x x queued"]);
    // it is held against what is in the table already
    let journal = bench.journal();
    let third = block(journal.claim(Queue::Queued, &WatchName::new("a"), 1, now())).unwrap();
    let last = block(journal.last(&third)).unwrap();
    assert!(matches!(last[&third[0].id], Last::InTable(_)));
    // the name went with it: a new file at the old place is another one
    offer(&bench, "a", &[("2/x", 7)]);
    assert_eq!(standing(&bench)[3], "a/2/x x name-collision");
}

#[test]
fn two_names_of_one_file_do_not_supersede_each_other_for_ever() {
    let bench = Bench::new();
    // both are there, by a hard link, and are found again by each scan
    let scan = || offer(&bench, "a", &[("1/x", 1), ("2/x", 1)]);
    for _ in 0..3 {
        scan();
        assert_eq!(standing(&bench), ["a/1/x x superseded", "a/2/x x queued"]);
    }
    let reader = Reader::open(&bench.path).unwrap();
    let history = reader.history(crate::job::JobId(2)).unwrap();
    assert_eq!(history.len(), 1, "it was never begun anew: {history:?}");
    end(&bench, "a", "2/x", done);
    scan();
    assert_eq!(standing(&bench), ["a/1/x x queued", "a/2/x x done"]);
}
