//! What scripts read: the fields of `jobs --json` and `status --json`, and the generated texts.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::lab::{Lab, PROGRAM, write_noise};
use crate::process::wait_until;

const JOB: [&str; 20] = [
    "id",
    "watch",
    "path",
    "remote_name",
    "table",
    "endpoint",
    "kind",
    "size",
    "mtime",
    "state",
    "reason",
    "confirmed_bytes",
    "session_age_secs",
    "attempts",
    "next_attempt_at",
    "error",
    "md5",
    "remote_id",
    "created_at",
    "finished_at",
];

const TOTALS: [&str; 14] = [
    "queued",
    "reserved",
    "uploading",
    "uploaded",
    "registering",
    "registered",
    "done",
    "waiting",
    "parked",
    "superseded",
    "missing",
    "settling",
    "bytes_pending",
    "bytes_done",
];

/// A place in `status --json`, and the fields that are there at least.
const STATUS: [(&str, &[&str]); 7] = [
    (
        "",
        &[
            "version",
            "daemon",
            "account",
            "accounts",
            "totals",
            "rate_bytes_per_sec",
            "eta_secs",
            "limited_by",
            "watches",
            "api",
        ],
    ),
    ("/daemon", &["running", "pid", "since"]),
    ("/account", &["state", "reason"]),
    ("/totals", &TOTALS),
    (
        "/watches/0",
        &[
            "name",
            "path",
            "table",
            "mode",
            "mode_reason",
            "paused",
            "totals",
            "overflows",
            "last_scan_at",
            "error",
            "ignored",
        ],
    ),
    ("/watches/0/totals", &TOTALS),
    ("/api", &["budget_left", "throttled_until"]),
];

#[test]
fn a_line_of_jobs_has_exactly_the_promised_fields() {
    let lab = Lab::new();
    let (name, size, md5) = lab.drop_file("folder/done", 5_000, 1);
    let theirs = lab.elsewhere("theirs");
    write_noise(&theirs, 10, 2);
    fs::hard_link(&theirs, lab.path("parked")).unwrap();
    assert_eq!(lab.run_once().code, Some(3));
    let jobs = lab.jobs();
    assert_eq!(jobs.len(), 2);
    for job in &jobs {
        assert_eq!(keys(job), JOB.into(), "{job}");
    }
    let done = lab.job(&name);
    assert_eq!(done["state"], "done");
    assert_eq!(done["watch"], "sequencer");
    assert_eq!(done["path"], "folder/done");
    assert_eq!(done["table"], crate::lab::TABLE);
    assert_eq!(done["kind"], "files");
    assert_eq!(
        (&done["size"], &done["confirmed_bytes"]),
        (&size.into(), &size.into())
    );
    assert_eq!(done["md5"], md5);
    assert!(done["remote_id"].is_string());
    for time in ["mtime", "created_at", "finished_at"] {
        let text = done[time].as_str().unwrap();
        assert!(text.contains('T') && text.ends_with('Z'), "{text}");
    }
    assert_eq!(lab.job("parked")["reason"], "hard-link");
}

#[test]
fn jobs_are_found_by_state_path_and_md5() {
    let lab = Lab::new();
    let (_, _, md5) = lab.drop_file("folder/one", 5_000, 1);
    lab.drop_file("two", 5_000, 2);
    lab.carry_all();
    for (arguments, found) in [
        (&["--state", "done"][..], 2),
        (&["--state", "parked"], 0),
        (&["--path", "folder"], 1),
        (&["--md5", &md5], 1),
        (&["--watch", "sequencer"], 2),
        (&["--watch", "another"], 0),
        (&["--limit", "1"], 1),
    ] {
        let output = lab.output(&[&["jobs", "--json"], arguments].concat());
        assert!(output.status.success());
        let lines = String::from_utf8(output.stdout).unwrap();
        assert_eq!(lines.lines().count(), found, "{arguments:?}: {lines}");
    }
    let shown = lab.output(&["jobs", "show", "1", "--json"]);
    let job: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(
        job["history"].as_array().unwrap().last().unwrap()["state"],
        "done"
    );
}

#[test]
fn the_status_has_the_promised_fields_with_and_without_a_daemon() {
    let lab = Lab::new();
    lab.drop_file("file", 5_000, 1);
    let daemon = lab.start(&["run"]);
    wait_until("it is done", || lab.total("done") == 1);
    let running = lab.status().unwrap();
    assert_eq!(running["daemon"]["running"], true);
    assert_eq!(running["daemon"]["pid"], daemon.id());
    assert_eq!(running["account"]["state"], "ok");
    assert_eq!(running["totals"]["bytes_done"], 5_000);
    assert_eq!(running["watches"][0]["name"], "sequencer");
    assert_eq!(daemon.terminate().code, Some(0));
    let stopped = lab.status().unwrap();
    assert_eq!(stopped["daemon"]["running"], false);
    let text = lab.output(&["status"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("no daemon is running"), "{text}");
    for status in [running, stopped] {
        for (place, fields) in STATUS {
            let there = keys(status.pointer(place).unwrap());
            let missing: Vec<_> = fields
                .iter()
                .filter(|field| !there.contains(**field))
                .collect();
            assert!(missing.is_empty(), "{place} lacks {missing:?}: {status}");
        }
    }
}

#[test]
fn completions_and_the_man_page_are_made() {
    for shell in ["bash", "zsh", "fish"] {
        let output = program(&["completions", shell]).output().unwrap();
        assert!(output.status.success());
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.contains("redivis-drop") && script.contains("sandbox"));
    }
    let output = program(&["man"]).output().unwrap();
    assert!(output.status.success());
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(
        page.contains(".TH redivis") && page.contains("78"),
        "{page}"
    );
}

#[test]
fn a_closed_pipe_ends_a_command_quietly() {
    let lab = Lab::new();
    lab.drop_file("file", 10, 1);
    lab.carry_all();
    for arguments in [
        &["man"][..],
        &["completions", "bash"],
        &["jobs"],
        &["jobs", "--json"],
        &["jobs", "show", "1"],
        &["receipts"],
        &["receipts", "--format", "ndjson"],
        &["receipts", "--verify"],
        &["status"],
        &["status", "--json"],
        &["check"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = lab.command(arguments);
        let output = command.stdout(writer).stderr(Stdio::piped());
        let output = output.spawn().unwrap().wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), &*said),
            (Some(0), ""),
            "{arguments:?}"
        );
    }
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    let lab = Lab::new();
    let wanted = lab.drop_file("file", 10, 1);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = lab.command(&["run", "--once"]);
    let mut child = command.stderr(writer).spawn().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    lab.expect(vec![wanted]);
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.env_clear().args(arguments);
    command
}

fn keys(object: &Value) -> BTreeSet<&str> {
    object
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}
