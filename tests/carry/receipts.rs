//! What is left of a file that has arrived: its receipt, what it proves, and what may go.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Output;

use redivis_drop::sandbox::{Action, Answer, Call, Fault};
use rusqlite::Connection;
use serde_json::Value;

use crate::lab::{Lab, Plan, TABLE, TOKEN, holding, write_noise};

const FIELDS: &str = "job,watch,path,remote_name,table,kind,remote_id,size,md5,mtime,created_at,registered_at,endpoint";

/// `receipts`, with its exit code.
fn receipts(lab: &Lab, arguments: &[&str]) -> (Option<i32>, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = lab.output(&[&["receipts"], arguments].concat());
    let text = [stdout, stderr].concat();
    (status.code(), String::from_utf8(text).unwrap())
}

fn as_json(lab: &Lab, arguments: &[&str]) -> Vec<Value> {
    let arguments = [&["--format", "ndjson"], arguments].concat();
    let (code, text) = receipts(lab, &arguments);
    assert_eq!(code, Some(0), "{text}");
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

fn safe_to_delete(lab: &Lab, name: &str) -> (Option<i32>, String) {
    let path = lab.drop_folder.join(name);
    receipts(lab, &["--safe-to-delete", path.to_str().unwrap()])
}

#[test]
fn what_has_arrived_is_listed_as_csv_and_as_json() {
    let lab = Lab::new();
    assert_eq!(receipts(&lab, &[]).0, Some(74), "there is no journal yet");
    let (_, size, md5) = lab.drop_file("run 7/a, \"b\".bin", 5_000, 1);
    write_noise(&lab.path(b"odd \xff%41\n"), 10, 2);
    // never arrives
    let theirs = lab.elsewhere("theirs");
    write_noise(&theirs, 10, 3);
    fs::hard_link(&theirs, lab.path("parked")).unwrap();
    assert_eq!(lab.run_once().code, Some(3));

    let rows = as_json(&lab, &[]);
    assert_eq!(rows.len(), 2);
    let find = |name: &str| rows.iter().find(|row| row["remote_name"] == name).unwrap();
    let row = find("run 7/a, \"b\".bin");
    let keys: Vec<&str> = FIELDS.split(',').collect();
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    let mut found: Vec<_> = row
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    found.sort_unstable();
    assert_eq!(found, sorted);
    let path = lab.drop_folder.join("run 7/a, \"b\".bin");
    assert_eq!(row["path"], path.to_str().unwrap());
    assert_eq!(
        (row["size"].as_u64(), row["md5"].as_str()),
        (Some(size), Some(&*md5))
    );
    assert_eq!(
        (&row["table"], &row["kind"]),
        (&TABLE.into(), &"files".into())
    );
    let job = lab.job("run 7/a, \"b\".bin");
    for (of_receipt, of_job) in [
        ("job", "id"),
        ("remote_id", "remote_id"),
        ("mtime", "mtime"),
        ("created_at", "created_at"),
        ("registered_at", "finished_at"),
    ] {
        assert_eq!(row[of_receipt], job[of_job], "{of_receipt}");
    }
    // bytes that are no text, and a `%` that could be taken for one
    let odd = format!("{}/odd %FF%2541%0A", lab.drop_folder.display());
    assert!(rows.iter().any(|row| row["path"] == *odd), "{rows:?}");

    let (code, text) = receipts(&lab, &[]);
    assert_eq!(code, Some(0));
    let mut lines = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(
        lines
            .headers()
            .unwrap()
            .iter()
            .collect::<Vec<_>>()
            .join(","),
        FIELDS
    );
    let lines: Vec<csv::StringRecord> = lines.records().map(Result::unwrap).collect();
    assert_eq!(lines.len(), rows.len());
    for (line, row) in lines.iter().zip(&rows) {
        for (value, key) in line.iter().zip(&keys) {
            let wanted = match &row[*key] {
                Value::String(text) => text.clone(),
                Value::Null => String::new(),
                other => other.to_string(),
            };
            assert_eq!(value, wanted, "{key}");
        }
    }
    assert!(text.contains("\"run 7/a, \"\"b\"\".bin\""), "{text}");

    for (filter, count) in [
        (["--path", "run 7/"], 1),
        (["--path", lab.drop_folder.to_str().unwrap()], 2),
        (["--md5", &md5], 1),
        (["--table", TABLE], 2),
        (["--table", "my_lab.other:next.t"], 0),
        (["--watch", "sequencer"], 2),
        (["--since", "2020-01-01"], 2),
        (["--until", "2020-01-01"], 0),
    ] {
        assert_eq!(as_json(&lab, &filter).len(), count, "{filter:?}");
    }
    let (_, text) = receipts(&lab, &["--watch", "nobody"]);
    assert_eq!(text.trim_end(), FIELDS, "names also without rows");
    for wrong in [["--since", "soon"], ["--md5", "no"], ["--format", "xml"]] {
        assert_eq!(receipts(&lab, &wrong).0, Some(2), "{wrong:?}");
    }
}

#[test]
fn what_was_removed_or_altered_in_the_table_is_found() {
    let mut lab = Lab::new();
    let names = ["gone", "other", "kept", "newer"];
    for (seed, name) in (1..).zip(names) {
        lab.drop_file(name, 5_000, seed);
    }
    lab.carry_all();
    write_noise(&lab.path("newer"), 6_000, 9);
    lab.carry_all();
    let listings = lab.report().requests(Call::List);
    let (code, text) = receipts(&lab, &["--verify"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("4 receipts are true") && text.contains("1 were replaced"),
        "{text}"
    );
    assert_eq!(lab.report().requests(Call::List), listings + 1);

    // a next version that was released meanwhile is asked for as the current one
    let gone = Answer::status(404);
    lab.script(vec![Fault::new(Call::List, Action::Answer(gone))]);
    assert_eq!(receipts(&lab, &["--verify"]).0, Some(0));
    lab.expect_faults_done();

    let old = holding("newer", &lab.path("newer"));
    let jobs = as_json(&lab, &["--path", "newer"]);
    let first_newer = jobs[0]["remote_id"].as_str().unwrap().to_owned();
    assert_ne!(jobs[1]["md5"], jobs[0]["md5"]);
    assert_eq!(jobs[1]["md5"], *old.2);
    lab.rewrite_the_books(|entries| {
        let files = entries.iter().map(|entry| &entry["file"]);
        let other = files.clone().find(|file| file["name"] == "other");
        let other = other.unwrap()["temp"].clone();
        // a row, and that of an older version, which a newer one of ours has replaced
        let is_removed =
            |entry: &Value| entry["file"]["name"] == "gone" || entry["file"]["id"] == *first_newer;
        entries.retain(|entry| !is_removed(entry));
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
    let lines: Vec<_> = text.lines().collect();
    let [gone, other, summary] = lines[..] else {
        panic!("{text}");
    };
    let path = |name: &str| lab.drop_folder.join(name).display().to_string();
    assert!(
        gone.starts_with("missing: \"gone\"") && gone.contains(&path("gone")),
        "{text}"
    );
    assert!(
        other.starts_with("altered: \"other\"") && other.contains(&path("other")),
        "{text}"
    );
    assert!(
        summary.contains("2 receipts are true") && summary.ends_with(", 2 are not"),
        "{text}"
    );
    // of others only
    assert_eq!(receipts(&lab, &["--verify", "--path", "kept"]).0, Some(0));
}

#[test]
fn a_table_that_cannot_be_asked_proves_nothing() {
    let lab = Lab::new();
    lab.drop_file("a", 5_000, 1);
    lab.carry_all();
    let refused = |status| Action::Answer(Answer::status(status));
    lab.script(vec![Fault::new(Call::List, refused(404)).times(2)]);
    let (code, text) = receipts(&lab, &["--verify"]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("not proven: 1 receipts of"), "{text}");
    lab.write_token("another");
    assert_eq!(receipts(&lab, &["--verify"]).0, Some(4));
    lab.write_token(TOKEN);
    lab.script(vec![
        Fault::new(Call::List, Action::CutBeforeReply).times(9),
    ]);
    assert_eq!(receipts(&lab, &["--verify"]).0, Some(5));
}

#[test]
fn what_is_in_the_table_as_it_lies_here_may_go_and_nothing_else() {
    let lab = Lab::new();
    for (seed, name) in (1..).zip(["set/a", "set/deep/b", "mixed/c", "changed", "same size"]) {
        lab.drop_file(name, 5_000, seed);
    }
    lab.carry_all();
    lab.drop_file("mixed/unknown", 10, 8);
    lab.drop_file("changed", 6_000, 9);
    lab.drop_file("same size", 5_000, 10);
    fs::create_dir(lab.drop_folder.join("empty")).unwrap();
    fs::create_dir(lab.drop_folder.join("set/nothing in it")).unwrap();
    let outside = lab.elsewhere("outside");
    write_noise(&outside, 10, 1);
    symlink(&outside, lab.drop_folder.join("link")).unwrap();
    symlink(lab.drop_folder.join("set"), lab.drop_folder.join("linked")).unwrap();
    for (name, code, why) in [
        ("set/a", 0, "yes: "),
        ("set", 0, "all 2 files are"),
        ("set/", 0, "all 2 files are"),
        ("mixed", 3, "mixed/unknown: it has no receipt"),
        ("mixed/c", 0, "yes: "),
        ("changed", 3, "it has changed since"),
        ("same size", 3, "it has changed since"),
        ("", 3, "it has no receipt"),
        ("never was", 3, "it is gone"),
        ("empty", 3, "there is no file in it"),
        ("link", 3, "it is a link"),
        ("linked", 3, "it is a link"),
        ("linked/a", 3, "it is a link"),
        ("set/../set/a", 3, "it is in no drop folder"),
        ("../outside", 3, "it is in no drop folder"),
    ] {
        let (found, text) = safe_to_delete(&lab, name);
        assert_eq!(found, Some(code), "{name}: {text}");
        assert!(text.contains(why), "{name}: {text}");
    }
    // a link among the files is no file
    symlink(&outside, lab.drop_folder.join("set/link")).unwrap();
    assert_eq!(safe_to_delete(&lab, "set").0, Some(3));
    // from where the file lies, and with other questions
    let mut command = lab.command(&["receipts", "--safe-to-delete", "a"]);
    command.current_dir(lab.drop_folder.join("set"));
    assert_eq!(command.output().unwrap().status.code(), Some(0));
    let both = ["--safe-to-delete", "a", "--verify"];
    assert_eq!(receipts(&lab, &both).0, Some(2));
    // where only a CRC32C was taken there is nothing to compare
    lab.configure(
        &Plan {
            transfer: "verify = \"crc32c\"",
            ..Plan::default()
        },
        &lab.endpoint(),
    );
    lab.drop_file("without", 10, 11);
    lab.carry_all();
    let (code, text) = safe_to_delete(&lab, "without");
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("no md5"), "{text}");
}

#[test]
fn what_is_pruned_keeps_its_receipt_and_is_not_sent_again() {
    let lab = Lab::new();
    let mut wanted = Vec::new();
    for number in 0..300 {
        wanted.push(lab.drop_file(&format!("folder {}/{number}", number % 7), 50, number));
    }
    lab.carry_all();
    let listed = as_json(&lab, &[]);
    assert_eq!((lab.jobs().len(), listed.len()), (300, 300));
    let puts = lab.report().requests(Call::Put);
    // a year and a day have passed
    let long_ago = "UPDATE jobs SET finished_at = finished_at - 366 * 86400000";
    Connection::open(&lab.journal)
        .unwrap()
        .execute(long_ago, [])
        .unwrap();
    lab.carry_all();
    assert_eq!(lab.jobs(), Vec::<Value>::new(), "they are no longer listed");
    let connection = Connection::open(&lab.journal).unwrap();
    let lines = connection.query_row("SELECT count(*) FROM history", [], |row| {
        row.get::<_, i64>(0)
    });
    assert_eq!(lines, Ok(0));
    drop(connection);
    // and nothing is sent again, also when it is touched: the table has its content
    let path = lab.path("folder 3/3");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    lab.drop_file("new", 50, 1_000);
    wanted.push(holding("new", &lab.path("new")));
    lab.carry_all();
    assert_eq!(
        lab.report().requests(Call::Put),
        puts + 1,
        "only the new one"
    );
    assert_eq!(lab.jobs().len(), 2);
    let after = as_json(&lab, &[]);
    assert_eq!(after[..300], listed[..]);
    assert_eq!(safe_to_delete(&lab, "folder 5").0, Some(0));
    assert_eq!(receipts(&lab, &["--verify"]).0, Some(0));
    lab.expect(wanted);
}

#[test]
fn a_running_daemon_prunes_at_its_start() {
    let lab = Lab::new();
    let wanted = lab.drop_file("a", 50, 1);
    lab.carry_all();
    let long_ago = "UPDATE jobs SET finished_at = finished_at - 366 * 86400000";
    Connection::open(&lab.journal)
        .unwrap()
        .execute(long_ago, [])
        .unwrap();
    let daemon = lab.start(&["run"]);
    crate::process::wait_until("its job is gone", || {
        lab.status().is_some() && lab.jobs().is_empty()
    });
    assert_eq!(daemon.terminate().code, Some(0));
    assert_eq!(as_json(&lab, &[]).len(), 1);
    lab.expect(vec![wanted]);
}

/// The two stand in one commit: killed before it there is neither, killed after it there are both.
#[cfg(debug_assertions)]
#[test]
fn a_receipt_is_there_exactly_if_its_job_is_known_to_be_in_the_table() {
    use redivis_drop::crash_point::{ARMED_BY, Point};
    for (point, files) in [(Point::RegisterWritten, 0), (Point::RegisterCommitted, 3)] {
        let lab = Lab::new();
        let names = ["a", "b", "c"];
        let wanted: Vec<_> = names
            .iter()
            .map(|name| lab.drop_file(name, 50, 1))
            .collect();
        let mut command = lab.command(&["run", "--once"]);
        command.env(ARMED_BY, format!("{}:1", point.name()));
        let ended = lab.run(command);
        assert_eq!(ended.code, None, "{}", ended.said);
        assert_eq!(lab.registered().len(), 3);
        let done = lab
            .jobs()
            .iter()
            .filter(|job| job["state"] == "done")
            .count();
        assert_eq!(
            (done, as_json(&lab, &[]).len()),
            (files, files),
            "{point:?}"
        );
        // the next one looks the rest up in the table's listing
        for row in names.map(|name| safe_to_delete(&lab, name)) {
            assert_eq!(row.0, Some(if files == 0 { 3 } else { 0 }));
        }
        lab.expect(wanted);
    }
}
