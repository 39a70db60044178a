//! The way to the server, on which every request meets its fate.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;

use super::faults::Fate;
use super::server::{RELEASED, Refusal, Said, Server, Storing};
use super::world::{Host, World};
use crate::redivis::{
    Answer, ApiError, BodySource, Budget, Lost, REQUEST_TIMEOUT, Reply, UploadBody,
};

/// The client gives up an upload's answer after this.
const ANSWER: Duration = Duration::from_mins(2);

pub(super) const PLACES: &str = "https://up.example/t/";
const SESSIONS: &str = "https://up.example/s/";

pub(super) struct Far {
    pub world: Arc<World>,
    pub budget: Mutex<Budget>,
    /// Which token is used now.
    pub token: Mutex<u32>,
}

/// A result that is made by the server in its own time.
type Slot<T> = Arc<Mutex<Option<T>>>;

impl Far {
    pub fn new(world: Arc<World>) -> Self {
        let token = world.now().credential;
        Self {
            world,
            budget: Mutex::new(Budget::new(tokio::time::Instant::now().into_std())),
            token: Mutex::new(token),
        }
    }

    /// Lets the server do its work after `delay`, even if nobody is there to hear of it. The slot is
    /// full when the delay is over.
    fn send<T: Send + 'static>(
        &self,
        delay: Duration,
        late: bool,
        work: impl FnOnce(&mut Server, i64) -> T + Send + 'static,
    ) -> Slot<T> {
        let slot = Slot::default();
        let result = slot.clone();
        let mut world = self.world.now();
        let due = world.true_ms() + i64::try_from(delay.as_millis()).unwrap();
        let effect = Box::new(move |server: &mut Server, now| {
            *result.lock().unwrap() = Some(work(server, now));
        });
        world.later(due, late, effect);
        slot
    }

    fn take<T>(&self, slot: &Slot<T>) -> T {
        drop(self.world.now());
        slot.lock().unwrap().take().expect("it was due")
    }

    // ---- the API

    pub async fn call<T: Send + 'static>(
        &self,
        what: String,
        work: impl FnOnce(&mut Server, i64) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.world.gate().await;
        let (fate, there, back) = {
            let mut world = self.world.now();
            let world = &mut *world;
            let now = world.true_ms();
            let fate = world.weather.of_call(&mut world.chance, now);
            let accepted = *self.token.lock().unwrap() == world.token;
            world.request(Host::Api, format_args!("API {what}: {fate:?}"));
            let (there, back) = (latency(&mut world.chance), latency(&mut world.chance));
            if !accepted && !matches!(fate, Fate::NotReached) {
                drop(work);
                return Err(ApiError::Auth {
                    status: 401,
                    text: "the token is not accepted".into(),
                    scope: None,
                });
            }
            (fate, there, back)
        };
        let unavailable = |text: &str| ApiError::Unavailable {
            status: None,
            text: text.into(),
        };
        let (carried_out, answer) = match fate {
            Fate::NotReached => {
                tokio::time::sleep(there).await;
                let text = "connection refused".into();
                return Err(ApiError::NotReached { text });
            }
            Fate::Silence { carried_out_after } => {
                if let Some(ms) = carried_out_after {
                    self.send(Duration::from_millis(ms), true, work);
                }
                tokio::time::sleep(REQUEST_TIMEOUT).await;
                return Err(unavailable("no answer within 60s"));
            }
            Fate::Reset { carried_out } => (carried_out, Err(unavailable("connection reset"))),
            Fate::Nonsense { carried_out } => (
                carried_out,
                Err(ApiError::Nonsense {
                    what: "a page".into(),
                }),
            ),
            Fate::Status {
                status,
                pause,
                carried_out,
            } => (carried_out, Err(self.busy(status, pause))),
            _ => (true, Ok(())),
        };
        let slot = carried_out.then(|| self.send(there, false, work));
        tokio::time::sleep(there).await;
        let result = slot.map(|slot| self.take(&slot));
        self.world.gate().await;
        tokio::time::sleep(back).await;
        answer?;
        match result.expect("it was carried out") {
            Ok(value) => Ok(value),
            Err(Refusal(status, text)) => {
                let mut world = self.world.now();
                world.tell(format_args!("  refused: {text}"));
                if text == RELEASED {
                    world.weather.excuses.insert("refused");
                }
                Err(ApiError::Refused {
                    status,
                    code: None,
                    text: text.into(),
                })
            }
        }
    }

    fn busy(&self, status: u16, pause: Option<Duration>) -> ApiError {
        if status == 429 || (status == 503 && pause.is_some()) {
            let until = tokio::time::Instant::now() + pause.unwrap_or_default();
            self.budget.lock().unwrap().pause(until.into_std());
            return ApiError::Throttled {
                status,
                retry_after: pause,
            };
        }
        ApiError::Unavailable {
            status: Some(status),
            text: "busy".into(),
        }
    }

    // ---- uploads

    pub async fn upload(
        &self,
        address: &str,
        what: String,
        body: UploadBody,
        work: impl FnOnce(&mut Server, usize, &[u8], Storing, i64) -> Said + Send + 'static,
    ) -> Reply {
        let _occupied = Occupied::new(&self.world, address);
        self.world.gate().await;
        let place = number(address).expect("an address that the server gave");
        let session = address.starts_with(SESSIONS);
        let (fate, there, back) = {
            let mut world = self.world.now();
            let world = &mut *world;
            let now = world.true_ms();
            let fate = world.weather.of_upload(&mut world.chance, now, session);
            world.request(
                Host::Uploads,
                format_args!("up {what} at {place}: {fate:?}"),
            );
            (fate, latency(&mut world.chance), latency(&mut world.chance))
        };
        if fate == Fate::NotReached {
            tokio::time::sleep(there).await;
            return Err(lost("connection refused", false));
        }
        let mut bytes = self.receive(body, fate == Fate::Cut).await?;
        let storing = match fate {
            Fate::Short => Storing::Short,
            Fate::Damaged => self.damage(),
            _ => Storing::Right,
        };
        if session {
            self.befall(place, fate);
        }
        let whole_quanta = bytes.len() - bytes.len() % 262_144;
        let carried_out = match fate {
            Fate::Reset { carried_out }
            | Fate::Nonsense { carried_out }
            | Fate::Status { carried_out, .. } => carried_out,
            Fate::Cut if session && whole_quanta > 0 => {
                bytes.truncate(whole_quanta);
                true
            }
            Fate::Cut | Fate::Refused(_) | Fate::Redirected(_) => false,
            _ => true,
        };
        let work = move |server: &mut Server, now| work(server, place, &bytes, storing, now);
        if let Fate::Silence { carried_out_after } = fate {
            if let Some(ms) = carried_out_after {
                self.send(Duration::from_millis(ms), true, work);
            }
            tokio::time::sleep(ANSWER).await;
            return Err(Lost {
                stalled: true,
                ..lost("no answer for 120s", true)
            });
        }
        let slot = carried_out.then(|| self.send(there, false, work));
        tokio::time::sleep(there).await;
        let said = slot.map(|slot| self.take(&slot)).unwrap_or_default();
        self.world.gate().await;
        tokio::time::sleep(back).await;
        let reply = answer(fate, said);
        if let Ok(answer) = &reply {
            let Answer { status, range, .. } = answer;
            let mut world = self.world.now();
            world.tell(format_args!("  {what} at {place}: {status} {range:?}"));
        }
        reply
    }

    /// The bytes of a body, or the first part of them.
    async fn receive(&self, body: UploadBody, cut: bool) -> Result<Vec<u8>, Lost> {
        let announced = usize::try_from(body.len).unwrap();
        let mut bytes = Vec::with_capacity(announced);
        let mut pieces = match body.bytes {
            BodySource::Whole(all) => return Ok(all.to_vec()),
            BodySource::Stream(pieces) => pieces,
        };
        while let Some(piece) = pieces.next().await {
            let wrong = |why: String| Lost {
                source: true,
                ..lost(&why, true)
            };
            bytes.extend_from_slice(&piece.map_err(|error| wrong(error.to_string()))?);
            if bytes.len() > announced {
                return Err(wrong("more bytes than announced".into()));
            }
            let wait = {
                let chance = &mut self.world.now().chance;
                let wait = chance.one_in(6).then(|| latency(chance));
                if cut && chance.one_in(4) {
                    break;
                }
                wait
            };
            if let Some(wait) = wait {
                tokio::time::sleep(wait).await;
            }
        }
        if bytes.len() < announced && !cut {
            return Err(Lost {
                source: true,
                ..lost("fewer bytes than announced", true)
            });
        }
        Ok(bytes)
    }

    fn damage(&self) -> Storing {
        let world = self.world.now();
        let habits = &world.server.habits;
        let tells = habits.says_crc32c || habits.says_md5;
        if !tells && !world.weather.silent_damage {
            return Storing::Right;
        }
        Storing::Damaged
    }

    fn befall(&self, session: usize, fate: Fate) {
        let mut world = self.world.now();
        let now = world.true_ms();
        match fate {
            Fate::Gone => world.server.drop_session(session),
            Fate::Rewound => world.server.rewind(session),
            Fate::SlowToFinish => {
                let wait = i64::try_from(world.chance.up_to(500_000)).unwrap();
                world.server.finalize_slowly(session, now + wait);
            }
            _ => {}
        }
    }
}

/// Two requests at the same time to the same address would be two writers of one upload.
struct Occupied<'a> {
    world: &'a World,
    address: String,
}

impl<'a> Occupied<'a> {
    fn new(world: &'a World, address: &str) -> Self {
        let mut now = world.now();
        if !now.open.insert(address.to_owned()) {
            now.violation(format!("two writers at {address}"));
        }
        drop(now);
        let address = address.to_owned();
        Self { world, address }
    }
}

impl Drop for Occupied<'_> {
    fn drop(&mut self) {
        self.world.now().open.remove(&self.address);
    }
}

fn lost(why: &str, reached: bool) -> Lost {
    Lost {
        why: why.to_owned(),
        reached,
        stalled: false,
        source: false,
        exhausted: false,
    }
}

/// The number at the end of an address that the server gave.
pub(super) fn number(address: &str) -> Option<usize> {
    address.rsplit('/').next()?.parse().ok()
}

fn latency(chance: &mut super::chance::Chance) -> Duration {
    let ms = if chance.one_in(25) {
        chance.up_to(20_000)
    } else {
        chance.between(1, 200)
    };
    Duration::from_millis(ms)
}

fn answer(fate: Fate, said: Said) -> Reply {
    let mut answer = Answer {
        status: said.status,
        range: said.held.map(|held| format!("bytes=0-{}", held - 1)),
        location: said.session.map(|session| format!("{SESSIONS}{session}")),
        goog_hash: said.hashes,
        stored_length: said.length,
        retry_after: None,
        text: String::new(),
    };
    match fate {
        Fate::Reset { .. } | Fate::Cut => return Err(lost("connection reset", true)),
        Fate::Nonsense { .. } => return Err(lost("an HTML page", true)),
        Fate::Status { status, pause, .. } => {
            return Ok(Answer {
                status,
                retry_after: pause,
                ..nothing()
            });
        }
        Fate::Refused(status) | Fate::Redirected(status) => {
            return Ok(Answer {
                status,
                ..nothing()
            });
        }
        Fate::WrongHash if answer.status == 200 => {
            answer.goog_hash = vec!["crc32c=AAAAAQ==".into()];
        }
        Fate::NoRange if answer.status == 308 => answer.range = None,
        Fate::StrangeRange if answer.status == 308 => answer.range = Some("bytes=some".into()),
        Fate::RangeBeyond if answer.status == 308 => {
            answer.range = Some("bytes=0-99999999999".into());
        }
        _ => {}
    }
    Ok(answer)
}

fn nothing() -> Answer {
    Answer {
        status: 0,
        range: None,
        location: None,
        goog_hash: Vec::new(),
        stored_length: None,
        retry_after: None,
        text: String::new(),
    }
}
