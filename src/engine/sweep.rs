//! The sweep: a thread that wakes wallets which something is due for, so that holds and grants end
//! although nobody asks. It may be late, never wrong: a wallet dates what is due by its due time.
//!
//! It wakes a few wallets at a time and waits until they are done, so that whoever asks for a wallet
//! meanwhile does not wait behind a million deadlines.

use super::clock::Clock;
use super::peers::{PeerMessage, owner_among};
use super::signal::ShardSignal;
use crate::domain::id::WalletId;
use crate::domain::time::{Span, Timestamp};
use crate::store::StoreError;
use crate::store::history::History;
use crate::store::state::{self, Table};
use crossbeam::channel::{Receiver, RecvTimeoutError};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How often the sweep looks what is due, and how often whether those that it woke are done.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const DONE_EVERY: Duration = Duration::from_millis(1);
/// How many wallets of a shard do at once what is due.
const AT_ONCE: usize = 16;

/// What the sweep works with.
pub struct Sweep {
    /// What lies on the disk.
    pub history: Arc<History>,
    /// The shards.
    pub shards: Vec<Arc<ShardSignal>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How many wallets are woken in a tenth of a second, at most.
    pub woken_at_once: usize,
    /// How many checkpoints are complete.
    pub complete: Arc<AtomicU64>,
    /// It ends when this does.
    pub stop: Receiver<()>,
}

impl Sweep {
    /// Sweeps until it is told to stop.
    pub fn run(self) -> Result<(), StoreError> {
        // The last timer that was seen. What is woken gets a new timer with the next checkpoint, so
        // the walk begins anew after each.
        let mut seen = Vec::new();
        let mut complete = 0;
        while self.waits(LOOK_EVERY) {
            let now_complete = self.complete.load(Ordering::Acquire);
            if std::mem::replace(&mut complete, now_complete) != now_complete {
                seen.clear();
            }
            let now = self.clock.now();
            let due = self.due(now, &mut seen)?;
            for some in due.chunks(AT_ONCE) {
                self.wake(some, now);
                while self.shards.iter().any(|shard| shard.due_left() > 0) {
                    if !self.waits(DONE_EVERY) {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Waits so long; whether to go on.
    fn waits(&self, span: Duration) -> bool {
        matches!(self.stop.recv_timeout(span), Err(RecvTimeoutError::Timeout))
    }

    /// The next wallets that something is due for.
    fn due(&self, now: Timestamp, seen: &mut Vec<u8>) -> Result<Vec<WalletId>, StoreError> {
        let end = state::timers_from(now.after(Span::from_millis(1)));
        let mut from = seen.clone();
        if !from.is_empty() {
            // The first key after it.
            from.push(0);
        }
        let mut due = Vec::new();
        self.history.state().range(Table::Timers, &from, &mut |key, _| {
            if key >= end.as_slice() || due.len() >= self.woken_at_once {
                return Ok(false);
            }
            let timer = state::timer_at(key);
            due.push(timer.ok_or(StoreError::Row { reason: "a timer is damaged" })?.1);
            *seen = key.to_vec();
            Ok(true)
        })?;
        Ok(due)
    }

    fn wake(&self, wallets: &[WalletId], now: Timestamp) {
        let count = self.shards.len();
        for (index, shard) in (0_u8..).zip(&self.shards) {
            let of_shard = wallets.iter().filter(|wallet| owner_among(wallet, count) == index);
            let of_shard: Vec<WalletId> = of_shard.cloned().collect();
            if !of_shard.is_empty() {
                shard.due(of_shard.len());
                shard.send(PeerMessage::Due(of_shard, now));
            }
        }
    }
}
