//! The prices of a running server: all versions that were ever in force, and when each of them was.
//!
//! [`PriceBooks`] is read from a source, keeps what it reads in the data directory, and never changes:
//! a reload makes the next one, all or nothing, and whoever still holds the old one rates as before.

pub mod commands;
mod kept;
mod source;
#[cfg(test)]
mod tests;

use crate::domain::rating::{
    Buyer, Explained, PriceVersion, Prices, Rated, Running, Unpriced, Used,
};
use crate::domain::time::Timestamp;
use crate::pricing::Book;
use crate::pricing::read::{Timeline, Wrong};
use kept::{Reload, Version, Versions};
pub use source::Source;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why prices cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum PricesError {
    /// Files are not what they should be.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Wrong(Vec<Wrong>),
    /// A folder has no files of prices.
    #[error("{} has no files *.toml or *.json", .folder.display())]
    Empty {
        /// The folder.
        folder: PathBuf,
    },
    /// The disk failed.
    #[error("cannot {doing} {}: {error}", .path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it failed. It is told with the rest, so it is no source.
        error: std::io::Error,
    },
    /// What is kept is not what was written.
    #[error("{} is damaged: {what}; restore it from a backup", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

impl PricesError {
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { doing, path, error }
    }

    fn damaged(path: &Path, what: &str) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.to_owned() }
    }
}

/// The versions that are kept in a data directory, which nobody uses and nothing changes in: each is
/// what its name says and can be read, and the history and all that it names are there.
pub fn verify(data: &Path) -> Result<BTreeSet<PriceVersion>, PricesError> {
    let folder = data.join("prices");
    kept::check_mark(&folder)?;
    if !folder.exists() {
        return Ok(BTreeSet::new());
    }
    let (versions, (history, _)) = (kept::versions(&folder)?, kept::read_history(&folder)?);
    kept::check_named(&folder, &history, &versions)?;
    let sound = versions.into_iter().map(|(name, version)| version.book().map(|_| name));
    sound.collect()
}

/// All versions of the price book and when each was in force. It never changes.
#[derive(Debug)]
pub struct PriceBooks {
    /// `prices/` in the data directory.
    folder: PathBuf,
    source: Source,
    versions: Versions,
    /// Oldest first; at least one.
    history: Vec<Reload>,
}

impl PriceBooks {
    /// Reads the source and puts it in force from `now` on, if it says something else than it did
    /// last. What was in force before stays known, in `prices/` of the data directory.
    pub fn open(data: &Path, source: Source, now: Timestamp) -> Result<Self, PricesError> {
        let folder = data.join("prices");
        if !folder.exists() {
            kept::check_mark(&folder)?;
        }
        kept::make(&folder)?;
        let (versions, history) = (kept::versions(&folder)?, kept::history(&folder)?);
        kept::check_mark(&folder)?;
        kept::check_named(&folder, &history, &versions)?;
        let timeline = source.read()?;
        Self { folder, source, versions, history }.put_in_force(&timeline, now)
    }

    /// Reads the source again and puts it in force from `now` on, all or nothing: when anything is
    /// wrong, this goes on to be what is in force. One reload at a time.
    pub fn reload(&self, now: Timestamp) -> Result<Self, PricesError> {
        let timeline = self.source.read()?;
        let next = Self {
            folder: self.folder.clone(),
            source: self.source.clone(),
            versions: self.versions.clone(),
            history: self.history.clone(),
        };
        next.put_in_force(&timeline, now)
    }

    fn put_in_force(mut self, timeline: &Timeline, now: Timestamp) -> Result<Self, PricesError> {
        for (_, book) in timeline {
            if !self.versions.contains_key(&book.version()) {
                kept::keep(&self.folder, book)?;
            }
            // Also when it was kept before: it is compiled already.
            let version = Version::of(&self.folder, Arc::clone(book));
            self.versions.insert(book.version(), Arc::new(version));
        }
        let starts = timeline.iter().map(|(start, book)| (*start, book.version())).collect();
        let last = self.history.last();
        if last.is_none_or(|last| last.starts != starts) {
            // History has an order, whatever the clock does.
            let at = last.map_or(now, |last| last.at.max(now));
            let reload = Reload { at, starts };
            kept::append(&self.folder, &reload)?;
            self.history.push(reload);
        }
        kept::set_mark(&self.folder)?;
        Ok(self)
    }

    /// The book of a version. `Ok(None)`: it was never in force; an error: what is kept is damaged.
    pub fn book(&self, version: PriceVersion) -> Result<Option<&Arc<Book>>, PricesError> {
        self.versions.get(&version).map(|version| version.book()).transpose()
    }

    /// The book in force at a time; none before the first file's beginning.
    pub fn book_at(&self, at: Timestamp) -> Result<Option<&Arc<Book>>, PricesError> {
        self.in_force(at).map_or(Ok(None), |version| self.book(version))
    }

    fn known(&self, version: PriceVersion) -> Result<&Book, Unpriced> {
        match self.book(version) {
            Ok(Some(book)) => Ok(book),
            Ok(None) => Err(Unpriced::NoVersion),
            Err(error) => {
                tracing::error!(%error, "a version of the prices cannot be read");
                Err(Unpriced::Unreadable)
            }
        }
    }
}

impl Prices for PriceBooks {
    /// By the reload that was the last at that time; before the first one, by the first.
    fn in_force(&self, at: Timestamp) -> Option<PriceVersion> {
        let later = self.history.partition_point(|reload| reload.at <= at);
        let reload = self.history.get(later.saturating_sub(1))?;
        let started = reload.starts.iter().rev().find(|(start, _)| *start <= at);
        started.map(|(_, version)| *version)
    }

    fn rate(
        &self,
        version: PriceVersion,
        used: Used<'_>,
        buyer: Buyer<'_>,
        running: &dyn Running,
    ) -> Result<Rated, Unpriced> {
        self.known(version)?.rate(used, buyer, running)
    }

    fn explain(
        &self,
        version: PriceVersion,
        used: Used<'_>,
        buyer: Buyer<'_>,
        running: &dyn Running,
    ) -> Result<Explained, Unpriced> {
        self.known(version)?.explain(used, buyer, running)
    }
}
