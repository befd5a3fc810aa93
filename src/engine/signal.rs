//! How other threads reach a shard: a few numbers, an inbox, and a bell.

use super::batch::BatchNo;
use super::peers::PeerMessage;
use crate::codec::record::Position;
use crate::domain::amount::Amount;
use crate::domain::debts::Debts;
use crate::domain::id::Currency;
use crossbeam::queue::{ArrayQueue, SegQueue};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// How much a wallet in memory has at hand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Operations that it remembers.
    pub(super) remembered: usize,
    /// Open holds.
    pub(super) holds: usize,
}

/// How other threads reach a shard.
pub struct ShardSignal {
    /// Wakes the shard for a turn.
    pub(super) wake: Notify,
    /// The last batch that may be acknowledged.
    durable: AtomicU64,
    /// The last batch that is safe; the same, unless the operator lets clients hear of it earlier.
    safe: AtomicU64,
    failed: AtomicBool,
    /// Buffers of batches that are safe, to be filled again.
    pub(super) buffers: ArrayQueue<Vec<u8>>,
    pub(super) inbox: SegQueue<PeerMessage>,
    pub(super) wallets: AtomicU64,
    active: AtomicU64,
    passivated: AtomicU64,
    activated: AtomicU64,
    /// What the wallets in memory remember and hold; only the shard's thread writes.
    remembered: AtomicU64,
    holds: AtomicU64,
    due: AtomicU64,
    pub(super) last: AtomicU64,
    /// What its wallets owe beyond what they owed when the store was opened; in one of the shards, what all
    /// owed then, too. Debts change seldom.
    owed: Mutex<Debts>,
}

impl ShardSignal {
    /// The signal of a shard that has not started.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            wake: Notify::new(),
            durable: AtomicU64::new(0),
            safe: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            buffers: ArrayQueue::new(4),
            inbox: SegQueue::new(),
            wallets: AtomicU64::new(0),
            active: AtomicU64::new(0),
            passivated: AtomicU64::new(0),
            activated: AtomicU64::new(0),
            remembered: AtomicU64::new(0),
            holds: AtomicU64::new(0),
            due: AtomicU64::new(0),
            last: AtomicU64::new(0),
            owed: Mutex::default(),
        })
    }

    /// A batch is safe.
    pub fn safe(&self, batch: BatchNo) {
        self.safe.store(batch.0, Ordering::Release);
    }

    /// Whether a batch is safe.
    pub(super) fn is_safe(&self, batch: BatchNo) -> bool {
        self.safe.load(Ordering::Acquire) >= batch.0
    }

    /// A batch may be acknowledged; its buffer comes back.
    pub fn committed(&self, batch: BatchNo, buffer: Vec<u8>) {
        // A queue that is full keeps its own buffers: this one is freed.
        drop(self.buffers.push(buffer));
        self.durable.store(batch.0, Ordering::Release);
        self.wake.notify_one();
    }

    /// The store failed: nothing may be acknowledged any more.
    pub fn fail(&self) {
        self.failed.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Gives the shard a message.
    pub fn send(&self, message: PeerMessage) {
        self.inbox.push(message);
        self.wake.notify_one();
    }

    /// How many wallets the shard has.
    pub fn wallets(&self) -> u64 {
        self.wallets.load(Ordering::Relaxed)
    }

    /// How many of them are in memory.
    pub fn active(&self) -> u64 {
        self.active.load(Ordering::Relaxed)
    }

    pub(super) fn set_active(&self, count: usize) {
        self.active.store(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How many wallets have left memory since the start.
    pub fn passivations(&self) -> u64 {
        self.passivated.load(Ordering::Relaxed)
    }

    pub(super) fn passivated(&self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.passivated.fetch_add(count, Ordering::Relaxed);
    }

    /// How many wallets have come into memory since the start.
    pub fn activations(&self) -> u64 {
        self.activated.load(Ordering::Relaxed)
    }

    pub(super) fn activated(&self) {
        self.activated.fetch_add(1, Ordering::Relaxed);
    }

    /// How many operations the wallets in memory have at hand.
    pub fn remembered(&self) -> u64 {
        self.remembered.load(Ordering::Relaxed)
    }

    /// How many holds of the wallets in memory are open.
    pub fn holds(&self) -> u64 {
        self.holds.load(Ordering::Relaxed)
    }

    /// A wallet in memory remembers and holds so much now, and did before; told by the shard's thread
    /// only.
    pub(super) fn tally(&self, before: Tally, now: Tally) {
        let change = |sum: &AtomicU64, before: usize, now: usize| {
            let size = |count: usize| u64::try_from(count).unwrap_or(0);
            let rest = sum.load(Ordering::Relaxed).saturating_sub(size(before));
            sum.store(rest.saturating_add(size(now)), Ordering::Relaxed);
        };
        change(&self.remembered, before.remembered, now.remembered);
        change(&self.holds, before.holds, now.holds);
    }

    /// A wallet owed `before` and owes `now`.
    pub(super) fn owe(&self, currency: &Currency, before: Amount, now: Amount) {
        self.owed().change(currency, before, now);
    }

    /// So much was owed when the store was opened.
    pub fn owe_all(&self, debts: &Debts) {
        self.owed().add(debts);
    }

    /// What all shards together say is what all wallets owe.
    pub fn debts(&self) -> Debts {
        self.owed().clone()
    }

    fn owed(&self) -> MutexGuard<'_, Debts> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many wallets were woken and have not done what is due.
    pub(super) fn due_left(&self) -> u64 {
        self.due.load(Ordering::Acquire)
    }

    /// So many wallets are woken.
    pub(super) fn due(&self, count: usize) {
        self.due.fetch_add(u64::try_from(count).unwrap_or(0), Ordering::AcqRel);
    }

    /// A wallet has done what is due.
    pub(super) fn due_done(&self) {
        self.due.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether the store failed.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// The position of the last record that went to the committer.
    pub fn last_position(&self) -> Position {
        Position(self.last.load(Ordering::Relaxed))
    }

    pub(super) fn durable(&self) -> BatchNo {
        BatchNo(self.durable.load(Ordering::Acquire))
    }
}
