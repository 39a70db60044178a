//! The loop's eye: hears, looks and walks, and tells the learner.
//!
//! The folder is opened anew for each turn, so that it can be unmounted meanwhile. A folder that is away is a pause:
//! nothing in it counts as gone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use super::file::{Because, Look};
use super::findings::{self, Findings, Seen};
use super::learner::Learner;
use super::proposal::{self, About};
use super::walk::{Found, Walk};
use super::words;
use crate::beneath::{Identity, Kind, OpenError, Root};
use crate::config;
use crate::watch::{Happening, Mode, Witness};

/// At most so long until somebody who asks for the end is heard.
const TURN: Duration = Duration::from_millis(100);

/// Between two looks at what is written all the time.
const BREATH: Duration = Duration::from_millis(20);

/// So many happenings are taken in at once, and so many steps of a walk made.
const AT_ONCE: usize = 4_096;

/// Between two walks where nothing else tells of changes.
const WALKS_ALONE: Duration = Duration::from_secs(1);

/// Between two walks where events do; they find what made none, such as memory that is written back.
const WALKS_BESIDE: Duration = Duration::from_secs(10);

/// The last walk is given up after this; nobody likes to wait for an end.
const LAST_WALK: Duration = Duration::from_secs(2);

/// Walks take no larger part of the time than one in so many.
const WALKS_SHARE: u32 = 5;

/// The loop's state.
pub(super) struct Eye<'a> {
    folder: &'a Path,
    began: Instant,
    witness: Witness,
    learner: Learner,
    identity: Identity,
    /// The folder is away now.
    away: bool,
    times_away: u64,
    /// Through everything.
    walk: Option<Walk>,
    /// Through new folders, where files came in before anybody listened.
    side: Walk,
    walk_began: Instant,
    /// Whether the walk could look into all folders.
    complete: bool,
    next_walk: Instant,
    /// Not before, whatever was lost.
    earliest_walk: Instant,
    first_walk_told: bool,
    closed: Seen,
}

impl<'a> Eye<'a> {
    pub fn new(folder: &'a Path, identity: Identity) -> Self {
        let began = Instant::now();
        let wall = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            folder,
            began,
            witness: Witness::start(folder),
            learner: Learner::new(i64::try_from(wall.as_nanos()).unwrap_or(i64::MAX)),
            identity,
            away: false,
            times_away: 0,
            walk: None,
            side: Walk::default(),
            walk_began: began,
            complete: true,
            next_walk: began,
            earliest_walk: began,
            first_walk_told: false,
            closed: Seen::default(),
        }
    }

    /// The time since the begin.
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Waits for something to happen, not for long, and takes it in.
    pub fn turn(&mut self, stop: &AtomicBool, tell: &mut dyn FnMut(&str)) {
        let busy = self.walk.is_some() || !self.side.is_over();
        let told = self
            .witness
            .wait(if busy { Duration::ZERO } else { TURN }, AT_ONCE);
        if !told.is_empty() {
            // a writer makes thousands of events in a second, and one look answers many; each has its time with it
            std::thread::sleep(BREATH);
        }
        if let Some(root) = self.root(tell) {
            self.hear(&root, told);
            self.look_around(&root, stop, tell);
        }
    }

    /// The folder, unless it is away. It is not held open, so that it can be unmounted.
    fn root(&mut self, tell: &mut dyn FnMut(&str)) -> Option<Root> {
        let opened = Root::open(self.folder).and_then(|root| Ok((root.identity()?, root)));
        match opened {
            Ok((identity, root)) if identity == self.identity && !self.away => Some(root),
            Ok((identity, root)) => {
                tell("the folder is there again");
                self.identity = identity;
                self.away = false;
                self.witness = Witness::start(self.folder);
                self.learner.away();
                self.walk = None;
                self.side = Walk::default();
                self.next_walk = Instant::now();
                Some(root)
            }
            Err(error) => {
                if !self.away {
                    tell(&format!("the folder is away: {error}; waiting for it"));
                    self.times_away += 1;
                }
                self.away = true;
                None
            }
        }
    }

    fn hear(&mut self, root: &Root, told: Vec<(Happening, Instant)>) {
        let mut paths = BTreeSet::new();
        for (happening, when) in told {
            match &happening {
                Happening::Lost => self.next_walk = self.earliest_walk,
                Happening::Folder(folder) => self.side.add(folder.clone()),
                Happening::Created(path)
                | Happening::Written(path)
                | Happening::Touched(path)
                | Happening::Came(path, _) => {
                    paths.insert(path.clone());
                }
                Happening::Left(..) | Happening::Removed(_) => {}
            }
            self.learner
                .heard(happening, when.saturating_duration_since(self.began));
        }
        for path in paths {
            self.look(root, &path, Because::Heard);
        }
    }

    fn look(&mut self, root: &Root, path: &Path, because: Because) {
        let at = self.now();
        match root.stat(path) {
            Ok((version, links)) => {
                let may_read = root.may_read(path).unwrap_or(true);
                let look = Look {
                    version,
                    links,
                    may_read,
                };
                self.learner.saw(path, look, because, at);
            }
            Err(OpenError::Gone) => self.learner.gone(path),
            Err(OpenError::NotAFile(Kind::Folder)) => {
                self.learner.no_file(path);
                // moved here, with all that is in it
                self.side.add(path.to_owned());
            }
            Err(OpenError::NotAFile(_)) => self.learner.no_file(path),
            // a later look may see more
            Err(OpenError::Denied | OpenError::Io(_)) => {}
        }
    }

    /// Goes on with the walks that are on their way, and begins the next one when it is due.
    fn look_around(&mut self, root: &Root, stop: &AtomicBool, tell: &mut dyn FnMut(&str)) {
        if self.walk.is_none() && Instant::now() >= self.next_walk {
            self.walk_began = Instant::now();
            self.complete = true;
            self.closed = Seen::default();
            self.learner.walk_begins(self.now());
            self.walk = Some(Walk::through(PathBuf::new()));
        }
        let mut side = std::mem::take(&mut self.side);
        self.go_on(root, &mut side, stop);
        // what it came by may have added more
        side.append(std::mem::take(&mut self.side));
        self.side = side;
        if let Some(mut walk) = self.walk.take() {
            if self.go_on(root, &mut walk, stop) {
                self.walked(tell);
            } else {
                self.walk = Some(walk);
            }
        }
    }

    /// A slice of a walk; whether it has ended.
    fn go_on(&mut self, root: &Root, walk: &mut Walk, stop: &AtomicBool) -> bool {
        for _ in 0..AT_ONCE {
            if stop.load(Ordering::Relaxed) {
                return false;
            }
            match walk.next(root) {
                Some(Found::Folder(folder)) => self.witness.enter(&folder),
                Some(Found::File(path)) => self.look(root, &path, Because::Walked),
                Some(Found::Closed(folder)) => {
                    self.complete = false;
                    self.closed.add(&folder);
                }
                None => return true,
            }
        }
        false
    }

    fn walked(&mut self, tell: &mut dyn FnMut(&str)) {
        self.learner.walk_ends(self.complete);
        let beside = match self.witness.mode() {
            Mode::Inotify => WALKS_BESIDE,
            Mode::Poll => WALKS_ALONE,
        };
        let took = self.walk_began.elapsed();
        self.earliest_walk = Instant::now() + took * WALKS_SHARE;
        self.next_walk = self.earliest_walk.max(Instant::now() + beside);
        if !self.first_walk_told {
            self.first_walk_told = true;
            let found = self.findings();
            tell(&format!(
                "{} there before; from now on every change is seen ({})",
                words::count(found.before.files, "file"),
                self.witness.reason()
            ));
        }
    }

    /// What is still to be heard, and each file as it is in the end, if that can be seen at once.
    pub fn finish(&mut self) {
        let told = self.witness.wait(TURN, AT_ONCE * 4);
        let Ok(root) = Root::open(self.folder) else {
            return;
        };
        if self.away || root.identity().ok() != Some(self.identity) {
            return;
        }
        self.hear(&root, told);
        let deadline = Instant::now() + LAST_WALK;
        let mut walk = Walk::through(PathBuf::new());
        self.complete = true;
        self.closed = Seen::default();
        self.learner.walk_begins(self.now());
        let go_on = AtomicBool::new(false);
        while Instant::now() < deadline {
            if self.go_on(&root, &mut walk, &go_on) {
                return self.learner.walk_ends(self.complete);
            }
        }
    }

    fn findings(&self) -> Findings {
        findings::findings(&self.learner, self.now())
    }

    /// How it goes.
    pub fn words(&self) -> String {
        if !self.first_walk_told {
            return format!(
                "{}: still looking at what is there",
                words::time(self.now())
            );
        }
        let found = self.findings();
        let pause = found.pause.as_ref().map_or_else(String::new, |pause| {
            format!(
                ", longest pause {} in {}",
                words::time(pause.length),
                words::shown(&pause.path)
            )
        });
        format!(
            "{}: {} came, {} being written{pause}",
            words::time(self.now()),
            words::count(found.came.files, "file"),
            found.growing.count
        )
    }

    pub fn block(&self, network: Option<&str>) -> String {
        let polls = self.witness.mode() == Mode::Poll;
        let without_events = polls.then(|| self.witness.reason());
        let about = About {
            folder: self.folder.to_str().unwrap_or_default(),
            lasted: self.now(),
            network,
            without_events: without_events.as_deref(),
            markers: config::watch_key_is_there("release_on"),
            away: self.times_away,
            closed: &self.closed,
        };
        proposal::block(&self.findings(), &about)
    }
}
