//! The data directory: who uses it, and whether it was left in order.
//!
//! | name | what |
//! |---|---|
//! | `lock` | held by the one process that uses the directory |
//! | `format` | made when a journal first was: says that there is one, and in which format |
//! | `mark` | how far the journal is safe (see [`super::mark`]) |
//! | `journal/` | the journal's database (see [`super::sled`]) |
//! | `state/` | the database of what is kept of wallets (see [`super::state`]) |
//! | `redo` | a checkpoint that may not all be in `state/` (see [`super::redo`]) |
//! | `archive/` | the history that has left the journal (see [`super::archive`]) |
//! | `prices/` | every version of the prices, and when it was in force (see [`crate::prices`]) |
//! | `journal.before-recovery/` | a copy of the journal, from an unclean stop until it is found complete |
//! | `journal.before-loss-<n>/` | such a copy, from when a loss was accepted; kept for a repair |
//! | `unclean` | there while the directory is in use: found at start, the last stop was unclean |
//! | `control` | the socket over which a running server is told to make a backup |

use super::StoreError;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// A journal above this is not copied before recovery: the copy would cost more than it may save.
const COPY_MAX: u64 = 256 * 1024 * 1024;

/// What the format file holds.
const FORMAT: &str = "purser data, format 1\n";

/// A data directory that is ours until this is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Holds the lock; the system lets go of it however the process ends.
    _lock: File,
    /// The last stop was unclean.
    pub was_unclean: bool,
}

impl DataDir {
    /// Takes the directory, making it if need be.
    pub fn take(path: &Path) -> Result<Self, StoreError> {
        // The ledgers of all customers lie here: a new one is for its owner only.
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(StoreError::io("make the directory", path))?;
        let lock_path = path.join("lock");
        let mut options = OpenOptions::new();
        let lock = options.read(true).write(true).create(true).truncate(false).open(&lock_path);
        let lock = lock.map_err(StoreError::io("open", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Locked { path: path.to_owned() });
            }
            Err(TryLockError::Error(source)) => {
                return Err(StoreError::io("lock", &lock_path)(source));
            }
        }
        let unclean = path.join("unclean");
        let was_unclean = unclean.exists();
        File::create(&unclean).map_err(StoreError::io("make", &unclean))?;
        sync_dir(path)?;
        if let Some(parent) = path.canonicalize().ok().as_deref().and_then(Path::parent) {
            sync_dir(parent)?;
        }
        Ok(Self { path: path.to_owned(), _lock: lock, was_unclean })
    }

    /// Where the journal's database lies.
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal")
    }

    /// Where the database of the state lies.
    pub fn state(&self) -> PathBuf {
        self.path.join("state")
    }

    /// Where the rows of a checkpoint lie until they are in the state.
    pub fn redo(&self) -> PathBuf {
        self.path.join("redo")
    }

    /// Where the archive lies.
    pub fn archive(&self) -> PathBuf {
        self.path.join("archive")
    }

    /// Where the mark file lies.
    pub fn mark(&self) -> PathBuf {
        self.path.join("mark")
    }

    /// Whether there has ever been a journal here.
    pub fn had_journal(&self) -> Result<bool, StoreError> {
        has_format(&self.path)
    }

    /// Notes that there is a journal from now on.
    pub fn note_journal(&self) -> Result<(), StoreError> {
        write_format(&self.path)?;
        self.sync()
    }

    /// Where the socket lies over which the process that uses the directory is told things.
    pub fn control(&self) -> PathBuf {
        control(&self.path)
    }

    /// Makes everything that was made in the directory survive a power loss.
    pub fn sync(&self) -> Result<(), StoreError> {
        sync_dir(&self.path)
    }

    /// After an unclean stop, keeps a copy of the journal before anything opens it: opening a
    /// damaged database may change it. Answers why it did not, if it should have.
    pub fn copy_if_unclean(&self) -> Option<String> {
        // An older copy is of a journal that was not found complete since: it is nearer to the
        // truth than what an attempt to open it has left.
        if !self.was_unclean || !self.journal().exists() || self.copy().exists() {
            return None;
        }
        let size = size_of(&self.journal());
        if size > COPY_MAX {
            return Some(format!("the journal has {size} bytes, too many to copy"));
        }
        // Under another name until it is whole.
        let half = self.path.join("journal.copying");
        let copied = remove_dir(&half)
            .and_then(|()| copy_dir(&self.journal(), &half))
            .and_then(|()| std::fs::rename(&half, self.copy()));
        match copied {
            Ok(()) => None,
            Err(error) => {
                let _ = remove_dir(&half);
                Some(format!("copying it to {} failed: {error}", self.copy().display()))
            }
        }
    }

    /// Puts the copy of the journal aside for good: a loss was accepted, and a repair may want it.
    /// Answers where it is, if there is one.
    pub fn keep_copy(&self) -> Option<PathBuf> {
        let kept = (1_u32..).map(|number| self.path.join(format!("journal.before-loss-{number}")));
        let kept = kept.into_iter().find(|path| !path.exists())?;
        std::fs::rename(self.copy(), &kept).ok().map(|()| kept)
    }

    /// Removes the copy of the journal: it was opened and found complete.
    pub fn drop_copy(&self) {
        // What cannot be removed now is removed at the next start that finds everything.
        let _ = remove_dir(&self.copy());
    }

    /// Notes that the directory was left in order.
    pub fn close(self) -> Result<(), StoreError> {
        let unclean = self.path.join("unclean");
        std::fs::remove_file(&unclean).map_err(StoreError::io("remove", &unclean))?;
        sync_dir(&self.path)
    }

    fn copy(&self) -> PathBuf {
        self.path.join("journal.before-recovery")
    }
}

/// Where the socket of a data directory lies.
pub fn control(path: &Path) -> PathBuf {
    path.join("control")
}

/// Keeps a directory that nobody uses as it is for as long as the answer lives, and changes nothing
/// there. A copy of a data directory may have no lock.
pub fn hold_still(path: &Path) -> Result<Option<File>, StoreError> {
    let lock_path = path.join("lock");
    let lock = match File::open(&lock_path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io("open", &lock_path)(error)),
    };
    match lock.try_lock_shared() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(StoreError::io("lock", &lock_path)(source)),
    }
}

/// Whether there has ever been a journal in a directory.
pub(super) fn has_format(path: &Path) -> Result<bool, StoreError> {
    let path = path.join("format");
    match std::fs::read(&path) {
        Ok(format) if format == FORMAT.as_bytes() => Ok(true),
        Ok(_) => Err(StoreError::UnknownFormat { path }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StoreError::io("read", path)(error)),
    }
}

/// Notes in a directory that it has a journal.
pub(super) fn write_format(path: &Path) -> Result<(), StoreError> {
    write_whole(&path.join("format"), FORMAT.as_bytes())
}

/// Writes a file that is there whole or not at all. Its name survives a power loss only when the
/// directory is synced.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let half = path.with_extension("new");
    std::fs::write(&half, bytes).map_err(StoreError::io("write", &half))?;
    let written = File::open(&half).map_err(StoreError::io("open", &half))?;
    written.sync_all().map_err(StoreError::io("sync", &half))?;
    std::fs::rename(&half, path).map_err(StoreError::io("rename", &half))
}

/// Makes the names in a directory survive a power loss.
pub(super) fn sync_dir(path: &Path) -> Result<(), StoreError> {
    let directory = File::open(path).map_err(StoreError::io("open", path))?;
    directory.sync_all().map_err(StoreError::io("sync", path))
}

/// The bytes of the files in a directory, as far as they can be seen.
pub(super) fn size_of(directory: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    let sizes = entries.flatten().filter_map(|entry| {
        let data = entry.metadata().ok()?;
        Some(if data.is_dir() { size_of(&entry.path()) } else { data.len() })
    });
    sizes.fold(0, u64::saturating_add)
}

/// Removes a directory, if it is there.
pub(super) fn remove_dir(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Copies a directory with all that is in it.
pub(super) fn copy_dir(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_user_is_refused_until_the_first_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataDir::take(folder.path()).unwrap();
        assert!(!first.was_unclean);
        let second = DataDir::take(folder.path());
        assert!(matches!(second, Err(StoreError::Locked { .. })));
        drop(first);
        let third = DataDir::take(folder.path()).unwrap();
        assert!(third.was_unclean, "the first was dropped, not closed");
        third.close().unwrap();
        assert!(!DataDir::take(folder.path()).unwrap().was_unclean);
    }

    #[test]
    fn the_journal_is_copied_after_an_unclean_stop_only() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::take(folder.path()).unwrap();
        std::fs::create_dir_all(dir.journal().join("blobs")).unwrap();
        std::fs::write(dir.journal().join("db"), b"pages").unwrap();
        assert_eq!(dir.copy_if_unclean(), None);
        assert!(!dir.copy().exists());
        drop(dir);
        let dir = DataDir::take(folder.path()).unwrap();
        assert_eq!(dir.copy_if_unclean(), None);
        assert_eq!(std::fs::read(dir.copy().join("db")).unwrap(), b"pages");
        dir.drop_copy();
        assert!(!dir.copy().exists());
    }

    /// Opening a damaged database changes it, so the second refused start used to replace the copy
    /// of the damaged journal by one of what the first start had left.
    #[test]
    fn a_copy_stays_until_the_journal_is_found_complete_or_a_loss_is_accepted() {
        let folder = tempfile::tempdir().unwrap();
        drop(DataDir::take(folder.path()).unwrap());
        let dir = DataDir::take(folder.path()).unwrap();
        std::fs::create_dir_all(dir.journal()).unwrap();
        std::fs::write(dir.journal().join("db"), b"damaged").unwrap();
        assert_eq!(dir.copy_if_unclean(), None);
        std::fs::write(dir.journal().join("db"), b"changed by opening it").unwrap();
        assert_eq!(dir.copy_if_unclean(), None);
        assert_eq!(std::fs::read(dir.copy().join("db")).unwrap(), b"damaged");
        let kept = dir.keep_copy().unwrap();
        assert!(!dir.copy().exists());
        dir.drop_copy();
        assert_eq!(std::fs::read(kept.join("db")).unwrap(), b"damaged");
        assert_eq!(dir.keep_copy(), None, "there is none any more");
    }
}
