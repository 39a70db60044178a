//! Runs a program and says what it cost.

use std::fs;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// Between two looks at a running program's memory.
const LOOK: Duration = Duration::from_millis(10);

/// What a program took from start to end.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    pub wall: Duration,
    /// User and system time of all its threads, exact to 10 ms.
    pub cpu: Duration,
    /// The most memory it held (`VmHWM`), in KiB.
    pub peak_kib: u64,
    pub code: Option<i32>,
}

/// Runs it to its end.
pub fn run(command: &mut Command) -> anyhow::Result<Cost> {
    let began = Instant::now();
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let over = AtomicBool::new(false);
    let (wall, peak_kib) = thread::scope(|scope| {
        let watched = scope.spawn(|| watch_memory(child.id(), &over));
        let ended = wait_for_end(pid(&child));
        let wall = began.elapsed();
        over.store(true, Ordering::Relaxed);
        let peak_kib = watched.join().unwrap_or(0);
        ended.map(|()| (wall, peak_kib))
    })?;
    let cpu = cpu(child.id())?;
    let code = child.wait()?.code();
    Ok(Cost {
        wall,
        cpu,
        peak_kib,
        code,
    })
}

/// As [`run`]; anything but exit code 0 is an error.
pub fn run_well(command: &mut Command) -> anyhow::Result<Cost> {
    let cost = run(command)?;
    if cost.code != Some(0) {
        let program = command.get_program().display().to_string();
        bail!("{program} ended with {:?}", cost.code);
    }
    Ok(cost)
}

/// A program that runs until this is dropped.
pub struct Running(pub Child);

impl Running {
    /// Starts it.
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        let program = command.get_program().display().to_string();
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        Ok(Self(child))
    }

    /// A line of `/proc/PID/status`, in KiB.
    pub fn memory_kib(&self, line: &str) -> anyhow::Result<u64> {
        memory(self.0.id(), line).context("the program has ended")
    }

    /// How often its threads were put on a processor since they began.
    pub fn wake_ups(&self) -> anyhow::Result<u64> {
        let mut sum = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.0.id()))? {
            let status = fs::read_to_string(task?.path().join("status"))?;
            sum += number(&status, "voluntary_ctxt_switches:").unwrap_or(0);
            sum += number(&status, "nonvoluntary_ctxt_switches:").unwrap_or(0);
        }
        Ok(sum)
    }

    /// Whether it has ended by itself, and how.
    pub fn ended(&mut self) -> anyhow::Result<Option<i32>> {
        let status = self.0.try_wait()?;
        Ok(status.map(|status| status.code().unwrap_or(-1)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            // it has not been reaped, so the id is still its own
            let _ = kill_process(pid(&self.0), Signal::TERM);
            let _ = self.0.wait();
        }
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// Waits without reaping: what it cost can be read until it is reaped.
fn wait_for_end(pid: Pid) -> anyhow::Result<()> {
    waitid(
        WaitId::Pid(pid),
        WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
    )?;
    Ok(())
}

/// The high-water mark only grows, but is gone with the process: it is looked at until then.
fn watch_memory(pid: u32, over: &AtomicBool) -> u64 {
    let mut peak_kib = 0;
    while !over.load(Ordering::Relaxed) {
        peak_kib = peak_kib.max(memory(pid, "VmHWM:").unwrap_or(0));
        thread::sleep(LOOK);
    }
    peak_kib
}

/// `utime` and `stime` in `/proc/PID/stat`, counted in hundredths of a second.
fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, after_name) = stat.rsplit_once(')').context("no name in stat")?;
    let fields = after_name.split_whitespace().skip(11).take(2);
    let ticks: u64 = fields.map_while(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}

fn memory(pid: u32, line: &str) -> Option<u64> {
    number(
        &fs::read_to_string(format!("/proc/{pid}/status")).ok()?,
        line,
    )
}

fn number(status: &str, line: &str) -> Option<u64> {
    let value = status.lines().find_map(|text| text.strip_prefix(line))?;
    value.split_whitespace().next()?.parse().ok()
}
