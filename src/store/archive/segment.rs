//! Segment files: values of the journal, unchanged and compressed.
//!
//! | part | bytes | what |
//! |---|---|---|
//! | head | 16 | `purser segment`, zero, version: 1 |
//! | blocks | … | each a zstd frame of some 64 KiB of values of one log, one behind the other; all fragments of a record are in one block |
//! | footer | … | see [`super::footer`] |
//! | trailer | 32 | length of the footer (8), its CRC-32 (4), zero (4), `purser seg. end`, version: 1 (16) |
//!
//! A segment is written once, whole, and never changed. Its CRC-32 of the footer covers those of
//! the blocks, so it stands for the segment in its index.

use super::super::{StoreError, pace};
use super::bytes::{narrow, next_u32, next_u64, wide};
use super::folder::{Appends, FileKind, Folder};
use super::follow::{Broken, Values, positions};
use super::footer::{BlockRow, Footer, LogRow};
use crate::codec::record::Position;
use crate::codec::value::{Content, Value};
use crate::domain::time::Timestamp;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use zstd::bulk::{Compressor, decompress};

const MAGIC: &[u8; 16] = b"purser segment\0\x01";
const END_MAGIC: &[u8; 16] = b"purser seg. end\x01";
const TRAILER: usize = 32;
/// A block is closed when its values have that many bytes.
const BLOCK_BYTES: usize = 64 * 1024;
/// How hard zstd tries: 1 is a fifth faster, but makes 6 % more bytes.
const LEVEL: i32 = 3;

/// What values of a segment are given to.
type VisitValue<'a> = dyn FnMut(&Value<'_>, &[u8]) -> Result<(), StoreError> + 'a;

/// An open segment.
#[derive(Debug)]
pub(super) struct Segment {
    path: PathBuf,
    file: File,
    /// What lies in it.
    pub(super) footer: Footer,
    /// The CRC-32 of its footer.
    pub(super) crc: u32,
    /// The bytes of the file.
    pub(super) bytes: u64,
}

impl Segment {
    /// Opens a segment and reads its footer; its blocks are checked when they are read.
    pub(super) fn open(folder: &Folder, appends: Appends) -> Result<Self, StoreError> {
        let path = folder.path(appends, FileKind::Segment);
        let file = File::open(&path).map_err(StoreError::io("open", &path))?;
        let bytes = file.metadata().map_err(StoreError::io("read", &path))?.len();
        let damaged = |reason: &str| StoreError::archive(&path, reason);
        let read = |length: u64, offset: u64| {
            let mut bytes = vec![0; narrow(length)];
            let read = file.read_exact_at(&mut bytes, offset);
            read.map(|()| bytes).map_err(StoreError::io("read", &path))
        };
        let least = wide(MAGIC.len() + TRAILER);
        let footer_end = bytes
            .checked_sub(wide(TRAILER))
            .filter(|_| bytes >= least)
            .ok_or_else(|| damaged("it is cut short"))?;
        if read(wide(MAGIC.len()), 0)? != MAGIC {
            return Err(damaged("it does not begin like a segment that this purser knows"));
        }
        let trailer = read(wide(TRAILER), footer_end)?;
        let mut rest = trailer.as_slice();
        let fields = (next_u64(&mut rest), next_u32(&mut rest), next_u32(&mut rest));
        let (Some(length), Some(crc), Some(0)) = fields else {
            return Err(damaged("its trailer is impossible"));
        };
        if rest != END_MAGIC {
            return Err(damaged("it is cut short, or does not end like a segment"));
        }
        let from = wide(MAGIC.len());
        let to = footer_end.checked_sub(length).filter(|&to| to >= from);
        let to = to.ok_or_else(|| damaged("its trailer is impossible"))?;
        let encoded = read(length, to)?;
        if crc32fast::hash(&encoded) != crc {
            return Err(damaged("the checksum of its footer is wrong"));
        }
        let footer = Footer::decode(&encoded, from, to);
        let footer = footer.ok_or_else(|| damaged("its footer is impossible"))?;
        if footer.appends != appends {
            return Err(damaged("it has the name of another segment"));
        }
        Ok(Self { path, file, footer, crc, bytes })
    }

    /// The bytes of a block as they stand in the file.
    pub(super) fn stored(&self, block: &BlockRow) -> Result<Vec<u8>, StoreError> {
        let mut bytes = vec![0; narrow(u64::from(block.stored))];
        let read = self.file.read_exact_at(&mut bytes, block.offset);
        read.map_err(StoreError::io("read", &self.path))?;
        if crc32fast::hash(&bytes) != block.crc {
            let reason = format!("the checksum of the block at offset {} is wrong", block.offset);
            return Err(StoreError::archive(&self.path, reason));
        }
        Ok(bytes)
    }

    /// The values of a block, one behind the other.
    pub(super) fn values(&self, block: &BlockRow) -> Result<Vec<u8>, StoreError> {
        let length = narrow(u64::from(block.raw));
        match decompress(&self.stored(block)?, length) {
            Ok(values) if values.len() == length => Ok(values),
            _ => {
                let reason = format!("the block at offset {} cannot be unpacked", block.offset);
                Err(StoreError::archive(&self.path, reason))
            }
        }
    }

    /// Gives each value of the segment to `visit`, in the order of positions.
    pub(super) fn each_value(&self, visit: &mut VisitValue<'_>) -> Result<(), StoreError> {
        for block in &self.footer.blocks {
            let values = self.values(block)?;
            for value in Values::of(&values, block.first) {
                let (value, bytes) = value.map_err(|broken| self.damaged(&broken))?;
                visit(&value, bytes)?;
            }
        }
        Ok(())
    }

    /// Values that cannot be what was written.
    pub(super) fn damaged(&self, broken: &Broken) -> StoreError {
        let reason = format!("at position {}: {}", broken.position, broken.reason);
        StoreError::archive(&self.path, reason)
    }

    /// It has not got the number of records that its footer says, but so many.
    pub(super) fn miscounted(&self, records: u64) -> StoreError {
        let said = self.footer.records;
        let reason = format!("it has {records} records, and its footer says {said}");
        StoreError::archive(&self.path, reason)
    }
}

/// A segment in the making.
pub(super) struct SegmentWriter {
    path: PathBuf,
    file: File,
    offset: u64,
    footer: Footer,
    compressor: Compressor<'static>,
    /// The block in the making, and its values.
    block: Option<BlockRow>,
    raw: Vec<u8>,
}

impl SegmentWriter {
    /// Begins a segment.
    pub(super) fn new(folder: &Folder, appends: Appends) -> Result<Self, StoreError> {
        let file = folder.create(appends, FileKind::Segment)?;
        let path = folder.path(appends, FileKind::Segment);
        let compressor = Compressor::new(LEVEL).map_err(StoreError::io("compress for", &path))?;
        let footer = Footer::empty(appends);
        let raw = Vec::with_capacity(BLOCK_BYTES.saturating_mul(2));
        let mut this = Self { path, file, offset: 0, footer, compressor, block: None, raw };
        this.write(MAGIC)?;
        Ok(this)
    }

    /// Adds a value; those of a log come in order.
    pub(super) fn add(&mut self, value: &Value<'_>, bytes: &[u8]) -> Result<(), StoreError> {
        let follows = self.block.as_ref().is_some_and(|block| block.next == value.first);
        let goes_on = matches!(value.content, Content::Fragment { part: 1.., .. });
        if !follows || (self.raw.len() >= BLOCK_BYTES && !goes_on) {
            self.close_block()?;
        }
        let (first, offset) = (value.first, self.offset);
        let fresh = BlockRow { first, next: first, offset, stored: 0, raw: 0, crc: 0, values: 0 };
        let block = self.block.get_or_insert(fresh);
        block.next = block.next.plus(positions(value.content));
        block.values = block.values.saturating_add(1);
        self.footer.values = self.footer.values.saturating_add(1);
        self.raw.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes the block in the making.
    fn close_block(&mut self) -> Result<(), StoreError> {
        let Some(mut block) = self.block.take() else { return Ok(()) };
        let packed = self.compressor.compress(&self.raw);
        let packed = packed.map_err(StoreError::io("compress for", &self.path))?;
        let length =
            u32::try_from(self.raw.len()).and_then(|raw| Ok((raw, u32::try_from(packed.len())?)));
        let Ok((raw, stored)) = length else {
            return Err(self.too_large(block.first));
        };
        (block.raw, block.stored, block.crc) = (raw, stored, crc32fast::hash(&packed));
        self.raw.clear();
        self.footer.blocks.push(block);
        self.write(&packed)
    }

    /// Adds a block of another segment as it is.
    pub(super) fn copy(&mut self, from: &Segment, block: &BlockRow) -> Result<(), StoreError> {
        pace::breathe();
        let bytes = from.stored(block)?;
        self.footer.blocks.push(BlockRow { offset: self.offset, ..*block });
        self.footer.values = self.footer.values.saturating_add(u64::from(block.values));
        self.write(&bytes)
    }

    /// Takes note of a record that was added.
    pub(super) fn note(&mut self, at: Timestamp) {
        self.note_many(1, at, at);
    }

    /// Takes note of records that were added.
    pub(super) fn note_many(&mut self, records: u64, first: Timestamp, last: Timestamp) {
        let footer = &mut self.footer;
        footer.records = footer.records.saturating_add(records);
        footer.first_time = footer.first_time.min(first);
        footer.last_time = footer.last_time.max(last);
    }

    /// Completes the segment. It is safe on disk, but has not got its name yet.
    pub(super) fn finish(mut self, logs: Vec<LogRow>) -> Result<Segment, StoreError> {
        self.close_block()?;
        self.footer.logs = logs;
        self.footer.blocks.sort_unstable_by_key(|block| block.first);
        let mut end = self.footer.encode();
        let (length, crc) = (wide(end.len()), crc32fast::hash(&end));
        end.extend_from_slice(&length.to_le_bytes());
        end.extend_from_slice(&crc.to_le_bytes());
        end.extend_from_slice(&[0; 4]);
        end.extend_from_slice(END_MAGIC);
        self.write(&end)?;
        let Self { path, file, offset, footer, .. } = self;
        file.sync_all().map_err(StoreError::io("sync", &path))?;
        Ok(Segment { path, file, footer, crc, bytes: offset })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.file.write_all(bytes).map_err(StoreError::io("write", &self.path))?;
        self.offset = self.offset.saturating_add(wide(bytes.len()));
        Ok(())
    }

    fn too_large(&self, first: Position) -> StoreError {
        let reason = format!("the record at {first} is too large for it");
        StoreError::archive(&self.path, reason)
    }
}
