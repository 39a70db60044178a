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
    Path(PathBuf, Sign),
    /// The second name has what was under the first; both were told on their own before.
    Renamed { from: PathBuf, to: PathBuf },
    /// Look at everything in this folder.
    Folder(PathBuf),
    /// Events were lost: look at everything.
    Rescan,
}

/// What a hint says about whoever writes the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// A descriptor that could write was closed.
    Closed,
    /// It was renamed to this name, from elsewhere or from another name in the root.
    Placed,
    /// Its bytes changed.
    Written,
    /// Anything else, and whatever a scan comes by: it says nothing.
    Other,
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
    /// Hints were lost, and some that still wait may be older than those.
    gap: bool,
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
    let inbox = Inbox {
        receiver,
        flags,
        gap: false,
    };
    (outlet, inbox)
}

impl Hint {
    /// Takes its sign away; it stays a reason to look.
    fn say_nothing(&mut self) {
        match self {
            Self::Path(_, sign) => *sign = Sign::Other,
            Self::Renamed { to, .. } => *self = Self::Path(std::mem::take(to), Sign::Other),
            Self::Folder(_) | Self::Rescan => {}
        }
    }
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
    ///
    /// After a loss, what still waits may be older than what was lost: a close whose file was written to again
    /// since. So signs count again only when all that waited has been taken.
    pub fn wait(&mut self, timeout: Duration, limit: usize) -> Vec<Hint> {
        let mut hints = Vec::new();
        hints.extend(self.receiver.recv_timeout(timeout).unwrap_or_default());
        // Room is made before the flag is read: a hint lost from now on sets it again.
        let mut taken = 0;
        let more = self.receiver.try_iter().take(limit);
        hints.extend(more.inspect(|_| taken += 1).flatten());
        let lost = self.flags.lost.swap(false, Ordering::AcqRel);
        if self.gap || lost {
            hints.iter_mut().for_each(Hint::say_nothing);
            self.gap = lost || taken == limit;
        }
        if lost {
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
        let (outlet, mut inbox) = channel(2);
        let path = |name: &str| Hint::Path(name.into(), Sign::Other);
        for name in ["a", "b", "c", "d"] {
            outlet.send(path(name));
        }
        let hints = inbox.wait(Duration::ZERO, 10);
        assert_eq!(hints, [path("a"), path("b"), Hint::Rescan]);
        assert_eq!(inbox.wait(Duration::ZERO, 10), []);
    }

    #[test]
    fn signs_older_than_a_loss_say_nothing_and_later_ones_do() {
        let (outlet, mut inbox) = channel(4);
        let closed = |name: &str| Hint::Path(name.into(), Sign::Closed);
        let renamed = || Hint::Renamed {
            from: "old".into(),
            to: "new".into(),
        };
        let nothing = |name: &str| Hint::Path(name.into(), Sign::Other);
        for hint in [closed("a"), renamed(), closed("c"), closed("d")] {
            outlet.send(hint);
        }
        outlet.send(Hint::Path("d".into(), Sign::Written));
        // One is waited for, and at most one more taken along.
        let hints = inbox.wait(Duration::ZERO, 1);
        assert_eq!(hints, [nothing("a"), nothing("new"), Hint::Rescan]);
        assert_eq!(
            inbox.wait(Duration::ZERO, 9),
            [nothing("c"), nothing("d")],
            "they waited before the loss"
        );
        outlet.send(closed("e"));
        assert_eq!(inbox.wait(Duration::ZERO, 9), [closed("e")]);
    }

    #[test]
    fn stop_wakes_a_waiting_loop_and_a_full_one() {
        let (outlet, mut inbox) = channel(1);
        let waiting = std::thread::spawn(move || {
            let hints = inbox.wait(Duration::from_mins(10), 10);
            (hints, inbox)
        });
        outlet.stop();
        let (hints, mut inbox) = waiting.join().unwrap();
        assert_eq!(hints, []);
        assert!(inbox.stopped());
        outlet.send(Hint::Rescan);
        outlet.stop();
        assert_eq!(inbox.wait(Duration::ZERO, 10), [Hint::Rescan]);
    }
}
