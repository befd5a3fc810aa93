//! A wallet in memory, with its place in the journal: judges, folds and records. The actor is a
//! shell around it; recovery makes it, simulation drives it.

use crate::codec::record::{Position, RecordError, RecordRef, Sums};
use crate::codec::snapshot::{self, Snapshot, SnapshotError};
use crate::domain::amount::Amount;
use crate::domain::command::Request;
use crate::domain::debts::Debts;
use crate::domain::event::{Event, EventKind};
use crate::domain::grant::GrantTerms;
use crate::domain::hold::HoldPage;
use crate::domain::id::WalletId;
use crate::domain::memory::{Era, Memory, Role};
use crate::domain::outcome::{Outcome, Receipt};
use crate::domain::rating::Prices;
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;
use crate::domain::wallet::Wallet;
use crate::domain::{Corrupt, Verdict};
use crate::store::history::{Kept, TakenUp};
use crate::store::state::{self, Row, Table};
use smallvec::SmallVec;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A wallet with more open holds than this keeps them on pages, apart from its snapshot's core.
const HOLDS_IN_CORE: usize = 64;

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
    /// A snapshot cannot be written.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
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
    /// What the state has of it, once the checkpoint that goes on is complete.
    kept: Kept,
    /// How many parts it may still give before the next snapshot; none before the first of them.
    parts_left: Option<usize>,
}

impl LiveWallet {
    /// A wallet that was never opened.
    pub fn unopened(id: WalletId) -> Self {
        Self { id, wallet: None, last: Position::NONE, kept: Kept::default(), parts_left: None }
    }

    /// A wallet as the disk has it.
    pub fn taken_up(id: WalletId, taken: TakenUp) -> Self {
        let TakenUp { wallet, last, kept, .. } = taken;
        Self { id, wallet: Some(wallet), last, kept, parts_left: None }
    }

    /// Its name.
    pub const fn id(&self) -> &WalletId {
        &self.id
    }

    /// Its last record.
    pub const fn last(&self) -> Position {
        self.last
    }

    /// The wallet, once it is opened.
    pub const fn wallet(&self) -> Option<&Wallet> {
        self.wallet.as_ref()
    }

    /// What it remembers of its operations, to be told or to forget; none until it is opened.
    pub fn memory_mut(&mut self) -> Option<&mut Memory> {
        self.wallet.as_mut().map(Wallet::memory_mut)
    }

    /// A part of the next snapshot, while that has more pages of holds than `limit`: so many of them,
    /// as they are now. None when [`Self::snapshot`] takes no longer than that, or when all pages were given
    /// twice over: they change faster than they are given, and the rest is to be given at once.
    pub fn some_pages(&mut self, limit: usize) -> Result<Option<Vec<Row>>, Broken> {
        let Some(wallet) = &mut self.wallet else { return Ok(None) };
        if wallet.holds().len() <= HOLDS_IN_CORE {
            return Ok(None);
        }
        let mut pages = wallet.holds_mut().take_touched();
        if self.kept.pages.is_empty() {
            pages = wallet.holds().pages();
        }
        let parts_left = self.parts_left.unwrap_or_else(|| {
            let parts = wallet.holds().pages().len() / limit.max(1);
            parts.saturating_mul(2).saturating_add(1)
        });
        let rest = pages.iter().nth(limit).copied().filter(|_| parts_left > 0);
        let Some(rest) = rest else {
            wallet.holds_mut().touch_again(pages);
            return Ok(None);
        };
        self.parts_left = Some(parts_left.saturating_sub(1));
        // What changes again meanwhile is written again.
        let rest = pages.split_off(&rest);
        wallet.holds_mut().touch_again(rest);
        self.page_rows(pages, true).map(Some)
    }

    /// What is to become of pages of holds.
    fn page_rows(&mut self, pages: BTreeSet<HoldPage>, on_pages: bool) -> Result<Vec<Row>, Broken> {
        let Some(wallet) = &self.wallet else { return Ok(Vec::new()) };
        let mut rows = Vec::new();
        for page in pages {
            let key = state::page_key(&self.id, page);
            if on_pages && wallet.holds().page(page).next().is_some() {
                let holds = snapshot::encode_page(&self.id, page, wallet.holds().page(page))?;
                rows.push(Row::put(Table::Pages, key, holds));
                self.kept.pages.insert(page);
            } else {
                rows.push(Row::delete(Table::Pages, key));
                self.kept.pages.remove(&page);
            }
        }
        Ok(rows)
    }

    /// What it owed when the state got its last snapshot.
    pub const fn kept_debt(&self) -> Amount {
        self.kept.debt
    }

    /// What is to become of the state so that it has the wallet as it is now. The rows must get there
    /// together, and all rows of earlier calls before them. `owed`, the debts of all snapshots, changes by its own.
    pub fn snapshot(&mut self, rules: &Rules, owed: &mut Debts) -> Result<Vec<Row>, Broken> {
        let Some(wallet) = &mut self.wallet else { return Ok(Vec::new()) };
        self.parts_left = None;
        let touched = wallet.holds_mut().take_touched();
        let on_pages = wallet.holds().len() > HOLDS_IN_CORE;
        let was_on_pages = !self.kept.pages.is_empty();
        let pages = match (was_on_pages, on_pages) {
            (true, true) => touched,
            (false, true) => wallet.holds().pages(),
            (_, false) => std::mem::take(&mut self.kept.pages),
        };
        let mut rows = self.page_rows(pages, on_pages)?;
        let Some(wallet) = &self.wallet else { return Ok(rows) };
        let deadline = wallet.next_deadline(rules);
        let core = Snapshot::of(&self.id, wallet, self.last, deadline, on_pages);
        let core = snapshot::encode(&core)?;
        rows.push(Row::put(Table::Wallets, state::place(&self.id), core));
        let debt = wallet.debt();
        owed.change(wallet.currency(), std::mem::replace(&mut self.kept.debt, debt), debt);
        let kept = std::mem::replace(&mut self.kept.deadline, deadline);
        if deadline != kept {
            let timer = |at| state::timer_key(at, &self.id);
            rows.extend(deadline.map(|at| Row::put(Table::Timers, timer(at), Vec::new())));
            rows.extend(kept.map(|at| Row::delete(Table::Timers, timer(at))));
        }
        Ok(rows)
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
        prices: &dyn Prices,
        records: &mut impl Records,
    ) -> Result<Executed, Broken> {
        let event = match Wallet::decide(self.wallet.as_ref(), request, now, rules, prices) {
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

#[cfg(test)]
mod tests;
