//! The comparison: what lies here against what the table lists, and what the server saw.
//!
//! Pure, and says nothing that it did not compare.

use std::fmt::Write as _;

use crate::job::Md5;
use crate::sandbox::{RegisteredFile, Report};

use super::super::text;
use super::stage::CHUNK;

/// A file as it lies in the drop folder now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Local {
    /// Relative to the drop folder.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Of the bytes that were just read.
    pub md5: Md5,
}

/// Where the large file was interrupted and went on, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Resumed {
    /// Where it went on after the cut connection.
    pub after_cut: u64,
    /// What the server held when the daemon was dead, or a little less: bytes may still be coming.
    pub held: u64,
    /// Where it went on after the kill.
    pub after_kill: u64,
}

/// One statement, and whether it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// Whether all is well.
    pub good: bool,
    /// The statement, or what is wrong.
    pub text: String,
}

/// A file here against the table: `None` if the same name, size and md5 stand there exactly once.
pub(super) fn difference(local: &Local, table: &[RegisteredFile]) -> Option<String> {
    let same_name: Vec<_> = table
        .iter()
        .filter(|file| file.name == local.name)
        .collect();
    match same_name[..] {
        [] => Some("not in the table".into()),
        [file] if file.size != local.size => Some(format!("{} bytes in the table", file.size)),
        [file] if file.md5 != local.md5.to_string() => Some(format!("{} in the table", file.md5)),
        [_] => None,
        _ => Some(format!("{} times in the table", same_name.len())),
    }
}

/// Everything that was to be shown.
pub(super) fn findings(
    local: &[Local],
    table: &[RegisteredFile],
    report: &Report,
    resumed: Resumed,
) -> Vec<Finding> {
    vec![
        equal(local, table),
        nothing_else(local, table),
        went_on(resumed),
        sent_twice(local, report),
        rules_kept(report),
    ]
}

fn equal(local: &[Local], table: &[RegisteredFile]) -> Finding {
    let files = local.len();
    let equal = local
        .iter()
        .filter(|file| difference(file, table).is_none());
    let equal = equal.count();
    Finding {
        good: equal == files && files > 0,
        text: if equal == files {
            format!(
                "{files} of {files} files: name, size and md5 are the same here and in the table"
            )
        } else {
            format!("only {equal} of {files} files are the same here and in the table")
        },
    }
}

fn nothing_else(local: &[Local], table: &[RegisteredFile]) -> Finding {
    let is_ours = |file: &&RegisteredFile| local.iter().any(|ours| ours.name == file.name);
    let foreign = table.iter().filter(|file| !is_ours(file)).count();
    Finding {
        good: table.len() == local.len() && foreign == 0,
        text: if table.len() == local.len() && foreign == 0 {
            format!(
                "the table lists {} files: each one once, and no others",
                table.len()
            )
        } else {
            format!(
                "the table lists {} files, {foreign} of them unknown here, where {} lie",
                table.len(),
                local.len()
            )
        },
    }
}

fn went_on(resumed: Resumed) -> Finding {
    let Resumed {
        after_cut,
        held,
        after_kill,
    } = resumed;
    let good = after_cut > 0 && after_kill > after_cut && after_kill >= held;
    let (cut, kill) = (text::exact(after_cut), text::exact(after_kill));
    Finding {
        good,
        text: if good {
            format!("resumed at byte {cut} after the cut and at byte {kill} after the kill")
        } else {
            format!(
                "resumed at byte {cut} after the cut and at byte {kill} after the kill, where the \
                 server held {}",
                text::exact(held)
            )
        },
    }
}

/// Two interruptions may each cost a chunk at most.
fn sent_twice(local: &[Local], report: &Report) -> Finding {
    let all: u64 = local.iter().map(|file| file.size).sum();
    let came = report.bytes_received;
    let twice = came.checked_sub(all);
    Finding {
        good: twice.is_some_and(|twice| twice <= 2 * CHUNK),
        text: match twice {
            Some(twice) => format!(
                "{} of {} received bytes came twice (a chunk has {})",
                text::exact(twice),
                text::exact(came),
                text::exact(CHUNK)
            ),
            None => format!(
                "only {} bytes came for {} bytes of files",
                text::exact(came),
                text::exact(all)
            ),
        },
    }
}

fn rules_kept(report: &Report) -> Finding {
    let requests: u64 = report.requests.values().sum();
    let (broken, tokens) = (report.violations_total, report.token_seen_elsewhere);
    let good = broken == 0 && tokens == 0;
    let mut text = if good {
        format!("{requests} requests: no violation of the protocol, no token on the upload origin")
    } else {
        format!(
            "{requests} requests: {broken} violations of the protocol, {tokens} with a token on \
             the upload origin"
        )
    };
    if let Some(first) = report.violations.first() {
        // writing to a String cannot fail
        let _ = write!(text, "; the first: {} ({})", first.detail, first.request);
    }
    Finding { good, text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn local(name: &str) -> Local {
        let md5 = Md5([name.as_bytes()[0]; 16]);
        Local {
            name: name.into(),
            size: 10,
            md5,
        }
    }

    fn listed(name: &str) -> RegisteredFile {
        let Local { name, size, md5 } = local(name);
        RegisteredFile {
            table: "o.d.t".into(),
            kind: "file",
            name,
            size,
            md5: md5.to_string(),
            id: "1".into(),
        }
    }

    fn report(received: u64) -> Report {
        Report {
            violations: Vec::new(),
            violations_total: 0,
            requests: BTreeMap::new(),
            bytes_received: received,
            bytes_resent: 0,
            token_seen_elsewhere: 0,
            sessions: Vec::new(),
            faults_pending: Vec::new(),
        }
    }

    const RESUMED: Resumed = Resumed {
        after_cut: 3,
        held: 7,
        after_kill: 7,
    };

    fn all_good(table: &[RegisteredFile], report: &Report, resumed: Resumed) -> bool {
        let here = [local("a"), local("bb")];
        findings(&here, table, report, resumed)
            .iter()
            .all(|finding| finding.good)
    }

    #[test]
    fn all_is_well_only_if_everything_is() {
        let table = || vec![listed("a"), listed("bb")];
        let changed = |change: fn(&mut RegisteredFile)| {
            let mut table = table();
            change(&mut table[1]);
            table
        };
        let more = |name| [table(), vec![listed(name)]].concat();
        for (good, table) in [
            (true, table()),
            (false, changed(|file| file.md5 = "0".repeat(32))),
            (false, changed(|file| file.size = 11)),
            (false, changed(|file| file.name = "c".into())),
            (false, vec![listed("a")]),
            (false, more("a")),
            (false, more("c")),
            (false, vec![]),
        ] {
            assert_eq!(all_good(&table, &report(20), RESUMED), good, "{table:?}");
        }
        for (good, received) in [(true, 20 + 2 * CHUNK), (false, 21 + 2 * CHUNK), (false, 19)] {
            assert_eq!(
                all_good(&table(), &report(received), RESUMED),
                good,
                "{received}"
            );
        }
        for (after_cut, held, after_kill) in [(0, 7, 7), (3, 7, 0), (3, 7, 6), (3, 0, 0), (7, 3, 3)]
        {
            let resumed = Resumed {
                after_cut,
                held,
                after_kill,
            };
            assert!(!all_good(&table(), &report(20), resumed), "{resumed:?}");
        }
        for (broken, tokens) in [(1, 0), (0, 1)] {
            let mut report = report(20);
            report.violations_total = broken;
            report.token_seen_elsewhere = tokens;
            assert!(!all_good(&table(), &report, RESUMED));
        }
    }

    #[test]
    fn a_difference_says_what_differs() {
        let mut other = listed("a");
        other.md5 = "f".repeat(32);
        for (table, want) in [
            (vec![], "not in the table"),
            (vec![other], "ffffffffffffffffffffffffffffffff in the table"),
            (vec![listed("a"), listed("a")], "2 times in the table"),
        ] {
            assert_eq!(difference(&local("a"), &table).as_deref(), Some(want));
        }
        assert_eq!(difference(&local("a"), &[listed("a")]), None);
    }

    #[test]
    fn nothing_dropped_is_nothing_shown() {
        assert!(!equal(&[], &[]).good);
    }
}
