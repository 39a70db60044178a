//! What the wire costs us, beside what it costs others.
//!
//! ```text
//! cargo bench --bench wire                      # all
//! cargo bench --bench wire -- small large       # some
//! cargo bench --bench wire -- --strict          # exit 1 if a bar is missed
//! ```
//!
//! `--runs N` asks for another number of pairs than 5; `--transfer 'workers = 32'` adds to the daemon's
//! `[transfer]`, for trying what that changes. `PYTHON` names an interpreter with the official
//! client; without it, a virtual environment is made in the target folder. `curl` and `openssl`
//! must be there.
//!
//! The server is a plain sink on this machine, in a process of its own. Pairs run in turns
//! (ours, theirs, ours, theirs …), each program against a fresh sink with a fresh journal; a line
//! shows the medians. Files come from the page cache; the journal syncs to the disk that `TMPDIR` is on.

#[path = "../figures/mod.rs"]
#[expect(dead_code, reason = "the other bench needs the rest")]
mod figures;

mod books;
mod calls;
mod drops;
mod http;
mod large;
mod limited;
mod process;
mod programs;
mod sink;
mod small;
mod staying;

use std::env;
use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;

use figures::Table;
use programs::Setup;

/// What a bench needs.
pub struct Bench<'a> {
    /// Further lines of `[transfer]`, for trying what they change.
    transfer: String,
    /// For its files; removed in the end.
    place: &'a Path,
    /// Pairs.
    runs: usize,
    table: Table,
}

impl Bench<'_> {
    fn setup<'a>(&self, drop: &'a Path) -> Setup<'a> {
        Setup::new(drop, &self.transfer)
    }
}

type Run = fn(&mut Bench<'_>) -> anyhow::Result<()>;

const BENCHES: &[(&str, &str, Run)] = &[
    (
        "small",
        "2,000 files of 4 KiB, against the official client",
        small::small,
    ),
    (
        "distant",
        "the same with 50 ms added to every request",
        small::distant,
    ),
    (
        "large",
        "one file of 1 GiB, against curl -T and openssl md5",
        large::large,
    ),
    ("eight", "8 x 1 GiB at once: peak memory", large::eight),
    (
        "limited",
        "10,000 small files, 100 API requests per 100 s",
        limited::limited,
    ),
    (
        "queued",
        "100,000 queued jobs: the idle daemon",
        staying::queued,
    ),
    ("bandwidth", "bandwidth_limit over 10 s", staying::bandwidth),
    (
        "first-byte",
        "from a close to the first byte, under load",
        staying::first_byte,
    ),
];

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = env::args().skip(1);
    let (mut strict, mut from_cargo, mut runs) = (false, false, 5);
    let (mut transfer, mut names) = (String::new(), Vec::new());
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            sink::ARGUMENT => {
                sink::serve(&arguments.next().unwrap_or_default())?;
                return Ok(ExitCode::SUCCESS);
            }
            "--bench" => from_cargo = true,
            "--strict" => strict = true,
            "--transfer" => {
                transfer.push_str(&arguments.next().unwrap_or_default());
                transfer.push('\n');
            }
            "--runs" => runs = arguments.next().unwrap_or_default().parse()?,
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
        println!("run by `cargo bench --bench wire`");
        return Ok(ExitCode::SUCCESS);
    }
    let place = tempfile::Builder::new()
        .prefix("redivis-drop-bench-")
        .tempdir()?;
    let mut bench = Bench {
        place: place.path(),
        runs,
        transfer,
        table: Table::new(),
    };
    for (name, _, run) in BENCHES {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            run(&mut bench)?;
        }
    }
    let failed = strict && bench.table.missed() > 0;
    Ok(ExitCode::from(u8::from(failed)))
}
