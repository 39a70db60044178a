//! Scans, a slice at a time, so that hints and due files do not wait for a walk through a million files.

use std::time::Instant;

use jiff::Timestamp;

use super::complete::{Sifted, sift};
use super::folder::{Folder, is_exhaustion};
use super::ledger::{Ledger, Mode};
use super::look::BATCH;
use super::scan::Found;
use crate::beneath::Root;
use crate::config::Backend;

impl<L: Ledger> Folder<L> {
    /// Goes on with the walk on the agenda for one batch of files.
    pub(super) fn walk(&mut self, root: &Root) {
        if !self.has_room() {
            return;
        }
        if self.agenda.begins_with_everything()
            && let Some(source) = &mut self.source
        {
            source.renew();
        }
        let Some(walk) = self.agenda.walk() else {
            return;
        };
        walk.look_afresh(self.progress.is_confirming());
        let (mut files, mut waiting, mut marks) = (Vec::new(), Vec::new(), Vec::new());
        let (mut ended, mut exhausted) = (false, false);
        for _ in 0..BATCH {
            if self.inbox.stopped() {
                return;
            }
            match walk.next(root, &self.filter) {
                Some(Found::Folder(folder)) => {
                    Self::look_for_markers(&mut self.sets, root, &folder);
                    if let Some(source) = &mut self.source {
                        let auto = self.settings.backend == Backend::Auto;
                        // another file system may be mounted below the root
                        let network = auto.then(|| root.network(&folder).ok().flatten());
                        source.watch(&folder, network.flatten());
                    }
                }
                Some(Found::File(file)) if self.settle.holds(&file.path) => {}
                Some(Found::File(file)) => match sift(&mut self.sets, &mut self.settle, file) {
                    Sifted::Goes(file) => files.push(file),
                    Sifted::Waits(file) => waiting.push(file),
                    Sifted::Marks(file) => marks.push(file),
                },
                Some(Found::Unreadable(_, error)) if is_exhaustion(&error) => exhausted = true,
                Some(Found::Unreadable(path, error)) => self.troubles.unreadable(&path, &error),
                None => {
                    ended = true;
                    break;
                }
            }
        }
        if exhausted {
            self.scan_again();
        }
        if !self.count_held(waiting, marks) || !self.take_in(files) {
            // These files would be missed, so the walk does not count.
            self.agenda.clear();
            if let Some(sets) = &mut self.sets {
                sets.not_walked();
            }
            self.scan_again();
        } else if ended {
            self.end_walk();
        }
    }

    fn end_walk(&mut self) {
        let Some(start) = self.agenda.finish() else {
            return;
        };
        self.troubles.walked(&start);
        if let Some(sets) = &mut self.sets {
            sets.walked(&start);
        }
        let now = Instant::now();
        if start.as_os_str().is_empty() {
            self.last_scan_at = Some(Timestamp::now());
            self.next_scan = Some(now + self.settings.rescan_interval);
        }
        let Some(source) = &self.source else {
            return;
        };
        let poll = now + self.settings.poll_interval;
        // The source may have given up in a walk through part of the folders.
        if source.mode() == Mode::Poll {
            self.next_scan = self.next_scan.map(|scan| scan.min(poll));
        } else if !source.polled().is_empty() && self.agenda.is_idle() {
            // when the last of them was walked: a slow round would begin again before its end
            self.next_poll.get_or_insert(poll);
        }
    }
}
