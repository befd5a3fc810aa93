//! What is kept of prices in the data directory: `prices/<version>.json`, the canonical text of every
//! version that was ever in force, and `prices/history`, a line a reload: which version is in force
//! from when on.
//!
//! A version is safe on the disk before the history names it, and the history before anybody rates by
//! it. A line ends with its newline: what stands behind the last one was never in force, and goes.

use super::PricesError;
use crate::domain::rating::PriceVersion;
use crate::domain::time::Timestamp;
use crate::pricing::Book;
use crate::pricing::read;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// A version that is kept.
#[derive(Debug)]
pub(super) struct Version {
    path: PathBuf,
    name: PriceVersion,
    book: OnceLock<Result<Arc<Book>, String>>,
}

/// What was put in force at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reload {
    /// When.
    pub(super) at: Timestamp,
    /// From when on which version, earliest first.
    pub(super) starts: Vec<(Timestamp, PriceVersion)>,
}

/// All versions, by name.
pub(super) type Versions = BTreeMap<PriceVersion, Arc<Version>>;

impl Version {
    fn at(path: PathBuf, name: PriceVersion) -> Self {
        Self { path, name, book: OnceLock::new() }
    }

    /// A version that was just compiled.
    pub(super) fn of(folder: &Path, book: Arc<Book>) -> Self {
        let version = book.version();
        let kept = Self::at(path_of(folder, version), version);
        // A cell that was just made is empty.
        let _ = kept.book.set(Ok(book));
        kept
    }

    /// Its book; read when it is asked for the first time.
    pub(super) fn book(&self) -> Result<&Arc<Book>, PricesError> {
        let book = self.book.get_or_init(|| {
            let book = self.text().and_then(|text| {
                let name = self.path.display().to_string();
                read::canonical(&name, &text).map_err(|wrong| PricesError::Wrong(vec![wrong]))
            });
            book.map(Arc::new).map_err(|error| error.to_string())
        });
        book.as_ref().map_err(|what| PricesError::damaged(&self.path, what))
    }

    /// Its text, which is checked against its name.
    fn text(&self) -> Result<String, PricesError> {
        let bytes = std::fs::read(&self.path).map_err(PricesError::io("read", &self.path))?;
        let text = String::from_utf8(bytes).ok();
        let text = text.filter(|text| read::version(text) == self.name);
        text.ok_or_else(|| PricesError::damaged(&self.path, "its content is not the version's"))
    }
}

fn path_of(folder: &Path, version: PriceVersion) -> PathBuf {
    folder.join(format!("{version}.json"))
}

fn sync_dir(path: &Path) -> Result<(), PricesError> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(PricesError::io("sync", path))
}

/// Makes the folder, if need be.
pub(super) fn make(folder: &Path) -> Result<(), PricesError> {
    std::fs::create_dir_all(folder).map_err(PricesError::io("make", folder))?;
    folder.parent().map_or(Ok(()), sync_dir)
}

/// All versions that are kept; each is read, and is what its name says.
pub(super) fn versions(folder: &Path) -> Result<Versions, PricesError> {
    let mut versions = Versions::new();
    for entry in std::fs::read_dir(folder).map_err(PricesError::io("read", folder))? {
        let entry = entry.map_err(PricesError::io("read", folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let named = name.strip_suffix(".json").and_then(PriceVersion::parse);
        if let Some(version) = named {
            let kept = Version::at(entry.path(), version);
            kept.text()?;
            versions.insert(version, Arc::new(kept));
        }
    }
    Ok(versions)
}

/// Puts a file into a folder: all of it is safe before it has its name.
fn put(folder: &Path, path: &Path, text: &str) -> Result<(), PricesError> {
    let new = folder.join("new");
    let written = File::create(&new).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(PricesError::io("write", &new))?;
    std::fs::rename(&new, path).map_err(PricesError::io("name", path))?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Keeps a version.
pub(super) fn keep(folder: &Path, book: &Book) -> Result<(), PricesError> {
    let path = path_of(folder, book.version());
    let text = read::text_to_keep(&path.display().to_string(), book);
    put(folder, &path, &text.map_err(|wrong| PricesError::Wrong(vec![wrong]))?)
}

/// All reloads, oldest first, and where the last whole line ends if something stands behind it.
pub(super) fn read_history(folder: &Path) -> Result<(Vec<Reload>, Option<u64>), PricesError> {
    let path = folder.join("history");
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok((Vec::new(), None)),
        Err(error) => return Err(PricesError::io("read", &path)(error)),
    };
    let whole = memchr::memrchr(b'\n', &bytes).map_or(0, |last| last.saturating_add(1));
    let lines = String::from_utf8_lossy(bytes.get(..whole).unwrap_or_default()).into_owned();
    let reloads = lines.lines().enumerate().map(|(index, line)| {
        parse(line).ok_or_else(|| {
            let number = index.saturating_add(1);
            PricesError::damaged(&path, &format!("line {number} is not what was written"))
        })
    });
    let torn = (whole < bytes.len()).then(|| u64::try_from(whole).unwrap_or_default());
    Ok((reloads.collect::<Result<_, _>>()?, torn))
}

/// All reloads, oldest first. What stands behind the last whole line is cut off.
pub(super) fn history(folder: &Path) -> Result<Vec<Reload>, PricesError> {
    let (reloads, torn) = read_history(folder)?;
    if let Some(length) = torn {
        let path = folder.join("history");
        let cut = OpenOptions::new().write(true).open(&path);
        let cut = cut.and_then(|file| file.set_len(length).and_then(|()| file.sync_all()));
        cut.map_err(PricesError::io("cut", &path))?;
    }
    Ok(reloads)
}

/// Every version that the history names is kept.
pub(super) fn check_named(
    folder: &Path,
    history: &[Reload],
    versions: &Versions,
) -> Result<(), PricesError> {
    let mut named = history.iter().flat_map(|reload| &reload.starts);
    match named.find(|(_, version)| !versions.contains_key(version)) {
        Some((_, missing)) => {
            Err(PricesError::damaged(&path_of(folder, *missing), "it is missing"))
        }
        None => Ok(()),
    }
}

/// Adds a reload.
pub(super) fn append(folder: &Path, reload: &Reload) -> Result<(), PricesError> {
    let path = folder.join("history");
    let file = OpenOptions::new().append(true).create(true).open(&path);
    let appended = file.and_then(|mut file| {
        file.write_all(line(reload).as_bytes())?;
        file.sync_all()
    });
    appended.map_err(PricesError::io("append to", &path))?;
    sync_dir(folder)
}

/// The file beside the folder that says how long the history is, so that a folder or lines that are gone
/// are noticed: prices that nobody knows any more must not become other prices.
fn mark_of(folder: &Path) -> PathBuf {
    folder.with_extension("mark")
}

/// How long the history is that a file has, and its checksum.
fn measure(bytes: &[u8]) -> String {
    format!("{} {:08x}\n", bytes.len(), crc32fast::hash(bytes))
}

/// Holds the history against the mark. Without a mark nothing was ever kept, or it was copied without.
pub(super) fn check_mark(folder: &Path) -> Result<(), PricesError> {
    let (mark, path) = (mark_of(folder), folder.join("history"));
    let marked = match std::fs::read_to_string(&mark) {
        Ok(marked) => marked,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(PricesError::io("read", &mark)(error)),
    };
    let length = marked.split(' ').next().and_then(|length| length.parse().ok());
    let length: usize = length.ok_or_else(|| PricesError::damaged(&mark, "it is no mark"))?;
    let bytes = std::fs::read(&path).unwrap_or_default();
    match bytes.get(..length) {
        Some(known) if measure(known) == marked => Ok(()),
        _ => Err(PricesError::damaged(&path, "what was written to it is not all there")),
    }
}

/// Marks how long the history is, unless it is marked so.
pub(super) fn set_mark(folder: &Path) -> Result<(), PricesError> {
    let (mark, path) = (mark_of(folder), folder.join("history"));
    let bytes = std::fs::read(&path).map_err(PricesError::io("read", &path))?;
    let measured = measure(&bytes);
    if std::fs::read_to_string(&mark).is_ok_and(|marked| marked == measured) {
        return Ok(());
    }
    put(folder, &mark, &measured)
}

/// A reload as its line: a checksum, when, and from when on which version.
fn line(reload: &Reload) -> String {
    let mut rest = reload.at.millis().to_string();
    for (start, version) in &reload.starts {
        rest.extend([" ", &start.millis().to_string(), "=", &version.to_string()]);
    }
    format!("{:08x} {rest}\n", crc32fast::hash(rest.as_bytes()))
}

fn parse(line: &str) -> Option<Reload> {
    let (sum, rest) = line.split_once(' ')?;
    if u32::from_str_radix(sum, 16).ok()? != crc32fast::hash(rest.as_bytes()) {
        return None;
    }
    let time = |text: &str| text.parse().ok().map(Timestamp::from_millis);
    let mut words = rest.split(' ');
    let at = time(words.next()?)?;
    let starts = words.map(|word| {
        let (start, version) = word.split_once('=')?;
        Some((time(start)?, PriceVersion::parse(version)?))
    });
    let starts = starts.collect::<Option<Vec<_>>>().filter(|starts| !starts.is_empty())?;
    Some(Reload { at, starts })
}
