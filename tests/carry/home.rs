//! The endpoint of `[redivis]` goes from one practice server to the other and back, over one journal. What each of them
//! holds in the end is what counts.

use std::fs;

use redivis_drop::sandbox::{Action, Answer, Call, Fault};

use crate::lab::{Holding, Lab, Plan, holding};
use crate::process::wait_until;
use crate::two::Two;

/// A table of rows, of the account `b`.
const ROWS: &str = "my_lab.sequencing:next.rows";

const ELSEWHERE: &str = "the journal is at home at another endpoint";

/// `[redivis]` is the server of the lab, with this behind its endpoint and in the file.
fn at_home(two: &Two, slash: &str, more: &str) {
    let endpoint = two.lab.endpoint() + slash;
    two.lab.configure(&Plan::default(), &endpoint);
    add(&two.lab, more);
}

/// `[redivis]` is the other server, with its own token.
fn away(two: &Two, more: &str) {
    two.lab.configure(&Plan::default(), &two.eu.endpoint());
    let text = fs::read_to_string(&two.lab.config).unwrap();
    let [own, other] = [&two.lab.token, &two.eu_token].map(|path| path.display().to_string());
    fs::write(&two.lab.config, text.replace(&own, &other)).unwrap();
    add(&two.lab, more);
}

fn add(lab: &Lab, more: &str) {
    let text = fs::read_to_string(&lab.config).unwrap();
    fs::write(&lab.config, text + more).unwrap();
}

/// How many uploads each server got.
fn sent(two: &Two) -> [u64; 2] {
    [&two.lab.sandbox, &two.eu].map(|server| server.report().requests(Call::Put))
}

/// A command, with its exit code and all that it said.
fn say(lab: &Lab, arguments: &[&str]) -> (Option<i32>, String) {
    let output = lab.output(arguments);
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn files_that_are_done_at_one_endpoint_go_to_the_next_too_and_none_goes_anywhere_twice() {
    let two = Two::new(&Plan::default());
    at_home(&two, "", "");
    let mut files: Vec<_> = (1..=3)
        .map(|seed| two.lab.drop_file(&format!("{seed}"), 1_000, seed))
        .collect();
    let ended = two.lab.carry_all();
    assert!(!ended.said.contains(ELSEWHERE), "{}", ended.said);
    two.expect(files.clone(), Vec::new());

    away(&two, "");
    let (_, text) = say(&two.lab, &["check"]);
    assert!(text.contains("the journal is at home at"), "{text}");
    let ended = two.lab.carry_all();
    assert!(ended.said.contains(ELSEWHERE), "{}", ended.said);
    two.expect(files.clone(), files.clone());
    assert_eq!(two.lab.job("1")["endpoint"], two.eu.endpoint());
    two.lab.carry_all();
    assert_eq!(sent(&two), [3, 3]);

    // one more comes there, and a reload goes back
    files.push(two.lab.drop_file("4", 1_000, 4));
    let daemon = two.lab.start(&["run"]);
    wait_until("it is there", || two.in_eu().len() == 4);
    at_home(&two, "/", "");
    daemon.reload();
    wait_until("it is at home too", || two.lab.registered().len() == 4);
    wait_until("that is recorded", || two.lab.total("done") == 1);
    away(&two, "");
    daemon.reload();
    let is_away = || two.lab.status().unwrap()["account"]["endpoint"] == two.eu.endpoint();
    wait_until("it is away again", is_away);
    daemon.terminate();
    for go in [|two: &Two| away(two, ""), |two: &Two| at_home(two, "", "")] {
        go(&two);
        two.lab.carry_all();
    }
    assert_eq!(sent(&two), [4, 4]);
    two.expect(files.clone(), files);
}

#[test]
fn an_endpoint_that_was_never_reached_has_no_files_sent_home_again() {
    let two = Two::new(&Plan::default());
    at_home(&two, "", "");
    let mut files = vec![
        two.lab.drop_file("a", 1_000, 1),
        two.lab.drop_file("b", 10, 2),
    ];
    two.lab.carry_all();
    two.lab
        .configure(&Plan::default(), "http://127.0.0.1:9/api/v1");
    files.push(two.lab.drop_file("c", 20, 3));
    assert_eq!(two.lab.run_once().code, Some(5));
    assert_eq!(two.lab.jobs().len(), 3);
    at_home(&two, "", "");
    two.lab.carry_all();
    assert_eq!(sent(&two), [3, 0]);
    assert_eq!(two.lab.total("superseded"), 2);
    two.expect(files, Vec::new());
}

#[test]
fn an_account_that_stays_where_it_is_goes_on_when_the_endpoint_of_redivis_changes() {
    let two = Two::new(&Plan::default());
    let account = format!(
        "[[watch]]\nname = \"rows\"\naccount = \"b\"\npath = \"{}\"\ntable = \"{ROWS}\"\nkind = \"tabular\"\n\
         settle = \"100ms\"\n[account.b]\nendpoint = \"{}\"\ntoken_file = \"{}\"\n",
        two.eu_folder.display(),
        two.lab.endpoint(),
        two.lab.token.display(),
    );
    at_home(&two, "", &account);
    // the first list does not have it yet
    let none = Answer::status(200).body(r#"{"results": []}"#);
    two.lab
        .script(vec![Fault::new(Call::List, Action::Answer(none))]);
    let (aside, file) = (two.lab.elsewhere("a.csv"), two.eu_folder.join("a.csv"));
    fs::write(&aside, "a\n1\n").unwrap();
    fs::rename(aside, &file).unwrap();
    let held: Vec<Holding> = vec![holding("a.csv", &file)];
    let daemon = two.lab.start(&["run"]);
    wait_until("it is being imported", || two.lab.total("importing") == 1);
    daemon.kill();

    away(&two, &account);
    two.lab.carry_all();
    let job = two.lab.job("a.csv");
    assert_eq!(job["state"], "done");
    assert!(job["endpoint"].is_null(), "{job}");
    assert_eq!(two.lab.registered_in(ROWS), held);
    let report = two.lab.report();
    assert_eq!(report.requests(Call::Uploads), 1);
    assert_eq!(report.violations, []);
    assert_eq!(sent(&two), [1, 0]);
}

#[test]
fn receipts_are_held_against_the_endpoint_that_they_are_of() {
    let two = Two::new(&Plan::default());
    at_home(&two, "", "");
    let files = vec![
        two.lab.drop_file("a", 1_000, 1),
        two.lab.drop_file("b", 10, 2),
    ];
    two.lab.carry_all();
    let path = two.lab.path("a").display().to_string();
    let may_go = || say(&two.lab, &["receipts", "--safe-to-delete", &path]);
    assert_eq!(may_go().0, Some(0));

    away(&two, "");
    let (code, text) = may_go();
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("it has no receipt"), "{text}");
    two.lab.carry_all();
    assert_eq!(may_go().0, Some(0));
    let (code, text) = say(&two.lab, &["receipts", "--verify"]);
    assert_eq!(code, Some(3), "{text}");
    for part in [
        "2 receipts are true, 2 are not".to_owned(),
        format!(
            "at {home}: no account of the configuration goes there. Write an [account.NAME] with endpoint = {home:?}",
            home = two.lab.endpoint()
        ),
    ] {
        assert!(text.contains(&part), "{text}");
    }

    let account = format!(
        "[account.home]\nendpoint = \"{}\"\ntoken_file = \"{}\"\n",
        two.lab.endpoint(),
        two.lab.token.display(),
    );
    away(&two, &account);
    let lists = || [&two.lab.sandbox, &two.eu].map(|server| server.report().requests(Call::List));
    let before = lists();
    let (code, text) = say(&two.lab, &["receipts", "--verify"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("4 receipts are true, 0 are not"), "{text}");
    assert_eq!(lists(), before.map(|lists| lists + 1));
    two.expect(files.clone(), files);
}
