//! What cannot work is said at once, by text and exit code; and nothing is lost by it.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use redivis_drop::sandbox::Call;

use crate::lab::{Lab, Plan, TOKEN};
use crate::process::wait_until;

/// Every command that reads the configuration to work with it.
const COMMANDS: [&[&str]; 3] = [&["run"], &["run", "--once"], &["check"]];

#[test]
fn three_mistakes_in_the_configuration_are_told_at_once_with_their_lines() {
    let lab = Lab::new();
    let text = fs::read_to_string(&lab.config).unwrap();
    let text = text
        .replace("initial = \"10ms\"", "initial = \"10 parsecs\"")
        .replace("settle = ", "setle = ")
        .replace("path = \"/", "path = \"");
    fs::write(&lab.config, &text).unwrap();
    let wrong = ["10 parsecs", "setle", "path = "];
    let lines = text.lines().enumerate();
    let places: Vec<_> = lines
        .filter(|(_, line)| wrong.iter().any(|wrong| line.contains(wrong)))
        .map(|(index, _)| format!("{}:{}:", lab.config.display(), index + 1))
        .collect();
    // `path` stands there twice
    assert_eq!(places.len(), 4, "{text}");
    for command in COMMANDS {
        let output = lab.output(command);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{command:?}: {said}");
        for place in &places {
            assert!(said.contains(place), "{command:?} at {place}: {said}");
        }
        assert!(said.contains("`settle`"), "no suggestion: {said}");
    }
    assert!(!lab.journal.exists());
}

#[test]
fn a_refused_token_costs_nothing_and_the_right_one_goes_on() {
    let lab = Lab::new();
    let wanted = [
        lab.drop_file("a", 100_000, 1),
        lab.drop_file("folder/b", 0, 2),
        lab.drop_file("c", 10, 3),
    ];
    let paths = ["a", "folder/b", "c"].map(|name| lab.path(name));
    let before = paths.each_ref().map(|path| state_of(path));
    lab.write_token("a-wrong-token");
    let ended = lab.run_once();
    assert_eq!(ended.code, Some(4), "{}", ended.said);
    assert!(ended.said.contains("401"), "{}", ended.said);
    assert!(ended.said.contains("hint:"), "{}", ended.said);
    assert!(!ended.said.contains("a-wrong-token"), "{}", ended.said);
    assert_eq!(lab.registered(), []);
    assert_eq!(lab.report().requests(Call::Put), 0);
    assert_eq!(paths.each_ref().map(|path| state_of(path)), before);

    lab.write_token(TOKEN);
    lab.carry_all();
    lab.expect(wanted.into());
    assert_eq!(paths.each_ref().map(|path| state_of(path)), before);
}

#[test]
fn a_reload_with_a_mistake_or_without_a_token_keeps_the_old_configuration() {
    let lab = Lab::new();
    let mut wanted = vec![lab.drop_file("a", 1_000, 1)];
    let daemon = lab.start(&["run"]);
    wait_until("the first file is done", || lab.total("done") == 1);
    let good = fs::read_to_string(&lab.config).unwrap();
    let times = |text: &str| daemon.said().matches(text).count();

    fs::write(&lab.config, format!("{good}colour = \"red\"\n")).unwrap();
    daemon.reload();
    wait_until("the mistake is told", || {
        times("the configuration was not reloaded") == 1
    });
    assert!(daemon.said().contains("colour"), "{}", daemon.said());

    fs::write(&lab.config, good).unwrap();
    fs::rename(&lab.token, lab.elsewhere("hidden")).unwrap();
    daemon.reload();
    wait_until("the missing token is told", || {
        times("the configuration was not reloaded") == 2
    });
    wanted.push(lab.drop_file("b", 1_000, 2));
    wait_until("it goes on all the same", || lab.total("done") == 2);
    assert_eq!(daemon.terminate().code, Some(0));
    lab.expect(wanted);
}

#[test]
fn without_a_token_nothing_begins() {
    let lab = Lab::new();
    lab.drop_file("a", 10, 1);
    fs::remove_file(&lab.token).unwrap();
    for command in [&["run"][..], &["run", "--once"]] {
        let output = lab.output(command);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(4), "{command:?}: {said}");
        assert!(said.contains("does not exist") && said.contains("hint:"));
    }
    assert_eq!(lab.report().requests(Call::TempUploads), 0);
}

#[test]
fn a_server_that_is_not_there_costs_nothing() {
    let lab = Lab::new();
    let wanted = lab.drop_file("a", 10, 1);
    // a port that was free a moment ago
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    lab.configure(&Plan::default(), &format!("http://{address}/api/v1"));
    let ended = lab.run_once();
    assert_eq!(ended.code, Some(5), "{}", ended.said);
    assert!(ended.said.contains("hint:"), "{}", ended.said);
    assert_eq!(lab.job("a")["state"], "queued");

    lab.configure(&Plan::default(), &lab.endpoint());
    lab.carry_all();
    lab.expect(vec![wanted]);
}

#[test]
fn a_second_daemon_on_a_journal_is_refused() {
    let lab = Lab::new();
    let first = lab.start(&["run"]);
    wait_until("the first daemon holds the journal", || {
        lab.status()
            .is_some_and(|status| status["daemon"]["pid"] == first.id())
    });
    for command in [&["run"][..], &["run", "--once"]] {
        let output = lab.output(command);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(75), "{said}");
        assert!(said.contains(&first.id().to_string()), "{said}");
    }
    // the first one did not notice
    let wanted = lab.drop_file("a", 10, 1);
    wait_until("the first daemon works", || lab.total("done") == 1);
    assert_eq!(first.terminate().code, Some(0));
    lab.expect(vec![wanted]);
}

#[test]
fn what_is_no_journal_of_ours_is_refused_and_left_alone() {
    let damaged = {
        let mut bytes = b"SQLite format 3\0".to_vec();
        bytes.resize(4096, 7);
        bytes
    };
    let foreign = {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.db");
        let connection = rusqlite::Connection::open(&path).unwrap();
        let sql = "CREATE TABLE jobs (somebody TEXT); INSERT INTO jobs VALUES ('else')";
        connection.execute_batch(sql).unwrap();
        drop(connection);
        fs::read(path).unwrap()
    };
    for content in [b"somebody's notes".to_vec(), damaged, foreign] {
        let lab = Lab::new();
        lab.drop_file("a", 10, 1);
        lab.make_state_folder();
        fs::write(&lab.journal, &content).unwrap();
        for command in [&["run"][..], &["run", "--once"], &["status"], &["jobs"]] {
            let output = lab.output(command);
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(74), "{command:?}: {said}");
            let path = lab.journal.display().to_string();
            assert!(said.contains(&path), "{command:?}: {said}");
        }
        assert_eq!(fs::read(&lab.journal).unwrap(), content);
        assert_eq!(lab.report().requests(Call::TempUploads), 0);
    }
}

/// All of a file that an upload must leave as it is.
fn state_of(path: &Path) -> (Vec<u8>, u32, i64, i64, i64, i64) {
    let metadata = fs::metadata(path).unwrap();
    (
        fs::read(path).unwrap(),
        metadata.mode(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    )
}
