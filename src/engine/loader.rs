//! The loaders: threads that look at the disk for all shards, so that no shard ever waits for it.

use super::ReplyTo;
use super::directory::{self, Cursor};
use super::explain;
use super::peers::{PeerMessage, Scan};
use super::prices::PriceShelf;
use super::signal::ShardSignal;
use crate::codec::record::Position;
use crate::domain::id::{Currency, OpId, WalletId};
use crate::domain::ledger::LedgerQuery;
use crate::domain::memory::Remembered;
use crate::domain::outcome::{Outcome, Refusal, WalletPage};
use crate::domain::rating::BookQuestion;
use crate::domain::time::Timestamp;
use crate::store::StoreError;
use crate::store::history::{History, TakenUp};
use crate::store::state::{self, Table};
use crossbeam::channel::{Receiver, Sender};
use metrics::Histogram;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Something to look up.
pub enum Job {
    /// A wallet is to be taken up, for a shard.
    TakeUp {
        /// The shard.
        shard: u8,
        /// The wallet.
        wallet: WalletId,
    },
    /// Operations of the past, which a wallet of a shard has forgotten.
    Recall {
        /// The shard.
        shard: u8,
        /// The wallet.
        wallet: WalletId,
        /// The operations.
        ops: Vec<OpId>,
    },
    /// A page of a wallet's ledger.
    Ledger {
        /// The wallet's last record, safe on disk.
        head: Position,
        /// The wallet.
        wallet: WalletId,
        /// What is asked.
        query: Box<LedgerQuery>,
        /// Who wants to know.
        reply_to: ReplyTo,
    },
    /// Why an operation cost what it cost.
    Explain {
        /// The wallet's last record, safe on disk.
        head: Position,
        /// The wallet.
        wallet: WalletId,
        /// The operation.
        op: OpId,
        /// The wallet's currency.
        currency: Currency,
        /// Who wants to know.
        reply_to: ReplyTo,
    },
    /// Something about the price book itself.
    Prices {
        /// What is asked.
        asked: BookQuestion,
        /// When.
        now: Timestamp,
        /// Who wants to know.
        reply_to: ReplyTo,
    },
    /// A page of the wallets that the state has.
    Names(Scan),
    /// There is nothing more to do.
    Stop,
}

impl Job {
    /// Its kind, as counted.
    const fn name(&self) -> &'static str {
        match self {
            Self::TakeUp { .. } => "wallet",
            Self::Recall { .. } => "recall",
            Self::Ledger { .. } => "ledger",
            Self::Explain { .. } => "explain",
            Self::Prices { .. } => "prices",
            Self::Names(_) => "names",
            Self::Stop => "stop",
        }
    }

    /// Whether a wallet waits for it: such a job is never behind one that may take long.
    pub const fn is_urgent(&self) -> bool {
        matches!(self, Self::TakeUp { .. } | Self::Recall { .. })
    }
}

/// Who looks things up: one thread for what wallets wait for, one for what may take long.
#[derive(Clone)]
pub struct Loaders {
    /// Looks up what wallets wait for.
    pub urgent: Sender<Job>,
    /// Looks up the rest.
    pub patient: Sender<Job>,
    /// Set when the process stops: what is still asked for is not looked up any more, and the keeper
    /// leaves to the next start what takes long.
    pub stop: Arc<AtomicBool>,
}

impl Loaders {
    /// Has something looked up. Without its thread, which is gone only when the process stops, it is
    /// not.
    pub fn ask(&self, job: Job) {
        let loader = if job.is_urgent() { &self.urgent } else { &self.patient };
        drop(loader.send(job));
    }

    /// There is nothing more to look up.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        drop(self.urgent.send(Job::Stop));
        drop(self.patient.send(Job::Stop));
    }
}

/// What was found of a wallet.
#[derive(Debug)]
pub struct Loaded {
    /// Its name.
    pub wallet: WalletId,
    /// As it is; none when it was never opened.
    pub found: Option<TakenUp>,
}

/// What was recalled for a wallet.
#[derive(Debug)]
pub struct Recalled {
    /// The wallet.
    pub wallet: WalletId,
    /// The operations; none for those that never were.
    pub ops: Vec<(OpId, Option<Remembered>)>,
}

/// Looks up what it is asked for, until it is told to stop or something on the disk is damaged:
/// nothing damaged is served, so the process must stop.
pub fn run(
    history: &History,
    prices: &dyn PriceShelf,
    jobs: &Receiver<Job>,
    shards: &[Arc<ShardSignal>],
    stop: &AtomicBool,
) -> Result<(), StoreError> {
    let send = |shard: u8, message: PeerMessage| {
        if let Some(signal) = shards.get(usize::from(shard)) {
            signal.send(message);
        }
    };
    let mut seconds: BTreeMap<&str, Histogram> = BTreeMap::new();
    for job in jobs {
        if stop.load(Ordering::Acquire) {
            // Whoever still waits is told that the server is gone.
            break;
        }
        let (begun, kind) = (Instant::now(), job.name());
        match job {
            Job::TakeUp { shard, wallet } => {
                let found = history.take_up(&wallet)?;
                send(shard, PeerMessage::Loaded(Box::new(Loaded { wallet, found })));
            }
            Job::Recall { shard, wallet, ops } => {
                let recall = |op: OpId| {
                    let recalled = history.recall(&wallet, &op)?;
                    Ok((op, recalled))
                };
                let ops = ops.into_iter().map(recall).collect::<Result<_, StoreError>>()?;
                send(shard, PeerMessage::Recalled(Box::new(Recalled { wallet, ops })));
            }
            Job::Ledger { head, wallet, query, reply_to } => {
                let rows = history.ledger(&wallet, head, &query)?;
                let outcome = Outcome::Ledger(rows);
                send(reply_to.shard, PeerMessage::Outcomes(vec![(reply_to, outcome)]));
            }
            Job::Explain { head, wallet, op, currency, reply_to } => {
                let found = history.event_of(&wallet, head, &op)?;
                let current = prices.current();
                let outcome = match found {
                    Some(record) => explain::explain(&record, &wallet, &currency, &*current),
                    None => Outcome::Refused(Refusal::NoOp),
                };
                send(reply_to.shard, PeerMessage::Outcomes(vec![(reply_to, outcome)]));
            }
            Job::Prices { asked, now, reply_to } => {
                let outcome = Outcome::Prices(Box::new(prices.answer(&asked, now)));
                send(reply_to.shard, PeerMessage::Outcomes(vec![(reply_to, outcome)]));
            }
            Job::Names(scan) => {
                let page = names(history, &scan)?;
                let outcome = Outcome::Wallets(Box::new(page));
                let reply_to = scan.reply_to;
                send(reply_to.shard, PeerMessage::Outcomes(vec![(reply_to, outcome)]));
            }
            Job::Stop => break,
        }
        let seconds = seconds.entry(kind);
        seconds
            .or_insert_with(|| metrics::histogram!("purser_load_seconds", "kind" => kind))
            .record(begun.elapsed());
    }
    Ok(())
}

/// A page of the wallets that the state has; with the last one the walk is over.
fn names(history: &History, scan: &Scan) -> Result<WalletPage, StoreError> {
    let from = scan.cursor.order().to_be_bytes();
    let mut page = directory::Page::new(scan.count);
    let mut next = Cursor::START;
    history.state().range(Table::Wallets, &from, &mut |place, _| {
        let Some(wallet) = state::wallet_at(place) else {
            return Err(StoreError::Row { reason: "a wallet's place is damaged" });
        };
        let order = state::order(&wallet);
        if let Some(end) = page.add(order, wallet) {
            next = Cursor::in_state(end);
            return Ok(false);
        }
        Ok(true)
    })?;
    let mut wallets = page.into_names();
    wallets.retain(|wallet| (scan.shows)(wallet.as_str()));
    Ok(WalletPage { cursor: next.sealed(history.secret()), wallets })
}
