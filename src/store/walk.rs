//! Walks back through a wallet's history, in slices: a long one lets others have the thread between two
//! of them, and can be given up.
//!
//! A walk sees one view of the archive from its beginning to its end, however many slices it takes: what a
//! checkpoint archives meanwhile is walked where it was, and so met once.

use super::StoreError;
use super::archive::{OpKey, View};
use super::history::{History, concerns, missing, past};
use crate::codec::record::{Position, Record};
use crate::domain::id::{OpId, WalletId};
use crate::domain::ledger::{LedgerPage, LedgerQuery, LedgerRow};
use crate::domain::memory::Remembered;
use crate::domain::recall::Recall;
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

/// The records of a wallet that the archive has filed under an operation, one after the other by their
/// number. However many they are, one of each log is in memory.
#[derive(Debug)]
pub(super) struct Filed {
    wallet: WalletId,
    op: OpId,
    is_newest_first: bool,
    logs: Vec<OfLog>,
}

/// Those of a log, in which a wallet's records lie in their order.
#[derive(Debug)]
struct OfLog {
    /// Where they lie, the next one last.
    left: Vec<Position>,
    /// The one that is read already.
    next: Option<Box<Record>>,
}

impl Filed {
    /// Finds where they lie in an archive, to read the oldest first.
    pub(super) fn oldest_first(
        key: OpKey,
        archive: &View,
        wallet: &WalletId,
        op: &OpId,
    ) -> Result<Self, StoreError> {
        let mut positions = if archive.may_have(key) { archive.find(key)? } else { Vec::new() };
        positions.sort_unstable();
        positions.dedup();
        let logs = positions.chunk_by(|one, next| one.log() == next.log());
        let of_log =
            |log: &[Position]| OfLog { left: log.iter().rev().copied().collect(), next: None };
        let logs = logs.map(of_log).collect();
        Ok(Self { wallet: wallet.clone(), op: op.clone(), is_newest_first: false, logs })
    }

    /// The same, to read the newest first.
    fn newest_first(mut self) -> Self {
        self.is_newest_first = true;
        self.logs.iter_mut().for_each(|log| log.left.reverse());
        self
    }

    /// The next one; none after the last.
    pub(super) fn next(&mut self, archive: &View) -> Result<Option<Record>, StoreError> {
        loop {
            if let ControlFlow::Break(next) = self.step(archive)? {
                return Ok(next);
            }
        }
    }

    /// Reads one, or breaks with the next one, which is none after the last.
    fn step(&mut self, archive: &View) -> Result<ControlFlow<Option<Record>>, StoreError> {
        let Self { wallet, op, logs, .. } = self;
        let unread = logs.iter_mut().find(|log| log.next.is_none() && !log.left.is_empty());
        if let Some(log) = unread
            && let Some(position) = log.left.pop()
        {
            let record = archive.record(position)?.ok_or_else(|| StoreError::Damaged {
                position,
                reason: "the archive's index names it, but it is not there".to_owned(),
            })?;
            // Two names may have one key.
            let is_it = record.wallet == *wallet && concerns(&record, op);
            log.next = is_it.then(|| Box::new(record));
            return Ok(ControlFlow::Continue(()));
        }
        let seq = |log: &OfLog| log.next.as_ref().map(|record| record.seq);
        let known = logs.iter_mut().filter(|log| log.next.is_some());
        let next = if self.is_newest_first {
            known.max_by_key(|log| seq(log))
        } else {
            known.min_by_key(|log| seq(log))
        };
        Ok(ControlFlow::Break(next.and_then(|log| log.next.take()).map(|record| *record)))
    }
}

/// What there is to remember of operations that the archive has.
#[derive(Debug)]
pub struct RecallWalk {
    wallet: WalletId,
    archive: Arc<View>,
    /// The operations that are to come, the last one first.
    left: Vec<OpId>,
    /// The one that is being recalled.
    recall: Option<(Recall, Filed)>,
    found: Vec<(OpId, Option<Remembered>)>,
}

impl RecallWalk {
    /// Begins with the first of these operations of a wallet.
    pub fn new(history: &History, wallet: WalletId, mut ops: Vec<OpId>) -> Self {
        ops.reverse();
        let archive = history.archive();
        Self { wallet, archive, left: ops, recall: None, found: Vec::new() }
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
        if let Some((mut recall, mut filed)) = self.recall.take() {
            match filed.step(&self.archive)? {
                ControlFlow::Continue(()) => self.recall = Some((recall, filed)),
                ControlFlow::Break(Some(record)) => {
                    recall.hear(&past(&record));
                    self.recall = Some((recall, filed));
                }
                ControlFlow::Break(None) => {
                    self.found.push((recall.op().clone(), recall.remembered()));
                }
            }
        } else if let Some(op) = self.left.pop() {
            let key = history.key(&self.wallet, &op);
            let filed = Filed::oldest_first(key, &self.archive, &self.wallet, &op)?;
            self.recall = Some((Recall::of(op), filed));
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
            let filed = Filed::oldest_first(key, &self.archive, &self.wallet, hold)?;
            return Ok(Place::Filed(filed.newest_first()));
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
                ControlFlow::Break(Some(record)) if take(&mut self.page, &record).is_continue() => {
                    Place::Filed(filed)
                }
                ControlFlow::Break(_) => Place::End,
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

/// Whether a record is that of an operation.
fn carries(record: &Record, op: &OpId) -> bool {
    record.event.op.as_ref() == Some(op)
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
        let filed = Filed::oldest_first(history.key(wallet, &op), &archive, wallet, &op)?;
        Ok(Self { op, archive, filed: Some(filed), next: head })
    }
}

impl Walk for EventWalk {
    type Found = Option<Record>;

    fn step(&mut self, history: &History) -> Result<ControlFlow<Self::Found>, StoreError> {
        if let Some(filed) = &mut self.filed {
            match filed.step(&self.archive)? {
                ControlFlow::Break(Some(record)) if carries(&record, &self.op) => {
                    return Ok(ControlFlow::Break(Some(record)));
                }
                ControlFlow::Break(None) => self.filed = None,
                _ => {}
            }
            return Ok(ControlFlow::Continue(()));
        }
        if self.next == Position::NONE || self.archive.record(self.next)?.is_some() {
            return Ok(ControlFlow::Break(None));
        }
        let Some(record) = history.kept_record(&self.archive, self.next)? else {
            return Ok(ControlFlow::Break(None));
        };
        if carries(&record, &self.op) {
            return Ok(ControlFlow::Break(Some(record)));
        }
        self.next = record.previous;
        Ok(ControlFlow::Continue(()))
    }
}
