//! The journal's tail: the records since the last checkpoint, by wallet. A start reads them once and
//! takes up a wallet's only when somebody asks for it.

use super::StoreError;
use crate::codec::record::{self, Position, Record};
use crate::domain::id::WalletId;
use crate::domain::time::Timestamp;
use hashbrown::HashMap;
use smallvec::SmallVec;

/// The records of the tail that nobody has taken yet.
#[derive(Debug, Default)]
pub struct TailRecords {
    /// Their frames, one behind the other.
    frames: Vec<u8>,
    wallets: HashMap<WalletId, SmallVec<[Entry; 2]>>,
}

/// One record.
#[derive(Debug, Clone, Copy)]
struct Entry {
    seq: u64,
    position: Position,
    start: usize,
}

impl TailRecords {
    /// Adds the record whose frame `bytes` begin with; answers the frame's length, and when the record
    /// happened.
    pub(super) fn add(
        &mut self,
        position: Position,
        bytes: &[u8],
    ) -> Result<(usize, Timestamp), StoreError> {
        let damaged = |reason: String| StoreError::Damaged { position, reason };
        let (peeked, length) = record::peek(bytes).map_err(|error| damaged(error.to_string()))?;
        let wallet = WalletId::new(peeked.wallet.as_bytes());
        let wallet = wallet.map_err(|error| damaged(format!("a record's wallet: {error}")))?;
        let (seq, at, start) = (peeked.seq, peeked.at, self.frames.len());
        self.frames.extend_from_slice(bytes.get(..length).unwrap_or_default());
        let entries = self.wallets.entry(wallet).or_default();
        // Logs are read one after the other; a wallet that changed its log has records in several.
        let place = entries.partition_point(|entry| entry.seq < seq);
        entries.insert(place, Entry { seq, position, start });
        Ok((length, at))
    }

    /// The wallets that have records, each with the number of the first of them.
    pub fn wallets(&self) -> impl Iterator<Item = (&WalletId, u64)> {
        let first = |entries: &SmallVec<[Entry; 2]>| entries.first().map_or(0, |entry| entry.seq);
        self.wallets.iter().map(move |(wallet, entries)| (wallet, first(entries)))
    }

    /// Takes out the records of a wallet, in their order.
    pub fn take(&mut self, wallet: &WalletId) -> Result<Vec<(Position, Record)>, StoreError> {
        let entries = self.wallets.remove(wallet).unwrap_or_default();
        let read = |entry: &Entry| {
            let frame = self.frames.get(entry.start..).unwrap_or_default();
            let decoded = record::decode(frame).map_err(|error| StoreError::Damaged {
                position: entry.position,
                reason: error.to_string(),
            });
            Ok((entry.position, decoded?.0))
        };
        let records = entries.iter().map(read).collect();
        if self.wallets.is_empty() {
            self.frames = Vec::new();
        }
        records
    }

    /// A record that lacks one before it: a wallet's numbers follow one another, from the one after
    /// `base` on.
    pub(super) fn orphan(
        &self,
        base: &dyn Fn(&WalletId) -> Result<u64, StoreError>,
    ) -> Result<Option<(WalletId, Position)>, StoreError> {
        for (wallet, entries) in &self.wallets {
            let base = base(wallet)?;
            let mut next = None;
            for entry in entries.iter().filter(|entry| entry.seq > base) {
                if entry.seq != next.unwrap_or(base.saturating_add(1)) {
                    return Ok(Some((wallet.clone(), entry.position)));
                }
                next = Some(entry.seq.saturating_add(1));
            }
        }
        Ok(None)
    }
}
