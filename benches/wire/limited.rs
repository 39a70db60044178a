//! Many small files through a narrow API.

use anyhow::ensure;

use crate::Bench;
use crate::books::Report;
use crate::figures::{Bar, median, note, number};
use crate::programs::Sink;
use crate::sink::Manner;
use crate::small::small_files;

const FILES: usize = 10_000;
/// API requests in 100 s.
const LIMIT: usize = 100;

/// 10,000 small files with the API limited, against the same without a limit.
pub fn limited(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let drop = small_files(bench.place, FILES)?;
    let manners = [Some(LIMIT), None].map(|limit| Manner {
        limit,
        ..Manner::default()
    });
    let mut walls = [Vec::new(), Vec::new()];
    let (mut requests, mut refused) = (0, 0);
    for _ in 0..bench.runs {
        for (manner, walls) in manners.into_iter().zip(&mut walls) {
            let sink = Sink::start(manner)?;
            let cost = bench.setup(&drop).daemon(bench.place)?.once(&sink)?;
            walls.push(cost.wall.as_secs_f64());
            let report = sink.brief()?;
            ensure!(
                report.registered == FILES as u64,
                "not all were registered: {report:?}"
            );
            if manner.limit.is_some() {
                requests = requests.max(api_requests(&report));
                refused += report.calls.get("429").copied().unwrap_or(0);
            }
        }
    }
    let [limited, free] = walls.map(median);
    let (ours, theirs) = (format!("{limited:.2} s"), format!("{free:.2} s"));
    let ratio = limited / free;
    bench
        .table
        .ratio("limited", &ours, &theirs, ratio, Bar::AtMost(1.3));
    note("the whole process with 100 API requests per 100 s, against itself without a limit");
    let bar = Bar::AtMost(40.0);
    bench.table.figure(
        "limited, API requests",
        &requests.to_string(),
        number(requests),
        bar,
    );
    let bar = Bar::AtMost(0.0);
    bench
        .table
        .figure("limited, 429", &refused.to_string(), number(refused), bar);
    Ok(())
}

/// What counts against the limit.
fn api_requests(report: &Report) -> u64 {
    let uploads = ["put", "start", "chunk", "curl", "unknown"];
    let calls = report.calls.iter();
    calls
        .filter(|(call, _)| !uploads.contains(&call.as_str()))
        .map(|(_, count)| count)
        .sum()
}
