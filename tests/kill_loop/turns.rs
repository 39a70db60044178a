//! The loop: start, let it run, kill; over and over.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use redivis_drop::crash_point::Point;

use crate::chance::Chance;
use crate::judge::Verdict;
use crate::scene::{Death, LARGE_CHUNKS, SIZES, SMALL_CHUNKS, Scene};
use crate::weather;

/// Without `REDIVIS_DROP_KILLS`.
const KILLS: u64 = 40;

/// Laboratories at work at the same time.
const LANES: u64 = 4;

/// So many kills in a laboratory, so that tables stay small.
const KILLS_A_LAB: u64 = 100;

/// So many kills between two judgements.
const KILLS_A_JUDGEMENT: u64 = 10;

/// Faults that wait for their request.
const FAULTS: usize = 5;

/// A life that does not come to its point ends after so long.
const LONGEST: Duration = Duration::from_millis(1500);

/// In fair weather.
const CHUNK: u64 = 8 * 1024 * 1024;

/// Of a chunk that breaks, the server keeps a multiple of this: whoever asks how much that is sends less than so
/// much again.
const QUANTUM: u64 = 256 * 1024;

/// A file in three such chunks, one at a time.
const LARGE: usize = 24_000_001;

/// Where a daemon is before it does anything.
const RECOVERY: [Point; 9] = [
    Point::OpenLocked,
    Point::OpenMarked,
    Point::OpenWal,
    Point::OpenMigrated,
    Point::OpenUnclaimed,
    Point::BeginWritten,
    Point::BeginCommitted,
    Point::ClaimWritten,
    Point::ClaimCommitted,
];

/// What came of it all.
#[derive(Debug, Default)]
struct Tally {
    kills: u64,
    at: BTreeMap<&'static str, u64>,
    faults: u64,
    files: usize,
    judgements: u64,
    verdict: Verdict,
    stuck: u64,
    /// Kills in fair weather.
    fair: u64,
    /// Bytes of chunks that came twice for them: the most for one kill and file, and all.
    most_twice: u64,
    all_twice: u64,
}

#[test]
fn whenever_it_is_killed_nothing_is_lost_or_twice_or_mixed_or_stuck() {
    let kills = std::env::var("REDIVIS_DROP_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let seed = Chance::seed();
    eprintln!("REDIVIS_DROP_SEED={seed} REDIVIS_DROP_KILLS={kills}");
    let (began, all) = (Instant::now(), Mutex::new(Tally::default()));
    thread::scope(|scope| {
        for lane in 0..LANES {
            let (all, chance) = (&all, Chance::new(seed).branch(lane));
            scope.spawn(move || walk(lane, kills / LANES, chance, all));
        }
    });
    let all = all.into_inner().unwrap();
    eprintln!("{all}in {:.0?}", began.elapsed());
    assert_eq!(
        (all.verdict, all.stuck),
        (Verdict::default(), 0),
        "seed {seed}"
    );
    assert!(
        all.most_twice < QUANTUM,
        "seed {seed}: {} bytes twice for one kill",
        all.most_twice
    );
}

/// One laboratory after the other.
fn walk(lane: u64, kills: u64, mut chance: Chance, all: &Mutex<Tally>) {
    let mut left = kills;
    for number in lane.. {
        let so_many = left.min(KILLS_A_LAB);
        if so_many == 0 {
            return;
        }
        left -= so_many;
        // every third one, and the first
        let mut turns = Turns::new(chance.branch(number), number % 3 == 0);
        chance.next();
        while turns.tally.kills < so_many {
            turns.a_few_kills();
        }
        turns.judge();
        let mut all = all.lock().unwrap();
        all.add(turns.tally);
        eprintln!("{} kills, {}, {} stuck", all.kills, all.verdict, all.stuck);
    }
}

struct Turns {
    scene: Scene,
    chance: Chance,
    /// No faults, so that what comes twice came of the kills alone.
    fair: bool,
    tally: Tally,
    /// So many files are in the table when another large one may come.
    large_again_at: usize,
    /// Bytes that came twice so far, by session.
    twice: HashMap<String, u64>,
}

impl Turns {
    fn new(chance: Chance, fair: bool) -> Self {
        let mut turns = Self {
            scene: Scene::new(if fair { &LARGE_CHUNKS } else { &SMALL_CHUNKS }),
            chance,
            fair,
            tally: Tally::default(),
            large_again_at: 0,
            twice: HashMap::new(),
        };
        turns.drop_files(5);
        turns
    }

    fn a_few_kills(&mut self) {
        let before = self.tally.kills;
        while self.tally.kills < before + KILLS_A_JUDGEMENT {
            if self.chance.percent(20) {
                self.die_in_recovery();
            } else {
                self.one_kill();
            }
        }
        self.judge();
    }

    /// Several times in a row, without time for anything.
    fn die_in_recovery(&mut self) {
        for _ in 0..self.chance.within(1..5) {
            let death = if self.chance.percent(70) {
                Death::At(self.chance.one_of(&RECOVERY), 1)
            } else {
                Death::After(Duration::from_millis(self.chance.within(0..80)))
            };
            self.die(death, &mut Vec::new());
        }
    }

    fn one_kill(&mut self) {
        let so_many = self.chance.size(1..4);
        self.drop_files(so_many);
        if self.fair && self.scene.lab.registered().len() >= self.large_again_at {
            let seed = self.chance.next();
            self.scene.drop_file(LARGE, seed);
            self.large_again_at = self.scene.versions.names().len();
        }
        if self.chance.percent(30) {
            self.scene.let_minutes_pass();
        }
        while !self.fair && self.scene.lab.report().faults_pending.len() < FAULTS {
            self.scene
                .lab
                .script(vec![weather::fault(&mut self.chance)]);
            self.tally.faults += 1;
        }
        let death = if self.chance.percent(75) {
            let mut points = Point::ALL.to_vec();
            points.retain(|point| !point.is_of_after_actions());
            let point = self.chance.one_of(&points);
            let once = RECOVERY.contains(&point);
            let late = if once {
                1
            } else {
                self.chance.one_of(&[1, 1, 1, 2, 4])
            };
            Death::At(point, late)
        } else {
            Death::After(Duration::from_millis(self.chance.within(0..700)))
        };
        let mut deeds: Vec<u64> = Vec::new();
        for _ in 0..self.chance.within(0..3) {
            deeds.push(self.chance.within(0..600));
        }
        self.die(death, &mut deeds);
    }

    /// One life to its end; `deeds` are the milliseconds at which somebody does something in the folder.
    fn die(&mut self, death: Death, deeds: &mut Vec<u64>) {
        let (chance, fair) = (&mut self.chance, self.fair);
        let died = self.scene.live(death, LONGEST, |scene, age| {
            let due = deeds
                .extract_if(.., |at| age >= Duration::from_millis(*at))
                .count();
            for _ in 0..due {
                deed(scene, chance, fair);
            }
        });
        let name = match death {
            Death::At(point, _) if died => point.name(),
            _ => "any moment",
        };
        *self.tally.at.entry(name).or_default() += 1;
        self.tally.kills += 1;
        if self.fair {
            self.count_what_came_twice();
        }
    }

    fn drop_files(&mut self, so_many: usize) {
        for _ in 0..so_many {
            drop_one(&mut self.scene, &mut self.chance);
        }
    }

    /// Since the last kill, of each session.
    fn count_what_came_twice(&mut self) {
        self.scene.wait_until_idle();
        self.tally.fair += 1;
        for session in self.scene.lab.report().sessions {
            let twice = session.received - session.persisted;
            let before = self.twice.insert(session.temp_upload, twice).unwrap_or(0);
            // what was on its way to the disk at the last look may be there by now
            let more = twice.saturating_sub(before);
            self.tally.most_twice = self.tally.most_twice.max(more);
            self.tally.all_twice += more;
        }
    }

    /// Sessions that nobody knew any more: there was a byte in them before they were recorded.
    fn count_what_was_forgotten(&mut self) {
        let sessions = self.scene.lab.report().sessions.into_iter();
        let forgotten = sessions.filter(|session| !session.complete);
        for bytes in forgotten.map(|session| session.received) {
            self.tally.most_twice = self.tally.most_twice.max(bytes);
            self.tally.all_twice += bytes;
        }
    }

    fn judge(&mut self) {
        let (verdict, stuck) = self.scene.finish();
        if self.fair && !stuck {
            self.count_what_was_forgotten();
        }
        self.tally.judgements += 1;
        // the last one counts: nothing that is wrong becomes right
        self.tally.verdict = verdict;
        self.tally.stuck += u64::from(stuck);
        self.tally.files = self.scene.versions.names().len();
        assert!(
            verdict == Verdict::default() && !stuck,
            "{verdict}, stuck: {stuck}"
        );
    }
}

fn drop_one(scene: &mut Scene, chance: &mut Chance) {
    let size = chance.one_of(&SIZES);
    // no two of them alike
    let seed = chance.next();
    scene.drop_file(size, seed);
}

/// What people and instruments do in a drop folder.
fn deed(scene: &mut Scene, chance: &mut Chance, fair: bool) {
    let kind = if fair { 0 } else { chance.within(0..6) };
    let seed = chance.next();
    let names: Vec<_> = scene.versions.names().cloned().collect();
    let any = &names[chance.size(0..names.len())];
    // which is likely to be on its way
    let latest = scene.versions.latest().cloned();
    let name = &latest
        .filter(|_| chance.percent(60))
        .unwrap_or_else(|| any.clone());
    match kind {
        3 => scene.put(name, 16 + chance.one_of(&SIZES), seed),
        4 => scene.append(name, seed),
        5 => scene.poke(name, seed),
        _ => drop_one(scene, chance),
    }
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.kills += other.kills;
        for (name, count) in other.at {
            *self.at.entry(name).or_default() += count;
        }
        self.faults += other.faults;
        self.files += other.files;
        self.judgements += other.judgements;
        self.verdict.lost += other.verdict.lost;
        self.verdict.twice += other.verdict.twice;
        self.verdict.mixed += other.verdict.mixed;
        self.stuck += other.stuck;
        self.fair += other.fair;
        self.most_twice = self.most_twice.max(other.most_twice);
        self.all_twice += other.all_twice;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in &self.at {
            writeln!(f, "{count:>6} at {name}")?;
        }
        let Self {
            kills,
            faults,
            files,
            judgements,
            verdict,
            stuck,
            fair,
            most_twice,
            all_twice,
            ..
        } = self;
        writeln!(
            f,
            "{kills} kills, {faults} faults, {files} files, {judgements} judgements: {verdict}, {stuck} stuck"
        )?;
        let mean = all_twice / (*fair).max(1);
        writeln!(
            f,
            "bytes of chunks that came twice, for each of {fair} kills without faults: {mean} (mean), \
             at most {most_twice} of one file (a chunk has {CHUNK})"
        )
    }
}
