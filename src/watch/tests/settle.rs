//! The rules of settling as a table under a fake clock.
//!
//! `settle` is 10 s, `max_wait` 60 s. A step reads `time verb [version [signs]] > next`: at this second,
//! `look` sees a version after these signs and nothing comes of it, `settled` is a look that settles, `restless` one
//! that warns; `held` is the answer that a writer has the settled file open, `warned` the same with a warning,
//! `unsure` and `passed` the answer that nobody knows, which puts it off or does not, `free` that nobody has;
//! `lost` is a loss of signs; `fail` is a failed hand-over that is tried again 5 s later, `forget` a
//! completed one. After it, the next look is due at `next`, or never (`-`).

use super::*;

/// Version n of a file: the size alone differs, the modification time is always an old one. `b` is another file of
/// that size, `m` the same with an earlier modification time.
fn parse(text: &str) -> Fingerprint {
    let size = text.trim_end_matches(char::is_alphabetic).parse().unwrap();
    Fingerprint {
        ino: if text.ends_with('b') { 2 } else { 1 },
        mtime_ns: if text.ends_with('m') { -1 } else { 0 },
        ..version(size)
    }
}

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

#[test]
fn a_sign_that_a_file_is_finished_shortens_the_quiet_time_and_is_not_believed_twice() {
    for (case, steps) in [
        (
            "closed after writing",
            "0 look 1 written closed > 2.5, 2 look 1 > 2.5, 2.5 settled 1 > 2.5",
        ),
        (
            "the close comes later than the look",
            "0 look 1 written > 10, 1 look 1 closed > 2.5, 2.5 settled 1 > 2.5",
        ),
        (
            "renamed into place",
            "0 look 1 placed > 2.5, 2.5 settled 1 > 2.5",
        ),
        ("found by a scan", "0 look 1 > 10, 10 settled 1 > 10"),
        (
            "another sign says nothing",
            "0 look 1 other > 10, 10 settled 1 > 10",
        ),
        (
            "closed, then appended to, and closed again",
            "0 look 1 closed > 2.5, 1 look 2 written > 11, 2 look 3 written closed > 12, \
             11 look 3 > 12, 12 settled 3 > 12",
        ),
        (
            "a write after a close in one batch",
            "0 look 1 closed written > 10, 5 look 1 closed > 10, 10 settled 1 > 10",
        ),
        (
            "closed, and written to again before it was looked at",
            "0 look 1 closed written closed > 10, 10 settled 1 > 10",
        ),
        (
            "renamed into place and written on",
            "0 look 1 placed > 2.5, 2 look 1 written > 10, 2.5 look 2 > 12.5, 12.5 settled 2 > 12.5",
        ),
        (
            "changed without a sign after its close, as through shared memory",
            "0 look 1 closed > 2.5, 2.5 look 2 > 12.5, 3 look 2 closed > 12.5, 12.5 settled 2 > 12.5",
        ),
        (
            "replaced by another file that is renamed over it",
            "0 look 1 closed > 2.5, 1 look 1b placed > 3.5, 3.5 settled 1b > 3.5",
        ),
        (
            "what replaces a file is not blamed for it",
            "0 look 1 closed > 2.5, 1 look 2 written > 11, 2 look 2b placed > 4.5, 4.5 settled 2b > 4.5",
        ),
        (
            "a copy that sets the old time before its close",
            "0 look 1 written > 10, 5 look 2 written > 15, 6 look 2m closed > 8.5, 8.5 settled 2m > 8.5",
        ),
        (
            "a time that is set back after the close",
            "0 look 1 closed > 2.5, 1 look 1m > 11, 2.5 look 1m > 11, 11 settled 1m > 11",
        ),
        (
            "signs were lost after the close",
            "0 look 1 closed > 2.5, 1 lost > 10, 2.5 look 1 > 10, 10 settled 1 > 10",
        ),
        (
            "a close after the loss counts, but not for one that broke its word",
            "0 look 1 written > 10, 1 lost > 10, 2 look 2 closed > 4.5, 3 look 3 written > 13, \
             4 lost > 13, 5 look 4 closed > 15, 15 settled 4 > 15",
        ),
        (
            "slow writer whose pauses are shorter than the quiet time",
            "0 look 1 written > 10, 9 look 2 written > 19, 18 look 3 written > 28, \
             20 look 4 written closed > 22.5, 22.5 settled 4 > 22.5",
        ),
        (
            "forgotten with its past",
            "0 look 1 closed > 2.5, 1 look 2 written > 11, 2 forget > -, 3 look 1 closed > 5.5",
        ),
    ] {
        play(case, steps);
    }
}

#[test]
fn an_open_writer_is_a_brake_and_a_mere_suspicion_a_bounded_one() {
    for (case, steps) in [
        (
            "nobody has it open",
            "0 look 1 written > 10, 10 settled 1 > 10, 10 free > 10",
        ),
        (
            "pauses longer than the quiet time, and a close",
            "0 look 1 written > 10, 10 settled 1 > 10, 10 held > 20, 15 look 2 written > 25, \
             25 settled 2 > 25, 25 held > 35, 30 settled 2 closed > 17.5, 30 free > 17.5",
        ),
        (
            "without events the writer is asked for less and less often",
            "0 look 1 > 10, 10 settled 1 > 10, 10 held > 20, 20 settled 1 > 20, 20 held > 30, \
             80 settled 1 > 30, 80 warned > 100, 1000 settled 1 > 100, 1000 held > 1060, \
             1060 settled 1 > 1060, 1060 free > 1060",
        ),
        (
            "closed, and somebody else still has it open",
            "0 look 1 closed > 2.5, 2.5 settled 1 > 2.5, 2.5 held > 12.5, 12.5 settled 1 > 12.5, \
             12.5 free > 12.5",
        ),
        (
            "not known, and no sign",
            "0 look 1 > 10, 10 settled 1 > 10, 10 passed > 10",
        ),
        (
            "not known, and closed",
            "0 look 1 written closed > 2.5, 2.5 settled 1 > 2.5, 2.5 passed > 2.5",
        ),
        (
            "not known, written to and not closed: six times as long and no longer",
            "0 look 1 written > 10, 10 settled 1 > 10, 10 unsure > 60, 59 look 1 > 60, \
             60 settled 1 > 60, 60 passed > 60",
        ),
        (
            "the close comes after all",
            "0 look 1 written > 10, 10 settled 1 > 10, 10 unsure > 60, 20 settled 1 closed > 2.5, \
             20 passed > 2.5",
        ),
        (
            "truncated after its close",
            "0 look 5 closed > 2.5, 1 look 0 written > 11, 11 settled 0 > 11, 11 unsure > 61, \
             61 settled 0 > 61, 61 passed > 61",
        ),
        (
            "after a loss of signs there is no suspicion",
            "0 look 1 written > 10, 5 lost > 10, 10 settled 1 > 10, 10 passed > 10",
        ),
        (
            "after a loss a broken word is no suspicion either",
            "0 look 1 closed written > 10, 5 lost > 10, 10 settled 1 > 10, 10 passed > 10",
        ),
    ] {
        play(case, steps);
    }
}

#[test]
fn a_file_that_is_renamed_while_it_is_written_to_is_not_taken_for_finished() {
    let broken = Trust::Broken { writing: true };
    for (before, after) in [
        (Trust::Unknown, Trust::Placed),
        (Trust::Closed, Trust::Placed),
        (Trust::Placed, Trust::Placed),
        (Trust::Writing, Trust::Writing),
        (broken, broken),
    ] {
        assert_eq!(before.renamed(), after, "{before:?}");
    }
    // That it went may be noticed before it is told where to.
    let (mut settle, now, log) = (settle(), Instant::now(), Path::new("log"));
    settle.observe(log, version(1), Trust::Writing, now, now);
    assert_eq!(settle.trust_of_old_name(log), Trust::Writing);
    settle.forget(log);
    assert_eq!(settle.trust_of_old_name(log), Trust::Writing);
    assert_eq!(settle.trust(log), Trust::Unknown);
    assert_eq!(settle.trust_of_old_name(Path::new("other")), Trust::Unknown);
    settle.distrust();
    assert_eq!(settle.trust_of_old_name(log), Trust::Unknown);
}

#[test]
fn files_that_do_not_get_quiet_are_counted_and_one_is_named_until_they_do() {
    let mut settle = settle();
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    for (name, second) in [("b\n", 0), ("a", 0), ("c", 30)] {
        look(&mut settle, name, version(1), at(second));
    }
    assert_eq!(settle.restless(), None);
    let verdict = look(&mut settle, "b\n", version(2), at(70));
    assert_eq!(verdict, Verdict::Restless);
    let alone = settle.restless().unwrap();
    assert!(
        alone.starts_with("b%0A has not got quiet within max_wait"),
        "{alone}"
    );
    assert_eq!(
        settle.brake(Path::new("a"), Writer::Present, at(70)),
        Verdict::Restless
    );
    look(&mut settle, "c", version(2), at(70));
    let two = settle.restless().unwrap();
    assert!(
        two.starts_with("2 files have") && two.ends_with("one of them is a"),
        "{two}"
    );
    settle.forget(Path::new("a"));
    assert_eq!(settle.restless(), Some(alone));
    settle.clear();
    assert_eq!(settle.restless(), None);
}

fn look(settle: &mut Settle, path: &str, seen: Fingerprint, now: Instant) -> Verdict {
    settle.observe(Path::new(path), seen, Trust::Unknown, now, now)
}

fn sign(word: &str) -> Sign {
    match word {
        "closed" => Sign::Closed,
        "placed" => Sign::Placed,
        "written" => Sign::Written,
        "other" => Sign::Other,
        other => panic!("{other} is no sign"),
    }
}

fn play(case: &str, steps: &str) {
    let path = Path::new("file");
    let mut settle = settle();
    let start = Instant::now();
    let at = |seconds: &str| start + Duration::from_secs_f64(seconds.parse().unwrap());
    for step in steps.split(", ") {
        let (what, next) = step.split_once(" > ").unwrap();
        let mut words = what.split(' ');
        let now = at(words.next().unwrap());
        let verb = words.next().unwrap();
        let verdict = words.next().map(|text| {
            let trust = words.fold(settle.trust(path), |trust, word| trust.after(sign(word)));
            settle.observe(path, parse(text), trust, now, now)
        });
        let mut brake = |writer| Some(settle.brake(path, writer, now));
        let verdict = match verb {
            "held" | "warned" => brake(Writer::Present),
            "unsure" | "passed" => brake(Writer::Unknown),
            "free" => brake(Writer::Absent),
            _ => verdict,
        };
        match verb {
            "fail" => settle.postpone(path, now + Duration::from_secs(5)),
            "forget" => settle.forget(path),
            "lost" => settle.distrust(),
            _ => {}
        }
        let want = match verb {
            "look" | "held" | "unsure" => Some(Verdict::Settling),
            "settled" | "passed" | "free" => Some(Verdict::Settled),
            "restless" | "warned" => Some(Verdict::Restless),
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
    settle.observe(path, version(1), Trust::Unknown, at(0), at(7));
    assert_eq!(settle.next_due(), Some(at(17)));
    // Asked at 16, answered at 20: what it saw may have been the state at 16, 9 s after the first.
    let verdict = settle.observe(path, version(1), Trust::Unknown, at(16), at(20));
    assert_eq!(verdict, Verdict::Settling);
    let verdict = settle.observe(path, version(1), Trust::Unknown, at(17), at(20));
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
        look(&mut settle, "file", first, start);
        let verdict = look(&mut settle, "file", second, later);
        assert_eq!(verdict, Verdict::Settling, "{part}");
    }
}

#[test]
fn the_longest_due_come_first_and_no_more_than_asked_for() {
    let mut settle = settle();
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    for (second, name) in [(3, "c"), (1, "a"), (2, "b"), (9, "d")] {
        look(&mut settle, name, version(1), at(second));
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
        look(&mut settle, "log", version(n), now);
    }
    assert_eq!((settle.files.len(), settle.agenda.len()), (1, 1));
}

/// A program that opens, appends and closes all day looks finished after each time.
#[test]
fn a_file_that_went_early_and_changes_again_is_given_the_whole_quiet_time() {
    let mut settle = Settle::new(Duration::from_secs(10), Duration::from_hours(1));
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let path = Path::new("log");
    let closed = |settle: &Settle| settle.trust(path).after(Sign::Written).after(Sign::Closed);
    let trust = closed(&settle);
    settle.observe(path, version(1), trust, at(0), at(0));
    let trust = settle.trust(path);
    assert_eq!(
        settle.observe(path, version(1), trust, at(3), at(3)),
        Verdict::Settled
    );
    settle.handed_on(path);
    let trust = closed(&settle);
    settle.observe(path, version(2), trust, at(5), at(5));
    let trust = settle.trust(path);
    assert_eq!(
        settle.observe(path, version(2), trust, at(9), at(9)),
        Verdict::Settling
    );
    assert_eq!(
        settle.observe(path, version(2), trust, at(15), at(15)),
        Verdict::Settled
    );
    // one that is gone, and another one by its name
    settle.handed_on(path);
    settle.forget(path);
    assert_eq!(settle.trust(path), Trust::Unknown);
}
