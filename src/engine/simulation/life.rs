//! The lives of one engine: opened, run, disturbed, stopped or killed, and at last left in peace.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::far::Far;
use super::faults::Outage;
use super::user::Users;
use super::world::{Inside, Step, World};
use crate::config::Config;
use crate::engine::surroundings::{Reading, Surroundings};
use crate::engine::{Credential, Engine};
use crate::job::Naming;
use crate::journal::{Configured, Journal, JournalError, Reader, Writer};
use crate::redivis::Bearer;

/// After this long in peace, everything must have arrived: the longest wait of all is that for a clock that
/// was put back, which no start lets last longer than a day.
const PEACE: Duration = Duration::from_hours(26);

/// What happens to an engine while it lives.
#[derive(Debug, Clone, Copy)]
pub(super) enum Course {
    /// So many disturbances, and the end: by a crash after so many gates, or in order.
    Troubled {
        disturbances: u64,
        crash_after: Option<u64>,
    },
    /// Nothing goes wrong any more.
    Peace,
    /// See [`super::week`].
    Week(Outage),
}

/// How a life ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Stopped,
    Crashed,
    /// Peace was too short for it.
    NeverQuiet,
    Failed(String),
}

pub(super) struct Machine {
    pub world: Arc<World>,
    pub users: Users,
    pub config: Config,
    pub journal: PathBuf,
    /// How long a commit may take.
    pub slow_disk_ms: u64,
    /// Whether jobs are forgotten as soon as they have ended.
    pub prunes: bool,
}

impl Machine {
    /// One life, in a runtime of its own, which takes everything that runs with it.
    pub fn live(&mut self, course: Course) -> Ending {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let ending = runtime.block_on(self.life(course));
        drop(runtime);
        let what = format!("the engine: {ending:?}");
        let mut world = self.world.now();
        world.step(Step::Life, format_args!("{what}"));
        if let Ending::Failed(why) = &ending {
            let why = format!("the engine failed: {why}");
            world.violation(why);
        }
        drop(world);
        ending
    }

    async fn life(&mut self, course: Course) -> Ending {
        let crash_after = match course {
            Course::Troubled { crash_after, .. } => crash_after,
            Course::Peace | Course::Week(_) => None,
        };
        self.world.begin_life(crash_after);
        let world = self.world.clone();
        world
            .now()
            .step(Step::Life, format_args!("the engine starts: {course:?}"));
        let ending = tokio::select! {
            biased;
            () = world.crashed() => Ending::Crashed,
            ending = self.course(course) => {
                ending.unwrap_or_else(|error| Ending::Failed(error.to_string()))
            }
        };
        world.end_life();
        ending
    }

    async fn course(&mut self, course: Course) -> Result<Ending, JournalError> {
        let (journal, writer) = Journal::open_by_hand(&self.journal).expect("the journal opens");
        let slow_disk_ms = self.slow_disk_ms;
        tokio::spawn(write(self.world.clone(), writer, slow_disk_ms));
        let watches = self.config.watches.iter();
        let watches = watches.map(|watch| Configured {
            account: watch.account.clone(),
            endpoint: self.config.redivis.endpoint.to_string(),
            path: watch.path.clone(),
            table: watch.table.clone(),
            kind: watch.kind,
            naming: Naming {
                template: watch.remote_name.clone(),
                watch: watch.name.clone(),
                host: "simulated".into(),
            },
            leaves_existing: false,
        });
        let now = self.world.now().wall();
        journal.begin("simulated", watches.collect(), now).await?;

        let stop = CancellationToken::new();
        let mut engine = tokio::spawn(self.engine(journal.clone()).run(stop.clone()));
        let ending = tokio::select! {
            biased;
            ended = &mut engine => {
                let text = match ended {
                    Ok(Ok(())) => "it ended by itself".to_owned(),
                    Ok(Err(error)) => error.to_string(),
                    Err(error) => error.to_string(),
                };
                return Ok(Ending::Failed(text));
            }
            ending = self.disturbed(course, &journal) => ending?,
        };
        stop.cancel();
        match engine.await {
            Ok(result) => result?,
            Err(error) => return Ok(Ending::Failed(error.to_string())),
        }
        journal.close().await;
        Ok(ending)
    }

    fn engine(&self, journal: Journal) -> Engine {
        let far = Arc::new(Far::new(self.world.clone()));
        let (now, chance) = (self.world.clone(), self.world.clone());
        let up = self.world.clone();
        let surroundings = Surroundings {
            now: Box::new(move || now.now().wall()),
            awake: Box::new(move || {
                let millis = up.now().true_ms().unsigned_abs();
                let boot = "the only one".to_owned();
                Some(crate::job::Awake { boot, millis })
            }),
            chance: Box::new(move || chance.now().chance.fraction()),
            reading: Reading::Here,
        };
        let credential: Credential = Arc::new(|| Ok(Bearer::new("t").expect("a token")));
        let machine = crate::engine::Machine::new(&self.config.transfer);
        Engine::within(
            &self.config,
            journal,
            far,
            credential,
            surroundings,
            &machine,
        )
    }

    async fn disturbed(
        &mut self,
        course: Course,
        journal: &Journal,
    ) -> Result<Ending, JournalError> {
        let disturbances = match course {
            Course::Troubled { disturbances, .. } => disturbances,
            Course::Peace => return self.peace(journal).await,
            Course::Week(outage) => return super::week::course(self, journal, outage).await,
        };
        let often = self.world.now().chance.up_to(4);
        (0..often).for_each(|_| self.users.act());
        let mut scan = Some(tokio::spawn(self.users.scan(journal.clone())));
        for _ in 0..disturbances {
            let wait = pause(&mut self.world.now());
            tokio::time::sleep(wait).await;
            self.world.now().step(Step::Time, format_args!("later"));
            self.world.gate().await;
            let what = self.world.now().chance.up_to(99);
            match what {
                0..=44 => {
                    let often = self.world.now().chance.between(1, 3);
                    (0..often).for_each(|_| self.users.act());
                }
                45..=74 if scan.as_ref().is_none_or(JoinHandle::is_finished) => {
                    if let Some(Ok(Err(error))) =
                        futures_util::future::OptionFuture::from(scan.take()).await
                    {
                        return Err(error);
                    }
                    scan = Some(tokio::spawn(self.users.scan(journal.clone())));
                }
                45..=79 => {}
                _ => change_the_world(&self.world),
            }
            self.prune(journal).await?;
        }
        Ok(Ending::Stopped)
    }

    /// Forgets what has ended, in a world where that is done.
    async fn prune(&self, journal: &Journal) -> Result<(), JournalError> {
        let before = self.world.now().wall();
        while self.prunes && journal.prune(before).await? {}
        Ok(())
    }

    /// Waits until everything has arrived and nothing new is found.
    async fn peace(&mut self, journal: &Journal) -> Result<Ending, JournalError> {
        self.users.finish_all();
        let reader = Reader::open(&self.journal).expect("the journal is there");
        let began = tokio::time::Instant::now();
        let mut wait = Duration::from_secs(1);
        loop {
            self.prune(journal).await?;
            let counts = reader.counts()?;
            let open = counts.iter().any(|count| !count.state.is_final());
            if !open && self.users.scan(journal.clone()).await? == 0 {
                return Ok(Ending::Stopped);
            }
            if began.elapsed() > PEACE {
                return Ok(Ending::NeverQuiet);
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_mins(2));
        }
    }
}

/// The journal's writer: a commit may take a while, and the machine may die before or after it.
async fn write(world: Arc<World>, mut writer: Writer, slow_disk_ms: u64) {
    while writer.wait().await {
        let takes = {
            let chance = &mut world.now().chance;
            chance.one_in(4).then(|| chance.up_to(slow_disk_ms))
        };
        if let Some(ms) = takes {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        world.gate().await;
        let before = writer.changes();
        let open = writer.commit();
        let changed = writer.changes() - before;
        if changed > 0 {
            let what = format_args!("commit, {changed} changes");
            world.now().step(Step::Commit, what);
        }
        if !open {
            return;
        }
        world.gate().await;
    }
}

fn pause(world: &mut Inside) -> Duration {
    let hurry = world.holds_its_breath() && world.chance.one_in(2);
    let chance = &mut world.chance;
    if hurry {
        return Duration::from_millis(chance.up_to(9_000));
    }
    let ms = match chance.up_to(99) {
        0..=39 => chance.up_to(500),
        40..=64 => chance.up_to(5_000),
        65..=84 => chance.up_to(60_000),
        85..=95 => chance.up_to(900_000),
        96..=98 => chance.up_to(2 * 3_600_000),
        _ if chance.one_in(6) => chance.up_to(30 * 3_600_000),
        _ => chance.up_to(5_000_000),
    };
    Duration::from_millis(ms)
}

/// Something that concerns everyone: the account, a table, an outage, the clock.
fn change_the_world(world: &World) {
    let mut world = world.now();
    let world = &mut *world;
    let hurry = world.holds_its_breath() && world.chance.one_in(2);
    let chance = &mut world.chance;
    let what = if hurry {
        chance.between(7, 9)
    } else {
        chance.up_to(9)
    };
    // mostly an hour, sometimes weeks
    let minutes = i64::try_from(chance.up_to(90)).unwrap();
    let far = if chance.one_in(6) { 400 } else { 1 };
    let table = chance.number();
    let now = world.true_ms();
    let what = match what {
        0 => {
            world.token += 1;
            "the token was revoked".to_owned()
        }
        1 | 2 => {
            world.credential = world.token;
            "the credential is right".to_owned()
        }
        3 => world.server.release_or_reopen(table),
        4 => {
            world.weather.api_down_until = now + minutes * 60_000;
            format!("the API is down for {minutes} minutes")
        }
        5 => {
            world.weather.uploads_down_until = now + minutes * 60_000;
            format!("the upload server is down for {minutes} minutes")
        }
        6 => {
            world.weather.api_down_until = now + minutes * 60_000;
            world.weather.uploads_down_until = now + minutes * 60_000;
            format!("all is down for {minutes} minutes")
        }
        7 => {
            world.skew += minutes * far * 60_000;
            format!("the clock jumps {} minutes ahead", minutes * far)
        }
        8 => {
            world.skew -= minutes * far * 60_000;
            format!("the clock is put back by {} minutes", minutes * far)
        }
        _ => {
            world.suspend(minutes * 60_000);
            format!("the machine slept for {minutes} minutes")
        }
    };
    world.step(Step::Change, format_args!("{what}"));
}

/// Everything is as it should be, from now on.
pub(super) fn make_peace(world: &World) {
    let mut world = world.now();
    world.weather.clear_up();
    world.credential = world.token;
    for table in world.server.tables.values_mut() {
        table.released = false;
    }
    world.step(Step::Change, format_args!("peace"));
}
