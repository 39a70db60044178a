//! The step that must never be repeated blindly: what its answers may mean, and what the table had before.

use redivis_drop::sandbox::{Action, Answer, Call, Fault, When};

use crate::lab::{Lab, Plan};
use crate::process::wait_until;
use crate::text::{ROWS, drop_text};

/// Something was added, and it may be ours: whoever asks again adds it once more.
#[test]
fn an_answer_that_calls_a_file_otherwise_sets_it_apart_and_nothing_is_asked_again() {
    for (name, size, words) in [
        ("Name", 1_000, "calls it \"Name\""),
        ("other", 999, "names other files"),
    ] {
        let lab = Lab::new();
        let file = lab.drop_file("name", 1_000, 1);
        let body = format!(
            r#"{{"kind": "rawFileList", "results": [{{"kind": "rawFile", "id": "f1", "name": "{name}", "md5Hash": "{}", "size": {size}}}]}}"#,
            file.2
        );
        let answer = Answer::status(201).body(&body);
        lab.script(vec![Fault::new(
            Call::RawFiles,
            Action::Answer(answer.when(When::AfterPerforming)),
        )]);
        for _ in 0..2 {
            let ended = lab.run_once();
            assert_eq!(ended.code, Some(3), "{}", ended.said);
            let job = lab.job("name");
            assert_eq!(job["reason"], "remote-differs");
            let why = job["error"].as_str().unwrap();
            assert!(why.contains(words), "{why}");
        }
        assert_eq!(lab.report().requests(Call::RawFiles), 1);
        lab.expect(vec![file]);
    }
}

/// As after two listings, long enough apart, that did not have what was to be registered.
fn withdraw(lab: &Lab) {
    let journal = rusqlite::Connection::open(&lab.journal).unwrap();
    let withdraw = "UPDATE jobs SET state = 'uploaded', intent = NULL, intended_at = NULL, absent_boot = NULL, \
                    absent_awake = NULL, next_attempt_at = 0 WHERE state = 'registering'";
    assert!(journal.execute(withdraw, []).unwrap() > 0);
}

/// A request whose answer is lost may arrive when nobody expects it any more. The next one is refused, because the
/// temporary upload is used up, in words that do not say so.
#[test]
fn what_arrived_late_is_found_before_a_refusal_has_its_bytes_sent_again() {
    for (plan, call, point) in [
        (Plan::default(), Call::RawFiles, "raw-files-answered:1"),
        (ROWS, Call::Uploads, "uploads-answered:1"),
    ] {
        for words in ["temp upload not found", "this cannot be done"] {
            let lab = Lab::with(&plan);
            let wanted = vec![drop_text(&lab, "a.csv", "a\n1\n")];
            let mut command = lab.command(&["run", "--once"]);
            command.env("REDIVIS_DROP_CRASH_AT", point);
            assert_eq!(lab.run(command).code, None, "{point}");
            withdraw(&lab);
            let said = format!(r#"{{"error": "no", "error_description": "{words}"}}"#);
            let refused = Action::Answer(Answer::status(400).body(&said));
            let sent = lab.report().requests(Call::Put);
            lab.script(vec![Fault::new(call, refused)]);
            lab.carry_all();
            lab.expect(wanted);
            assert_eq!(lab.report().requests(Call::Put), sent, "{words}");
        }
    }
}

/// The row of the first version is not that of the third.
#[test]
fn what_was_changed_and_changed_back_is_a_version_of_its_own_also_after_a_crash() {
    let lab = Lab::new();
    for seed in [1, 2] {
        lab.drop_file("a", 5_000, seed);
        lab.carry_all();
    }
    lab.drop_file("a", 5_000, 1);
    let mut command = lab.command(&["run", "--once"]);
    command.env("REDIVIS_DROP_CRASH_AT", "raw-files-before:1");
    assert_eq!(lab.run(command).code, None);
    let registered = || lab.registered().len();
    assert_eq!(registered(), 2);
    // until it is certain that the request never arrived it is looked up
    let daemon = lab.start(&["run"]);
    wait_until("it is looked up", || {
        let job = lab.jobs().pop().unwrap();
        job["state"] == "registering" && !job["error"].is_null()
    });
    assert_eq!(daemon.terminate().code, Some(0));
    assert_eq!((registered(), lab.total("done")), (2, 2));
    // then it is certain
    withdraw(&lab);
    lab.carry_all();
    assert_eq!((registered(), lab.total("done")), (3, 3));
}
