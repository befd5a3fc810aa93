//! Batches: the records of one shard on their way to the disk.

use super::live_wallet::Records;
use crate::codec::record::{self, Position, RecordError, RecordRef};
use crate::codec::value;
use crate::domain::memory::Era;
use crate::store::writer::{Batch, Tail};
use std::time::Instant;

/// The number of a batch within its shard, from 1. A reply waits for a number; zero waits for none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct BatchNo(pub u64);

impl BatchNo {
    /// Nothing to wait for.
    pub const NONE: Self = Self(0);

    /// The batch after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// The batch that takes records now.
#[derive(Debug)]
pub struct FillingBatch {
    number: BatchNo,
    batch: Batch,
    /// Where the next record goes.
    next: Position,
    records: u64,
    /// When its first record came.
    since: Option<Instant>,
    era: Era,
}

/// A full batch, on its way to the committer.
#[derive(Debug)]
pub struct SealedBatch {
    /// Its number.
    pub number: BatchNo,
    /// Its records.
    pub batch: Batch,
    /// How many they are.
    pub records: u64,
    /// When its first record came.
    pub since: Instant,
    /// When it was sealed.
    pub sealed: Instant,
}

impl FillingBatch {
    /// The first batch behind the end of a log.
    pub const fn after(tail: Tail) -> Self {
        Self {
            number: BatchNo(1),
            batch: Batch { first: tail.next, frames: Vec::new() },
            next: tail.next,
            records: 0,
            since: None,
            era: Era(0),
        }
    }

    /// Its number.
    pub const fn number(&self) -> BatchNo {
        self.number
    }

    /// Whether it has no records yet.
    pub const fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// How many bytes its records have.
    pub const fn len(&self) -> usize {
        self.batch.frames.len()
    }

    /// Where the next record goes.
    pub const fn next(&self) -> Position {
        self.next
    }

    /// Begins an era: its records are those of this batch, and of what follows. The batch has to
    /// be empty; answers where the era begins.
    pub fn enter(&mut self, era: Era) -> Position {
        self.era = era;
        self.next
    }

    /// Hands out the batch and begins the next one, in `buffer`; none when it is empty.
    pub fn seal(&mut self, mut buffer: Vec<u8>) -> Option<SealedBatch> {
        let since = self.since.take()?;
        buffer.clear();
        let fresh = Batch { first: self.next, frames: buffer };
        let sealed = SealedBatch {
            number: self.number,
            batch: std::mem::replace(&mut self.batch, fresh),
            records: std::mem::take(&mut self.records),
            since,
            sealed: Instant::now(),
        };
        self.number = self.number.next();
        Some(sealed)
    }
}

impl Records for FillingBatch {
    fn era(&self) -> Era {
        self.era
    }

    fn append(&mut self, record: &RecordRef<'_>) -> Result<Position, RecordError> {
        let length = record::encode(record, &mut self.batch.frames)?;
        let position = self.next;
        self.next = position.plus(value::positions(length));
        self.records = self.records.saturating_add(1);
        self.since.get_or_insert_with(Instant::now);
        Ok(position)
    }
}
