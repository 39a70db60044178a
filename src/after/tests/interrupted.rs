//! What was begun and not ended, by a crash, a stop, or somebody else in between.

use super::*;

#[test]
fn an_interrupted_deletion_is_ended_or_put_back() {
    // its private name, and no more
    let place = Place::new(false);
    fs::rename(place.source(), place.aside()).unwrap();
    assert!(matches!(place.again(), Ended::Acted(_)));
    place.holds(&[]);
    // a new file has come under the old name
    let place = Place::new(false);
    fs::rename(place.source(), place.aside()).unwrap();
    fs::write(place.source(), b"new").unwrap();
    assert!(matches!(place.again(), Ended::Acted(_)));
    place.holds(&[("drop/run/a.csv", b"new")]);
    // what was renamed was another file, or was written to
    let place = Place::new(false);
    fs::remove_file(place.source()).unwrap();
    fs::write(place.aside(), b"another").unwrap();
    fs::write(place.source(), b"new").unwrap();
    assert!(matches!(place.again(), Ended::Left(_)));
    place.holds(&[("drop/run/a-1.csv", b"another"), ("drop/run/a.csv", b"new")]);
    // a file system without the condition: both names
    let place = Place::new(false);
    fs::hard_link(place.source(), place.aside()).unwrap();
    assert!(matches!(place.again(), Ended::Acted(_)));
    place.holds(&[]);
    // nothing had been done
    let place = Place::new(false);
    assert!(matches!(place.again(), Ended::Acted(_)));
    place.holds(&[]);
}

#[test]
fn an_interrupted_move_ends_with_one_copy() {
    let aside_there = |place: &Place| place.done.join("run").join(&place.intent.aside);
    let begun = |place: &Place| fs::create_dir(place.done.join("run")).unwrap();
    // renamed, and not named
    let place = Place::new(true);
    begun(&place);
    fs::rename(place.source(), aside_there(&place)).unwrap();
    assert!(matches!(place.again(), Ended::Acted(_)));
    place.holds(&[("done/run/a.csv", BYTES)]);
    // and the same again, when all was done
    assert!(matches!(place.again(), Ended::Acted(_)));
    place.holds(&[("done/run/a.csv", BYTES)]);
    // renamed, and it was another file
    let place = Place::new(true);
    begun(&place);
    fs::remove_file(place.source()).unwrap();
    fs::write(aside_there(&place), b"another").unwrap();
    assert!(matches!(place.again(), Ended::Left(_)));
    place.holds(&[("drop/run/a.csv", b"another")]);
    // both names, where renaming takes two steps
    let place = Place::new(true);
    begun(&place);
    fs::hard_link(place.source(), aside_there(&place)).unwrap();
    assert!(matches!(place.again(), Ended::Acted(_)));
    place.holds(&[("done/run/a.csv", BYTES)]);

    let Some(place) = Place::across(true) else {
        return;
    };
    // half a copy
    begun(&place);
    fs::write(part(aside_there(&place).as_os_str()), &BYTES[..5]).unwrap();
    assert!(matches!(place.again(), Ended::Acted(_)));
    place.holds(&[("done/run/a.csv", BYTES)]);
    // a whole one with its name, the source untouched or under its private name
    for aside in [false, true] {
        let Some(place) = Place::across(true) else {
            return;
        };
        begun(&place);
        fs::write(place.target(), BYTES).unwrap();
        if aside {
            fs::rename(place.source(), place.aside()).unwrap();
        }
        assert!(matches!(place.again(), Ended::Acted(_)));
        place.holds(&[("done/run/a.csv", BYTES)]);
    }
    // the copy was taken away meanwhile: the source is the only one left
    let Some(place) = Place::across(true) else {
        return;
    };
    begun(&place);
    fs::rename(place.source(), place.aside()).unwrap();
    assert!(matches!(place.again(), Ended::Left(_)));
    place.holds(&[("drop/run/a.csv", BYTES)]);
}

#[test]
fn a_stop_leaves_a_copy_to_the_next_start() {
    let Some(place) = Place::across(true) else {
        return;
    };
    let (stop, mut touched) = (CancellationToken::new(), Vec::new());
    stop.cancel();
    let ended = perform(&mut Work {
        job: &place.job,
        intent: &place.intent,
        stop: &stop,
        touched: &mut touched,
    });
    assert_eq!(ended, Ok(Ended::Stopped));
    place.holds(&[("drop/run/a.csv", BYTES)]);
    assert!(matches!(place.again(), Ended::Acted(_)));
    place.holds(&[("done/run/a.csv", BYTES)]);
}

#[test]
fn what_comes_between_the_look_and_the_renaming_gets_its_name_back() {
    for swapped in [true, false] {
        let place = Place::new(false);
        let run = folder(&place.drop.join("run"));
        let pinned = run.pin("a.csv".as_ref()).unwrap();
        if swapped {
            // of the same size and time
            let time = fs::metadata(place.source()).unwrap().modified().unwrap();
            let new = fs::File::create(place.drop.join("new")).unwrap();
            fs::write(place.drop.join("new"), BYTES).unwrap();
            new.set_modified(time).unwrap();
            fs::rename(place.drop.join("new"), place.source()).unwrap();
        } else {
            fs::write(place.source(), b"what another program wrote in").unwrap();
        }
        let before = fs::read(place.source()).unwrap();
        let aside = &place.intent.aside;
        let deleted = delete(&run, "a.csv".as_ref(), aside, &pinned, &place.job.seen);
        assert!(matches!(deleted, Ok(Deleted::Changed)));
        place.holds(&[("drop/run/a.csv", &before)]);
    }
}

#[test]
fn a_file_whose_target_is_gone_for_good_was_not_begun() {
    let place = Place::new(true);
    fs::remove_dir(&place.done).unwrap();
    assert!(matches!(place.work(resume), Ok(Resumed::Untouched)));
    fs::rename(place.source(), place.drop.join("elsewhere")).unwrap();
    assert!(place.work(resume).is_err());
}

#[test]
fn of_a_file_with_two_names_one_is_taken_away() {
    for moves in [false, true] {
        let place = Place::new(moves);
        let other = place.drop.join("run/b.csv");
        fs::hard_link(place.source(), &other).unwrap();
        let place = Place {
            job: job(&place.drop, "run/a.csv", BYTES),
            ..place
        };
        place.acts();
        assert_eq!(fs::read(other).unwrap(), BYTES);
        assert!(!place.source().exists());
    }
}
