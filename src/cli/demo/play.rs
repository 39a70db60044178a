//! The play: one act after the other, each waiting for what it is about to tell.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use super::super::error::Failure;
use super::super::text;
use super::files::{self, LARGE, LATE, SMALL};
use super::stage::{BYTES_PER_SEC, FILES, Stage};
use super::verdict::{self, Local, Resumed};
use crate::sandbox::{Action, Call, Fault, RegisteredFile};

/// The connection is cut in the first chunk that begins here or later …
const CUT_FROM: u64 = 20_000_000;
/// … after so many of its bytes.
const CUT_AFTER: u64 = 1_000_000;
/// The daemon is killed when so much of the large file is confirmed …
const KILL_FROM: u64 = LARGE.size / 2;
/// … and so many bytes more have come, which the journal cannot know of yet.
const KILL_AFTER: u64 = 1_000_000;
/// Nothing arrives any more when nothing did for so long.
const STILL: Duration = Duration::from_millis(300);

/// All of it, up to the proof. Daemon and server still run then.
pub(super) async fn play(folder: &Path) -> Result<Stage, Failure> {
    let mut stage = Stage::set(folder).await?;
    introduce(&mut stage, folder).await?;
    drop_files(&stage)?;
    let after_cut = cut(&mut stage).await?;
    let held = kill(&mut stage).await?;
    drop_one_more(&stage)?;
    let after_kill = start_again(&mut stage).await?;
    arrive(&mut stage).await?;
    judge(
        &stage,
        Resumed {
            after_cut,
            held,
            after_kill,
        },
    )?;
    Ok(stage)
}

async fn introduce(stage: &mut Stage, folder: &Path) -> Result<(), Failure> {
    stage
        .screen
        .say("redivis-drop demo: drop folder, daemon and practice server on this machine");
    stage.screen.say(&format!("folder  {}", folder.display()));
    stage.screen.say(&format!(
        "server  {}, uploads at {}, {}/s",
        stage.sandbox().endpoint(),
        stage.sandbox().upload_addr(),
        text::bytes(BYTES_PER_SEC)
    ));
    let cut = Fault::new(Call::Chunk, Action::CutAfter(CUT_AFTER));
    stage.sandbox().script(vec![cut.from_offset(CUT_FROM)]);
    let pid = stage.start_daemon().await?;
    stage.screen.say(&format!(
        "daemon  process {pid}, a file counts as finished after 0.5 s of quiet"
    ));
    Ok(())
}

fn drop_files(stage: &Stage) -> Result<(), Failure> {
    for file in SMALL {
        stage.drop_file(file)?;
    }
    stage.drop_file(LARGE)?;
    let small: u64 = SMALL.iter().map(|file| file.size).sum();
    stage.screen.event(&format!(
        "dropped {} small files ({}) and one of {}",
        SMALL.len(),
        text::bytes(small),
        text::bytes(LARGE.size)
    ));
    Ok(())
}

/// Waits for the scripted cut; where the upload went on after it.
async fn cut(stage: &mut Stage) -> Result<u64, Failure> {
    let at = stage
        .until("the upload should go on after the cut", |stage| {
            let is_cut = stage.report().faults_pending.is_empty();
            let session = stage.session().filter(|_| is_cut);
            Ok(session.and_then(|session| session.resumed_at.last().copied()))
        })
        .await?;
    stage
        .screen
        .event("the server cut the connection in the middle of a chunk (as scripted)");
    stage.screen.detail(&format!(
        "the daemon asked how far it was, and went on at byte {}",
        text::exact(at)
    ));
    Ok(at)
}

/// Kills the daemon in the middle of the large file; what the server holds then.
async fn kill(stage: &mut Stage) -> Result<u64, Failure> {
    let received = stage
        .until(
            "half of the large file should be confirmed, and all others arrived",
            |stage| {
                let progress = stage.progress();
                let is_due = progress.large >= KILL_FROM && progress.arrived == SMALL.len();
                Ok(is_due.then(|| stage.report().bytes_received))
            },
        )
        .await?;
    stage
        .until("a part of the next chunk should come", |stage| {
            Ok((stage.report().bytes_received >= received + KILL_AFTER).then_some(()))
        })
        .await?;
    let pid = stage.kill_daemon()?;
    stage
        .screen
        .event(&format!("kill -9 of the daemon (process {pid})"));
    let held = still(stage).await?;
    let confirmed = stage.read_progress()?.large;
    stage.screen.detail(&format!(
        "its journal has {} bytes confirmed, the server holds {}",
        text::exact(confirmed),
        text::exact(held)
    ));
    if confirmed > held || held >= LARGE.size {
        let what = "the server should hold what the journal has confirmed, and not yet all";
        return Err(stage.failed(what));
    }
    Ok(held)
}

/// Waits until what was under way has been stored or lost; what the server holds then.
async fn still(stage: &mut Stage) -> Result<u64, Failure> {
    let mut last = (0, 0);
    let mut since = Instant::now();
    stage
        .until(
            "the server should notice that the daemon is gone",
            |stage| {
                let held = stage.session().map_or(0, |session| session.persisted);
                let now = (stage.report().bytes_received, held);
                if now != last {
                    (last, since) = (now, Instant::now());
                }
                Ok((since.elapsed() >= STILL).then_some(held))
            },
        )
        .await
}

fn drop_one_more(stage: &Stage) -> Result<(), Failure> {
    stage.drop_file(LATE)?;
    stage
        .screen
        .event("dropped one more file, while no daemon is running");
    Ok(())
}

/// Starts the daemon again; where the upload goes on.
async fn start_again(stage: &mut Stage) -> Result<u64, Failure> {
    let resumed = |stage: &Stage| {
        stage
            .session()
            .map_or(Vec::new(), |session| session.resumed_at)
    };
    let before = resumed(stage).len();
    let pid = stage.start_daemon().await?;
    stage
        .screen
        .event(&format!("the daemon is started again, as process {pid}"));
    let at = stage
        .until("the upload should go on after the restart", |stage| {
            let at = resumed(stage).get(before).copied();
            if at.is_none() && stage.progress().large == LARGE.size {
                return Err(stage.failed("the large file was sent again instead of resumed"));
            }
            Ok(at)
        })
        .await?;
    stage.screen.detail(&format!(
        "it asked the server, and went on at byte {}",
        text::exact(at)
    ));
    Ok(at)
}

async fn arrive(stage: &mut Stage) -> Result<(), Failure> {
    stage
        .until("all files should arrive", |stage| {
            Ok((stage.progress().arrived == FILES).then_some(()))
        })
        .await?;
    stage.screen.clear();
    stage.screen.event(&format!(
        "the journal says that all {FILES} files are in the table"
    ));
    Ok(())
}

// ---- the proof

/// Reads every file again and holds it against the table's own list.
fn judge(stage: &Stage, resumed: Resumed) -> Result<(), Failure> {
    let local = Stage::planned()
        .map(|file| {
            let (size, md5) = files::measure(&stage.drop_folder().join(file.name))?;
            Ok(Local {
                name: file.name.to_owned(),
                size,
                md5,
            })
        })
        .collect::<io::Result<Vec<Local>>>()?;
    let (table, report) = (stage.registered(), stage.report());
    stage.screen.say("");
    show_table(stage, &local, &table);
    stage.screen.say("");
    let findings = verdict::findings(&local, &table, &report, resumed);
    for finding in &findings {
        stage.screen.finding(finding.good, &finding.text);
    }
    let wrong: Vec<_> = findings
        .into_iter()
        .filter(|finding| !finding.good)
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let wrong: Vec<_> = wrong.into_iter().map(|finding| finding.text).collect();
    Err(stage.failed(&wrong.join("; ")))
}

fn show_table(stage: &Stage, local: &[Local], table: &[RegisteredFile]) {
    let width = local.iter().map(|file| file.name.chars().count()).max();
    let width = width.unwrap_or(0);
    let head = format!(
        "{:width$}  {:>8}  {:32}  table",
        "file", "size", "md5, read here"
    );
    stage.screen.say(&head);
    for file in local {
        let (size, md5) = (text::bytes(file.size), file.md5.to_string());
        let same = verdict::difference(file, table).unwrap_or_else(|| "same".into());
        stage
            .screen
            .say(&format!("{:width$}  {size:>8}  {md5}  {same}", file.name));
    }
}
