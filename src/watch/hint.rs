//! From whoever noticed something to the loop: a bounded way that never blocks the sender.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// Something may have happened. It is never more than a reason to look; paths are relative to the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hint {
    /// Look at this path, whatever it is now.
    Path(PathBuf),
    /// Look at everything in this folder.
    Folder(PathBuf),
    /// Events were lost: look at everything.
    Rescan,
}

/// The sending side.
#[derive(Debug, Clone)]
pub(super) struct Outlet {
    sender: SyncSender<Option<Hint>>,
    flags: Arc<Flags>,
}

/// The loop's side.
#[derive(Debug)]
pub(super) struct Inbox {
    receiver: Receiver<Option<Hint>>,
    flags: Arc<Flags>,
}

#[derive(Debug, Default)]
struct Flags {
    lost: AtomicBool,
    stop: AtomicBool,
}

/// A way for at most `capacity` hints.
pub(super) fn channel(capacity: usize) -> (Outlet, Inbox) {
    let (sender, receiver) = sync_channel(capacity);
    let flags = Arc::new(Flags::default());
    let outlet = Outlet {
        sender,
        flags: Arc::clone(&flags),
    };
    (outlet, Inbox { receiver, flags })
}

impl Outlet {
    /// Passes a hint on. When there is no room, it is lost, and the loop will know that.
    pub fn send(&self, hint: Hint) {
        if self.sender.try_send(Some(hint)).is_err() {
            self.flags.lost.store(true, Ordering::Release);
        }
    }

    /// Asks the loop to end, and wakes it up. When there is no room, it is awake.
    pub fn stop(&self) {
        self.flags.stop.store(true, Ordering::Release);
        let _ = self.sender.try_send(None);
    }
}

impl Inbox {
    /// Waits for a hint, at most this long, and takes those that follow along, up to `limit`.
    pub fn wait(&self, timeout: Duration, limit: usize) -> Vec<Hint> {
        let mut hints = Vec::new();
        hints.extend(self.receiver.recv_timeout(timeout).unwrap_or_default());
        // Room is made before the flag is read: a hint lost from now on sets it again.
        hints.extend(self.receiver.try_iter().take(limit).flatten());
        if self.flags.lost.swap(false, Ordering::AcqRel) {
            hints.push(Hint::Rescan);
        }
        hints
    }

    /// Whether the loop is to end.
    pub fn stopped(&self) -> bool {
        self.flags.stop.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_that_find_no_room_become_one_rescan() {
        let (outlet, inbox) = channel(2);
        for name in ["a", "b", "c", "d"] {
            outlet.send(Hint::Path(name.into()));
        }
        let path = |name: &str| Hint::Path(name.into());
        let hints = inbox.wait(Duration::ZERO, 10);
        assert_eq!(hints, [path("a"), path("b"), Hint::Rescan]);
        assert_eq!(inbox.wait(Duration::ZERO, 10), []);
    }

    #[test]
    fn stop_wakes_a_waiting_loop_and_a_full_one() {
        let (outlet, inbox) = channel(1);
        let waiting = std::thread::spawn(move || {
            let hints = inbox.wait(Duration::from_mins(10), 10);
            (hints, inbox)
        });
        outlet.stop();
        let (hints, inbox) = waiting.join().unwrap();
        assert_eq!(hints, []);
        assert!(inbox.stopped());
        outlet.send(Hint::Rescan);
        outlet.stop();
        assert_eq!(inbox.wait(Duration::ZERO, 10), [Hint::Rescan]);
    }
}
