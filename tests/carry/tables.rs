//! A table that takes nothing keeps only its own files waiting.

use redivis_drop::sandbox::{Action, Answer, Call, Fault, When};
use serde_json::Value;

use crate::lab::{Lab, TABLE};
use crate::microscope::{OTHER_TABLE, drop_image, watch_another};
use crate::process::wait_until;

fn watch<'a>(status: &'a Value, name: &str) -> &'a Value {
    // there is none until the daemon has begun
    let mut watches = status["watches"].as_array().into_iter().flatten();
    watches
        .find(|watch| watch["name"] == name)
        .unwrap_or(&Value::Null)
}

#[test]
fn a_released_dataset_pauses_its_table_alone() {
    let lab = Lab::new();
    watch_another(&lab, OTHER_TABLE, "");
    lab.release();
    let wanted = vec![lab.drop_file("a", 4_000, 1), lab.drop_file("b", 5_000, 2)];
    let mut images = vec![drop_image(&lab, "1", 3)];
    let daemon = lab.start(&["run"]);
    wait_until("the other watch goes on", || lab.total("done") == 1);
    wait_until("the pause shows", || {
        lab.status()
            .is_some_and(|status| watch(&status, "sequencer")["paused"] == true)
    });
    images.push(drop_image(&lab, "2", 4));
    wait_until("it still goes on", || lab.total("done") == 2);
    let status = lab.status().unwrap();
    let why = watch(&status, "sequencer")["error"].as_str().unwrap();
    assert!(why.contains("released"), "{why}");
    assert_eq!(watch(&status, "sequencer")["totals"]["queued"], 2);
    assert_eq!(watch(&status, "sequencer")["totals"]["parked"], 0);
    assert_eq!(watch(&status, "microscope")["paused"], false);
    // a batch, its halves: then it is left alone
    let asked = lab.report().requests(Call::TempUploads);
    assert!(asked <= 3 + 2, "{asked}");

    lab.make_next_version();
    daemon.reload();
    wait_until("its files arrive", || lab.total("done") == 4);
    assert_eq!(daemon.terminate().code, Some(0));
    lab.expect(wanted);
    assert_eq!(lab.registered_in(OTHER_TABLE), images);
}

#[test]
fn a_version_released_between_upload_and_registration_costs_no_second_upload() {
    let lab = Lab::new();
    let said =
        r#"{"error": "invalid_request_error", "error_description": "the version is released"}"#;
    let answer = Answer::status(400).body(said);
    lab.script(vec![
        Fault::new(Call::RawFiles, Action::Answer(answer.when(When::AfterBody))).times(3),
    ]);
    let wanted = vec![lab.drop_file("a", 4_000, 1), lab.drop_file("b", 5_000, 2)];
    let daemon = lab.start(&["run"]);
    wait_until("the pause shows", || {
        lab.status()
            .is_some_and(|status| watch(&status, "sequencer")["paused"] == true)
    });
    wait_until("they are recorded as stored", || lab.total("uploaded") == 2);
    daemon.reload();
    wait_until("its files arrive", || lab.total("done") == 2);
    assert_eq!(daemon.terminate().code, Some(0));
    lab.expect(wanted);
    assert_eq!(lab.report().requests(Call::Put), 2);
}

#[test]
fn a_missing_table_is_asked_once_and_run_once_says_so() {
    let lab = Lab::new();
    lab.script(vec![
        Fault::new(Call::TempUploads, Action::Answer(Answer::status(404))).times(1),
    ]);
    for name in 0..50 {
        lab.drop_file(&name.to_string(), 1_000, name);
    }
    let ended = lab.run_once();
    assert_eq!(ended.code, Some(3), "{}", ended.said);
    assert_eq!(lab.report().requests(Call::TempUploads), 1);
    assert_eq!(lab.total("queued"), 50);
    lab.carry_all();
    assert_eq!(lab.total("done"), 50);
}

#[test]
fn what_waits_for_a_table_that_does_not_exist_goes_to_the_one_that_is_named_instead() {
    const MISTAKE: &str = "my_lab.sequencing:next.raw_raeds";
    let lab = Lab::new();
    lab.reconfigure(TABLE, MISTAKE);
    let missing = || Action::Answer(Answer::status(404));
    // one file is sent before the table is gone
    let mut wanted = vec![lab.drop_file("sent", 4_000, 1)];
    lab.script(vec![Fault::new(Call::RawFiles, missing())]);
    assert_eq!(lab.run_once().code, Some(3));
    assert_eq!(lab.total("uploaded"), 1);
    lab.script(vec![
        Fault::new(Call::TempUploads, missing()),
        Fault::new(Call::RawFiles, missing()),
    ]);
    wanted.push(lab.drop_file("waits", 5_000, 2));
    assert_eq!(lab.run_once().code, Some(3));
    lab.reconfigure(MISTAKE, TABLE);
    lab.carry_all();
    assert_eq!(lab.total("done"), 2);
    lab.expect(wanted);
    assert_eq!(lab.registered_in(MISTAKE), []);
}
