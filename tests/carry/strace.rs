//! The program below `strace`: what it asks of the kernel, and what the kernel answers it.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use crate::lab::{Lab, PROGRAM};
use crate::process::{Ended, Running};

/// Whether there is one; says so loudly where not.
pub fn can_trace() -> bool {
    let probe = Command::new("strace")
        .args(["-qq", "-o", "/dev/null", "true"])
        .output();
    match probe {
        Ok(output) if output.status.success() => true,
        other => {
            eprintln!("skipped: strace: {other:?}");
            false
        }
    }
}

/// `run --once`, with `-e` and each of these. What came of it, and the trace, in which descriptors have their paths.
pub fn run_once(lab: &Lab, expressions: &[&str]) -> (Ended, String) {
    let inner = lab.command(&["run", "--once"]);
    let trace = lab.elsewhere("trace");
    let mut command = Command::new("strace");
    command
        .args(["-f", "-y", "-qq", "-e", "signal=none", "-o"])
        .arg(&trace)
        .args(expressions.iter().flat_map(|expression| ["-e", expression]))
        .arg(PROGRAM)
        .args(inner.get_args())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .current_dir(inner.get_current_dir().unwrap());
    let ended = Running::start(command, &lab.elsewhere("log-strace.txt")).wait();
    (ended, fs::read_to_string(trace).unwrap())
}

/// The calls of a trace that succeeded, as they came to their ends; of one that another interrupted, both halves as one.
pub fn succeeded(trace: &str) -> Vec<String> {
    let mut begun: BTreeMap<&str, &str> = BTreeMap::new();
    let mut calls = Vec::new();
    for line in trace.lines() {
        let (thread, said) = line.split_once(' ').unwrap();
        let said = said.trim_start();
        if let Some(beginning) = said.strip_suffix("<unfinished ...>") {
            begun.insert(thread, beginning);
        } else if said.ends_with("= 0") {
            let beginning = said.starts_with("<... ").then(|| begun.remove(thread));
            calls.push(match beginning.flatten() {
                Some(beginning) => beginning.to_owned(),
                None => said.to_owned(),
            });
        }
    }
    calls
}
