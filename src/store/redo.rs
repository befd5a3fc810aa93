//! The redo file: all rows of a checkpoint, on disk before the first of them reaches the state.
//!
//! A checkpoint changes very many rows, and a crash in the middle must not leave half of them: a
//! wallet's core of today does not fit its pages of yesterday. So the rows are written to a file
//! first, which becomes valid at once, when it is whole and synced and gets its name. Then they are
//! put into the state. A start that finds the file looks them up in it ([`super::overlay`]) until all of
//! them are put again, which changes nothing where they are there already.
//!
//! Layout, little-endian: magic (16 bytes), rows, trailer. A row: table (u8, see [`Table::ALL`]),
//! whether it has a value (u8), length of the key (u16), length of the value (u32), key, value. The
//! trailer: a byte 255, number of rows (u64), CRC-32 of everything before it.

use super::state::{Row, State, Table};
use super::{StoreError, data_dir, pace};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 16] = b"purser redo v1\n\0";
const END: u8 = 255;
/// No more room than so many bytes is taken for what a length says.
const ROOM_MAX: u64 = 64 * 1024;

/// A redo file in the making.
pub struct RedoWriter {
    path: PathBuf,
    half: PathBuf,
    file: BufWriter<File>,
    crc: crc32fast::Hasher,
    rows: u64,
    bytes: u64,
}

impl RedoWriter {
    /// Begins the file that will have this name; one that was begun before and never finished goes.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        let half = path.with_extension("new");
        let file = File::create(&half).map_err(StoreError::io("make", &half))?;
        let mut this = Self {
            path: path.to_owned(),
            half,
            file: BufWriter::with_capacity(256 * 1024, file),
            crc: crc32fast::Hasher::new(),
            rows: 0,
            bytes: 0,
        };
        this.write(MAGIC)?;
        Ok(this)
    }

    /// Adds a row.
    pub fn add(&mut self, row: &Row) -> Result<(), StoreError> {
        let too_large = |_| StoreError::Row { reason: "it is too large" };
        let key = u16::try_from(row.key.len()).map_err(too_large)?;
        let value = row.value.as_deref().unwrap_or_default();
        let length = u32::try_from(value.len()).map_err(too_large)?;
        self.write(&[row.table.code(), u8::from(row.value.is_some())])?;
        self.write(&key.to_le_bytes())?;
        self.write(&length.to_le_bytes())?;
        self.write(&row.key)?;
        self.write(value)?;
        self.rows = self.rows.saturating_add(1);
        Ok(())
    }

    /// How many bytes it has.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes the file valid: from now on its rows are the truth, whatever happens.
    pub fn finish(mut self) -> Result<(), StoreError> {
        self.write(&[END])?;
        self.write(&self.rows.to_le_bytes())?;
        let crc = self.crc.clone().finalize();
        let written = |file: &mut BufWriter<File>| {
            file.write_all(&crc.to_le_bytes())?;
            file.flush()?;
            file.get_ref().sync_all()
        };
        written(&mut self.file).map_err(StoreError::io("write", &self.half))?;
        std::fs::rename(&self.half, &self.path).map_err(StoreError::io("rename", &self.half))?;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        data_dir::sync_dir(folder)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.crc.update(bytes);
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(length);
        self.file.write_all(bytes).map_err(StoreError::io("write", &self.half))
    }
}

/// Gives the rows of a redo file to `visit`; after an error, those that it has got must not be used.
/// Answers how many they were; none when there is no file.
pub fn read(
    path: &Path,
    visit: &mut dyn FnMut(Row) -> Result<(), StoreError>,
) -> Result<Option<u64>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io("open", path)(error)),
    };
    Reader::new(path, &file).read_all(visit).map(Some)
}

/// Puts the rows of a redo file into the state, makes them safe there, and removes the file, as long as
/// `goes_on` says so. Answers whether it is done: else the file stays, and all is to be done again.
pub fn apply(
    path: &Path,
    state: &dyn State,
    goes_on: &dyn Fn() -> bool,
) -> Result<bool, StoreError> {
    // Nothing is put before all is known to be sound.
    if read(path, &mut |_| Ok(()))?.is_none() {
        return Ok(true);
    }
    read(path, &mut |row| if goes_on() { state.put(&row) } else { Ok(()) })?;
    if !goes_on() {
        return Ok(false);
    }
    state.sync()?;
    std::fs::remove_file(path).map_err(StoreError::io("remove", path))?;
    data_dir::sync_dir(path.parent().unwrap_or(Path::new(".")))?;
    Ok(true)
}

/// A redo file that is read.
struct Reader<'a> {
    path: &'a Path,
    file: BufReader<&'a File>,
    crc: crc32fast::Hasher,
}

impl<'a> Reader<'a> {
    fn new(path: &'a Path, file: &'a File) -> Self {
        let file = BufReader::with_capacity(256 * 1024, file);
        Self { path, file, crc: crc32fast::Hasher::new() }
    }

    fn damaged(&self) -> StoreError {
        StoreError::DamagedFile {
            path: self.path.to_owned(),
            reason: "it is cut or changed".into(),
        }
    }

    /// Gives every row to `visit`; answers how many they are.
    fn read_all(
        mut self,
        visit: &mut dyn FnMut(Row) -> Result<(), StoreError>,
    ) -> Result<u64, StoreError> {
        if &self.bytes::<16>()? != MAGIC {
            return Err(self.damaged());
        }
        let mut rows = 0_u64;
        loop {
            pace::breathe();
            let [table] = self.bytes::<1>()?;
            if table == END {
                break;
            }
            let table = Table::ALL.get(usize::from(table)).copied();
            let table = table.ok_or_else(|| self.damaged())?;
            let [has_value, a, b, rest @ ..] = self.bytes::<7>()?;
            let key = self.vec(u64::from(u16::from_le_bytes([a, b])))?;
            let value = self.vec(u64::from(u32::from_le_bytes(rest)))?;
            visit(Row { table, key, value: (has_value != 0).then_some(value) })?;
            rows = rows.saturating_add(1);
        }
        let said = u64::from_le_bytes(self.bytes()?);
        let crc = self.crc.clone().finalize();
        if said != rows || u32::from_le_bytes(self.bytes()?) != crc {
            return Err(self.damaged());
        }
        Ok(rows)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes).map_err(|_| self.damaged())?;
        self.crc.update(&bytes);
        Ok(bytes)
    }

    /// So many bytes; a length that lies costs no memory.
    fn vec(&mut self, length: u64) -> Result<Vec<u8>, StoreError> {
        let room = usize::try_from(length.min(ROOM_MAX)).unwrap_or_default();
        let mut bytes = Vec::with_capacity(room);
        let read = self.file.by_ref().take(length).read_to_end(&mut bytes);
        if read.ok().and_then(|read| u64::try_from(read).ok()) != Some(length) {
            return Err(self.damaged());
        }
        self.crc.update(&bytes);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory_state::MemoryState;

    fn rows() -> Vec<Row> {
        vec![
            Row::put(Table::Wallets, b"a".to_vec(), vec![7; 9_000]),
            Row::put(Table::Timers, b"b".to_vec(), Vec::new()),
            Row::delete(Table::Pages, b"c".to_vec()),
        ]
    }

    fn write(path: &Path) {
        let mut file = RedoWriter::create(path).unwrap();
        for row in rows() {
            file.add(&row).unwrap();
        }
        file.finish().unwrap();
    }

    #[test]
    fn a_finished_file_is_applied_once_and_an_unfinished_one_never() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("redo");
        let state = MemoryState::default();
        state.put(&Row::put(Table::Pages, b"c".to_vec(), vec![1])).unwrap();
        let mut half = RedoWriter::create(&path).unwrap();
        half.add(&rows()[0]).unwrap();
        drop(half);
        assert!(apply(&path, &state, &|| true).unwrap());
        assert_eq!(state.get(Table::Wallets, b"a").unwrap(), None);
        write(&path);
        assert!(apply(&path, &state, &|| true).unwrap());
        assert_eq!(state.get(Table::Wallets, b"a").unwrap(), Some(vec![7; 9_000]));
        assert_eq!(state.get(Table::Timers, b"b").unwrap(), Some(Vec::new()));
        assert_eq!(state.get(Table::Pages, b"c").unwrap(), None);
        assert!(!path.exists());
    }

    /// A stop in the middle of a large checkpoint waited for seconds until all of it was applied.
    #[test]
    fn a_file_that_was_applied_in_part_is_applied_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("redo");
        for rows in 0..=3_u32 {
            write(&path);
            let state = MemoryState::default();
            let left = std::cell::Cell::new(rows);
            let goes_on = || left.replace(left.get().saturating_sub(1)) > 0;
            assert!(!apply(&path, &state, &goes_on).unwrap());
            assert_eq!(state.get(Table::Wallets, b"a").unwrap().is_some(), rows > 0);
            assert!(apply(&path, &state, &|| true).unwrap());
            assert_eq!(state.get(Table::Wallets, b"a").unwrap(), Some(vec![7; 9_000]));
            assert_eq!(state.get(Table::Timers, b"b").unwrap(), Some(Vec::new()));
            assert!(!path.exists());
        }
    }

    #[test]
    fn nothing_of_a_damaged_file_is_applied() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("redo");
        write(&path);
        let sound = std::fs::read(&path).unwrap();
        for place in (0..sound.len()).step_by(7).chain(sound.len() - 20..sound.len()) {
            let mut flipped = sound.clone();
            flipped[place] ^= 4;
            for bytes in [&flipped[..], &sound[..place]] {
                std::fs::write(&path, bytes).unwrap();
                let state = MemoryState::default();
                let refused = apply(&path, &state, &|| true).unwrap_err().to_string();
                assert!(refused.contains("damaged"), "{refused}");
                assert_eq!(state.get(Table::Wallets, b"a").unwrap(), None, "byte {place}");
            }
        }
    }
}
