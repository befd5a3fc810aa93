//! The journal in sled 0.34.7, the only file that names it. Its traps, each handled here:
//!
//! - `flush` is no fsync on Linux: after it, the database's file is synced through a handle of our
//!   own; new files and directories are synced once after opening.
//! - It reports damage by panicking, on threads of its own too: opening and reading are guarded.
//! - A kill during open can leave a half-made `snap.*.generating`, with which the next open fails:
//!   such files are removed first.
//! - Items above 128 KiB go to `blobs/`, which is never synced: a leaf holds 16 values, so values
//!   are at most 6 KiB ([`crate::codec::value::VALUE_MAX`]).
//! - `Batch` stalls the committer behind a process-wide lock, `flush_async` deadlocks: neither is
//!   used.

use super::data_dir::{self, DataDir};
use super::mark::MarkFile;
use super::{Journal, Mark, StoreError, Visit, guarded};
use crate::codec::record::Position;
use std::fs::File;
use std::path::{Path, PathBuf};

/// How much of the journal sled keeps in memory; it is written once and hardly read.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;
/// How often sled flushes by itself. It reclaims space only while this is on.
const FLUSH_EVERY_MS: u64 = 500;

/// The journal of a data directory.
pub struct SledJournal {
    path: PathBuf,
    tree: ::sled::Tree,
    database: ::sled::Db,
    /// Our own handle of sled's file, to sync it.
    file: File,
    mark: Option<MarkFile>,
    mark_path: PathBuf,
}

impl SledJournal {
    /// Opens the journal of a data directory, making it if there has never been one.
    pub fn open(dir: &DataDir) -> Result<Self, StoreError> {
        let (path, mark_path) = (dir.journal(), dir.mark());
        let had_journal = dir.had_journal()?;
        let mark = if path.exists() {
            remove_leftovers(&path)?;
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
        let failed = |reason| StoreError::Database {
            path: path.clone(),
            action: "be opened",
            reason: format!("{reason}; if it is damaged, restore it from a backup"),
        };
        let open = || -> ::sled::Result<_> {
            let database = ::sled::Config::default()
                .path(&path)
                .cache_capacity(CACHE_BYTES)
                .mode(::sled::Mode::HighThroughput)
                .flush_every_ms(Some(FLUSH_EVERY_MS))
                .open()?;
            let tree = database.open_tree("j")?;
            Ok((database, tree))
        };
        let opened = guarded(open).map_err(&failed)?;
        let (database, tree) = opened.map_err(|error| failed(error.to_string()))?;
        let file_path = path.join("db");
        let file = File::open(&file_path).map_err(StoreError::io("open", &file_path))?;
        for name in ["db", "conf"] {
            let file = path.join(name);
            let handle = File::open(&file).map_err(StoreError::io("open", &file))?;
            handle.sync_all().map_err(StoreError::io("sync", &file))?;
        }
        let blobs = path.join("blobs");
        if blobs.exists() {
            data_dir::sync_dir(&blobs)?;
        }
        data_dir::sync_dir(&path)?;
        dir.sync()?;
        if !had_journal {
            dir.note_journal()?;
        }
        Ok(Self { path, tree, database, file, mark, mark_path })
    }

    fn failed(&self, action: &'static str, reason: &impl ToString) -> StoreError {
        StoreError::Database { path: self.path.clone(), action, reason: reason.to_string() }
    }
}

impl Journal for SledJournal {
    fn append(&mut self, position: Position, value: &[u8]) -> Result<(), StoreError> {
        let key = position.0.to_be_bytes();
        let added = self.tree.insert(key, value);
        added.map(drop).map_err(|error| self.failed("add a value", &error))
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.database.flush().map_err(|error| self.failed("flush", &error))?;
        self.file.sync_data().map_err(StoreError::io("sync", self.path.join("db")))
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
        let mut values = self.tree.iter();
        // Reading one value a guard, so that a panic of `visit` stays a bug of ours.
        while let Some(next) =
            guarded(|| values.next()).map_err(|reason| self.failed("be read", &reason))?
        {
            let (key, value) = next.map_err(|error| self.failed("be read", &error))?;
            let key = key.as_ref().try_into();
            let key = key.map_err(|_| self.failed("be read", &"a key has not 8 bytes"))?;
            visit(Position(u64::from_be_bytes(key)), &value)?;
        }
        Ok(())
    }

    fn truncate(&mut self, from: Position) -> Result<(), StoreError> {
        let end = Position::new(from.log().saturating_add(1), 0);
        let keys = self.tree.range(from.0.to_be_bytes()..end.0.to_be_bytes()).keys();
        // From the end: a crash in between must not leave a hole with sound values behind it.
        for key in keys.rev() {
            let key = key.map_err(|error| self.failed("be cut", &error))?;
            self.tree.remove(key).map_err(|error| self.failed("be cut", &error))?;
        }
        Ok(())
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

/// Removes what a kill during an earlier open left behind.
fn remove_leftovers(path: &Path) -> Result<(), StoreError> {
    let entries = std::fs::read_dir(path).map_err(StoreError::io("read", path))?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            let file = entry.path();
            std::fs::remove_file(&file).map_err(StoreError::io("remove", &file))?;
        }
    }
    Ok(())
}
