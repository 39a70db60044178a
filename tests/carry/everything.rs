//! A folder with everything in it arrives: once, whole, with bounded memory.

use redivis_drop::sandbox::Call;

use crate::lab::{Holding, KIB, Lab, MIB, Plan, holding, write_noise};
use crate::names::NAMES;
use crate::process::{Ended, wait_until};

const SMALL_FILES: usize = 2_000;

/// Of these: one empty, one exactly a chunk, one of many chunks.
const ALL_FILES: u64 = SMALL_FILES as u64 + 3;

/// 300 MB.
const LARGE: usize = 300_000_000;

/// The most memory that the program may ever use, in KiB.
const MEMORY_KIB: u64 = 64 * 1024;

#[test]
fn run_once_carries_a_folder_of_everything() {
    let lab = Lab::new();
    let wanted = fill(&lab);
    let ended = lab.start(&["run", "--once"]).wait();
    expect_all_of_it(&lab, &ended, wanted);
}

#[test]
fn the_daemon_carries_a_folder_of_everything_and_stops_when_it_is_told() {
    let lab = Lab::new();
    let wanted = fill(&lab);
    let mut daemon = lab.start(&["run"]);
    wait_until("everything is done", || {
        assert!(!daemon.has_ended(), "the daemon has ended by itself");
        lab.total("done") == ALL_FILES
    });
    let told = std::time::Instant::now();
    let ended = daemon.terminate();
    assert!(told.elapsed().as_secs() < 5, "it took {:?}", told.elapsed());
    expect_all_of_it(&lab, &ended, wanted);
}

fn fill(lab: &Lab) -> Vec<Holding> {
    let mut wanted = Vec::new();
    for (seed, (bytes, name)) in (1..).zip(NAMES) {
        let path = lab.path(bytes);
        write_noise(&path, 4 * KIB, seed);
        wanted.push(holding(name, &path));
    }
    for number in NAMES.len()..SMALL_FILES {
        let name = format!("run {}/file {number}.bin", number % 40);
        wanted.push(lab.drop_file(&name, 4 * KIB, 1_000 + number as u64));
    }
    wanted.push(lab.drop_file("empty", 0, 0));
    wanted.push(lab.drop_file("exactly one chunk", 32 * MIB, 1));
    wanted.push(lab.drop_file("large", LARGE, 2));
    wanted
}

fn expect_all_of_it(lab: &Lab, ended: &Ended, wanted: Vec<Holding>) {
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    lab.expect(wanted);
    assert_eq!(lab.total("done"), ALL_FILES);
    let peak = ended.peak_kib;
    eprintln!("peak memory {peak} KiB");
    assert!(peak > 0 && peak < MEMORY_KIB, "{peak} KiB of memory");
    // nothing went wrong, so nothing was sent twice
    let report = lab.report();
    assert_eq!(report.bytes_resent, 0);
    let small = SMALL_FILES * 4 * KIB + 32 * MIB;
    assert_eq!(report.bytes_received, (small + LARGE) as u64);
    assert_eq!(report.sessions.len(), 1);
    assert_eq!(report.requests(Call::Query), 0);
}

#[test]
fn slow_uploads_do_not_pile_up_in_memory() {
    let lab = Lab::with(&Plan {
        transfer: r#"resumable_above = "36 MB""#,
        speed: Some(20_000_000),
        ..Plan::default()
    });
    // as many as there are workers: in chunks of 32 MiB, and in one piece
    let wanted = (0..8).map(|n| lab.drop_file(&n.to_string(), (32 + n % 2 * 8) * MIB, n as u64));
    let wanted = wanted.collect();
    let ended = lab.carry_all();
    lab.expect(wanted);
    let peak = ended.peak_kib;
    eprintln!("peak memory {peak} KiB");
    assert!(peak > 0 && peak < MEMORY_KIB, "{peak} KiB of memory");
}

#[test]
fn a_size_that_is_a_multiple_of_the_chunk_has_no_empty_tail() {
    for (transfer, size, chunks) in [
        // chunks of 8, 16, 32 MiB: the last one is short, or just full
        (r#"resumable_above = "1 MB""#, 32 * MIB, 3),
        (r#"resumable_above = "1 MB""#, 56 * MIB, 3),
        (
            "resumable_above = \"1 MB\"\nchunk_size = \"256 KiB\"",
            MIB,
            4,
        ),
        (
            "resumable_above = \"1 MB\"\nchunk_size = \"256 KiB\"",
            MIB + 1,
            5,
        ),
    ] {
        let lab = Lab::with(&Plan {
            transfer,
            ..Plan::default()
        });
        let wanted = lab.drop_file("a multiple", size, 3);
        lab.carry_all();
        lab.expect(vec![wanted]);
        let report = lab.report();
        assert_eq!(report.requests(Call::Chunk), chunks, "{size}");
        assert_eq!(report.requests(Call::Query), 0, "{size}");
        assert_eq!(report.bytes_received, size as u64);
    }
}
