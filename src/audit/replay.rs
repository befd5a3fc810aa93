//! All wallets, replayed from their records as a server would have made them, and held against all
//! else that is kept of them.
//!
//! Wallets are in memory, their operations only for a while: those of the archive are recalled from it
//! when a later record refers to them.
//!
//! Where the oldest history was given up, a wallet has no first record. Then the movements of each
//! record are held against the money before and after it, and the wallet is replayed from its
//! snapshot on.

use super::books::{self, Books};
use super::totals::Totals;
use super::walk::{self, Place};
use crate::codec::record::{Position, Record, Sums};
use crate::codec::snapshot::Snapshot;
use crate::domain::amount::Amount;
use crate::domain::event::EventKind;
use crate::domain::id::{Currency, WalletId};
use crate::domain::ledger::LedgerRow;
use crate::domain::memory::{Era, Role};
use crate::domain::rating::PriceVersion;
use crate::domain::time::Timestamp;
use crate::domain::wallet::Wallet;
use crate::store::StoreError;
use crate::store::checkpoint::Checkpoint;
use crate::store::history::History;
use crate::store::still::Still;
use hashbrown::HashMap;
use std::collections::{BTreeMap, BTreeSet};

/// All wallets.
pub(super) struct Replay<'a> {
    history: &'a History,
    checkpoint: &'a Checkpoint,
    /// The versions of the prices that are kept.
    prices: &'a BTreeSet<PriceVersion>,
    /// The oldest history was given up.
    is_shortened: bool,
    wallets: HashMap<WalletId, Box<Replayed>>,
    records: u64,
    /// After so many records of the archive, wallets forget their operations.
    forget_every: u64,
    era: Era,
}

/// A wallet.
#[derive(Default)]
pub(super) struct Replayed {
    /// None while it cannot be known without the records that were given up.
    wallet: Option<Wallet>,
    currency: Option<Currency>,
    last: Position,
    seq: u64,
    sums: Sums,
    books: Books,
    /// The number of the first record that is left.
    first: u64,
    pub(super) kept: Option<Kept>,
    /// Records that came before those in front of them, because they are in another log.
    early: BTreeMap<u64, (Position, Record)>,
}

/// What the state has of a wallet.
pub(super) struct Kept {
    seq: u64,
    pub(super) deadline: Option<Timestamp>,
    pub(super) has_pages: bool,
    /// It is what the records come to.
    is_compared: bool,
}

impl<'a> Replay<'a> {
    /// Without wallets. After `forget_every` records of the archive, they forget their operations.
    pub(super) fn new(
        still: &'a Still,
        prices: &'a BTreeSet<PriceVersion>,
        forget_every: u64,
    ) -> Self {
        Self {
            history: &still.history,
            checkpoint: &still.checkpoint,
            prices,
            is_shortened: walk::is_shortened(still),
            wallets: HashMap::new(),
            records: 0,
            forget_every,
            era: Era::default(),
        }
    }

    /// Takes the next record.
    pub(super) fn take(
        &mut self,
        place: Place,
        position: Position,
        record: Record,
    ) -> Result<(), StoreError> {
        let id = record.wallet.clone();
        let version = record.event.price.as_ref().map(|price| price.version);
        self.check_price(&id, version, || format!("event {}", record.seq))?;
        let mut replayed = match self.wallets.remove(&id) {
            Some(known) => known,
            None => Box::new(self.begin(&record)?),
        };
        if record.seq <= replayed.seq {
            // Of a wallet without a first record, one from before may lie in another log.
            if record.seq >= replayed.first.max(1) || !self.is_shortened {
                return Err(damaged(&id, format!("it has two events {}", record.seq)));
            }
        } else {
            replayed.early.insert(record.seq, (position, record));
        }
        while let Some(next) = replayed.early.remove(&replayed.seq.saturating_add(1)) {
            self.fold(&id, &mut replayed, next.0, &next.1)?;
        }
        self.wallets.insert(id, replayed);
        self.records = self.records.saturating_add(1);
        if place == Place::Archive && self.records.is_multiple_of(self.forget_every) {
            self.forget();
        }
        Ok(())
    }

    /// The prices of an operation, or those that a hold pins, are kept: else nobody could say any more
    /// what it was priced by, or what its captures cost.
    fn check_price(
        &self,
        id: &WalletId,
        version: Option<PriceVersion>,
        what: impl FnOnce() -> String,
    ) -> Result<(), StoreError> {
        match version.filter(|version| !self.prices.contains(version)) {
            None => Ok(()),
            Some(missing) => {
                let what = what();
                let reason = format!("{what} is priced by prices/{missing}.json, which is missing");
                Err(damaged(id, reason))
            }
        }
    }

    /// All that was replayed so far lies in the archive.
    fn forget(&mut self) {
        for replayed in self.wallets.values_mut() {
            if let Some(wallet) = &mut replayed.wallet {
                wallet.memory_mut().forget(self.era, usize::MAX);
            }
        }
        self.era = self.era.next();
    }

    /// A wallet before its first record that is left.
    fn begin(&self, first: &Record) -> Result<Replayed, StoreError> {
        let snapshot = self.history.snapshot(&first.wallet)?;
        let mut this = Replayed { kept: snapshot.as_ref().map(Kept::of), ..Replayed::default() };
        if first.seq == 1 || !self.is_shortened {
            return Ok(this);
        }
        let before = books::before(first.sums.balances(), &first.event.postings);
        this.books = Books::brought_forward(before);
        this.sums = Sums {
            posted: before.posted,
            held: before.held,
            debt: before.debt,
            credit_limit: first.sums.credit_limit,
        };
        (this.seq, this.first, this.last) =
            (first.seq.saturating_sub(1), first.seq, first.previous);
        if let Some(snapshot) = snapshot {
            this.currency = Some(snapshot.core.opened.currency.clone());
            if snapshot.core.seq == this.seq {
                this.meet(self, snapshot)?;
            }
        }
        Ok(this)
    }

    /// Folds the record that follows.
    fn fold(
        &self,
        id: &WalletId,
        replayed: &mut Replayed,
        position: Position,
        record: &Record,
    ) -> Result<(), StoreError> {
        let seq = record.seq;
        if record.previous != replayed.last {
            let reason = format!("its record at {position} does not follow {}", replayed.last);
            return Err(damaged(id, reason));
        }
        check_entries(id, record)?;
        if replayed.wallet.is_none() && replayed.first > 1 {
            check_movements(id, &replayed.sums, record)?;
        } else {
            self.apply(id, replayed, record)?;
        }
        record.event.postings.iter().for_each(|posting| replayed.books.book(*posting));
        if let EventKind::Opened(terms) = &record.event.kind {
            replayed.currency = Some(terms.currency.clone());
        }
        (replayed.seq, replayed.last, replayed.sums) = (seq, position, record.sums);
        let kept = replayed.kept.as_ref().map_or(0, |kept| kept.seq);
        if kept == seq
            && let Some(snapshot) = self.history.snapshot(id)?
        {
            replayed.meet(self, snapshot)?;
        }
        if kept < seq && self.is_before_checkpoint(position) {
            let reason =
                format!("its event {seq} lies before the checkpoint, its snapshot lacks it");
            return Err(damaged(id, reason));
        }
        Ok(())
    }

    /// Applies the event of a record, and compares what it comes to with what the record says.
    fn apply(
        &self,
        id: &WalletId,
        replayed: &mut Replayed,
        record: &Record,
    ) -> Result<(), StoreError> {
        let event = &record.event;
        let wallet = if let Some(wallet) = &mut replayed.wallet {
            if let Some(subject) = wallet.memory().lacks_subject(event).cloned() {
                match self.history.recall_before(id, &subject, record.seq)? {
                    Some(told) => wallet.memory_mut().tell(subject, told),
                    None if self.is_shortened => wallet.memory_mut().excuse(),
                    None => {}
                }
            }
            wallet.apply(event).map_err(|error| damaged(id, error.to_string()))?;
            wallet
        } else {
            let (wallet, _) =
                Wallet::open(event).map_err(|error| damaged(id, error.to_string()))?;
            replayed.wallet.insert(wallet)
        };
        if Sums::of(wallet) != record.sums || wallet.status() != record.status {
            let seq = record.seq;
            let reason = format!("its money after event {seq} is not what the record says");
            return Err(damaged(id, reason));
        }
        let spend = event.op.as_ref().and_then(|op| wallet.memory().get(op));
        if let Some(Role::Spend(spend)) = spend.map(|remembered| &remembered.role)
            && !spend.slices.iter().map(|(terms, _)| terms).eq(&record.burned)
        {
            let seq = record.seq;
            let reason = format!("event {seq} did not burn the grants that its record names");
            return Err(damaged(id, reason));
        }
        Ok(())
    }

    fn is_before_checkpoint(&self, position: Position) -> bool {
        let tails = &self.checkpoint.tails;
        tails.iter().any(|tail| tail.next.log() == position.log() && position < tail.next)
    }

    /// A wallet, to be held against the rows of the state.
    pub(super) fn get(&self, wallet: &WalletId) -> Option<&Replayed> {
        self.wallets.get(wallet).map(Box::as_ref)
    }

    /// How many snapshots name a deadline.
    pub(super) fn deadlines(&self) -> u64 {
        let kept = self.wallets.values().filter_map(|replayed| replayed.kept.as_ref());
        u64::try_from(kept.filter(|kept| kept.deadline.is_some()).count()).unwrap_or(u64::MAX)
    }

    /// Takes in a wallet of which the state alone is left.
    pub(super) fn take_kept(&mut self, snapshot: Snapshot) -> Result<(), StoreError> {
        let id = snapshot.wallet.clone();
        if !self.is_shortened {
            return Err(damaged(&id, "it has a snapshot, but no records"));
        }
        let mut replayed = Replayed {
            currency: Some(snapshot.core.opened.currency.clone()),
            last: snapshot.last,
            seq: snapshot.core.seq,
            kept: Some(Kept::of(&snapshot)),
            ..Replayed::default()
        };
        let wallet = self.history.restore(snapshot.clone())?;
        replayed.sums = Sums::of(&wallet);
        replayed.books = Books::brought_forward(wallet.balances());
        replayed.meet(self, snapshot)?;
        self.wallets.insert(id, Box::new(replayed));
        Ok(())
    }

    /// All records are taken: adds the wallets up.
    pub(super) fn end(&self, totals: &mut Totals) -> Result<(), StoreError> {
        for (id, replayed) in &self.wallets {
            if let Some((seq, _)) = replayed.early.first_key_value() {
                let missing = replayed.seq.saturating_add(1);
                return Err(damaged(id, format!("event {missing} is missing before event {seq}")));
            }
            if let Some(kept) = replayed.kept.as_ref().filter(|kept| !kept.is_compared) {
                let (kept, last) = (kept.seq, replayed.seq);
                let reason = format!("its snapshot is of event {kept}, its last record of {last}");
                return Err(damaged(id, reason));
            }
            let now = match &replayed.wallet {
                Some(wallet) => wallet.balances(),
                None => return Err(damaged(id, "it has neither a first record nor a snapshot")),
            };
            if let Some(misfit) = replayed.books.misfit(now) {
                return Err(damaged(id, misfit));
            }
            let currency = replayed.currency.as_ref();
            let currency = currency.ok_or_else(|| damaged(id, "it has no currency"))?;
            totals.add(currency, now, &replayed.books);
        }
        Ok(())
    }
}

impl Replayed {
    /// The wallet is where its snapshot was made: both must be equal.
    fn meet(&mut self, replay: &Replay<'_>, snapshot: Snapshot) -> Result<(), StoreError> {
        let (id, seq, last) = (snapshot.wallet.clone(), snapshot.core.seq, snapshot.last);
        let restored = replay.history.restore(snapshot)?;
        for hold in restored.holds().after(None) {
            let version = hold.pin.as_ref().map(|pin| pin.version);
            replay.check_price(&id, version, || format!("hold {} of its snapshot", hold.id))?;
        }
        let is_same = match &self.wallet {
            Some(wallet) => *wallet == restored,
            None => Sums::of(&restored) == self.sums,
        };
        if !is_same || last != self.last || seq != self.seq {
            let reason = format!("its snapshot at event {seq} is not what its records come to");
            return Err(damaged(&id, reason));
        }
        self.wallet.get_or_insert(restored);
        if let Some(kept) = &mut self.kept {
            kept.is_compared = true;
        }
        Ok(())
    }
}

impl Kept {
    fn of(snapshot: &Snapshot) -> Self {
        let (seq, deadline) = (snapshot.core.seq, snapshot.deadline);
        Self { seq, deadline, has_pages: snapshot.paged > 0, is_compared: false }
    }
}

/// The entries of every row of the ledger sum to zero.
fn check_entries(id: &WalletId, record: &Record) -> Result<(), StoreError> {
    let row = LedgerRow::of(record.seq, &record.event, record.sums.balances());
    let pico = row.entries.iter().map(|(_, amount)| amount.pico());
    if pico.fold(0_i128, i128::saturating_add) == Amount::ZERO.pico() {
        return Ok(());
    }
    Err(damaged(id, format!("the entries of event {} do not sum to zero", record.seq)))
}

/// What a record's event moved is what changed since the record before it.
fn check_movements(id: &WalletId, sums: &Sums, record: &Record) -> Result<(), StoreError> {
    let before = books::before(record.sums.balances(), &record.event.postings);
    if (before.posted, before.held, before.debt) == (sums.posted, sums.held, sums.debt) {
        return Ok(());
    }
    let reason = format!("its money after event {} is not what the record says", record.seq);
    Err(damaged(id, reason))
}

/// A wallet that does not fit.
pub(super) fn damaged(wallet: &WalletId, reason: impl Into<String>) -> StoreError {
    StoreError::DamagedWallet { wallet: wallet.to_string(), reason: reason.into() }
}
