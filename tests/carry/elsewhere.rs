//! Drop folders that are not on a disk of this machine.

use std::process::Command;

use redivis_drop::sandbox::Call;

use crate::lab::{Lab, PROGRAM, Plan};

/// Runs the program once, with the drop folder on a FUSE file system that holds one file. Each time it is mounted
/// anew, and has another device number. `None`: such a thing cannot be mounted here.
fn run_once_on_fuse(lab: &Lab, time: usize, code: i32) -> Option<(String, String)> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/carry/fuse.py");
    let output = Command::new("unshare")
        .env("MOUNTS_BEFORE", time.to_string())
        .args(["--user", "--map-root-user", "--mount", "python3", script])
        .arg(&lab.drop_folder)
        .arg(PROGRAM)
        .args(lab.command(&["run", "--once"]).get_args())
        .output();
    let output = match output {
        Ok(output) if output.stdout.starts_with(b"mounted") => output,
        other => {
            eprintln!("skipped: {other:?}");
            return None;
        }
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    Some((String::from_utf8(output.stdout).unwrap(), said))
}

#[test]
fn a_drop_folder_on_a_network_is_polled_and_mounting_it_again_brings_no_new_versions() {
    let lab = Lab::new();
    let mut devices = Vec::new();
    for time in 0..2 {
        let Some((mounted, said)) = run_once_on_fuse(&lab, time, 0) else {
            return;
        };
        devices.push(mounted);
        let reason = "mode=\"poll\" reason=\"FUSE does not report what others do there\"";
        assert!(said.contains(reason), "{said}");
        let names: Vec<_> = lab.registered().into_iter().map(|file| file.0).collect();
        assert_eq!(names, ["measured"]);
    }
    assert_ne!(devices[0], devices[1]);
    assert_eq!(lab.jobs().len(), 1);
    assert_eq!(lab.report().requests(Call::TempUploads), 1);
}

#[test]
fn a_share_that_is_not_mounted_is_a_pause_and_no_file_counts_as_gone() {
    let lab = Lab::new();
    lab.configure(&Plan::default(), "http://127.0.0.1:9/api/v1");
    if run_once_on_fuse(&lab, 0, 5).is_none() {
        return;
    }
    lab.configure(&Plan::default(), &lab.endpoint());
    let ended = lab.run_once();
    assert_eq!(ended.code, Some(3), "{}", ended.said);
    let job = lab.job("measured");
    assert_eq!(job["state"], "reserved");
    let error = job["error"].as_str().unwrap();
    assert!(error.contains("is its share not mounted?"), "{error}");
    run_once_on_fuse(&lab, 1, 0);
    assert_eq!(lab.job("measured")["state"], "done");
}
