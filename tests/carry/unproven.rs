//! Imports of which nothing proves what came of them: never sent a second time, and never in the way.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use redivis_drop::sandbox::{Action, Answer, Call, Fault};
use serde_json::Value;

use crate::lab::{Lab, holding};
use crate::text::{ROWS, drop_text};

/// Another version with the same content.
fn touch(lab: &Lab, name: &str, mode: u32) {
    fs::set_permissions(lab.path(name), fs::Permissions::from_mode(mode)).unwrap();
}

/// The latest job of a file.
fn last(lab: &Lab, name: &str) -> Value {
    let jobs = lab.jobs().into_iter();
    let of_it = jobs.filter(|job| job["remote_name"] == name);
    of_it.max_by_key(|job| job["id"].as_i64()).unwrap()
}

#[test]
fn a_file_without_a_proof_is_not_imported_again_because_it_was_touched() {
    let lab = Lab::with(&ROWS);
    drop_text(&lab, "b.csv", "a\n1\n");
    lab.carry_all();
    let uri = lab.job("b.csv")["remote_id"].as_str().unwrap().to_owned();
    let uri = uri.replace("b_csv", "a_csv");
    let silent = format!(
        r#"{{"results": [{{"uri": "{uri}", "name": "a.csv", "status": "completed", "numRows": 1}}]}}"#
    );
    let silent = Answer::status(200).body(&silent);
    lab.script(vec![Fault::new(Call::List, Action::Answer(silent))]);
    drop_text(&lab, "a.csv", "a\n1\n");
    assert_eq!(lab.run_once().code, Some(3));
    let first = last(&lab, "a.csv");
    assert_eq!(first["reason"], "not-proven");
    for mode in [0o600, 0o640] {
        touch(&lab, "a.csv", mode);
        assert_eq!(lab.run_once().code, Some(3));
        let again = last(&lab, "a.csv");
        assert_ne!(again["id"], first["id"]);
        assert_eq!(again["reason"], "not-proven");
        let why = again["error"].as_str().unwrap();
        assert!(why.contains(&uri), "{why}");
        assert!(why.contains("the same content"), "{why}");
    }
    let report = lab.report();
    assert_eq!(
        (report.requests(Call::Uploads), report.requests(Call::Put)),
        (2, 2)
    );

    // other content is another matter
    let other = "a\n1\n2\n";
    drop_text(&lab, "a.csv", other);
    assert_eq!(lab.run_once().code, Some(0));
    assert_eq!(last(&lab, "a.csv")["state"], "done");
    assert_eq!(lab.report().requests(Call::Uploads), 3);
    // and so is a new name
    fs::write(lab.path("c.csv"), "a\n1\n").unwrap();
    lab.carry_all();
    let held = |name: &str, file: &str| {
        let (_, size, md5) = holding(name, &lab.path(file));
        (name.to_owned(), size, md5)
    };
    lab.expect(vec![
        held("a.csv", "c.csv"),
        held("a.csv-2", "a.csv"),
        held("b.csv", "b.csv"),
        held("c.csv", "c.csv"),
    ]);
}

#[test]
fn a_file_whose_import_failed_is_imported_again_when_it_is_put_there_again() {
    let lab = Lab::with(&ROWS);
    drop_text(&lab, "bad.csv", "a,b\n1\n");
    assert_eq!(lab.run_once().code, Some(3));
    assert_eq!(last(&lab, "bad.csv")["reason"], "import-failed");
    let config = fs::read_to_string(&lab.config).unwrap();
    let config = config + "[watch.tabular]\nallow_jagged_rows = true\n";
    fs::write(&lab.config, config).unwrap();
    touch(&lab, "bad.csv", 0o600);
    lab.carry_all();
    assert_eq!(last(&lab, "bad.csv")["state"], "done");
    let (_, size, md5) = holding("bad.csv", &lab.path("bad.csv"));
    lab.expect(vec![("bad.csv-2".to_owned(), size, md5)]);
}

/// Redivis is away, or has a fault of its own.
#[test]
fn an_import_that_never_ends_is_set_apart_and_is_in_nobody_s_way() {
    let lab = Lab::with(&ROWS);
    let config = fs::read_to_string(&lab.config).unwrap();
    let config = config.replace("max = \"200ms\"", "max = \"200ms\"\npark_after = \"1s\"");
    fs::write(&lab.config, config).unwrap();
    lab.script(vec![Fault::new(Call::Uploads, Action::ImportForever)]);
    drop_text(&lab, "a.csv", "a\n1\n");
    // it ends
    let ended = lab.run_once();
    assert_eq!(ended.code, Some(3), "{}", ended.said);
    let job = last(&lab, "a.csv");
    assert_eq!(job["reason"], "not-proven");
    let why = job["error"].as_str().unwrap();
    assert!(why.contains("a_csv"), "{why}");
    assert!(why.contains("no end of its import for 1s"), "{why}");
    // neither a start nor a touch sends it again
    touch(&lab, "a.csv", 0o600);
    assert_eq!(lab.run_once().code, Some(3));
    assert_eq!(last(&lab, "a.csv")["reason"], "not-proven");
    assert_eq!(lab.report().requests(Call::Uploads), 1);
    // and a newer version goes
    drop_text(&lab, "a.csv", "a\n1\n2\n");
    lab.carry_all();
    assert_eq!(last(&lab, "a.csv")["state"], "done");
    assert_eq!(lab.report().requests(Call::Uploads), 2);
    lab.expect_manners();
}
