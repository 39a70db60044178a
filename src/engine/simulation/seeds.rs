//! From a seed to a world and its judgement; and how many seeds a run takes.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use super::chance::Chance;
use super::faults::{LONGEST_LAG_MS, Weather};
use super::judge;
use super::life::{Course, Ending, Machine, make_peace};
use super::server::{Habits, QUANTUM, Server};
use super::user::Users;
use super::world::{Step, World};
use crate::config::{Config, Environment, NextVersion, Watch};
use crate::job::{Kind, State, WatchName};
use crate::journal::Journal;

/// What became of a world.
pub(super) struct Outcome {
    pub violations: Vec<String>,
    pub steps: BTreeMap<Step, u64>,
    /// Files in tables.
    pub rows: u64,
    pub trace: Vec<String>,
    pub fingerprint: u64,
}

/// Lives in peace that a world may take to let go of what is parked.
const RESTARTS: usize = 3;

/// In one world of so many, jobs are forgotten as soon as they have ended.
const PRUNING: u64 = 3;

/// Lets the world of a seed happen.
pub(super) fn run(seed: u64) -> Outcome {
    let folder = folder();
    let mut chance = Chance::new(seed);
    let mut machine = machine(&mut chance, folder.path());
    machine.prunes = seed.is_multiple_of(PRUNING);
    let lives = chance.between(1, 6);
    for _ in 0..lives {
        let course = Course::Troubled {
            disturbances: chance.between(4, 30),
            crash_after: chance.per_mille(750).then(|| gates(&mut chance)),
        };
        if matches!(machine.live(course), Ending::Failed(_)) {
            break;
        }
    }
    make_peace(&machine.world);
    let mut jobs = Vec::new();
    for life in 0..RESTARTS {
        let ending = machine.live(Course::Peace);
        jobs = judge::jobs(&machine.journal);
        if life == 0 {
            judge::excuse(&mut machine.world.now(), &jobs);
        }
        let parked = |state: &State| matches!(state, State::Parked(..));
        if ending != Ending::Stopped || !jobs.iter().any(|row| parked(&row.job.state)) {
            break;
        }
    }
    judge::judge(
        &mut machine.world.now(),
        &machine.users,
        &machine.journal,
        &jobs,
    );
    let fingerprint = machine.world.fingerprint();
    let mut world = machine.world.now();
    let tables = world.server.tables.values();
    let rows = tables.map(|table| table.rows.len() as u64).sum();
    Outcome {
        violations: std::mem::take(&mut world.violations),
        steps: std::mem::take(&mut world.steps),
        rows,
        trace: std::mem::take(&mut world.trace),
        fingerprint,
    }
}

/// How far a life gets before its crash: often not beyond its first moments.
fn gates(chance: &mut Chance) -> u64 {
    let most = chance.of(&[5, 20, 60, 200]);
    chance.up_to(most)
}

// ---- building a world

/// In memory where that is possible: syncing costs nothing there.
pub(super) fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    };
    tempfile::Builder::new()
        .prefix("redivis-drop-simulation-")
        .tempdir_in(parent)
        .unwrap()
}

pub(super) fn machine(chance: &mut Chance, folder: &Path) -> Machine {
    let tables = chance.between(1, 2);
    // the second one is of rows
    let tables: Vec<_> = ["lab.data:next.t0".to_owned(), ROWS.to_owned()]
        .into_iter()
        .take(usize::try_from(tables).unwrap())
        .collect();
    let mut server = Server::new(habits(chance), tables.clone());
    let weather = Weather::some(chance);
    let watches = chance.between(1, 2);
    let config = config(chance, folder, &tables, usize::try_from(watches).unwrap());
    let makes = |watch: &Watch| watch.next_version == NextVersion::Made;
    server.makes_next_versions = config.watches.iter().any(makes);
    let most_files = usize::try_from(chance.between(1, 12)).unwrap();
    let slow_disk_ms = chance.of(&[0, 20, 500]);
    let world = World::new(Chance::new(chance.number()), server, weather);
    let users = Users::new(world.clone(), config.watches.clone(), most_files);
    let journal = folder.join("journal.db");
    std::fs::write(&journal, template()).unwrap();
    Machine {
        world,
        users,
        config,
        journal,
        slow_disk_ms,
        prunes: false,
    }
}

fn habits(chance: &mut Chance) -> Habits {
    let lag = if chance.one_in(2) { 0 } else { LONGEST_LAG_MS };
    Habits {
        says_crc32c: chance.per_mille(700),
        says_md5: chance.one_in(2),
        says_length: chance.one_in(2),
        says_200: chance.one_in(6),
        registers_again: chance.one_in(2),
        listing_lag_ms: i64::try_from(chance.up_to(lag)).unwrap(),
    }
}

/// The table that imports what it is given.
pub(super) const ROWS: &str = "lab.data:next.rows";

fn config(chance: &mut Chance, folder: &Path, tables: &[String], watches: usize) -> Config {
    let mut config = defaults().clone();
    config.transfer.workers = usize::try_from(chance.between(1, 4)).unwrap();
    config.transfer.resumable_above = chance.of(&[0, 1000, 65_536, 100_000_000]);
    config.transfer.chunk_size = QUANTUM * chance.between(1, 2);
    let watch = config.watches.remove(0);
    config.watches = (0..watches)
        .map(|n| Watch {
            name: WatchName::new(format!("w{n}")),
            path: folder.join(format!("w{n}")),
            table: tables[n % tables.len()].clone(),
            // not by chance, so that a seed means what it meant before there was this
            next_version: if (config.transfer.workers + n).is_multiple_of(2) {
                NextVersion::Made
            } else {
                NextVersion::ByHand
            },
            kind: if tables[n % tables.len()] == ROWS {
                Kind::Tabular
            } else {
                Kind::Files
            },
            ..watch.clone()
        })
        .collect();
    config
}

/// A configuration as users write it, and all defaults.
fn defaults() -> &'static Config {
    static DEFAULTS: OnceLock<Config> = OnceLock::new();
    DEFAULTS.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        let text = "[[watch]]\nname = 'w'\npath = '/w'\ntable = 'lab.data:next.t'\n";
        std::fs::write(&file, text).unwrap();
        crate::config::load(&file, &Environment::default()).unwrap()
    })
}

/// A journal that is made and empty.
fn template() -> &'static [u8] {
    static TEMPLATE: OnceLock<Vec<u8>> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        let (journal, mut writer) = Journal::open_by_hand(&path).unwrap();
        writer.commit();
        drop((journal, writer));
        std::fs::read(path).unwrap()
    })
}

// ---- many seeds

/// What a run of many seeds came to.
#[derive(Default)]
pub(super) struct Tally {
    pub seeds: u64,
    pub steps: BTreeMap<Step, u64>,
    pub rows: u64,
    pub failed: Vec<u64>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps: u64 = self.steps.values().sum();
        let Self { seeds, rows, .. } = self;
        write!(
            f,
            "{seeds} seeds, {steps} steps {:?}, {rows} files in tables",
            self.steps
        )
    }
}

/// Runs seeds from `base` on, on all processors, until there are so many, the time is over or one fails.
pub(super) fn run_many(base: u64, seeds: u64, most: Duration) -> Tally {
    let next = AtomicU64::new(0);
    let tally = Mutex::new(Tally::default());
    let began = std::time::Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while began.elapsed() < most && tally.lock().unwrap().failed.is_empty() {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= seeds {
                        break;
                    }
                    let seed = base.wrapping_add(index);
                    let outcome = std::panic::catch_unwind(|| run(seed));
                    let mut tally = tally.lock().unwrap();
                    tally.seeds += 1;
                    match outcome {
                        Ok(outcome) => {
                            for (step, count) in &outcome.steps {
                                *tally.steps.entry(*step).or_default() += count;
                            }
                            tally.rows += outcome.rows;
                            if !outcome.violations.is_empty() {
                                tally.failed.push(seed);
                            }
                        }
                        Err(_) => tally.failed.push(seed),
                    }
                }
            });
        }
    });
    tally.into_inner().unwrap()
}

/// Tells how a seed went, for people.
pub(super) fn story(seed: u64, outcome: &Outcome) -> String {
    let mut text = outcome.trace.join("\n");
    write!(
        text,
        "\n\nseed {seed}: {} steps, trace {:016x}\n{}\nTo see it again: REDIVIS_DROP_SEED={seed} cargo test simulation -- --nocapture\n",
        outcome.steps.values().sum::<u64>(),
        outcome.fingerprint,
        outcome.violations.join("\n")
    )
    .expect("a String takes everything");
    text
}

/// What the environment asks for: one seed to see again, or a number of seeds.
pub(super) fn asked(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number")),
    )
}

/// A number that was not there before.
pub(super) fn fresh() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(std::process::id()) >> 16
}
