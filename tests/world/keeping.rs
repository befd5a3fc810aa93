//! The world's store beside the journal: state, archive, redo file; its checkpoints, a step at a time,
//! and wallets that leave memory.

use super::{Account, World};
use crate::model::asked::tariff::Tariff;
use crate::model::told::{Answer, told};
use purser::audit::verify;
use purser::codec::record::Position;
use purser::domain::Verdict;
use purser::domain::command::Request;
use purser::domain::debts::Debts;
use purser::domain::id::WalletId;
use purser::domain::memory::Era;
use purser::domain::rating::Prices as _;
use purser::domain::rules::Rules;
use purser::domain::time::Timestamp;
use purser::domain::wallet::Wallet;
use purser::engine::batch::BatchNo;
use purser::engine::live_wallet::LiveWallet;
use purser::store::archive::Settings;
use purser::store::checkpoint;
use purser::store::history::{self, History, TakenUp};
use purser::store::keeper::{Keeper, Places};
use purser::store::memory::MemoryJournal;
use purser::store::memory_state::MemoryState;
use purser::store::state::State;
use purser::store::still::Still;
use purser::store::tail::TailRecords;
use purser::store::walk::{RecallWalk, Walk as _};
use purser::store::writer::Tail;
use purser::store::{Journal as _, StoreError};
use std::cell::Cell;
use std::sync::Arc;

/// What a checkpoint does next.
enum Step {
    /// Shards end their era, then wallets give their snapshots.
    Begin,
    Keep(Vec<usize>),
    Archive,
    Commit,
    Apply,
    Show,
    Trim,
}

/// A checkpoint that goes on.
struct Progress {
    era: Era,
    step: Step,
    /// Of each shard, where the era ended and in which batch.
    ends: Vec<(Position, BatchNo)>,
    /// The batches that must be safe before the snapshots count.
    afters: Vec<(usize, BatchNo)>,
    /// How much more the snapshots owe than those before them.
    owed: Debts,
}

impl Progress {
    fn ends(&self, old: &[Position]) -> Vec<Position> {
        self.ends.iter().map(|(end, _)| *end).chain(old.iter().copied()).collect()
    }
}

pub(super) struct Store {
    /// The ends of logs that no shard writes any more.
    pub(super) old_ends: Vec<Position>,
    folder: tempfile::TempDir,
    state: Arc<MemoryState>,
    keeper: Keeper,
    history: History,
    era: Era,
    kept: Option<Era>,
    progress: Option<Progress>,
}

impl Store {
    pub(super) fn new(disk: &MemoryJournal) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let state = Arc::new(MemoryState::default());
        let keeper = open(&folder, &state, disk);
        let history = History::of_journal(disk.reader(), TailRecords::default());
        let era = Era::default();
        let old_ends = Vec::new();
        Self { old_ends, folder, state, keeper, history, era, kept: None, progress: None }
    }

    /// The machine has crashed; answers whether in the middle of a checkpoint.
    pub(super) fn crash(&mut self, disk: &MemoryJournal, unsynced: usize) -> bool {
        self.state = Arc::new(self.state.crash(unsynced));
        self.keeper = open(&self.folder, &self.state, disk);
        (self.era, self.kept) = (Era::default(), None);
        self.progress.take().is_some()
    }

    /// Applies the checkpoint that is committed, or so many rows of it; whether all of it is applied.
    fn apply_some(&mut self, rows: usize) -> bool {
        let left = Cell::new(rows);
        let goes_on = || left.replace(left.get().saturating_sub(1)) > 0;
        self.keeper.apply(&goes_on).expect("memory")
    }

    pub(super) fn anchors(&self) -> Vec<Tail> {
        self.keeper.checkpoint().tails.clone()
    }

    pub(super) fn archived(&self) -> Vec<Tail> {
        self.keeper.archive_tails()
    }

    pub(super) fn kept_seq(&self, wallet: &WalletId) -> Result<u64, StoreError> {
        history::kept_seq(&*self.keeper.state(), wallet)
    }

    pub(super) fn recovered(&mut self, disk: &MemoryJournal, tail: TailRecords) {
        let debts = checkpoint::debts_in(&*self.keeper.state()).expect("memory");
        assert_eq!(self.keeper.checkpoint().debts, debts, "what the snapshots owe");
        let (archive, secret) = (self.keeper.view(), self.keeper.secret());
        self.history = History::new(self.keeper.state(), disk.reader(), archive, tail, secret);
    }

    /// What `purser verify` does: all of it is replayed, and held against all else that is kept.
    pub(super) fn verify(&self, disk: &MemoryJournal, forget_every: u64) {
        let still = Still::of(Box::new(disk.clone()), &self.keeper).expect("it is in order");
        let prices = Tariff.in_force(Timestamp::default()).into_iter().collect();
        verify::check(&still, &prices, forget_every).expect("it is what it says");
    }

    pub(super) fn take_up(&self, wallet: &WalletId) -> Option<TakenUp> {
        self.history.take_up(wallet).expect("what lies on the disk is sound")
    }

    /// Tells a wallet what it has forgotten of what a request names; answers how much that was.
    pub(super) fn tell(&self, live: &mut LiveWallet, request: &Request) -> u64 {
        let id = live.id().clone();
        let Some(memory) = live.memory_mut() else { return 0 };
        let lacks: Vec<_> = memory.lacks(request).into_iter().cloned().collect();
        let mut walk = RecallWalk::new(&self.history, id, lacks);
        let recalled = loop {
            if let Some(found) = walk.go_on(&self.history, 3).expect("it is sound") {
                break found;
            }
        };
        let mut told = 0;
        for (op, remembered) in recalled {
            if let Some(remembered) = remembered {
                memory.tell(op, remembered);
                told += 1;
            }
        }
        told
    }
}

fn open(folder: &tempfile::TempDir, state: &Arc<MemoryState>, disk: &MemoryJournal) -> Keeper {
    let places =
        Places { redo: folder.path().join("redo"), archive: folder.path().join("archive") };
    let state: Arc<dyn State> = Arc::<MemoryState>::clone(state);
    // Small segments, so that they are merged now and then.
    let settings = Settings { segment_bytes_max: 64 * 1024, ..Settings::default() };
    Keeper::open(places, state, disk.reader(), settings, [7; 16]).expect("it is sound")
}

impl World {
    /// After how many rows a checkpoint that is being applied is interrupted.
    fn some_rows(&mut self) -> usize {
        if self.roll(2) == 0 { usize::MAX } else { self.below(20) }
    }

    /// The next step of the checkpoint that goes on, or the first of another one.
    pub(super) fn go_on_with_checkpoint(&mut self) {
        let Some(mut progress) = self.store.progress.take() else {
            if self.roll(4) != 0 {
                return;
            }
            if self.store.keeper.has_rest() {
                let rows = self.some_rows();
                self.seen.finished_checkpoints += u64::from(self.store.apply_some(rows));
            } else {
                let (era, step) = (self.store.era, Step::Begin);
                let (ends, afters, owed) = (Vec::new(), Vec::new(), Debts::default());
                let progress = Progress { era, step, ends, afters, owed };
                self.store.progress = Some(progress);
            }
            return;
        };
        let store = &mut self.store;
        match &mut progress.step {
            Step::Begin => {
                if progress.ends.is_empty() {
                    store.keeper.begin().expect("a file");
                }
                let place = progress.ends.len();
                match self.shards.get(place) {
                    Some(shard) if shard.filling.is_empty() => {
                        let filling = &mut self.shards[place].filling;
                        let last = BatchNo(filling.number().0 - 1);
                        progress.ends.push((filling.enter(progress.era.next()), last));
                    }
                    Some(_) => self.seal(place),
                    None => {
                        let all = 0..self.accounts.len();
                        let changed = all.filter(|index| self.accounts[*index].changed.is_some());
                        progress.step = Step::Keep(changed.collect());
                        store.era = progress.era.next();
                    }
                }
            }
            Step::Keep(changed) => match changed.pop() {
                Some(index) => {
                    let shard = self.shard_of(index);
                    let account = &mut self.accounts[index];
                    while let Some(rows) = account.live.some_pages(1).expect("it fits") {
                        self.store.keeper.keep(&rows).expect("a file");
                    }
                    let rows = account.live.snapshot(&self.rules, &mut progress.owed);
                    let rows = rows.expect("it fits");
                    self.store.keeper.keep(&rows).expect("a file");
                    progress.afters.push((shard, account.batch));
                }
                None => progress.step = Step::Archive,
            },
            Step::Archive => {
                let ends = progress.ends(&store.old_ends);
                if progress.ends.iter().zip(&self.shards).all(|((_, at), s)| s.durable >= *at) {
                    store.keeper.archive(&ends).expect("what is safe can be archived");
                    store.history.show(store.keeper.view());
                    progress.step = Step::Commit;
                }
            }
            Step::Commit => {
                let ends = progress.ends(&store.old_ends);
                let is_safe =
                    |(shard, after): &(usize, BatchNo)| self.shards[*shard].durable >= *after;
                if progress.afters.iter().all(is_safe) {
                    let now = Timestamp::from_millis(self.now);
                    store.keeper.commit(&ends, 0, &progress.owed, now).expect("a file");
                    progress.step = Step::Apply;
                }
            }
            Step::Apply => {
                // What a crash finds then is applied in part.
                let rows = self.some_rows();
                if self.store.apply_some(rows) {
                    progress.step = Step::Show;
                }
            }
            Step::Show => {
                store.kept = Some(progress.era);
                for account in &mut self.accounts {
                    if account.changed <= store.kept {
                        account.changed = None;
                    }
                    if let Some(memory) = account.live.memory_mut() {
                        memory.forget(progress.era, usize::MAX);
                    }
                }
                progress.step = Step::Trim;
            }
            Step::Trim => {
                store.keeper.trim().expect("memory");
                store.keeper.archive_mut().merge().expect("it is sound");
                store.history.show(store.keeper.view());
                self.seen.checkpoints += 1;
                return;
            }
        }
        self.store.progress = Some(progress);
    }

    /// A wallet that has no changes leaves memory, and comes back as it was.
    pub(super) fn passivate(&mut self) {
        let index = self.below(self.accounts.len());
        let account = &mut self.accounts[index];
        let Some(before) = account.live.wallet().filter(|_| account.changed.is_none()) else {
            return;
        };
        let found = self.store.take_up(&account.id).expect("it was there");
        assert_eq!(&found.wallet, before, "it comes back as it was");
        assert!(found.is_saved);
        account.live = LiveWallet::taken_up(account.id.clone(), found);
        self.seen.passivated += 1;
    }
}

/// An answer as it was told the first time.
pub(super) fn as_first(mut answer: Answer) -> Answer {
    answer.told.remove("replayed");
    Answer { state: None, ..answer }
}

/// Every acknowledged operation is there and answers with the first receipt.
pub(super) fn check_acknowledged(account: &mut Account, store: &Store, now: i64) {
    let now = Timestamp::from_millis(now);
    for (id, (request, first)) in &account.acknowledged {
        store.tell(&mut account.live, request);
        let wallet = account.live.wallet().expect("it is open");
        let remembered = wallet.memory().get(request.id.as_ref().expect("it has one"));
        assert!(remembered.is_some(), "acknowledged and forgotten: {id}");
        let verdict = Wallet::decide(Some(wallet), request, now, &Rules::default(), &Tariff);
        let Verdict::Answer(outcome) = verdict else {
            panic!("acknowledged and done again: {id}");
        };
        let again = told(&outcome);
        assert!(again.has("replayed"), "{id}: {again:?}");
        assert_eq!(as_first(again), *first, "{id}");
    }
}
