//! Rows: files that Redivis imports.

use std::fs;
use std::time::Duration;

use redivis_drop::sandbox::{Action, Answer, Call, Fault, RateLimit};
use serde_json::Value;

use crate::lab::{Lab, Plan};
use crate::process::wait_until;
use crate::text::{ROWS, drop_text};

fn lab() -> Lab {
    Lab::with(&ROWS)
}

/// A lab with other lines for its watch.
fn lab_with(watch: &'static str) -> Lab {
    Lab::with(&Plan { watch, ..ROWS })
}

/// What the history of a job says, in order.
fn history(lab: &Lab, job: &Value) -> String {
    let id = job["id"].as_i64().unwrap().to_string();
    let output = lab.output(&["jobs", "show", &id]);
    String::from_utf8(output.stdout).unwrap()
}

/// An upload as the server has it.
fn upload(lab: &Lab, job: &Value) -> Value {
    lab.get(job["remote_id"].as_str().unwrap())
}

#[test]
fn rows_with_options_arrive_and_are_counted() {
    let lab = lab_with(
        "kind = \"tabular\"\n[watch.tabular]\ntype = \"delimited\"\ndelimiter = \";\"\nhas_header_row = false\n\
         skip_bad_records = true\nquote_character = \"'\"",
    );
    let wanted = vec![drop_text(&lab, "run 7/a.b.csv", "1;'x;y'\n2;z\n3\n")];
    lab.carry_all();
    lab.expect(wanted);
    let job = lab.job("run 7/a.b.csv");
    assert_eq!(
        (&job["state"], &job["kind"]),
        (&"done".into(), &"tabular".into())
    );
    // the address is the server's, with `_` for `.`
    let upload = upload(&lab, &job);
    assert_eq!(upload["uri"], job["remote_id"]);
    assert_eq!(upload["name"], "run 7/a.b.csv");
    assert_eq!(
        (&upload["numRows"], &upload["badRecordsCount"]),
        (&2.into(), &1.into())
    );
    let history = history(&lab, &job);
    assert!(history.contains("importing"), "{history}");
    assert_eq!(lab.report().requests(Call::Uploads), 1);
    assert_eq!(lab.report().requests(Call::RawFiles), 0);
}

#[test]
fn a_file_whose_import_fails_is_parked_with_the_server_s_own_words_and_its_next_version_goes() {
    let lab = lab();
    drop_text(&lab, "bad.csv", "a,b\n1,2\n3\n");
    let good = drop_text(&lab, "good.csv", "a,b\n1,2\n");
    let ended = lab.run_once();
    assert_eq!(ended.code, Some(3), "{}", ended.said);
    let job = lab.job("bad.csv");
    assert_eq!(
        (&job["state"], &job["reason"]),
        (&"parked".into(), &"import-failed".into())
    );
    let why = job["error"].as_str().unwrap();
    assert_eq!(why, "row 3 has 1 columns, the first row has 2");
    lab.expect(vec![good.clone()]);

    let mended = drop_text(&lab, "bad.csv", "a,b\n1,2\n3,4\n");
    lab.carry_all();
    // the failed one keeps the name: Redivis gave another
    let renamed = ("bad.csv-2".to_owned(), mended.1, mended.2);
    lab.expect(vec![good, renamed]);
}

/// Whoever reloads has mended something: the file, or how it is to be read.
#[test]
fn an_import_that_failed_is_tried_again_after_a_reload_as_it_is_configured_then() {
    let lab = lab();
    let file = drop_text(&lab, "a.csv", "a,b\n1\n");
    let daemon = lab.start(&["run"]);
    wait_until("it is parked", || lab.total("parked") == 1);
    let config = fs::read_to_string(&lab.config).unwrap();
    let config = config + "[watch.tabular]\nallow_jagged_rows = true\n";
    fs::write(&lab.config, config).unwrap();
    daemon.reload();
    wait_until("it is imported", || lab.total("done") == 1);
    assert_eq!(daemon.terminate().code, Some(0));
    lab.expect(vec![("a.csv-2".to_owned(), file.1, file.2)]);
}

#[test]
fn a_file_without_a_byte_is_not_sent_and_one_without_rows_is_set_apart_when_it_is_imported() {
    let lab = lab();
    drop_text(&lab, "empty.csv", "");
    let header = drop_text(&lab, "header.csv", "a,b\n");
    let ended = lab.run_once();
    assert_eq!(ended.code, Some(3), "{}", ended.said);
    let job = lab.job("empty.csv");
    assert_eq!(
        (&job["state"], &job["reason"]),
        (&"parked".into(), &"empty-file".into())
    );
    assert!(job["error"].as_str().unwrap().contains("no bytes"));
    assert_eq!(lab.report().requests(Call::Put), 1);
    lab.expect(vec![header]);
    let job = lab.job("header.csv");
    assert_eq!(job["reason"], "no-rows");
    let why = job["error"].as_str().unwrap();
    assert!(why.contains("perhaps it is a header alone"), "{why}");
    // and stays so: it is in the table
    lab.run_once();
    assert_eq!(lab.job("header.csv")["reason"], "no-rows");
    assert_eq!(lab.report().requests(Call::Uploads), 1);
}

/// `a.b.csv` and `a_b.csv` are one name to the table.
#[test]
fn names_that_are_one_to_the_table_go_by_the_policy() {
    let policies = [
        ("kind = \"tabular\"\non_conflict = \"new_version\"", None, 0),
        (
            "kind = \"tabular\"\non_conflict = \"skip\"",
            Some("skipped"),
            0,
        ),
        (
            "kind = \"tabular\"\non_conflict = \"fail\"",
            Some("conflict"),
            3,
        ),
    ];
    for (policy, reason, code) in policies {
        let lab = lab_with(policy);
        let first = drop_text(&lab, "a.b.csv", "a\n1\n");
        lab.carry_all();
        let second = drop_text(&lab, "a_b.csv", "a\n2\n");
        let ended = lab.run_once();
        assert_eq!(ended.code, Some(code), "{policy}: {}", ended.said);
        let job = lab.job("a_b.csv");
        match reason {
            None => {
                assert_eq!(upload(&lab, &job)["name"], "a_b.csv-2");
                lab.expect(vec![first, ("a_b.csv-2".to_owned(), second.1, second.2)]);
            }
            Some(reason) => {
                assert_eq!(job["reason"], reason);
                let why = job["error"].as_str().unwrap();
                assert!(why.contains("a.b.csv"), "{why}");
                lab.expect(vec![first]);
                assert_eq!(lab.report().requests(Call::Uploads), 1, "nothing was sent");
            }
        }
    }
}

/// As after a new start of a whole machine, or with another's files in the table.
#[test]
fn what_the_table_has_already_is_not_added_again_where_the_policy_asks() {
    let lab = lab_with("kind = \"tabular\"\non_conflict = \"fail\"");
    let same = drop_text(&lab, "same.csv", "a\n1\n");
    let other = drop_text(&lab, "other.csv", "a\n1\n2\n");
    lab.carry_all();
    lab.forget_everything();
    drop_text(&lab, "other.csv", "a\n3\n");
    let ended = lab.run_once();
    assert_eq!(ended.code, Some(3), "{}", ended.said);
    assert_eq!(lab.job("same.csv")["state"], "done");
    assert_eq!(lab.job("other.csv")["reason"], "conflict");
    lab.expect(vec![same, other]);
}

#[test]
fn other_content_under_a_name_that_was_imported_before_goes_by_the_policy() {
    let lab = lab_with("kind = \"tabular\"\non_conflict = \"skip\"");
    let first = drop_text(&lab, "a.csv", "a\n1\n");
    lab.carry_all();
    drop_text(&lab, "a.csv", "a\n2\n");
    lab.carry_all();
    assert_eq!(lab.total("parked"), 1);
    lab.expect(vec![first]);
}

#[test]
fn a_daemon_that_is_killed_while_redivis_imports_goes_on_asking_and_sends_nothing_twice() {
    let lab = lab();
    // the first list does not have them yet
    let none = Answer::status(200).body(r#"{"results": []}"#);
    lab.script(vec![Fault::new(Call::List, Action::Answer(none))]);
    let mut wanted = Vec::new();
    for n in 0..20 {
        wanted.push(drop_text(&lab, &format!("{n}.csv"), &format!("a\n{n}\n")));
    }
    let daemon = lab.start(&["run"]);
    wait_until("they are being imported", || lab.total("importing") == 20);
    let status = lab.status().unwrap();
    assert_eq!(status["watches"][0]["totals"]["importing"], 20);
    let jobs = lab.jobs();
    assert!(
        jobs.iter()
            .all(|job| job["state"] == "importing" && job["remote_id"].is_string())
    );
    daemon.kill();
    lab.carry_all();
    lab.expect(wanted);
    assert_eq!(lab.report().requests(Call::Uploads), 20);
    assert_eq!(lab.report().requests(Call::Put), 20);
}

#[test]
fn an_upload_whose_answer_is_lost_is_found_in_the_list_and_not_made_again() {
    let lab = lab();
    lab.script(vec![
        Fault::new(Call::Uploads, Action::CutBeforeReply).times(3),
    ]);
    let mut wanted = Vec::new();
    for n in 0..5 {
        wanted.push(drop_text(&lab, &format!("{n}.csv"), &format!("a\n{n}\n")));
    }
    lab.carry_all();
    lab.expect_faults_done();
    lab.expect(wanted);
    assert_eq!(lab.report().requests(Call::Uploads), 5);
}

#[test]
fn an_import_is_asked_about_by_one_list_for_all() {
    let files = std::env::var("REDIVIS_DROP_IMPORTS").map_or(1000, |files| files.parse().unwrap());
    let lab = Lab::with(&Plan {
        rate_limit: Some(RateLimit {
            requests: 100_000,
            period: Duration::from_mins(5),
        }),
        ..ROWS
    });
    let mut wanted = Vec::new();
    for n in 0..files {
        let row = format!("{n},{}\n", "x".repeat(1013));
        wanted.push(drop_text(&lab, &format!("{n:04}.csv"), &row.repeat(10)));
    }
    let daemon = lab.start(&["run"]);
    wait_until("all rows are there", || lab.total("done") == files);
    assert_eq!(daemon.terminate().code, Some(0));
    lab.expect(wanted);
    let report = lab.report();
    let besides = report.requests(Call::List)
        + report.requests(Call::TempUploads)
        + report.requests(Call::Upload)
        + report.requests(Call::Table)
        + report.requests(Call::Dataset);
    eprintln!(
        "{files} files: {} POST uploads, {besides} other requests to the API",
        report.requests(Call::Uploads)
    );
    assert_eq!(report.requests(Call::Uploads), files);
    assert!(besides <= 30, "{besides}: {:?}", report.requests);
}

/// While nobody is told anything yet, the address of the one file that is being imported.
fn address_while_importing(lab: &Lab, name: &str) -> String {
    wait_until("it is being imported", || lab.total("importing") == 1);
    let job = lab.job(name);
    job["remote_id"].as_str().unwrap().to_owned()
}

#[test]
fn an_import_of_other_bytes_than_ours_is_set_apart() {
    let lab = lab();
    let none = Answer::status(200).body(r#"{"results": []}"#);
    lab.script(vec![Fault::new(Call::List, Action::Answer(none))]);
    drop_text(&lab, "a.csv", "a\n1\n");
    let daemon = lab.start(&["run"]);
    let uri = address_while_importing(&lab, "a.csv");
    let other = "00000000000000000000000000000000";
    let row = format!(
        r#"{{"results": [{{"uri": "{uri}", "name": "a.csv", "status": "completed", "size": 4, "hash": "{other}"}}]}}"#
    );
    let row = Answer::status(200).body(&row);
    lab.script(vec![Fault::new(Call::List, Action::Answer(row))]);
    wait_until("it is parked", || lab.total("parked") == 1);
    assert_eq!(daemon.terminate().code, Some(0));
    let job = lab.job("a.csv");
    assert_eq!(job["reason"], "remote-differs");
    assert!(job["error"].as_str().unwrap().contains(other), "{job}");
    // and stays so: it may be in the table
    lab.run_once();
    assert_eq!(lab.job("a.csv")["reason"], "remote-differs");
    assert_eq!(lab.report().requests(Call::Uploads), 1);
}

#[test]
fn an_import_is_proven_by_its_md5_whatever_proves_files() {
    let lab = Lab::with(&Plan {
        transfer: "verify = \"crc32c\"\nresumable_above = \"1 KiB\"",
        ..ROWS
    });
    let small = drop_text(&lab, "small.csv", "a\n1\n");
    let large = drop_text(&lab, "large.csv", &"a\n".repeat(2_000));
    lab.carry_all();
    for (name, _, md5) in [&small, &large] {
        assert_eq!(lab.job(name)["md5"], **md5);
    }
    lab.expect(vec![small, large]);
}

#[test]
fn a_run_does_not_wait_for_imports_of_which_nothing_is_told_and_says_why() {
    // the first list is about the import, and not about what the table holds already
    let lab = lab_with("kind = \"tabular\"\nadopt_existing = false");
    let refused = r#"{"error": "forbidden", "error_description": "not yours to see"}"#;
    let refused = Answer::status(403).body(refused);
    let refused = Fault::new(Call::List, Action::Answer(refused));
    lab.script(vec![refused.times(2)]);
    let wanted = vec![drop_text(&lab, "a.csv", "a\n1\n")];
    let ended = lab.run_once();
    assert_eq!(ended.code, Some(3), "{}", ended.said);
    let job = lab.job("a.csv");
    assert_eq!(job["state"], "importing");
    let why = job["error"].as_str().unwrap();
    assert!(
        why.contains("how far its import is") && why.contains("not yours to see"),
        "{why}"
    );
    lab.carry_all();
    lab.expect(wanted);
    assert_eq!(lab.report().requests(Call::Uploads), 1);
}
