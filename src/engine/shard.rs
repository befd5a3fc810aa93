//! A shard: the wallets of one arbiter, its filling batch, and the answers that wait for the disk.
//!
//! Everything here belongs to one thread and is locked by nothing. Other threads reach a shard only
//! through its [`ShardSignal`]: the committer to say what is safe, peers to pass requests on.
//!
//! A *turn* is what the shard does once each time it is woken: send what became safe, hand the
//! filling batch to the committer, pass on what peers are to get. Wallets and connections run in
//! between, so one turn serves all that they did.

use super::batch::{BatchNo, FillingBatch};
use super::committer::Submission;
use super::counters::Counters;
use super::directory::Directory;
use super::live_wallet::LiveWallet;
use super::peers::{Forward, Outbox, PeerMessage, Scan};
use super::wallet_actor::{Execute, WalletActor};
use super::{Replies, ReplyTo, Settings};
use crate::codec::record::Position;
use crate::domain::command::{Command, Request};
use crate::domain::id::WalletId;
use crate::domain::outcome::{Outcome, Refusal, WalletPage};
use crate::domain::time::Timestamp;
use crate::store::writer::Tail;
use actix::{Actor, Addr};
use crossbeam::channel::Sender;
use crossbeam::queue::{ArrayQueue, SegQueue};
use hashbrown::HashMap;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;
use tokio::sync::Notify;

/// At most so many batches are on their way to the disk beside the filling one.
const SEALED_MAX: u64 = 2;

/// How other threads reach a shard.
pub struct ShardSignal {
    /// Wakes the shard for a turn.
    wake: Notify,
    /// The last batch that is safe.
    durable: AtomicU64,
    failed: AtomicBool,
    /// Buffers of batches that are safe, to be filled again.
    buffers: ArrayQueue<Vec<u8>>,
    inbox: SegQueue<PeerMessage>,
    wallets: AtomicU64,
    last: AtomicU64,
}

impl ShardSignal {
    /// The signal of a shard that has not started.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            wake: Notify::new(),
            durable: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            buffers: ArrayQueue::new(4),
            inbox: SegQueue::new(),
            wallets: AtomicU64::new(0),
            last: AtomicU64::new(0),
        })
    }

    /// A batch is safe; its buffer comes back.
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

    /// The position of the last record that went to the committer.
    pub fn last_position(&self) -> Position {
        Position(self.last.load(Ordering::Relaxed))
    }

    fn durable(&self) -> BatchNo {
        BatchNo(self.durable.load(Ordering::Acquire))
    }
}

/// A wallet of this shard.
enum Resident {
    /// In memory, without an actor so far.
    Dormant(Box<LiveWallet>),
    /// Served by its actor.
    Active(Active),
}

/// The actor of a wallet.
struct Active {
    addr: Addr<WalletActor>,
    /// Requests that the actor has not answered yet.
    in_flight: Rc<Cell<usize>>,
}

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
    pub(super) filling: RefCell<FillingBatch>,
    committer: Sender<Submission>,
    residents: RefCell<HashMap<WalletId, Resident>>,
    directory: RefCell<Directory>,
    outbox: Outbox,
    replies: OnceCell<Rc<dyn Replies>>,
    /// Outcomes for requests of other shards that wait for their batch.
    foreign: RefCell<VecDeque<(BatchNo, ReplyTo, Outcome)>>,
    /// Since when the filling batch is full.
    full_since: Cell<Option<Instant>>,
    /// A turn was asked for and has not begun.
    is_woken: Cell<bool>,
}

impl Shard {
    /// A shard without wallets, for an empty log.
    pub fn new(
        index: u8,
        settings: Settings,
        signals: &[Arc<ShardSignal>],
        committer: Sender<Submission>,
    ) -> Option<Rc<Self>> {
        Some(Rc::new(Self {
            index,
            signal: Arc::clone(signals.get(usize::from(index))?),
            settings,
            counters: Counters::default(),
            filling: RefCell::new(FillingBatch::after(Tail::empty(index))),
            committer,
            residents: RefCell::new(HashMap::new()),
            directory: RefCell::default(),
            outbox: Outbox::new(signals),
            replies: OnceCell::new(),
            foreign: RefCell::new(VecDeque::new()),
            full_since: Cell::new(None),
            is_woken: Cell::new(false),
        }))
    }

    /// Names who takes the answers; once.
    pub fn connect(&self, replies: Rc<dyn Replies>) {
        // A second call would be a bug of the composition root, and changes nothing.
        drop(self.replies.set(replies));
    }

    /// Takes the wallets that the journal knows, and writes behind the end of its log from now on.
    fn adopt(&self, tail: Tail, wallets: Vec<LiveWallet>) {
        self.filling.replace(FillingBatch::after(tail));
        self.signal.last.store(tail.next.before().0, Ordering::Relaxed);
        let count = u64::try_from(wallets.len()).unwrap_or(u64::MAX);
        self.signal.wallets.store(count, Ordering::Relaxed);
        let mut residents = self.residents.borrow_mut();
        residents.reserve(wallets.len());
        let mut directory = self.directory.borrow_mut();
        for live in wallets {
            directory.add(live.id().clone());
            residents.insert(live.id().clone(), Resident::Dormant(Box::new(live)));
        }
    }

    /// Judges a request that was parsed at `now`, here or at the shard that has its wallet. The
    /// outcome goes to `reply_to`.
    pub fn dispatch(self: &Rc<Self>, request: Request, reply_to: ReplyTo, now: Timestamp) {
        let owner = self.outbox.owner(&request.wallet);
        if owner == self.index {
            self.dispatch_here(request, reply_to, now);
        } else {
            self.outbox.put(owner, Forward { request, reply_to, now });
            self.wake();
        }
    }

    /// Judges a request to a wallet of this shard.
    fn dispatch_here(self: &Rc<Self>, request: Request, reply_to: ReplyTo, now: Timestamp) {
        if let Some(refusal) = self.refusal() {
            return self.deliver(reply_to, Outcome::Refused(refusal), BatchNo::NONE);
        }
        let mut residents = self.residents.borrow_mut();
        let active = match residents.get(&request.wallet) {
            Some(Resident::Active(active)) => Some(active),
            _ => self.activate(&request, &mut residents),
        };
        let Some(active) = active else {
            drop(residents);
            let refused = Outcome::Refused(Refusal::NoWallet);
            return self.deliver(reply_to, refused, BatchNo::NONE);
        };
        let in_flight = active.in_flight.get();
        if in_flight >= self.settings.in_flight_max {
            drop(residents);
            return self.deliver(reply_to, Outcome::Refused(Refusal::Busy), BatchNo::NONE);
        }
        active.in_flight.set(in_flight.saturating_add(1));
        // `do_send` ignores the mailbox's bound; `in_flight` is the bound, and keeps the order.
        #[expect(clippy::disallowed_methods, reason = "the bound is kept above")]
        active.addr.do_send(Execute { request, reply_to, now });
    }

    /// Starts the actor of the wallet that a request is for. None when there is no such wallet and
    /// the request does not open one.
    fn activate<'r>(
        self: &Rc<Self>,
        request: &Request,
        residents: &'r mut HashMap<WalletId, Resident>,
    ) -> Option<&'r Active> {
        let id = &request.wallet;
        let live = match residents.remove(id) {
            Some(Resident::Dormant(live)) => *live,
            _ if matches!(request.command, Command::Open(_)) => LiveWallet::unopened(id.clone()),
            _ => return None,
        };
        let in_flight = Rc::new(Cell::new(0));
        let addr = WalletActor::new(live, Rc::clone(self), Rc::clone(&in_flight)).start();
        let active = Resident::Active(Active { addr, in_flight });
        match residents.entry(id.clone()).insert(active).into_mut() {
            Resident::Active(active) => Some(active),
            Resident::Dormant(_) => None,
        }
    }

    /// A wallet was opened: its record is in the filling batch, so that a walk over all wallets
    /// shows it when that is safe.
    pub(super) fn opened(&self, id: &WalletId) {
        self.signal.wallets.fetch_add(1, Ordering::Relaxed);
        self.directory.borrow_mut().add(id.clone());
    }

    /// Why no request can be judged now, if so.
    fn refusal(&self) -> Option<Refusal> {
        if self.signal.failed.load(Ordering::Acquire) {
            return Some(Refusal::Unavailable);
        }
        let full_for = self.full_since.get().map(|since| since.elapsed());
        full_for.filter(|full_for| *full_for > self.settings.full_max).map(|_| Refusal::Busy)
    }

    /// Whether connections should read no more requests for now.
    pub fn is_full(&self) -> bool {
        self.full_since.get().is_some()
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
        let failed = self.signal.failed.load(Ordering::Acquire);
        if failed {
            for (after, _, outcome) in self.foreign.borrow_mut().iter_mut() {
                *after = BatchNo::NONE;
                *outcome = Outcome::Refused(Refusal::Unavailable);
            }
        }
        let durable = self.signal.durable();
        self.hand_over(durable);
        self.return_foreign(durable);
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
            PeerMessage::Recovered { tail, wallets, ready } => {
                self.adopt(tail, wallets);
                ready();
            }
            PeerMessage::Scan(scan) => self.scan(&scan),
            PeerMessage::Requests(forwards) => {
                for Forward { request, reply_to, now } in forwards {
                    self.dispatch_here(request, reply_to, now);
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

    /// Asks for a page of all wallets; the outcome goes to the asker.
    pub fn ask_page(&self, scan: Scan) {
        let reply_to = scan.reply_to;
        if self.outbox.ask(scan).is_none() {
            // The cursor is of a time with more shards: the walk is over.
            let page = WalletPage { cursor: 0, wallets: Vec::new() };
            self.deliver(reply_to, Outcome::Wallets(Box::new(page)), BatchNo::NONE);
        }
    }

    /// Answers a page of this shard's wallets, safe on disk like everything that is shown.
    fn scan(&self, scan: &Scan) {
        let directory = self.directory.borrow();
        let (next, mut wallets) = directory.page(scan.cursor, self.outbox.len(), scan.count);
        wallets.retain(|wallet| (scan.shows)(wallet.as_str()));
        let page = WalletPage { cursor: next.0, wallets };
        let filling = self.filling.borrow();
        let last = filling.number().0.saturating_sub(u64::from(filling.is_empty()));
        drop(filling);
        self.deliver(scan.reply_to, Outcome::Wallets(Box::new(page)), BatchNo(last));
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
