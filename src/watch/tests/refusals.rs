//! What a drop folder may hold and a watch must not touch.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, FileType, Mode, RenameFlags};

use super::*;

/// Makes one of each in `root`; `secret` is a file outside.
fn fill(root: &Path, beside: &Path) -> UnixListener {
    fs::write(beside.join("secret"), "secret").unwrap();
    fs::create_dir(root.join("real")).unwrap();
    fs::write(root.join("real/file"), "").unwrap();
    symlink(beside.join("secret"), root.join("link")).unwrap();
    symlink("real/file", root.join("inner link")).unwrap();
    symlink(beside, root.join("linked folder")).unwrap();
    symlink(root, root.join("loop")).unwrap();
    rustix::fs::mknodat(
        CWD,
        root.join("pipe"),
        FileType::Fifo,
        Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    fs::create_dir(root.join("named.csv")).unwrap();
    UnixListener::bind(root.join("socket")).unwrap()
}

#[test]
fn links_pipes_sockets_and_folders_never_arrive() {
    for (existing, polling) in [(true, false), (false, false), (true, true), (false, true)] {
        let mut setting = Setting::new();
        if polling {
            setting = setting.polling(50);
        }
        let (root, beside) = (
            setting.root().to_path_buf(),
            setting.dir.path().join("beside"),
        );
        let stage;
        let _socket = if existing {
            let socket = fill(&root, &beside);
            stage = setting.start_quiet();
            socket
        } else {
            stage = setting.start_quiet();
            fill(&root, &beside)
        };
        assert_eq!(stage.next_paths(1), paths(&["real/file"]));
        // Changes outside do not come in through the links.
        fs::write(stage.beside.join("secret"), "changed").unwrap();
        fs::write(stage.beside.join("another"), "").unwrap();
        assert_eq!(stage.until_sentinel(), paths(&[]));
    }
}

#[test]
fn a_folder_swapped_for_a_link_never_leads_outside() {
    let setting = Setting::new();
    let (root, beside) = (
        setting.root().to_path_buf(),
        setting.dir.path().join("beside"),
    );
    fs::create_dir(root.join("swapped")).unwrap();
    fs::write(root.join("swapped/file"), "inside").unwrap();
    fs::create_dir(beside.join("deeper")).unwrap();
    for path in ["file", "secret", "deeper/secret"] {
        fs::write(beside.join(path), "a secret").unwrap();
    }
    symlink(&beside, root.join(".link")).unwrap();
    let mut setting = setting.polling(1);
    setting.watch.settle = Duration::ZERO;
    let stage = setting.start();
    let done = Arc::new(AtomicBool::new(false));
    let swapping = std::thread::spawn({
        let done = Arc::clone(&done);
        move || {
            let (here, link) = (root.join("swapped"), root.join(".link"));
            while !done.load(Ordering::Relaxed) {
                // Each by turns under the name that the watch looks at.
                let _ = rustix::fs::renameat_with(CWD, &here, CWD, &link, RenameFlags::EXCHANGE);
            }
        }
    });
    for n in 0..20 {
        stage.write(&format!("{n}"), "");
        while stage.next().0.path != Path::new(&n.to_string()) {}
    }
    done.store(true, Ordering::Relaxed);
    swapping.join().unwrap();
    for (path, seen) in &stage.book.lock().unwrap().known {
        assert!(!path.ends_with("secret"), "{path:?}");
        assert!(!path.ends_with("file") || seen.size == 6, "{path:?}");
    }
}
