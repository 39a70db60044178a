//! What lies in a drop folder when it is watched for the first time.

use std::fs;

use redivis_drop::sandbox::Call;

use crate::lab::{Lab, Plan, holding, write_noise};
use crate::process::wait_until;

const IGNORE: Plan = Plan {
    transfer: "",
    watch: "existing = \"ignore\"",
    speed: None,
    lenient: false,
    rate_limit: None,
};

fn ignored(lab: &Lab) -> u64 {
    let status = lab.status().unwrap();
    status["watches"][0]["ignored"].as_u64().unwrap()
}

#[test]
fn what_lay_there_at_the_first_start_stays_until_it_changes_or_is_wanted() {
    let lab = Lab::with(&IGNORE);
    let old = ["old", "folder/changed", "later"].map(|name| lab.drop_file(name, 4_000, 1));
    lab.carry_all();
    assert_eq!((lab.jobs().len(), ignored(&lab)), (0, 3));
    assert_eq!(lab.report().requests(Call::TempUploads), 0);
    let said = String::from_utf8(lab.output(&["status"]).stdout).unwrap();
    assert!(
        said.contains("3 ignored: there at the first start"),
        "{said}"
    );

    // while it runs, and while it does not
    let daemon = lab.start(&["run"]);
    let mut wanted = vec![lab.drop_file("new", 5_000, 2)];
    write_noise(&lab.path("folder/changed"), 4_000, 3);
    wanted.push(holding("folder/changed", &lab.path("folder/changed")));
    wait_until("both are done", || lab.total("done") == 2);
    assert_eq!(daemon.terminate().code, Some(0));
    fs::rename(lab.path("later"), lab.path("renamed")).unwrap();
    wanted.push(holding("renamed", &lab.path("renamed")));
    lab.carry_all();
    lab.expect(wanted.clone());
    assert_eq!(ignored(&lab), 3);

    // the configuration changes its mind
    lab.configure(&Plan::default(), &lab.endpoint());
    lab.carry_all();
    wanted.push(old[0].clone());
    lab.expect(wanted);
    assert_eq!(ignored(&lab), 0);
}

#[test]
fn a_first_start_that_is_killed_goes_on_from_the_same_moment() {
    for point in ["enqueue-written", "enqueue-committed", "begin-committed"] {
        let lab = Lab::with(&IGNORE);
        for name in ["a", "b/c"] {
            lab.drop_file(name, 4_000, 1);
        }
        let mut command = lab.command(&["run", "--once"]);
        command.env("REDIVIS_DROP_CRASH_AT", format!("{point}:1"));
        let ended = lab.run(command);
        assert_eq!(ended.code, None, "{point}: {}", ended.said);
        let new = lab.drop_file("new", 5_000, 2);
        lab.carry_all();
        lab.expect(vec![new]);
        assert_eq!(ignored(&lab), 2, "{point}");
    }
}

#[test]
fn what_a_watch_has_begun_with_upload_is_not_ignored_later() {
    let lab = Lab::new();
    lab.carry_all();
    let wanted = lab.drop_file("a", 4_000, 1);
    lab.configure(&IGNORE, &lab.endpoint());
    lab.carry_all();
    lab.expect(vec![wanted]);
}
