//! Walks back through a wallet's history, in slices: a long one lets others have the thread between two
//! of them, and can be given up.
//!
//! A walk sees one view of the archive from its beginning to its end, however many slices it takes: what a
//! checkpoint archives meanwhile is walked where it was, and so met once.

use super::StoreError;
use super::archive::{OpKey, View};
use super::history::{History, concerns, missing, recalled};
use crate::codec::record::{Position, Record};
use crate::domain::id::{OpId, WalletId};
use crate::domain::ledger::{LedgerPage, LedgerQuery, LedgerRow};
use crate::domain::memory::Remembered;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

/// A walk that goes on in slices.
pub trait Walk {
    /// What it comes back with.
    type Found;

    /// Takes the next step, which looks at one record, or finds out where to look; breaks with what was
    /// found when the walk is over.
    fn step(&mut self, history: &History) -> Result<ControlFlow<Self::Found>, StoreError>;

    /// Takes so many steps at most; answers what was found when the walk is over.
    fn go_on(
        &mut self,
        history: &History,
        steps: usize,
    ) -> Result<Option<Self::Found>, StoreError> {
        for _ in 0..steps {
            if let ControlFlow::Break(found) = self.step(history)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

/// The records of a wallet that the archive has filed under an operation, while they are read.
#[derive(Debug)]
pub(super) struct Filed {
    wallet: WalletId,
    op: OpId,
    left: std::vec::IntoIter<Position>,
    records: BTreeMap<u64, Record>,
}

impl Filed {
    /// Finds where they lie in an archive.
    pub(super) fn find(
        key: OpKey,
        archive: &View,
        wallet: &WalletId,
        op: &OpId,
    ) -> Result<Self, StoreError> {
        let positions = if archive.may_have(key) { archive.find(key)? } else { Vec::new() };
        let (wallet, op) = (wallet.clone(), op.clone());
        Ok(Self { wallet, op, left: positions.into_iter(), records: BTreeMap::new() })
    }

    /// Reads the next one; once there is none, answers all, by their number.
    pub(super) fn step(
        &mut self,
        archive: &View,
    ) -> Result<ControlFlow<BTreeMap<u64, Record>>, StoreError> {
        let Some(position) = self.left.next() else {
            return Ok(ControlFlow::Break(std::mem::take(&mut self.records)));
        };
        let record = archive.record(position)?.ok_or_else(|| StoreError::Damaged {
            position,
            reason: "the archive's index names it, but it is not there".to_owned(),
        })?;
        if record.wallet == self.wallet && concerns(&record, &self.op) {
            self.records.insert(record.seq, record);
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// What there is to remember of operations that the archive has.
#[derive(Debug)]
pub struct RecallWalk {
    wallet: WalletId,
    archive: Arc<View>,
    /// The operations that are to come, the last one first.
    left: Vec<OpId>,
    filed: Option<(OpId, Filed)>,
    found: Vec<(OpId, Option<Remembered>)>,
}

impl RecallWalk {
    /// Begins with the first of these operations of a wallet.
    pub fn new(history: &History, wallet: WalletId, mut ops: Vec<OpId>) -> Self {
        ops.reverse();
        let archive = history.archive();
        Self { wallet, archive, left: ops, filed: None, found: Vec::new() }
    }

    /// The wallet.
    pub const fn wallet(&self) -> &WalletId {
        &self.wallet
    }
}

impl Walk for RecallWalk {
    /// The operations; none for those that never were.
    type Found = Vec<(OpId, Option<Remembered>)>;

    fn step(&mut self, history: &History) -> Result<ControlFlow<Self::Found>, StoreError> {
        if let Some((op, filed)) = &mut self.filed {
            if let ControlFlow::Break(filed) = filed.step(&self.archive)? {
                self.found.push((op.clone(), recalled(op, &filed, u64::MAX)));
                self.filed = None;
            }
        } else if let Some(op) = self.left.pop() {
            let key = history.key(&self.wallet, &op);
            let filed = Filed::find(key, &self.archive, &self.wallet, &op)?;
            self.filed = Some((op, filed));
        } else {
            return Ok(ControlFlow::Break(std::mem::take(&mut self.found)));
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// A page of a wallet's ledger in the making.
#[derive(Debug)]
pub struct LedgerWalk {
    wallet: WalletId,
    key: OpKey,
    query: LedgerQuery,
    archive: Arc<View>,
    page: LedgerPage,
    place: Place,
}

/// Where a walk through a ledger is.
#[derive(Debug)]
enum Place {
    /// At this record, and all before it were newer than the archive.
    Young(Position),
    /// In the archive, at a record that may be passed over: so many segments were asked for an older one
    /// that is still newer than what is wanted.
    Skipping(Position, usize),
    /// In the archive, at this record.
    Old(Position),
    /// In the archive, among all that concerns the hold.
    Filed(Filed),
    /// Nothing older is wanted, or there.
    End,
}

impl LedgerWalk {
    /// Begins at the wallet's record at `head`.
    pub fn new(history: &History, wallet: WalletId, head: Position, query: LedgerQuery) -> Self {
        let key = OpKey::of_wallet(history.secret(), &wallet);
        let (archive, page) = (history.archive(), LedgerPage::new(query.clone()));
        Self { wallet, key, query, archive, page, place: Place::Young(head) }
    }

    /// Looks at a record; answers where the one before it lies, if that is wanted.
    fn look_at(
        &mut self,
        history: &History,
        position: Position,
    ) -> Result<Option<Position>, StoreError> {
        let record = history.kept_record(&self.archive, position)?;
        let goes_on = record.filter(|record| take(&mut self.page, record).is_continue());
        Ok(goes_on.map(|record| record.previous).filter(|previous| *previous != Position::NONE))
    }

    /// From where to go on in the archive, which has the record at `from`.
    fn enter_archive(&self, history: &History, from: Position) -> Result<Place, StoreError> {
        if let Some(hold) = &self.query.hold {
            // All that concerns a hold is filed under it.
            let key = history.key(&self.wallet, hold);
            return Ok(Place::Filed(Filed::find(key, &self.archive, &self.wallet, hold)?));
        }
        let is_bounded = self.query.before.is_some() || self.query.to.is_some();
        Ok(if is_bounded { Place::Skipping(from, 0) } else { Place::Old(from) })
    }

    /// Asks the next older segment, which knows the wallet's last record in it: those that have only
    /// newer ones than what is wanted are passed over.
    fn skip(&self, nearest: Position, asked: usize) -> Result<Place, StoreError> {
        let Some(last) = self.archive.last_in(asked, self.key) else {
            return Ok(Place::Old(nearest));
        };
        let asked = asked.saturating_add(1);
        let Some(last) = last? else { return Ok(Place::Skipping(nearest, asked)) };
        let position = last.position;
        let record = self.archive.record(position)?.ok_or_else(|| missing(position))?;
        let is_too_new = self.query.before.is_some_and(|before| record.seq >= before)
            || self.query.to.is_some_and(|to| record.event.at >= to);
        Ok(match record.wallet == self.wallet {
            true if is_too_new => Place::Skipping(position, asked),
            true => Place::Old(nearest),
            false => Place::Skipping(nearest, asked),
        })
    }
}

impl Walk for LedgerWalk {
    type Found = Vec<LedgerRow>;

    fn step(&mut self, history: &History) -> Result<ControlFlow<Self::Found>, StoreError> {
        self.place = match std::mem::replace(&mut self.place, Place::End) {
            Place::Young(position) if self.archive.record(position)?.is_some() => {
                self.enter_archive(history, position)?
            }
            Place::Young(position) => {
                self.look_at(history, position)?.map_or(Place::End, Place::Young)
            }
            Place::Skipping(nearest, asked) => self.skip(nearest, asked)?,
            Place::Old(position) => self.look_at(history, position)?.map_or(Place::End, Place::Old),
            Place::Filed(mut filed) => match filed.step(&self.archive)? {
                ControlFlow::Continue(()) => Place::Filed(filed),
                ControlFlow::Break(filed) => {
                    let mut newest_first = filed.values().rev();
                    let _ = newest_first.try_for_each(|record| take(&mut self.page, record));
                    Place::End
                }
            },
            Place::End => {
                let page = LedgerPage::new(self.query.clone());
                let rows = std::mem::replace(&mut self.page, page).into_rows();
                return Ok(ControlFlow::Break(rows));
            }
        };
        Ok(ControlFlow::Continue(()))
    }
}

fn take(page: &mut LedgerPage, record: &Record) -> ControlFlow<()> {
    page.take(record.seq, &record.event, record.sums.balances())
}

/// Looks for the record of an operation: among those that the archive has filed, then back from the
/// wallet's last.
#[derive(Debug)]
pub struct EventWalk {
    op: OpId,
    archive: Arc<View>,
    /// Those that the archive has, while they are read.
    filed: Option<Filed>,
    next: Position,
}

impl EventWalk {
    /// Begins to look for an operation of a wallet, whose last record is at `head`.
    pub fn new(
        history: &History,
        wallet: &WalletId,
        head: Position,
        op: OpId,
    ) -> Result<Self, StoreError> {
        let archive = history.archive();
        let filed = Filed::find(history.key(wallet, &op), &archive, wallet, &op)?;
        Ok(Self { op, archive, filed: Some(filed), next: head })
    }

    fn is_it(&self, record: &Record) -> bool {
        record.event.op.as_ref() == Some(&self.op)
    }
}

impl Walk for EventWalk {
    type Found = Option<Record>;

    fn step(&mut self, history: &History) -> Result<ControlFlow<Self::Found>, StoreError> {
        if let Some(filed) = &mut self.filed {
            if let ControlFlow::Break(filed) = filed.step(&self.archive)? {
                self.filed = None;
                if let Some(record) = filed.into_values().find(|record| self.is_it(record)) {
                    return Ok(ControlFlow::Break(Some(record)));
                }
            }
            return Ok(ControlFlow::Continue(()));
        }
        if self.next == Position::NONE || self.archive.record(self.next)?.is_some() {
            return Ok(ControlFlow::Break(None));
        }
        let Some(record) = history.kept_record(&self.archive, self.next)? else {
            return Ok(ControlFlow::Break(None));
        };
        if self.is_it(&record) {
            return Ok(ControlFlow::Break(Some(record)));
        }
        self.next = record.previous;
        Ok(ControlFlow::Continue(()))
    }
}
