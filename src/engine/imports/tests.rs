//! What becomes of imports, step by step, against a Redivis that says what it is told to say.

mod scene;

use std::time::Duration;

use crate::job::{ParkReason, State, StateName};
use crate::redivis::Import;

use scene::{Scene, upload};

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
