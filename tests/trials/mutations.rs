//! Files that change while they settle and while they are on their way. Every md5 in the table is that of a
//! version that existed whole, and the last version of every file is there.

use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use redivis_drop::sandbox::{Call, RateLimit, Sandbox, Settings};
use tokio::runtime::{Builder, Runtime};

use crate::chance::Chance;
use crate::lab::{KIB, Lab, Plan, TOKEN};
use crate::scale::{so_many, wait_long};
use crate::versions::Versions;

/// Without `REDIVIS_DROP_MUTATIONS`.
const UPLOADS: u64 = 150;

/// Whoever changes files, at the same time; a file belongs to one of them.
const HANDS: u64 = 4;

/// Files, of all hands together: as many as make versions hardly faster than the workers can carry them. Of more, each
/// version would be outdated when its turn comes.
const FILES: u64 = 40;

/// From so many uploads on there are more files and workers, so that it takes minutes and no hours.
const LONG: u64 = 5_000;
const FILES_OF_LONG: u64 = 240;

/// What a job is that has not ended.
const OPEN: [&str; 6] = [
    "queued",
    "reserved",
    "uploading",
    "uploaded",
    "registering",
    "registered",
];

/// Between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(200);
/// Each of which counts all versions that there ever were.
const LOOK_OF_LONG: Duration = Duration::from_secs(10);

/// Large files go in chunks, of which each takes the server a tenth of a second.
const CHUNKS: Plan = Plan {
    transfer: "resumable_above = \"300 KiB\"\nchunk_size = \"256 KiB\"\nworkers = 4",
    watch: "rescan_interval = \"10s\"",
    speed: None,
    lenient: false,
    rate_limit: None,
};
const CHUNKS_OF_LONG: Plan = Plan {
    transfer: "resumable_above = \"300 KiB\"\nchunk_size = \"256 KiB\"\nworkers = 16",
    ..CHUNKS
};
/// As many bytes are several chunks.
const LARGE: usize = 301 * KIB;
const BYTES_A_SECOND: u64 = 2_500_000;

/// Half of the settle time: a machine that has so much else to do may show half of a write for all of it.
const SLOW_WRITE: Duration = Duration::from_millis(50);

/// Milliseconds between two changes of a file, around the settle time, which is 100, and around what
/// an upload takes then.
const PAUSES: [u64; 17] = [
    0, 0, 10, 40, 80, 95, 105, 110, 120, 130, 150, 170, 200, 350, 600, 1500, 3000,
];

#[test]
fn in_any_mutation_what_is_registered_is_a_version_that_existed_whole() {
    let uploads = so_many("REDIVIS_DROP_MUTATIONS", UPLOADS);
    let seed = Chance::seed();
    eprintln!("REDIVIS_DROP_SEED={seed} REDIVIS_DROP_MUTATIONS={uploads}");
    let (files, plan, look) = if uploads < LONG {
        (FILES, &CHUNKS, LOOK)
    } else {
        (FILES_OF_LONG, &CHUNKS_OF_LONG, LOOK_OF_LONG)
    };
    let mut lab = Lab::with(plan);
    let _runtime = serve_without_limit(&mut lab, plan);
    let began = Instant::now();
    let daemon = lab.start(&["run"]);
    let patience = Duration::from_secs(120 + uploads / 5);

    let mut versions = Versions::default();
    let enough = AtomicBool::new(false);
    thread::scope(|scope| {
        let enough = &enough;
        let _end = SetOnDrop(enough);
        let hands: Vec<_> = (0..HANDS)
            .map(|number| {
                let chance = Chance::new(seed).branch(number);
                let names = (0..files).filter(move |file| file % HANDS == number);
                let names = names.map(|file| format!("folder-{}/file-{file}", file % 7));
                let hand = Hand::new(&lab, chance, names);
                scope.spawn(move || hand.work(enough))
            })
            .collect();
        let arrived = wait_long(patience, look, || {
            (lab.total("done") >= uploads).then_some(())
        });
        enough.store(true, Ordering::Relaxed);
        for hand in hands {
            versions.extend(hand.join().unwrap());
        }
        assert!(arrived.is_some(), "{:?}", lab.status());
    });

    let mut held = Vec::new();
    wait_long(patience, look, || {
        let open: u64 = OPEN.iter().map(|state| lab.total(state)).sum();
        held = lab.registered();
        (open == 0 && versions.judge(&held).lost == 0).then_some(())
    });
    let ended = daemon.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    let (verdict, report) = (versions.judge(&held), lab.report());
    let superseded = lab.total("superseded");
    let (puts, starts) = (report.requests(Call::Put), report.requests(Call::Start));
    eprintln!(
        "{} versions of {files} files, {} registered: {verdict}; {superseded} jobs superseded, {} missing, \
         {puts} files and {starts} sessions begun, in {:.1?}; peak memory {} KiB",
        versions.count(),
        held.len(),
        lab.total("missing"),
        began.elapsed(),
        ended.peak_kib,
    );
    assert_eq!(
        (verdict.lost, verdict.twice, verdict.mixed),
        (0, 0, 0),
        "seed {seed}: {:#?}",
        verdict.named
    );
    assert_eq!(lab.total("parked"), 0);
    // or it was no race
    assert!(
        superseded > 0 && puts + starts > held.len() as u64,
        "no upload was overtaken by a change"
    );
    lab.expect_manners();
}

/// Another server in the place of the usual one: its API may be asked so often that versions are not
/// outdated before it may be asked about them at all.
fn serve_without_limit(lab: &mut Lab, plan: &Plan) -> Runtime {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let settings = Settings {
        upload_listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        bytes_per_sec: Some(BYTES_A_SECOND),
        rate_limit: Some(RateLimit::parse("100000/100s").unwrap()),
        ..Settings::new(lab.elsewhere("fast server"), TOKEN)
    };
    lab.sandbox = runtime.block_on(Sandbox::start(settings)).unwrap();
    lab.configure(plan, &lab.endpoint());
    runtime
}

/// Ends the hands' work, also when their trial fails.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// One who changes files, and remembers each of their states.
struct Hand {
    chance: Chance,
    files: Vec<Changing>,
    versions: Versions,
}

struct Changing {
    name: String,
    path: PathBuf,
    /// It always has several chunks.
    is_large: bool,
    /// What is in it now.
    content: Vec<u8>,
    /// What is still to be done to it, the next at the end.
    ahead: Vec<Step>,
    due: Instant,
}

/// What one system call does to a file.
#[derive(Debug)]
enum Step {
    /// Other bytes in the place of some, or behind the end.
    Write { at: usize, bytes: Vec<u8> },
    /// To this size.
    Cut(usize),
    /// Another file in its place.
    Replace(Vec<u8>),
    /// The time of before, as a copy does that keeps it.
    AntedateBy(Duration),
}

impl Hand {
    fn new(lab: &Lab, mut chance: Chance, names: impl Iterator<Item = String>) -> Self {
        let now = Instant::now();
        let changing = |name: String| Changing {
            path: lab.path(&name),
            is_large: chance.percent(20),
            name,
            content: Vec::new(),
            ahead: Vec::new(),
            due: now,
        };
        let files = names.map(changing).collect();
        Self {
            chance,
            files,
            versions: Versions::default(),
        }
    }

    /// Changes files when they are due, until it is enough.
    fn work(mut self, enough: &AtomicBool) -> Versions {
        for file in &mut self.files {
            let size = if file.is_large { LARGE } else { 0 };
            let step = Step::Replace(bytes(&mut self.chance, size));
            file.take(step, &mut self.versions);
        }
        while !enough.load(Ordering::Relaxed) {
            let (chance, now) = (&mut self.chance, Instant::now());
            for file in &mut self.files {
                if file.due > now {
                    continue;
                }
                let step = match file.ahead.pop() {
                    Some(step) => step,
                    None => file.plan(chance),
                };
                file.take(step, &mut self.versions);
                file.due = Instant::now() + file.pause(chance);
            }
            let next = self.files.iter().map(|file| file.due).min();
            let pause = next.map_or(LOOK, |due| due.saturating_duration_since(Instant::now()));
            thread::sleep(pause.min(LOOK));
        }
        self.versions
    }
}

impl Changing {
    /// Until its next change. A large file changes mostly while it is on its way, if it settled at once.
    fn pause(&self, chance: &mut Chance) -> Duration {
        Duration::from_millis(if self.is_large && chance.percent(90) {
            chance.within(150..600)
        } else {
            chance.one_of(&PAUSES)
        })
    }

    /// Decides what happens to the file: its first step, and those that follow.
    fn plan(&mut self, chance: &mut Chance) -> Step {
        let size = self.content.len();
        if self.is_large {
            // every byte by one call, and at times another size
            let other = chance.size(LARGE..3 * LARGE);
            return match chance.within(0..5) {
                0 => Step::Replace(bytes(chance, other)),
                _ => Step::Write {
                    at: 0,
                    bytes: bytes(chance, size),
                },
            };
        }
        match chance.within(0..10) {
            // anew in place, in pieces: first of the old size, and perhaps of a smaller one
            0 | 1 => {
                let new = noise(chance);
                self.ahead = pieces(chance, 0, &new);
                if chance.percent(50) {
                    return Step::Cut(0);
                }
                self.ahead.insert(0, Step::Cut(new.len()));
                self.ahead.pop().unwrap_or(Step::Cut(0))
            }
            2 => Step::Cut(chance.size(0..size + 1)),
            3 | 4 => Step::Replace(noise(chance)),
            5 | 6 => {
                let more = noise(chance);
                let more = &more[..more.len().min(64 * KIB)];
                self.ahead = pieces(chance, size, more);
                self.ahead.pop().unwrap_or(Step::Cut(size))
            }
            7 => Step::AntedateBy(Duration::from_hours(1)),
            // a few bytes at both ends, so that half of one version and half of the other are neither
            _ => {
                let last = Step::Write {
                    at: size.saturating_sub(8),
                    bytes: bytes(chance, 8),
                };
                self.ahead.push(last);
                Step::Write {
                    at: 0,
                    bytes: bytes(chance, 8),
                }
            }
        }
    }

    /// Does one step, in one system call, and remembers what the file is then.
    fn take(&mut self, step: Step, versions: &mut Versions) {
        let began = Instant::now();
        let open = || OpenOptions::new().write(true).open(&self.path).unwrap();
        match step {
            Step::Write { at, bytes } => {
                let written = open().write_at(&bytes, at as u64).unwrap();
                assert_eq!(written, bytes.len());
                let end = at + bytes.len();
                if self.content.len() < end {
                    self.content.resize(end, 0);
                }
                self.content[at..end].copy_from_slice(&bytes);
            }
            Step::Cut(size) => {
                open().set_len(size as u64).unwrap();
                self.content.resize(size, 0);
            }
            Step::Replace(content) => {
                let draft = self.path.with_extension("tmp");
                let mut file = File::create(&draft).unwrap();
                file.write_all(&content).unwrap();
                fs::rename(draft, &self.path).unwrap();
                self.content = content;
            }
            Step::AntedateBy(age) => {
                let file = open();
                let modified = file.metadata().unwrap().modified().unwrap() - age;
                file.set_times(FileTimes::new().set_modified(modified))
                    .unwrap();
            }
        }
        let took = began.elapsed();
        versions.add(&self.name, &self.content);
        if took > SLOW_WRITE {
            versions.note_slow_write(&self.name);
        }
    }
}

/// Writes of a content, in up to four pieces, the first one at the end of the list.
fn pieces(chance: &mut Chance, from: usize, content: &[u8]) -> Vec<Step> {
    let size = content.len().div_ceil(chance.size(1..5)).max(1);
    let pieces = content.chunks(size).enumerate();
    let mut steps: Vec<_> = pieces
        .map(|(number, piece)| Step::Write {
            at: from + number * size,
            bytes: piece.to_vec(),
        })
        .collect();
    steps.reverse();
    steps
}

/// Bytes that were never there before; mostly few of them, at times several chunks.
fn noise(chance: &mut Chance) -> Vec<u8> {
    let most = match chance.within(0..20) {
        0 => LARGE..3 * LARGE,
        1..6 => 0..LARGE,
        _ => 0..20 * KIB,
    };
    let size = chance.size(most);
    bytes(chance, size)
}

fn bytes(chance: &mut Chance, size: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        bytes.extend_from_slice(&chance.next().to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}
