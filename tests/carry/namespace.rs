//! Disks of a test's own, mounted where nobody else sees them.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Runs the test of this path, like `disk::a_test`, again in a mount namespace of its own; `true` if this is that run.
pub fn in_a_namespace(name: &str) -> bool {
    const MARK: &str = "mount-namespace-of-a-test";
    if fs::read_to_string("/proc/self/mounts")
        .unwrap()
        .contains(MARK)
    {
        return true;
    }
    let script =
        format!("mount -t tmpfs -o size=1m {MARK} /mnt && exec \"$0\" --exact --nocapture {name}");
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .output();
    match output {
        Err(error) => eprintln!("skipped: unshare: {error}"),
        Ok(output) if !String::from_utf8_lossy(&output.stdout).contains("running 1 test") => {
            eprintln!("skipped: no mount namespace: {output:?}");
        }
        Ok(output) => {
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert!(output.status.success(), "{said}");
        }
    }
    false
}

/// Mounts a disk of memory with these options.
pub fn mount(at: &Path, options: &str) {
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at);
    assert!(mount.status().unwrap().success());
}

/// Mounts again what is mounted there, with other options.
pub fn mount_again(at: &Path, options: &str) {
    let mut mount = Command::new("mount");
    mount.args(["-o", &format!("remount,{options}")]).arg(at);
    assert!(mount.status().unwrap().success());
}

/// Mounts a folder a second time.
pub fn mount_twice(folder: &Path, at: &Path) {
    let mut mount = Command::new("mount");
    mount.arg("--bind").args([folder, at]);
    assert!(mount.status().unwrap().success());
}

/// Mounts what shows a folder and takes everything on to it, as an overlay over an empty disk: its folders have other
/// numbers there. `false`, loudly, where that cannot be mounted.
pub fn mount_as_another_kind(folder: &Path, at: &Path, empty: &Path, work: &Path) -> bool {
    fs::create_dir_all(empty).unwrap();
    fs::create_dir_all(work).unwrap();
    mount(empty, "size=1m");
    let layers = format!(
        "lowerdir={},upperdir={},workdir={},userxattr",
        empty.display(),
        folder.display(),
        work.display()
    );
    let mut mount = Command::new("mount");
    mount
        .args(["-t", "overlay", "-o", &layers, "overlay"])
        .arg(at);
    let mounted = mount.status().unwrap().success();
    if !mounted {
        eprintln!("skipped: no overlay can be mounted here");
    }
    mounted
}
