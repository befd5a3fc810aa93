//! The journal in sled: tree `j`, position (big-endian) to value.

use super::Database;
use crate::codec::record::Position;
use crate::store::data_dir::DataDir;
use crate::store::mark::MarkFile;
use crate::store::pace;
use crate::store::{Journal, JournalReader, Mark, StoreError, Visit};
use std::path::PathBuf;
use std::sync::Arc;

/// How much of the journal sled keeps in memory; it is written once and hardly read.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// The journal of a data directory.
pub struct SledJournal {
    database: Database,
    values: Values,
    mark: Option<MarkFile>,
    mark_path: PathBuf,
}

/// The values, to be read or trimmed from any thread.
#[derive(Clone)]
struct Values {
    path: PathBuf,
    tree: ::sled::Tree,
}

impl SledJournal {
    /// Opens the journal of a data directory, making it if there has never been one.
    pub fn open(dir: &DataDir) -> Result<Self, StoreError> {
        let (path, mark_path) = (dir.journal(), dir.mark());
        let had_journal = dir.had_journal()?;
        let mark = if path.exists() {
            // A lost mark is reported by `marks`, where it may be accepted.
            MarkFile::open(&mark_path).ok()
        } else if mark_path.exists() {
            // The mark comes first into being: an empty one means that nothing was ever written.
            Some(MarkFile::open(&mark_path)?)
        } else if had_journal {
            // Both are gone: that is a loss, not a beginning.
            None
        } else {
            Some(MarkFile::create(&mark_path)?)
        };
        dir.sync()?;
        let database = Database::open(&path, CACHE_BYTES)?;
        let values = Values { path, tree: database.tree("j")? };
        dir.sync()?;
        if !had_journal {
            dir.note_journal()?;
        }
        Ok(Self { database, values, mark, mark_path })
    }
}

impl Journal for SledJournal {
    fn append(&mut self, position: Position, value: &[u8]) -> Result<(), StoreError> {
        let key = position.0.to_be_bytes();
        let added = self.values.tree.insert(key, value);
        added.map(drop).map_err(|error| self.database.failed("add a value", &error))
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.database.sync()
    }

    fn set_mark(&mut self, mark: Mark) -> Result<(), StoreError> {
        let lost = || StoreError::MarkLost { path: self.mark_path.clone() };
        self.mark.as_mut().ok_or_else(lost)?.write(mark)
    }

    fn reset_marks(&mut self, marks: &[Mark]) -> Result<(), StoreError> {
        let file = self.mark.insert(MarkFile::create(&self.mark_path)?);
        for mark in marks {
            file.write(*mark)?;
        }
        file.sync()
    }

    fn marks(&self) -> Result<Vec<Mark>, StoreError> {
        let lost = || StoreError::MarkLost { path: self.mark_path.clone() };
        self.mark.as_ref().ok_or_else(lost)?.read()
    }

    fn scan(&self, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.values.each(self.values.tree.iter(), visit)
    }

    fn truncate(&mut self, from: Position) -> Result<(), StoreError> {
        let end = Position::new(from.log().saturating_add(1), 0);
        let keys = self.values.tree.range(from.0.to_be_bytes()..end.0.to_be_bytes()).keys();
        // From the end: a crash in between must not leave a hole with sound values behind it.
        self.values.remove(keys.rev())
    }

    fn reader(&self) -> Arc<dyn JournalReader> {
        Arc::new(self.values.clone())
    }
}

impl Values {
    fn each(&self, mut values: ::sled::Iter, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        // Reading one value a guard, so that a panic of `visit` stays a bug of ours.
        while let Some((key, value)) = super::read(&self.path, || values.next().transpose())? {
            visit(self.position(&key)?, &value)?;
        }
        Ok(())
    }

    fn position(&self, key: &[u8]) -> Result<Position, StoreError> {
        let key = key.try_into();
        let key =
            key.map_err(|_| super::failed(&self.path, "be read", &"a key has not 8 bytes"))?;
        Ok(Position(u64::from_be_bytes(key)))
    }

    fn remove(
        &self,
        keys: impl Iterator<Item = ::sled::Result<::sled::IVec>>,
    ) -> Result<(), StoreError> {
        for key in keys {
            pace::breathe();
            let removed = key.and_then(|key| self.tree.remove(key));
            removed.map_err(|error| super::failed(&self.path, "be cut", &error))?;
        }
        Ok(())
    }
}

impl JournalReader for Values {
    fn read(&self, from: Position, to: Position, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.each(self.tree.range(from.0.to_be_bytes()..to.0.to_be_bytes()), visit)
    }

    fn value_at(&self, position: Position) -> Result<Option<(Position, Vec<u8>)>, StoreError> {
        let first = Position::new(position.log(), 0).0.to_be_bytes();
        let mut before = self.tree.range(first..=position.0.to_be_bytes());
        let found = super::read(&self.path, || before.next_back().transpose())?;
        found.map(|(key, value)| Ok((self.position(&key)?, value.to_vec()))).transpose()
    }

    fn trim(&self, to: Position) -> Result<(), StoreError> {
        let first = Position::new(to.log(), 0).0.to_be_bytes();
        // From the beginning: what is left is always an end of the log without holes.
        self.remove(self.tree.range(first..to.0.to_be_bytes()).keys())
    }
}

impl Drop for SledJournal {
    fn drop(&mut self) {
        // The values are safe already; this only makes the next start's mark exact.
        if let Some(mark) = &mut self.mark {
            let _ = mark.sync();
        }
    }
}
