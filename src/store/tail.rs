//! The journal's tail: the records since the last checkpoint, by wallet. A start reads them once and
//! takes up a wallet's only when somebody asks for it.
//!
//! A crash in the middle of a large checkpoint leaves millions of them, and nobody is served before
//! all are here: so nothing is copied twice, and a record costs one look for its wallet.

use super::StoreError;
use crate::codec::record::{self, Position, Record};
use crate::domain::id::WalletId;
use crate::domain::time::Timestamp;
use hashbrown::HashMap;

/// The bytes of a piece; what is larger has one of its own.
const PIECE: usize = 1024 * 1024;

/// The records of the tail that nobody has taken yet.
#[derive(Debug, Default)]
pub struct TailRecords {
    /// Frames, one behind the other, in pieces: to grow, none is moved.
    pieces: Vec<Vec<u8>>,
    entries: Vec<Entry>,
    wallets: HashMap<WalletId, Latest>,
    /// How many records were read.
    read: u64,
    /// When the last event happened.
    last_time: Timestamp,
}

/// One record.
#[derive(Debug, Clone, Copy)]
struct Entry {
    seq: u64,
    position: Position,
    piece: u32,
    start: u32,
    /// The wallet's record that was read before it.
    before: Option<Number>,
}

/// The records of a wallet.
#[derive(Debug, Clone, Copy)]
struct Latest {
    /// The one that was read last; none only while the first is noted.
    entry: Option<Number>,
    /// The lowest number of an event.
    first: u64,
}

/// Which entry: its index, and one.
type Number = std::num::NonZeroU32;

impl TailRecords {
    /// How many records were read.
    pub const fn read(&self) -> u64 {
        self.read
    }

    /// When the last event happened.
    pub const fn last_time(&self) -> Timestamp {
        self.last_time
    }

    /// Adds the records, so many of them, whose frames `body` consists of.
    pub(super) fn add(
        &mut self,
        first: Position,
        body: &[u8],
        count: u64,
    ) -> Result<(), StoreError> {
        let has_room = |piece: &Vec<u8>| piece.len().saturating_add(body.len()) <= PIECE;
        if !self.pieces.last().is_some_and(has_room) {
            self.pieces.push(Vec::with_capacity(PIECE.max(body.len())));
        }
        let number = self.pieces.len().saturating_sub(1);
        let piece = self.pieces.last_mut().map_or(0, |piece| {
            piece.extend_from_slice(body);
            piece.len().saturating_sub(body.len())
        });
        let mut at = 0_usize;
        for index in 0..count {
            let rest = body.get(at..).unwrap_or_default();
            let place = (number, piece.saturating_add(at));
            at = at.saturating_add(self.add_one(first.plus(index), rest, place)?);
        }
        if at == body.len() {
            return Ok(());
        }
        Err(damaged(first, "a value holds more than its records"))
    }

    /// Adds the record whose frame `bytes` begin with; answers the frame's length.
    fn add_one(
        &mut self,
        position: Position,
        bytes: &[u8],
        (piece, start): (usize, usize),
    ) -> Result<usize, StoreError> {
        let (peeked, length) = record::peek(bytes).map_err(|error| damaged(position, &error))?;
        let wallet = WalletId::new(peeked.wallet.as_bytes());
        let wallet = wallet.map_err(|error| damaged(position, &error))?;
        let too_many = |_| damaged(position, "the journal's tail is too long");
        let index = u32::try_from(self.entries.len().saturating_add(1)).map_err(too_many)?;
        let entry = Number::new(index).unwrap_or(Number::MAX);
        let nothing = Latest { entry: None, first: u64::MAX };
        let latest = self.wallets.entry(wallet).or_insert(nothing);
        let before = latest.entry.replace(entry);
        latest.first = latest.first.min(peeked.seq);
        self.entries.push(Entry {
            seq: peeked.seq,
            position,
            piece: u32::try_from(piece).map_err(too_many)?,
            start: u32::try_from(start).map_err(too_many)?,
            before,
        });
        self.read = self.read.saturating_add(1);
        self.last_time = self.last_time.max(peeked.at);
        Ok(length)
    }

    /// The wallets that have records, each with the number of the first of them.
    pub fn wallets(&self) -> impl Iterator<Item = (&WalletId, u64)> {
        self.wallets.iter().map(|(wallet, latest)| (wallet, latest.first))
    }

    /// The records of a wallet, in their order.
    fn entries(&self, latest: Latest) -> Vec<Entry> {
        let entry = |number: Number| {
            let index = usize::try_from(number.get()).unwrap_or(usize::MAX).saturating_sub(1);
            self.entries.get(index).copied()
        };
        let last = latest.entry.and_then(entry);
        let mut entries: Vec<_> =
            std::iter::successors(last, |later| later.before.and_then(entry)).collect();
        // Logs are read one after the other; a wallet that changed its log has records in several.
        entries.sort_unstable_by_key(|entry| entry.seq);
        entries
    }

    /// Takes out the records of a wallet, in their order.
    pub fn take(&mut self, wallet: &WalletId) -> Result<Vec<(Position, Record)>, StoreError> {
        let Some(latest) = self.wallets.remove(wallet) else { return Ok(Vec::new()) };
        let read = |entry: &Entry| {
            let piece = usize::try_from(entry.piece).ok().and_then(|piece| self.pieces.get(piece));
            let start = usize::try_from(entry.start).unwrap_or(usize::MAX);
            let frame = piece.and_then(|piece| piece.get(start..)).unwrap_or_default();
            let decoded = record::decode(frame).map_err(|error| damaged(entry.position, &error));
            Ok((entry.position, decoded?.0))
        };
        let records = self.entries(latest).iter().map(read).collect();
        if self.wallets.is_empty() {
            (self.pieces, self.entries) = (Vec::new(), Vec::new());
        }
        records
    }

    /// A record that lacks one before it: a wallet's numbers follow one another, from the one after
    /// `base` on.
    pub(super) fn orphan(
        &self,
        base: &dyn Fn(&WalletId) -> Result<u64, StoreError>,
    ) -> Result<Option<(WalletId, Position)>, StoreError> {
        for (wallet, latest) in &self.wallets {
            let base = base(wallet)?;
            let mut next = None;
            for entry in self.entries(*latest).iter().filter(|entry| entry.seq > base) {
                if entry.seq != next.unwrap_or(base.saturating_add(1)) {
                    return Ok(Some((wallet.clone(), entry.position)));
                }
                next = Some(entry.seq.saturating_add(1));
            }
        }
        Ok(None)
    }
}

fn damaged(position: Position, reason: &(impl ToString + ?Sized)) -> StoreError {
    StoreError::Damaged { position, reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryJournal;
    use crate::store::{Journal as _, recovery};

    #[test]
    fn a_tail_without_records_has_no_wallets() {
        let mut journal = MemoryJournal::default();
        journal.sync().unwrap();
        let start = recovery::Start::BEGINNING;
        let recovered = recovery::recover(&mut journal, &start, recovery::Loss::Refuse).unwrap();
        let mut tail = recovered.tail;
        assert_eq!((tail.read(), tail.wallets().count()), (0, 0));
        assert_eq!(tail.take(&WalletId::new(b"nobody").unwrap()).unwrap(), []);
    }

    #[test]
    fn a_body_that_is_no_record_is_damage() {
        let mut tail = TailRecords::default();
        let large = vec![255; PIECE + 1];
        for body in [&b""[..], b"\x05\0\0\0", &[0; 40], &large] {
            let refused = tail.add(Position::new(0, 1), body, 1).unwrap_err().to_string();
            assert!(refused.contains("damaged"), "{refused}");
        }
        assert!(tail.add(Position::new(0, 1), b"rest", 0).is_err(), "more than its records");
    }
}
