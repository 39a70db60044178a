//! Names by a template, and two files that would share one.

use std::fs::{self, File, FileTimes};
use std::time::{Duration, SystemTime};

use redivis_drop::sandbox::Call;

use crate::lab::{Lab, Plan, TABLE, holding, write_noise};

const BY_FILE_NAME: Plan = Plan {
    transfer: "",
    watch: "remote_name = \"{file_name}\"",
    speed: None,
    lenient: false,
    rate_limit: None,
};

#[test]
fn names_are_made_as_the_template_says() {
    let lab = Lab::with(&Plan {
        watch: "remote_name = \"{watch}/{date}/{host}/{ext}/{stem} of {file_name}\"",
        ..Plan::default()
    });
    let host = rustix::system::uname();
    let host = host.nodename().to_str().unwrap();
    let mut wanted = Vec::new();
    for (path, rest) in [
        (&b"run 7/a.b.csv"[..], "csv/a.b of a.b.csv"),
        (b"README", "README of README"),
        (b"latin\xe9.txt", "txt/latin%E9 of latin%E9.txt"),
    ] {
        let path = lab.path(path);
        write_noise(&path, 4_000, 1);
        let leap_day = SystemTime::UNIX_EPOCH + Duration::from_secs(1_709_251_199);
        let times = FileTimes::new().set_modified(leap_day);
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_times(times)
            .unwrap();
        wanted.push(holding(
            &format!("sequencer/2024-02-29/{host}/{rest}"),
            &path,
        ));
    }
    lab.carry_all();
    lab.expect(wanted);
}

#[test]
fn two_files_of_one_name_never_both_go_and_the_reason_names_both() {
    let lab = Lab::with(&BY_FILE_NAME);
    lab.drop_file("run 2/x", 5_000, 2);
    lab.drop_file("run 1/x", 4_000, 1);
    let first = holding("x", &lab.path("run 1/x"));
    for _ in 0..2 {
        // a start tries again, and nothing slips through
        let ended = lab.run_once();
        assert_eq!(ended.code, Some(3), "{}", ended.said);
        lab.expect(vec![first.clone()]);
        let mut jobs = lab.jobs();
        jobs.retain(|job| job["path"] == "run 2/x");
        assert_eq!(jobs.len(), 1);
        assert_eq!(jobs[0]["state"], "parked");
        assert_eq!(jobs[0]["reason"], "name-collision");
        let why = jobs[0]["error"].as_str().unwrap();
        assert!(why.contains("run 1/x") && why.contains("run 2/x"), "{why}");
    }
    assert_eq!(lab.report().requests(Call::Put), 1);

    // told apart by another template, it goes by its new name
    lab.configure(&Plan::default(), &lab.endpoint());
    lab.carry_all();
    let second = holding("run 2/x", &lab.path("run 2/x"));
    lab.expect(vec![first, second]);
}

#[test]
fn two_watches_of_one_table_do_not_share_a_name_either() {
    let lab = Lab::new();
    let folder = lab.elsewhere("other");
    fs::create_dir(&folder).unwrap();
    let config = fs::read_to_string(&lab.config).unwrap();
    let folder_text = folder.display();
    let other = format!(
        "{config}[[watch]]\nname = \"other\"\npath = \"{folder_text}\"\ntable = \"{TABLE}\"\nsettle = \"100ms\"\n"
    );
    fs::write(&lab.config, &other).unwrap();
    let first = lab.drop_file("x", 4_000, 1);
    lab.carry_all();
    write_noise(&folder.join("x"), 5_000, 2);
    assert_eq!(lab.run_once().code, Some(3));
    lab.expect(vec![first.clone()]);

    let with_watch = "settle = \"100ms\"\nremote_name = \"{watch}/{relative_path}\"\n";
    fs::write(
        &lab.config,
        format!(
            "{}{with_watch}",
            other.trim_end_matches("settle = \"100ms\"\n")
        ),
    )
    .unwrap();
    lab.carry_all();
    lab.expect(vec![first, holding("other/x", &folder.join("x"))]);
}

#[test]
fn a_file_that_is_moved_and_keeps_its_name_is_not_sent_again() {
    let lab = Lab::with(&BY_FILE_NAME);
    let wanted = vec![lab.drop_file("x", 5_000, 1)];
    lab.carry_all();
    let before = lab.report();
    fs::rename(lab.path("x"), lab.path("seen/x")).unwrap();
    lab.carry_all();
    assert_eq!(lab.total("done"), 2);
    assert_eq!(lab.report(), before, "nothing was asked of the server");
    lab.expect(wanted);
}
