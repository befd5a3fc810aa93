//! What a checkpoint asks of a shard: to end an era, and to have the wallets that changed in it give
//! their snapshots, a few at a time, so that nobody's requests wait for long.

use super::batch::BatchNo;
use super::keeping::ToKeeper;
use super::live_wallet::Records as _;
use super::passivation::Standing;
use super::shard::Shard;
use crate::domain::debts::Debts;
use crate::domain::id::WalletId;
use crate::domain::memory::Era;
use crate::store::parts::Parts;
use crate::store::state::{self, Row};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// So many wallets give their snapshots before others have a turn; more of them where the turns of
/// others are so long that snapshots would never be done.
const SLICE_MIN: usize = 16;
const SLICE_MAX: usize = 4 * 1024;
/// While others need the thread, snapshots have one part in so many of it. Without that, those who
/// always ask for more would let the journal grow for ever.
const PART: u32 = 3;
/// Others need the thread when they had at least one part in so many of it.
const NEED: u32 = 8;
/// What is shorter is not worth a pause.
const PAUSE_MIN: Duration = Duration::from_millis(2);
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
    /// How long wallets took for their snapshots.
    spent: Cell<Duration>,
    /// The last batch that a snapshot has records of.
    after: Cell<BatchNo>,
    /// How much more the snapshots owe than those that they replace.
    owed: RefCell<Debts>,
}

impl Saving {
    /// A checkpoint is to begin that ends this era.
    pub(super) fn ask(&self, era: Era) {
        self.asked.set(Some(era));
    }

    /// A wallet took so long for its snapshot, or a part of it.
    pub(super) fn spend(&self, time: Duration) {
        self.spent.set(self.spent.get().saturating_add(time));
    }

    /// Takes a snapshot, which counts what it owes.
    pub(super) fn owing<T>(&self, take: impl FnOnce(&mut Debts) -> T) -> T {
        take(&mut self.owed.borrow_mut())
    }

    fn keep(&self, rows: Vec<Row>) {
        let (kept, bytes) = &mut *self.rows.borrow_mut();
        let size = |row: &Row| row.value.as_ref().map_or(0, Vec::len);
        *bytes = bytes.saturating_add(rows.iter().map(size).sum());
        kept.extend(rows);
    }
}

/// Wallets in the order of the state, which takes them much faster in it.
#[derive(Debug, Default)]
struct Changed(Parts<(u64, WalletId)>);

impl Changed {
    fn add(&mut self, wallet: &WalletId) {
        let order = state::order(wallet);
        self.0.add(order, (order, wallet.clone()));
    }
}

/// How fast snapshots are taken.
struct Pace {
    begun: Instant,
    /// How many bytes the keeper has got.
    bytes: usize,
    /// How many wallets give their snapshots before others have a turn.
    slice: usize,
    /// How long snapshots had the thread beyond their part.
    owed: Duration,
}

impl Pace {
    fn new() -> Self {
        Self { begun: Instant::now(), bytes: 0, slice: SLICE_MIN, owed: Duration::ZERO }
    }

    /// A slice took so long with the turn of others behind it, of which its snapshots took `busy`.
    /// Answers how long to pause, if at all.
    fn after_slice(&mut self, whole: Duration, busy: Duration) -> Option<Duration> {
        let others = whole.saturating_sub(busy);
        let due = busy.saturating_mul(PART);
        if others < whole / NEED {
            (self.slice, self.owed) = (SLICE_MIN, Duration::ZERO);
        } else if due < whole {
            self.slice = self.slice.saturating_mul(2).min(SLICE_MAX);
            self.owed = Duration::ZERO;
        } else {
            self.slice = (self.slice / 2).max(SLICE_MIN);
            self.owed = self.owed.saturating_add(due.saturating_sub(whole));
        }
        (self.owed >= PAUSE_MIN).then(|| std::mem::take(&mut self.owed))
    }
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
        let mut pace = Pace::new();
        for part in changed.0.sorted() {
            let mut rest = part.as_slice();
            while let Some((some, after)) = rest.split_at_checked(pace.slice.min(rest.len()))
                && !some.is_empty()
            {
                self.save_some(some, &mut pace).await;
                rest = after;
                if self.saving.rows.borrow().1 >= ROWS_BYTES {
                    self.give_rows(&mut pace).await;
                }
            }
        }
        self.give_rows(&mut pace).await;
        let (after, owed) = (self.saving.after.get(), self.saving.owed.take());
        self.tell_keeper(ToKeeper::Saved { shard: self.index, after, owed });
    }

    /// Has a few wallets give their snapshots, then others have the thread: for long, if they need it.
    async fn save_some(&self, some: &[(u64, WalletId)], pace: &mut Pace) {
        let (begun, spent) = (Instant::now(), self.saving.spent.get());
        for (_, wallet) in some {
            if self.ask_snapshot(wallet) {
                self.saving.waiting.set(self.saving.waiting.get().saturating_add(1));
            }
        }
        while self.saving.waiting.get() > 0 {
            tokio::task::yield_now().await;
        }
        tokio::task::yield_now().await;
        // Those who need another thread to go first, too: the system would let this one run on.
        std::thread::yield_now();
        let busy = self.saving.spent.get().saturating_sub(spent);
        if let Some(pause) = pace.after_slice(begun.elapsed(), busy) {
            tokio::time::sleep(pause).await;
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

    /// While clients sent as fast as they were answered, each turn of theirs took 25 ms, sixteen
    /// wallets gave their snapshots between two of them, and no checkpoint was ever complete.
    #[test]
    fn snapshots_have_their_part_however_long_the_turns_of_others_are() {
        let snapshot = Duration::from_micros(5);
        for others in [25, 100, 1_000, 5_000, 30_000].map(Duration::from_micros) {
            let mut pace = Pace::new();
            let (mut time, mut busy) = (Duration::ZERO, Duration::ZERO);
            while time < Duration::from_secs(20) {
                let spent = snapshot * u32::try_from(pace.slice).unwrap();
                let pause = pace.after_slice(spent + others, spent).unwrap_or_default();
                busy += spent;
                time += spent + others + pause;
            }
            let part = busy.as_secs_f64() / time.as_secs_f64();
            assert!((0.2..0.45).contains(&part), "{part} beside turns of {others:?}");
        }
    }

    #[test]
    fn snapshots_have_all_of_a_thread_that_nobody_needs() {
        let mut pace = Pace::new();
        for _ in 0..1_000 {
            let (whole, busy) = (Duration::from_micros(85), Duration::from_micros(80));
            assert_eq!(pace.after_slice(whole, busy), None);
            assert_eq!(pace.slice, SLICE_MIN, "who comes then waits for few");
        }
    }

    #[test]
    fn wallets_that_changed_come_in_the_order_of_the_state() {
        let mut changed = Changed::default();
        let name = |number: u32| WalletId::new(format!("w{number}").as_bytes()).unwrap();
        (0..3_000).for_each(|number| changed.add(&name(number)));
        let places: Vec<_> =
            changed.0.sorted().flatten().map(|(_, wallet)| state::place(&wallet)).collect();
        assert_eq!(places.len(), 3_000);
        assert!(places.is_sorted());
    }
}
