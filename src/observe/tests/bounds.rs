//! What is remembered is bounded, and what was not remembered is said.

use std::time::Duration;

use super::scene::{Noticed, Scene};
use crate::watch::Happening;

#[test]
fn files_without_room_are_counted_and_leave_room_for_those_that_come() {
    let mut scene = Scene::with_room(Noticed::ByEvents, 100);
    for number in 0..1_000 {
        scene.before(&format!("old{number}.csv"), 10, 86_400);
    }
    scene.wait(1.0);
    for number in 0..40 {
        scene.file(&format!("new{number}.csv"), 10);
        scene.wait(1.0);
    }
    assert!(scene.learner.files.len() <= 100);
    let found = scene.findings();
    assert_eq!(
        (found.came.files, found.before.files, found.forgotten),
        (40, 50, 950)
    );
    assert!(
        scene
            .block(true)
            .contains("# 950 files more found no room in memory"),
        "{}",
        scene.block(true)
    );
}

#[test]
fn kinds_of_names_and_halves_of_renamings_are_bounded() {
    let mut scene = Scene::new(Noticed::ByEvents);
    scene.wait(1.0);
    for number in 0..5_000 {
        scene.file(&format!("{number}.e{number}"), 1);
        scene.remove(&format!("{number}.e{number}"));
        let path = format!("{number}.csv");
        scene.learner.heard(
            Happening::Left(path.into(), Some(100_000 + number)),
            Duration::from_secs(1),
        );
    }
    assert!(scene.learner.fates.len() <= 256);
    assert!(scene.learner.waiting() <= 1_024);
}

#[test]
fn a_walk_that_could_not_see_everything_makes_nothing_vanish() {
    let mut scene = Scene::new(Noticed::ByLooks);
    scene.wait(1.0);
    scene.file("a/1.csv", 10);
    scene.file("a/2.csv", 10);
    scene.wait(1.5);
    scene.hide_everything();
    scene.walk(false);
    assert_eq!(scene.findings().vanished, 0);
    scene.walk(true);
    assert_eq!(scene.findings().vanished, 2);
}

#[test]
fn a_folder_that_was_away_makes_nothing_vanish() {
    let mut scene = Scene::new(Noticed::ByEvents);
    scene.wait(1.0);
    scene.file("a.csv", 10);
    scene.wait(10.0);
    scene.learner.away();
    scene.wait(10.0);
    let found = scene.findings();
    assert_eq!((found.vanished, found.came.files), (0, 1));
}

#[test]
fn changes_without_events_speak_for_looking() {
    let mut scene = Scene::new(Noticed::ByEvents);
    scene.wait(1.0);
    scene.create("a.csv");
    scene.create("b.csv");
    scene.deaf = true;
    for _ in 0..3 {
        scene.wait(30.0);
        scene.write("a.csv", 10);
    }
    scene.wait(30.0);
    assert!(
        scene.block(true).contains("\nbackend = \"poll\""),
        "{}",
        scene.block(true)
    );
}

#[test]
fn how_files_came_is_told_by_events() {
    let mut scene = Scene::new(Noticed::ByEvents);
    scene.wait(1.0);
    scene.file("written.csv", 10);
    scene.arrive("moved.csv", 10);
    scene.file("a.tmp", 10);
    scene.rename("a.tmp", "a.csv");
    scene.file("stage/b.csv", 10);
    scene.rename("stage/b.csv", "b.csv");
    scene.wait(30.0);
    let found = scene.findings();
    assert_eq!(
        (found.created, found.moved, found.renamed, found.found),
        (1, 1, 2, 0)
    );
    assert_eq!(found.excludes().last().unwrap(), "stage");
}

#[test]
fn a_new_file_with_the_inode_of_another_is_no_renaming() {
    for (new, renamed) in [("other.csv", 0), ("a.raw", 1)] {
        let mut scene = Scene::new(Noticed::ByLooks);
        scene.wait(1.0);
        scene.file("a.raw.busy", 10);
        scene.wait(1.5);
        scene.reuse_inode_of("a.raw.busy");
        scene.remove("a.raw.busy");
        scene.file(new, 70);
        scene.wait(1.5);
        let found = scene.findings();
        assert_eq!(
            (found.renamed, found.vanished),
            (renamed, 1 - renamed),
            "{new}"
        );
    }
}
