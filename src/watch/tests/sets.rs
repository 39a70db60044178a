//! Which folders are released, and what is told of those that are not.

use super::*;

fn sets(markers: &[&str], all: bool) -> Sets {
    let markers = markers.iter().map(ToString::to_string).collect();
    Sets::new(Release { markers, all })
}

fn file(path: &str, version: i64) -> Sighting {
    Sighting {
        path: path.into(),
        seen: Fingerprint {
            dev: 1,
            ino: 1,
            size: 0,
            mtime_ns: version,
            ctime_ns: version,
        },
    }
}

#[test]
fn a_folder_is_released_by_its_marker_and_everything_below_goes() {
    let mut sets = sets(&["Done"], true);
    assert!(sets.is_marker("a/Done".as_ref()) && !sets.is_marker("a/Done/b".as_ref()));
    assert!(!sets.lets_go("a/file".as_ref()));
    assert_eq!(sets.stands(&file("a/Done", 1)), Some(PathBuf::from("a")));
    assert_eq!(
        sets.stands(&file("a/Done", 2)),
        None,
        "it was released before"
    );
    for (path, goes) in [
        ("a/file", true),
        ("a/b/c/file", true),
        ("a", false),
        ("ab/file", false),
        ("file", false),
    ] {
        assert_eq!(sets.lets_go(path.as_ref()), goes, "{path}");
    }
    assert_eq!(sets.stands(&file("Done", 1)), Some(PathBuf::from("")));
    assert!(sets.lets_go("file".as_ref()));
}

#[test]
fn all_markers_are_required_or_any() {
    let mut all = sets(&["A", "B"], true);
    assert_eq!(all.stands(&file("x/A", 1)), None);
    assert_eq!(all.stands(&file("y/B", 1)), None, "in another folder");
    assert_eq!(all.stands(&file("x/B", 1)), Some(PathBuf::from("x")));
    let mut any = sets(&["A", "B"], false);
    assert_eq!(any.stands(&file("x/A", 1)), Some(PathBuf::from("x")));
    assert_eq!(any.stands(&file("x/B", 1)), None);
    any.forget("x/A".as_ref());
    assert!(any.lets_go("x/file".as_ref()), "the other one still stands");
    any.forget("x/B".as_ref());
    assert!(!any.lets_go("x/file".as_ref()));
}

#[test]
fn a_folder_whose_marker_is_gone_is_not_released_any_more() {
    for gone in ["lab/run/Done", "lab/run", "lab"] {
        let mut sets = sets(&["Done"], true);
        sets.stands(&file("lab/run/Done", 1));
        sets.goes_last(file("lab/run/Done", 1));
        sets.stands(&file("other/Done", 1));
        sets.forget("lab/run/file".as_ref());
        assert!(sets.lets_go("lab/run/file".as_ref()));
        sets.forget(gone.as_ref());
        assert!(!sets.lets_go("lab/run/file".as_ref()), "{gone}");
        assert!(sets.lets_go("other/file".as_ref()), "{gone}");
        assert_eq!(sets.waiting().count(), 0, "{gone}");
        assert_eq!(
            sets.stands(&file("lab/run/Done", 2)),
            Some(PathBuf::from("lab/run"))
        );
    }
}

#[test]
fn markers_wait_for_their_folders_the_inner_ones_first() {
    let mut sets = sets(&["A", "B"], true);
    for path in ["run/A", "run/B", "run/part/A", "runs/A"] {
        sets.goes_last(file(path, 1));
    }
    assert_eq!(sets.waiting().count(), 0, "no folder is released");
    for folder in ["run", "run/part", "runs"] {
        sets.stands(&file(&format!("{folder}/A"), 1));
        sets.stands(&file(&format!("{folder}/B"), 1));
    }
    sets.goes_last(file("run/A", 2));
    let waiting: Vec<_> = sets
        .waiting()
        .map(|(folder, markers)| (folder.to_path_buf(), markers.len()))
        .collect();
    let want = [("runs", 1), ("run/part", 1), ("run", 2)];
    assert_eq!(waiting, want.map(|(folder, n)| (PathBuf::from(folder), n)));
    assert!(sets.waits_within("run".as_ref()) && !sets.waits_within("run/part".as_ref()));
    sets.gone("run/part".as_ref());
    assert!(!sets.waits_within("run".as_ref()));
    let (_, markers) = sets
        .waiting()
        .find(|(folder, _)| *folder == Path::new("run"))
        .unwrap();
    assert!(markers.contains(&file("run/A", 2)) && !markers.contains(&file("run/A", 1)));
}

#[test]
fn files_without_a_marker_are_counted_and_told_when_nothing_happens() {
    let mut sets = sets(&["A", "B"], true);
    for path in ["loose", "run 1/x", "run 1/y/z", "run 2/x"] {
        sets.hold(&file(path, 100));
    }
    assert_eq!(sets.held(), 0, "the walk is on its way");
    sets.walked("".as_ref());
    assert_eq!(sets.held(), 4);
    assert_eq!(sets.stale(100), None);
    // a walk through a part says nothing about the rest, one through a folder of the root does
    sets.hold(&file("run 1/y/z", 900));
    sets.walked("run 1/y".as_ref());
    assert_eq!(sets.held(), 4);
    sets.hold(&file("run 1/x", 900));
    sets.walked("run 1".as_ref());
    assert_eq!(sets.held(), 3);
    assert_eq!(
        sets.stale(500).unwrap(),
        "1 files in . still wait for A and B, and 1 more folders: \
         nothing of a set goes before its marker is there"
    );
    sets.hold(&file("run 2/x", 100));
    sets.walked("".as_ref());
    assert!(
        sets.stale(500)
            .unwrap()
            .starts_with("1 files in run 2 still wait for A and B: ")
    );
}
