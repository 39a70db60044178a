//! What people are told of room on the journal's disk: each change once.

use std::time::Duration;

use super::heard::{heard, said};
use crate::journal::room::Room;

fn assert_said(text: &str, words: &[&str]) {
    assert_eq!(
        text.lines().count(),
        usize::from(!words.is_empty()),
        "{text}"
    );
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

#[test]
fn it_is_told_once_that_the_disk_is_full_and_once_that_it_has_room() {
    let folder = tempfile::tempdir().unwrap();
    let mut room = Room::of(&folder.path().join("journal.db"));
    let full = |room: &Room| room.notice().is_full();
    // no reserve yet
    let pause = room.look_again().unwrap();
    assert!(
        pause >= Duration::from_millis(100),
        "{pause:?}: not without end"
    );
    for _ in 0..2 {
        assert_said(&said(|| room.look()), &[]);
        assert_eq!((room.look_again(), full(&room)), (None, false));
    }
    let (text, gave_way) = heard(|| room.give_way());
    assert_said(&text, &["ERROR", "journal.db", "disk is full", "20 MiB"]);
    assert!(gave_way && full(&room));
    assert_eq!(room.look_again(), Some(pause));
    let (text, gave_way) = heard(|| room.give_way());
    assert_said(&text, &[]);
    assert!(!gave_way, "once");
    assert_said(&said(|| room.look()), &["journal.db", "has room again"]);
    assert_said(&said(|| room.look()), &[]);
    assert!(!full(&room));
}

#[test]
fn it_is_told_once_that_everything_waits_and_once_that_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut room = Room::of(&folder.path().join("journal.db"));
    let mut tries = room.notice().tries();
    assert_said(&said(|| room.wrote()), &[]);
    for words in [["ERROR", "not a single record fits"].as_slice(), &[]] {
        assert_said(&said(|| room.met_a_full_disk()), words);
        assert!(tries.has_changed().unwrap(), "each try is a sign of life");
        tries.mark_unchanged();
    }
    assert_said(&said(|| room.wrote()), &["records fit", "again"]);
    assert_said(&said(|| room.wrote()), &[]);
}

#[test]
fn a_reserve_that_cannot_be_given_up_is_told_and_one_that_is_gone_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("journal.db-reserve");
    let with_reserve = || {
        let mut room = Room::of(&folder.path().join("journal.db"));
        room.look();
        std::fs::remove_file(&place).unwrap();
        room
    };
    let mut room = with_reserve();
    let text = heard(|| room.give_way()).0;
    assert!(!text.contains("cannot be deleted"), "{text}");
    let mut room = with_reserve();
    std::fs::create_dir(&place).unwrap();
    let text = heard(|| room.give_way()).0;
    assert!(
        text.contains("the journal's reserve cannot be deleted"),
        "{text}"
    );
}
