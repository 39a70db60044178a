//! Imports that do not end. Nobody knows how long one may take, so they are given as long as anything else that gets
//! nowhere: `retry.park_after`. What has not ended by then may still do so, and is not sent again.

use std::time::Duration;

use super::unproven;
use crate::engine::{Recorded, Shared};
use crate::job::{Job, Moment};

/// After a start of the machine its time of day may be wrong for a while. Before that is over nothing is decided by it.
const SET_RIGHT_AFTER: Duration = Duration::from_hours(1);

/// Sets those apart that have been under way for too long. Returns how many there were.
pub(super) async fn give_up(shared: &Shared, table: &str, under_way: Vec<Job>) -> Recorded<usize> {
    if under_way.is_empty() {
        return Ok(0);
    }
    let (now, most) = (shared.moment(), shared.retry.park_after);
    let since = shared.journal.asked_since(table, now.clone()).await?;
    let mut given_up = 0;
    for job in under_way {
        let since = since.get(&job.id);
        if since.is_some_and(|since| is_over(since, &now, most)) {
            unproven::endless(shared, job, most).await?;
            given_up += 1;
        }
    }
    Ok(given_up)
}

/// Whether what was first asked about at that moment has taken too long.
fn is_over(since: &Moment, now: &Moment, most: Duration) -> bool {
    let awake = since.awake.as_ref().zip(now.awake.as_ref());
    if let Some(age) = awake.and_then(|(then, now)| then.age(now)) {
        return age > most;
    }
    let up = now.awake.as_ref();
    let up = up.is_none_or(|up| Duration::from_millis(up.millis) >= SET_RIGHT_AFTER);
    up && since.age(now) > most
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Awake;

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn an_import_is_given_up_when_it_was_under_way_for_too_long_whatever_the_clock_says() {
        let moment = |hour: i64, boot: Option<(&str, u64)>| Moment {
            at: jiff::Timestamp::from_second(3_600 * hour).unwrap(),
            awake: boot.map(|(boot, hours)| Awake {
                boot: boot.to_owned(),
                millis: 3_600_000 * hours,
            }),
        };
        let then = moment(1_000, Some(("a", 5)));
        for (what, now, want) in [
            ("a day", moment(1_024, Some(("a", 29))), false),
            ("and an hour", moment(1_025, Some(("a", 30))), true),
            ("set forward", moment(9_999, Some(("a", 6))), false),
            ("set back", moment(7, Some(("a", 30))), true),
            ("started again", moment(1_020, Some(("b", 2))), false),
            ("started again, a day", moment(1_025, Some(("b", 2))), true),
            (
                "just started, a wrong clock",
                moment(9_999, Some(("b", 0))),
                false,
            ),
            ("started again, set back", moment(7, Some(("b", 99))), false),
            ("no other clock", moment(1_025, None), true),
        ] {
            assert_eq!(is_over(&then, &now, DAY), want, "{what}");
        }
    }
}
