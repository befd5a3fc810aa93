//! A shard: the wallets of one arbiter, its filling batch, and the answers that wait for the disk.
//!
//! Everything here belongs to one thread and is locked by nothing. Other threads reach a shard only
//! through its [`ShardSignal`]: the committer to say what is safe, peers to pass requests on, the
//! loader and the keeper to say what lies on the disk.
//!
//! A *turn* is what the shard does once each time it is woken: send what became safe, hand the
//! filling batch to the committer, pass on what peers are to get. Wallets and connections run in
//! between, so one turn serves all that they did.
//!
//! Which wallets are in memory stands in `residents`, what a checkpoint asks of a shard in `saving`.

use super::batch::{BatchNo, FillingBatch};
use super::clock::Clock;
use super::committer::Submission;
use super::counters::Counters;
use super::directory::{Cursor, Directory};
use super::explain;
use super::keeping::ToKeeper;
use super::live_wallet::Records as _;
use super::loader::{Job, Loaders};
use super::peers::{Forward, Inheritance, Outbox, PeerMessage, Scan};
use super::prices::{PriceShelf, SharedPrices, needs_prices};
use super::residents::Residents;
use super::saving::Saving;
use super::signal::ShardSignal;
use super::{Replies, ReplyTo, Settings};
use crate::domain::command::Command;
use crate::domain::id::{OpId, WalletId};
use crate::domain::memory::Era;
use crate::domain::outcome::{Outcome, Refusal, WalletPage};
use crate::domain::rating::BookQuestion;
use crate::domain::time::Timestamp;
use crate::domain::usage::Usage;
use crate::store::archive::View;
use crate::store::history::History;
use crate::store::writer::Tail;
use crossbeam::channel::Sender;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// At most so many batches are on their way to the disk beside the filling one.
const SEALED_MAX: u64 = 2;

/// The wallets of one arbiter.
pub struct Shard {
    /// Its place among the shards.
    pub index: u8,
    /// How other threads reach it.
    pub signal: Arc<ShardSignal>,
    /// What the operator set.
    pub settings: Settings,
    /// What it counts.
    pub counters: Counters,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) filling: RefCell<FillingBatch>,
    pub(super) residents: RefCell<Residents>,
    pub(super) saving: Saving,
    pub(super) directory: RefCell<Directory>,
    committer: Sender<Submission>,
    /// None before the store is recovered.
    disk: OnceCell<Disk>,
    /// Look-ups that wait for their batch.
    look_ups: RefCell<VecDeque<(BatchNo, Job)>>,
    pub(super) outbox: Outbox,
    replies: OnceCell<Rc<dyn Replies>>,
    /// Outcomes for requests of other shards that wait for their batch.
    foreign: RefCell<VecDeque<(BatchNo, ReplyTo, Outcome)>>,
    /// Since when the filling batch is full.
    full_since: Cell<Option<Instant>>,
    /// A turn was asked for and has not begun.
    is_woken: Cell<bool>,
}

/// What lies on the disk as a shard knows it, and who looks it up.
struct Disk {
    history: Arc<History>,
    prices: Arc<dyn PriceShelf>,
    loaders: Loaders,
    keeper: Sender<ToKeeper>,
    /// The archive as of the last complete checkpoint.
    archive: RefCell<Arc<View>>,
    /// The era that it ended.
    kept: Cell<Option<Era>>,
}

impl Shard {
    /// A shard without wallets, for an empty log.
    pub fn new(
        index: u8,
        settings: Settings,
        clock: Arc<dyn Clock>,
        signals: &[Arc<ShardSignal>],
        committer: Sender<Submission>,
    ) -> Option<Rc<Self>> {
        Some(Rc::new(Self {
            index,
            signal: Arc::clone(signals.get(usize::from(index))?),
            settings,
            counters: Counters::default(),
            clock,
            filling: RefCell::new(FillingBatch::after(Tail::empty(index))),
            residents: RefCell::default(),
            saving: Saving::default(),
            directory: RefCell::default(),
            committer,
            disk: OnceCell::new(),
            look_ups: RefCell::default(),
            outbox: Outbox::new(signals),
            replies: OnceCell::new(),
            foreign: RefCell::default(),
            full_since: Cell::new(None),
            is_woken: Cell::new(false),
        }))
    }

    /// Names who takes the answers; once.
    pub fn connect(&self, replies: Rc<dyn Replies>) {
        // A second call would be a bug of the composition root, and changes nothing.
        drop(self.replies.set(replies));
    }

    /// Takes over what the store has recovered, and writes behind the end of its log from now on.
    fn inherit(self: &Rc<Self>, inheritance: Inheritance) {
        let Inheritance { tail, changed, fresh, wallets, history, prices, loaders, keeper, ready } =
            inheritance;
        self.filling.replace(FillingBatch::after(tail));
        self.signal.last.store(tail.next.before().0, Ordering::Relaxed);
        let archive = RefCell::new(history.archive());
        let disk = Disk { history, prices, loaders, keeper, archive, kept: Cell::new(None) };
        drop(self.disk.set(disk));
        self.signal.wallets.store(wallets, Ordering::Relaxed);
        self.directory.replace(fresh);
        actix_rt::spawn(Rc::clone(self).take_up_all(changed));
        actix_rt::spawn(Rc::clone(self).passivate_idle());
        ready();
    }

    /// Asks this, of a wallet here or at the shard that has it. The outcome goes to its `reply_to`.
    pub fn dispatch(self: &Rc<Self>, asked: Forward) {
        let owner = self.outbox.owner(asked.question.wallet());
        if owner == self.index {
            self.dispatch_here(asked);
        } else {
            self.outbox.put(owner, asked);
            self.wake();
        }
    }

    /// A wallet was opened: its record is in the filling batch, so that a walk over all wallets
    /// shows it when that is safe.
    pub(super) fn opened(&self, id: &WalletId) {
        self.signal.wallets.fetch_add(1, Ordering::Relaxed);
        self.directory.borrow_mut().add(id.clone(), self.filling.borrow().era());
    }

    /// Why no request can be judged now, if so.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        if self.signal.has_failed() {
            return Some(Refusal::Unavailable);
        }
        let full_for = self.full_since.get().map(|since| since.elapsed());
        full_for.filter(|full_for| *full_for > self.settings.full_max).map(|_| Refusal::Busy)
    }

    /// Whether connections should read no more requests for now.
    pub fn is_full(&self) -> bool {
        self.full_since.get().is_some()
    }

    /// Whether the disk is so far behind that what nobody waits for should wait.
    pub(super) fn is_behind(&self) -> bool {
        self.filling.borrow().len() > self.settings.batch_bytes_max / 8
    }

    /// Whether the archive may have an operation. It has none that memory must not forget yet.
    pub(super) fn may_be_archived(&self, wallet: &WalletId, op: &OpId) -> bool {
        let Some(disk) = self.disk.get() else { return false };
        let archive = disk.archive.borrow();
        !archive.is_empty() && archive.may_have(disk.history.key(wallet, op))
    }

    /// The era that the last complete checkpoint ended: the archive has all of it.
    pub(super) fn kept(&self) -> Option<Era> {
        self.disk.get()?.kept.get()
    }

    /// The prices that are current, if a command needs to know them.
    pub(super) fn prices_for(&self, command: &Command) -> Option<SharedPrices> {
        if !needs_prices(command) {
            return None;
        }
        self.prices()
    }

    /// What usage would cost anybody.
    pub fn quote(&self, usage: &Usage, at: Option<Timestamp>, now: Timestamp) -> Outcome {
        match self.prices() {
            Some(prices) => explain::quote(usage, at.unwrap_or(now), &*prices),
            None => Outcome::Refused(Refusal::Loading),
        }
    }

    /// Has a question about the price book answered.
    pub fn ask_book(&self, asked: BookQuestion, now: Timestamp, reply_to: ReplyTo) {
        self.ask_loader(Job::Prices { asked, now, reply_to });
    }

    /// The prices that are current; none before the store is recovered.
    pub fn prices(&self) -> Option<SharedPrices> {
        self.disk.get().map(|disk| disk.prices.current())
    }

    /// Has something looked up.
    pub(super) fn ask_loader(&self, job: Job) {
        if let Some(disk) = self.disk.get() {
            disk.loaders.ask(job);
        }
    }

    /// Has something looked up when a batch is safe.
    pub(super) fn ask_loader_after(&self, after: BatchNo, job: Job) {
        if after <= self.durable() {
            self.ask_loader(job);
        } else {
            self.look_ups.borrow_mut().push_back((after, job));
        }
    }

    /// Tells the keeper something.
    pub(super) fn tell_keeper(&self, message: ToKeeper) {
        if let Some(disk) = self.disk.get() {
            // The keeper is gone only when the process stops.
            drop(disk.keeper.send(message));
        }
    }

    /// How much the keeper has not taken yet.
    pub(super) fn keeper_backlog(&self) -> usize {
        self.disk.get().map_or(0, |disk| disk.keeper.len())
    }

    /// Hands an outcome to whoever asked, to be sent when `after` is safe.
    pub fn deliver(&self, reply_to: ReplyTo, outcome: Outcome, after: BatchNo) {
        if reply_to.shard == self.index {
            if let Some(replies) = self.replies.get() {
                replies.deliver(reply_to, outcome, after);
            }
        } else {
            self.foreign.borrow_mut().push_back((after, reply_to, outcome));
        }
        self.wake();
    }

    /// Asks for a turn.
    pub fn wake(&self) {
        if !self.is_woken.replace(true) {
            self.signal.wake.notify_one();
        }
    }

    /// Takes turns until the arbiter stops.
    pub async fn run(self: Rc<Self>) {
        loop {
            self.signal.wake.notified().await;
            self.is_woken.set(false);
            self.turn();
        }
    }

    /// One turn.
    fn turn(self: &Rc<Self>) {
        while let Some(message) = self.signal.inbox.pop() {
            self.receive(message);
        }
        let failed = self.signal.has_failed();
        if failed {
            for (after, _, outcome) in self.foreign.borrow_mut().iter_mut() {
                *after = BatchNo::NONE;
                *outcome = Outcome::Refused(Refusal::Unavailable);
            }
        }
        let durable = self.signal.durable();
        self.hand_over(durable);
        self.begin_checkpoint();
        self.return_foreign(durable);
        self.look_up(durable);
        self.outbox.send();
        if let Some(replies) = self.replies.get() {
            if failed {
                replies.fail();
            }
            replies.flush(durable);
        }
    }

    fn receive(self: &Rc<Self>, message: PeerMessage) {
        match message {
            PeerMessage::Recovered(inheritance) => self.inherit(*inheritance),
            PeerMessage::Loaded(loaded) => self.loaded(*loaded),
            PeerMessage::Recalled(recalled) => self.recalled(recalled),
            PeerMessage::Checkpoint(era) => self.saving.ask(era),
            PeerMessage::Kept(era, archive) => self.checkpoint_is_kept(era, archive),
            PeerMessage::FiltersRead(archive) => self.filters_are_read(archive),
            PeerMessage::Due(wallets, now) => self.settle(wallets, now),
            PeerMessage::Scan(scan) => self.scan(&scan),
            PeerMessage::Questions(forwards) => {
                for forward in forwards {
                    self.dispatch_here(forward);
                }
            }
            PeerMessage::Outcomes(outcomes) => {
                for (reply_to, outcome) in outcomes {
                    // It was safe before it was sent here.
                    self.deliver(reply_to, outcome, BatchNo::NONE);
                }
            }
        }
    }

    /// The archive is what it was, and can tell new operations from old ones now.
    fn filters_are_read(&self, archive: Arc<View>) {
        if let Some(disk) = self.disk.get() {
            disk.archive.replace(archive);
        }
    }

    /// A checkpoint is complete: the archive has what was before it, and memory may forget that.
    fn checkpoint_is_kept(&self, era: Era, archive: Arc<View>) {
        let Some(disk) = self.disk.get() else { return };
        // The archive first: what memory forgets, the archive must be seen to have.
        disk.archive.replace(archive);
        disk.kept.set(Some(era));
        let forgotten = self.directory.borrow_mut().forget(era);
        self.tell_keeper(ToKeeper::Forgotten(forgotten));
    }

    /// Where a walk over all wallets goes on.
    pub fn cursor(&self, sealed: u64) -> Cursor {
        let unsealed = |disk: &Disk| Cursor::unsealed(sealed, disk.history.secret());
        self.disk.get().map_or(Cursor::START, unsealed).among(self.outbox.shards())
    }

    /// A cursor as a client gets it.
    fn sealed(&self, cursor: Cursor) -> u64 {
        self.disk.get().map_or(0, |disk| cursor.sealed(disk.history.secret()))
    }

    /// Asks for a page of all wallets; the outcome goes to the asker.
    pub fn ask_page(&self, scan: Scan) {
        let reply_to = scan.reply_to;
        if scan.cursor.part() == Cursor::IN_STATE {
            return self.ask_loader(Job::Names(scan));
        }
        if self.outbox.ask(scan).is_none() {
            // After the last shard, perhaps one of a time with more of them, comes the state.
            let cursor = self.sealed(Cursor::in_state(0));
            let page = WalletPage { cursor, wallets: Vec::new() };
            self.deliver(reply_to, Outcome::Wallets(Box::new(page)), BatchNo::NONE);
        }
    }

    /// Answers a page of this shard's wallets, safe on disk like everything that is shown.
    fn scan(&self, scan: &Scan) {
        let (next, mut wallets) = self.directory.borrow().page(scan.cursor, scan.count);
        wallets.retain(|wallet| (scan.shows)(wallet.as_str()));
        let page = WalletPage { cursor: self.sealed(next), wallets };
        self.deliver(scan.reply_to, Outcome::Wallets(Box::new(page)), self.last_batch());
    }

    /// The last batch that has records.
    pub(super) fn last_batch(&self) -> BatchNo {
        let filling = self.filling.borrow();
        BatchNo(filling.number().0.saturating_sub(u64::from(filling.is_empty())))
    }

    /// Gives the filling batch to the committer, unless that has enough to do.
    fn hand_over(&self, durable: BatchNo) {
        let mut filling = self.filling.borrow_mut();
        let sealed_last = filling.number().0.saturating_sub(1);
        if !filling.is_empty() && sealed_last.saturating_sub(durable.0) < SEALED_MAX {
            let buffer = self.signal.buffers.pop().unwrap_or_default();
            if let Some(sealed) = filling.seal(buffer) {
                self.signal.last.store(filling.next().before().0, Ordering::Relaxed);
                // The committer is gone only after a failure, which is signalled by itself.
                drop(self.committer.send(Submission::Batch(self.index, sealed)));
            }
        }
        if filling.len() < self.settings.batch_bytes_max {
            self.full_since.set(None);
        } else if self.full_since.get().is_none() {
            self.full_since.set(Some(Instant::now()));
        }
    }

    /// Sends outcomes for other shards' requests that are safe.
    fn return_foreign(&self, durable: BatchNo) {
        let mut foreign = self.foreign.borrow_mut();
        // In order of arrival, so at most replies wait a little longer for their batch.
        while foreign.front().is_some_and(|(after, ..)| *after <= durable) {
            let Some((_, reply_to, outcome)) = foreign.pop_front() else { break };
            self.outbox.put_outcome(reply_to, outcome);
        }
    }

    /// Has looked up what waited for batches that are safe.
    fn look_up(&self, durable: BatchNo) {
        let mut look_ups = self.look_ups.borrow_mut();
        while look_ups.front().is_some_and(|(after, _)| *after <= durable) {
            let Some((_, job)) = look_ups.pop_front() else { break };
            self.ask_loader(job);
        }
    }

    /// The last batch that is safe.
    pub fn durable(&self) -> BatchNo {
        self.signal.durable()
    }

    /// The batch that a change made now is part of.
    pub fn filling_number(&self) -> BatchNo {
        self.filling.borrow().number()
    }

    /// Whether everything that was recorded is safe.
    pub fn is_settled(&self) -> bool {
        let filling = self.filling.borrow();
        filling.is_empty()
            && filling.number().0.saturating_sub(1) <= self.durable().0
            && self.foreign.borrow().is_empty()
    }
}
