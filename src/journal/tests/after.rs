//! Files in their table with something left to do here.

use super::*;
use crate::job::{AfterIntent, Deed, Proven};

fn intent(aside: &str) -> AfterIntent {
    AfterIntent {
        deed: Deed::Move("/done".into()),
        root: "/drop".into(),
        aside: aside.into(),
    }
}

fn proven(bench: &Bench) -> Vec<Proven> {
    block(bench.journal().registered(&watch(), 10, now())).unwrap()
}

#[test]
fn what_is_in_its_table_waits_with_its_intent_until_that_is_concluded() {
    let mut bench = Bench::new();
    bench.enqueue(&[("a", 1), ("b", 2)]);
    for mut job in claim(&bench.journal(), Queue::Queued) {
        let mut news = bench.journal().news_of_registered();
        for state in ways()[0][..7].iter().cloned() {
            let from = std::mem::replace(&mut job.state, state).name();
            record(&bench.journal(), from, job.clone(), Hold::Keep).unwrap();
        }
        let entry = Entry {
            from: StateName::Registered,
            hold: Hold::Until(now()),
            error: None,
            note: String::new(),
            job,
        };
        block(bench.journal().record_all(vec![entry], now())).unwrap();
        assert!(news.has_changed().unwrap());
        news.mark_unchanged();
    }
    for queue in Queue::OF_THE_ENGINE {
        assert_eq!(claim(&bench.journal(), queue), [], "nothing for the engine");
    }
    let jobs: Vec<_> = proven(&bench)
        .into_iter()
        .map(|proven| proven.job)
        .collect();
    assert_eq!(jobs.len(), 2);
    for aside in ["first", "second"] {
        let intents = jobs.iter().map(|job| (job.id, intent(aside))).collect();
        block(bench.journal().intend_after(intents, now())).unwrap();
    }
    bench.reopen();
    let again = proven(&bench);
    assert!(
        again
            .iter()
            .all(|proven| proven.intent == Some(intent("second")))
    );
    let watches = block(bench.journal().watches_with_registered()).unwrap();
    assert_eq!(watches, [watch()].into());

    let later = now() + SignedDuration::from_secs(60);
    let concluded = vec![
        (jobs[0].clone(), Concluded::Done("moved".into())),
        (jobs[1].clone(), Concluded::Later(later, "no room".into())),
    ];
    block(bench.journal().conclude_after(concluded, now())).unwrap();
    assert_eq!(proven(&bench), [], "one is done, one waits");
    let due = block(bench.journal().next_due(Queue::Registered, &watch())).unwrap();
    assert_eq!(due, Some(later));
    let left = block(bench.journal().registered(&watch(), 10, later)).unwrap();
    assert_eq!(left[0].job.attempts, 1);
    let reader = Reader::open(&bench.path).unwrap();
    let notes = |id| reader.history(id).unwrap().pop().unwrap().note.unwrap();
    assert_eq!(notes(jobs[0].id), "moved");
    assert_eq!(notes(jobs[1].id), "no room");
    assert_eq!(reader.last_error().unwrap().as_deref(), Some("no room"));
}
