//! What the engines of several accounts share of the machine: its workers, and the way out.
//!
//! Whoever has work alone has all workers. When others want some too, nobody begins more than their even part, and
//! what ends goes to those who lack. An account that has nothing in flight may always begin one file, even while
//! the files of others hold all workers: a server that hangs holds up its own account, and no other.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::limiter::Limiter;
use super::squeeze::{Squeeze, descriptors};
use super::stock::SHARES;
use crate::config::Transfer;

/// The machine, for all accounts together.
pub struct Machine {
    pub(super) limiter: Arc<Limiter>,
    workers: Mutex<Workers>,
}

struct Workers {
    squeeze: Squeeze,
    parties: Vec<Party>,
}

/// An account among the others.
struct Party {
    /// Shares of the workers.
    taken: usize,
    /// Whether files wait for nothing but a worker.
    wants: bool,
    freed: Arc<Notify>,
}

impl Machine {
    /// With the limits of a configuration, which hold for all accounts together.
    pub fn new(transfer: &Transfer) -> Arc<Self> {
        let workers = Workers {
            squeeze: Squeeze::new(transfer.workers, descriptors()),
            parties: Vec::new(),
        };
        Arc::new(Self {
            limiter: Arc::new(Limiter::new(transfer.bandwidth.clone())),
            workers: Mutex::new(workers),
        })
    }

    /// One account more.
    pub(super) fn join(self: &Arc<Self>) -> Seat {
        let freed = Arc::new(Notify::new());
        let mut workers = self.workers();
        workers.parties.push(Party {
            taken: 0,
            wants: false,
            freed: freed.clone(),
        });
        Seat {
            machine: self.clone(),
            me: workers.parties.len() - 1,
            freed,
        }
    }

    fn workers(&self) -> MutexGuard<'_, Workers> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Workers {
    fn free(&mut self, me: usize, now: Instant) -> usize {
        let capacity = self.squeeze.capacity(now);
        let own = self.parties[me].taken;
        let taken: usize = self.parties.iter().map(|party| party.taken).sum();
        let others = self.parties.iter().enumerate();
        let waiting = others
            .filter(|(at, party)| *at != me && party.wants)
            .count();
        let mut free = capacity.saturating_sub(taken);
        if waiting > 0 {
            // whole workers, or no large file would ever fit
            let even = capacity.div_ceil(1 + waiting).next_multiple_of(SHARES);
            free = free.min(even.saturating_sub(own));
        }
        if own == 0 && taken > 0 {
            free = free.max(SHARES.min(capacity));
        }
        free
    }
}

/// The place of one account at the machine.
pub(super) struct Seat {
    machine: Arc<Machine>,
    me: usize,
    freed: Arc<Notify>,
}

impl Seat {
    /// Of all workers together, in shares.
    pub fn capacity(&self, now: Instant) -> usize {
        self.machine.workers().squeeze.capacity(now)
    }

    /// How many shares this account may take now.
    pub fn free(&self, now: Instant) -> usize {
        self.machine.workers().free(self.me, now)
    }

    /// Takes shares.
    pub fn take(&self, shares: usize) {
        self.machine.workers().parties[self.me].taken += shares;
    }

    /// Gives shares back; those who want some are told.
    pub fn give(&self, shares: usize) {
        let mut workers = self.machine.workers();
        let own = &mut workers.parties[self.me].taken;
        *own = own.saturating_sub(shares);
        let others = workers.parties.iter().enumerate();
        for (_, party) in others.filter(|(at, party)| *at != self.me && party.wants) {
            party.freed.notify_one();
        }
    }

    /// Whether files of this account wait for nothing but a worker.
    pub fn want(&self, wants: bool) {
        self.machine.workers().parties[self.me].wants = wants;
    }

    /// See [`Squeeze::squeeze`].
    pub fn squeeze(&self, now: Instant) -> bool {
        self.machine.workers().squeeze.squeeze(now)
    }

    /// Waits until another account has given something back that this one may want.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.want(false);
        self.give(usize::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Bandwidth, Verify};

    fn machine(workers: usize) -> Arc<Machine> {
        Machine::new(&Transfer {
            workers,
            resumable_above: 0,
            chunk_size: 1 << 20,
            verify: Verify::Md5,
            bandwidth: Bandwidth {
                limit: None,
                windows: Vec::new(),
            },
        })
    }

    #[test]
    fn who_has_work_alone_has_all_workers() {
        let (now, machine) = (Instant::now(), machine(8));
        let (one, _other) = (machine.join(), machine.join());
        assert_eq!(one.free(now), 8 * SHARES);
        one.take(5 * SHARES);
        assert_eq!(one.free(now), 3 * SHARES);
    }

    #[test]
    fn who_lacks_gets_what_ends_until_all_have_the_same() {
        let (now, machine) = (Instant::now(), machine(8));
        let (one, other) = (machine.join(), machine.join());
        one.take(8 * SHARES);
        one.want(true);
        other.want(true);
        assert_eq!(other.free(now), SHARES, "one file always begins");
        other.take(SHARES);
        for has in 2..=4 {
            one.give(SHARES);
            assert_eq!(one.free(now), 0);
            // one file more was begun than there are workers
            let free = if has == 2 { 0 } else { SHARES };
            assert_eq!(other.free(now), free, "{has}");
            other.take(free);
        }
        one.give(SHARES);
        assert_eq!((one.free(now), other.free(now)), (0, SHARES));
        other.take(SHARES);
        assert_eq!((one.free(now), other.free(now)), (0, 0));
        other.want(false);
        other.give(4 * SHARES);
        assert_eq!(one.free(now), 4 * SHARES, "the other has nothing to send");
    }

    #[test]
    fn workers_that_hang_for_one_account_leave_one_to_each_other() {
        let (now, machine) = (Instant::now(), machine(1));
        let (one, other, third) = (machine.join(), machine.join(), machine.join());
        one.take(SHARES);
        assert_eq!((other.free(now), third.free(now)), (SHARES, SHARES));
        other.take(SHARES);
        assert_eq!((one.free(now), other.free(now)), (0, 0));
        drop(one);
        assert_eq!((other.free(now), third.free(now)), (0, SHARES));
    }

    #[tokio::test]
    async fn who_waits_for_a_worker_is_told_when_one_is_free() {
        let machine = machine(1);
        let (one, other) = (machine.join(), machine.join());
        one.take(SHARES);
        other.want(true);
        one.give(SHARES);
        other.freed().await;
    }
}
