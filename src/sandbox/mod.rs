//! The practice server: the Redivis calls that uploads need, and Google's resumable protocol, on
//! loopback and on disk, with faults by script.
//!
//! It is a second, independent reading of the protocol: it shares no code with the rooms that
//! speak it, so that each checks the other. It promises to be strict – what the real service might
//! let pass is refused here, and reported – and to be faithful enough that the official Python
//! client works against it. It never syncs to disk, and knows one token. A [lenient](Settings::lenient) one lets
//! pass what Google's storage would, and reports it all the same: what that does to a client's files, shows there.
//!
//! # Calls
//!
//! Under `/api/v1`: `POST tables/:ref/tempUploads`, `POST|GET tables/:ref/rawFiles`,
//! `GET rawFiles/:id`, `POST|GET tables/:ref/uploads`, `GET|HEAD|DELETE tables/:ref/uploads/:name`,
//! `GET|HEAD tables/:ref`, `GET|HEAD datasets/:ref`, `POST datasets/:ref/tables`,
//! `POST datasets/:ref/versions`. A table exists as soon as it is named; what is put into it first
//! decides whether it is a file index or tabular. Qualifiers (`:next`, reference ids) do not make
//! another table. Under `/upload`: temp URLs and sessions.
//!
//! Outside of `/api/v1`, without a token, for whoever runs the server:
//!
//! | Call                         | Does                                                          |
//! |------------------------------|---------------------------------------------------------------|
//! | `GET /_sandbox/report`       | [`Report`]: violations, counts, the story of each session     |
//! | `GET /_sandbox/registered`   | every [`RegisteredFile`]: what the tables really hold          |
//! | `POST /_sandbox/faults`      | adds a fault, or an array of them                             |
//! | `POST /_sandbox/release`     | `{"dataset": ref}`: released, so that its tables refuse files |
//! | `ANY /_sandbox/trap`         | where a redirect may lead; whoever comes is a violation       |
//!
//! # Faults
//!
//! A script is a JSON array (`--faults FILE`, `POST /_sandbox/faults`, [`Sandbox::script`]):
//!
//! ```json
//! [
//!   {"call": "chunk", "skip": 1, "times": 2, "min_offset": 0, "action": {"cut_after": 100000}},
//!   {"call": "rawFiles", "action": "cut_before_reply"},
//!   {"call": "put", "times": null, "action": {"answer": {"status": 503, "headers": {"Retry-After": "2"}}}}
//! ]
//! ```
//!
//! `call` is one of `tempUploads put start chunk query rawFiles list uploads upload table dataset versions
//! download any`. Each fault counts the requests that match it; the first `skip` (default 0) go by,
//! the next `times` (default 1, `null`: all) are hit. `min_offset` waits for a chunk that begins
//! there or later. If several are due, the first acts and the others wait.
//!
//! | `action`                                            | Effect                                    |
//! |-----------------------------------------------------|-------------------------------------------|
//! | `{"answer": {"status", "headers", "body", "when"}}` | this answer; `when`: `early` (the body is not read), `after_body` (default; nothing is kept), `after_performing` |
//! | `{"rate_limit": "2"}`                               | 429 with this `Retry-After`               |
//! | `{"cut_after": n}`                                  | reset after n body bytes, which are stored as of a broken connection |
//! | `"cut_before_reply"`                                | everything is done, the answer is lost    |
//! | `"never_reply"`                                     | everything is done, nothing is answered   |
//! | `{"stall": {"after": n, "seconds": s}}`             | stops reading after n bytes; without `seconds` for ever |
//! | `{"persist_only": n}`                               | of the chunk n bytes are stored; 308      |
//! | `{"wrong_range": "bytes=0-99"}` or `null`           | done, then 308 with this `Range`, or none |
//! | `"wrong_hash"`, `"wrong_size"`                      | done, but another checksum or size is told |
//! | `{"expire_session": 404}`                           | the session ends, with this status        |
//! | `"accept_chunk_with_200"`                           | 200 instead of 308                        |
//! | `"import_forever"`                                  | an import stays `running` until the server is started again |
//! | `"drop_result"`, `"reverse_results"`                | a list lacks its last entry, or is in the wrong order |

mod answer;
mod blobs;
mod books;
mod content_range;
mod control;
mod dispatch;
mod faults;
mod filling;
mod import;
mod inflow;
mod ledger;
mod listing;
mod multipart;
mod put;
mod raw_files;
mod reference;
mod report;
mod resumable;
mod room;
mod route;
mod script;
mod secret_ids;
mod session;
mod settings;
mod tables;
mod temp_uploads;
mod uploads;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use control::RegisteredFile;
pub use faults::{Action, Answer, Call, Fault, When};
pub use ledger::LedgerError;
pub use report::{Breach, Report, SessionReport, Violation};
pub use script::ScriptError;
pub use settings::{RateLimit, RateLimitError, Settings};

use reference::TableRef;
use room::{Budget, Origin, Room};

/// A running practice server. Dropping it leaves it running until the runtime ends;
/// [`stop`](Self::stop) ends it.
#[derive(Debug)]
pub struct Sandbox {
    room: Arc<Room>,
    api_addr: SocketAddr,
    upload_addr: SocketAddr,
    stop: CancellationToken,
}

/// A practice server that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The folder cannot be made or written.
    #[error("the sandbox folder {0}: {1}")]
    Dir(PathBuf, io::Error),
    /// The folder holds something else.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The fault script cannot be read.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    /// `/dev/urandom` cannot be read.
    #[error("no randomness: {0}")]
    Randomness(io::Error),
}

impl Sandbox {
    /// Opens the folder, listens, and serves from then on.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let dir = settings.dir.clone();
        let blobs = blobs::Blobs::open(&dir).map_err(|e| StartError::Dir(dir.clone(), e))?;
        let ledger = ledger::Ledger::open(&dir)?;
        let script = script::Script::default();
        if let Some(path) = &settings.faults {
            script.add(script::Script::load(path)?);
        }
        let (api, api_addr) = bind(settings.listen).await?;
        let uploads = match settings.upload_listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let upload_addr = uploads.as_ref().map_or(api_addr, |(_, address)| *address);
        let room = Arc::new(Room {
            budget: Budget::new(settings.rate_limit),
            settings,
            ledger,
            blobs,
            ids: secret_ids::SecretIds::new().map_err(StartError::Randomness)?,
            script,
            recorder: report::Recorder::default(),
            upload_base: format!("http://{upload_addr}"),
            tasks: TaskTracker::new(),
        });
        let stop = CancellationToken::new();
        let serve = |listener, origin| {
            let work = wire::serve(listener, origin, Arc::clone(&room), stop.clone());
            room.tasks.spawn(work);
        };
        match uploads {
            Some((uploads, _)) => {
                serve(api, Origin::Api);
                serve(uploads, Origin::Upload);
            }
            None => serve(api, Origin::Shared),
        }
        for (table, slug) in import::unfinished(&room) {
            room.tasks
                .spawn(import::run(Arc::clone(&room), table, slug));
        }
        Ok(Self {
            room,
            api_addr,
            upload_addr,
            stop,
        })
    }

    /// Where the API listens.
    pub fn api_addr(&self) -> SocketAddr {
        self.api_addr
    }

    /// Where uploads are taken; the API's address if they have no origin of their own.
    pub fn upload_addr(&self) -> SocketAddr {
        self.upload_addr
    }

    /// What a client takes as its endpoint: `http://127.0.0.1:PORT/api/v1`.
    pub fn endpoint(&self) -> String {
        format!("http://{}/api/v1", self.api_addr)
    }

    /// Ends every connection at once, and waits until all that runs has stored what it has.
    pub async fn stop(self) {
        self.stop.cancel();
        self.room.tasks.close();
        self.room.tasks.wait().await;
    }

    /// Whether no connection is open and nothing is being done.
    pub fn is_idle(&self) -> bool {
        let listeners = 1 + usize::from(self.upload_addr != self.api_addr);
        self.room.tasks.len() <= listeners
    }

    /// What the server saw since its start.
    pub fn report(&self) -> Report {
        control::report(&self.room)
    }

    /// Adds faults to the script.
    pub fn script(&self, faults: Vec<Fault>) {
        self.room.script.add(faults);
    }

    /// What a table holds, in the order of registration; empty for what is no table.
    pub fn registered(&self, table: &str) -> Vec<RegisteredFile> {
        TableRef::parse(table)
            .map(|table| control::registered(&self.room, Some(&table.key)))
            .unwrap_or_default()
    }

    /// Marks a dataset as released: its tables refuse files until it has a next version.
    /// Does nothing for what is no dataset reference.
    pub fn release(&self, dataset: &str) {
        // The only refusals are a bad reference and a full disk; both show in the next answer.
        let _ = tables::release(&self.room, dataset);
    }
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let wrap = |error| StartError::Listen(address, error);
    let listener = TcpListener::bind(address).await.map_err(wrap)?;
    let bound = listener.local_addr().map_err(wrap)?;
    Ok((listener, bound))
}
