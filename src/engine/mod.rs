//! The engine: one actor a wallet, sharded over arbiters, in front of one committer. It knows no
//! wire protocol: answers leave through [`Replies`].

pub mod batch;
pub mod clock;
pub mod committer;
pub mod counters;
pub mod directory;
mod explain;
pub mod figures;
pub mod keeping;
pub mod live_wallet;
pub mod loader;
pub mod passivation;
pub mod peers;
pub mod prices;
mod residents;
mod saving;
pub mod shard;
pub mod signal;
pub mod sweep;
pub mod wallet_actor;

use crate::domain::outcome::Outcome;
use crate::domain::rules::Rules;
use crate::domain::time::Span;
use batch::BatchNo;
use std::time::Duration;

/// What an operator sets of the engine.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What may be set of the rules of money.
    pub rules: Rules,
    /// The most requests that a wallet has not answered; beyond it is `BUSY`.
    pub in_flight_max: usize,
    /// A filling batch of so many bytes is full: connections are not read while the disk is behind.
    pub batch_bytes_max: usize,
    /// A batch that is full for longer makes new requests `BUSY`.
    pub full_max: Duration,
    /// A wallet that nobody asked for so long leaves memory.
    pub passivate_after: Span,
    /// The most wallets of a shard in memory.
    pub active_max: usize,
    /// How fast a shard gives snapshots during a checkpoint.
    pub checkpoint_bytes_per_second: usize,
}

/// Where an outcome goes: a place in the ordered replies of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyTo {
    /// The shard of the connection.
    pub shard: u8,
    /// The connection.
    pub connection: u64,
    /// The request's number on the connection.
    pub request: u64,
}

/// Who takes the answers of a shard: its connections. All calls come from the shard's own thread.
pub trait Replies {
    /// An outcome, to be sent in the order of requests and not before the batch `after` is safe.
    fn deliver(&self, reply_to: ReplyTo, outcome: Outcome, after: BatchNo);

    /// The end of a turn: everything up to the batch `durable` is safe; send what can be sent.
    fn flush(&self, durable: BatchNo);

    /// The store failed: nobody may get an answer that waits for it.
    fn fail(&self);
}

/// Ends the process on a bug that makes memory untrustworthy. The journal has everything that was
/// acknowledged. It is a panic, so that what was logged is written before the end.
#[track_caller]
#[expect(clippy::panic, reason = "the process ends here, in order")]
pub(crate) fn die(reason: &str) -> ! {
    tracing::error!("{reason}; stopping, so that nothing wrong is served: please report this");
    panic!("{reason}")
}
