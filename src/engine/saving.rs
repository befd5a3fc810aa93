//! What a checkpoint asks of a shard: to end an era, and to have the wallets that changed in it give
//! their snapshots, a few at a time, so that nobody's requests wait for long.

use super::batch::BatchNo;
use super::keeping::ToKeeper;
use super::live_wallet::Records as _;
use super::passivation::Standing;
use super::shard::Shard;
use crate::domain::id::WalletId;
use crate::domain::memory::Era;
use crate::store::state::{self, Row};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// So many wallets give their snapshots before others have a turn.
const SLICE: usize = 16;
/// What is shorter is not worth a pause.
const PAUSE_MIN: Duration = Duration::from_millis(2);
/// Without a pause others may have this part of the time that snapshots have.
const OTHERS_PART: u32 = 8;
/// The keeper gets rows when they have so many bytes.
const ROWS_BYTES: usize = 64 * 1024;
/// So many times that may wait for the keeper before the shard gives it more.
const BACKLOG_MAX: usize = 256;

/// What a shard knows of checkpoints.
#[derive(Debug, Default)]
pub(super) struct Saving {
    /// All wallets that changed before the start are in memory: checkpoints may begin.
    pub(super) may_begin: Cell<bool>,
    /// A checkpoint was asked for that ends this era.
    asked: Cell<Option<Era>>,
    /// Wallets that changed in the era that goes on.
    changed: RefCell<Changed>,
    /// Rows of snapshots that the keeper does not have yet, and how many bytes they have.
    rows: RefCell<(Vec<Row>, usize)>,
    /// Wallets that were asked for their snapshots and have not given them.
    waiting: Cell<usize>,
    /// The last batch that a snapshot has records of.
    after: Cell<BatchNo>,
}

impl Saving {
    /// A checkpoint is to begin that ends this era.
    pub(super) fn ask(&self, era: Era) {
        self.asked.set(Some(era));
    }

    fn keep(&self, rows: Vec<Row>) {
        let (kept, bytes) = &mut *self.rows.borrow_mut();
        let size = |row: &Row| row.value.as_ref().map_or(0, Vec::len);
        *bytes = bytes.saturating_add(rows.iter().map(size).sum());
        kept.extend(rows);
    }
}

/// Wallets, by the first byte of their order. The state takes them much faster in their order; to sort
/// a million of them at once would keep requests waiting.
#[derive(Debug, Default)]
struct Changed(Vec<Vec<(u64, WalletId)>>);

impl Changed {
    fn add(&mut self, wallet: &WalletId) {
        let order = state::order(wallet);
        let [part, ..] = order.to_be_bytes();
        if self.0.is_empty() {
            self.0.resize_with(256, Vec::new);
        }
        if let Some(part) = self.0.get_mut(usize::from(part)) {
            part.push((order, wallet.clone()));
        }
    }

    /// All of them in their order, a few at a time.
    fn parts(self) -> impl Iterator<Item = Vec<(u64, WalletId)>> {
        self.0.into_iter().map(|mut part| {
            part.sort_unstable();
            part
        })
    }
}

/// How fast snapshots are taken.
struct Pace {
    begun: Instant,
    /// How many bytes the keeper has got.
    bytes: usize,
    /// How long the snapshots since the last pause took.
    busy: Duration,
    /// How long others had the thread meanwhile.
    others: Duration,
}

impl Shard {
    /// Notes that a wallet has a record in the filling batch, or one that no checkpoint has.
    pub(super) fn changed(&self, wallet: &WalletId, standing: &Standing) {
        if standing.change(self.filling.borrow().era()) {
            self.saving.changed.borrow_mut().add(wallet);
        }
    }

    /// Ends the era, once that is asked for and the filling batch is empty: what comes next is the
    /// next era's.
    pub(super) fn begin_checkpoint(self: &Rc<Self>) {
        let may_begin = self.saving.may_begin.get() && self.filling.borrow().is_empty();
        let Some(era) = self.saving.asked.get().filter(|_| may_begin) else { return };
        self.saving.asked.set(None);
        let end = self.filling.borrow_mut().enter(era.next());
        let changed = self.saving.changed.take();
        self.tell_keeper(ToKeeper::Begun {
            shard: self.index,
            end,
            after: self.last_batch(),
            wallets: self.signal.wallets(),
        });
        actix_rt::spawn(Rc::clone(self).save(changed));
    }

    /// Has wallets give their snapshots, and the keeper take them.
    async fn save(self: Rc<Self>, changed: Changed) {
        let (busy, others) = (Duration::ZERO, Duration::ZERO);
        let mut pace = Pace { begun: Instant::now(), bytes: 0, busy, others };
        for part in changed.parts() {
            for some in part.chunks(SLICE) {
                self.save_some(some, &mut pace).await;
                if self.saving.rows.borrow().1 >= ROWS_BYTES {
                    self.give_rows(&mut pace).await;
                }
            }
        }
        self.give_rows(&mut pace).await;
        self.tell_keeper(ToKeeper::Saved { shard: self.index, after: self.saving.after.get() });
    }

    /// Has a few wallets give their snapshots, then others have the thread: for long, if they need it.
    async fn save_some(&self, some: &[(u64, WalletId)], pace: &mut Pace) {
        let begun = Instant::now();
        for (_, wallet) in some {
            if self.ask_snapshot(wallet) {
                self.saving.waiting.set(self.saving.waiting.get().saturating_add(1));
            }
        }
        while self.saving.waiting.get() > 0 {
            tokio::task::yield_now().await;
        }
        let given = Instant::now();
        tokio::task::yield_now().await;
        pace.busy = pace.busy.saturating_add(given.duration_since(begun));
        pace.others = pace.others.saturating_add(given.elapsed());
        if pace.busy >= PAUSE_MIN {
            if pace.others >= pace.busy / OTHERS_PART {
                tokio::time::sleep(pace.busy / 2).await;
            }
            (pace.busy, pace.others) = (Duration::ZERO, Duration::ZERO);
        }
    }

    /// Gives the keeper what there is, and waits until it is not too much since the checkpoint began.
    async fn give_rows(&self, pace: &mut Pace) {
        let (rows, bytes) = self.saving.rows.take();
        self.tell_keeper(ToKeeper::Rows(rows));
        pace.bytes = pace.bytes.saturating_add(bytes);
        let a_second = self.settings.checkpoint_bytes_per_second.max(1);
        let millis = pace.bytes.saturating_mul(1_000) / a_second;
        let due = Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
        let wait = due.checked_sub(pace.begun.elapsed());
        if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
            tokio::time::sleep(wait).await;
        }
        while self.keeper_backlog() > BACKLOG_MAX {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// A wallet gives a part of its snapshot; more will come.
    pub(super) fn saved_in_part(&self, rows: Vec<Row>) {
        self.saving.keep(rows);
    }

    /// A wallet gives its snapshot, which has records up to this batch.
    pub(super) fn saved(&self, rows: Vec<Row>, last: BatchNo) {
        self.saving.keep(rows);
        self.saving.after.set(self.saving.after.get().max(last));
        self.saving.waiting.set(self.saving.waiting.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wallets_that_changed_come_in_the_order_of_the_state() {
        let mut changed = Changed::default();
        let name = |number: u32| WalletId::new(format!("w{number}").as_bytes()).unwrap();
        (0..3_000).for_each(|number| changed.add(&name(number)));
        let places: Vec<_> =
            changed.parts().flatten().map(|(_, wallet)| state::place(&wallet)).collect();
        assert_eq!(places.len(), 3_000);
        assert!(places.is_sorted());
    }
}
