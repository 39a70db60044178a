//! The process dies in the middle of a large file, without a word. The next one goes on from
//! where the server is.

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use redivis_drop::sandbox::{Call, SessionReport};

use crate::lab::{Lab, MIB, Plan};
use crate::process::{wait_for, wait_until};

/// 300 MB.
const LARGE: usize = 300_000_000;

/// The default.
const CHUNK: u64 = 32 * MIB as u64;

/// Of a chunk that breaks, the server keeps a multiple of this.
const QUANTUM: u64 = 256 * 1024;

#[test]
fn a_killed_upload_goes_on_from_where_the_server_is() {
    let lab = Lab::with(&Plan {
        speed: Some(60_000_000),
        ..Plan::default()
    });
    let wanted = lab.drop_file("large", LARGE, 1);
    let daemon = lab.start(&["run"]);
    let confirmed = wait_for("the middle of the file", || {
        let confirmed = lab.jobs().first()?["confirmed_bytes"].as_u64()?;
        (confirmed >= 4 * CHUNK).then_some(confirmed)
    });
    // not at the border of a chunk
    let before = lab.report().bytes_received;
    wait_until("some more bytes", || {
        lab.report().bytes_received > before + QUANTUM
    });
    daemon.kill();
    assert_eq!(lab.registered(), []);

    lab.carry_all();
    lab.expect(vec![wanted]);
    let report = lab.report();
    let session = the_only_session(&report.sessions);
    assert_eq!(session.queries, 1);
    assert_eq!(session.resumed_at.len(), 1);
    assert!(session.resumed_at[0] >= confirmed);
    eprintln!(
        "resumed at {}, {} bytes sent again, {} too many in all",
        session.resumed_at[0],
        report.bytes_resent,
        report.bytes_received - LARGE as u64
    );
    assert!(report.bytes_resent <= CHUNK);
    assert!(report.bytes_received <= LARGE as u64 + CHUNK);
    assert_eq!(report.requests(Call::RawFiles), 1);
    assert_eq!(report.requests(Call::TempUploads), 1);
}

#[test]
fn an_upload_that_is_killed_again_and_again_arrives_once() {
    const KILLS: u64 = 5;
    let lab = Lab::with(&Plan {
        speed: Some(80_000_000),
        transfer: r#"chunk_size = "8 MiB""#,
        ..Plan::default()
    });
    let size = 200 * MIB as u64;
    let wanted = lab.drop_file("large", 200 * MIB, 2);
    for kill in 0..KILLS {
        // at any moment: any byte of the next fifth of the file, and then some
        let at = size / KILLS * kill + chance(size / KILLS);
        let more = Duration::from_millis(chance(200));
        let mut daemon = lab.start(&["run"]);
        wait_until("a moment to kill", || lab.report().bytes_received >= at);
        let then = Instant::now();
        wait_until("a little more", || then.elapsed() >= more);
        assert!(!daemon.has_ended());
        daemon.kill();
        eprintln!("killed {more:?} after byte {at}");
    }
    lab.carry_all();
    lab.expect(vec![wanted]);
    let report = lab.report();
    let chunk = 8 * MIB as u64;
    eprintln!(
        "{} sessions, {} bytes sent again, {} too many in all",
        report.sessions.len(),
        report.bytes_resent,
        report.bytes_received - size
    );
    assert!(report.bytes_received <= size + KILLS * chunk);
    assert!(report.bytes_resent <= KILLS * chunk);
    let complete = report.sessions.iter().filter(|session| session.complete);
    assert_eq!(complete.count(), 1);
    assert_eq!(report.requests(Call::RawFiles), 1);
}

#[test]
fn a_daemon_that_is_told_to_stop_in_a_large_file_stops_within_seconds_and_goes_on_later() {
    let lab = Lab::with(&Plan {
        speed: Some(20_000_000),
        transfer: r#"resumable_above = "1 MB""#,
        ..Plan::default()
    });
    let wanted = lab.drop_file("large", 40 * MIB, 3);
    let daemon = lab.start(&["run"]);
    wait_until("the middle of the first chunk", || {
        lab.report().bytes_received > 10_000_000
    });
    let told = Instant::now();
    let ended = daemon.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    assert!(told.elapsed() < Duration::from_secs(5));
    lab.carry_all();
    lab.expect(vec![wanted]);
    let report = lab.report();
    let session = the_only_session(&report.sessions);
    // the part of the chunk that the server kept is not sent again
    assert!(session.resumed_at[0] >= 9 * MIB as u64, "{session:?}");
    assert!(report.bytes_resent < QUANTUM, "{report:?}");
}

fn the_only_session(sessions: &[SessionReport]) -> &SessionReport {
    let [session] = sessions else {
        panic!("{} sessions: {sessions:?}", sessions.len());
    };
    assert!(session.complete);
    session
}

/// A number below `limit` that nobody knows before.
fn chance(limit: u64) -> u64 {
    RandomState::new().hash_one(limit) % limit
}
