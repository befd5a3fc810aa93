//! Durability: the journal behind a narrow trait, its writer, recovery, and what lies on the disk.
//!
//! A journal keeps values by position and knows when they are safe; what the values mean stands in
//! [`crate::codec`]. The trait is the seam for scale: another backend may be a file, or a
//! replicated log per shard.

pub mod archive;
pub mod backup;
pub mod checkpoint;
pub mod data_dir;
mod guard;
pub mod history;
pub mod keeper;
pub mod mark;
pub mod memory;
pub mod memory_state;
pub mod overlay;
pub mod pace;
pub mod parts;
pub mod recovery;
pub mod redo;
pub mod sled;
pub mod state;
pub mod still;
pub mod tail;
pub mod walk;
pub mod writer;

pub use guard::{guarded, is_guarded};

use crate::codec::record::Position;
use crate::domain::time::Timestamp;
use std::path::PathBuf;
use std::sync::Arc;

/// What a journal's values are given to while it is read.
pub type Visit<'a> = dyn FnMut(Position, &[u8]) -> Result<(), StoreError> + 'a;

/// A log, or several, of values by position.
///
/// After any error the journal must not be used again: memory may be ahead of the disk, and a sync
/// that failed once may falsely succeed the second time.
pub trait Journal: Send {
    /// Adds a value behind all others of its log. It is safe only after [`Journal::sync`].
    fn append(&mut self, position: Position, value: &[u8]) -> Result<(), StoreError>;

    /// Makes everything appended so far survive a power loss.
    fn sync(&mut self) -> Result<(), StoreError>;

    /// Remembers, apart from the values, how far a log is safe. Call it after [`Journal::sync`].
    fn set_mark(&mut self, mark: Mark) -> Result<(), StoreError>;

    /// Forgets all marks and takes these: the operator accepts what is lost.
    fn reset_marks(&mut self, marks: &[Mark]) -> Result<(), StoreError>;

    /// How far each log was safe at least.
    fn marks(&self) -> Result<Vec<Mark>, StoreError>;

    /// Gives every value to `visit`, in the order of positions.
    fn scan(&self, visit: &mut Visit<'_>) -> Result<(), StoreError>;

    /// Removes the values of a log from a position on: they were never acknowledged.
    fn truncate(&mut self, from: Position) -> Result<(), StoreError>;

    /// What reads and trims the values from other threads.
    fn reader(&self) -> Arc<dyn JournalReader>;
}

/// The values of a journal, seen from threads that do not append to it.
pub trait JournalReader: Send + Sync {
    /// Gives the values from one position on, up to before another, to `visit`.
    fn read(&self, from: Position, to: Position, visit: &mut Visit<'_>) -> Result<(), StoreError>;

    /// The value that a position may lie in: the last one of its log that begins at or before it.
    fn value_at(&self, position: Position) -> Result<Option<(Position, Vec<u8>)>, StoreError>;

    /// Removes the values of a log before a position: the archive has them.
    fn trim(&self, to: Position) -> Result<(), StoreError>;
}

/// How far a log is known to be safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The last position of the log.
    pub last: Position,
    /// The chain after it.
    pub chain: u64,
}

/// Why the store cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Another process has the data directory.
    #[error(
        "{path} is used by another purser; stop that one, or name another directory with --data"
    )]
    Locked {
        /// The data directory.
        path: PathBuf,
    },
    /// A directory that is to be looked at is in use.
    #[error(
        "{path} is used by a running purser; make a copy with `purser backup --data {path} --to \
         DIR`, and look at that"
    )]
    InUse {
        /// The data directory.
        path: PathBuf,
    },
    /// There is nothing to look at.
    #[error("{path} holds no purser data; name another directory with --data")]
    NoData {
        /// The directory.
        path: PathBuf,
    },
    /// A copy does not fit.
    #[error("{path} has no room for a copy of {bytes} bytes; name another folder with TMPDIR")]
    NoRoom {
        /// Where the copy was to be.
        path: PathBuf,
        /// How large it would be.
        bytes: u64,
    },
    /// The archive has records that the journal has lost.
    #[error(
        "the journal ends before {end}, and the archive has its records up to {archived}; restore the \
         data directory from a backup: what the archive has counts, so --accept-loss cannot help here"
    )]
    ArchiveAhead {
        /// The first place that the journal does not have.
        end: Position,
        /// The first that the archive does not have.
        archived: Position,
    },
    /// A directory that cannot take a backup.
    #[error("{path} cannot take a backup: {reason}")]
    Target {
        /// The directory.
        path: PathBuf,
        /// Why not.
        reason: &'static str,
    },
    /// The database under the journal refused or gave up.
    #[error("the database at {path} cannot {action}: {reason}")]
    Database {
        /// Where it lies.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What it said.
        reason: String,
    },
    /// Something that was acknowledged is gone.
    #[error(
        "log {log} of the journal ends at number {found}, but numbers up to {acknowledged} were \
         acknowledged and are missing; restore the data directory from a backup, or start with \
         --accept-loss to go on without them"
    )]
    Missing {
        /// The log.
        log: u8,
        /// Its last readable number.
        found: u64,
        /// The last number known to have been safe.
        acknowledged: u64,
    },
    /// A value that must be readable is not.
    #[error(
        "the journal is damaged at {position}: {reason}; restore the data directory from a \
         backup, or start with --accept-loss to go on with what lies before it"
    )]
    Damaged {
        /// Where.
        position: Position,
        /// What is wrong.
        reason: String,
    },
    /// The file that says how far the journal is safe cannot be trusted.
    #[error(
        "{path} is missing or damaged, so nobody can say whether the journal is complete; restore \
         it from a backup, or start with --accept-loss to accept the journal as it is"
    )]
    MarkLost {
        /// The file.
        path: PathBuf,
    },
    /// The data directory was made by another version.
    #[error(
        "{path} does not say `purser data, format 1`; the directory was made by a newer purser, \
         or is damaged: use that version, or restore the directory from a backup"
    )]
    UnknownFormat {
        /// The file that names the format.
        path: PathBuf,
    },
    /// The journal's last event is in the future.
    #[error(
        "the journal's last event is at {last} (Unix milliseconds), but the clock says {now}; set \
         the clock right"
    )]
    AheadOfClock {
        /// When the last event happened.
        last: Timestamp,
        /// The time now.
        now: Timestamp,
    },
    /// A file is not what was written.
    #[error("{path} is damaged: {reason}; restore the data directory from a backup")]
    DamagedFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// What is kept of a wallet does not fit its history.
    #[error(
        "wallet {wallet} is damaged on disk: {reason}; restore the data directory from a backup"
    )]
    DamagedWallet {
        /// The wallet.
        wallet: String,
        /// What is wrong.
        reason: String,
    },
    /// A file of the archive is not what was written.
    #[error(
        "{path} of the archive is damaged: {reason}; restore the archive's folder from a backup"
    )]
    Archive {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// An index of the archive is not what was written.
    #[error(
        "the archive's index {path} is damaged: {reason}; without it, the next start makes it again \
         from its segment"
    )]
    Index {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A row of the state that cannot be written, or is not what was written.
    #[error("a row of the state is no use: {reason}")]
    Row {
        /// Why.
        reason: &'static str,
    },
    /// A writer that is not the journal's current one.
    #[error("a batch for {batch} does not follow the journal's end {end}")]
    Deposed {
        /// Where the batch wanted to be.
        batch: Position,
        /// Where the log ends.
        end: Position,
    },
}

impl StoreError {
    /// A file of the archive is damaged.
    fn archive(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Archive { path: path.into(), reason: reason.into() }
    }

    /// An index of the archive is damaged.
    fn index(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Index { path: path.into(), reason: reason.into() }
    }

    /// The error with its cause.
    pub fn in_words(&self) -> String {
        let cause = std::error::Error::source(self);
        cause.map_or(self.to_string(), |cause| format!("{self}: {cause}"))
    }

    /// An error of the operating system.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
