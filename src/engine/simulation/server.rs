//! The model of the far side: temporary uploads, sessions, objects, tables. Perfect: what goes wrong on the
//! way is for [`super::faults`].
//!
//! A third reading of the protocol, which shares no code with the upload machine and none with the practice
//! server. It also watches its caller: whatever no honest client would do is a [`Server::misdeeds`].
//! Times are milliseconds since 1970, by the server's own clock.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Digest as _;

/// Chunks that are not the last are multiples of this.
pub(super) const QUANTUM: u64 = 256 * 1024;

/// A temporary upload and its sessions live for so long.
const LIFE_MS: i64 = 24 * 3600 * 1000;

/// Why a table takes no files for a while.
pub(super) const RELEASED: &str = "the version was released";

/// What differs between the servers that there may be.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a thing that one server does and another does not"
)]
pub(super) struct Habits {
    /// Headers with crc32c of what is stored.
    pub says_crc32c: bool,
    /// Headers with md5 of what is stored.
    pub says_md5: bool,
    /// A header with the stored length.
    pub says_length: bool,
    /// A chunk that is not the last is answered by 200.
    pub says_200: bool,
    /// A temporary upload may be registered again, which makes another row.
    pub registers_again: bool,
    /// A row is listed so long after it was made.
    pub listing_lag_ms: i64,
}

pub(super) struct Server {
    pub habits: Habits,
    pub tables: BTreeMap<String, Table>,
    temps: Vec<Temp>,
    sessions: Vec<Session>,
    next_row: u64,
    /// What the caller should never have done.
    pub misdeeds: Vec<String>,
    /// Whether somebody has asked for next versions to be made.
    pub makes_next_versions: bool,
    releases: u32,
    made_after: BTreeSet<u32>,
}

#[derive(Default)]
pub(super) struct Table {
    pub rows: Vec<Row>,
    /// Takes no files at this time.
    pub released: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Row {
    pub id: String,
    pub name: String,
    pub size: u64,
    pub md5: [u8; 16],
    pub added_at: i64,
    /// The server itself damaged the bytes.
    pub damaged: bool,
}

struct Temp {
    made_at: i64,
    size: u64,
    resumable: bool,
    object: Option<Object>,
    registered: bool,
}

#[derive(Clone)]
struct Object {
    size: u64,
    md5: [u8; 16],
    crc32c: u32,
    damaged: bool,
    /// It took the place of another: nobody may have heard of this one.
    replaced: bool,
}

struct Session {
    temp: usize,
    opened_at: i64,
    size: u64,
    bytes: Vec<u8>,
    /// The most it ever held.
    most: u64,
    complete: bool,
    gone: bool,
    /// Where bytes are not those that were sent.
    damaged_at: Vec<usize>,
    /// Says 308 until then, although it has every byte.
    finalizing_until: i64,
}

/// An answer of the upload server.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    pub status: u16,
    pub held: Option<u64>,
    pub session: Option<usize>,
    pub hashes: Vec<String>,
    pub length: Option<u64>,
}

/// A refusal of the API: 4xx and its words.
pub(super) struct Refusal(pub u16, pub &'static str);

/// What a fault does to a chunk on its way into the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Storing {
    Right,
    /// Only the first part is kept.
    Short,
    /// A bit flips.
    Damaged,
}

fn status(status: u16) -> Said {
    Said {
        status,
        ..Said::default()
    }
}

impl Server {
    pub fn new(habits: Habits, tables: impl IntoIterator<Item = String>) -> Self {
        let tables = tables.into_iter().map(|name| (name, Table::default()));
        Self {
            habits,
            tables: tables.collect(),
            temps: Vec::new(),
            sessions: Vec::new(),
            next_row: 1,
            misdeeds: Vec::new(),
            makes_next_versions: false,
            releases: 0,
            made_after: BTreeSet::new(),
        }
    }

    // ---- the API

    pub fn create(
        &mut self,
        table: &str,
        wanted: &[(u64, bool)],
        now: i64,
    ) -> Result<Vec<usize>, Refusal> {
        self.open_table(table)?;
        let first = self.temps.len();
        self.temps
            .extend(wanted.iter().map(|(size, resumable)| Temp {
                made_at: now,
                size: *size,
                resumable: *resumable,
                object: None,
                registered: false,
            }));
        Ok((first..self.temps.len()).collect())
    }

    /// All or none.
    pub fn register(
        &mut self,
        table: &str,
        files: &[(String, usize)],
        now: i64,
    ) -> Result<Vec<Row>, Refusal> {
        self.open_table(table)?;
        for (name, temp) in files {
            let temp = self.temps.get(*temp);
            let Some(temp) = temp.filter(|temp| now - temp.made_at < LIFE_MS) else {
                return Err(Refusal(404, "no such temporary upload"));
            };
            if temp.object.is_none() {
                let what = format!("{name} was registered before its bytes were stored");
                self.misdeeds.push(what);
                return Err(Refusal(400, "the temporary upload is empty"));
            }
            let told = self.habits.says_crc32c || self.habits.says_md5;
            let damage = |object: &Object| object.damaged && !object.replaced;
            if told && temp.object.as_ref().is_some_and(damage) {
                let what = format!("{name} was registered although its hash told of the damage");
                self.misdeeds.push(what);
            }
            if temp.registered && !self.habits.registers_again {
                return Err(Refusal(400, "a temporary upload was already used"));
            }
        }
        let rows: Vec<Row> = files
            .iter()
            .map(|(name, temp)| {
                self.temps[*temp].registered = true;
                self.next_row += 1;
                let object = self.temps[*temp].object.clone().expect("looked at above");
                Row {
                    id: format!("row{}", self.next_row - 1),
                    name: name.clone(),
                    size: object.size,
                    md5: object.md5,
                    added_at: now,
                    damaged: object.damaged,
                }
            })
            .collect();
        let table = self.tables.get_mut(table).expect("looked at above");
        table.rows.extend(rows.iter().cloned());
        Ok(rows)
    }

    pub fn list(&self, table: &str, now: i64) -> Vec<Row> {
        let rows = self.tables.get(table).map(|table| &table.rows);
        let old_enough = |row: &&Row| row.added_at + self.habits.listing_lag_ms <= now;
        rows.into_iter()
            .flatten()
            .filter(old_enough)
            .cloned()
            .collect()
    }

    /// What its version is called that was released last, and whether all its tables take files. One table that does
    /// not is enough to say that there is no next version.
    pub fn dataset(&self) -> (String, bool) {
        let is_open = self.tables.values().all(|table| !table.released);
        (format!("v{}", self.releases), is_open)
    }

    /// Never a second one.
    pub fn make_next_version(&mut self) -> Result<(), Refusal> {
        if self.dataset().1 {
            return Err(Refusal(400, "it has a next version"));
        }
        if !self.makes_next_versions {
            self.misdeeds.push("nobody wanted a next version".into());
        }
        if !self.made_after.insert(self.releases) {
            let what = format!("a second next version after release {}", self.releases);
            self.misdeeds.push(what);
        }
        for table in self.tables.values_mut() {
            table.released = false;
        }
        Ok(())
    }

    /// Somebody releases a table, or makes the next version.
    pub fn release_or_reopen(&mut self, index: u64) -> String {
        let index = usize::try_from(index % self.tables.len() as u64).unwrap();
        let (name, table) = self.tables.iter_mut().nth(index).expect("there is one");
        table.released = !table.released;
        self.releases += u32::from(table.released);
        format!("table {name} released: {}", table.released)
    }

    fn open_table(&self, table: &str) -> Result<(), Refusal> {
        match self.tables.get(table) {
            None => Err(Refusal(404, "no such table")),
            Some(table) if table.released => Err(Refusal(400, RELEASED)),
            Some(_) => Ok(()),
        }
    }

    // ---- the upload server

    pub fn put(&mut self, temp: usize, bytes: &[u8], storing: Storing, now: i64) -> Said {
        let Some(place) = self.living_temp(temp, now) else {
            return status(404);
        };
        if place.resumable {
            return status(400);
        }
        let size = place.size;
        if bytes.len() as u64 != size {
            self.misdeeds.push(format!(
                "{} bytes were put where {size} belong",
                bytes.len()
            ));
            return status(400);
        }
        let mut kept = bytes.to_vec();
        let damaged = storing != Storing::Right && !kept.is_empty();
        if damaged {
            kept[0] ^= 1;
        }
        self.store(temp, &kept, damaged)
    }

    pub fn start(&mut self, temp: usize, size: u64, now: i64) -> Said {
        let Some(place) = self.living_temp(temp, now) else {
            return status(404);
        };
        if !place.resumable || place.size != size {
            return status(400);
        }
        self.sessions.push(Session {
            temp,
            opened_at: now,
            size,
            bytes: Vec::new(),
            most: 0,
            complete: false,
            gone: false,
            damaged_at: Vec::new(),
            finalizing_until: 0,
        });
        Said {
            session: Some(self.sessions.len() - 1),
            ..status(201)
        }
    }

    pub fn chunk(
        &mut self,
        session: usize,
        first: u64,
        bytes: &[u8],
        storing: Storing,
        now: i64,
    ) -> Said {
        let Some(open) = self.living_session(session, now) else {
            return status(404);
        };
        let end = first + bytes.len() as u64;
        let is_last = end == open.size;
        let whole = end == open.size || (bytes.len() as u64).is_multiple_of(QUANTUM);
        let misdeed = if open.most < first {
            Some("skips bytes that were never stored")
        } else if end > open.size || !whole {
            Some("has a length that no chunk may have")
        } else {
            None
        };
        if let Some(what) = misdeed {
            let what = format!("a chunk {first}..{end} to session {session} {what}");
            self.misdeeds.push(what);
            return status(400);
        }
        let held = open.bytes.len() as u64;
        if open.complete || first > held || end <= held {
            return self.how_far(session, false, now);
        }
        let skip = usize::try_from(held - first).unwrap();
        let mut new = bytes[skip..].to_vec();
        if storing == Storing::Short {
            let kept = (new.len() as u64 / 2) / QUANTUM * QUANTUM;
            new.truncate(usize::try_from(kept).unwrap());
        }
        if storing == Storing::Damaged {
            new[0] ^= 1;
            open.damaged_at.push(open.bytes.len());
        }
        open.bytes.extend(new);
        open.most = open.most.max(open.bytes.len() as u64);
        let is_full = open.bytes.len() as u64 == open.size;
        if is_full {
            return self.how_far(session, false, now);
        }
        let says_200 = self.habits.says_200 && !is_last && storing != Storing::Short;
        Said {
            status: if says_200 { 200 } else { 308 },
            ..self.how_far(session, false, now)
        }
    }

    pub fn query(&mut self, session: usize, now: i64) -> Said {
        match self.living_session(session, now) {
            None => status(404),
            Some(_) => self.how_far(session, true, now),
        }
    }

    fn how_far(&mut self, session: usize, asked: bool, now: i64) -> Said {
        let open = &mut self.sessions[session];
        let held = open.bytes.len() as u64;
        let may_end = held > 0 || asked || open.complete;
        if held == open.size && may_end && (open.complete || open.finalizing_until <= now) {
            let temp = open.temp;
            if !std::mem::replace(&mut open.complete, true) {
                let (bytes, damaged) = (open.bytes.clone(), !open.damaged_at.is_empty());
                return self.store(temp, &bytes, damaged);
            }
            return self.stored(temp);
        }
        Said {
            held: (held > 0).then_some(held),
            ..status(308)
        }
    }

    fn store(&mut self, temp: usize, bytes: &[u8], damaged: bool) -> Said {
        self.temps[temp].object = Some(Object {
            size: bytes.len() as u64,
            md5: md5::Md5::digest(bytes).into(),
            crc32c: crc32c::crc32c(bytes),
            damaged,
            replaced: self.temps[temp].object.is_some(),
        });
        self.stored(temp)
    }

    fn stored(&self, temp: usize) -> Said {
        let Some(object) = &self.temps[temp].object else {
            return status(200);
        };
        let mut hashes = Vec::new();
        if self.habits.says_crc32c {
            let sum = STANDARD.encode(object.crc32c.to_be_bytes());
            hashes.push(format!("crc32c={sum}"));
        }
        if self.habits.says_md5 {
            hashes.push(format!("md5={}", STANDARD.encode(object.md5)));
        }
        Said {
            hashes,
            length: self.habits.says_length.then_some(object.size),
            ..status(200)
        }
    }

    // ---- what befalls it

    /// A session is lost.
    pub fn drop_session(&mut self, session: usize) {
        if let Some(session) = self.sessions.get_mut(session) {
            session.gone = true;
        }
    }

    /// A session forgets the last of what it held.
    pub fn rewind(&mut self, session: usize) {
        if let Some(open) = self.sessions.get_mut(session).filter(|open| !open.complete) {
            let kept = (open.bytes.len() as u64 / 2) / QUANTUM * QUANTUM;
            let kept = usize::try_from(kept).unwrap();
            open.bytes.truncate(kept);
            // what is sent again may come through well
            open.damaged_at.retain(|at| *at < kept);
        }
    }

    /// A session takes its time to make an object of its bytes.
    pub fn finalize_slowly(&mut self, session: usize, until: i64) {
        if let Some(session) = self.sessions.get_mut(session) {
            session.finalizing_until = until;
        }
    }

    fn living_temp(&self, temp: usize, now: i64) -> Option<&Temp> {
        let temp = self.temps.get(temp)?;
        (now - temp.made_at < LIFE_MS).then_some(temp)
    }

    fn living_session(&mut self, session: usize, now: i64) -> Option<&mut Session> {
        let open = self.sessions.get_mut(session)?;
        (!open.gone && now - open.opened_at < LIFE_MS).then_some(open)
    }
}
