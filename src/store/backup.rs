//! Backups: all that a checkpoint has, as a directory that a server can be started on.
//!
//! The state becomes one redo file, so that the start puts it into a database of its own; the archive's
//! files never change, so a link is as good as a copy. Snapshots may have records from behind the
//! checkpoint's end, so those of the journal are copied too: else money would be kept, and its op id
//! lost. The directory gets its name when it is whole and on disk.

use super::checkpoint::Checkpoint;
use super::data_dir::{self, DataDir};
use super::redo::RedoWriter;
use super::sled::SledJournal;
use super::state::{Row, State, Table};
use super::writer::Tail;
use super::{Journal as _, JournalReader, StoreError};
use crate::codec::record::Position;
use crate::codec::value::{self, Content};
use std::ffi::OsString;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What a stopped store has that is not for its copy.
const LEFT_OUT: [&str; 3] = ["lock", "control", "archive"];

/// A backup that lacks what can be copied while the store goes on.
#[derive(Debug)]
pub struct Unfinished {
    to: PathBuf,
    half: PathBuf,
    /// Files of the archive that could not be linked. They stay readable when the store removes them.
    files: Vec<(File, PathBuf)>,
    checkpoint: u64,
}

/// Where what is backed up lies.
pub(super) struct Source<'a> {
    pub(super) state: &'a dyn State,
    pub(super) journal: &'a dyn JournalReader,
    /// The archive's folder.
    pub(super) archive: &'a Path,
    pub(super) checkpoint: &'a Checkpoint,
}

/// Begins a backup. Until this returns, nobody may change the state and the archive, or trim the
/// journal.
pub(super) fn begin(to: &Path, source: &Source<'_>) -> Result<Unfinished, StoreError> {
    let mut this = Unfinished::create(to)?;
    this.checkpoint = source.checkpoint.number;
    let begun = this.link(source.archive).and_then(|()| this.write(source));
    // Behind the records: so the prices that they name are among those that are kept by now.
    let begun =
        begun.and_then(|()| source.archive.parent().map_or(Ok(()), |data| this.prices(data)));
    this.or_removed(begun)
}

/// Copies a store that nobody uses, as it is.
pub fn copy_still(from: &Path, to: &Path) -> Result<(), StoreError> {
    let (from_whole, to_whole) = (std::path::absolute(from), std::path::absolute(to));
    if let (Ok(from), Ok(to)) = (from_whole, to_whole)
        && to.starts_with(from)
    {
        let reason = "a stopped store is not copied into itself; name a directory outside of it";
        return Err(StoreError::Target { path: to, reason });
    }
    if !data_dir::has_format(from)? {
        return Err(StoreError::NoData { path: from.to_owned() });
    }
    let mut this = Unfinished::create(to)?;
    let copied = this.link(&from.join("archive")).and_then(|()| this.copy_rest(from));
    this.or_removed(copied)?.finish().map(drop)
}

impl Unfinished {
    /// Makes the directory, under another name until it is whole.
    fn create(to: &Path) -> Result<Self, StoreError> {
        let target = |reason| StoreError::Target { path: to.to_owned(), reason };
        let is_free = match std::fs::read_dir(to) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == ErrorKind::NotFound => true,
            Err(error) => return Err(StoreError::io("read", to)(error)),
        };
        if !is_free {
            return Err(target("it is not empty"));
        }
        let mut name = to.file_name().ok_or(target("it has no name"))?.to_owned();
        name.push(".unfinished");
        let half = to.with_file_name(name);
        std::fs::create_dir(&half).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => StoreError::Target {
                path: half.clone(),
                reason: "it is there already: another backup goes on, or one was cut off; remove it then",
            },
            _ => StoreError::io("make the directory", &half)(error),
        })?;
        Ok(Self { to: to.to_owned(), half, files: Vec::new(), checkpoint: 0 })
    }

    /// Takes the archive's files; those that cannot be linked are copied at the end.
    fn link(&mut self, archive: &Path) -> Result<(), StoreError> {
        let folder = self.half.join("archive");
        std::fs::create_dir(&folder).map_err(StoreError::io("make the directory", &folder))?;
        for (path, name) in archive_files(archive)? {
            let target = folder.join(name);
            if std::fs::hard_link(&path, &target).is_err() {
                let file = File::open(&path).map_err(StoreError::io("open", &path))?;
                self.files.push((file, target));
            }
        }
        Ok(())
    }

    /// Takes the prices that are kept, if there are any: first their history, then the versions that
    /// it names. Versions never change.
    fn prices(&self, data: &Path) -> Result<(), StoreError> {
        let (from, to) = (data.join("prices"), self.half.join("prices"));
        if !from.join("history").exists() {
            return Ok(());
        }
        std::fs::create_dir(&to).map_err(StoreError::io("make the directory", &to))?;
        let copy = |name: &Path| {
            let (from, to) = (from.join(name), to.join(name));
            std::fs::copy(&from, &to).map(drop).map_err(StoreError::io("copy", &from))
        };
        copy(Path::new("history"))?;
        for entry in std::fs::read_dir(&from).map_err(StoreError::io("read", &from))? {
            let name = entry.map_err(StoreError::io("read", &from))?.file_name();
            let name = Path::new(&name);
            if name.extension().is_some_and(|ending| ending == "json") {
                copy(name)?;
            }
        }
        sync_all(&to)
    }

    /// Writes what a start needs beside the archive.
    fn write(&self, source: &Source<'_>) -> Result<(), StoreError> {
        let mut redo = RedoWriter::create(&self.half.join("redo"))?;
        for table in Table::ALL {
            source.state.range(table, &[], &mut |key, value| {
                redo.add(&Row::put(table, key.to_vec(), value.to_vec()))?;
                Ok(true)
            })?;
        }
        redo.finish()?;
        let dir = DataDir::take(&self.half)?;
        let mut journal = SledJournal::open(&dir)?;
        let mut marks = Vec::new();
        for log in 0..Position::LOGS_MAX {
            let anchors = &source.checkpoint.tails;
            let anchor = anchors.iter().find(|tail| tail.next.log() == log);
            let anchor = anchor.copied().unwrap_or(Tail::empty(log));
            let end = copy_log(source.journal, &mut journal, anchor)?;
            marks.extend((end.next.number() > 1).then(|| end.mark()));
        }
        journal.sync()?;
        journal.reset_marks(&marks)?;
        drop(journal);
        sync_all(&dir.journal())?;
        dir.close()?;
        let lock = self.half.join("lock");
        std::fs::remove_file(&lock).map_err(StoreError::io("remove", lock))
    }

    /// Copies everything but the archive.
    fn copy_rest(&self, from: &Path) -> Result<(), StoreError> {
        let entries = std::fs::read_dir(from).map_err(StoreError::io("read", from))?;
        for entry in entries {
            let path = entry.map_err(StoreError::io("read", from))?.path();
            let Some(name) = path.file_name() else { continue };
            let text = name.to_string_lossy();
            if LEFT_OUT.contains(&&*text) || text.starts_with("journal.before-loss-") {
                continue;
            }
            let target = self.half.join(name);
            if path.is_dir() {
                data_dir::copy_dir(&path, &target).map_err(StoreError::io("copy", &path))?;
            } else {
                let copied = std::fs::copy(&path, &target);
                copied.map_err(StoreError::io("copy", &path))?;
            }
            sync_all(&target)?;
        }
        Ok(())
    }

    /// Itself, when that went well; else what was made is removed.
    fn or_removed(self, result: Result<(), StoreError>) -> Result<Self, StoreError> {
        match result {
            Ok(()) => Ok(self),
            Err(error) => {
                // Its name says what it is, when it cannot be removed.
                let _ = data_dir::remove_dir(&self.half);
                Err(error)
            }
        }
    }

    /// Copies what is left to copy, and gives the directory its name. Answers the checkpoint's number.
    pub fn finish(mut self) -> Result<u64, StoreError> {
        let files = std::mem::take(&mut self.files);
        let completed = files.into_iter().try_for_each(copy_file).and_then(|()| self.complete());
        self.or_removed(completed).map(|this| this.checkpoint)
    }

    fn complete(&self) -> Result<(), StoreError> {
        data_dir::sync_dir(&self.half.join("archive"))?;
        data_dir::sync_dir(&self.half)?;
        std::fs::rename(&self.half, &self.to).map_err(StoreError::io("rename", &self.half))?;
        match self.to.parent() {
            Some(parent) if parent != Path::new("") => data_dir::sync_dir(parent),
            _ => data_dir::sync_dir(Path::new(".")),
        }
    }
}

/// Copies the whole records that a log has from its anchor on; answers where they end. There may be
/// more of them every moment.
fn copy_log(
    from: &dyn JournalReader,
    to: &mut SledJournal,
    anchor: Tail,
) -> Result<Tail, StoreError> {
    let (mut end, mut tail, mut unfinished) = (anchor, anchor, Vec::new());
    let log_end = Position::new(anchor.next.log().saturating_add(1), 0);
    from.read(anchor.next, log_end, &mut |position, bytes| {
        let damaged = |reason: String| StoreError::Damaged { position, reason };
        let value = value::decode(bytes).map_err(|error| damaged(error.to_string()))?;
        if (position, value.first, value.chain) != (tail.next, tail.next, tail.chain) {
            return Err(damaged(format!("it does not follow what is before {}", tail.next)));
        }
        let (positions, is_whole) = match value.content {
            Content::Whole { records } => (u64::from(records), true),
            Content::Fragment { part, parts } => (1, part.saturating_add(1) == parts),
        };
        let chain = value::chain_after(bytes, tail.chain);
        tail = Tail { next: tail.next.plus(positions), chain };
        unfinished.push((position, bytes.to_vec()));
        if is_whole {
            for (position, bytes) in unfinished.drain(..) {
                to.append(position, &bytes)?;
            }
            end = tail;
        }
        Ok(())
    })?;
    Ok(end)
}

/// The complete files in the archive's folder, with their names; none when there is no folder.
pub(super) fn archive_files(archive: &Path) -> Result<Vec<(PathBuf, OsString)>, StoreError> {
    let entries = match std::fs::read_dir(archive) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::io("read", archive)(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(StoreError::io("read", archive))?;
        let path = entry.path();
        if path.extension().is_some_and(|ending| ending == "seg" || ending == "idx") {
            files.push((path, entry.file_name()));
        }
    }
    files.sort();
    Ok(files)
}

fn copy_file((mut from, to): (File, PathBuf)) -> Result<(), StoreError> {
    let copied = File::create(&to).and_then(|mut file| {
        std::io::copy(&mut from, &mut file)?;
        file.sync_all()
    });
    copied.map_err(StoreError::io("write", to))
}

/// Makes a file, or a directory with all that is in it, survive a power loss.
fn sync_all(path: &Path) -> Result<(), StoreError> {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).map_err(StoreError::io("read", path))?;
        for entry in entries {
            sync_all(&entry.map_err(StoreError::io("read", path))?.path())?;
        }
    }
    data_dir::sync_dir(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prices_that_are_kept_are_taken_along() {
        let folder = tempfile::tempdir().unwrap();
        let (data, to) = (folder.path().join("data"), folder.path().join("to"));
        let backup = Unfinished::create(&to).unwrap();
        backup.prices(&data).unwrap();
        assert!(!backup.half.join("prices").exists());
        std::fs::create_dir_all(data.join("prices")).unwrap();
        for (name, text) in [("history", "h"), ("0123456789abcdef.json", "v"), ("new", "half")] {
            std::fs::write(data.join("prices").join(name), text).unwrap();
        }
        backup.prices(&data).unwrap();
        let taken =
            |name: &str| std::fs::read_to_string(backup.half.join("prices").join(name)).ok();
        assert_eq!(taken("history").as_deref(), Some("h"));
        assert_eq!(taken("0123456789abcdef.json").as_deref(), Some("v"));
        assert_eq!(taken("new"), None);
    }
}
