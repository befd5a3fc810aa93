//! sled 0.34.7 under the journal and the state: the only folder that names it. Its traps, each
//! handled here:
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

mod journal;
mod state;

pub use journal::SledJournal;
pub use state::SledState;

use super::data_dir;
use super::{StoreError, guarded};
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often sled flushes by itself. It reclaims space only while this is on.
const FLUSH_EVERY_MS: u64 = 500;

/// How long a database may stay locked by a server that has let go of the data directory: the threads
/// of the database end last. And how often to look.
const UNLOCKED_MAX: Duration = Duration::from_secs(10);
const UNLOCKED_LOOK: Duration = Duration::from_millis(5);

/// A database, with our own handle of its file.
struct Database {
    path: PathBuf,
    db: ::sled::Db,
    /// To sync it.
    file: File,
}

impl Database {
    /// Opens the database in a folder, making it if need be, and makes its files safe.
    fn open(path: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        if path.exists() {
            remove_leftovers(path)?;
        }
        let failed = |reason| StoreError::Database {
            path: path.to_owned(),
            action: "be opened",
            reason: format!("{reason}; if it is damaged, restore it from a backup"),
        };
        let config = ::sled::Config::default()
            .path(path)
            .cache_capacity(cache_bytes)
            .mode(::sled::Mode::HighThroughput)
            .flush_every_ms(Some(FLUSH_EVERY_MS));
        let begun = Instant::now();
        let db = loop {
            match guarded(|| config.open()).map_err(failed)? {
                Ok(db) => break db,
                // The directory is ours, so this is a server before us that is about to end.
                Err(error) if is_locked(&error) && begun.elapsed() < UNLOCKED_MAX => {
                    std::thread::sleep(UNLOCKED_LOOK);
                }
                Err(error) => return Err(failed(error.to_string())),
            }
        };
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
        data_dir::sync_dir(path)?;
        Ok(Self { path: path.to_owned(), db, file })
    }

    /// A tree, making it if need be.
    fn tree(&self, name: &str) -> Result<::sled::Tree, StoreError> {
        let opened = guarded(|| self.db.open_tree(name));
        let opened = opened.map_err(|reason| self.failed("be opened", &reason))?;
        opened.map_err(|error| self.failed("be opened", &error))
    }

    /// Makes everything that was written survive a power loss.
    fn sync(&self) -> Result<(), StoreError> {
        self.db.flush().map_err(|error| self.failed("flush", &error))?;
        self.file.sync_data().map_err(StoreError::io("sync", self.path.join("db")))
    }

    fn failed(&self, action: &'static str, reason: &impl ToString) -> StoreError {
        failed(&self.path, action, reason)
    }
}

fn is_locked(error: &::sled::Error) -> bool {
    error.to_string().contains("could not acquire lock")
}

fn failed(path: &Path, action: &'static str, reason: &impl ToString) -> StoreError {
    StoreError::Database { path: path.to_owned(), action, reason: reason.to_string() }
}

/// Reads something; a panic over damaged pages becomes an error.
fn read<T>(path: &Path, read: impl FnOnce() -> ::sled::Result<T>) -> Result<T, StoreError> {
    let found = guarded(read).map_err(|reason| failed(path, "be read", &reason))?;
    found.map_err(|error| failed(path, "be read", &error))
}

/// Whether the settings of the database in a folder are what it wrote: text, then its CRC-32,
/// little-endian. It opens with others all the same, which a kill while it was made can leave.
///
/// # Errors
///
/// They are not, or cannot be read.
pub fn check_settings(path: &Path) -> Result<(), StoreError> {
    let settings = path.join("conf");
    let bytes = match std::fs::read(&settings) {
        // There is no database yet, as in a backup, whose checkpoint is a redo file.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        read => read.map_err(StoreError::io("read", &settings))?,
    };
    let is_sound = bytes
        .split_last_chunk::<4>()
        .is_some_and(|(covered, crc)| crc32fast::hash(covered) == u32::from_le_bytes(*crc));
    if is_sound {
        Ok(())
    } else {
        Err(failed(path, "be trusted", &"the checksum of its file conf is wrong"))
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
