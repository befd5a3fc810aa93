//! A journal with random records, and a naive archive beside the real one.

use super::super::{Archive, Last, OpKey, Secret, Settings, View};
use crate::codec::record::{self, Position, Record, RecordRef, Sums};
use crate::codec::value::positions;
use crate::domain::amount::Amount;
use crate::domain::command::{GrantKind, Overage, RequestHash};
use crate::domain::event::{Event, EventKind, HoldPlaced};
use crate::domain::grant::GrantTerms;
use crate::domain::id::{Note, OpId, WalletId};
use crate::domain::outcome::WalletStatus;
use crate::domain::posting::{GrantNo, Postings};
use crate::domain::time::Timestamp;
use crate::store::memory::MemoryJournal;
use crate::store::writer::{Batch, JournalWriter, Tail};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

pub(super) const LOGS: u8 = 3;

pub(super) fn secret() -> Secret {
    Secret::new(*b"a secret of ours")
}

pub(super) fn open(path: &Path) -> Archive {
    let mut archive = Archive::open(path, secret(), Settings::default()).unwrap();
    archive.read_filters().unwrap();
    archive
}

/// The wallet's last record in each segment that has any of it, newest segment first.
pub(super) fn lasts_of(view: &View, wallet: OpKey) -> impl Iterator<Item = Last> {
    let of_segments = (0..).map_while(move |age| view.last_in(age, wallet));
    of_segments.filter_map(Result::unwrap)
}

/// What was journaled, and how much of it is archived.
pub(super) struct World {
    pub(super) journal: MemoryJournal,
    writer: JournalWriter<MemoryJournal>,
    pub(super) records: BTreeMap<Position, Record>,
    lasts: BTreeMap<WalletId, (u64, Position)>,
    random: u64,
    pub(super) time: i64,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let journal = MemoryJournal::default();
        let writer = JournalWriter::new(journal.clone(), Vec::new());
        let (records, lasts) = (BTreeMap::new(), BTreeMap::new());
        Self { journal, writer, records, lasts, random: seed | 1, time: 1_000 }
    }

    /// The next of the dice.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) % bound
    }

    fn op(&mut self) -> OpId {
        OpId::new(format!("op-{}", self.below(200)).as_bytes()).unwrap()
    }

    fn event(&mut self) -> Event {
        let (amount, note) = (Amount::from_pico(5), Note::default());
        let op = self.op();
        let kind = match self.below(8) {
            0 => EventKind::HoldPlaced(Box::new(HoldPlaced {
                amount,
                expires_at: Timestamp::from_millis(9),
                overage: Overage::Debt,
                tags: Vec::new(),
            })),
            1 => EventKind::HoldExpired { hold: self.op() },
            2 => EventKind::HoldVoided { hold: self.op(), note },
            3 => EventKind::Reversed { target: self.op(), amount, note },
            4 | 5 => {
                let (uncovered, tags, hold) = (Amount::ZERO, Vec::new(), self.op());
                EventKind::Captured { hold, uncovered, keep: false, late: true, tags }
            }
            // Its hold is its own operation.
            6 => EventKind::HoldVoided { hold: op.clone(), note },
            _ => EventKind::Charged { uncovered: Amount::ZERO, over: false, tags: Vec::new() },
        };
        self.time += i64::try_from(self.below(50)).unwrap();
        Event {
            at: Timestamp::from_millis(self.time),
            op: (!matches!(kind, EventKind::HoldExpired { .. })).then_some(op),
            user: None,
            request: RequestHash(self.random),
            kind,
            postings: Postings::new(),
            price: None,
        }
    }

    /// Writes a record into a log, larger than a value now and then.
    pub(super) fn write(&mut self) {
        let log = u8::try_from(self.below(u64::from(LOGS))).unwrap();
        let wallet = WalletId::new(format!("w{}", self.below(12)).as_bytes()).unwrap();
        let event = self.event();
        let grant = GrantTerms {
            number: GrantNo(1),
            op: self.op(),
            kind: GrantKind::Paid,
            priority: 1,
            expires_at: None,
        };
        let grants = match self.below(40) {
            0 => 400,
            1 => 4_000,
            _ => 0,
        };
        let (seq, previous) = self.lasts.get(&wallet).copied().unwrap_or_default();
        let (seq, sums, status) = (seq + 1, Sums::default(), WalletStatus::Open);
        let grant = Arc::new(grant);
        let burned = vec![grant; grants];
        let record = Record { wallet, seq, previous, event, sums, status, burned };
        self.put(log, record);
    }

    fn put(&mut self, log: u8, record: Record) {
        let mut frames = Vec::new();
        let Record { wallet, event, burned, .. } = &record;
        let (seq, previous) = (record.seq, record.previous);
        let (sums, status) = (record.sums, record.status);
        let borrowed = RecordRef { wallet, seq, previous, event, sums, status, burned };
        record::encode(&borrowed, &mut frames).unwrap();
        let first = self.writer.tail(log).next;
        let length = frames.len();
        self.writer.append(&Batch { first, frames }).unwrap();
        assert_eq!(self.writer.tail(log).next, first.plus(positions(length)));
        self.lasts.insert(record.wallet.clone(), (seq, first));
        self.records.insert(first, record);
    }

    /// Writes a batch of small records, which share values.
    pub(super) fn write_batch(&mut self, count: u64) {
        let log = u8::try_from(self.below(u64::from(LOGS))).unwrap();
        let first = self.writer.tail(log).next;
        let mut frames = Vec::new();
        for index in 0..count {
            let wallet = WalletId::new(format!("w{}", self.below(12)).as_bytes()).unwrap();
            let (seq, previous) = self.lasts.get(&wallet).copied().unwrap_or_default();
            let (event, sums, status) = (self.event(), Sums::default(), WalletStatus::Open);
            let seq = seq + 1;
            let record = Record { wallet, seq, previous, event, sums, status, burned: vec![] };
            let Record { wallet, event, burned, .. } = &record;
            let borrowed = RecordRef { wallet, seq, previous, event, sums, status, burned };
            record::encode(&borrowed, &mut frames).unwrap();
            self.lasts.insert(wallet.clone(), (seq, first.plus(index)));
            self.records.insert(first.plus(index), record);
        }
        self.writer.append(&Batch { first, frames }).unwrap();
    }

    /// Where a log of the journal ends.
    pub(super) fn tail(&self, log: u8) -> Tail {
        self.writer.tail(log)
    }

    /// Archives all values before `ends`, which stand between records.
    pub(super) fn archive_to(&self, archive: &mut Archive, ends: &[Position]) {
        let is_due = |position: &Position| {
            ends.iter().any(|end| end.log() == position.log() && *position < *end)
        };
        let values = self.journal.values();
        let due: Vec<_> = values.into_iter().filter(|(position, _)| is_due(position)).collect();
        let appended = archive.append(&mut |visit| {
            due.iter().try_for_each(|(position, value)| visit(*position, value))
        });
        appended.unwrap();
    }

    /// Archives all that was written.
    pub(super) fn archive(&self, archive: &mut Archive) {
        let ends: Vec<_> = (0..LOGS).map(|log| self.tail(log).next).collect();
        self.archive_to(archive, &ends);
    }

    /// Archives some logs only, and checks that the naive archive and the real one agree.
    pub(super) fn archive_some(&mut self, archive: &mut Archive) {
        let logs = 1 + self.below(7);
        let ends = (0..LOGS).filter(|log| logs >> log & 1 == 1).map(|log| self.tail(log).next);
        self.archive_to(archive, &ends.collect::<Vec<_>>());
    }

    /// The keys of a record, but its wallet's.
    pub(super) fn keys(record: &Record) -> BTreeSet<OpKey> {
        let event = &record.event;
        let ops = [event.op.as_ref(), event.hold(), event.target()];
        ops.into_iter().flatten().map(|op| OpKey::of(secret(), &record.wallet, op)).collect()
    }

    /// Checks everything that a view answers, given where the archive begins and ends.
    pub(super) fn check(&self, view: &View) {
        let has = |position: &Position| {
            let has = |part: &super::super::Part| {
                let row = part.segment.footer.log(position.log());
                row.is_some_and(|row| row.start.next <= *position && *position < row.end.next)
            };
            view.parts.iter().position(has)
        };
        let mut filed = BTreeMap::<OpKey, Vec<Position>>::new();
        let mut lasts = BTreeMap::<(WalletId, usize), (u64, Position)>::new();
        for (position, record) in &self.records {
            let found = view.record(*position).unwrap();
            let Some(part) = has(position) else {
                assert_eq!(found, None);
                continue;
            };
            assert_eq!(found.as_ref(), Some(record));
            for key in Self::keys(record) {
                filed.entry(key).or_default().push(*position);
            }
            let last = lasts.entry((record.wallet.clone(), part)).or_default();
            *last = (*last).max((record.seq, *position));
        }
        for (key, positions) in &filed {
            assert!(view.may_have(*key));
            let mut found = view.find(*key).unwrap();
            found.sort();
            assert_eq!(&found, positions);
        }
        for number in 0..12 {
            let wallet = WalletId::new(format!("w{number}").as_bytes()).unwrap();
            let key = OpKey::of_wallet(secret(), &wallet);
            let found: Vec<_> = lasts_of(view, key).map(|last| last.position).collect();
            let of_wallet = lasts.iter().rev().filter(|((name, _), _)| *name == wallet);
            let expected: Vec<_> = of_wallet.map(|(_, (_, position))| *position).collect();
            assert_eq!(found, expected);
            let stranger = OpKey::of(secret(), &wallet, &OpId::new(b"stranger").unwrap());
            assert_eq!(view.find(stranger).unwrap(), []);
        }
        let values: BTreeMap<_, _> = self.journal.values().into_iter().collect();
        let mut scanned = BTreeSet::new();
        view.scan(&mut |position, bytes| {
            assert_eq!(values.get(&position).map(Vec::as_slice), Some(bytes));
            assert!(scanned.insert(position), "{position} came twice");
            Ok(())
        })
        .unwrap();
        let expected: BTreeSet<_> =
            values.keys().filter(|position| has(position).is_some()).copied().collect();
        assert_eq!(scanned, expected);
        for position in scanned {
            let is_first = self.records.contains_key(&position);
            assert_eq!(view.record(position).unwrap().is_some(), is_first);
        }
        view.check_indexes().unwrap();
    }
}
