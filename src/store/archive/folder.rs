//! The archive's folder: names, and files that are there whole or not at all.

use super::super::{StoreError, data_dir};
use std::ffi::OsStr;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

/// What a file is called while it is written.
const UNFINISHED: &str = ".new";

/// The appends that a segment holds, counted from 1: one when it is fresh, several once merged. It
/// is the segment's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Appends {
    pub(super) first: u64,
    pub(super) last: u64,
}

impl Appends {
    /// Whether all of the other's are among these.
    pub(super) const fn contain(self, other: Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    /// The range that a file name says, without its ending.
    fn parse(name: &str) -> Option<Self> {
        let (first, last) = name.split_once('-')?;
        let this = Self { first: first.parse().ok()?, last: last.parse().ok()? };
        (this.to_string() == name && this.first <= this.last).then_some(this)
    }
}

impl fmt::Display for Appends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:010}-{:010}", self.first, self.last)
    }
}

/// What a file of the archive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    Segment,
    Index,
}

impl FileKind {
    const fn ending(self) -> &'static str {
        match self {
            Self::Segment => "seg",
            Self::Index => "idx",
        }
    }
}

/// The folder.
#[derive(Debug, Clone)]
pub(super) struct Folder(PathBuf);

/// What lies in the folder.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) segments: Vec<Appends>,
    pub(super) indexes: Vec<Appends>,
    pub(super) unfinished: Vec<PathBuf>,
}

impl Folder {
    /// Takes the folder, making it if need be.
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        if !path.exists() {
            std::fs::create_dir_all(path).map_err(StoreError::io("make the directory", path))?;
            if let Some(parent) = path.canonicalize().ok().as_deref().and_then(Path::parent) {
                data_dir::sync_dir(parent)?;
            }
        }
        Ok(Self(path.to_owned()))
    }

    /// What lies in it; what is not the archive's is left alone.
    pub(super) fn list(&self) -> Result<Listing, StoreError> {
        let mut listing = Listing::default();
        let entries = std::fs::read_dir(&self.0).map_err(StoreError::io("list", &self.0))?;
        for entry in entries {
            let path = entry.map_err(StoreError::io("list", &self.0))?.path();
            let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
            if let Some(name) = name.strip_suffix(UNFINISHED) {
                if parse(name).is_some() {
                    listing.unfinished.push(path);
                }
                continue;
            }
            match parse(name) {
                Some((appends, FileKind::Segment)) => listing.segments.push(appends),
                Some((appends, FileKind::Index)) => listing.indexes.push(appends),
                None => {}
            }
        }
        Ok(listing)
    }

    /// Where a file lies.
    pub(super) fn path(&self, appends: Appends, kind: FileKind) -> PathBuf {
        self.0.join(format!("{appends}.{}", kind.ending()))
    }

    /// Begins a file, under another name until it is [published](Folder::publish).
    pub(super) fn create(&self, appends: Appends, kind: FileKind) -> Result<File, StoreError> {
        let path = unfinished(&self.path(appends, kind));
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(true);
        let file = options.open(&path).map_err(StoreError::io("make", path))?;
        self.stepped();
        Ok(file)
    }

    /// Gives a file that is safe on disk its name. The name survives a power loss only after
    /// [`Folder::sync`].
    pub(super) fn publish(&self, appends: Appends, kind: FileKind) -> Result<(), StoreError> {
        let path = self.path(appends, kind);
        let half = unfinished(&path);
        std::fs::rename(&half, &path).map_err(StoreError::io("rename", half))?;
        self.stepped();
        Ok(())
    }

    /// Removes a file that may not be there.
    pub(super) fn remove(&self, path: &Path) -> Result<(), StoreError> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::io("remove", path)(error));
            }
            _ => {}
        }
        self.stepped();
        Ok(())
    }

    /// Removes what was written under a name that nobody has been told of.
    pub(super) fn discard(&self, appends: Appends) -> Result<(), StoreError> {
        for kind in [FileKind::Segment, FileKind::Index] {
            let path = self.path(appends, kind);
            self.remove(&path)?;
            self.remove(&unfinished(&path))?;
        }
        Ok(())
    }

    /// Removes a segment and its index; safe on disk when it returns.
    pub(super) fn remove_segment(&self, appends: Appends) -> Result<(), StoreError> {
        // An index without its segment is removed at the next start; the other way round it would
        // be made again first.
        self.remove(&self.path(appends, FileKind::Segment))?;
        self.remove(&self.path(appends, FileKind::Index))?;
        self.sync()
    }

    /// Makes the names in the folder survive a power loss.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        data_dir::sync_dir(&self.0)
    }

    /// Lets a test look at what a crash would leave now.
    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "only tests look"))]
    fn stepped(&self) {
        #[cfg(test)]
        tests::stepped(&self.0);
    }
}

fn unfinished(path: &Path) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(UNFINISHED);
    path.into()
}

/// What a file is, by its name.
fn parse(name: &str) -> Option<(Appends, FileKind)> {
    let (name, ending) = name.rsplit_once('.')?;
    let kinds = [FileKind::Segment, FileKind::Index];
    let kind = kinds.into_iter().find(|kind| kind.ending() == ending)?;
    Some((Appends::parse(name)?, kind))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::cell::RefCell;

    type Look = Box<dyn FnMut(&Path)>;
    thread_local!(static LOOK: RefCell<Option<Look>> = const { RefCell::new(None) });

    /// Has `look` called after each step that this thread takes in a folder.
    pub(in super::super) fn look_at_each_step(look: Option<Look>) {
        LOOK.set(look);
    }

    pub(super) fn stepped(path: &Path) {
        LOOK.with_borrow_mut(|look| {
            if let Some(look) = look {
                look(path);
            }
        });
    }

    #[test]
    fn only_the_archives_own_names_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "0000000001-0000000008.seg",
            "0000000001-0000000008.idx",
            "12345678901-12345678902.seg",
            "0000000009-0000000009.seg.new",
            "notes.new",
            "1-8.seg",
            "0000000008-0000000001.seg",
            "0000000001-0000000001.seg.bak",
            "notes",
        ] {
            std::fs::write(folder.path().join(name), b"").unwrap();
        }
        let listing = Folder::take(folder.path()).unwrap().list().unwrap();
        let mut segments = listing.segments;
        segments.sort();
        let (early, late) = (12_345_678_901, 12_345_678_902);
        let (first, second) = (Appends { first: 1, last: 8 }, Appends { first: early, last: late });
        assert_eq!(segments, [first, second]);
        assert_eq!(listing.indexes, [first]);
        assert_eq!(listing.unfinished.len(), 1);
    }
}
