//! Index files: under which keys the records of a segment are filed, and the segment's filter.
//!
//! | part | bytes | what |
//! |---|---|---|
//! | pages | 4096 each | the entries in order, see [`super::page`] |
//! | filter | 64 a block | the operations in it, see [`super::filter`] |
//! | trailer | 72 | see below |
//!
//! The trailer, little-endian:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 16 | `purser index`, zeros, version: 1 |
//! | 16 | 8 | how many pages |
//! | 24 | 8 | how many entries |
//! | 32 | 8 | how many operations (distinct keys, without those of wallets) |
//! | 40 | 8 | how many blocks the filter has |
//! | 48 | 8 | a check of the secret that ids were hashed with |
//! | 56 | 4 | CRC-32 of the segment's footer |
//! | 60 | 4 | CRC-32 of the filter |
//! | 64 | 4 | zero |
//! | 68 | 4 | CRC-32 of the trailer before this field |
//!
//! An index says nothing that its segment does not, so one that is lost or damaged is made again.
//! In memory there is the filter only; the pages are read when somebody asks. An index is opened by its
//! trailer: its filter is read later.

use super::super::{StoreError, pace};
use super::bytes::{narrow, next_u32, next_u64, wide};
use super::filter::{self, Filter};
use super::folder::{Appends, FileKind, Folder};
use super::key::{OpKey, Secret, scaled};
use super::page::{self, ENTRIES_MAX, Entry, PAGE};
use super::segment::Segment;
use crate::codec::record::Position;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

const MAGIC: &[u8; 16] = b"purser index\0\0\0\x01";
const TRAILER: usize = 72;
/// Pages are written when they have that many bytes; so many of a filter are read at a time.
const WRITE_BYTES: usize = 256 * 1024;
/// So many guesses by the distances of keys; then the pages between are halved.
const GUESSES: u32 = 4;

/// An open index.
#[derive(Debug)]
pub(super) struct Index {
    path: PathBuf,
    file: File,
    pages: u64,
    /// How many blocks its filter has, and the CRC-32 of them.
    filter: (u64, u32),
    /// How many operations are in it.
    pub(super) ops: u64,
    /// The bytes of the file.
    pub(super) bytes: u64,
}

impl Index {
    /// Opens the index of a segment; its pages and its filter are checked when they are read.
    pub(super) fn open(
        folder: &Folder,
        segment: &Segment,
        secret: Secret,
    ) -> Result<Self, StoreError> {
        let path = folder.path(segment.footer.appends, FileKind::Index);
        let file = File::open(&path).map_err(StoreError::io("open", &path))?;
        let bytes = file.metadata().map_err(StoreError::io("read", &path))?.len();
        let damaged = |reason: &str| StoreError::index(&path, reason);
        let read = |length: u64, offset: u64| {
            let mut bytes = vec![0; narrow(length)];
            let read = file.read_exact_at(&mut bytes, offset);
            read.map(|()| bytes).map_err(StoreError::io("read", &path))
        };
        let trailer_at = bytes.checked_sub(wide(TRAILER));
        let trailer_at = trailer_at.ok_or_else(|| damaged("it is cut short"))?;
        let trailer = Trailer::decode(&read(wide(TRAILER), trailer_at)?);
        let trailer = trailer.ok_or_else(|| damaged("its trailer is damaged"))?;
        if (trailer.segment, trailer.secret) != (segment.crc, secret.check()) {
            return Err(damaged("it is not the index of this segment"));
        }
        if trailer.offset() != Some(trailer_at) {
            return Err(damaged("it has not got the length that it says"));
        }
        if trailer.blocks == 0 {
            return Err(damaged("it has no filter"));
        }
        let Trailer { pages, ops, .. } = trailer;
        let filter = (trailer.blocks, trailer.filter);
        Ok(Self { path, file, pages, filter, ops, bytes })
    }

    /// Reads its filter.
    pub(super) fn read_filter(&self) -> Result<Filter, StoreError> {
        let (blocks, crc) = self.filter;
        let damaged = || StoreError::index(&self.path, "the checksum of its filter is wrong");
        let mut filter = Filter::unread(blocks);
        let mut hasher = crc32fast::Hasher::new();
        let mut at = self.pages.saturating_mul(wide(PAGE));
        let mut left = blocks.saturating_mul(wide(filter::BLOCK));
        while left > 0 {
            pace::breathe();
            let mut bytes = vec![0; narrow(left).min(WRITE_BYTES)];
            let read = self.file.read_exact_at(&mut bytes, at);
            read.map_err(StoreError::io("read", &self.path))?;
            hasher.update(&bytes);
            filter.read(&bytes).ok_or_else(damaged)?;
            at = at.saturating_add(wide(bytes.len()));
            left = left.saturating_sub(wide(bytes.len()));
        }
        if hasher.finalize() == crc { Ok(filter) } else { Err(damaged()) }
    }

    /// Adds the positions that are filed under a key to `found`.
    pub(super) fn find(&self, key: OpKey, found: &mut Vec<Position>) -> Result<(), StoreError> {
        for number in self.first_page(key)?..self.pages {
            let entries = self.page(number)?;
            let from = entries.partition_point(|entry| entry.0 < key);
            let mut same = entries.iter().skip(from).take_while(|entry| entry.0 == key);
            found.extend(same.by_ref().map(|entry| entry.1));
            // Only when its last entry fits, the next page may have more.
            if entries.last().is_none_or(|last| last.0 > key) {
                break;
            }
        }
        Ok(())
    }

    /// The first page that may have a key: the last one that begins below it.
    fn first_page(&self, key: OpKey) -> Result<u64, StoreError> {
        // It is `low` or a page behind it, and before `high`.
        let (mut low, mut high) = (0, self.pages);
        let mut guess = key.scaled(self.pages);
        let mut guesses = 0;
        while high.saturating_sub(low) > 1 {
            guess = guess.clamp(low.saturating_add(1), high.saturating_sub(1));
            let entries = self.page(guess)?;
            let (Some(first), Some(last)) = (entries.first(), entries.last()) else { break };
            if first.0 < key {
                low = guess;
                if last.0 >= key {
                    break;
                }
            } else {
                high = guess;
            }
            guesses += 1;
            guess = if guesses < GUESSES {
                // Keys are spread evenly, so the distance from the page's says how far to go.
                let (here, there) = (first.0.halves().0, key.halves().0);
                let away = scaled(here.abs_diff(there), self.pages);
                if there < here { guess.saturating_sub(away) } else { guess.saturating_add(away) }
            } else {
                low.midpoint(high)
            };
        }
        Ok(low)
    }

    /// The entries of a page.
    pub(super) fn page(&self, number: u64) -> Result<Vec<Entry>, StoreError> {
        read_page(&self.file, number)
            .map_err(StoreError::io("read", &self.path))?
            .ok_or_else(|| StoreError::index(&self.path, format!("page {number} is damaged")))
    }

    /// All entries, in order.
    pub(super) fn entries(&self) -> impl Iterator<Item = Result<Entry, StoreError>> {
        (0..self.pages).flat_map(|number| match self.page(number) {
            Ok(entries) => entries.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
    }
}

/// The entries of a page, if it is sound.
fn read_page(file: &File, number: u64) -> std::io::Result<Option<Vec<Entry>>> {
    let mut bytes = [0; PAGE];
    file.read_exact_at(&mut bytes, number.saturating_mul(wide(PAGE)))?;
    Ok(page::decode(number, &bytes))
}

/// The end of an index.
struct Trailer {
    pages: u64,
    entries: u64,
    ops: u64,
    blocks: u64,
    secret: u64,
    segment: u32,
    filter: u32,
}

impl Trailer {
    fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        for number in [self.pages, self.entries, self.ops, self.blocks, self.secret] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for number in [self.segment, self.filter, 0] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (covered, crc) = bytes.split_last_chunk::<4>()?;
        let mut rest = covered.strip_prefix(MAGIC)?;
        if crc32fast::hash(covered) != u32::from_le_bytes(*crc) {
            return None;
        }
        let rest = &mut rest;
        Some(Self {
            pages: next_u64(rest)?,
            entries: next_u64(rest)?,
            ops: next_u64(rest)?,
            blocks: next_u64(rest)?,
            secret: next_u64(rest)?,
            segment: next_u32(rest)?,
            filter: next_u32(rest)?,
        })
    }

    /// Where it stands in a file that has what it says.
    fn offset(&self) -> Option<u64> {
        let pages = self.pages.checked_mul(wide(PAGE))?;
        pages.checked_add(self.blocks.checked_mul(wide(filter::BLOCK))?)
    }
}

/// An index in the making.
pub(super) struct IndexWriter {
    path: PathBuf,
    file: File,
    /// The page in the making.
    page: Vec<Entry>,
    /// Pages to be written.
    pending: Vec<u8>,
    pages: u64,
    entries: u64,
    ops: u64,
    last: Option<OpKey>,
}

impl IndexWriter {
    /// Begins an index.
    pub(super) fn new(folder: &Folder, appends: Appends) -> Result<Self, StoreError> {
        Ok(Self {
            path: folder.path(appends, FileKind::Index),
            file: folder.create(appends, FileKind::Index)?,
            page: Vec::with_capacity(ENTRIES_MAX),
            pending: Vec::with_capacity(WRITE_BYTES),
            pages: 0,
            entries: 0,
            ops: 0,
            last: None,
        })
    }

    /// Adds an entry; they come in order.
    pub(super) fn add(&mut self, entry: Entry) -> Result<(), StoreError> {
        if self.page.len() >= ENTRIES_MAX {
            pace::breathe();
            self.close_page()?;
        }
        let is_new = !entry.0.is_of_wallet() && self.last != Some(entry.0);
        self.ops = self.ops.saturating_add(u64::from(is_new));
        self.last = Some(entry.0);
        self.entries = self.entries.saturating_add(1);
        self.page.push(entry);
        Ok(())
    }

    fn close_page(&mut self) -> Result<(), StoreError> {
        if self.page.is_empty() {
            return Ok(());
        }
        page::encode(self.pages, &self.page, &mut self.pending);
        self.page.clear();
        self.pages = self.pages.saturating_add(1);
        if self.pending.len() >= WRITE_BYTES { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), StoreError> {
        self.file.write_all(&self.pending).map_err(StoreError::io("write", &self.path))?;
        self.pending.clear();
        Ok(())
    }

    /// Completes the index of a segment. It is safe on disk, but has not got its name yet.
    pub(super) fn finish(
        mut self,
        segment_crc: u32,
        secret: Secret,
    ) -> Result<(Index, Filter), StoreError> {
        self.close_page()?;
        self.write()?;
        let filter = self.filter()?;
        filter.encode(&mut self.pending);
        let trailer = Trailer {
            pages: self.pages,
            entries: self.entries,
            ops: self.ops,
            blocks: filter.len(),
            secret: secret.check(),
            segment: segment_crc,
            filter: crc32fast::hash(&self.pending),
        };
        self.pending.extend_from_slice(&trailer.encode());
        self.write()?;
        let Self { path, file, pages, ops, .. } = self;
        let of_filter = (trailer.blocks, trailer.filter);
        file.sync_all().map_err(StoreError::io("sync", &path))?;
        let bytes = trailer.offset().unwrap_or_default().saturating_add(wide(TRAILER));
        Ok((Index { path, file, pages, filter: of_filter, ops, bytes }, filter))
    }

    /// The filter of what was written. How large it has to be is known only at the end, so the
    /// pages are read once more instead of keeping all keys in memory.
    fn filter(&self) -> Result<Filter, StoreError> {
        let mut filter = Filter::for_ops(self.ops);
        for number in 0..self.pages {
            pace::breathe();
            let page = read_page(&self.file, number).map_err(StoreError::io("read", &self.path))?;
            let damaged = || StoreError::index(&self.path, format!("page {number} is damaged"));
            let entries = page.ok_or_else(damaged)?;
            let ops = entries.iter().map(|entry| entry.0).filter(|key| !key.is_of_wallet());
            ops.for_each(|key| filter.insert(key));
        }
        Ok(filter)
    }
}
