//! A store at rest, to be looked at. Nothing in its directory changes: what would change by being
//! opened (the databases, a redo file) is copied elsewhere first, and the archive is read where it
//! lies, through links.

use super::archive::Settings;
use super::checkpoint::Checkpoint;
use super::data_dir::{self, DataDir};
use super::history::{self, History};
use super::keeper::{Keeper, Places};
use super::recovery::{self, Loss, Start};
use super::sled::{SledJournal, SledState, check_settings};
use super::state::State;
use super::writer::Tail;
use super::{Journal, StoreError, backup, redo};
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// What is copied.
const COPIED: [&str; 5] = ["format", "mark", "redo", "journal", "state"];

/// A copy of a store's directory that opens like the original.
#[derive(Debug)]
pub struct StillCopy {
    original: PathBuf,
    dir: DataDir,
    /// Removed with all that is in it when this is dropped.
    folder: TempDir,
    /// Nobody changes the original as long as this is ours.
    _lock: Option<File>,
}

/// An open store.
pub struct Still {
    /// The journal's values.
    pub journal: Box<dyn Journal>,
    /// What lies in archive, journal and state.
    pub history: History,
    /// The last checkpoint.
    pub checkpoint: Checkpoint,
    /// Up to where the archive has each log.
    pub archived: Vec<Tail>,
    /// How many records the journal has behind the checkpoint.
    pub journaled: u64,
    /// What was cut off the copy's journal because it was never acknowledged, in words.
    pub dropped: Vec<String>,
    /// Indexes of the archive that are missing or no use, so that others were made for this look.
    pub lost_indexes: Vec<PathBuf>,
}

impl Still {
    /// The store that a journal is, and what a keeper has beside it. What was never acknowledged is cut
    /// off the journal, as a start would.
    pub fn of(mut journal: Box<dyn Journal>, keeper: &Keeper) -> Result<Self, StoreError> {
        let state = keeper.state();
        let start = Start {
            anchors: &keeper.checkpoint().tails,
            archived: &keeper.archive_tails(),
            base: &|wallet| history::kept_seq(state.as_ref(), wallet),
        };
        let recovered = recovery::recover(journal.as_mut(), &start, Loss::Refuse)?;
        let journaled = recovered.tail.read();
        let (reader, view, secret) = (journal.reader(), keeper.view(), keeper.secret());
        Ok(Self {
            history: History::new(Arc::clone(&state), reader, view, recovered.tail, secret),
            journal,
            checkpoint: keeper.checkpoint().clone(),
            archived: keeper.archive_tails(),
            journaled,
            dropped: recovered.dropped,
            lost_indexes: Vec::new(),
        })
    }
}

impl StillCopy {
    /// Copies a store that nobody uses.
    pub fn of(original: &Path) -> Result<Self, StoreError> {
        if !data_dir::has_format(original)? {
            return Err(StoreError::NoData { path: original.to_owned() });
        }
        let original =
            original.canonicalize().map_err(StoreError::io("find the directory", original))?;
        let lock = data_dir::hold_still(&original)?;
        let folder = folder(&original)?;
        let copy = folder.path().join("data");
        let dir = DataDir::take(&copy)?;
        for name in COPIED {
            let (from, to) = (original.join(name), copy.join(name));
            copied(&from, &to).map_err(|error| match error.kind() {
                ErrorKind::StorageFull => StoreError::NoRoom {
                    path: folder.path().to_owned(),
                    bytes: COPIED.iter().map(|name| size(&original.join(name))).sum(),
                },
                _ => StoreError::io("copy", from)(error),
            })?;
        }
        let archive = dir.archive();
        std::fs::create_dir(&archive).map_err(StoreError::io("make the directory", &archive))?;
        for (path, name) in backup::archive_files(&original.join("archive"))? {
            // Whatever opening the archive removes or makes anew, it is the link that it replaces.
            let linked = std::os::unix::fs::symlink(&path, archive.join(name));
            linked.map_err(StoreError::io("link to", path))?;
        }
        Ok(Self { original, dir, folder, _lock: lock })
    }

    /// Opens it as a start would.
    pub fn open(&self) -> Result<Still, StoreError> {
        for database in [self.dir.journal(), self.dir.state()] {
            check_settings(&database)?;
        }
        let journal = SledJournal::open(&self.dir)?;
        let state: Arc<dyn State> = Arc::new(SledState::open(&self.dir)?);
        let places = Places::of(&self.dir);
        redo::apply(&places.redo, state.as_ref(), &|| true)?;
        let mut keeper = Keeper::open(
            places,
            state,
            journal.reader(),
            Settings::default(),
            // Only a store without a checkpoint has no secret, and its archive no index.
            [0; 16],
        )?;
        keeper.archive_mut().read_filters()?;
        let mut still = Still::of(Box::new(journal), &keeper)?;
        still.lost_indexes = self.lost_indexes()?;
        Ok(still)
    }

    /// Indexes that were made while the archive was opened: those are no links.
    fn lost_indexes(&self) -> Result<Vec<PathBuf>, StoreError> {
        let mut lost = Vec::new();
        for (path, name) in backup::archive_files(&self.dir.archive())? {
            if !path.is_symlink() {
                lost.push(self.original.join("archive").join(name));
            }
        }
        Ok(lost)
    }

    /// What is wrong and why, in words that name the original.
    pub fn in_words(&self, error: &StoreError) -> String {
        let copy = self.folder.path().join("data");
        error.in_words().replace(&*copy.to_string_lossy(), &self.original.to_string_lossy())
    }
}

/// A folder for the copy: where TMPDIR says, else beside the original, else where it can be.
fn folder(original: &Path) -> Result<TempDir, StoreError> {
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix(".purser-look-");
    if std::env::var_os("TMPDIR").is_none()
        && let Some(beside) = original.parent()
        && let Ok(folder) = builder.tempdir_in(beside)
    {
        return Ok(folder);
    }
    builder.tempdir().map_err(StoreError::io("make a folder in", std::env::temp_dir()))
}

/// Copies a file or a directory, if it is there.
fn copied(from: &Path, to: &Path) -> std::io::Result<()> {
    match from.symlink_metadata() {
        Ok(data) if data.is_dir() => data_dir::copy_dir(from, to),
        Ok(_) => std::fs::copy(from, to).map(drop),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn size(path: &Path) -> u64 {
    if path.is_dir() {
        return data_dir::size_of(path);
    }
    path.metadata().map_or(0, |data| data.len())
}
