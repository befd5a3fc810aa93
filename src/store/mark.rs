//! The mark file: how far each log of the journal is safe, kept apart from the journal, because the
//! database under it can lose records without noticing.
//!
//! Layout: 64 bytes of head (magic, zeros), then two slots of 32 bytes a log, written in turn so
//! that a torn write leaves the other one: position (u64), chain (u64), zeros (12), CRC-32 of the
//! 28 bytes before it. All little-endian.

use super::{Mark, StoreError, data_dir};
use crate::codec::record::Position;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const MAGIC: &[u8; 16] = b"purser mark v1\n\0";
const HEAD: usize = 64;
const SLOT: usize = 32;
const COVERED: usize = SLOT - 4;
const SIZE: usize = HEAD + 2 * SLOT * 64;
/// How often the file itself is synced: after a power loss it may be that much behind.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// The open mark file.
#[derive(Debug)]
pub struct MarkFile {
    path: PathBuf,
    file: File,
    /// For each log, which of its two slots is written next.
    turns: [bool; 64],
    synced: Instant,
}

impl MarkFile {
    /// Makes the file of a journal that has no records yet, and makes it safe.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        let mut image = vec![0; SIZE];
        if let Some(magic) = image.first_chunk_mut() {
            *magic = *MAGIC;
        }
        data_dir::write_whole(path, &image)?;
        Self::open(path)
    }

    /// Opens the file of an existing journal.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let lost = |_| StoreError::MarkLost { path: path.to_owned() };
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(lost)?;
        let turns = [false; 64];
        let mut this = Self { path: path.to_owned(), file, turns, synced: Instant::now() };
        this.turns = Self::newer_slots(&this.image()?);
        this.read()?;
        Ok(this)
    }

    /// The file's bytes.
    fn image(&self) -> Result<Vec<u8>, StoreError> {
        let mut image = vec![0; SIZE];
        let read = self.file.read_exact_at(&mut image, 0);
        read.map_err(|_| StoreError::MarkLost { path: self.path.clone() })?;
        Ok(image)
    }

    /// Whether the second slot of each log holds its newer mark, so that the first is next.
    fn newer_slots(image: &[u8]) -> [bool; 64] {
        let mut turns = [false; 64];
        let pairs = image.get(HEAD..).unwrap_or_default().chunks_exact(2 * SLOT);
        for ((log, turn), pair) in (0..).zip(&mut turns).zip(pairs) {
            let (first, second) = pair.split_at(SLOT);
            let last = |slot| decode(slot, log).map(|mark| mark.last);
            *turn = last(second) > last(first);
        }
        turns
    }

    /// The marks of all logs that have one.
    pub fn read(&self) -> Result<Vec<Mark>, StoreError> {
        let lost = || StoreError::MarkLost { path: self.path.clone() };
        let image = self.image()?;
        if image.first_chunk() != Some(MAGIC) {
            return Err(lost());
        }
        let slots = image.get(HEAD..).unwrap_or_default();
        let mut marks = Vec::new();
        for (log, pair) in (0..).zip(slots.chunks_exact(2 * SLOT)) {
            if pair.iter().all(|&byte| byte == 0) {
                continue;
            }
            let valid = pair.chunks_exact(SLOT).filter_map(|slot| decode(slot, log));
            marks.push(valid.max_by_key(|mark| mark.last).ok_or_else(lost)?);
        }
        Ok(marks)
    }

    /// Writes the mark of a log over the older of its two slots; now and then syncs the file.
    pub fn write(&mut self, mark: Mark) -> Result<(), StoreError> {
        let log = usize::from(mark.last.log());
        let Some(turn) = self.turns.get_mut(log) else { return Ok(()) };
        *turn = !*turn;
        let slot = log.saturating_mul(2).saturating_add(usize::from(*turn));
        let offset = HEAD.saturating_add(slot.saturating_mul(SLOT));
        let offset = u64::try_from(offset).unwrap_or(u64::MAX);
        self.file
            .write_all_at(&encode(mark), offset)
            .map_err(StoreError::io("write", &self.path))?;
        if self.synced.elapsed() >= SYNC_EVERY {
            self.sync()?;
        }
        Ok(())
    }

    /// Makes the marks written so far survive a power loss.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        self.synced = Instant::now();
        self.file.sync_data().map_err(StoreError::io("sync", &self.path))
    }
}

fn encode(mark: Mark) -> [u8; SLOT] {
    let mut slot = [0; SLOT];
    let (covered, crc) = slot.split_at_mut(COVERED);
    let (position, chain) = (mark.last.0.to_le_bytes(), mark.chain.to_le_bytes());
    for (to, from) in covered.iter_mut().zip(position.iter().chain(&chain)) {
        *to = *from;
    }
    crc.copy_from_slice(&crc32fast::hash(covered).to_le_bytes());
    slot
}

/// The mark of a log in one of its slots; what is of another log was never written there.
fn decode(slot: &[u8], log: u8) -> Option<Mark> {
    let (covered, crc) = slot.split_last_chunk::<4>()?;
    if crc32fast::hash(covered) != u32::from_le_bytes(*crc) {
        return None;
    }
    let (position, rest) = covered.split_first_chunk::<8>()?;
    let chain = rest.first_chunk::<8>()?;
    let last = Position(u64::from_le_bytes(*position));
    (last != Position::NONE && last.log() == log)
        .then_some(Mark { last, chain: u64::from_le_bytes(*chain) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(log: u8, number: u64) -> Mark {
        Mark { last: Position::new(log, number), chain: number.wrapping_mul(0x9e37) }
    }

    #[test]
    fn the_latest_mark_of_each_log_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mark");
        let mut file = MarkFile::create(&path).unwrap();
        assert_eq!(file.read().unwrap(), vec![]);
        for number in 1..=5 {
            file.write(mark(0, number)).unwrap();
            file.write(mark(63, number * 2)).unwrap();
        }
        let read = MarkFile::open(&path).unwrap().read().unwrap();
        assert_eq!(read, vec![mark(0, 5), mark(63, 10)]);
    }

    /// After a restart the first mark went over the newer of the two slots: had that write been
    /// torn, only the mark before it would have been left.
    #[test]
    fn after_reopening_the_older_slot_is_written_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mark");
        for last in [1_u64, 2, 3] {
            let mut file = MarkFile::create(&path).unwrap();
            (1..=last).for_each(|number| file.write(mark(5, number)).unwrap());
            MarkFile::open(&path).unwrap().write(mark(5, 9)).unwrap();
            let image = std::fs::read(&path).unwrap();
            let pair = &image[HEAD + 10 * SLOT..HEAD + 12 * SLOT];
            let mut kept: Vec<_> = pair.chunks(SLOT).filter_map(|slot| decode(slot, 5)).collect();
            kept.sort_by_key(|mark| mark.last);
            assert_eq!(kept, [mark(5, last), mark(5, 9)]);
        }
    }

    #[test]
    fn a_flipped_byte_costs_at_most_the_latest_mark_or_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mark");
        let mut file = MarkFile::create(&path).unwrap();
        file.write(mark(0, 1)).unwrap();
        file.write(mark(0, 2)).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for place in 0..HEAD + 2 * SLOT {
            let mut damaged = whole.clone();
            damaged[place] ^= 0x10;
            std::fs::write(&path, &damaged).unwrap();
            match MarkFile::open(&path).and_then(|file| file.read()) {
                Ok(marks) => assert!([vec![mark(0, 2)], vec![mark(0, 1)]].contains(&marks)),
                Err(StoreError::MarkLost { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        }
        // The slots of one log where another's are: taken for marks of it, they left that without any.
        let mut moved = whole.clone();
        moved.copy_within(HEAD..HEAD + 2 * SLOT, HEAD + 2 * SLOT);
        std::fs::write(&path, &moved).unwrap();
        let lost = MarkFile::open(&path).and_then(|file| file.read());
        assert!(matches!(lost, Err(StoreError::MarkLost { .. })));
        for length in [0, 10, HEAD, SIZE - 1] {
            std::fs::write(&path, &whole[..length]).unwrap();
            let lost = MarkFile::open(&path).and_then(|file| file.read());
            assert!(matches!(lost, Err(StoreError::MarkLost { .. })), "cut to {length}");
        }
    }
}
