//! Upload sessions that end before the upload is complete, each time in the same way.

use redivis_drop::sandbox::{Action, Answer, Call, Fault};

use crate::lab::{Lab, MIB, Plan};
use crate::process::{each, wait_until};

/// What goes wrong, for three sessions; how many temporary uploads these take; and what people are told.
type Case = (Vec<Fault>, u64, &'static str);

/// The first chunk goes well in every session, which is progress: no failure lasts for `retry.park_after`.
#[test]
fn a_file_whose_sessions_all_end_alike_is_parked_after_three_and_goes_when_a_person_says_so() {
    let second = |action| Fault::new(Call::Chunk, action).from_offset(MIB as u64);
    let last = |action| Fault::new(Call::Chunk, action).from_offset(3 * MIB as u64);
    let query = |action| Fault::new(Call::Query, action);
    let range = |range: &str| Action::WrongRange(Some(range.to_owned()));
    let denied = || Action::Answer(Answer::status(403));
    let all = || range("bytes=0-3500000");
    let cases: Vec<Case> = vec![
        (
            // each session is asked at once, and nine times more
            vec![last(all()).times(3), query(all()).times(30)],
            1,
            "has not made the object",
        ),
        (
            vec![second(range("bytes=0-3300000")).times(3)],
            1,
            "bytes that were never sent",
        ),
        (
            vec![second(denied()).times(3), query(denied()).times(3)],
            3,
            "redivis.send_token_to",
        ),
    ];
    each(cases, end_alike);
}

fn end_alike((faults, temp_uploads, told): Case) {
    let lab = Lab::with(&Plan {
        transfer: "resumable_above = \"1 MB\"\nchunk_size = \"1 MiB\"",
        ..Plan::default()
    });
    lab.script(faults);
    let wanted = lab.drop_file("large", 3_500_001, 1);
    let daemon = lab.start(&["run"]);
    wait_until("it is parked", || lab.total("parked") == 1);
    assert_eq!(daemon.terminate().code, Some(0));
    lab.expect_faults_done();
    let job = lab.job("large");
    assert_eq!(
        (&job["state"], &job["reason"]),
        (&"parked".into(), &"sessions-lost".into()),
        "{told}"
    );
    let why = job["error"].as_str().unwrap();
    assert!(
        why.contains("3 upload sessions") && why.contains(told),
        "{told}: {why}"
    );
    let report = lab.report();
    assert_eq!(report.requests(Call::Start), 3, "{told}");
    assert_eq!(report.requests(Call::TempUploads), temp_uploads, "{told}");
    lab.expect(vec![]);
    // a start is a person's word: it is counted anew
    lab.carry_all();
    lab.expect(vec![wanted]);
}
