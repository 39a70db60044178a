//! A table that holds files already: after the journal was lost, on another machine, after an upload by hand.

use std::fs;

use redivis_drop::sandbox::{Action, Answer, Call, Fault};

use crate::lab::{Lab, Plan, TABLE, holding, write_noise};
use crate::microscope::{OTHER_TABLE, drop_image, watch_another};
use crate::process::wait_until;

#[test]
fn without_its_journal_it_sends_nothing_that_is_there() {
    let lab = Lab::new();
    let mut wanted: Vec<_> = (0..30_u64)
        .map(|n| lab.drop_file(&format!("{}/{n}", n % 3), 2_000, n))
        .collect();
    wanted.push(lab.drop_file("large", 400_000, 99));
    lab.carry_all();
    let before = lab.report();
    lab.forget_everything();
    wanted.push(lab.drop_file("new", 2_000, 100));
    lab.carry_all();
    let after = lab.report();
    let more = |call| after.requests(call) - before.requests(call);
    assert_eq!((more(Call::Put), more(Call::Start)), (1, 0));
    assert_eq!(more(Call::List), 1, "one listing for a table");
    assert_eq!(lab.total("done"), 32);
    lab.expect(wanted);
    let job = lab.job("large");
    assert!(
        job["remote_id"].is_string() && job["md5"].is_string(),
        "{job}"
    );

    // it is met once
    lab.drop_file("newer", 2_000, 101);
    lab.carry_all();
    assert_eq!(
        lab.report().requests(Call::List),
        after.requests(Call::List)
    );
}

#[test]
fn what_differs_from_what_is_there_goes_by_the_policy() {
    for (policy, state, reason) in [
        ("on_conflict = \"new_version\"", "done", None),
        ("on_conflict = \"skip\"", "parked", Some("skipped")),
        ("on_conflict = \"fail\"", "parked", Some("conflict")),
        // nothing is known of the table then
        (
            "on_conflict = \"skip\"\nadopt_existing = false",
            "done",
            None,
        ),
    ] {
        // of the same size, and of another
        for size in [5_000, 6_000] {
            let lab = Lab::with(&Plan {
                watch: policy,
                ..Plan::default()
            });
            let mut wanted = vec![lab.drop_file("a", 5_000, 1)];
            lab.carry_all();
            lab.forget_everything();
            write_noise(&lab.path("a"), size, 2);
            if state == "done" {
                wanted.push(holding("a", &lab.path("a")));
            }
            lab.run_once();
            let job = lab.job("a");
            assert_eq!(job["state"], state, "{policy}, {size}: {job}");
            assert_eq!(job["reason"].as_str(), reason, "{policy}, {size}");
            lab.expect(wanted);
        }
    }
}

#[test]
fn who_does_not_want_it_sends_everything_again() {
    let lab = Lab::with(&Plan {
        watch: "adopt_existing = false",
        ..Plan::default()
    });
    let file = lab.drop_file("a", 5_000, 1);
    lab.carry_all();
    lab.forget_everything();
    lab.carry_all();
    lab.expect(vec![file.clone(), file]);
    assert_eq!(lab.report().requests(Call::List), 0);
}

#[test]
fn files_wait_for_a_listing_that_fails_and_not_for_one_that_is_refused() {
    for (status, listings) in [(503, 2), (400, 1)] {
        let lab = Lab::new();
        let file = lab.drop_file("a", 5_000, 1);
        lab.carry_all();
        lab.forget_everything();
        let before = lab.report().requests(Call::List);
        lab.script(vec![Fault::new(
            Call::List,
            Action::Answer(Answer::status(status)),
        )]);
        lab.carry_all();
        assert_eq!(
            lab.report().requests(Call::List) - before,
            listings,
            "{status}"
        );
        let wanted = if status == 503 {
            vec![file]
        } else {
            vec![file.clone(), file]
        };
        lab.expect(wanted);
    }
}

/// One that never comes is in nobody's way, and is told.
#[test]
fn a_table_whose_listing_always_fails_keeps_no_other_waiting() {
    let lab = Lab::new();
    watch_another(&lab, OTHER_TABLE, "");
    let image = drop_image(&lab, "first.tif", 7);
    lab.carry_all();
    // the table of the first watch is not met yet
    let fails = Fault::new(Call::List, Action::Answer(Answer::status(503)));
    lab.script(vec![fails.times(40)]);
    let waiting = lab.drop_file("waiting", 5_000, 1);
    let daemon = lab.start(&["run"]);
    let mut images = vec![image];
    let says_why = || {
        let status = lab.status().unwrap();
        let mut watches = status["watches"].as_array().unwrap().iter();
        let first = watches.find(|watch| watch["table"] == TABLE).unwrap();
        first.to_string().contains("cannot be listed")
    };
    for n in 0..40_u64 {
        images.push(drop_image(&lab, &format!("{n}.tif"), n + 100));
        let count = n + 2;
        wait_until("what goes elsewhere goes on", || lab.total("done") == count);
        if n > 3 && says_why() {
            break;
        }
    }
    wait_until("it says why the other waits", says_why);
    wait_until("it goes too", || {
        lab.total("done") == images.len() as u64 + 1
    });
    wait_until("nothing is said any more", || !says_why());
    assert_eq!(daemon.terminate().code, Some(0));
    images.sort();
    assert_eq!(lab.registered_in(OTHER_TABLE), images);
    assert_eq!(lab.registered_in(TABLE), [waiting]);
}

/// Killed in the midst, it begins anew: a listing that was cut off says nothing.
#[test]
fn a_listing_that_is_cut_off_does_not_count() {
    let lab = Lab::new();
    let wanted: Vec<_> = (0..50_u64)
        .map(|n| lab.drop_file(&format!("{n}"), 500, n))
        .collect();
    lab.carry_all();
    lab.forget_everything();
    let mut command = lab.command(&["run", "--once"]);
    command.env("REDIVIS_DROP_CRASH_AT", "list-answered:1");
    assert_eq!(lab.run(command).code, None);
    lab.carry_all();
    assert_eq!(lab.total("done"), 50);
    lab.expect(wanted);
    assert!(fs::metadata(&lab.journal).is_ok());
}

/// Where files are let go the table is asked about each one again. Meanwhile it is not taken for empty.
#[test]
fn what_comes_while_a_table_is_listed_again_is_not_sent_twice() {
    let lab = Lab::new();
    let mut wanted = vec![
        lab.drop_file("a", 5_000, 1),
        lab.drop_file("meanwhile", 5_000, 2),
    ];
    lab.carry_all();
    lab.forget_everything();
    for name in ["a", "meanwhile"] {
        fs::remove_file(lab.path(name)).unwrap();
    }
    let plan = Plan {
        watch: "after_upload = \"delete\"",
        ..Plan::default()
    };
    lab.configure(&plan, &lab.endpoint());
    wanted.push(lab.drop_file("first", 5_000, 3));
    let daemon = lab.start(&["run"]);
    wait_until("the table is met", || lab.total("done") == 1);

    let stall = Action::Stall {
        after: 0,
        seconds: None,
    };
    lab.script(vec![Fault::new(Call::List, stall)]);
    lab.drop_file("a", 5_000, 1);
    wait_until("the table is asked again", || {
        lab.report().faults_pending.is_empty()
    });
    lab.drop_file("meanwhile", 5_000, 2);
    wait_until("it is seen", || lab.jobs().len() == 3);
    wanted.push(lab.drop_file("new", 5_000, 4));
    wait_until("what is new goes on", || lab.total("done") == 2);
    daemon.kill();

    let sent = lab.report().requests(Call::Put);
    lab.carry_all();
    assert_eq!(lab.report().requests(Call::Put), sent);
    assert_eq!(lab.total("done"), 4);
    lab.expect(wanted.clone());

    // refused, it is not asked for ever
    let listings = lab.report().requests(Call::List);
    let refused = Action::Answer(Answer::status(400));
    lab.script(vec![Fault::new(Call::List, refused)]);
    wanted.push(lab.drop_file("a", 5_000, 1));
    lab.carry_all();
    assert_eq!(lab.report().requests(Call::List), listings + 1);
    lab.expect(wanted);
}

#[test]
fn what_was_registered_while_a_table_was_listed_is_not_taken_for_missing() {
    let plan = Plan {
        watch: "after_upload = \"delete\"",
        ..Plan::default()
    };
    let lab = Lab::with(&plan);
    let mut wanted = vec![lab.drop_file("a", 5_000, 1)];
    let daemon = lab.start(&["run"]);
    wait_until("the first is done", || lab.total("done") == 1);
    lab.script(vec![Fault::new(Call::List, Action::ReplyLate(5.0))]);
    lab.drop_file("a", 5_000, 1);
    wait_until("the table is asked again", || {
        lab.report().faults_pending.is_empty()
    });
    wanted.push(lab.drop_file("late", 5_000, 2));
    wait_until("it is there, and deleted here", || lab.total("done") == 2);
    lab.drop_file("late", 5_000, 2);
    wait_until("all are done", || lab.total("done") == 4);
    assert_eq!(daemon.terminate().code, Some(0));
    assert_eq!(lab.report().requests(Call::Put), 2);
    lab.expect(wanted);
}
