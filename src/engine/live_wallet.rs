//! A wallet in memory, with its place in the journal: judges, folds and records. The actor is a
//! shell around it; recovery makes it, simulation drives it.

use crate::codec::record::{Position, RecordError, RecordRef, Sums};
use crate::domain::command::Request;
use crate::domain::event::{Event, EventKind};
use crate::domain::grant::GrantTerms;
use crate::domain::id::WalletId;
use crate::domain::memory::{Era, Memory, Role};
use crate::domain::outcome::{Outcome, Receipt};
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;
use crate::domain::wallet::Wallet;
use crate::domain::{Corrupt, Verdict};
use smallvec::SmallVec;
use std::sync::Arc;

/// Where records go; it hands out their positions.
pub trait Records {
    /// The era that new records belong to.
    fn era(&self) -> Era;

    /// Takes a record behind all others.
    fn append(&mut self, record: &RecordRef<'_>) -> Result<Position, RecordError>;
}

/// A wallet that is not as its own rules say: a bug. The process must stop, and recover.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// An event that was just judged does not fit.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// A record cannot be written.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// What became of a request, and whether it left a record.
#[derive(Debug, PartialEq, Eq)]
pub struct Executed {
    /// The answer.
    pub outcome: Outcome,
    /// It left a record: the answer must wait for the disk.
    pub changed: bool,
}

/// A wallet in memory, with its place in the journal.
#[derive(Debug, Clone)]
pub struct LiveWallet {
    id: WalletId,
    /// None until it is opened.
    wallet: Option<Wallet>,
    /// Its last record.
    last: Position,
}

impl LiveWallet {
    /// A wallet that was never opened.
    pub const fn unopened(id: WalletId) -> Self {
        Self { id, wallet: None, last: Position::NONE }
    }

    /// A wallet as the journal leaves it.
    pub const fn recovered(id: WalletId, wallet: Wallet, last: Position) -> Self {
        Self { id, wallet: Some(wallet), last }
    }

    /// Its name.
    pub const fn id(&self) -> &WalletId {
        &self.id
    }

    /// The wallet, once it is opened.
    pub const fn wallet(&self) -> Option<&Wallet> {
        self.wallet.as_ref()
    }

    /// What it remembers of its operations, to be told or to forget; none until it is opened.
    pub fn memory_mut(&mut self) -> Option<&mut Memory> {
        self.wallet.as_mut().map(Wallet::memory_mut)
    }

    /// Makes happen what is due by `now`, at most `limit` events of it; answers whether nothing
    /// more is due.
    pub fn settle_due(
        &mut self,
        now: Timestamp,
        rules: &Rules,
        limit: usize,
        records: &mut impl Records,
    ) -> Result<bool, Broken> {
        for _ in 0..limit {
            let due = self.wallet.as_ref().and_then(|wallet| wallet.next_due(now, rules));
            let Some(event) = due else { return Ok(true) };
            self.record(&event, records)?;
        }
        let due = self.wallet.as_ref().and_then(|wallet| wallet.next_due(now, rules));
        Ok(due.is_none())
    }

    /// Judges a request and, if something is to happen, folds and records it. All that is due by
    /// `now` must have happened.
    pub fn execute(
        &mut self,
        request: &Request,
        now: Timestamp,
        rules: &Rules,
        records: &mut impl Records,
    ) -> Result<Executed, Broken> {
        let event = match Wallet::decide(self.wallet.as_ref(), request, now, rules) {
            Verdict::Answer(outcome) => return Ok(Executed { outcome, changed: false }),
            Verdict::Change(event) => event,
        };
        let receipt = self.record(&event, records)?;
        let answer = self.wallet.as_ref().map(|wallet| wallet.answer(&event, receipt));
        Ok(Executed { outcome: answer.unwrap_or(Outcome::Receipt(receipt)), changed: true })
    }

    /// Folds an event and records it.
    fn record(&mut self, event: &Event, records: &mut impl Records) -> Result<Receipt, Broken> {
        let receipt = if let Some(wallet) = &mut self.wallet {
            wallet.memory_mut().enter(records.era());
            wallet.apply(event)?
        } else {
            let (wallet, receipt) = Wallet::open(event)?;
            self.wallet = Some(wallet);
            receipt
        };
        let Some(wallet) = &self.wallet else { return Ok(receipt) };
        let burned = burned_by(wallet, event);
        let record = RecordRef {
            wallet: &self.id,
            seq: wallet.seq(),
            previous: self.last,
            event,
            sums: Sums::of(wallet),
            status: wallet.status(),
            burned: &burned,
        };
        self.last = records.append(&record)?;
        Ok(receipt)
    }
}

/// The terms of the grants that an event has burned.
fn burned_by(wallet: &Wallet, event: &Event) -> SmallVec<[Arc<GrantTerms>; 2]> {
    if !matches!(event.kind, EventKind::Captured { .. } | EventKind::Charged { .. }) {
        return SmallVec::new();
    }
    let remembered = event.op.as_ref().and_then(|op| wallet.memory().get(op));
    match remembered.map(|remembered| &remembered.role) {
        Some(Role::Spend(spend)) => {
            spend.slices.iter().map(|(terms, _)| Arc::clone(terms)).collect()
        }
        _ => SmallVec::new(),
    }
}
