//! The block's own parts: names, rounding, and what the place adds.

use super::*;

#[test]
fn a_settle_time_is_one_that_people_write() {
    for (seconds, want) in [
        (1.0, 10),
        (10.0, 10),
        (10.1, 15),
        (28.0, 30),
        (61.0, 90),
        (3_601.0, 7_200),
        (9e6, 9_000_000),
    ] {
        assert_eq!(
            round(Duration::from_secs_f64(seconds)),
            Duration::from_secs(want),
            "{seconds}"
        );
    }
}

#[test]
fn a_folder_gives_its_watch_a_name() {
    for (folder, want) in [
        ("/data/drop/sequencer-1", "sequencer-1"),
        ("/data/Dr. Müller's drop", "Dr.-M-ller-s-drop"),
        ("/", "drop-folder"),
        ("/data/日本", "drop-folder"),
    ] {
        assert_eq!(watch_name(folder), want);
    }
    assert_eq!(watch_name(&format!("/{}", "x".repeat(200))).len(), 64);
}

#[test]
fn what_the_place_is_like_is_said() {
    let closed = Seen {
        count: 2,
        example: "locked".into(),
    };
    let about = About {
        folder: "/data/a \"quoted\" folder\\with\nall",
        lasted: Duration::from_mins(10),
        network: Some("NFS"),
        without_events: Some("the limit on inotify watches is reached"),
        markers: true,
        away: 1,
        closed: &closed,
    };
    let block = block(&Findings::default(), &about);
    for want in [
        "# The folder is on NFS,",
        "\nbackend = \"poll\"\n",
        "# 2 folders cannot be looked into by this user, such as locked.",
        "# Changes were noticed by looking only: the limit on inotify watches is reached.",
        "# The folder was away 1 time.",
    ] {
        assert!(block.contains(want), "{want} is missing in\n{block}");
    }
    let watch = super::super::tests::load(&block).watches.remove(0);
    assert_eq!(watch.path, Path::new(about.folder));
    assert_eq!(watch.backend, config::Backend::Poll);
}
