//! Killed at every moment of an after-action, and over and over.

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use redivis_drop::crash_point::{ARMED_BY, Point};

use super::{ALL, After, SIZES, Scene};
use crate::process::{each, wait_until};

/// Without `REDIVIS_DROP_AFTER_KILLS`, for each kind of action.
const KILLS: u64 = 5;

/// A life that does not come to its point ends after so long.
const LONGEST: Duration = Duration::from_secs(3);

/// The points that an action passes.
fn points(after: After) -> Vec<Point> {
    let deletion = [Point::AfterAside, Point::AfterDeleted];
    let own = match after {
        After::Delete => deletion.to_vec(),
        After::Move => vec![Point::AfterCarried, Point::AfterNamed],
        After::Across => {
            let copy = [Point::AfterCopying, Point::AfterCopied, Point::AfterNamed];
            [copy.as_slice(), &deletion].concat()
        }
    };
    let all = [
        Point::AfterIntendWritten,
        Point::AfterIntendCommitted,
        Point::AfterSynced,
        Point::AfterDoneWritten,
        Point::AfterDoneCommitted,
    ];
    [own.as_slice(), &all].concat()
}

#[test]
fn killed_at_any_point_of_an_after_action_no_file_is_missing_and_one_copy_is_left() {
    let every = Point::ALL
        .iter()
        .filter(|point| point.is_of_after_actions());
    for point in every {
        let passed = |after: &After| points(*after).contains(point);
        assert!(ALL.iter().any(passed), "{point:?}");
    }
    let cases = ALL.into_iter().flat_map(|after| {
        let points = points(after).into_iter();
        points.map(move |point| (after, point))
    });
    each(cases.collect(), |(after, point)| {
        // nothing is excluded: a private name must not be uploaded all the same
        let Some(mut scene) = Scene::new(after, "exclude = []") else {
            return;
        };
        for (seed, size) in (1..).zip(SIZES) {
            scene.drop_file(&format!("run/{seed}"), size, seed);
        }
        // and once more in what the next start does, should it pass there
        for time in ["first", "second"] {
            let mut command = scene.lab.command(&["run", "--once"]);
            command.env(ARMED_BY, format!("{}:1", point.name()));
            let ended = scene.lab.run(command);
            let died = ended.code.is_none();
            assert!(
                died || time == "second",
                "nothing passes {point:?} of {after:?}: {}",
                ended.said
            );
            scene.nothing_is_missing();
        }
        scene.lab.carry_all();
        scene.all_is_done();
        scene.lab.carry_all();
        scene.all_is_done();
    });
}

#[test]
fn killed_over_and_over_while_files_come_and_go_none_is_lost() {
    let kills = std::env::var("REDIVIS_DROP_AFTER_KILLS");
    let kills = kills.map_or(KILLS, |kills| kills.parse().unwrap());
    each(ALL.to_vec(), |after| {
        let Some(mut scene) = Scene::new(after, "exclude = []") else {
            return;
        };
        let (mut seed, mut at_points) = (0, 0);
        for kill in 0..kills {
            for _ in 0..=chance(3) {
                let size = SIZES[usize::try_from(chance(3)).unwrap()];
                // no two alike: an empty one comes once
                let size = if size == 0 && seed > 0 { 8 } else { size };
                scene.drop_file(&format!("run/{seed}"), size, seed + 1);
                seed += 1;
            }
            let points = points(after);
            let point = points[usize::try_from(chance(points.len() as u64)).unwrap()];
            let by_point = chance(4) > 0;
            let mut command = scene.lab.command(&["run"]);
            if by_point {
                command.env(ARMED_BY, format!("{}:{}", point.name(), 1 + chance(2)));
            }
            let longest = if by_point {
                LONGEST
            } else {
                Duration::from_millis(chance(700))
            };
            let log = scene.lab.elsewhere("log.txt");
            let (began, mut daemon) = (
                Instant::now(),
                crate::process::Running::start(command, &log),
            );
            let mut died = false;
            wait_until("an end", || {
                died = daemon.has_ended();
                died || began.elapsed() > longest
            });
            daemon.kill();
            at_points += u64::from(died);
            scene.nothing_is_missing();
            if kill % 10 == 9 {
                finish(&scene);
            }
        }
        finish(&scene);
        eprintln!("{after:?}: {kills} kills, {at_points} of them at points, {seed} files");
    });
}

/// Files that were in hand at several kills in a row are set apart for a while.
fn finish(scene: &Scene) {
    for _ in 0..20 {
        let daemon = scene.lab.start(&["run"]);
        // only then does it know what a signal is
        wait_until("the daemon is ready", || daemon.said().contains(" ready"));
        let began = Instant::now();
        let mut done = 0;
        wait_until("the end, or a standstill", || {
            done = scene.lab.total("done");
            done >= scene.wanted.len() as u64 || began.elapsed() > Duration::from_secs(40)
        });
        assert_eq!(daemon.terminate().code, Some(0));
        scene.nothing_is_missing();
        if done >= scene.wanted.len() as u64 {
            break;
        }
    }
    scene.all_is_done();
}

/// A number below `limit` that nobody knows before.
fn chance(limit: u64) -> u64 {
    RandomState::new().hash_one(limit) % limit
}
