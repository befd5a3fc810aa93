//! What readers see of the archive: its segments at one moment. Files that were merged or retired
//! since stay open for as long as somebody has a view of them.

use super::super::StoreError;
use super::cache::Cache;
use super::filter::Filter;
use super::follow::{Broken, Follower, Values, Whole};
use super::index::Index;
use super::key::OpKey;
use super::segment::Segment;
use crate::codec::record::{self, Position, Record};
use crate::codec::value::Content;
use crate::domain::time::Timestamp;
use crate::store::Visit;
use std::sync::Arc;

/// A segment with all that belongs to it.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) segment: Arc<Segment>,
    pub(super) index: Arc<Index>,
    pub(super) filter: Arc<Filter>,
}

/// The archive at one moment. To be shared between threads, and cheap to get.
#[derive(Debug, Default)]
pub struct View {
    /// Oldest first.
    pub(super) parts: Vec<Part>,
    pub(super) cache: Arc<Cache>,
}

/// The last record of a wallet in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Last {
    /// Where it is.
    pub position: Position,
    /// When the segment's earliest event happened; of any wallet.
    pub first_time: Timestamp,
    /// When its latest happened.
    pub last_time: Timestamp,
}

/// A segment, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its name, without the endings of its two files.
    pub name: String,
    /// How many records it has.
    pub records: u64,
    /// How many values.
    pub values: u64,
    /// The bytes of the values.
    pub raw_bytes: u64,
    /// The bytes of its two files.
    pub bytes: u64,
    /// When its earliest event happened.
    pub first_time: Timestamp,
    /// When its latest happened.
    pub last_time: Timestamp,
    /// How many operations can be found in it.
    pub ops: u64,
    /// The bits that each has in the filter in memory: fewer let more strangers pass.
    pub filter_bits_per_op: u64,
}

impl View {
    /// Whether it has nothing.
    pub const fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether retention has removed its beginning.
    pub fn is_shortened(&self) -> bool {
        self.first_append().is_some_and(|first| first > 1)
    }

    /// The number of the oldest append that it has; they are counted from 1.
    pub fn first_append(&self) -> Option<u64> {
        self.parts.first().map(|part| part.segment.footer.appends.first)
    }

    /// Whether an operation may be in the archive. Asks memory only; never wrongly false.
    pub fn may_have(&self, key: OpKey) -> bool {
        // What comes again is mostly young.
        self.parts.iter().rev().any(|part| part.filter.may_have(key))
    }

    /// The positions of all records that are filed under a key, oldest segment first.
    pub fn find(&self, key: OpKey) -> Result<Vec<Position>, StoreError> {
        let mut found = Vec::new();
        for part in &self.parts {
            if key.is_of_wallet() || part.filter.may_have(key) {
                part.index.find(key, &mut found)?;
            }
        }
        Ok(found)
    }

    /// The record that begins at a position, if the archive has one.
    pub fn record(&self, position: Position) -> Result<Option<Record>, StoreError> {
        match self.part(position) {
            Some(part) => part.record(position, &self.cache),
            None => Ok(None),
        }
    }

    /// The segment that has a position.
    fn part(&self, position: Position) -> Option<&Part> {
        // A log's end never moves back from one segment to the next.
        let ends_before = |part: &Part| {
            part.segment.footer.log(position.log()).is_none_or(|row| row.end.next <= position)
        };
        self.parts.get(self.parts.partition_point(ends_before))
    }

    /// The wallet's last record in a segment, if that has any of it. `age` counts segments, the newest is
    /// 0; none when there are not so many.
    pub fn last_in(&self, age: usize, wallet: OpKey) -> Option<Result<Option<Last>, StoreError>> {
        let part = self.parts.iter().rev().nth(age)?;
        let mut found = Vec::new();
        if let Err(error) = part.index.find(wallet, &mut found) {
            return Some(Err(error));
        }
        let footer = &part.segment.footer;
        let (first_time, last_time) = (footer.first_time, footer.last_time);
        let last =
            found.first().map(|position| Last { position: *position, first_time, last_time });
        Some(Ok(last))
    }

    /// Gives every value to `visit`: segments from old to new, in each log by log. Checks every
    /// checksum on the way, and that nothing is missing.
    pub fn scan(&self, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        for Part { segment, .. } in &self.parts {
            let rows = &segment.footer.logs;
            let mut follower = Follower::new(rows.iter().map(|row| row.start));
            segment.each_value(&mut |value, bytes| {
                follower.take(value, bytes).map_err(|broken| segment.damaged(&broken))?;
                visit(value.first, bytes)
            })?;
            for row in rows {
                if follower.tail(row.log()) != row.end {
                    let broken = Broken::new(row.end.next, "the chain does not end as it should");
                    return Err(segment.damaged(&broken));
                }
            }
        }
        Ok(())
    }

    /// Reads all indexes; an error names the first that is damaged.
    pub fn check_indexes(&self) -> Result<(), StoreError> {
        let mut entries = self.parts.iter().flat_map(|part| part.index.entries());
        entries.try_for_each(|entry| entry.map(|_| ()))
    }

    /// All segments, oldest first.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = SegmentInfo> {
        self.parts.iter().map(Part::info)
    }

    /// The bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(Part::bytes).fold(0, u64::saturating_add)
    }

    /// The bytes that the filters take in memory.
    pub fn filter_bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.filter.bytes()).fold(0, u64::saturating_add)
    }

    /// When the oldest event in the archive happened.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.parts.iter().map(|part| part.segment.footer.first_time).min()
    }
}

impl Part {
    /// The record that begins at a position.
    pub(super) fn record(
        &self,
        position: Position,
        cache: &Cache,
    ) -> Result<Option<Record>, StoreError> {
        let Some(block) = self.segment.footer.block(position) else { return Ok(None) };
        let values = cache.values(&self.segment, &block)?;
        let found = find(&values, block.first, position);
        found.map_err(|broken| self.segment.damaged(&broken))
    }

    /// The bytes of its files.
    pub(super) fn bytes(&self) -> u64 {
        self.segment.bytes.saturating_add(self.index.bytes)
    }

    /// What people may want to know of it.
    pub(super) fn info(&self) -> SegmentInfo {
        let footer = &self.segment.footer;
        let filter_bits = self.filter.bytes().saturating_mul(8);
        SegmentInfo {
            name: footer.appends.to_string(),
            records: footer.records,
            values: footer.values,
            raw_bytes: footer.raw_bytes(),
            bytes: self.bytes(),
            first_time: footer.first_time,
            last_time: footer.last_time,
            ops: self.index.ops,
            filter_bits_per_op: filter_bits.checked_div(self.index.ops).unwrap_or(filter_bits),
        }
    }
}

/// The record that begins at a position, in the values of a block that begins at `first`.
fn find(values: &[u8], first: Position, position: Position) -> Result<Option<Record>, Broken> {
    let mut frame = Vec::new();
    for value in Values::of(values, first) {
        let (value, _) = value?;
        match value.content {
            Content::Whole { records } if position < value.first.plus(u64::from(records)) => {
                let index = position.number().saturating_sub(value.first.number());
                return Whole::of(&value, u64::from(records)).nth(index).map(Some);
            }
            Content::Fragment { part: 1.., .. } if value.first == position => return Ok(None),
            Content::Fragment { part, parts } if value.first >= position => {
                frame.extend_from_slice(value.body);
                if part.saturating_add(1) == parts {
                    let decoded = record::decode(&frame).map(|(record, _)| Some(record));
                    return decoded.map_err(|error| Broken::new(position, error.to_string()));
                }
            }
            _ => {}
        }
    }
    Err(Broken::new(position, "it is not in the block that should have it"))
}
