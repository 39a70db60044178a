//! What becomes of imports, step by step, against a Redivis that says what it is told to say.

mod scene;

use std::time::Duration;

use crate::engine::compare::compare;
use crate::job::{Md5, ParkReason, RemoteId, State, StateName};
use crate::journal::{Before, Last};
use crate::redivis::{ApiError, Import, Upload};

use scene::{MD5, SIZE, Scene, upload};

/// Longer than a list may lag behind.
const TWO_HOURS: Duration = Duration::from_hours(2);

#[tokio::test(start_paused = true)]
async fn an_import_that_the_list_does_not_have_is_set_apart_and_not_sent_again_by_a_start() {
    let scene = Scene::new();
    scene.importing("a.csv", "/u/a_csv").await;
    scene.poll().await;
    assert_eq!(scene.job("a.csv").state.name(), StateName::Importing);
    scene.wait(TWO_HOURS).await;
    scene.poll().await;
    for _ in 0..2 {
        let job = scene.job("a.csv");
        assert_eq!(job.state, State::Parked(ParkReason::NotProven, None));
        let why = scene.why("a.csv");
        assert!(why.contains("/u/a_csv"), "{why}");
        assert!(why.contains("under another name"), "{why}");
        scene.start_again().await;
    }
    // in the list again for a while, it counts anew
    scene.importing("b.csv", "/u/b_csv").await;
    scene.poll().await;
    scene.lists(vec![upload("b.csv", "/u/b_csv", Import::UnderWay)]);
    scene.wait(TWO_HOURS).await;
    scene.poll().await;
    scene.lists(Vec::new());
    scene.poll().await;
    assert_eq!(scene.job("b.csv").state.name(), StateName::Importing);
}

#[tokio::test(start_paused = true)]
async fn an_import_that_does_not_end_is_set_apart_when_its_time_is_over_and_not_sent_again() {
    let scene = Scene::new();
    scene.importing("a.csv", "/u/a_csv").await;
    scene.importing("b.csv", "/u/b_csv").await;
    let running = |name, uri| upload(name, uri, Import::UnderWay);
    scene.lists(vec![
        running("a.csv", "/u/a_csv"),
        running("b.csv", "/u/b_csv"),
    ]);
    assert!(scene.poll().await, "something is left to ask about");
    scene.wait(scene.shared.retry.park_after).await;
    assert!(scene.poll().await);
    assert_eq!(scene.job("a.csv").state.name(), StateName::Importing);
    // in the last moment
    scene.lists(vec![
        running("a.csv", "/u/a_csv"),
        upload("b.csv", "/u/b_csv", Import::Completed),
    ]);
    scene.wait(Duration::from_secs(1)).await;
    assert!(!scene.poll().await, "nobody asks any more");
    assert_eq!(scene.job("b.csv").state.name(), StateName::Done);
    for _ in 0..2 {
        let job = scene.job("a.csv");
        assert_eq!(job.state, State::Parked(ParkReason::NotProven, None));
        let why = scene.why("a.csv");
        assert!(
            why.contains("as /u/a_csv") && why.contains("7days"),
            "{why}"
        );
        assert!(why.contains("it may still come to one"), "{why}");
        scene.start_again().await;
    }
}

/// What is found in the list for a request without an answer, at once and when that request cannot arrive any more.
#[tokio::test(start_paused = true)]
async fn what_may_be_ours_is_never_sent_again_and_what_failed_tells_why() {
    use StateName::{Importing, Parked, Registering, Uploaded};
    let done = |name| upload(name, "/u/1", Import::Completed);
    let without_size = |name| Upload {
        size: None,
        ..done(name)
    };
    let without_md5 = |name| Upload {
        md5: None,
        ..done(name)
    };
    let failed = |name| upload(name, "/u/1", Import::Failed("row 3".into()));
    let other = Some(Md5([2; 16]));
    for (what, listed, want) in [
        ("nothing", vec![], [Registering, Uploaded]),
        ("ours", vec![done("a.csv")], [Importing; 2]),
        ("ours, renamed", vec![done("a.csv-2")], [Importing; 2]),
        ("another name", vec![done("b.csv")], [Registering, Uploaded]),
        ("no md5", vec![without_md5("a.csv")], [Registering; 2]),
        ("no size", vec![without_size("a.csv")], [Registering; 2]),
        (
            "no size, renamed",
            vec![without_size("a.csv-2")],
            [Registering; 2],
        ),
        (
            "no size, another name",
            vec![without_size("b.csv")],
            [Registering, Uploaded],
        ),
        (
            "no size, another md5",
            vec![Upload {
                md5: other,
                ..without_size("a.csv")
            }],
            [Registering, Uploaded],
        ),
        (
            "no md5, another size",
            vec![Upload {
                size: Some(1),
                ..without_md5("a.csv")
            }],
            [Registering, Uploaded],
        ),
        ("failed", vec![failed("a.csv")], [Registering, Parked]),
        (
            "failed, renamed",
            vec![failed("a.csv-2")],
            [Registering, Parked],
        ),
        (
            "failed, another md5",
            vec![Upload {
                md5: other,
                ..failed("a.csv")
            }],
            [Registering, Uploaded],
        ),
        (
            "failed before, and ours",
            vec![failed("a.csv"), upload("a.csv-2", "/u/2", Import::UnderWay)],
            [Importing; 2],
        ),
    ] {
        let scene = Scene::new();
        scene.unanswered("a.csv").await;
        scene.lists(listed);
        for want in want {
            scene.look_up().await;
            assert_eq!(scene.job("a.csv").state.name(), want, "{what}");
            scene.wait(Duration::from_mins(3)).await;
        }
        if want[1] == Parked {
            let job = scene.job("a.csv");
            assert_eq!(job.state, State::Parked(ParkReason::ImportFailed, None));
            assert_eq!(scene.why("a.csv"), "row 3");
        }
    }
}

/// A person mended how the file is to be read; the request after that got no answer.
#[tokio::test(start_paused = true)]
async fn an_upload_that_failed_before_says_nothing_of_a_later_request() {
    let scene = Scene::new();
    scene.importing("a.csv", "/u/1").await;
    let failed = upload("a.csv", "/u/1", Import::Failed("row 3".into()));
    scene.lists(vec![failed]);
    scene.poll().await;
    assert_eq!(scene.job("a.csv").state.name(), StateName::Parked);
    scene.start_again().await;
    scene.unanswered_again().await;
    for want in [StateName::Registering, StateName::Uploaded] {
        scene.look_up().await;
        assert_eq!(scene.job("a.csv").state.name(), want);
        scene.wait(Duration::from_mins(3)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_redivis_says_is_taken_goes_by_the_policy_unless_it_is_ours() {
    let refusal = || {
        Err(ApiError::Refused {
            status: 409,
            code: None,
            text: "an upload of this name already exists".into(),
        })
    };
    let other = |name: &str, import| Upload {
        size: Some(9),
        ..upload(name, "/u/1", import)
    };
    let untold = Upload {
        md5: None,
        ..upload("a.csv", "/u/1", Import::Completed)
    };
    let failed = || Import::Failed("row 3".into());
    let (skipped, conflict) = (ParkReason::Skipped, ParkReason::Conflict);
    let new_version = "on_conflict = 'new_version'";
    for (policy, listed, want) in [
        (new_version, other("a.csv", Import::Completed), Ok(conflict)),
        (new_version, other("a_csv", Import::UnderWay), Ok(conflict)),
        (new_version, other("a.csv", failed()), Ok(conflict)),
        (
            new_version,
            upload("a.csv", "/u/1", Import::UnderWay),
            Err(StateName::Importing),
        ),
        (
            new_version,
            upload("a.csv-2", "/u/1", Import::Completed),
            Err(StateName::Importing),
        ),
        (new_version, untold, Err(StateName::Registering)),
        (
            new_version,
            other("b.csv", Import::Completed),
            Err(StateName::Registering),
        ),
        // of the failed ones the policy does not know before
        (
            "on_conflict = 'skip'",
            other("a.csv", failed()),
            Ok(skipped),
        ),
        (
            "on_conflict = 'fail'",
            other("a.csv", failed()),
            Ok(conflict),
        ),
    ] {
        let scene = Scene::with(policy);
        scene.lists(vec![listed.clone()]);
        scene.register("a.csv", refusal()).await;
        let got = match scene.job("a.csv").state {
            State::Parked(reason, _) => Ok(reason),
            other => Err(other.name()),
        };
        assert_eq!(got, want, "{policy}: {listed:?}");
        if got.is_ok() {
            let why = scene.why("a.csv");
            assert!(why.contains("the local file was kept"), "{why}");
            // it is certainly not there, so a start looks up nothing, and it goes where its watch goes by then
            scene.start_again().await;
            let state = scene.job("a.csv").state.name();
            assert_eq!(state, StateName::Queued, "{policy}: {listed:?}");
        }
    }
}

/// The share is away for a moment, or there are no descriptors left. What is sent then may be there already.
#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_read_is_not_taken_for_another_than_was_taken_in() {
    let before = Before {
        remote: RemoteId::new("/u/1"),
        size: SIZE,
        md5: Some(MD5),
    };
    let other = Before {
        size: SIZE + 1,
        ..before.clone()
    };
    let skips = "on_conflict = 'skip'";
    for (policy, last, is_sent) in [
        ("", Last::Unproven(before.clone()), false),
        // that needs no reading
        ("", Last::Unproven(other.clone()), true),
        ("", Last::InTable(before.clone()), false),
        ("", Last::InTable(other), true),
        (skips, Last::InTable(before), false),
    ] {
        let scene = Scene::with(policy);
        scene.unmount();
        let job = scene.queued("a.csv", 1).await;
        let compared = compare(scene.shared.clone(), vec![(job, last.clone())]);
        let outcome = compared.await.unwrap();
        assert_eq!(outcome.again.len(), usize::from(is_sent), "{last:?}");
        let job = scene.job("a.csv");
        assert_eq!(job.state, State::Queued);
        assert_eq!(job.attempts, u32::from(!is_sent));
    }
}
