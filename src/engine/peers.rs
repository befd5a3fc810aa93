//! Shards among each other: a request for another shard's wallet travels in one message per peer
//! and turn, and its outcome comes back once it is safe.

use super::ReplyTo;
use super::directory::Cursor;
use super::live_wallet::LiveWallet;
use super::shard::ShardSignal;
use crate::domain::command::Request;
use crate::domain::id::WalletId;
use crate::domain::outcome::Outcome;
use crate::domain::time::Timestamp;
use crate::store::writer::Tail;
use std::cell::RefCell;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// A request on its way to the shard that has its wallet.
#[derive(Debug)]
pub struct Forward {
    /// What is asked.
    pub request: Request,
    /// Who wants to know.
    pub reply_to: ReplyTo,
    /// When it was parsed.
    pub now: Timestamp,
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
    /// What the journal knows of the receiver's log and wallets; the first message.
    Recovered {
        /// Where the log ends.
        tail: Tail,
        /// The wallets.
        wallets: Vec<LiveWallet>,
        /// Called when the shard has them.
        ready: Box<dyn FnOnce() + Send>,
    },
    /// A question for a page of the receiver's wallets.
    Scan(Scan),
    /// Requests to wallets of the receiver.
    Requests(Vec<Forward>),
    /// Outcomes, safe on disk, for connections of the receiver.
    Outcomes(Vec<(ReplyTo, Outcome)>),
}

/// What a shard will send at the end of its turn.
pub(super) struct Outbox {
    peers: Vec<Peer>,
}

struct Peer {
    signal: Arc<ShardSignal>,
    requests: RefCell<Vec<Forward>>,
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
            requests: RefCell::new(Vec::new()),
            outcomes: RefCell::new(Vec::new()),
        });
        Self { peers: peers.collect() }
    }

    /// The shard that has a wallet.
    pub(super) fn owner(&self, wallet: &WalletId) -> u8 {
        if self.peers.len() <= 1 { 0 } else { owner_among(wallet, self.peers.len()) }
    }

    /// How many shards there are.
    pub(super) const fn len(&self) -> usize {
        self.peers.len()
    }

    /// Sends a question to the shard that it is for; `None` when there is none.
    pub(super) fn ask(&self, scan: Scan) -> Option<()> {
        let peer = self.peers.get(usize::from(scan.cursor.shard()))?;
        peer.signal.send(PeerMessage::Scan(scan));
        Some(())
    }

    pub(super) fn put(&self, owner: u8, forward: Forward) {
        if let Some(peer) = self.peers.get(usize::from(owner)) {
            peer.requests.borrow_mut().push(forward);
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
            let requests = peer.requests.take();
            if !requests.is_empty() {
                peer.signal.send(PeerMessage::Requests(requests));
            }
            let outcomes = peer.outcomes.take();
            if !outcomes.is_empty() {
                peer.signal.send(PeerMessage::Outcomes(outcomes));
            }
        }
    }
}
