//! The daemon as a process of its own. It never outlives this guard.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

/// How long a daemon may take to stop by itself.
const STOPPING: Duration = Duration::from_secs(10);
/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(50);
/// So much of the end of its log is shown.
const TAIL: usize = 12;

/// What the demo's daemon must not take over: the user's own endpoint, token and log settings,
/// and a supervisor that waits for somebody else.
const NOT_INHERITED: [&str; 8] = [
    "REDIVIS_API_ENDPOINT",
    "REDIVIS_API_TOKEN",
    "REDIVIS_DROP_CONFIG",
    "REDIVIS_DROP_LOG",
    "CREDENTIALS_DIRECTORY",
    "JOURNAL_STREAM",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
];

/// A running `redivis-drop run`. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Daemon {
    child: Child,
}

impl Daemon {
    /// Starts this very program; what it says is added to `log`.
    pub fn start(config: &Path, log: &Path) -> io::Result<Self> {
        let log: File = OpenOptions::new().append(true).create(true).open(log)?;
        let mut command = Command::new(env::current_exe()?);
        command.arg("--config").arg(config).arg("run");
        for name in NOT_INHERITED {
            command.env_remove(name);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Self { child })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, should it have ended.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// SIGKILL: it can neither notice nor tidy up. Says whether that is what ended it.
    pub fn kill(mut self) -> io::Result<bool> {
        self.child.kill()?;
        let killed = Signal::KILL.as_raw();
        Ok(self.child.wait()?.signal() == Some(killed))
    }

    /// SIGTERM, and then its own exit status; `None` if it did not stop in time and was killed.
    pub async fn stop(mut self) -> io::Result<Option<ExitStatus>> {
        if self.ended()?.is_none() {
            kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        }
        let deadline = Instant::now() + STOPPING;
        while Instant::now() < deadline {
            if let Some(status) = self.ended()? {
                return Ok(Some(status));
            }
            sleep(LOOK).await;
        }
        Ok(None)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // both fail only for a process that has already ended and been waited for
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The last lines of a daemon's log.
pub(super) fn tail(log: &Path) -> String {
    let text = match fs::read(log) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => return format!("{}: {error}", log.display()),
    };
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_log_its_end_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        assert!(tail(&log).contains("No such file"));
        let lines: Vec<String> = (0..50).map(|n| format!("line {n}")).collect();
        fs::write(&log, lines.join("\n")).unwrap();
        assert_eq!(tail(&log), lines[50 - TAIL..].join("\n"));
    }
}
