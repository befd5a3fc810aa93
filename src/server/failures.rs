//! Failed attempts to authenticate: all are counted, a few are logged.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// The most bytes of a name that is logged.
const NAME_SHOWN: usize = 64;

/// What is known of failed attempts.
#[derive(Debug)]
pub(super) struct Failures {
    total: AtomicU64,
    /// How many there were when one was last logged.
    logged: AtomicU64,
    since: Instant,
    /// The second after the start in which one was last logged.
    last: AtomicU64,
}

impl Default for Failures {
    fn default() -> Self {
        let (total, logged) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { total, logged, since: Instant::now(), last: AtomicU64::new(0) }
    }
}

impl Failures {
    /// Counts one, and logs one a second at most. The password is in no log.
    pub(super) fn note(&self, client: SocketAddr, user: &[u8]) {
        let total = self.total.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let now = self.since.elapsed().as_secs().saturating_add(1);
        let last = self.last.load(Ordering::Relaxed);
        let is_mine = now > last
            && self.last.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_mine {
            let unsaid = total.saturating_sub(self.logged.swap(total, Ordering::Relaxed));
            let shown = user.get(..NAME_SHOWN).unwrap_or(user).escape_ascii();
            let others = unsaid.saturating_sub(1);
            tracing::warn!(%client, user = %shown, others, "a client failed to authenticate");
        }
    }

    /// How many there were.
    pub(super) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }
}
