//! Rows that have arrived: their receipts, what a table holds already, and what becomes of the files.

use std::fs;

use redivis_drop::sandbox::{Action, Answer, Call, Fault};
use serde_json::Value;

use crate::lab::{Lab, Plan, holding};
use crate::process::wait_until;
use crate::text::{ROWS, drop_text};

/// `receipts`, with its exit code.
fn receipts(lab: &Lab, arguments: &[&str]) -> (Option<i32>, String) {
    let output = lab.output(&[&["receipts"], arguments].concat());
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn a_receipt_of_rows_is_given_when_they_are_there_and_held_against_one_list() {
    let mut lab = Lab::with(&ROWS);
    let none = Answer::status(200).body(r#"{"results": []}"#);
    lab.script(vec![
        // what it holds when it is met, and before it tells of an import
        Fault::new(Call::List, Action::Answer(none)).times(3),
    ]);
    drop_text(&lab, "a.b.csv", "a\n1\n");
    let daemon = lab.start(&["run"]);
    wait_until("it is being imported", || lab.total("importing") == 1);
    let rows = |lab: &Lab| receipts(lab, &[]).1.lines().count() - 1;
    assert_eq!(rows(&lab), 0, "nothing is proven yet");
    drop_text(&lab, "gone.csv", "a\n2\n");
    drop_text(&lab, "other.csv", "a\n3\n");
    wait_until("all are there", || lab.total("done") == 3);
    // under one name of the table with the first, so that Redivis gives it another
    drop_text(&lab, "a_b.csv", "a\n4\n");
    wait_until("it is there too", || lab.total("done") == 4);
    assert_eq!(daemon.terminate().code, Some(0));
    assert_eq!(rows(&lab), 4);

    let lists = lab.report().requests(Call::List);
    let (code, text) = receipts(&lab, &["--verify"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("4 receipts are true, 0 are not"), "{text}");
    assert_eq!(lab.report().requests(Call::List), lists + 1);

    lab.rewrite_the_books(|entries| {
        let uploads = entries.iter().map(|entry| &entry["upload"]);
        let other = uploads.clone().find(|upload| upload["name"] == "other.csv");
        let other = other.unwrap()["temp"].clone();
        let is_gone = |entry: &Value, what: &str| entry[what]["slug"] == "gone_csv";
        entries.retain(|entry| !is_gone(entry, "upload") && !is_gone(entry, "import"));
        let stored = entries
            .iter_mut()
            .filter_map(|entry| entry.get_mut("stored"));
        for stored in stored.filter(|stored| stored["temp"] == other) {
            let byte = stored["sums"]["md5"][0].as_u64().unwrap();
            stored["sums"]["md5"][0] = (byte ^ 1).into();
        }
    });
    let (code, text) = receipts(&lab, &["--verify"]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("missing: \"gone.csv\""), "{text}");
    assert!(text.contains("altered: \"other.csv\""), "{text}");
    assert!(text.contains("2 receipts are true, 2 are not"), "{text}");
}

#[test]
fn a_list_that_does_not_tell_the_md5_proves_no_receipt() {
    let lab = Lab::with(&ROWS);
    drop_text(&lab, "a.csv", "a\n1\n");
    lab.carry_all();
    let uri = lab.job("a.csv")["remote_id"].as_str().unwrap().to_owned();
    let silent = format!(
        r#"{{"results": [{{"uri": "{uri}", "name": "a.csv", "status": "completed", "size": 4}}]}}"#
    );
    let silent = Answer::status(200).body(&silent);
    lab.script(vec![Fault::new(Call::List, Action::Answer(silent))]);
    let (code, text) = receipts(&lab, &["--verify"]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("not proven: \"a.csv\""), "{text}");
}

#[test]
fn without_its_journal_it_adds_no_rows_that_are_there() {
    let lab = Lab::with(&ROWS);
    let mut wanted: Vec<_> = (0..20)
        .map(|n| drop_text(&lab, &format!("{n}.csv"), &format!("a\n{n}\n")))
        .collect();
    let failed = drop_text(&lab, "failed.csv", "a,b\n1\n");
    assert_eq!(lab.run_once().code, Some(3));
    lab.expect(wanted.clone());
    let before = lab.report();
    lab.forget_everything();
    wanted.push(drop_text(&lab, "new.csv", "a\nnew\n"));
    // an upload whose import failed brought no rows: its file is sent again
    fs::write(lab.path("failed.csv"), "a,b\n1,2\n").unwrap();
    let (_, size, md5) = holding("failed.csv", &lab.path("failed.csv"));
    assert_ne!(md5, failed.2);
    lab.carry_all();
    let more = |call| lab.report().requests(call) - before.requests(call);
    assert_eq!((more(Call::Put), more(Call::Uploads)), (2, 2));
    assert_eq!(lab.total("done"), 22);
    wanted.push(("failed.csv-2".to_owned(), size, md5));
    // and a second version of one that is there
    fs::write(lab.path("0.csv"), "a\nother\n").unwrap();
    let (_, size, md5) = holding("0.csv", &lab.path("0.csv"));
    wanted.push(("0.csv-2".to_owned(), size, md5));
    lab.carry_all();
    lab.expect(wanted.clone());

    // they are known by the names that Redivis gave them
    let before = lab.report();
    lab.forget_everything();
    lab.carry_all();
    let more = |call| lab.report().requests(call) - before.requests(call);
    assert_eq!((more(Call::Put), more(Call::Uploads)), (0, 0));
    lab.expect(wanted);
}

#[test]
fn a_file_goes_when_its_rows_are_there_and_only_then() {
    let lab = Lab::with(&Plan {
        watch: "kind = \"tabular\"\nafter_upload = \"delete\"",
        ..ROWS
    });
    let good = drop_text(&lab, "good.csv", "a,b\n1,2\n");
    drop_text(&lab, "bad.csv", "a,b\n1\n");
    let header = drop_text(&lab, "header.csv", "a,b\n");
    drop_text(&lab, "empty.csv", "");
    assert_eq!(lab.run_once().code, Some(3));
    lab.expect(vec![good.clone(), header.clone()]);
    assert_eq!(lab.job("good.csv")["state"], "done");
    assert!(!lab.path("good.csv").exists());
    for (name, reason) in [
        ("bad.csv", "import-failed"),
        ("header.csv", "no-rows"),
        ("empty.csv", "empty-file"),
    ] {
        assert_eq!(lab.job(name)["reason"], reason);
        assert!(lab.path(name).exists(), "{name}");
    }
    // the same rows again: they are there, by a list of now, and the file goes
    drop_text(&lab, "good.csv", "a,b\n1,2\n");
    lab.run_once();
    assert!(!lab.path("good.csv").exists());
    lab.expect(vec![good.clone(), header.clone()]);
    // also under a name that Redivis has made, after two that failed
    let mended = ("bad.csv-3".to_owned(), 8, good.2.clone());
    for _ in 0..2 {
        drop_text(&lab, "bad.csv", "a,b\n1,2\n");
        lab.run_once();
        assert!(!lab.path("bad.csv").exists());
        lab.expect(vec![good.clone(), header.clone(), mended.clone()]);
    }

    // nothing of this is known any more: an upload without rows is no proof of any
    lab.forget_everything();
    let (_, size, md5) = header.clone();
    let again = ("header.csv-2".to_owned(), size, md5);
    for _ in 0..2 {
        assert_eq!(lab.run_once().code, Some(3));
        assert_eq!(lab.job("header.csv")["reason"], "no-rows");
        assert!(lab.path("header.csv").exists());
        lab.expect(vec![
            good.clone(),
            header.clone(),
            mended.clone(),
            again.clone(),
        ]);
    }
}

#[test]
fn an_import_of_which_nothing_is_told_is_set_apart_and_says_what_to_do() {
    let lab = Lab::with(&ROWS);
    drop_text(&lab, "b.csv", "a\n1\n");
    lab.carry_all();
    let other = lab.job("b.csv");
    let uri = other["remote_id"].as_str().unwrap();
    let uri = uri.replace("b_csv", "a_csv");
    let silent = format!(
        r#"{{"results": [{{"uri": "{uri}", "name": "a.csv", "status": "completed", "numRows": 1}}]}}"#
    );
    let silent = Answer::status(200).body(&silent);
    lab.script(vec![
        Fault::new(Call::List, Action::Answer(silent)).times(99),
    ]);
    drop_text(&lab, "a.csv", "a\n1\n");
    assert_eq!(lab.run_once().code, Some(3));
    let job = lab.job("a.csv");
    assert_eq!(job["reason"], "not-proven");
    let why = job["error"].as_str().unwrap();
    assert!(why.contains("does not tell the size and md5"), "{why}");
    assert!(
        why.contains("delete it there and drop the file again"),
        "{why}"
    );
    // its rows may be there: it is not sent again
    lab.run_once();
    assert_eq!(lab.job("a.csv")["reason"], "not-proven");
    assert_eq!(lab.report().requests(Call::Uploads), 2);
}
