//! What many clients can bring about is logged seldom, so that they cannot fill the log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Something that is counted, and logged once a second at most.
#[derive(Debug)]
pub(super) struct Seldom {
    total: AtomicU64,
    /// How many there were when one was last logged.
    logged: AtomicU64,
    since: Instant,
    /// The second after the start in which one was last logged.
    last: AtomicU64,
}

impl Default for Seldom {
    fn default() -> Self {
        let (total, logged) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { total, logged, since: Instant::now(), last: AtomicU64::new(0) }
    }
}

impl Seldom {
    /// Counts one. If it is to be logged, answers how many others were not since the last one.
    pub(super) fn count(&self) -> Option<u64> {
        let total = self.total.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let now = self.since.elapsed().as_secs().saturating_add(1);
        let last = self.last.load(Ordering::Relaxed);
        let is_mine = now > last
            && self.last.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        is_mine.then(|| {
            let unsaid = total.saturating_sub(self.logged.swap(total, Ordering::Relaxed));
            unsaid.saturating_sub(1)
        })
    }

    /// How many there were.
    pub(super) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }
}
