//! Files that change, vanish or are not what they seem while they are on their way.

use std::fs::{self, FileTimes, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::symlink;
use std::path::Path;

use redivis_drop::sandbox::Call;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::Value;

use crate::lab::{Holding, Lab, MIB, Plan, holding, write_noise};
use crate::process::{Running, each, wait_until};
use crate::strace::{can_trace, run_once, succeeded};

const SIZE: usize = 12 * MIB;

/// Two seconds and more for the whole file.
const SLOW: u64 = 6_000_000;

/// What a person or an instrument does to a file meanwhile.
type Change = fn(&Path);

/// Chunks, and one request for the whole file.
const BOTH_WAYS: [&str; 2] = [
    "resumable_above = \"1 MB\"\nchunk_size = \"1 MiB\"",
    "resumable_above = \"1 GB\"",
];

const CHANGES: [(&str, Change); 4] = [
    // by one write: a writer that pauses for longer than the settle time has made a version on its way
    ("rewritten in place", |path| {
        let draft = path.with_file_name("draft.tmp");
        write_noise(&draft, SIZE, 99);
        fs::write(path, fs::read(draft).unwrap()).unwrap();
    }),
    ("longer", |path| {
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(b"one line more\n").unwrap();
    }),
    ("shorter", |path| {
        let file = OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(SIZE as u64 - MIB as u64 - 1).unwrap();
    }),
    // behind what was sent, with the times of before: size and mtime do not tell
    ("one byte, and the old time", |path| {
        let modified = fs::metadata(path).unwrap().modified().unwrap();
        let mut file = OpenOptions::new().write(true).open(path).unwrap();
        file.seek(SeekFrom::Start(SIZE as u64 - 1)).unwrap();
        file.write_all(b"!").unwrap();
        file.set_times(FileTimes::new().set_modified(modified))
            .unwrap();
    }),
];

const REPLACED: (&str, Change) = ("replaced", |path| {
    let new = path.with_file_name("other.tmp");
    write_noise(&new, SIZE, 99);
    fs::rename(new, path).unwrap();
});

#[test]
fn a_file_that_changes_on_its_way_arrives_in_its_new_version_only() {
    let changes = CHANGES.into_iter().chain([REPLACED]);
    let cases = changes.flat_map(|change| BOTH_WAYS.map(|way| (change, way)));
    each(cases.collect(), |((what, change), way)| {
        let what = format!("{what}, {way}");
        let lab = Lab::with(&Plan {
            transfer: way,
            speed: Some(SLOW),
            ..Plan::default()
        });
        let (daemon, new) = change_on_its_way(&lab, change);
        wait_until(&what, || lab.total("done") == 1);
        assert_eq!(daemon.terminate().code, Some(0));
        expect_the_new_version(&lab, &what, new);
    });
}

/// The watch is blind here, so that only the look at the open file can tell.
#[test]
fn a_file_that_changes_on_its_way_is_noticed_by_whoever_reads_it() {
    let cases = CHANGES.map(|change| BOTH_WAYS.map(|way| (change, way)));
    let cases = cases.into_iter().flatten();
    each(cases.collect(), |((what, change), way)| {
        let what = format!("{what}, {way}");
        let lab = Lab::with(&Plan {
            transfer: way,
            watch: "backend = \"poll\"\npoll_interval = \"1h\"",
            speed: Some(SLOW),
            ..Plan::default()
        });
        let (daemon, new) = change_on_its_way(&lab, change);
        wait_until(&what, || !lab.job("file")["finished_at"].is_null());
        assert_eq!(daemon.terminate().code, Some(0));
        assert_eq!(lab.job("file")["state"], "superseded", "{what}");
        lab.carry_all();
        expect_the_new_version(&lab, &what, new);
    });
}

/// Changes a file in the middle of its upload; what it is then.
fn change_on_its_way(lab: &Lab, change: Change) -> (Running, Holding) {
    lab.drop_file("file", SIZE, 1);
    let daemon = lab.start(&["run"]);
    wait_until("the middle of the file", || {
        lab.report().bytes_received > 2 * MIB as u64
    });
    let path = lab.path("file");
    change(&path);
    (daemon, holding("file", &path))
}

/// The table holds it, and nothing that nobody ever wrote.
fn expect_the_new_version(lab: &Lab, what: &str, new: Holding) {
    let states: Vec<_> = lab
        .jobs()
        .iter()
        .map(|job| (job["state"].clone(), job["md5"].clone()))
        .collect();
    let wanted = [
        ("superseded".into(), Value::Null),
        ("done".into(), new.2.clone().into()),
    ];
    assert_eq!(states, wanted, "{what}");
    lab.expect(vec![new]);
}

#[test]
fn a_file_that_is_deleted_on_its_way_arrives_all_the_same() {
    for transfer in BOTH_WAYS {
        let lab = Lab::with(&Plan {
            transfer,
            speed: Some(SLOW),
            ..Plan::default()
        });
        let wanted = lab.drop_file("file", SIZE, 1);
        let daemon = lab.start(&["run"]);
        wait_until("the middle of the file", || {
            lab.report().bytes_received > 2 * MIB as u64
        });
        fs::remove_file(lab.path("file")).unwrap();
        wait_until("the job has ended", || {
            !lab.job("file")["finished_at"].is_null()
        });
        assert_eq!(daemon.terminate().code, Some(0));
        assert_eq!(lab.job("file")["state"], "done", "{transfer}");
        lab.expect(vec![wanted]);
    }
}

#[test]
fn a_file_that_is_gone_after_a_crash_is_missing_and_may_come_back() {
    let lab = Lab::with(&Plan {
        transfer: BOTH_WAYS[0],
        speed: Some(SLOW),
        ..Plan::default()
    });
    let wanted = lab.drop_file("file", SIZE, 1);
    let daemon = lab.start(&["run"]);
    wait_until("the middle of the file", || {
        lab.report().bytes_received > 2 * MIB as u64
    });
    daemon.kill();
    let (path, aside) = (lab.path("file"), lab.elsewhere("aside"));
    fs::rename(&path, &aside).unwrap();
    lab.carry_all();
    assert_eq!(lab.job("file")["state"], "missing");
    lab.expect(Vec::new());

    fs::rename(&aside, &path).unwrap();
    lab.carry_all();
    lab.expect(vec![wanted]);
}

#[test]
fn a_file_with_another_name_is_parked_until_that_is_allowed() {
    let lab = Lab::new();
    let theirs = lab.elsewhere("somebody's secret");
    write_noise(&theirs, 5_000, 1);
    fs::hard_link(&theirs, lab.path("link")).unwrap();
    let other = lab.drop_file("other", 10, 2);
    let ended = lab.run_once();
    assert_eq!(ended.code, Some(3), "{}", ended.said);
    let job = lab.job("link");
    assert_eq!(
        (&job["state"], &job["reason"]),
        (&"parked".into(), &"hard-link".into())
    );
    assert!(job["error"].as_str().unwrap().contains("hard link"));
    lab.expect(vec![other]);
}

#[test]
fn a_file_with_another_name_goes_where_that_is_allowed() {
    let lab = Lab::with(&Plan {
        watch: "allow_hard_links = true",
        ..Plan::default()
    });
    let wanted = lab.drop_file("file", 5_000, 1);
    fs::hard_link(lab.path("file"), lab.elsewhere("other name")).unwrap();
    lab.carry_all();
    lab.expect(vec![wanted]);
}

#[test]
fn what_is_no_regular_file_is_left_alone() {
    let lab = Lab::new();
    let secret = lab.elsewhere("secret");
    write_noise(&secret, 5_000, 1);
    fs::create_dir(lab.elsewhere("folder")).unwrap();
    write_noise(&lab.elsewhere("folder/inside"), 10, 2);
    symlink(&secret, lab.path("link")).unwrap();
    symlink(lab.elsewhere("folder"), lab.path("link to a folder")).unwrap();
    symlink("nowhere", lab.path("dangling")).unwrap();
    let fifo = lab.path("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    fs::create_dir(lab.path("folder named.csv")).unwrap();
    let wanted: Holding = lab.drop_file("file", 10, 3);
    for name in ["half.tmp", "half.part", ".hidden", ".folder/inside"] {
        lab.drop_file(name, 10, 4);
    }
    lab.carry_all();
    lab.expect(vec![wanted]);
    assert_eq!(lab.jobs().len(), 1);
    assert_eq!(lab.report().requests(Call::Put), 1);
}

/// What an NFS client remembers of a file may be a minute old, and its bytes newer: a version is told by what the file is
/// where it lies.
#[test]
fn whether_a_file_is_still_the_same_is_asked_where_it_lies() {
    if !can_trace() {
        return;
    }
    let lab = Lab::with(&Plan {
        transfer: "resumable_above = \"1 MB\"\nchunk_size = \"1 MiB\"",
        ..Plan::default()
    });
    let wanted = vec![
        lab.drop_file("small", 1_000, 1),
        lab.drop_file("large", 3_500_000, 2),
    ];
    let (ended, trace) = run_once(&lab, &["trace=statx"]);
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    lab.expect(wanted);
    // once it is opened, and before each chunk, and after the last
    for (name, least) in [("small", 2), ("large", 5)] {
        let file = format!("<{}>, \"\"", lab.path(name).display());
        let calls = succeeded(&trace);
        let looks: Vec<_> = calls.iter().filter(|call| call.contains(&file)).collect();
        assert!(looks.len() >= least, "{name}: {trace}");
        let remembered = looks.iter().find(|call| !call.contains("FORCE_SYNC"));
        assert_eq!(remembered, None, "{trace}");
    }
}

/// So is what is to be deleted, and what may still be missing of a set whose marker is about to go.
#[test]
fn before_a_file_or_a_marker_goes_all_is_looked_at_where_it_lies() {
    if !can_trace() {
        return;
    }
    for deletes in [true, false] {
        let watch = if deletes {
            "after_upload = \"delete\""
        } else {
            "release_on = \"Done\""
        };
        let lab = Lab::with(&Plan {
            watch,
            ..Plan::default()
        });
        let wanted = ["run/a", "run/b/c", "run/Done"].map(|name| lab.drop_file(name, 1_000, 1));
        let (ended, trace) = run_once(&lab, &["trace=statx"]);
        assert_eq!(ended.code, Some(0), "{}", ended.said);
        lab.expect(wanted.into());
        let calls = succeeded(&trace);
        // whether what was asked of names in a folder that begin so was to be fresh
        let of = |folder: &str, name: &str| {
            let folder = lab.drop_folder.join(folder);
            let file = format!("<{}>, \"{name}", folder.display());
            let looks = calls.iter().filter(|call| call.contains(&file));
            looks
                .map(|call| call.contains("FORCE_SYNC"))
                .collect::<Vec<_>>()
        };
        for (folder, name) in [("run", "a"), ("run/b", "c")] {
            if deletes {
                let set_aside = of(folder, ".redivis-drop.");
                assert!(
                    !set_aside.is_empty() && !set_aside.contains(&false),
                    "{trace}"
                );
            } else {
                // the last walk, and not those before, which hurry
                let looks = of(folder, name);
                assert!(
                    looks.first() == Some(&false) && looks.last() == Some(&true),
                    "{trace}"
                );
            }
        }
    }
}
