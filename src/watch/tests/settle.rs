//! The rules of settling as a table under a fake clock.
//!
//! `settle` is 10 s, `max_wait` 60 s. A step reads `time verb [version] > next`: at this second,
//! `look` sees a version and nothing comes of it, `settled` is a look that settles, `restless` one that warns;
//! `fail` is a failed hand-over that is tried again 5 s later, `forget` a completed one.
//! After it, the next look is due at `next`, or never (`-`).

use super::*;

/// Version n of a file: the size alone differs, the modification time is always an old one.
fn version(n: u64) -> Fingerprint {
    Fingerprint {
        dev: 1,
        ino: 1,
        size: n,
        mtime_ns: 0,
        ctime_ns: 0,
    }
}

fn settle() -> Settle {
    Settle::new(Duration::from_secs(10), Duration::from_mins(1))
}

#[test]
fn a_file_is_settled_by_two_equal_looks_a_quiet_time_apart() {
    for (case, steps) in [
        (
            "one look is never enough, however old the file",
            "0 look 1 > 10",
        ),
        (
            "two equal looks, settle apart",
            "0 look 1 > 10, 10 settled 1 > 10, 10 forget > -",
        ),
        (
            "looks in between neither shorten nor lengthen the quiet time",
            "0 look 1 > 10, 4 look 1 > 10, 9 look 1 > 10, 10 settled 1 > 10",
        ),
        (
            "every change starts anew",
            "0 look 1 > 10, 8 look 2 > 18, 16 look 3 > 26, 25 look 3 > 26, 26 settled 3 > 26",
        ),
        (
            "a change that is only seen at the due look starts anew",
            "0 look 1 > 10, 10 look 2 > 20, 20 settled 2 > 20",
        ),
        (
            "back to an earlier version is a change",
            "0 look 1 > 10, 6 look 2 > 16, 9 look 1 > 19, 18 look 1 > 19, 19 settled 1 > 19",
        ),
        ("a late look settles", "0 look 1 > 10, 500 settled 1 > 10"),
        (
            "never quiet: one warning, no settling",
            "0 look 1 > 10, 9 look 2 > 19, 59 look 3 > 69, 60 restless 4 > 70, 69 look 5 > 79, \
             300 look 6 > 310, 310 settled 6 > 310",
        ),
        (
            "settling after max_wait needs no warning",
            "0 look 1 > 10, 70 settled 1 > 10",
        ),
        (
            "what could not be handed on is tried again and not lost",
            "0 look 1 > 10, 10 settled 1 > 10, 10 fail > 15, 12 look 1 > 15, 15 settled 1 > 15, \
             15 forget > -",
        ),
        (
            "a change after a failed hand-over starts anew",
            "0 look 1 > 10, 10 settled 1 > 10, 10 fail > 15, 12 look 2 > 22, 22 settled 2 > 22",
        ),
        (
            "what was forgotten comes back as new",
            "0 look 1 > 10, 10 settled 1 > 10, 10 forget > -, 11 look 1 > 21, 20 look 1 > 21",
        ),
    ] {
        play(case, steps);
    }
}

fn play(case: &str, steps: &str) {
    let path = Path::new("file");
    let mut settle = settle();
    let start = Instant::now();
    let at = |seconds: &str| start + Duration::from_secs(seconds.parse().unwrap());
    for step in steps.split(", ") {
        let (what, next) = step.split_once(" > ").unwrap();
        let mut words = what.split(' ');
        let now = at(words.next().unwrap());
        let verb = words.next().unwrap();
        let verdict = words.next().map(|n| {
            let version = version(n.parse().unwrap());
            settle.observe(path, version, now, now)
        });
        match verb {
            "fail" => settle.postpone(path, now + Duration::from_secs(5)),
            "forget" => settle.forget(path),
            _ => {}
        }
        let want = match verb {
            "look" => Some(Verdict::Settling),
            "settled" => Some(Verdict::Settled),
            "restless" => Some(Verdict::Restless),
            _ => None,
        };
        assert_eq!(verdict, want, "{case}: {step}");
        let next = (next != "-").then(|| at(next));
        assert_eq!(settle.next_due(), next, "{case}: {step}");
        assert_eq!(settle.len(), usize::from(next.is_some()), "{case}: {step}");
        assert_eq!(settle.agenda.len(), settle.files.len(), "{case}: {step}");
    }
}

#[test]
fn a_slow_look_counts_against_the_quiet_time() {
    let mut settle = settle();
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let path = Path::new("on a slow share");
    settle.observe(path, version(1), at(0), at(7));
    assert_eq!(settle.next_due(), Some(at(17)));
    // Asked at 16, answered at 20: what it saw may have been the state at 16, 9 s after the first.
    let verdict = settle.observe(path, version(1), at(16), at(20));
    assert_eq!(verdict, Verdict::Settling);
    let verdict = settle.observe(path, version(1), at(17), at(20));
    assert_eq!(verdict, Verdict::Settled);
}

#[test]
fn every_part_of_the_version_counts() {
    let first = version(1);
    for (part, second) in [
        ("dev", Fingerprint { dev: 2, ..first }),
        ("inode", Fingerprint { ino: 2, ..first }),
        ("size", Fingerprint { size: 2, ..first }),
        (
            "mtime",
            Fingerprint {
                mtime_ns: 2,
                ..first
            },
        ),
        (
            "ctime",
            Fingerprint {
                ctime_ns: 2,
                ..first
            },
        ),
    ] {
        let mut settle = settle();
        let start = Instant::now();
        let later = start + Duration::from_secs(10);
        settle.observe(Path::new("file"), first, start, start);
        let verdict = settle.observe(Path::new("file"), second, later, later);
        assert_eq!(verdict, Verdict::Settling, "{part}");
    }
}

#[test]
fn the_longest_due_come_first_and_no_more_than_asked_for() {
    let mut settle = settle();
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    for (second, name) in [(3, "c"), (1, "a"), (2, "b"), (9, "d")] {
        settle.observe(Path::new(name), version(1), at(second), at(second));
    }
    let due = |now, limit| {
        let paths = settle.due(at(now), limit);
        paths
            .iter()
            .map(|p| p.display().to_string())
            .collect::<String>()
    };
    assert_eq!(due(10, 9), "");
    assert_eq!(due(11, 9), "a");
    assert_eq!(due(13, 9), "abc");
    assert_eq!(due(99, 2), "ab");
    assert_eq!(due(99, 9), "abcd");
    settle.clear();
    assert_eq!((settle.len(), settle.next_due()), (0, None));
}

#[test]
fn many_changes_of_one_file_take_one_entry() {
    let mut settle = settle();
    let start = Instant::now();
    for n in 0..100_000 {
        let now = start + Duration::from_millis(n);
        settle.observe(Path::new("log"), version(n), now, now);
    }
    assert_eq!((settle.files.len(), settle.agenda.len()), (1, 1));
}
