//! Each point for itself: it is really passed, the kill is a real one, and everything arrives once.

use std::collections::BTreeMap;
use std::time::Duration;

use redivis_drop::crash_point::Point;
use redivis_drop::sandbox::{Action, Answer, Call, Fault};

use crate::judge::Verdict;
use crate::process::each;
use crate::scene::{Death, ROWS, SIZES, SMALL_CHUNKS, Scene};

/// Longer than an ordinary run on any machine.
const LONGEST: Duration = Duration::from_secs(30);

#[test]
fn killed_at_any_point_of_an_ordinary_run_everything_arrives_once() {
    let mut points = Point::ALL.to_vec();
    points.retain(|point| {
        let is_of_others = point.is_of_after_actions() || point.is_of_next_versions();
        !is_of_others && !OF_ROWS.contains(point)
    });
    each(points, |point| {
        let mut scene = ordinary();
        let died = scene.live(Death::At(point, 1), LONGEST, |_, _| {});
        assert!(died, "nothing passes {}", point.name());
        let ended = scene.finish();
        assert_eq!(ended, (Verdict::default(), false), "{}", point.name());
    });
}

/// Points that are passed on the way of rows only.
const OF_ROWS: [Point; 6] = [
    Point::UploadsBefore,
    Point::UploadsAnswered,
    Point::ImportWritten,
    Point::ImportCommitted,
    Point::ListUploadsBefore,
    Point::ListUploadsAnswered,
];

/// The same for files that are imported as rows: none of them twice.
#[test]
fn killed_at_any_point_around_an_import_every_file_is_imported_once() {
    let around = [
        Point::IntendWritten,
        Point::IntendCommitted,
        Point::RegisterWritten,
        Point::RegisterCommitted,
    ];
    let points = OF_ROWS.into_iter().chain(around);
    let cases = points.flat_map(|point| [1, 2].map(|passage| (point, passage)));
    each(cases.collect(), |(point, passage)| {
        let mut scene = Scene::new(&ROWS);
        for (seed, size) in (1..).zip([1_000, 20_000, 400_000]) {
            scene.drop_file(size, seed);
        }
        let died = scene.live(Death::At(point, passage), LONGEST, |_, _| {});
        assert!(died || passage > 1, "nothing passes {}", point.name());
        let ended = scene.finish();
        let point = point.name();
        assert_eq!(ended, (Verdict::default(), false), "{point}, {passage}");
    });
}

#[test]
fn killed_at_any_point_of_its_recovery_and_again_at_the_same_everything_arrives_once() {
    // in the middle of everything
    let first = [Point::ChunkAnswered, Point::RawFilesAnswered];
    let again = [
        Point::OpenLocked,
        Point::OpenWal,
        Point::OpenMigrated,
        Point::BeginWritten,
        Point::ClaimCommitted,
        Point::GroupAnswered,
    ];
    let cases = first
        .into_iter()
        .flat_map(|first| again.map(|again| (first, again)));
    each(cases.collect(), |(first, again)| {
        let mut scene = ordinary();
        assert!(
            scene.live(Death::At(first, 1), LONGEST, |_, _| {}),
            "{first:?}"
        );
        for _ in 0..2 {
            assert!(
                scene.live(Death::At(again, 1), LONGEST, |_, _| {}),
                "{again:?}"
            );
        }
        let ended = scene.finish();
        assert_eq!(ended, (Verdict::default(), false), "{first:?}, {again:?}");
    });
}

/// The table lists the name, and even the size, of what is to come.
#[test]
fn killed_around_the_registration_of_a_newer_version_that_one_arrives_too() {
    let points = [
        Point::IntendWritten,
        Point::IntendCommitted,
        Point::RawFilesBefore,
        Point::RawFilesAnswered,
    ];
    each(points.to_vec(), |point| {
        let mut scene = Scene::new(&SMALL_CHUNKS);
        let sizes = [1_000, 400_000];
        for (seed, size) in (1..).zip(sizes) {
            scene.drop_file(size, seed);
        }
        assert_eq!(scene.finish(), (Verdict::default(), false));
        let names: Vec<_> = scene.versions.names().cloned().collect();
        for (seed, (name, size)) in (10..).zip(names.iter().zip(sizes)) {
            scene.put(name, size, seed);
        }
        assert!(
            scene.live(Death::At(point, 1), LONGEST, |_, _| {}),
            "{point:?}"
        );
        let ended = scene.finish();
        assert_eq!(ended, (Verdict::default(), false), "{point:?}");
    });
}

#[test]
fn the_names_of_the_points_differ() {
    let names = Point::ALL.iter().map(|point| (point.name(), point));
    assert_eq!(names.collect::<BTreeMap<_, _>>().len(), Point::ALL.len());
}

/// One file of each kind, and the failures without which not every point is passed.
fn ordinary() -> Scene {
    let mut scene = Scene::new(&SMALL_CHUNKS);
    scene.lab.script(vec![
        Fault::new(Call::Chunk, Action::CutAfter(100_000)).skip(1),
        Fault::new(Call::RawFiles, Action::Answer(Answer::status(429))),
        Fault::new(Call::RawFiles, Action::CutBeforeReply).skip(1),
    ]);
    for (seed, size) in (1..).zip(SIZES) {
        scene.drop_file(size, seed);
    }
    scene
}
