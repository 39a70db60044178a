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
