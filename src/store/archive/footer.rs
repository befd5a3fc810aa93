//! The footer of a segment: what lies in it, and where. Little-endian:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | the first append that it holds |
//! | 8 | 8 | the last |
//! | 16 | 8 | how many records |
//! | 24 | 8 | how many values |
//! | 32 | 8 | time of the earliest event, Unix milliseconds |
//! | 40 | 8 | time of the latest |
//! | 48 | 4 | how many logs |
//! | 52 | 4 | how many blocks |
//! | 56 | 32 a log | its end before the segment: next position (8), chain (8); its end after it: next position (8), chain (8) |
//! | … | 40 a block | first position (8), next position (8), offset in the file (8), bytes there (4), bytes of values (4), CRC-32 of the bytes there (4), how many values (4) |
//!
//! Logs stand in order, and all that were ever archived are among them, so that the newest segment
//! alone says how far each is archived. Blocks stand in the order of positions, which need not be
//! that of their offsets.

use super::super::writer::Tail;
use super::bytes::{next_i64, next_u32, next_u64, wide};
use super::folder::Appends;
use crate::codec::record::Position;
use crate::domain::time::Timestamp;

const HEAD: usize = 56;
const LOG: usize = 32;
const BLOCK: usize = 40;

/// What a segment holds of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LogRow {
    /// Where the log ended before it.
    pub(super) start: Tail,
    /// Where it ends behind it.
    pub(super) end: Tail,
}

impl LogRow {
    pub(super) const fn log(self) -> u8 {
        self.start.next.log()
    }
}

/// Where values lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockRow {
    /// The position of the first value.
    pub(super) first: Position,
    /// The position behind the last.
    pub(super) next: Position,
    /// Where the block begins in the file.
    pub(super) offset: u64,
    /// How many bytes it has there.
    pub(super) stored: u32,
    /// How many bytes the values have.
    pub(super) raw: u32,
    /// The CRC-32 of the bytes in the file.
    pub(super) crc: u32,
    /// How many values.
    pub(super) values: u32,
}

/// What lies in a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) appends: Appends,
    pub(super) records: u64,
    pub(super) values: u64,
    pub(super) first_time: Timestamp,
    pub(super) last_time: Timestamp,
    pub(super) logs: Vec<LogRow>,
    pub(super) blocks: Vec<BlockRow>,
}

impl Footer {
    /// The footer of a segment with nothing in it.
    pub(super) const fn empty(appends: Appends) -> Self {
        Self {
            appends,
            records: 0,
            values: 0,
            first_time: Timestamp::MAX,
            last_time: Timestamp::MIN,
            logs: Vec::new(),
            blocks: Vec::new(),
        }
    }

    /// The bytes of the values.
    pub(super) fn raw_bytes(&self) -> u64 {
        self.blocks.iter().map(|block| u64::from(block.raw)).fold(0, u64::saturating_add)
    }

    /// What it holds of a log, if the log had begun.
    pub(super) fn log(&self, log: u8) -> Option<LogRow> {
        let place = self.logs.binary_search_by_key(&log, |row| row.log()).ok()?;
        self.logs.get(place).copied()
    }

    /// The block that has a position.
    pub(super) fn block(&self, position: Position) -> Option<BlockRow> {
        let place = self.blocks.partition_point(|block| block.next <= position);
        self.blocks.get(place).copied().filter(|block| block.first <= position)
    }

    /// Where each log ends behind it.
    pub(super) fn ends(&self) -> impl Iterator<Item = Tail> {
        self.logs.iter().map(|row| row.end)
    }

    /// Whether a segment follows this one without a gap.
    pub(super) fn is_followed_by(&self, later: &Self) -> bool {
        let start =
            |row: &LogRow| self.log(row.log()).map_or(Tail::empty(row.log()), |row| row.end);
        self.appends.last.checked_add(1) == Some(later.appends.first)
            && later.logs.iter().all(|row| row.start == start(row))
            && self.logs.iter().all(|row| later.log(row.log()).is_some())
    }

    /// Writes it as bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        for number in [self.appends.first, self.appends.last, self.records, self.values] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for time in [self.first_time, self.last_time] {
            out.extend_from_slice(&time.millis().to_le_bytes());
        }
        out.extend_from_slice(&count(self.logs.len()).to_le_bytes());
        out.extend_from_slice(&count(self.blocks.len()).to_le_bytes());
        for LogRow { start, end } in &self.logs {
            for number in [start.next.0, start.chain, end.next.0, end.chain] {
                out.extend_from_slice(&number.to_le_bytes());
            }
        }
        for block in &self.blocks {
            for number in [block.first.0, block.next.0, block.offset] {
                out.extend_from_slice(&number.to_le_bytes());
            }
            for number in [block.stored, block.raw, block.crc, block.values] {
                out.extend_from_slice(&number.to_le_bytes());
            }
        }
        out
    }

    /// Reads what [`Footer::encode`] has written, of a segment whose blocks lie from `from` to `to`.
    pub(super) fn decode(bytes: &[u8], from: u64, to: u64) -> Option<Self> {
        let (mut head, mut rest) = bytes.split_at_checked(HEAD)?;
        let head = &mut head;
        let appends = Appends { first: next_u64(head)?, last: next_u64(head)? };
        let (records, values) = (next_u64(head)?, next_u64(head)?);
        let mut time = || next_i64(head).map(Timestamp::from_millis);
        let (first_time, last_time) = (time()?, time()?);
        let (logs, blocks) = (u64::from(next_u32(head)?), u64::from(next_u32(head)?));
        // Both counts have 32 bits, so nothing overflows.
        let length = logs.checked_mul(wide(LOG))?.checked_add(blocks.checked_mul(wide(BLOCK))?)?;
        if length != wide(rest.len()) {
            return None;
        }
        let logs = (0..logs).map(|_| log_row(&mut rest)).collect::<Option<_>>()?;
        let blocks = (0..blocks).map(|_| block_row(&mut rest)).collect::<Option<_>>()?;
        let this = Self { appends, records, values, first_time, last_time, logs, blocks };
        this.is_sound(from, to).then_some(this)
    }

    /// Whether everything in it fits together.
    fn is_sound(&self, from: u64, to: u64) -> bool {
        let mut blocks = self.blocks.iter().peekable();
        let mut log_before = None;
        for row in &self.logs {
            let (start, end) = (row.start.next, row.end.next);
            if log_before >= Some(row.log()) || end.log() != row.log() || start > end {
                return false;
            }
            log_before = Some(row.log());
            // The blocks of a log cover it from its start to its end.
            let mut next = start;
            while let Some(block) = blocks.next_if(|block| block.first.log() == row.log()) {
                if block.first != next || block.next <= block.first || block.values == 0 {
                    return false;
                }
                next = block.next;
            }
            if next != end {
                return false;
            }
        }
        let mut places: Vec<_> =
            self.blocks.iter().map(|block| (block.offset, u64::from(block.stored))).collect();
        places.sort_unstable();
        // So do all blocks the file.
        let end = places.iter().try_fold(from, |end, (offset, length)| {
            if *offset == end { end.checked_add(*length) } else { None }
        });
        let values = self.blocks.iter().map(|block| u64::from(block.values));
        blocks.next().is_none()
            && end == Some(to)
            && values.fold(0, u64::saturating_add) == self.values
            && self.appends.first <= self.appends.last
    }
}

fn log_row(rest: &mut &[u8]) -> Option<LogRow> {
    let mut tail = || Some(Tail { next: Position(next_u64(rest)?), chain: next_u64(rest)? });
    Some(LogRow { start: tail()?, end: tail()? })
}

fn block_row(rest: &mut &[u8]) -> Option<BlockRow> {
    Some(BlockRow {
        first: Position(next_u64(rest)?),
        next: Position(next_u64(rest)?),
        offset: next_u64(rest)?,
        stored: next_u32(rest)?,
        raw: next_u32(rest)?,
        crc: next_u32(rest)?,
        values: next_u32(rest)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn footer() -> Footer {
        let tail = |log, number, chain| Tail { next: Position::new(log, number), chain };
        let block = |log, first, next, offset| BlockRow {
            first: Position::new(log, first),
            next: Position::new(log, next),
            offset,
            stored: 10,
            raw: 100,
            crc: 7,
            values: 1,
        };
        Footer {
            appends: Appends { first: 3, last: 4 },
            records: 9,
            values: 3,
            first_time: Timestamp::from_millis(-5),
            last_time: Timestamp::from_millis(5),
            logs: vec![
                LogRow { start: tail(0, 4, 1), end: tail(0, 9, 2) },
                LogRow { start: tail(1, 8, 3), end: tail(1, 8, 3) },
                LogRow { start: tail(63, 1, 0), end: tail(63, 5, 9) },
            ],
            blocks: vec![block(0, 4, 6, 16), block(0, 6, 9, 36), block(63, 1, 5, 26)],
        }
    }

    #[test]
    fn a_footer_survives_its_bytes_and_finds_blocks() {
        let bytes = footer().encode();
        let read = Footer::decode(&bytes, 16, 46).unwrap();
        assert_eq!(read, footer());
        let offset = |log, number| read.block(Position::new(log, number)).map(|row| row.offset);
        assert_eq!([offset(0, 3), offset(0, 4), offset(0, 5)], [None, Some(16), Some(16)]);
        assert_eq!([offset(0, 6), offset(0, 8), offset(0, 9)], [Some(36), Some(36), None]);
        assert_eq!([offset(1, 8), offset(63, 4), offset(63, 5)], [None, Some(26), None]);
        assert_eq!(Footer::decode(&bytes, 16, 45), None);
        for length in 0..bytes.len() {
            assert_eq!(Footer::decode(&bytes[..length], 16, 46), None, "cut to {length}");
        }
    }

    #[test]
    fn a_footer_must_follow_the_one_before_it() {
        let before = footer();
        let mut after = footer();
        after.appends = Appends { first: 5, last: 5 };
        after.logs.iter_mut().for_each(|row| row.start = row.end);
        assert!(before.is_followed_by(&after));
        after.logs.insert(1, LogRow { start: Tail::empty(1), end: Tail::empty(1) });
        after.logs.remove(2);
        assert!(!before.is_followed_by(&after), "log 1 began again");
        after.logs.remove(1);
        assert!(!before.is_followed_by(&after), "log 1 is forgotten");
    }

    proptest! {
        #[test]
        fn random_bytes_are_no_reason_to_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..400),
            counts in prop::array::uniform2(0_u32..6),
        ) {
            let _ = Footer::decode(&bytes, 16, 46);
            let mut bytes = bytes;
            let at = |place: usize| usize::try_from(counts[place]).unwrap();
            if let Some(fields) = bytes.get_mut(48..56) {
                fields[..4].copy_from_slice(&counts[0].to_le_bytes());
                fields[4..].copy_from_slice(&counts[1].to_le_bytes());
                bytes.resize(HEAD + at(0) * LOG + at(1) * BLOCK, 0xa5);
            }
            let _ = Footer::decode(&bytes, 16, 46);
        }

        #[test]
        fn a_flipped_footer_is_no_reason_to_panic(place: usize, flip in 1_u8..) {
            let mut bytes = footer().encode();
            let place = place % bytes.len();
            bytes[place] ^= flip;
            let _ = Footer::decode(&bytes, 16, 46);
        }
    }
}
