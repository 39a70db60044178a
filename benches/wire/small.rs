//! Many small files, against the official client.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::ensure;

use crate::Bench;
use crate::books::Report;
use crate::drops;
use crate::figures::{Bar, median, note, number, skipped};
use crate::programs::{self, Sink};
use crate::sink::Manner;

const FILES: usize = 2000;
const SIZE: usize = 4 << 10;
/// Added to every request by the distant server.
const DISTANCE: Duration = Duration::from_millis(50);

/// 2,000 files of 4 KiB.
pub fn small(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    against_the_official_client(bench, "small", Manner::default(), Bar::AtLeast(20.0))
}

/// The same with 50 ms added to every request.
pub fn distant(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let manner = Manner {
        latency: DISTANCE,
        ..Manner::default()
    };
    against_the_official_client(bench, "distant", manner, Bar::AtLeast(5.0))
}

fn against_the_official_client(
    bench: &mut Bench<'_>,
    name: &str,
    manner: Manner,
    bar: Bar,
) -> anyhow::Result<()> {
    let drop = small_files(bench.place, FILES)?;
    let python = programs::python();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let (mut walls, mut cpu) = (Vec::new(), Vec::new());
    for _ in 0..bench.runs {
        let sink = Sink::start(manner)?;
        let cost = bench.setup(&drop).daemon(bench.place)?.once(&sink)?;
        ours.push(rate(&sink.brief()?)?);
        walls.push(cost.wall.as_secs_f64());
        cpu.push(cost.cpu.as_secs_f64());
        if let Ok(python) = &python {
            let sink = Sink::start(manner)?;
            programs::add_files(python, &sink, &drop)?;
            theirs.push(rate(&sink.brief()?)?);
        }
    }
    let (ours, theirs, wall) = (median(ours), median(theirs), median(walls));
    let shown = format!("{ours:.0} files/s");
    if let Err(why) = python {
        skipped(name, &format!("{shown}, and no official client: {why}"));
    } else {
        let official = format!("{theirs:.0} files/s");
        bench
            .table
            .ratio(name, &shown, &official, ours / theirs, bar);
    }
    note("both from the first request at the server to the last answer to a registration");
    let without = wall - 0.1;
    note(&format!(
        "our whole process: {wall:.2} s, {without:.2} s without the settle time of 100 ms; \
         processor time: {:.2} s",
        median(cpu)
    ));
    Ok(())
}

/// Files per second between the first request and the last registration.
fn rate(report: &Report) -> anyhow::Result<f64> {
    ensure!(
        report.registered == FILES as u64,
        "{} of {FILES} files were registered: {report:?}",
        report.registered
    );
    let nanos = number(report.last_registration - report.first_request);
    Ok(number(report.registered) * 1e9 / nanos)
}

/// A folder of so many small files; made once.
pub fn small_files(place: &Path, count: usize) -> anyhow::Result<PathBuf> {
    let drop = place.join(format!("small-{count}"));
    if !drop.exists() {
        drops::small_files(&drop, count, SIZE)?;
    }
    Ok(drop)
}
