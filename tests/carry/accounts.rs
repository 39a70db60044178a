//! Several accounts: two practice servers, of which each knows a token of its own. What one of them refuses or puts off
//! concerns its own files, and nobody else's.

use std::collections::BTreeMap;
use std::fs;

use redivis_drop::sandbox::{Action, Answer, Call, Fault};
use serde_json::Value;

use crate::lab::{KIB, MIB, Plan, TABLE, holding};
use crate::process::wait_until;
use crate::two::{EU_TOKEN, Two};

#[test]
fn the_same_file_for_the_same_table_of_two_accounts_is_in_each_by_its_own_token() {
    let two = Two::new(&Plan::default());
    let here = vec![
        two.lab.drop_file("a", 100_000, 1),
        two.lab.drop_file("b", 10, 2),
    ];
    let in_eu = vec![
        two.drop_for_eu("a", 100_000, 1),
        two.drop_for_eu("b", 20, 3),
    ];
    two.lab.carry_all();
    two.expect(here.clone(), in_eu.clone());

    let said = |arguments: &[&str]| {
        let output = two.lab.output(arguments);
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{said}");
        said
    };
    let checked = said(&["check", "--online"]);
    for part in [
        format!("account redivis: {}: sequencer\n", two.lab.endpoint()),
        format!("account eu: {}: eu\n", two.eu.endpoint()),
        format!("eu: the table {TABLE} is there"),
        format!("sequencer: the table {TABLE} is there"),
    ] {
        assert!(checked.contains(&part), "{checked}");
    }
    assert!(said(&["receipts", "--verify"]).contains("4 receipts are true"));
    let receipts = said(&["receipts", "--format", "ndjson", "--table", TABLE]);
    let mut at: BTreeMap<String, u32> = BTreeMap::new();
    for line in receipts.lines() {
        let receipt: Value = serde_json::from_str(line).unwrap();
        assert_eq!(receipt["table"], TABLE);
        *at.entry(receipt["endpoint"].to_string()).or_default() += 1;
    }
    let endpoint = format!("{:?}", two.eu.endpoint());
    assert_eq!(at, BTreeMap::from([("null".into(), 2), (endpoint, 2)]));

    let status = two.lab.status().unwrap();
    assert_eq!(status["account"]["name"], "redivis");
    assert_eq!(two.account("eu")["endpoint"], two.eu.endpoint());
    assert_eq!(status["watches"][0]["account"], "eu");
    assert_eq!(status["watches"][0]["table"], TABLE);
    // a second look finds nothing to do at either
    let asked = two.eu.report().requests(Call::TempUploads);
    two.lab.carry_all();
    assert_eq!(two.eu.report().requests(Call::TempUploads), asked);
    two.expect(here, in_eu);
}

#[test]
fn a_refused_token_pauses_its_own_account_and_goes_on_after_a_reload() {
    let two = Two::new(&Plan::default());
    two.write_eu_token("a-wrong-token");
    let in_eu = vec![two.drop_for_eu("waits", 1_000, 1)];
    let daemon = two.lab.start(&["run"]);
    wait_until("eu is paused", || two.account("eu")["state"] == "paused");
    let mut here = Vec::new();
    for seed in 1..=3 {
        here.push(two.lab.drop_file(&format!("goes-{seed}"), 2_000, seed));
        wait_until("the others go on", || two.lab.total("done") == seed);
    }
    let status = two.lab.status().unwrap();
    assert_eq!(status["account"]["state"], "ok");
    assert_ne!(status["limited_by"], "paused");
    let reason = two.account("eu")["reason"].to_string();
    assert!(reason.contains("401"), "{reason}");
    let output = two.lab.output(&["status"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("account eu: paused: "), "{said}");
    assert!(said.contains("account redivis: ok"), "{said}");
    assert_eq!(two.eu.report().requests(Call::Put), 0);

    let output = two.lab.output(&["check", "--online"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("account eu: "), "{said}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("sequencer: the table"), "{said}");

    two.write_eu_token(EU_TOKEN);
    daemon.reload();
    wait_until("eu goes on", || two.lab.total("done") == 4);
    daemon.terminate();
    two.expect(here, in_eu);
}

#[test]
fn an_account_without_a_token_holds_up_no_other() {
    let two = Two::new(&Plan::default());
    fs::remove_file(&two.eu_token).unwrap();
    let in_eu = vec![two.drop_for_eu("waits", 1_000, 1)];
    let here = vec![two.lab.drop_file("goes", 1_000, 2)];
    let ended = two.lab.run_once();
    assert_eq!(ended.code, Some(4), "{}", ended.said);
    assert!(
        ended.said.contains("account.eu.token_file"),
        "{}",
        ended.said
    );
    two.expect(here.clone(), Vec::new());
    assert_eq!(two.eu.report().requests(Call::TempUploads), 0);
    two.write_eu_token(EU_TOKEN);
    two.lab.carry_all();
    two.expect(here, in_eu);
}

#[test]
fn an_account_that_lost_its_token_asks_nothing_and_goes_on_at_its_offset() {
    let plan = Plan {
        speed: Some(500_000),
        ..Plan::default()
    };
    let two = Two::new(&plan);
    let half = two.drop_for_eu("half", 2 * MIB, 1);
    let daemon = two.lab.start(&["run"]);
    wait_until("it is half sent", || {
        let jobs = two.lab.jobs();
        let confirmed = jobs.first().map(|job| &job["confirmed_bytes"]);
        confirmed.and_then(Value::as_u64) > Some(0)
    });
    daemon.kill();
    fs::remove_file(&two.eu_token).unwrap();
    let before = two.eu.report().requests;

    let daemon = two.lab.start(&["run"]);
    let here = vec![two.lab.drop_file("goes", 1_000, 2)];
    wait_until("the other goes on", || two.lab.total("done") == 1);
    assert_eq!(two.account("eu")["state"], "paused");
    assert_eq!(two.eu.report().requests, before);

    two.write_eu_token(EU_TOKEN);
    daemon.reload();
    wait_until("it goes on", || two.lab.total("done") == 2);
    daemon.terminate();
    two.expect(here, vec![half]);
    let report = two.eu.report();
    assert_eq!(report.requests(Call::TempUploads), 1);
    let most = (2 * MIB + 256 * KIB) as u64;
    assert!(report.bytes_received <= most, "{}", report.bytes_received);
}

#[test]
fn an_account_without_its_certificates_holds_up_no_other_and_goes_on_after_a_reload() {
    let two = Two::new(&Plan::default());
    let missing = two.lab.elsewhere("missing.pem");
    let line = format!("extra_ca_file = {:?}\n", missing.display().to_string());
    two.configure("eu", &line);
    let in_eu = vec![two.drop_for_eu("waits", 1_000, 1)];
    let here = vec![two.lab.drop_file("goes", 1_000, 2)];
    let daemon = two.lab.start(&["run"]);
    wait_until("the other goes on", || two.lab.total("done") == 1);
    assert_eq!(two.account("eu")["state"], "paused");
    let reason = two.account("eu")["reason"].to_string();
    for part in ["missing.pem", "reload"] {
        assert!(reason.contains(part), "{reason}");
    }
    assert_eq!(two.eu.report().requests(Call::TempUploads), 0);
    two.configure("eu", "");
    daemon.reload();
    wait_until("eu goes on", || two.lab.total("done") == 2);
    daemon.terminate();
    two.expect(here, in_eu);

    // the only account: there is nothing to run for
    two.lab.configure(&Plan::default(), &two.lab.endpoint());
    let text = fs::read_to_string(&two.lab.config).unwrap();
    let text = text.replacen("[journal]", &format!("{line}[journal]"), 1);
    fs::write(&two.lab.config, text).unwrap();
    let ended = two.lab.run_once();
    assert_ne!(ended.code, Some(0), "{}", ended.said);
    assert!(ended.said.contains("missing.pem"), "{}", ended.said);
}

/// Whichever is away, the other's table is asked, and there is a summary.
#[test]
fn receipts_are_held_against_the_tables_that_can_be_asked() {
    let two = Two::new(&Plan::default());
    two.lab.drop_file("a", 1_000, 1);
    two.drop_for_eu("b", 1_000, 2);
    two.lab.carry_all();
    for (eu_is_away, is_refused) in [(true, false), (true, true), (false, false), (false, true)] {
        let token = if eu_is_away {
            &two.eu_token
        } else {
            &two.lab.token
        };
        let right = fs::read_to_string(token).unwrap();
        if is_refused {
            fs::write(token, "another").unwrap();
        } else {
            fs::remove_file(token).unwrap();
        }
        let output = two.lab.output(&["receipts", "--verify"]);
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert!(said.contains("1 receipts are true, 1 are not"), "{said}");
        assert!(said.contains("not proven: 1 receipts of"), "{said}");
        if eu_is_away {
            two.write_eu_token(&right);
        } else {
            two.lab.write_token(&right);
        }
    }
}

#[test]
fn an_account_that_is_told_to_wait_slows_no_other() {
    let two = Two::new(&Plan::default());
    let wait = Answer::status(429).header("Retry-After", "3600");
    let busy = Fault::new(Call::TempUploads, Action::Answer(wait));
    two.eu.script(vec![busy]);
    two.drop_for_eu("waits", 1_000, 1);
    let daemon = two.lab.start(&["run"]);
    wait_until("eu is to wait", || {
        two.account("eu")["api"]["throttled_until"].is_string()
    });
    let here = vec![two.lab.drop_file("goes", 1_000, 2)];
    wait_until("the other goes on", || two.lab.total("done") == 1);
    assert!(two.account("redivis")["api"]["throttled_until"].is_null());
    assert_ne!(two.lab.status().unwrap()["limited_by"], "api-budget");
    daemon.terminate();
    two.expect(here, Vec::new());
}

#[test]
fn killed_with_two_accounts_both_go_on_and_each_file_is_there_once() {
    let plan = Plan {
        speed: Some(2_000_000),
        ..Plan::default()
    };
    let two = Two::new(&plan);
    let mut here = vec![two.lab.drop_file("large", 3 * MIB, 1)];
    let mut in_eu = vec![two.drop_for_eu("large", 3 * MIB, 2)];
    for seed in 3..13 {
        let name = format!("small-{seed}");
        here.push(two.lab.drop_file(&name, 1_000, seed));
        in_eu.push(two.drop_for_eu(&name, 1_000, seed));
    }
    for confirmed in [1, 1_000_000] {
        let daemon = two.lab.start(&["run"]);
        wait_until("both send", || {
            let jobs = two.lab.jobs();
            let far = |watch: &str| {
                let mut own = jobs.iter().filter(|job| job["watch"] == watch);
                own.any(|job| {
                    job["remote_name"] == "large"
                        && (job["confirmed_bytes"].as_u64() >= Some(confirmed)
                            || job["state"] == "done")
                })
            };
            far("eu") && far("sequencer")
        });
        daemon.kill();
    }
    two.lab.carry_all();
    two.expect(here, in_eu);
}

#[test]
fn a_watch_that_goes_to_another_endpoint_begins_anew_there_with_what_was_half_sent_and_what_was_done()
 {
    let plan = Plan {
        speed: Some(500_000),
        ..Plan::default()
    };
    let two = Two::new(&plan);
    let done = two.drop_for_eu("done", 1_000, 1);
    let daemon = two.lab.start(&["run"]);
    wait_until("one is done", || two.lab.total("done") == 1);
    let half = two.drop_for_eu("half", 2 * MIB, 2);
    wait_until("one is half sent", || {
        let job = two
            .lab
            .jobs()
            .into_iter()
            .find(|job| job["remote_name"] == "half");
        job.is_some_and(|job| job["confirmed_bytes"].as_u64() > Some(0))
    });
    two.configure("redivis", "");
    daemon.reload();
    wait_until("both are done", || two.lab.total("done") == 2);
    assert_eq!(two.lab.job("half")["endpoint"], Value::Null);
    daemon.terminate();
    two.expect(vec![half, done.clone()], vec![done]);
}

#[test]
fn a_reload_adds_an_account_and_takes_it_away() {
    let two = Two::new(&Plan::default());
    let with_eu = fs::read_to_string(&two.lab.config).unwrap();
    two.lab.configure(&Plan::default(), &two.lab.endpoint());
    let without = fs::read_to_string(&two.lab.config).unwrap();
    let here = vec![two.lab.drop_file("a", 1_000, 1)];
    let in_eu = vec![two.drop_for_eu("b", 1_000, 2)];
    let daemon = two.lab.start(&["run"]);
    wait_until("the first is done", || two.lab.total("done") == 1);
    assert_eq!(two.account("eu"), Value::Null);
    fs::write(&two.lab.config, with_eu).unwrap();
    daemon.reload();
    wait_until("eu is served", || two.lab.total("done") == 2);
    fs::write(&two.lab.config, without).unwrap();
    daemon.reload();
    wait_until("eu is gone", || two.account("eu") == Value::Null);
    daemon.terminate();
    two.expect(here, in_eu);
}

/// What is imported when its watch goes is asked about by another watch's account at the same endpoint.
#[test]
fn an_import_outlives_its_watch_and_a_run_does_not_wait_for_one_that_nobody_asks_about() {
    let two = Two::new(&Plan::default());
    let as_rows = |name: &str| {
        let text = fs::read_to_string(&two.lab.config).unwrap();
        let rows = format!("name = \"{name}\"\nkind = \"tabular\"");
        fs::write(&two.lab.config, text.replace("name = \"eu\"", &rows)).unwrap();
    };
    as_rows("first");
    let none = Answer::status(200).body(r#"{"results": []}"#);
    two.eu
        .script(vec![Fault::new(Call::List, Action::Answer(none))]);
    let aside = two.lab.elsewhere("a.csv");
    fs::write(&aside, "a\n1\n").unwrap();
    fs::rename(aside, two.eu_folder.join("a.csv")).unwrap();
    let held = holding("a.csv", &two.eu_folder.join("a.csv"));
    let daemon = two.lab.start(&["run"]);
    wait_until("it is being imported", || two.lab.total("importing") == 1);
    daemon.kill();
    fs::remove_file(two.eu_folder.join("a.csv")).unwrap();

    two.lab.configure(&Plan::default(), &two.lab.endpoint());
    let ended = two.lab.run_once();
    assert_eq!(ended.code, Some(3), "{}", ended.said);
    let job = two.lab.job("a.csv");
    assert_eq!(job["state"], "importing");
    let why = job["error"].as_str().unwrap();
    assert!(why.contains("no watch goes to that endpoint"), "{why}");

    two.configure("eu", "");
    as_rows("second");
    two.lab.carry_all();
    let job = two.lab.job("a.csv");
    assert_eq!(
        (&job["state"], &job["error"]),
        (&"done".into(), &Value::Null)
    );
    two.expect(Vec::new(), vec![held]);
    assert_eq!(two.eu.report().requests(Call::Uploads), 1);
}
