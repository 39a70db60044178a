//! The order in which an after-action reaches the disks. A power cut is not a kill: it takes what was not synced. So
//! nothing may lose its last name before what replaces it is on a disk, and nothing is called done before that is.

use std::path::Path;

use super::{After, Scene, files};
use crate::strace::{can_trace, run_once, succeeded};

/// What matters of what was asked of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The journal has it on its disk.
    Recorded,
    /// A name goes in the drop folder: by renaming, or for ever.
    Renamed,
    Deleted,
    /// The drop folder, as it is now.
    SyncedHere,
    /// What lies where files are moved to has a name that it had not before.
    Named,
    /// The copy, and the folder in which it has a name.
    SyncedCopy,
    SyncedThere,
}

fn steps(scene: &Scene, trace: &str) -> Vec<Step> {
    let within = |folder: &Path| format!("<{}>", folder.display());
    let (here, there) = (within(&scene.lab.drop_folder), within(&scene.done));
    let copy = format!("<{}/", scene.done.display());
    let journal = format!("<{}-wal>", scene.lab.journal.display());
    let step = |call: String| {
        let (name, rest) = call.split_once('(')?;
        let is_sync = matches!(name, "fsync" | "fdatasync");
        let (first, second) = (
            rest.split(',').next().unwrap_or(rest),
            rest.split(',').nth(2),
        );
        Some(match name {
            _ if is_sync && rest.contains(&journal) => Step::Recorded,
            _ if is_sync && rest.contains(&here) => Step::SyncedHere,
            _ if is_sync && rest.contains(&there) => Step::SyncedThere,
            _ if is_sync && rest.contains(&copy) => Step::SyncedCopy,
            "unlinkat" if first.contains(&here) => Step::Deleted,
            "renameat2" if first.contains(&here) => Step::Renamed,
            "renameat2" if second.is_some_and(|second| second.contains(&there)) => Step::Named,
            _ => return None,
        })
    };
    succeeded(trace).into_iter().filter_map(step).collect()
}

#[test]
fn what_a_power_cut_would_take_is_on_the_disk_before_its_last_name_goes() {
    use Step::{Deleted, Named, Recorded, Renamed, SyncedCopy, SyncedHere, SyncedThere};
    if !can_trace() {
        return;
    }
    for (after, before, afterwards) in [
        (After::Delete, vec![], vec![Deleted, SyncedHere]),
        (After::Move, vec![], vec![Named, SyncedHere, SyncedThere]),
        (
            After::Across,
            vec![SyncedCopy, Named, SyncedThere],
            vec![Deleted, SyncedHere, SyncedThere],
        ),
    ] {
        let Some(mut scene) = Scene::new(after, "") else {
            continue;
        };
        scene.drop_file("file", 300_000, 1);
        let calls = "trace=fsync,fdatasync,renameat2,unlinkat";
        let (ended, trace) = run_once(&scene.lab, &[calls]);
        assert_eq!(ended.code, Some(0), "{}", ended.said);
        assert_eq!(files(&scene.lab.drop_folder), [""; 0]);
        let steps = steps(&scene, &trace);
        let acts: Vec<Step> = steps
            .iter()
            .copied()
            .filter(|step| *step != Recorded)
            .collect();
        let wanted = [before.as_slice(), &[Renamed], &afterwards].concat();
        assert_eq!(acts, wanted, "{after:?}: {trace}");
        // the proof and the intent before it begins, the end of it after its last sync
        let at = |wanted: Step| steps.iter().position(|step| *step == wanted).unwrap();
        let last = steps.iter().rposition(|step| *step != Recorded).unwrap();
        assert!(
            steps[..at(acts[0])].contains(&Recorded),
            "{after:?}: {trace}"
        );
        assert!(steps[last..].contains(&Recorded), "{after:?}: {trace}");
    }
}
