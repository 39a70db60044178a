//! A week without a server. Files wait, more of them arrive, and each host is asked no more than
//! once in a back-off cap. When the server is back, everything is there within a quarter of an hour, and
//! nothing needed a person.

use std::time::Duration;

use super::chance::Chance;
use super::faults::{Fate, Outage, Weather};
use super::judge;
use super::life::{Course, Ending, Machine};
use super::seeds;
use super::world::Host;
use crate::job::State;
use crate::journal::{Journal, JournalError};

const WEEK: Duration = Duration::from_hours(7 * 24);
/// The delays double up to the cap, and each attempt may take two minutes to fail.
const CLIMB: Duration = Duration::from_mins(45);
/// A cap, twice the time after which a listing proves that something is missing, and the work itself.
const SOON: Duration = Duration::from_mins(15);

/// What there is of the course that [`Machine::live`] runs.
pub(super) async fn course(
    machine: &mut Machine,
    journal: &Journal,
    outage: Outage,
) -> Result<Ending, JournalError> {
    drop_some(machine, journal).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let begin = tokio::time::Instant::now();
    {
        let mut world = machine.world.now();
        let until = world.true_ms() + ms(WEEK);
        world.weather.outage = Some((until, outage));
        world.tell(format_args!("a week without {outage:?}"));
    }
    for quarter in 1..=4 {
        drop_some(machine, journal).await?;
        tokio::time::sleep_until(begin + quarter * WEEK / 4).await;
    }
    tokio::time::sleep(SOON).await;
    Ok(Ending::Stopped)
}

async fn drop_some(machine: &mut Machine, journal: &Journal) -> Result<(), JournalError> {
    for _ in 0..6 {
        machine.users.act();
    }
    machine.users.finish_all();
    machine.users.scan(journal.clone()).await.map(drop)
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap()
}

/// The times of the requests to this host between two moments.
fn requests(machine: &Machine, host: Host, from: i64, to: i64) -> Vec<i64> {
    let world = machine.world.now();
    let all = world.requests.iter();
    let there = all.filter(|(of, at)| *of == host && (from..to).contains(at));
    there.map(|(_, at)| *at).collect()
}

fn a_week_without(seed: u64, api: Option<Fate>, uploads: Option<Fate>) {
    let folder = seeds::folder();
    let mut machine = seeds::machine(&mut Chance::new(seed), folder.path());
    machine.world.now().weather = Weather::fine();
    let outage = Outage { api, uploads };
    let begin = machine.world.now().true_ms();
    let ending = machine.live(Course::Week(outage));
    let story = |what: &str| {
        let world = machine.world.now();
        format!(
            "seed {seed}, {outage:?}: {what}\n{}",
            world.trace.join("\n")
        )
    };
    assert_eq!(ending, Ending::Stopped, "{}", story("it did not live"));

    let cap = ms(machine.config.retry.max);
    for (host, down) in [(Host::Api, api), (Host::Uploads, uploads)] {
        if down.is_none() {
            continue;
        }
        let times = requests(&machine, host, begin + ms(CLIMB), begin + ms(WEEK));
        let most = usize::try_from(ms(WEEK) / cap).unwrap();
        assert!(times.len() <= most, "{host:?}: {} of {most}", times.len());
        let too_soon = times.windows(2).find(|pair| pair[1] - pair[0] < cap);
        assert!(
            too_soon.is_none(),
            "{}",
            story(&format!("{host:?} {too_soon:?}"))
        );
        println!(
            "{outage:?}: {host:?} was asked {} times, at most {most}",
            times.len()
        );
    }
    let jobs = judge::jobs(&machine.journal);
    let open = |state: &State| !state.name().is_final() || matches!(state, State::Parked(..));
    let late: Vec<_> = jobs.iter().filter(|row| open(&row.job.state)).collect();
    assert!(late.is_empty(), "{}", story(&format!("{late:#?}")));
    judge::judge(
        &mut machine.world.now(),
        &machine.users,
        &machine.journal,
        &jobs,
    );
    let violations = machine.world.now().violations.clone();
    assert!(
        violations.is_empty(),
        "{}",
        story(&format!("{violations:#?}"))
    );
}

const SILENT: Fate = Fate::Silence {
    carried_out_after: None,
};
const BUSY: Fate = Fate::Status {
    status: 503,
    pause: None,
    carried_out: false,
};

#[test]
fn after_a_week_without_a_connection_everything_arrives() {
    a_week_without(1, Some(Fate::NotReached), Some(Fate::NotReached));
}

#[test]
fn after_a_week_of_silence_everything_arrives() {
    a_week_without(2, Some(SILENT), Some(SILENT));
}

#[test]
fn after_a_week_of_busy_servers_everything_arrives() {
    a_week_without(3, Some(BUSY), Some(BUSY));
}

#[test]
fn after_a_week_without_one_of_the_servers_everything_arrives() {
    a_week_without(4, None, Some(SILENT));
    a_week_without(5, Some(SILENT), None);
}
