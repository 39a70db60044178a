//! Scans, a slice at a time, so that hints and due files do not wait for a walk through a million files.

use std::time::Instant;

use jiff::Timestamp;

use super::folder::Folder;
use super::ledger::{Ledger, Mode};
use super::look::BATCH;
use super::scan::Found;
use crate::beneath::Root;

impl<L: Ledger> Folder<L> {
    /// Goes on with the walk on the agenda for one batch of files.
    pub(super) fn walk(&mut self, root: &Root) {
        if !self.has_room() {
            return;
        }
        let Some(walk) = self.agenda.walk() else {
            return;
        };
        let mut files = Vec::new();
        let mut ended = false;
        for _ in 0..BATCH {
            if self.inbox.stopped() {
                return;
            }
            match walk.next(root, &self.filter) {
                Some(Found::Folder(folder)) => {
                    if let Some(source) = &mut self.source {
                        source.watch(&folder);
                    }
                }
                Some(Found::File(file)) if self.settle.holds(&file.path) => {}
                Some(Found::File(file)) => files.push(file),
                Some(Found::Unreadable(path, error)) => self.troubles.unreadable(&path, &error),
                None => {
                    ended = true;
                    break;
                }
            }
        }
        if !self.take_in(files) {
            // These files would be missed, so the walk does not count.
            self.agenda.clear();
            self.scan_again();
        } else if ended {
            self.end_walk();
        }
    }

    fn end_walk(&mut self) {
        let everything = self.agenda.finish();
        self.troubles.walked(everything);
        let now = Instant::now();
        if everything {
            self.last_scan_at = Some(Timestamp::now());
            self.next_scan = Some(now + self.settings.rescan_interval);
        }
        // The source may have given up in a walk through part of the folders.
        if self.polls() {
            let poll = now + self.settings.poll_interval;
            self.next_scan = self.next_scan.map(|scan| scan.min(poll));
        }
    }

    fn polls(&self) -> bool {
        let source = self.source.as_ref();
        source.is_some_and(|source| source.mode() == Mode::Poll)
    }
}
