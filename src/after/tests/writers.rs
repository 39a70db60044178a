//! Somebody still has the file open for writing: what is written into a file that is gone would never arrive.

use std::fs::OpenOptions;
use std::io::Write as _;

use super::*;

fn places() -> impl Iterator<Item = Place> {
    let all = [
        Some(Place::new(false)),
        Some(Place::new(true)),
        Place::across(true),
    ];
    all.into_iter().flatten()
}

fn waits(tried: &Result<Ended, String>) {
    assert!(
        matches!(tried, Err(why) if why.contains("open for writing")),
        "{tried:?}"
    );
}

#[test]
fn a_file_that_is_open_for_writing_is_not_touched_until_it_is_closed() {
    for place in places() {
        let writer = OpenOptions::new().append(true).open(place.source());
        waits(&place.perform());
        assert_eq!(seen(&place.source()), place.job.seen, "not even renamed");
        place.holds(&[("drop/run/a.csv", BYTES)]);
        drop(writer);
        place.acts();
        assert!(!place.source().exists());
    }
}

#[test]
fn who_opens_it_between_the_look_and_the_renaming_loses_nothing() {
    for place in places() {
        let run = folder(&place.drop.join("run"));
        let pinned = run.pin("a.csv".as_ref()).unwrap();
        let writer = OpenOptions::new().append(true).open(place.source());
        let mut writer = writer.unwrap();
        let tried = match place.intent.deed.clone() {
            Deed::Delete => {
                let aside = &place.intent.aside;
                delete(&run, "a.csv".as_ref(), aside, &pinned, &place.job.seen).map(drop)
            }
            Deed::Move(to) => {
                let root = Root::open(&place.drop).unwrap();
                place
                    .work(|work| carry(work, &root, run, &pinned, &to))
                    .map(drop)
            }
        };
        assert!(
            matches!(&tried, Err(why) if why.contains("open for writing")),
            "{tried:?}"
        );
        writer.write_all(b", and more").unwrap();
        let all = [BYTES, b", and more"].concat();
        let here = ("drop/run/a.csv".to_owned(), all);
        assert!(place.all().contains(&here), "{:?}", place.all());
    }
}

#[test]
fn an_interrupted_action_waits_for_the_writer_too() {
    for place in places() {
        let moved = matches!(place.intent.deed, Deed::Move(_));
        let device = |path: &Path| fs::metadata(path).unwrap().dev();
        let same = device(&place.drop) == device(&place.done);
        // it has its private name: in the new folder, or in its own where a copy was made
        let aside = if moved && same {
            fs::create_dir(place.done.join("run")).unwrap();
            place.done.join("run").join(&place.intent.aside)
        } else {
            place.aside()
        };
        if moved && !same {
            fs::create_dir(place.done.join("run")).unwrap();
            fs::copy(place.source(), place.target()).unwrap();
        }
        fs::rename(place.source(), &aside).unwrap();
        let writer = OpenOptions::new().append(true).open(&aside);
        let resumed = place.work(resume);
        assert!(
            matches!(&resumed, Err(why) if why.contains("open for writing")),
            "{resumed:?}"
        );
        assert!(aside.exists());
        drop(writer);
        assert!(matches!(place.again(), Ended::Acted(_)));
        assert!(!aside.exists() && place.target().exists() == moved);
    }
}
