//! `redivis-drop demo`: the whole job on this machine, and the proof at its end.
//!
//! ```text
//! practice server, daemon → files are dropped → a cut connection → kill -9 → one more file
//! → the daemon again → every file compared → both stopped
//! ```
//!
//! The practice server runs in this process, on real sockets; the daemon is this very program as
//! a process of its own, so that it can really be killed. What is shown was looked at: progress
//! comes from the journal, offsets from the practice server, checksums from reading the files.
//! Nothing survives the demo: no process, and no folder unless it failed or `--keep` was asked for.

mod daemon;
mod files;
mod play;
mod screen;
mod stage;
mod verdict;

use std::collections::HashSet;
use std::env;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::error::{Exit, Failure};
use super::{print, runtime, text};
use crate::job::printable;
use play::play;
use stage::Stage;

pub(super) fn demo(keep: bool) -> Result<Exit, Failure> {
    let mut folder = tempfile::Builder::new()
        .prefix("redivis-drop-demo-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir()?;
    let path = folder.path().canonicalize()?;
    // the runtime ends here, and with it whatever still writes into the folder
    let ended = runtime()?.block_on(perform(&path, keep));
    match ended {
        Ok(Ended::Shown) if keep => {
            folder.disable_cleanup(true);
            print(format!("\nboth are stopped, and {} stays\n", path.display()).as_bytes())
        }
        Ok(Ended::Shown) => {
            folder.close()?;
            print(b"\ndaemon and server are stopped, the folder is removed\n")
        }
        Ok(Ended::Interrupted) => {
            folder.close()?;
            let what = "the demo was interrupted; its daemon is gone, its folder removed";
            Err(Failure::new(Exit::Unexpected, what))
        }
        Err(failure) => {
            folder.disable_cleanup(true);
            let hint = format!("all that the demo had is still in {}", path.display());
            Err(failure.hint(hint))
        }
    }
}

/// How it ended, if nothing failed.
enum Ended {
    Shown,
    Interrupted,
}

async fn perform(folder: &Path, keep: bool) -> Result<Ended, Failure> {
    let mut interrupt = Interrupt::listen()?;
    let played = tokio::select! {
        biased;
        () = interrupt.come() => return Ok(Ended::Interrupted),
        played = play(folder) => played,
    };
    let mut stage = played?;
    if keep {
        tokio::select! {
            biased;
            () = interrupt.come() => {}
            stayed = stay(&mut stage) => stayed?,
        }
    }
    stage.close().await?;
    Ok(Ended::Shown)
}

/// Ctrl-C, a closed terminal, or a polite kill.
struct Interrupt([Signal; 3]);

impl Interrupt {
    fn listen() -> io::Result<Self> {
        let kinds = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ];
        let [interrupt, terminate, hang_up] = kinds.map(signal);
        Ok(Self([interrupt?, terminate?, hang_up?]))
    }

    async fn come(&mut self) {
        let [interrupt, terminate, hang_up] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    }
}

// ---- afterwards

/// Shows what arrives, until somebody ends it.
async fn stay(stage: &mut Stage) -> Result<(), Failure> {
    let program = env::current_exe()?;
    let (program, config) = (program.display(), stage.config());
    let config = config.display();
    let lines = [
        format!(
            "All goes on running until Ctrl-C. Drop files of your own into {}",
            stage.drop_folder().display()
        ),
        format!("  {program} --config {config} status"),
        format!("  {program} --config {config} jobs"),
        format!(
            "  curl http://{}/_sandbox/registered   # what the table lists",
            stage.sandbox().api_addr()
        ),
    ];
    stage.screen.say("");
    for line in lines {
        stage.screen.say(&line);
    }
    let mut known: HashSet<String> = stage.registered().into_iter().map(|file| file.id).collect();
    loop {
        stage.pause().await?;
        for file in stage.registered() {
            if known.contains(&file.id) {
                continue;
            }
            let size = text::bytes(file.size);
            stage.screen.event(&format!(
                "in the table: {} ({size}, md5 {})",
                printable(Path::new(&file.name)),
                file.md5
            ));
            known.insert(file.id);
        }
    }
}
