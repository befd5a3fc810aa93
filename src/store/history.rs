//! What a wallet was: its state and what happened to it, read back from where it lies. Archive,
//! journal and state are one history here.
//!
//! Every method may be called from any thread, and reads the disk.

use super::archive::{OpKey, Secret, View};
use super::memory_state::MemoryState;
use super::state::{self, State, Table};
use super::tail::TailRecords;
use super::walk::Filed;
use super::{JournalReader, StoreError};
use crate::codec::record::{self, Position, Record, Sums};
use crate::codec::snapshot::{self, Snapshot};
use crate::codec::value::{self, Content};
use crate::domain::amount::Amount;
use crate::domain::hold::{Hold, HoldPage};
use crate::domain::id::{OpId, WalletId};
use crate::domain::memory::Remembered;
use crate::domain::recall::{Past, Recall};
use crate::domain::time::Timestamp;
use crate::domain::wallet::Wallet;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// A wallet that was taken up again.
#[derive(Debug)]
pub struct TakenUp {
    /// The wallet, with what the archive does not have of its operations at hand.
    pub wallet: Wallet,
    /// Its last record.
    pub last: Position,
    /// What the state has of it.
    pub kept: Kept,
    /// The state has all of it.
    pub is_saved: bool,
}

/// What the state has of a wallet, to be replaced by its next snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// The deadline of its timer.
    pub deadline: Option<Timestamp>,
    /// The pages of its holds.
    pub pages: BTreeSet<HoldPage>,
    /// What it owes there.
    pub debt: Amount,
}

/// The history of all wallets.
pub struct History {
    state: Arc<dyn State>,
    journal: Arc<dyn JournalReader>,
    archive: RwLock<Arc<View>>,
    tail: Mutex<TailRecords>,
    secret: Secret,
}

impl History {
    /// The history that lies here. `tail` are the records since the checkpoint.
    pub fn new(
        state: Arc<dyn State>,
        journal: Arc<dyn JournalReader>,
        archive: Arc<View>,
        tail: TailRecords,
        secret: Secret,
    ) -> Self {
        Self { state, journal, archive: RwLock::new(archive), tail: Mutex::new(tail), secret }
    }

    /// The history of a journal that no checkpoint was ever made of.
    pub fn of_journal(journal: Arc<dyn JournalReader>, tail: TailRecords) -> Self {
        let state = Arc::new(MemoryState::default());
        Self::new(state, journal, Arc::default(), tail, Secret::new([0; 16]))
    }

    /// The archive as it is now.
    pub fn archive(&self) -> Arc<View> {
        Arc::clone(&self.archive.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The archive has changed. It must be shown before the journal is trimmed.
    pub fn show(&self, archive: Arc<View>) {
        *self.archive.write().unwrap_or_else(PoisonError::into_inner) = archive;
    }

    /// The state.
    pub fn state(&self) -> &dyn State {
        self.state.as_ref()
    }

    /// What keys and cursors are made with.
    pub const fn secret(&self) -> Secret {
        self.secret
    }

    /// The key under which the archive files an operation.
    pub fn key(&self, wallet: &WalletId, op: &OpId) -> OpKey {
        OpKey::of(self.secret, wallet, op)
    }

    /// Takes up a wallet as it is; none when it was never opened. Its records of the tail are given
    /// out once: whoever takes it up keeps it until the next checkpoint has it.
    pub fn take_up(&self, id: &WalletId) -> Result<Option<TakenUp>, StoreError> {
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner).take(id)?;
        let core = self.state.get(Table::Wallets, &state::place(id))?;
        let Some(core) = core else {
            return TakingUp::new(self, id, &tail).open();
        };
        let snapshot = snapshot::decode(&core).map_err(|error| damaged(id, &error))?;
        TakingUp::new(self, id, &tail).restore(snapshot)
    }

    /// The pages of a wallet's holds.
    fn pages(&self, id: &WalletId) -> Result<(BTreeSet<HoldPage>, Vec<Hold>), StoreError> {
        let (mut pages, mut holds) = (BTreeSet::new(), Vec::new());
        let prefix = state::pages_of(id);
        self.state.range(Table::Pages, &prefix, &mut |key, bytes| {
            let Some(number) = key.strip_prefix(prefix.as_slice()) else { return Ok(false) };
            let number = number.try_into().map(u64::from_be_bytes);
            let page = HoldPage(number.map_err(|_| damaged(id, &"a page without a number"))?);
            holds.extend(
                snapshot::decode_page(id, page, bytes).map_err(|error| damaged(id, &error))?,
            );
            pages.insert(page);
            Ok(true)
        })?;
        Ok((pages, holds))
    }

    /// What there was to remember of an operation before its wallet's event of that number.
    pub fn recall_before(
        &self,
        wallet: &WalletId,
        op: &OpId,
        seq: u64,
    ) -> Result<Option<Remembered>, StoreError> {
        self.recall_with(wallet, op, &[], seq)
    }

    /// The same, where the wallet has newer records, in order, that the archive may have, too.
    fn recall_with(
        &self,
        wallet: &WalletId,
        op: &OpId,
        newer: &[&Record],
        seq: u64,
    ) -> Result<Option<Remembered>, StoreError> {
        let archive = self.archive();
        let mut filed = Filed::oldest_first(self.key(wallet, op), &archive, wallet, op)?;
        let mut newer = newer.iter().take_while(|record| record.seq < seq).peekable();
        let mut recall = Recall::of(op.clone());
        while let Some(record) = filed.next(&archive)? {
            if record.seq >= seq {
                break;
            }
            while let Some(before) = newer.next_if(|newer| newer.seq <= record.seq) {
                if before.seq < record.seq {
                    recall.hear(&past(before));
                }
            }
            recall.hear(&past(&record));
        }
        newer.for_each(|record| recall.hear(&past(record)));
        Ok(recall.remembered())
    }

    /// What the state has of a wallet; none when it has nothing.
    pub fn snapshot(&self, id: &WalletId) -> Result<Option<Snapshot>, StoreError> {
        let core = self.state.get(Table::Wallets, &state::place(id))?;
        let Some(core) = core else { return Ok(None) };
        let snapshot = snapshot::decode(&core).map_err(|error| damaged(id, &error))?;
        if snapshot.wallet != *id {
            return Err(damaged(id, &"its snapshot is of another wallet"));
        }
        Ok(Some(snapshot))
    }

    /// The wallet that a snapshot is of, with the holds that lie on pages.
    pub fn restore(&self, snapshot: Snapshot) -> Result<Wallet, StoreError> {
        let id = snapshot.wallet.clone();
        let holds = if snapshot.paged == 0 { Vec::new() } else { self.pages(&id)?.1 };
        snapshot.restore(holds).map_err(|error| damaged(&id, &error))
    }

    /// The record at a position, which may lie in an archive as somebody sees it; none when retention has
    /// removed it.
    pub(super) fn kept_record(
        &self,
        archive: &View,
        position: Position,
    ) -> Result<Option<Record>, StoreError> {
        // What is trimmed from the journal between two looks, the archive, looked at anew, has.
        let found = match archive.record(position)? {
            Some(record) => Some(record),
            None => match self.journaled(position)? {
                Some(record) => Some(record),
                None => self.archive().record(position)?,
            },
        };
        match found {
            None if !self.archive().is_shortened() => Err(missing(position)),
            found => Ok(found),
        }
    }

    /// The record at a position, wherever it lies.
    pub fn record(&self, position: Position) -> Result<Record, StoreError> {
        self.kept_record(&self.archive(), position)?.ok_or_else(|| missing(position))
    }

    /// A record that is still in the journal.
    fn journaled(&self, position: Position) -> Result<Option<Record>, StoreError> {
        let damaged = |reason: String| StoreError::Damaged { position, reason };
        let Some((first, bytes)) = self.journal.value_at(position)? else { return Ok(None) };
        let value = value::decode(&bytes).map_err(|error| damaged(error.to_string()))?;
        let mut body = value.body.to_vec();
        let mut skip = position.number().saturating_sub(first.number());
        match value.content {
            Content::Whole { records } if skip < u64::from(records) => {}
            Content::Whole { .. } => return Ok(None),
            Content::Fragment { part, parts } => {
                // A record's position is that of its first fragment.
                if part != 0 || skip != 0 {
                    return Ok(None);
                }
                for part in 1..parts {
                    let next = self.journal.value_at(first.plus(u64::from(part)))?;
                    let Some((_, bytes)) = next else { return Ok(None) };
                    let value =
                        value::decode(&bytes).map_err(|error| damaged(error.to_string()))?;
                    body.extend_from_slice(value.body);
                }
            }
        }
        let mut rest = body.as_slice();
        loop {
            let (_, length) = record::peek(rest).map_err(|error| damaged(error.to_string()))?;
            if skip == 0 {
                let decoded = record::decode(rest).map_err(|error| damaged(error.to_string()))?;
                return Ok(Some(decoded.0));
            }
            skip = skip.saturating_sub(1);
            rest = rest.get(length..).unwrap_or_default();
        }
    }
}

/// The number of a wallet's last event in its snapshot; 0 when it has none.
pub fn kept_seq(state: &dyn State, wallet: &WalletId) -> Result<u64, StoreError> {
    let Some(core) = state.get(Table::Wallets, &state::place(wallet))? else { return Ok(0) };
    let snapshot = snapshot::decode(&core).map_err(|error| damaged(wallet, &error))?;
    Ok(snapshot.core.seq)
}

fn damaged(wallet: &WalletId, reason: &impl ToString) -> StoreError {
    StoreError::DamagedWallet { wallet: wallet.to_string(), reason: reason.to_string() }
}

pub(super) fn missing(position: Position) -> StoreError {
    StoreError::Damaged { position, reason: "a record is missing".to_owned() }
}

/// Whether a record carries an operation's id or refers to it.
pub(super) fn concerns(record: &Record, op: &OpId) -> bool {
    named(record).any(|named| named == op)
}

/// The operations that a record carries or refers to.
fn named(record: &Record) -> impl Iterator<Item = &OpId> {
    let event = &record.event;
    [event.op.as_ref(), event.hold(), event.target()].into_iter().flatten()
}

/// What a record says of the past.
pub(super) fn past(record: &Record) -> Past<'_> {
    Past {
        seq: record.seq,
        event: &record.event,
        balances: record.sums.balances(),
        status: record.status,
        burned: &record.burned,
    }
}

/// A wallet that is being taken up.
struct TakingUp<'a> {
    history: &'a History,
    id: &'a WalletId,
    tail: &'a [(Position, Record)],
}

impl<'a> TakingUp<'a> {
    const fn new(history: &'a History, id: &'a WalletId, tail: &'a [(Position, Record)]) -> Self {
        Self { history, id, tail }
    }

    /// A wallet without a snapshot: all of it is in the tail.
    fn open(self) -> Result<Option<TakenUp>, StoreError> {
        let Some(((last, first), rest)) = self.tail.split_first() else { return Ok(None) };
        if first.previous != Position::NONE {
            return Err(damaged(self.id, &"its snapshot is missing"));
        }
        let (wallet, _) = Wallet::open(&first.event).map_err(|error| damaged(self.id, &error))?;
        self.check(&wallet, first)?;
        let kept = Kept::default();
        self.follow(TakenUp { wallet, last: *last, kept, is_saved: false }, rest).map(Some)
    }

    /// A wallet as it was kept, and what happened since.
    fn restore(self, snapshot: Snapshot) -> Result<Option<TakenUp>, StoreError> {
        let id = self.id;
        if snapshot.wallet != *id {
            return Err(damaged(id, &"its snapshot is of another wallet"));
        }
        let (pages, holds) = match snapshot.paged {
            0 => (BTreeSet::new(), Vec::new()),
            _ => self.history.pages(id)?,
        };
        let kept = Kept { deadline: snapshot.deadline, pages, debt: snapshot.core.debt };
        let (last, seq) = (snapshot.last, snapshot.core.seq);
        let wallet = snapshot.restore(holds).map_err(|error| damaged(id, &error))?;
        let known = self.tail.partition_point(|(_, record)| record.seq <= seq);
        let (before, after) = self.tail.split_at(known);
        let is_saved = self.tail.is_empty();
        let mut taken = TakenUp { wallet, last, kept, is_saved };
        self.tell(&mut taken.wallet, before, seq)?;
        self.follow(taken, after).map(Some)
    }

    /// Tells the wallet of records that its snapshot has, but the archive may not have.
    fn tell(
        &self,
        wallet: &mut Wallet,
        records: &[(Position, Record)],
        seq: u64,
    ) -> Result<(), StoreError> {
        // In one pass: after a crash in a large checkpoint a busy wallet has very many of them.
        let mut by_op: BTreeMap<&OpId, Vec<&Record>> = BTreeMap::new();
        for (_, record) in records {
            named(record).for_each(|op| by_op.entry(op).or_default().push(record));
        }
        for (op, of_tail) in by_op {
            // After a crash the archive may be ahead: what follows is folded later.
            let before = seq.saturating_add(1);
            if let Some(told) = self.history.recall_with(self.id, op, &of_tail, before)? {
                wallet.memory_mut().tell(op.clone(), told);
            }
        }
        Ok(())
    }

    /// Folds the records that follow.
    fn follow(
        &self,
        mut taken: TakenUp,
        records: &[(Position, Record)],
    ) -> Result<TakenUp, StoreError> {
        for (position, record) in records {
            if record.previous != taken.last {
                let reason = format!("its record at {position} does not follow {}", taken.last);
                return Err(damaged(self.id, &reason));
            }
            let subject = taken.wallet.memory().lacks_subject(&record.event).cloned();
            if let Some(subject) = subject {
                match self.history.recall_before(self.id, &subject, record.seq)? {
                    Some(told) => taken.wallet.memory_mut().tell(subject, told),
                    // Retention has removed its beginning since; nobody will ask for it any more.
                    None if self.history.archive().is_shortened() => {
                        taken.wallet.memory_mut().excuse();
                    }
                    None => {}
                }
            }
            let applied = taken.wallet.apply(&record.event);
            applied.map_err(|error| damaged(self.id, &error))?;
            self.check(&taken.wallet, record)?;
            taken.last = *position;
        }
        Ok(taken)
    }

    /// A record says what the wallet had after it.
    fn check(&self, wallet: &Wallet, record: &Record) -> Result<(), StoreError> {
        if Sums::of(wallet) == record.sums {
            return Ok(());
        }
        let reason = format!("its money after event {} is not what the record says", record.seq);
        Err(damaged(self.id, &reason))
    }
}
