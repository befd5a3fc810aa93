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
/// So much may wait for the keeper before the shard gives it more.
const BACKLOG_MAX: usize = 64;

/// What a shard knows of checkpoints.
#[derive(Debug, Default)]
pub(super) struct Saving {
    /// All wallets that changed before the start are in memory: checkpoints may begin.
    pub(super) may_begin: Cell<bool>,
    /// A checkpoint was asked for that ends this era.
    asked: Cell<Option<Era>>,
    /// Wallets that changed in the era that goes on.
    changed: RefCell<Vec<WalletId>>,
    /// Rows of snapshots that the keeper does not have yet.
    rows: RefCell<Vec<Row>>,
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
}

impl Shard {
    /// Notes that a wallet has a record in the filling batch, or one that no checkpoint has.
    pub(super) fn changed(&self, wallet: &WalletId, standing: &Standing) {
        if standing.change(self.filling.borrow().era()) {
            self.saving.changed.borrow_mut().push(wallet.clone());
        }
    }

    /// Ends the era, once that is asked for and the filling batch is empty: what comes next is the
    /// next era's.
    pub(super) fn begin_checkpoint(self: &Rc<Self>) {
        let may_begin = self.saving.may_begin.get() && self.filling.borrow().is_empty();
        let Some(era) = self.saving.asked.get().filter(|_| may_begin) else { return };
        self.saving.asked.set(None);
        let end = self.filling.borrow_mut().enter(era.next());
        let mut changed = self.saving.changed.take();
        // In the order in which the state has them: it takes them much faster so.
        changed.sort_by_cached_key(state::place);
        self.tell_keeper(ToKeeper::Begun {
            shard: self.index,
            end,
            after: self.last_batch(),
            wallets: self.signal.wallets(),
        });
        actix_rt::spawn(Rc::clone(self).save(changed));
    }

    /// Has wallets give their snapshots, and the keeper take them.
    async fn save(self: Rc<Self>, changed: Vec<WalletId>) {
        let begun = Instant::now();
        let (mut bytes, mut busy) = (0_usize, Duration::ZERO);
        for some in changed.chunks(SLICE) {
            let slice_begun = Instant::now();
            for wallet in some {
                if self.ask_snapshot(wallet) {
                    self.saving.waiting.set(self.saving.waiting.get().saturating_add(1));
                }
            }
            while self.saving.waiting.get() > 0 {
                tokio::task::yield_now().await;
            }
            let rows = self.saving.rows.take();
            let size = |row: &Row| row.value.as_ref().map_or(0, Vec::len);
            bytes = bytes.saturating_add(rows.iter().map(size).sum());
            self.tell_keeper(ToKeeper::Rows(rows));
            // Requests have the thread for half as long as the snapshots had it.
            busy = busy.saturating_add(slice_begun.elapsed());
            if busy >= PAUSE_MIN {
                tokio::time::sleep(busy / 2).await;
                busy = Duration::ZERO;
            }
            self.pace(begun, bytes).await;
        }
        self.tell_keeper(ToKeeper::Saved { shard: self.index, after: self.saving.after.get() });
    }

    /// Waits until so many bytes are not too many since the checkpoint began.
    async fn pace(&self, begun: Instant, bytes: usize) {
        let millis = bytes.saturating_mul(1_000) / self.settings.checkpoint_bytes_per_second.max(1);
        let due = Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
        if let Some(wait) = due.checked_sub(begun.elapsed()).filter(|wait| !wait.is_zero()) {
            tokio::time::sleep(wait).await;
        }
        while self.keeper_backlog() > BACKLOG_MAX {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// A wallet gives a part of its snapshot; more will come.
    pub(super) fn saved_in_part(&self, rows: Vec<Row>) {
        self.saving.rows.borrow_mut().extend(rows);
    }

    /// A wallet gives its snapshot, which has records up to this batch.
    pub(super) fn saved(&self, rows: Vec<Row>, last: BatchNo) {
        self.saving.rows.borrow_mut().extend(rows);
        self.saving.after.set(self.saving.after.get().max(last));
        self.saving.waiting.set(self.saving.waiting.get().saturating_sub(1));
    }
}
