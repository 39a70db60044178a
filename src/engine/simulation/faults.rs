//! What goes wrong between the engine and its server: one fate for each request.

use std::collections::BTreeSet;
use std::time::Duration;

use super::chance::Chance;

/// A registration is carried out at most so long after it was sent. The engine relies on it: it takes a
/// request that is older than two request timeouts for one that will not arrive any more.
const LATEST_CALL_MS: u64 = 75_000;
/// And the same of bytes, on which nothing relies.
const LATEST_UPLOAD_MS: u64 = 300_000;
/// The longest time after which a row is listed; together with the above less than two minutes.
pub(super) const LONGEST_LAG_MS: u64 = 40_000;

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Well,
    /// No connection: nothing left the machine.
    NotReached,
    /// The connection breaks instead of an answer.
    Reset {
        carried_out: bool,
    },
    /// No answer until the engine gives up. Carried out so many milliseconds after it was sent.
    Silence {
        carried_out_after: Option<u64>,
    },
    /// An error of the server.
    Status {
        status: u16,
        pause: Option<Duration>,
        carried_out: bool,
    },
    /// A page of a captive portal, or an answer that nobody understands.
    Nonsense {
        carried_out: bool,
    },
    // ---- uploads only
    /// The connection breaks within the body.
    Cut,
    /// A refusal that says nothing of what is stored.
    Refused(u16),
    Redirected(u16),
    /// The session is lost.
    Gone,
    /// Only part of the chunk is kept.
    Short,
    /// The session loses some of what it had.
    Rewound,
    /// The object takes its time to be made.
    SlowToFinish,
    /// A bit of the bytes flips.
    Damaged,
    /// The answer names a hash that is not that of the object.
    WrongHash,
    NoRange,
    StrangeRange,
    RangeBeyond,
}

impl Fate {
    fn may_end_a_session(self) -> bool {
        matches!(
            self,
            Self::Refused(_)
                | Self::Gone
                | Self::Rewound
                | Self::SlowToFinish
                | Self::NoRange
                | Self::StrangeRange
                | Self::RangeBeyond
        )
    }
}

/// How bad it is, and what kind of trouble there can be.
#[derive(Debug, Clone)]
pub(super) struct Weather {
    /// Troubles in a thousand calls to the API, and in a thousand requests of uploads.
    pub calls: u64,
    pub uploads: u64,
    /// Troubles of uploads that may lead to a parked file.
    pub cruel: bool,
    /// A bit may flip without any header that tells.
    pub silent_damage: bool,
    /// Until when nobody answers, in true time: the API, the upload server.
    pub api_down_until: i64,
    pub uploads_down_until: i64,
    /// Until when a server, or both, fail in one and the same manner.
    pub outage: Option<(i64, Outage)>,
    /// What a parked file may be due to.
    pub excuses: BTreeSet<&'static str>,
    /// Troubles so far of which each may end a session.
    spoilt: u32,
}

/// How the servers fail; `None`: one does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outage {
    pub api: Option<Fate>,
    pub uploads: Option<Fate>,
}

impl Weather {
    pub fn fine() -> Self {
        Self {
            calls: 0,
            uploads: 0,
            cruel: false,
            silent_damage: false,
            api_down_until: 0,
            uploads_down_until: 0,
            outage: None,
            excuses: BTreeSet::new(),
            spoilt: 0,
        }
    }

    pub fn some(chance: &mut Chance) -> Self {
        let bad = [0, 50, 150, 250, 400, 550];
        Self {
            calls: chance.of(&bad),
            uploads: chance.of(&bad),
            cruel: chance.one_in(3),
            silent_damage: chance.one_in(12),
            ..Self::fine()
        }
    }

    /// No more trouble; what was excused stays excused.
    pub fn clear_up(&mut self) {
        let excuses = std::mem::take(&mut self.excuses);
        *self = Self {
            excuses,
            ..Self::fine()
        };
    }

    fn outage(&self, now: i64) -> Option<Outage> {
        let (until, outage) = self.outage?;
        (now < until).then_some(outage)
    }

    /// The fate of a call to the API.
    pub fn of_call(&mut self, chance: &mut Chance, now: i64) -> Fate {
        if let Some(fate) = self.outage(now).and_then(|outage| outage.api) {
            return fate;
        }
        if now < self.api_down_until {
            return down(chance);
        }
        if !chance.per_mille(self.calls) {
            return Fate::Well;
        }
        match chance.up_to(9) {
            0 => Fate::NotReached,
            1 | 2 => Fate::Reset {
                carried_out: chance.one_in(2),
            },
            3..=5 => Fate::Silence {
                carried_out_after: chance.per_mille(700).then(|| chance.up_to(LATEST_CALL_MS)),
            },
            6 => Fate::Nonsense {
                carried_out: chance.one_in(2),
            },
            _ => busy(chance),
        }
    }

    /// The fate of a request of an upload; `session` says whether it is one to a session.
    pub fn of_upload(&mut self, chance: &mut Chance, now: i64, session: bool) -> Fate {
        if let Some(fate) = self.outage(now).and_then(|outage| outage.uploads) {
            return fate;
        }
        if now < self.uploads_down_until {
            return down(chance);
        }
        if !chance.per_mille(self.uploads) {
            return Fate::Well;
        }
        let fate = match chance.up_to(if session { 22 } else { 15 }) {
            0 => Fate::NotReached,
            1 | 2 => Fate::Reset {
                carried_out: chance.one_in(2),
            },
            3..=5 => Fate::Silence {
                carried_out_after: chance
                    .per_mille(700)
                    .then(|| chance.up_to(LATEST_UPLOAD_MS)),
            },
            6 => Fate::Nonsense {
                carried_out: chance.one_in(2),
            },
            7..=9 => busy(chance),
            10 | 11 => Fate::Cut,
            12 => Fate::Redirected(chance.of(&[301, 302, 307, 308])),
            13 => Fate::Refused(chance.of(&[400, 401, 403, 404, 410, 412, 413, 416])),
            14 => Fate::Damaged,
            15 => Fate::WrongHash,
            16 | 17 => Fate::Short,
            18 => Fate::Rewound,
            19 => Fate::SlowToFinish,
            20 => Fate::NoRange,
            21 => chance.of(&[Fate::StrangeRange, Fate::RangeBeyond]),
            _ => Fate::Gone,
        };
        let kind = match fate {
            Fate::Refused(_) => chance.of(&["refused", "sessions-lost", "corrupted"]),
            Fate::Damaged | Fate::WrongHash => "corrupted",
            Fate::Gone => "sessions-lost",
            _ => {
                self.spoil(fate);
                return fate;
            }
        };
        if !self.cruel {
            return Fate::Well;
        }
        self.excuses.insert(kind);
        self.spoil(fate);
        fate
    }

    /// Notes what may end a session. Another one may have died of its age: so it takes one for a link
    /// that seems too slow, and two for the third session.
    fn spoil(&mut self, fate: Fate) {
        if !fate.may_end_a_session() {
            return;
        }
        self.spoilt += 1;
        self.excuses.insert("too-slow");
        if self.spoilt > 1 {
            self.excuses.insert("sessions-lost");
        }
    }
}

fn down(chance: &mut Chance) -> Fate {
    if chance.one_in(4) {
        Fate::Silence {
            carried_out_after: None,
        }
    } else {
        Fate::NotReached
    }
}

fn busy(chance: &mut Chance) -> Fate {
    let status = chance.of(&[408, 429, 429, 500, 502, 503, 503, 504]);
    let says_when = matches!(status, 429 | 503) && chance.one_in(2);
    Fate::Status {
        status,
        pause: says_when.then(|| Duration::from_secs(chance.up_to(900))),
        carried_out: status != 429 && chance.one_in(3),
    }
}
