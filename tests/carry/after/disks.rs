//! Disks that take nothing: what cannot be moved or deleted waits where it is, whole, and says why.

use std::fs;

use serde_json::Value;

use super::{After, Scene, files};
use crate::lab::KIB;
use crate::namespace::{in_a_namespace, mount, mount_again, mount_as_another_kind, mount_twice};
use crate::process::wait_until;

/// Whether so many files are in the table, and their jobs say with these words why they are still here.
fn wait_with_words(scene: &Scene, count: usize, words: &str) -> bool {
    let jobs = scene.lab.jobs();
    let waits = |job: &&Value| {
        let error = job["error"].as_str().unwrap_or_default();
        job["state"] == "registered" && error.contains(words)
    };
    jobs.iter().filter(waits).count() == count
}

#[test]
fn what_does_not_fit_where_it_is_moved_to_stays_until_it_does() {
    if !in_a_namespace("after::disks::what_does_not_fit_where_it_is_moved_to_stays_until_it_does") {
        return;
    }
    let mut scene = Scene::new(After::Move, "").unwrap();
    mount(&scene.done, "size=1m");
    fs::write(scene.done.join("fills"), vec![1; 600 * KIB]).unwrap();
    scene.drop_file("large", 700 * KIB, 1);
    scene.drop_file("small", 100 * KIB, 2);
    let daemon = scene.lab.start(&["run"]);
    wait_until("the small one is done", || scene.lab.total("done") == 1);
    wait_until("the large one says why it stays", || {
        wait_with_words(&scene, 1, "No space left")
    });
    assert_eq!(files(&scene.lab.drop_folder), ["large"]);
    wait_until("what was copied of it is gone", || {
        files(&scene.done) == ["fills", "small"]
    });
    scene.nothing_is_missing();
    fs::remove_file(scene.done.join("fills")).unwrap();
    wait_until("it is moved", || scene.lab.total("done") == 2);
    assert_eq!(daemon.terminate().code, Some(0));
    scene.all_is_done();
}

#[test]
fn what_cannot_be_removed_from_a_drop_folder_that_is_read_only_stays_until_it_can() {
    if !in_a_namespace(
        "after::disks::what_cannot_be_removed_from_a_drop_folder_that_is_read_only_stays_until_it_can",
    ) {
        return;
    }
    for after in [After::Delete, After::Move] {
        let mut scene = Scene::new(after, "").unwrap();
        let root = scene.lab.drop_folder.clone();
        mount(&root, "size=4m");
        scene.drop_file("a", 1_000, 1);
        scene.drop_file("b/c", 2_000, 2);
        mount_again(&root, "ro");
        let daemon = scene.lab.start(&["run"]);
        wait_until("both say why they stay", || {
            wait_with_words(&scene, 2, "it is read-only")
        });
        assert_eq!(files(&root), ["a", "b/c"]);
        scene.nothing_is_missing();
        mount_again(&root, "rw");
        wait_until("both are done", || scene.lab.total("done") == 2);
        assert_eq!(daemon.terminate().code, Some(0));
        scene.all_is_done();
    }
}

/// No path tells that the two are one, and the file there is not a copy of the one here.
#[test]
fn what_is_to_be_moved_to_a_second_mount_of_its_own_folder_stays_and_says_why() {
    if !in_a_namespace(
        "after::disks::what_is_to_be_moved_to_a_second_mount_of_its_own_folder_stays_and_says_why",
    ) {
        return;
    }
    for (of_another_kind, words) in [
        (false, "leads into the drop folder"),
        (true, "is the drop folder itself, mounted a second time"),
    ] {
        let mut scene = Scene::new(After::Move, "").unwrap();
        let (root, done) = (&scene.lab.drop_folder, &scene.done);
        if of_another_kind {
            let [empty, work] = ["empty", "work"].map(|name| scene.lab.elsewhere(name));
            if !mount_as_another_kind(root, done, &empty, &work) {
                return;
            }
        } else {
            mount_twice(root, done);
        }
        scene.drop_file("a", 1_000, 1);
        scene.drop_file("b/c", 2_000, 2);
        let daemon = scene.lab.start(&["run"]);
        wait_until("both say why they stay", || {
            wait_with_words(&scene, 2, words)
        });
        assert_eq!(daemon.terminate().code, Some(0));
        assert_eq!(files(&scene.lab.drop_folder), ["a", "b/c"]);
        scene.nothing_is_missing();
    }
}

/// Or it would be found there, sent again, and moved again, for ever.
#[test]
fn what_was_moved_into_its_own_drop_folder_by_a_second_mount_is_not_moved_again() {
    if !in_a_namespace(
        "after::disks::what_was_moved_into_its_own_drop_folder_by_a_second_mount_is_not_moved_again",
    ) {
        return;
    }
    let mut scene = Scene::new(After::Move, "").unwrap();
    let inside = scene.lab.drop_folder.join("moved");
    fs::create_dir(&inside).unwrap();
    mount_twice(&inside, &scene.done);
    scene.drop_file("a", 1_000, 1);
    let daemon = scene.lab.start(&["run"]);
    wait_until("it says why it stays", || {
        wait_with_words(
            &scene,
            1,
            "is a folder of the drop folder, mounted a second time",
        )
    });
    assert_eq!(daemon.terminate().code, Some(0));
    assert_eq!(files(&scene.lab.drop_folder), ["moved/a"]);
    scene.nothing_is_missing();
    assert_eq!(scene.lab.registered().len(), 2);
}
