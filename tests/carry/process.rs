//! The program as a process: started, watched, and ended by real signals.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Longer than anything may take.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(5);

/// Waits until `ready` has an answer.
pub fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ready() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        thread::sleep(LOOK);
    }
}

/// Waits until something is so.
pub fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    wait_for(what, || so().then_some(()));
}

/// Does something with each case, some at a time: they wait more than they work.
pub fn each<T: Send>(cases: Vec<T>, hold: impl Fn(T) + Sync) {
    const AT_A_TIME: usize = 4;
    let left = Mutex::new(cases.into_iter());
    let next = || left.lock().unwrap().next();
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(case) = next() {
                    hold(case);
                }
            });
        }
    });
}

/// A process of the program that was begun here, and is ended here at the latest.
pub struct Running {
    child: Child,
    log: PathBuf,
    peak_kib: u64,
}

/// A process that has ended.
#[derive(Debug)]
pub struct Ended {
    /// `None`: by a signal.
    pub code: Option<i32>,
    /// What it said on stderr.
    pub said: String,
    /// The most memory it ever had, in KiB, as of the last look before its end.
    pub peak_kib: u64,
}

impl Running {
    /// Starts a command whose stderr goes to a file.
    pub fn start(mut command: Command, log: &Path) -> Self {
        let stderr = File::create(log).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .unwrap();
        Self {
            child,
            log: log.to_owned(),
            peak_kib: 0,
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn has_ended(&mut self) -> bool {
        self.look().is_some()
    }

    /// What it said so far.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Ended {
        let status = wait_for("the end of the process", || self.look());
        Ended {
            code: status.code(),
            said: self.said(),
            peak_kib: self.peak_kib,
        }
    }

    /// SIGTERM, and its end.
    pub fn terminate(mut self) -> Ended {
        self.look();
        self.signal(Signal::TERM);
        self.wait()
    }

    /// SIGHUP: it reads its configuration and begins anew.
    pub fn reload(&self) {
        self.signal(Signal::HUP);
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// SIGKILL: not a single instruction more.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn look(&mut self) -> Option<ExitStatus> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let peak = status.unwrap_or_default().lines().find_map(|line| {
            let kib = line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?;
            kib.trim().parse().ok()
        });
        self.peak_kib = self.peak_kib.max(peak.unwrap_or(0));
        self.child.try_wait().unwrap()
    }
}

/// Nothing that a test started outlives it; and a test that fails shows what the program said.
impl Drop for Running {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = writeln!(std::io::stderr(), "the program said:\n{}", self.said());
        }
        // both fail for a process that has ended and was waited for
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
