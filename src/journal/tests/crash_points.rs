//! The points at which the kill loop kills lie where they say they do.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use super::*;

/// A point that was passed although nothing was written would be hit there, and the window that it names never.
#[test]
fn a_claim_of_nothing_passes_no_point_of_claims() {
    const NAME: &str = "journal::tests::crash_points::a_claim_of_nothing_passes_no_point_of_claims";
    // tells the process that is to die from this one; there is no such test to skip
    const MARK: &str = "whoever-claims-dies";
    if !std::env::args().any(|argument| argument == MARK) {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", NAME, "--skip", MARK])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("claimed nothing, and lives"), "{text}");
        assert!(!text.contains("claimed one, and lives"), "{text}");
        assert_eq!(output.status.signal(), Some(9), "{text}");
        return;
    }
    crate::crash_point::arm("claim-committed:1").unwrap();
    let bench = Bench::new();
    assert!(claim(&bench.journal(), Queue::Queued).is_empty());
    println!("claimed nothing, and lives");
    bench.enqueue(&[("a", 1)]);
    claim(&bench.journal(), Queue::Queued);
    println!("claimed one, and lives");
}
