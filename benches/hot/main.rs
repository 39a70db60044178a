//! The paths that every file takes, one by one.
//!
//! ```text
//! cargo bench --bench hot                       # all
//! cargo bench --bench hot -- journal sums       # some
//! cargo bench --bench hot -- --strict           # exit 1 if a bar is missed
//! ```
//!
//! Each figure is the median of five. The journal is a real file that is synced to the disk that `TMPDIR`
//! is on. `openssl` and `find` must be there.

#[path = "../figures/mod.rs"]
#[expect(dead_code, reason = "the other bench needs the rest")]
mod figures;

mod journal;
mod machine;
mod rescan;
mod restart;
mod sums;

use std::env;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;

use figures::Table;

/// Of each figure.
const RUNS: usize = 5;

type Run = fn(&Path, &mut Table) -> anyhow::Result<()>;

const BENCHES: &[(&str, &str, Run)] = &[
    (
        "journal",
        "jobs into the journal, and through it",
        journal::journal,
    ),
    ("sums", "md5 and crc32c, against openssl", sums::sums),
    ("machine", "the upload machine", machine::machine),
    ("rescan", "1,000,000 files, against find", rescan::rescan),
    (
        "restart",
        "from a kill in a large file to its next byte",
        restart::restart,
    ),
];

fn main() -> anyhow::Result<ExitCode> {
    let (mut strict, mut from_cargo, mut names) = (false, false, Vec::new());
    for argument in env::args().skip(1) {
        match argument.as_str() {
            "--bench" => from_cargo = true,
            "--strict" => strict = true,
            name if BENCHES.iter().any(|(known, ..)| *known == name) => names.push(argument),
            other => {
                for (name, about, _) in BENCHES {
                    eprintln!("{name:<12} {about}");
                }
                bail!("there is no bench `{other}`");
            }
        }
    }
    if !from_cargo {
        // `cargo test --all-targets` comes here
        println!("run by `cargo bench --bench hot`");
        return Ok(ExitCode::SUCCESS);
    }
    let place = tempfile::Builder::new()
        .prefix("redivis-drop-bench-")
        .tempdir()?;
    let mut table = Table::new();
    for (name, _, run) in BENCHES {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            run(place.path(), &mut table)?;
        }
    }
    let failed = strict && table.missed() > 0;
    Ok(ExitCode::from(u8::from(failed)))
}

/// The median time of five runs, in seconds; each says itself how long it took.
fn median_of(mut run: impl FnMut() -> anyhow::Result<Duration>) -> anyhow::Result<f64> {
    let times = (0..RUNS).map(|_| Ok(run()?.as_secs_f64()));
    let times = times.collect::<anyhow::Result<Vec<_>>>()?;
    Ok(figures::median(times))
}

/// How long this takes.
fn timed<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<Duration> {
    let began = Instant::now();
    work()?;
    Ok(began.elapsed())
}
