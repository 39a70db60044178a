//! Where the watches meet the journal: neither room knows the other.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::config::{self, Config};
use crate::job::{Naming, Sighting, WatchName};
use crate::journal::{Journal, JournalError, NewJob, UNARRIVED_TOLD, WatchRow};
use crate::watch::{self, Health, Ledger, MISSING_TOLD, Missing, SpawnError, Watching};

/// Begins to watch all drop folders.
pub(super) fn start(
    config: &Config,
    host: &OsStr,
    journal: &Journal,
) -> Result<Vec<Watching>, SpawnError> {
    config
        .watches
        .iter()
        .map(|watch| {
            let desk = Desk {
                journal: journal.clone(),
                naming: naming(watch, host),
                watch: watch.clone(),
            };
            watch::spawn(watch.clone(), desk)
        })
        .collect()
}

/// Where a watch meets the journal: neither room knows the other.
struct Desk {
    journal: Journal,
    watch: config::Watch,
    naming: Naming,
}

impl Ledger for Desk {
    type Error = JournalError;

    fn unknown(
        &self,
        watch: &WatchName,
        sightings: Vec<Sighting>,
    ) -> Result<Vec<Sighting>, JournalError> {
        self.journal.unknown(watch, sightings)
    }

    fn missing(
        &self,
        watch: &WatchName,
        folder: &Path,
        after: Option<&Path>,
        but: &[PathBuf],
    ) -> Result<Vec<Missing>, JournalError> {
        const { assert!(UNARRIVED_TOLD == MISSING_TOLD) };
        let unarrived = self.journal.unarrived(watch, folder, after, but)?;
        let missing = unarrived.into_iter().map(|file| Missing {
            path: file.path,
            failed: file.failed,
        });
        Ok(missing.collect())
    }

    fn enqueue(&self, watch: &WatchName, sightings: Vec<Sighting>) -> Result<(), JournalError> {
        let mut sightings = sightings;
        // of two files that would share a name the first one has it: not by chance
        sightings.sort_by(|one, other| one.path.cmp(&other.path));
        let files = sightings.into_iter().map(|sighting| NewJob {
            remote_name: self.naming.name(&sighting),
            sighting,
        });
        let table = &self.watch.table;
        self.journal
            .enqueue(watch, table, files.collect(), Timestamp::now())?;
        Ok(())
    }

    fn report(&self, watch: &WatchName, health: Health) -> Result<(), JournalError> {
        self.journal.report_watch(WatchRow {
            name: watch.clone(),
            account: self.watch.account.clone(),
            path: self.watch.path.clone(),
            table: self.watch.table.clone(),
            mode: health.mode.as_str().to_owned(),
            mode_reason: health.mode_reason,
            settling: health.settling,
            held: health.held,
            overflows: health.overflows,
            last_scan_at: health.last_scan_at,
            error: health.error,
            closed: None,
        })
    }
}

/// How the files of a watch are called in its table.
pub(super) fn naming(watch: &config::Watch, host: &OsStr) -> Naming {
    Naming {
        template: watch.remote_name.clone(),
        watch: watch.name.clone(),
        host: host.to_owned(),
    }
}

/// The name of a watch whose thread has ended, should that ever happen.
pub(super) async fn ended(watches: &[Watching]) -> WatchName {
    let ended = watches.iter().map(|watch| {
        let mut phase = watch.phase();
        Box::pin(async move {
            while phase.changed().await.is_ok() {}
            watch.name().clone()
        })
    });
    let (name, ..) = futures_util::future::select_all(ended).await;
    name
}

/// Stops the watches, and waits for them as long as they may take. On a thread of its own: those of the runtime may all
/// wait for a file system that does not answer.
pub(super) async fn stop(watches: Vec<Watching>) {
    let (tell, told) = oneshot::channel();
    let stopping = std::thread::Builder::new().spawn(move || {
        watch::stop_all(watches);
        let _ = tell.send(());
    });
    // if there is no thread, dropping them has told them to stop
    if stopping.is_err() || told.await.is_err() {
        tracing::warn!("a watch could not be stopped");
    }
}
