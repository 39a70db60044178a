//! Datasets that are released: each case is told apart and explained, and the next version is made once, if at all.

use redivis_drop::crash_point::{ARMED_BY, Point};
use redivis_drop::sandbox::{Action, Answer, Call, Fault};
use rusqlite::Connection;

use crate::lab::{Lab, MIB, Plan, TABLE};
use crate::microscope::{OTHER_TABLE, drop_image, watch_another};
use crate::process::{each, wait_for, wait_until};
use crate::text::{ROWS, drop_text};

/// In the same dataset.
const SISTER: &str = "my_lab.sequencing:next.raw_images";

const MAKES: Plan = Plan {
    transfer: "",
    watch: "create_next_version = true",
    speed: None,
    lenient: false,
    rate_limit: None,
};

/// What the first watch says of itself, while that is paused.
fn pause_of(lab: &Lab) -> Option<String> {
    let status = lab.status()?;
    let watch = &status["watches"].as_array()?.iter();
    let watch = watch.clone().find(|watch| watch["name"] == "sequencer")?;
    (watch["paused"] == true).then(|| watch["error"].as_str().unwrap_or_default().to_owned())
}

fn wait_for_pause(lab: &Lab, words: &str) -> String {
    wait_for(words, || pause_of(lab).filter(|why| why.contains(words)))
}

/// `check --online`: its exit code and what it said.
fn check(lab: &Lab) -> (Option<i32>, String) {
    let output = lab.output(&["check", "--online"]);
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

fn versions_asked_for(lab: &Lab) -> u64 {
    lab.report().requests(Call::Versions)
}

#[test]
fn a_dataset_without_a_next_version_is_explained_and_goes_on_when_a_person_makes_it() {
    let lab = Lab::new();
    lab.release();
    let wanted = vec![lab.drop_file("a", 4_000, 1)];
    let said = "my_lab.sequencing has no next version: its last one, v1.0, is released, and files can only be added to \
                one that is not. Make the next version in Redivis, or set create_next_version = true for this watch";
    let (code, text) = check(&lab);
    assert_eq!(code, Some(78), "{text}");
    assert!(text.contains(said), "{text}");
    let daemon = lab.start(&["run"]);
    let why = wait_for_pause(&lab, "has no next version");
    assert!(why.starts_with(said), "{why}");
    assert!(why.contains("go on within five minutes"), "{why}");
    let text = lab.output(&["status"]).stdout;
    assert!(String::from_utf8(text).unwrap().contains(said));
    assert!(daemon.said().contains("Make the next version in Redivis"));
    assert_eq!(versions_asked_for(&lab), 0, "that is for a person");

    lab.make_next_version();
    daemon.reload();
    wait_until("it arrives", || lab.total("done") == 1);
    assert_eq!(daemon.terminate().code, Some(0));
    lab.expect(wanted);
    assert_eq!(check(&lab).0, Some(0));
}

#[test]
fn a_reference_to_a_released_version_says_what_to_write_instead() {
    for (table, said) in [
        (
            "my_lab.sequencing.raw_reads",
            "my_lab.sequencing.raw_reads is in the current version of its dataset, v1.0, which is released",
        ),
        (
            "my_lab.sequencing:v1_0.raw_reads",
            "my_lab.sequencing:v1_0.raw_reads names a version by its number",
        ),
    ] {
        let lab = Lab::new();
        lab.release();
        lab.make_next_version();
        lab.reconfigure(TABLE, table);
        let wanted = vec![lab.drop_file("a", 4_000, 1)];
        let write = "Write table = \"my_lab.sequencing:next.raw_reads\"";
        let (code, text) = check(&lab);
        assert_eq!(code, Some(78), "{text}");
        assert!(text.contains(said) && text.contains(write), "{text}");
        let daemon = lab.start(&["run"]);
        let why = wait_for_pause(&lab, said);
        assert!(why.contains(write), "{why}");

        // whoever does what it says is served, also with what was there before
        lab.reconfigure(table, TABLE);
        daemon.reload();
        wait_until("it arrives", || lab.total("done") == 1);
        assert_eq!(daemon.terminate().code, Some(0));
        lab.expect(wanted);
    }
}

#[test]
fn the_next_version_is_made_once_after_each_release_however_many_watches_want_it() {
    let lab = Lab::with(&MAKES);
    watch_another(&lab, SISTER, "create_next_version = true");
    lab.release();
    let (code, text) = check(&lab);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("nothing was made now"), "{text}");
    assert_eq!(versions_asked_for(&lab), 0, "a check makes nothing");

    let mut wanted = vec![lab.drop_file("a", 4_000, 1)];
    let mut images = vec![drop_image(&lab, "1", 3)];
    let ended = lab.carry_all();
    assert!(
        ended.said.contains("the next version was made"),
        "{}",
        ended.said
    );
    assert_eq!(versions_asked_for(&lab), 1);

    lab.release();
    wanted.push(lab.drop_file("b", 4_000, 2));
    images.push(drop_image(&lab, "2", 4));
    lab.carry_all();
    assert_eq!(versions_asked_for(&lab), 2, "one for each release");
    wanted.push(lab.drop_file("c", 4_000, 5));
    lab.carry_all();
    assert_eq!(versions_asked_for(&lab), 2);
    lab.expect(wanted);
    assert_eq!(lab.registered_in(SISTER), images);
}

#[test]
fn a_release_in_mid_flight_keeps_what_was_sent_until_there_is_a_next_version() {
    let lab = Lab::with(&Plan {
        transfer: r#"resumable_above = "1 MB""#,
        speed: Some(8_000_000),
        ..Plan::default()
    });
    watch_another(&lab, OTHER_TABLE, "");
    let wanted = vec![lab.drop_file("large", 12 * MIB, 1)];
    let daemon = lab.start(&["run"]);
    wait_until("some bytes", || lab.report().bytes_received > MIB as u64);
    lab.release();
    let why = wait_for_pause(
        &lab,
        "was released as v1.0 after files had begun to go there",
    );
    assert!(why.contains("What was sent is kept"), "{why}");
    assert!(why.contains("Make the next version in Redivis"), "{why}");
    wait_until("it is recorded as stored", || lab.total("uploaded") == 1);
    let image = drop_image(&lab, "1", 3);
    wait_until("another destination goes on", || lab.total("done") == 1);
    assert_eq!(versions_asked_for(&lab), 0);

    lab.make_next_version();
    daemon.reload();
    wait_until("it arrives", || lab.total("done") == 2);
    assert_eq!(daemon.terminate().code, Some(0));
    lab.expect(wanted);
    assert_eq!(lab.registered_in(OTHER_TABLE), [image]);
    let report = lab.report();
    assert_eq!(report.sessions.len(), 1, "it was not sent again");
    assert!(report.bytes_received < 13 * MIB as u64);
}

#[test]
fn a_release_in_mid_flight_costs_nothing_where_the_next_version_is_made() {
    let lab = Lab::with(&Plan {
        transfer: r#"resumable_above = "1 MB""#,
        speed: Some(8_000_000),
        ..MAKES
    });
    let wanted = vec![lab.drop_file("large", 12 * MIB, 1)];
    let daemon = lab.start(&["run"]);
    wait_until("some bytes", || lab.report().bytes_received > MIB as u64);
    lab.release();
    wait_until("it arrives", || lab.total("done") == 1);
    assert_eq!(pause_of(&lab), None);
    assert_eq!(daemon.terminate().code, Some(0));
    lab.expect(wanted);
    let report = lab.report();
    assert_eq!(report.requests(Call::Versions), 1);
    assert_eq!(report.sessions.len(), 1, "it was not sent again");
}

#[test]
fn killed_around_the_making_of_a_next_version_there_are_never_two() {
    let points = Point::ALL
        .iter()
        .filter(|point| point.is_of_next_versions());
    each(points.collect(), |point| {
        let lab = Lab::with(&MAKES);
        lab.release();
        let wanted = vec![lab.drop_file("a", 4_000, 1)];
        let mut command = lab.command(&["run"]);
        command.env(ARMED_BY, format!("{}:1", point.name()));
        let ended = lab.run(command);
        assert_eq!(ended.code, None, "{}: {}", point.name(), ended.said);
        assert!(versions_asked_for(&lab) <= 1);

        let daemon = lab.start(&["run"]);
        let is_unsent = [Point::NextVersionIntendCommitted, Point::NextVersionBefore];
        let daemon = if is_unsent.contains(point) {
            // it may be on its way, for all the daemon knows
            wait_for_pause(&lab, "may still arrive");
            assert_eq!(versions_asked_for(&lab), 0);
            assert_eq!(daemon.terminate().code, Some(0));
            let_minutes_pass(&lab);
            lab.start(&["run"])
        } else {
            daemon
        };
        wait_until("it arrives", || lab.total("done") == 1);
        assert_eq!(daemon.terminate().code, Some(0));
        assert_eq!(versions_asked_for(&lab), 1, "{}", point.name());
        lab.expect(wanted);
    });
}

/// What was noted of a next version was noted some minutes ago.
fn let_minutes_pass(lab: &Lab) {
    let journal = Connection::open(&lab.journal).unwrap();
    let moved = journal.execute(
        "UPDATE next_versions SET absent_awake = max(0, absent_awake - 180000)",
        [],
    );
    assert_eq!(moved.unwrap(), 1);
}

#[test]
fn a_lost_answer_is_looked_up_and_the_next_version_is_not_asked_for_again() {
    let lab = Lab::with(&MAKES);
    lab.release();
    lab.script(vec![Fault::new(Call::Versions, Action::CutBeforeReply)]);
    let wanted = vec![lab.drop_file("a", 4_000, 1)];
    lab.carry_all();
    lab.expect(wanted);
    assert_eq!(versions_asked_for(&lab), 1);
    lab.expect_faults_done();
}

#[test]
fn a_token_that_may_not_make_versions_is_told_which_scope_and_uploads_elsewhere_go_on() {
    let lab = Lab::with(&MAKES);
    watch_another(&lab, OTHER_TABLE, "create_next_version = true");
    lab.release();
    let said =
        r#"{"error": "insufficient_scope", "error_description": "no", "scope": "data.edit"}"#;
    let refused = Action::Answer(Answer::status(403).body(said));
    lab.script(vec![Fault::new(Call::Versions, refused)]);
    let wanted = vec![lab.drop_file("a", 4_000, 1)];
    let daemon = lab.start(&["run"]);
    let why = wait_for_pause(&lab, "the token needs the scope data.edit");
    assert!(why.contains("not tried again before"), "{why}");
    let image = drop_image(&lab, "1", 3);
    wait_until("another destination goes on", || lab.total("done") == 1);
    let status = lab.status().unwrap();
    assert_eq!(status["account"]["state"], "ok");
    assert_eq!(versions_asked_for(&lab), 1);

    daemon.reload();
    wait_until("it arrives", || lab.total("done") == 2);
    assert_eq!(daemon.terminate().code, Some(0));
    assert_eq!(
        versions_asked_for(&lab),
        2,
        "a person has said that it is mended"
    );
    lab.expect(wanted);
    assert_eq!(lab.registered_in(OTHER_TABLE), [image]);
}

#[test]
fn a_next_version_that_somebody_removed_is_not_made_again() {
    let mut lab = Lab::with(&MAKES);
    lab.release();
    let mut wanted = vec![lab.drop_file("a", 4_000, 1)];
    lab.carry_all();
    lab.expect(wanted.clone());
    lab.rewrite_the_books(|entries| {
        let mut last = entries.iter_mut().rev();
        let last = last.find(|entry| !entry["dataset"].is_null());
        let last = last.expect("the next version");
        let text = last.to_string().replace("\"next\":true", "\"next\":false");
        *last = serde_json::from_str(&text).unwrap();
    });
    lab.configure(&MAKES, &lab.endpoint());
    wanted.push(lab.drop_file("b", 4_000, 2));
    let ended = lab.run_once();
    assert_eq!(ended.code, Some(3), "{}", ended.said);
    assert!(
        ended
            .said
            .contains("The daemon has made one after v1.0 already"),
        "{}",
        ended.said
    );
    assert_eq!(versions_asked_for(&lab), 0);
    lab.make_next_version();
    lab.carry_all();
    lab.expect(wanted);
}

/// A released version has its uploads under its own name, and perhaps nobody makes a next one.
#[test]
fn an_import_goes_on_in_the_version_that_was_released_meanwhile() {
    for next in [false, true] {
        let lab = Lab::with(&ROWS);
        let none = || Answer::status(200).body(r#"{"results": []}"#);
        lab.script(vec![Fault::new(Call::List, Action::Answer(none()))]);
        let wanted = drop_text(&lab, "a.csv", "a\n1\n");
        let daemon = lab.start(&["run"]);
        wait_until("it is being imported", || lab.total("importing") == 1);
        lab.release();
        if next {
            lab.make_next_version();
        }
        wait_until("it is proven", || lab.total("done") == 1);
        assert_eq!(daemon.terminate().code, Some(0));
        let report = lab.report();
        assert_eq!(report.requests(Call::Uploads), 1);
        lab.expect(vec![wanted]);
        lab.carry_all();
        assert_eq!(lab.report().requests(Call::Uploads), 1);
    }
}

#[cfg(debug_assertions)]
#[test]
fn an_upload_whose_answer_is_lost_is_found_in_the_version_that_was_released_meanwhile() {
    for next in [false, true] {
        let lab = Lab::with(&ROWS);
        let wanted = drop_text(&lab, "a.csv", "a\n1\n");
        let mut command = lab.command(&["run", "--once"]);
        command.env(ARMED_BY, format!("{}:1", Point::UploadsAnswered.name()));
        assert_eq!(lab.run(command).code, None);
        lab.release();
        if next {
            lab.make_next_version();
        }
        lab.carry_all();
        lab.expect(vec![wanted]);
        assert_eq!(lab.report().requests(Call::Uploads), 1);
    }
}
