//! Shards among each other: a request for another shard's wallet travels in one message per peer
//! and turn, and its outcome comes back once it is safe.

use super::ReplyTo;
use super::directory::{Cursor, Directory};
use super::keeping::ToKeeper;
use super::loader::{Loaded, Loaders, Recalled};
use super::prices::PriceShelf;
use super::signal::ShardSignal;
use crate::domain::command::Request;
use crate::domain::id::{OpId, WalletId};
use crate::domain::ledger::LedgerQuery;
use crate::domain::memory::Era;
use crate::domain::outcome::Outcome;
use crate::domain::time::Timestamp;
use crate::store::archive::View;
use crate::store::history::History;
use crate::store::writer::Tail;
use crossbeam::channel::Sender;
use std::cell::RefCell;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// What a wallet may be asked.
#[derive(Debug)]
pub enum Question {
    /// A request to judge.
    Request(Request),
    /// A page of its ledger.
    Ledger(WalletId, Box<LedgerQuery>),
    /// Why an operation of it cost what it cost.
    Explain(WalletId, OpId),
}

impl Question {
    /// Which wallet is asked.
    pub const fn wallet(&self) -> &WalletId {
        match self {
            Self::Request(request) => &request.wallet,
            Self::Ledger(wallet, _) | Self::Explain(wallet, _) => wallet,
        }
    }
}

/// A question, parsed at `now`, on its way to its wallet.
#[derive(Debug)]
pub struct Forward {
    /// What is asked.
    pub question: Question,
    /// Who wants to know.
    pub reply_to: ReplyTo,
    /// When it was parsed.
    pub now: Timestamp,
}

/// What a shard takes over when the store is recovered.
pub struct Inheritance {
    /// Where its log ends.
    pub tail: Tail,
    /// Its wallets with records since the last checkpoint, in the order that the state has.
    pub changed: Vec<WalletId>,
    /// Those of them that no checkpoint has.
    pub fresh: Directory,
    /// How many these are; with the first shard also how many the checkpoint has.
    pub wallets: u64,
    /// What lies on the disk.
    pub history: Arc<History>,
    /// The prices.
    pub prices: Arc<dyn PriceShelf>,
    /// Who looks it up.
    pub loaders: Loaders,
    /// Who makes checkpoints.
    pub keeper: Sender<ToKeeper>,
    /// Called when the shard has it all.
    pub ready: Box<dyn FnOnce() + Send>,
}

/// A question for a page of wallets, on its way to the shard that the walk has come to.
pub struct Scan {
    /// Where to go on.
    pub cursor: Cursor,
    /// How many names to look at.
    pub count: usize,
    /// Which of them to show.
    pub shows: Box<dyn Fn(&str) -> bool + Send>,
    /// Who wants to know.
    pub reply_to: ReplyTo,
}

/// What a shard is sent from other threads.
pub enum PeerMessage {
    /// What the receiver takes over; the first message.
    Recovered(Box<Inheritance>),
    /// What was found of a wallet of the receiver.
    Loaded(Box<Loaded>),
    /// What was recalled for a wallet of the receiver.
    Recalled(Box<Recalled>),
    /// A checkpoint begins, which ends this era.
    Checkpoint(Era),
    /// The checkpoint that ended this era is complete; this is the archive now.
    Kept(Era, Arc<View>),
    /// The filters of the archive that the receiver has taken over are read.
    FiltersRead(Arc<View>),
    /// Wallets of the receiver that something is due for.
    Due(Vec<WalletId>, Timestamp),
    /// A question for a page of the receiver's wallets.
    Scan(Scan),
    /// Questions to wallets of the receiver.
    Questions(Vec<Forward>),
    /// Outcomes, safe on disk, for connections of the receiver.
    Outcomes(Vec<(ReplyTo, Outcome)>),
}

/// What a shard will send at the end of its turn.
pub(super) struct Outbox {
    peers: Vec<Peer>,
}

struct Peer {
    signal: Arc<ShardSignal>,
    questions: RefCell<Vec<Forward>>,
    outcomes: RefCell<Vec<(ReplyTo, Outcome)>>,
}

/// The shard that has a wallet, among so many.
pub fn owner_among(wallet: &WalletId, shards: usize) -> u8 {
    let shards = u64::try_from(shards.max(1)).unwrap_or(1);
    let owner = xxh3_64(wallet.as_str().as_bytes()).checked_rem(shards);
    owner.and_then(|owner| u8::try_from(owner).ok()).unwrap_or(0)
}

impl Outbox {
    pub(super) fn new(signals: &[Arc<ShardSignal>]) -> Self {
        let peers = signals.iter().map(|signal| Peer {
            signal: Arc::clone(signal),
            questions: RefCell::new(Vec::new()),
            outcomes: RefCell::new(Vec::new()),
        });
        Self { peers: peers.collect() }
    }

    /// How many shards there are.
    pub(super) fn shards(&self) -> u8 {
        u8::try_from(self.peers.len()).unwrap_or(u8::MAX)
    }

    /// The shard that has a wallet.
    pub(super) fn owner(&self, wallet: &WalletId) -> u8 {
        if self.peers.len() <= 1 { 0 } else { owner_among(wallet, self.peers.len()) }
    }

    /// Sends a question to the shard that it is for; `None` when there is none.
    pub(super) fn ask(&self, scan: Scan) -> Option<()> {
        let peer = self.peers.get(usize::from(scan.cursor.part()))?;
        peer.signal.send(PeerMessage::Scan(scan));
        Some(())
    }

    pub(super) fn put(&self, owner: u8, forward: Forward) {
        if let Some(peer) = self.peers.get(usize::from(owner)) {
            peer.questions.borrow_mut().push(forward);
        }
    }

    pub(super) fn put_outcome(&self, reply_to: ReplyTo, outcome: Outcome) {
        if let Some(peer) = self.peers.get(usize::from(reply_to.shard)) {
            peer.outcomes.borrow_mut().push((reply_to, outcome));
        }
    }

    /// Sends what there is, one message a peer and kind.
    pub(super) fn send(&self) {
        for peer in &self.peers {
            let questions = peer.questions.take();
            if !questions.is_empty() {
                peer.signal.send(PeerMessage::Questions(questions));
            }
            let outcomes = peer.outcomes.take();
            if !outcomes.is_empty() {
                peer.signal.send(PeerMessage::Outcomes(outcomes));
            }
        }
    }
}
