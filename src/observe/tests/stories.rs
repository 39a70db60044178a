//! What writers do, and what is proposed for them.

use super::load;
use super::scene::{Noticed, Scene};
use crate::config;

/// What is told, what the block must hold, and what it must not. Words may be broken over lines.
type Story = (
    &'static str,
    fn(&mut Scene),
    &'static [&'static str],
    &'static [&'static str],
);

const STORIES: &[Story] = &[
    (
        "an empty folder",
        |scene| scene.wait(600.0),
        &[
            "Nothing was written in this time;",
            "settle = \"10s\"",
            "Run it while the instrument writes",
        ],
        &["exclude", "release_on", "came"],
    ),
    (
        "files from before that nobody touches",
        |scene| {
            scene.before("a.csv", 1_000, 86_400);
            scene.before("b/b.csv", 500, 86_400);
            scene.wait(600.0);
        },
        &[
            "Nothing was written in this time (2 files with 1.5 kB there before)",
            "settle = \"10s\"",
        ],
        &["release_on", "exclude"],
    ),
    (
        "a slow writer",
        |scene| {
            scene.wait(1.0);
            scene.create("run1.raw");
            for _ in 0..10 {
                scene.write("run1.raw", 1_000_000);
                scene.wait(14.0);
            }
            scene.wait(60.0);
        },
        &[
            "The longest pause in a file that then went on growing: 14s, in run1.raw",
            "settle = \"30s\"",
            "1 file came, 10.0 MB",
        ],
        &["exclude", "still being written", "release_on", "max_wait"],
    ),
    (
        "a writer in bursts, one pause longer than the others",
        |scene| {
            scene.wait(1.0);
            for (name, long) in [("a.raw", 20.0), ("b.raw", 41.0), ("c.raw", 3.0)] {
                scene.create(name);
                for burst in 0..4 {
                    for _ in 0..20 {
                        scene.write(name, 50_000);
                        scene.wait(0.125);
                    }
                    scene.wait(if burst == 2 { long } else { 2.0 });
                }
            }
            scene.wait(60.0);
        },
        // the last write of a burst is an eighth of a second before its pause
        &[
            "then went on growing: 41s, in b.raw at 3.0 MB",
            "settle = \"1m 30s\"",
            "3 files came, 12.0 MB",
        ],
        &["exclude"],
    ),
    (
        "a pause of hours",
        |scene| {
            scene.wait(1.0);
            scene.file("slow.raw", 10);
            scene.wait(5.0 * 3600.0);
            scene.write("slow.raw", 10);
            scene.wait(60.0);
        },
        &[
            "then went on growing: 5h, in slow.raw at 10 B",
            "settle = \"12h\"",
            "max_wait = \"2d\"",
        ],
        &[],
    ),
    (
        "a file in the middle of which it begins",
        |scene| {
            scene.before("run1.raw", 5_000, 8);
            scene.wait(12.0);
            scene.write("run1.raw", 5_000);
            scene.wait(60.0);
        },
        &[
            "then went on growing: 20s, in run1.raw at 5.0 kB",
            "settle = \"45s\"",
        ],
        &[],
    ),
    (
        "an old file that is opened again",
        |scene| {
            scene.before("old.xlsx", 5_000, 86_400);
            scene.wait(300.0);
            scene.write("old.xlsx", 5_000);
            scene.wait(60.0);
        },
        &[
            "settle = \"10s\"",
            "1 file from before changed after a long time: they go up again, by `on_conflict`",
        ],
        &["file that then went on growing:"],
    ),
    (
        "renamed into place by a known ending",
        |scene| {
            scene.wait(1.0);
            for name in ["a.csv", "b.csv", "c.csv"] {
                let part = format!("{name}.filepart");
                scene.create(&part);
                for _ in 0..3 {
                    scene.write(&part, 1_000);
                    scene.wait(30.0);
                }
                scene.rename(&part, name);
                scene.wait(5.0);
            }
            scene.wait(60.0);
        },
        &[
            "How they came: 3 renamed into place.",
            "Renamed 3 times: NAME.filepart becomes NAME (a.csv.filepart to a.csv).",
            "# **/*.filepart: 3 files renamed, such as c.csv.filepart.",
            r#"exclude = ["**/*.tmp", "**/*.part", "**/.*", "**/*.filepart"]"#,
            "settle = \"10s\"",
        ],
        &["file that then went on growing:", "go up"],
    ),
    (
        "renamed into place by an ending of its own",
        |scene| {
            scene.wait(1.0);
            for stem in ["a", "b"] {
                let (writing, done) = (format!("{stem}.acq"), format!("{stem}.mzML"));
                scene.create(&writing);
                scene.wait(2.0);
                scene.write(&writing, 1_000);
                scene.wait(2.0);
                scene.rename(&writing, &done);
            }
            scene.wait(30.0);
        },
        &[
            "NAME.acq becomes NAME.mzML (a.acq to a.mzML)",
            r#""**/*.acq"]"#,
        ],
        &[],
    ),
    (
        "an ending of its own that some finished files keep",
        |scene| {
            scene.wait(1.0);
            scene.file("a.dat", 10);
            scene.file("b.dat", 10);
            scene.wait(5.0);
            scene.rename("b.dat", "b.csv");
            scene.wait(30.0);
        },
        &[
            "**/*.dat: 1 file renamed, 1 file there now",
            r#"If such files are temporary, add "**/*.dat" to `exclude`"#,
        ],
        &["exclude = ["],
    ),
    (
        "rsync",
        |scene| {
            scene.wait(1.0);
            for (name, chance) in [("a.csv", "Xy12Zw"), ("b.csv", "q9QrTs")] {
                let hidden = format!(".{name}.{chance}");
                scene.create(&hidden);
                scene.wait(1.5);
                scene.write(&hidden, 1_000);
                scene.wait(1.5);
                scene.rename(&hidden, name);
                scene.keep_time(name);
                scene.wait(2.0);
            }
            scene.wait(30.0);
        },
        &[
            "Renamed 2 times: .NAME.XXXXXX becomes NAME, as rsync does it",
            "The default excludes such names.",
            "2 renamed into place",
            "2 files arrived with a modification time from before",
        ],
        &["exclude = [", "file that then went on growing:"],
    ),
    (
        "cp -p",
        |scene| {
            scene.wait(1.0);
            for name in ["a.csv", "b.csv"] {
                scene.create(name);
                scene.wait(1.5);
                scene.write(name, 1_000);
                scene.wait(1.5);
                scene.keep_time(name);
            }
            scene.wait(30.0);
        },
        &[
            "2 files arrived with a modification time from before",
            "settle = \"10s\"",
        ],
        &["exclude"],
    ),
    (
        "two runs of a sequencer",
        |scene| {
            scene.wait(1.0);
            for run in ["run1", "run2"] {
                for cycle in ["C1", "C2"] {
                    scene.file(&format!("{run}/Data/{cycle}/s_1.bcl"), 1_000_000);
                    scene.wait(3.0);
                    scene.file(&format!("{run}/Data/{cycle}/s_2.bcl"), 1_000_000);
                    scene.wait(3.0);
                }
                scene.file(&format!("{run}/RunInfo.xml"), 6_000);
                scene.wait(2.0);
                scene.file(&format!("{run}/RTAComplete.txt"), 30);
                scene.wait(4.0);
                scene.file(&format!("{run}/CopyComplete.txt"), 0);
                scene.wait(20.0);
            }
        },
        &[
            "CopyComplete.txt (empty) appeared last in 2 folders, such as run1",
            "14 files in subfolders",
            "recursive = true",
            "release_on = \"CopyComplete.txt\"",
        ],
        &["s_2.bcl (", "release_on = \"RTA"],
    ),
    (
        "one run of a sequencer",
        |scene| {
            scene.wait(1.0);
            scene.file("run1/Data/s_1.bcl", 1_000_000);
            scene.wait(3.0);
            scene.file("run1/RTAComplete.txt", 30);
            scene.wait(60.0);
        },
        &[
            "One folder is thin evidence",
            "# release_on = \"RTAComplete.txt\"",
        ],
        &["\nrelease_on"],
    ),
    (
        "a small last file in each folder whose name says nothing",
        |scene| {
            scene.wait(1.0);
            for run in ["x", "y", "z"] {
                scene.file(&format!("{run}/{run}.raw"), 1_000_000);
                scene.wait(5.0);
                scene.file(&format!("{run}/summary.txt"), 200);
                scene.wait(5.0);
            }
        },
        &[
            "summary.txt (200 B) appeared last in 3 folders",
            "release_on = \"summary.txt\"",
        ],
        &[],
    ),
    (
        "files that come one after the other and mean nothing by it",
        |scene| {
            scene.wait(1.0);
            for run in ["x", "y"] {
                for name in ["1.csv", "2.csv", "3.csv"] {
                    scene.file(&format!("{run}/{name}"), 100_000);
                    scene.wait(5.0);
                }
            }
        },
        &["settle = \"10s\""],
        &["release_on"],
    ),
    (
        "companions",
        |scene| {
            scene.wait(1.0);
            for stem in ["a", "b", "c"] {
                scene.file(&format!("{stem}.csv"), 100_000);
                scene.wait(2.0);
                scene.file(&format!("{stem}.ok"), 0);
                scene.wait(2.0);
            }
        },
        &["3 files have a companion that ends in .ok"],
        &["release_on ="],
    ),
    (
        "a log that is appended to for ever",
        |scene| {
            scene.wait(1.0);
            scene.create("instrument.log");
            for round in 0..60 {
                scene.write("instrument.log", 80);
                if round % 20 == 0 {
                    scene.file(&format!("run{round}.raw"), 1_000);
                }
                scene.wait(10.0);
            }
            scene.write("instrument.log", 80);
            scene.wait(2.0);
        },
        &[
            "instrument.log was appended to 6",
            r#"exclude = ["**/*.tmp", "**/*.part", "**/.*", "instrument.log"]"#,
            "settle = \"10s\"",
        ],
        &["file that then went on growing:", "still being written"],
    ),
    (
        "a long measurement that had not ended",
        |scene| {
            scene.wait(1.0);
            scene.create("run[1].raw");
            for _ in 0..60 {
                scene.write("run[1].raw", 80);
                scene.wait(10.0);
            }
            scene.write("run[1].raw", 80);
        },
        &[
            "if it is a long measurement, observe for longer",
            "then went on growing: 10s, in run[1].raw",
            "1 file was still being written at the end, such as run[1].raw",
            "settle = \"20s\"",
        ],
        &["exclude = ["],
    ),
    (
        "somebody takes the finished files away",
        |scene| {
            scene.wait(1.0);
            for name in ["a.csv", "b.csv", "c.csv"] {
                scene.create(name);
                scene.wait(1.5);
                scene.write(name, 100);
                scene.wait(20.0);
                scene.write(name, 100);
                scene.wait(5.0);
                scene.remove(name);
                scene.wait(5.0);
            }
        },
        &[
            "3 files went away again. If somebody collects files here, the daemon must be faster.",
            "If such files are temporary, add \"**/*.csv\" to `exclude`",
            // also of files that are gone
            "then went on growing: 20s, in",
        ],
        &["exclude = ["],
    ),
    (
        "a folder that is renamed when it is whole",
        |scene| {
            scene.wait(1.0);
            scene.file("run1.tmp/a.raw", 1_000);
            scene.wait(3.0);
            scene.file("run1.tmp/b.raw", 1_000);
            scene.wait(3.0);
            scene.rename("run1.tmp", "run1");
            scene.wait(30.0);
        },
        &[
            "2 files came, 2.0 kB",
            "recursive = true",
            "settle = \"10s\"",
        ],
        &["exclude = ["],
    ),
    (
        "a file that is written anew under its name",
        |scene| {
            scene.wait(1.0);
            scene.file("current.csv", 5_000);
            scene.wait(60.0);
            scene.cut("current.csv", 20);
            scene.wait(60.0);
        },
        &[
            "1 file became shorter or another file under the same name, such as current.csv: see `on_conflict`",
            "settle = \"10s\"",
        ],
        &["file that then went on growing:"],
    ),
    (
        "temporary names that a configuration must quote",
        |scene| {
            scene.wait(1.0);
            for stem in ["a", "b"] {
                let draft = format!("re[\"\u{7f}\n_{stem}.csv");
                scene.create(&draft);
                scene.wait(1.5);
                scene.write(&draft, 10);
                scene.wait(1.5);
                scene.rename(&draft, &format!("{stem}.csv"));
            }
            scene.wait(30.0);
        },
        &["Renamed 2 times", "exclude = ["],
        &[],
    ),
    (
        "links, closed files, names that are no text",
        |scene| {
            scene.wait(1.0);
            scene.file("linked.csv", 10);
            scene.change("linked.csv", |look| look.links = 2);
            scene.file("closed.csv", 10);
            scene.change("closed.csv", |look| look.may_read = false);
            scene.create_bytes(b"\xff\xfe.csv");
            scene.file("two\nlines\u{7f}\r.filepart", 10);
            scene.wait(60.0);
        },
        &[
            "1 file has more than one hard link, such as linked.csv",
            "# allow_hard_links = true",
            "1 file cannot be read by this user, such as closed.csv: the daemon's user must be allowed to",
            "1 file with a name that is not UTF-8, such as %FF%FE.csv: in the table such bytes become %XX",
            "two%0Alines%7F%0D.filepart",
        ],
        &["\nallow_hard_links"],
    ),
];

#[test]
fn each_writer_gets_the_settings_that_fit_and_the_configuration_takes_them() {
    for (what, tell, wanted, unwanted) in STORIES {
        for noticed in [Noticed::ByEvents, Noticed::ByLooks] {
            let mut scene = Scene::new(noticed);
            tell(&mut scene);
            let block = scene.block(true);
            let words = flat(&block);
            let said = |text: &str| match text.strip_prefix('\n') {
                Some(start) => block.lines().any(|line| line.starts_with(start)),
                None => words.contains(&flat(text)),
            };
            for text in *wanted {
                assert!(
                    said(text),
                    "{what}, {noticed:?}: {text:?} is missing in\n{block}"
                );
            }
            for text in *unwanted {
                assert!(
                    !said(text),
                    "{what}, {noticed:?}: {text:?} stands in\n{block}"
                );
            }
            let known = config::watch_key_is_there("release_on");
            let watch = load(&scene.block(known)).watches.remove(0);
            assert_eq!(watch.name.as_str(), "sequencer-1", "{what}");
            assert!(
                block.contains(&config::write_duration(watch.settle)),
                "{what}"
            );
        }
    }
}

/// On one line, without the marks of comments.
fn flat(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| line.strip_prefix("# ").unwrap_or(line));
    lines.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_version_without_markers_keeps_the_line_as_a_comment() {
    let (_, tell, ..) = STORIES
        .iter()
        .find(|(what, ..)| *what == "two runs of a sequencer")
        .unwrap();
    let mut scene = Scene::new(Noticed::ByEvents);
    tell(&mut scene);
    assert!(
        scene
            .block(true)
            .contains("\nrelease_on = \"CopyComplete.txt\"")
    );
    let without = scene.block(false);
    assert!(
        without.contains("\n# release_on = \"CopyComplete.txt\""),
        "{without}"
    );
    assert!(!without.contains("\nrelease_on"), "{without}");
}
