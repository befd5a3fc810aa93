//! Files beside the databases, and the archive's: they are refused or read. What is read of them is
//! whole, so it can be walked to its end.

use super::both;
use super::rows::sealed_at_end;
use purser::codec::record::Position;
use purser::codec::value::{self, Content, Value};
use purser::store::archive::{Archive, Secret, Settings};
use purser::store::mark::MarkFile;
use purser::store::memory_state::MemoryState;
use purser::store::redo;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const PAGE: usize = 4096;
/// A sound segment.
const SEGMENT: &[u8] = include_bytes!("../corpus/segments/sound-0");
/// The name of the one segment that there is.
const NAME: &str = "0000000001-0000000001";

/// The mark file: what it says can be written.
pub(crate) fn mark(bytes: &[u8]) -> bool {
    // Any 32 bytes of the slots may be made a sound slot: the last byte of the head says which.
    let mut sealed = bytes.to_vec();
    if let Some((head, slots)) = sealed.split_at_mut_checked(64) {
        let which = usize::from(head.last().copied().unwrap_or_default());
        for slot in slots.chunks_exact_mut(32).skip(which % 4).step_by(2) {
            slot.copy_from_slice(&sealed_at_end(slot));
        }
        head[16..].fill(0);
    }
    both(bytes, &sealed, |bytes| {
        let folder = Folder::new();
        let path = folder.write("mark", bytes);
        let Ok(mut file) = MarkFile::open(&path) else { return false };
        let read = file.read().expect("it was read when it was opened");
        for mark in &read {
            file.write(*mark).expect("a sound disk");
        }
        assert_eq!(MarkFile::open(&path).and_then(|file| file.read()).ok(), Some(read));
        true
    })
}

/// The redo file: nothing of one that is not whole reaches the state.
pub(crate) fn redo(bytes: &[u8]) -> bool {
    both(bytes, &sealed_at_end(bytes), |bytes| {
        let folder = Folder::new();
        let path = folder.write("redo", bytes);
        let state = MemoryState::default();
        let applied = redo::apply(&path, &state, &|| true);
        assert_eq!(path.exists(), applied.is_err(), "it goes when all of it is in the state");
        if applied.is_err() {
            assert_eq!(format!("{state:?}"), format!("{:?}", MemoryState::default()));
        }
        applied.is_ok()
    })
}

/// A segment, whose index is made of it.
pub(crate) fn segments(bytes: &[u8]) -> bool {
    both(bytes, &sealed_segment(bytes), |bytes| {
        let folder = Folder::new();
        folder.write(&format!("{NAME}.seg"), bytes);
        walk(folder.path())
    })
}

/// The index of a sound segment.
pub(crate) fn indexes(bytes: &[u8]) -> bool {
    both(bytes, &sealed_index(bytes), |bytes| {
        let folder = Folder::new();
        folder.write(&format!("{NAME}.seg"), SEGMENT);
        folder.write(&format!("{NAME}.idx"), bytes);
        walk(folder.path())
    })
}

/// Opens an archive, and walks all that it has; whether all of it is sound.
fn walk(path: &Path) -> bool {
    let Ok(mut archive) = open(path) else { return false };
    let are_filters_read = archive.read_filters().is_ok();
    let view = archive.view();
    let is_indexed = view.check_indexes().is_ok();
    let mut records = Vec::new();
    let scanned = view.scan(&mut |position, bytes| {
        if let Ok(Value { content: Content::Whole { .. }, .. }) = value::decode(bytes) {
            records.push(position);
        }
        Ok(())
    });
    // What a walk has shown can be looked up.
    for position in records.into_iter().take(8) {
        let found = view.record(position);
        assert!(scanned.is_err() || found.is_ok_and(|record| record.is_some()));
    }
    for number in 0..4 {
        drop(view.record(Position::new(0, number)));
    }
    are_filters_read && is_indexed && scanned.is_ok()
}

fn open(path: &Path) -> Result<Archive, purser::store::StoreError> {
    Archive::open(path, Secret::new([1; 16]), Settings::default())
}

/// A directory for one try.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a disk"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, bytes).expect("a sound disk");
        path
    }
}

/// The same bytes with the checksums of a segment: of its blocks, and of its footer.
fn sealed_segment(bytes: &[u8]) -> Vec<u8> {
    const TRAILER: usize = 32;
    let mut bytes = bytes.to_vec();
    let Some(end) = bytes.len().checked_sub(TRAILER) else { return bytes };
    let length = number(&bytes, end);
    let Some(from) = end.checked_sub(length) else { return bytes };
    let (blocks, footer) = bytes.split_at_mut(from);
    let (footer, trailer) = footer.split_at_mut(length);
    let logs = footer.get(48..52).map_or(0, |count| number(count, 0));
    let rows = footer.get_mut(logs.saturating_mul(32).saturating_add(56)..).unwrap_or_default();
    for row in rows.chunks_exact_mut(40) {
        let (offset, stored) = (number(row, 16), number(&row[24..28], 0));
        let block = offset.checked_add(stored).and_then(|end| blocks.get(offset..end));
        let crc = crc32fast::hash(block.unwrap_or_default());
        row[32..36].copy_from_slice(&crc.to_le_bytes());
    }
    trailer[8..12].copy_from_slice(&crc32fast::hash(footer).to_le_bytes());
    bytes
}

/// The same bytes with the checksums of an index of that segment: of its pages, its filter and its
/// trailer.
fn sealed_index(bytes: &[u8]) -> Vec<u8> {
    const TRAILER: usize = 72;
    let mut bytes = bytes.to_vec();
    let Some(end) = bytes.len().checked_sub(TRAILER) else { return bytes };
    let (rest, trailer) = bytes.split_at_mut(end);
    let pages = number(trailer, 16).saturating_mul(PAGE).min(rest.len());
    let (pages, filter) = rest.split_at_mut(pages);
    for page in pages.chunks_exact_mut(PAGE) {
        let crc = crc32fast::hash(&page[4..]);
        page[..4].copy_from_slice(&crc.to_le_bytes());
    }
    trailer[60..64].copy_from_slice(&crc32fast::hash(filter).to_le_bytes());
    trailer.copy_from_slice(&sealed_at_end(trailer));
    bytes
}

/// The number at a place, of up to eight bytes.
fn number(bytes: &[u8], at: usize) -> usize {
    let digits = bytes.get(at..).unwrap_or_default().iter().take(8).rev();
    digits.fold(0_usize, |number, &digit| number.wrapping_shl(8) | usize::from(digit))
}
