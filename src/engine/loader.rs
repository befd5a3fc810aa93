//! The loaders: threads that look at the disk for all shards, so that no shard ever waits for it.

use super::ReplyTo;
use super::directory::{self, Cursor};
use super::explain;
use super::peers::{PeerMessage, Scan};
use super::prices::PriceShelf;
use super::signal::ShardSignal;
use crate::codec::record::{Position, Record};
use crate::domain::id::{Currency, OpId, WalletId};
use crate::domain::ledger::LedgerQuery;
use crate::domain::memory::Remembered;
use crate::domain::outcome::{Outcome, Refusal, WalletPage};
use crate::domain::rating::BookQuestion;
use crate::domain::time::Timestamp;
use crate::store::StoreError;
use crate::store::history::{History, TakenUp};
use crate::store::state::{self, Table};
use crate::store::walk::{EventWalk, LedgerWalk, RecallWalk, Walk as _};
use crossbeam::channel::{Receiver, Sender};
use metrics::Histogram;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// So many steps of a walk make a slice: a fraction of a millisecond, or some milliseconds where nothing is
/// in the system's memory.
const SLICE: usize = 64;

/// Ledgers that are walked at a time may come to so many rows in all, some kilobytes each, or be one alone:
/// each keeps its page in memory until it is whole.
const ROWS_MAX: usize = 20_000;

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

    /// How many rows of a ledger it may come to.
    fn rows(&self) -> usize {
        if let Self::Ledger { query, .. } = self { query.count.max(1) } else { 0 }
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
///
/// A walk that does not end in its first slice goes on behind all others that have begun, and between two
/// slices whoever has just come has a turn: so nobody waits for the length of another's history. Only
/// ledgers wait, in order, while those that have begun are to have `ROWS_MAX` rows.
pub fn run(
    history: &History,
    prices: &dyn PriceShelf,
    jobs: &Receiver<Job>,
    shards: &[Arc<ShardSignal>],
    stop: &AtomicBool,
) -> Result<(), StoreError> {
    let mut loader = Loader { history, prices, shards, seconds: BTreeMap::new() };
    let (mut begun, mut waiting) = (VecDeque::<Walking>::new(), VecDeque::new());
    loop {
        let is_idle = begun.is_empty() && waiting.is_empty();
        let next = if is_idle { jobs.recv().ok() } else { jobs.try_recv().ok() };
        if stop.load(Ordering::Acquire) || (next.is_none() && is_idle) {
            // Whoever still waits is told that the server is gone.
            break;
        }
        let oldest = begun.pop_front();
        match next {
            Some(Job::Stop) => break,
            Some(job) if job.rows() > 0 => waiting.push_back(job),
            Some(job) => begun.extend(loader.begin(job)?),
            None => {}
        }
        if let Some(walking) = oldest {
            begun.extend(loader.go_on(walking)?);
        }
        // At least one goes on as long as any waits.
        let rows = begun.iter().map(|walking| walking.rows).fold(0, usize::saturating_add);
        let fits = |job: &mut Job| rows == 0 || rows.saturating_add(job.rows()) <= ROWS_MAX;
        if let Some(job) = waiting.pop_front_if(fits) {
            begun.extend(loader.begin(job)?);
        }
    }
    Ok(())
}

/// A look that has begun.
struct Walking {
    kind: &'static str,
    /// How many rows it may come to.
    rows: usize,
    /// How long its slices have taken.
    spent: Duration,
    walk: Begun,
}

/// What may take more than a slice.
enum Begun {
    Recall(u8, RecallWalk),
    Ledger(Box<LedgerWalk>, ReplyTo),
    Explain(Box<EventWalk>, WalletId, Currency, ReplyTo),
}

/// Who looks up.
struct Loader<'a> {
    history: &'a History,
    prices: &'a dyn PriceShelf,
    shards: &'a [Arc<ShardSignal>],
    seconds: BTreeMap<&'static str, Histogram>,
}

impl Loader<'_> {
    /// Does a job, or begins with it; answers what is left to do.
    fn begin(&mut self, job: Job) -> Result<Option<Walking>, StoreError> {
        let (begun, kind, rows, history) = (Instant::now(), job.name(), job.rows(), self.history);
        let walk = match job {
            Job::TakeUp { shard, wallet } => {
                let found = history.take_up(&wallet)?;
                self.send(shard, PeerMessage::Loaded(Box::new(Loaded { wallet, found })));
                None
            }
            Job::Recall { shard, wallet, ops } => {
                Some(Begun::Recall(shard, RecallWalk::new(history, wallet, ops)))
            }
            Job::Ledger { head, wallet, query, reply_to } => {
                let walk = LedgerWalk::new(history, wallet, head, *query);
                Some(Begun::Ledger(Box::new(walk), reply_to))
            }
            Job::Explain { head, wallet, op, currency, reply_to } => {
                let walk = EventWalk::new(history, &wallet, head, op)?;
                Some(Begun::Explain(Box::new(walk), wallet, currency, reply_to))
            }
            Job::Prices { asked, now, reply_to } => {
                let answer = self.prices.answer(&asked, now);
                self.answer(reply_to, Outcome::Prices(Box::new(answer)));
                None
            }
            Job::Names(scan) => {
                let page = names(history, &scan)?;
                self.answer(scan.reply_to, Outcome::Wallets(Box::new(page)));
                None
            }
            Job::Stop => None,
        };
        let spent = begun.elapsed();
        if let Some(walk) = walk {
            return self.go_on(Walking { kind, rows, spent, walk });
        }
        self.note(kind, spent);
        Ok(None)
    }

    /// Does a slice; answers what is left to do.
    fn go_on(&mut self, mut walking: Walking) -> Result<Option<Walking>, StoreError> {
        let (begun, history) = (Instant::now(), self.history);
        let found = match &mut walking.walk {
            Begun::Recall(shard, walk) => walk.go_on(history, SLICE)?.map(|ops| {
                let recalled = Recalled { wallet: walk.wallet().clone(), ops };
                (*shard, PeerMessage::Recalled(Box::new(recalled)))
            }),
            Begun::Ledger(walk, reply_to) => {
                let rows = walk.go_on(history, SLICE)?;
                rows.map(|rows| answer(*reply_to, Outcome::Ledger(rows)))
            }
            Begun::Explain(walk, wallet, currency, reply_to) => {
                let explain = |record: &Record| {
                    explain::explain(record, wallet, currency, &*self.prices.current())
                };
                let found = walk.go_on(history, SLICE)?;
                found.map(|found| {
                    let unknown = Outcome::Refused(Refusal::NoOp);
                    answer(*reply_to, found.as_ref().map_or(unknown, explain))
                })
            }
        };
        walking.spent = walking.spent.saturating_add(begun.elapsed());
        let Some((shard, message)) = found else { return Ok(Some(walking)) };
        self.send(shard, message);
        self.note(walking.kind, walking.spent);
        Ok(None)
    }

    fn send(&self, shard: u8, message: PeerMessage) {
        if let Some(signal) = self.shards.get(usize::from(shard)) {
            signal.send(message);
        }
    }

    fn answer(&self, reply_to: ReplyTo, outcome: Outcome) {
        let (shard, message) = answer(reply_to, outcome);
        self.send(shard, message);
    }

    /// Notes how long a look took.
    fn note(&mut self, kind: &'static str, spent: Duration) {
        let seconds = self.seconds.entry(kind);
        seconds
            .or_insert_with(|| metrics::histogram!("purser_load_seconds", "kind" => kind))
            .record(spent);
    }
}

/// An outcome on its way to the shard of the connection that waits for it.
fn answer(reply_to: ReplyTo, outcome: Outcome) -> (u8, PeerMessage) {
    (reply_to.shard, PeerMessage::Outcomes(vec![(reply_to, outcome)]))
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

#[cfg(test)]
mod tests;
