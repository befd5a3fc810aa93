//! The archive: what left the journal, kept for retries, late captures, refunds and ledgers.
//!
//! It takes the journal's values unchanged into files that are written once and never changed, and
//! finds the records of an operation, or the last of a wallet, without keeping either in memory.
//!
//! | name | what |
//! |---|---|
//! | `<first>-<last>.seg` | values of those appends (layout in `segment.rs`) |
//! | `<first>-<last>.idx` | under which keys their records are filed (layout in `index.rs`); made again from the segment when it is lost or damaged |
//! | `*.new` | a file that was not completed; removed at the next start |
//!
//! Appends are counted from 1. A fresh segment is one append; neighbours are merged into one, and
//! the oldest are unlinked when their time is over, so the numbers of all segments together are one
//! range without a gap. A file gets its name when it is complete and synced, and files that others
//! replace are unlinked when those have their names on disk: a crash leaves what was before or what
//! is after. A segment whose numbers lie within another's was merged into that, and is removed.
//!
//! One thread writes; others have a [`View`], which stays as it is however the archive goes on.
//! In memory there are 20 bits an operation, in filters that say of almost every new id that it was
//! never used, and a row a block; each segment keeps two files open. [`Archive::open`] leaves the filters
//! on the disk, so that a start takes hardly longer with more history: one that is not read yet has
//! everything looked up, until [`Archive::read_filter`] has come to it.

mod bytes;
mod cache;
mod filing;
mod filter;
mod folder;
mod follow;
mod footer;
mod index;
mod intake;
mod key;
mod merge;
mod page;
mod segment;
mod view;

pub use key::{OpKey, Secret};
pub use view::{Last, SegmentInfo, View};

use super::writer::Tail;
use super::{StoreError, Visit};
use crate::domain::time::{Span, Timestamp};
use filter::Filter;
use folder::{Appends, FileKind, Folder, Listing};
use index::Index;
use intake::Intake;
use segment::Segment;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use view::Part;

/// What an operator may set of the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// No merge makes a larger segment; an append may.
    pub segment_bytes_max: u64,
    /// How old events get before they may go; for ever, if there is none.
    pub retention: Option<Span>,
    /// How many bytes the files may have before the oldest go; any, if there is none.
    pub retention_bytes: Option<u64>,
    /// How many bytes of memory the filters may take; while another one is read, that comes on top. Beyond
    /// it they get coarser, so that more new operations cost a look at the disk.
    pub filter_bytes_max: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            segment_bytes_max: 256 * 1024 * 1024,
            retention: None,
            retention_bytes: None,
            filter_bytes_max: 1024 * 1024 * 1024,
        }
    }
}

/// What an append took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Appended {
    /// How many records.
    pub records: u64,
    /// How many values.
    pub values: u64,
    /// The bytes of the values.
    pub raw_bytes: u64,
    /// The bytes of the new files.
    pub bytes: u64,
}

/// What gives values to an append.
pub type Fill<'a> = dyn FnMut(&mut Visit<'_>) -> Result<(), StoreError> + 'a;

/// The archive's one writer.
#[derive(Debug)]
pub struct Archive {
    folder: Folder,
    secret: Secret,
    settings: Settings,
    view: Arc<View>,
}

impl Archive {
    /// Opens the archive in a folder, making it if need be, and removes what a crash has left
    /// there. `secret` must be the one that it was made with: with another, all indexes are made
    /// again. No filter is read yet.
    pub fn open(path: &Path, secret: Secret, settings: Settings) -> Result<Self, StoreError> {
        let folder = Folder::take(path)?;
        let listing = folder.list()?;
        listing.unfinished.iter().try_for_each(|path| folder.remove(path))?;
        let segments = open_segments(&folder, &listing)?;
        let mut kept = Vec::new();
        for segment in segments {
            kept.push(open_part(&folder, segment, secret)?);
        }
        remove_rest(&folder, &listing, &kept)?;
        let mut this = Self { folder, secret, settings, view: Arc::default() };
        this.show(kept);
        Ok(this)
    }

    /// Reads one of the filters that are not read yet, that of the newest segment; whether there was one. Where
    /// it is damaged, the index is made again.
    pub fn read_filter(&mut self) -> Result<bool, StoreError> {
        let is_unread = |part: &Part| part.filter.is_unread();
        let Some(place) = self.view.parts.iter().rposition(is_unread) else { return Ok(false) };
        let Some(part) = self.view.parts.get(place) else { return Ok(false) };
        let segment = Arc::clone(&part.segment);
        let (index, filter) = match part.index.read_filter() {
            Ok(filter) => (Arc::clone(&part.index), filter),
            Err(error) => {
                let (index, filter) = made_again(&self.folder, &segment, self.secret, &error)?;
                (Arc::new(index), filter)
            }
        };
        let read = Part { segment, index, filter: Arc::new(filter) };
        self.replace(place..place.saturating_add(1), Some(read));
        Ok(true)
    }

    /// Reads all filters that are not read yet.
    pub fn read_filters(&mut self) -> Result<(), StoreError> {
        while self.read_filter()? {}
        Ok(())
    }

    /// The archive as it is now.
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.view)
    }

    /// How far each log is archived: where its next value goes, and the chain there. That the newest
    /// segments were taken away shows only there: the journal then begins behind these ends.
    pub fn tails(&self) -> Vec<Tail> {
        self.view.parts.last().map(|part| part.segment.footer.ends().collect()).unwrap_or_default()
    }

    /// Takes values of whole records as a new segment; `fill` gives them in the order of positions
    /// within each log, best log by log, and all fragments of a record one behind the other. Those
    /// that the archive has are left out. They are safe on disk when this returns; after an error
    /// the archive is as before. Until it returns, some 50 bytes a record are in memory.
    pub fn append(&mut self, fill: &mut Fill<'_>) -> Result<Appended, StoreError> {
        let last = self.view.parts.last().map_or(0, |part| part.segment.footer.appends.last);
        let number = last.saturating_add(1);
        let appends = Appends { first: number, last: number };
        let starts = self.tails();
        let built =
            Intake::new(&self.folder, appends, &starts, self.secret).and_then(|mut intake| {
                fill(&mut |position, bytes| intake.take(position, bytes))?;
                if intake.has_values { intake.finish().map(Some) } else { Ok(None) }
            });
        let Some(part) = self.publish(appends, built)? else { return Ok(Appended::default()) };
        let SegmentInfo { records, values, raw_bytes, bytes, .. } = part.info();
        let mut parts = self.view.parts.clone();
        parts.push(part);
        self.show(parts);
        Ok(Appended { records, values, raw_bytes, bytes })
    }

    /// Merges some neighbours into one segment, if there are enough of about a size; whether it
    /// did. After an error the archive is as before, or merged with files left to remove. Those who
    /// have an older view are not disturbed.
    pub fn merge(&mut self) -> Result<bool, StoreError> {
        let sizes: Vec<_> = self.view.parts.iter().map(|part| part.segment.bytes).collect();
        let Some(run) = merge::choose(&sizes, self.settings.segment_bytes_max) else {
            return Ok(false);
        };
        let merged = self.view.parts.get(run.clone()).unwrap_or_default();
        let (Some(oldest), Some(newest)) = (merged.first(), merged.last()) else {
            return Ok(false);
        };
        let (oldest, newest) = (oldest.segment.footer.appends, newest.segment.footer.appends);
        let appends = Appends { first: oldest.first, last: newest.last };
        let built = merge::merge(&self.folder, appends, merged, self.secret, &self.view.cache);
        let Some(part) = self.publish(appends, built.map(Some))? else { return Ok(false) };
        let replaced: Vec<_> = merged.iter().map(|part| part.segment.footer.appends).collect();
        self.replace(run, Some(part));
        replaced.into_iter().try_for_each(|old| self.folder.remove_segment(old))?;
        Ok(true)
    }

    /// Unlinks the oldest segments whose time is over, or for which there is no room; how many. A
    /// segment with events since `keep_since` stays, and so does the newest: it says how far the
    /// logs are archived. Before each, `note` is told the number of the append that is the oldest
    /// then, and must remember it: so that what is missing can be told from what was retired.
    pub fn retire(
        &mut self,
        now: Timestamp,
        keep_since: Timestamp,
        note: &mut dyn FnMut(u64) -> Result<(), StoreError>,
    ) -> Result<usize, StoreError> {
        let mut retired = 0;
        while self.may_retire(now, keep_since) {
            let Some(part) = self.view.parts.first() else { break };
            let appends = part.segment.footer.appends;
            note(appends.last.saturating_add(1))?;
            // One after the other: a crash must not leave the older of two.
            self.folder.remove_segment(appends)?;
            self.replace(0..1, None);
            retired += 1;
        }
        Ok(retired)
    }

    /// Whether the oldest segment may go.
    fn may_retire(&self, now: Timestamp, keep_since: Timestamp) -> bool {
        let [oldest, _, ..] = self.view.parts.as_slice() else { return false };
        let last_time = oldest.segment.footer.last_time;
        let Settings { retention, retention_bytes, .. } = self.settings;
        let is_old = retention.is_some_and(|span| last_time.after(span) < now);
        let is_full = retention_bytes.is_some_and(|bytes| self.view.bytes() > bytes);
        last_time < keep_since && (is_old || is_full)
    }

    /// Gives a segment and its index, which are complete, their names.
    fn publish(
        &self,
        appends: Appends,
        built: Result<Option<Built>, StoreError>,
    ) -> Result<Option<Part>, StoreError> {
        let published = match built {
            // The index first: without its segment it is nothing, and removed at the next start.
            Ok(Some(built)) => (self.folder.publish(appends, FileKind::Index))
                .and_then(|()| self.folder.publish(appends, FileKind::Segment))
                .and_then(|()| self.folder.sync())
                .map(|()| Some(part(built))),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        if !matches!(published, Ok(Some(_))) {
            // What cannot be removed now is removed at the next start.
            let _ = self.folder.discard(appends);
        }
        published
    }

    /// Puts a segment in the place of others.
    fn replace(&mut self, run: Range<usize>, part: Option<Part>) {
        let mut parts = self.view.parts.clone();
        parts.splice(run, part);
        self.show(parts);
    }

    /// Shows these segments to whoever asks for a view from now on.
    fn show(&mut self, mut parts: Vec<Part>) {
        fold_filters(&mut parts, self.settings.filter_bytes_max);
        self.view = Arc::new(View { parts, cache: Arc::clone(&self.view.cache) });
    }
}

/// A segment, its index and its filter.
type Built = (Segment, Index, Filter);

fn part((segment, index, filter): Built) -> Part {
    Part { segment: Arc::new(segment), index: Arc::new(index), filter: Arc::new(filter) }
}

/// Opens all segments that were not merged into another, and checks that nothing is missing
/// between them.
fn open_segments(folder: &Folder, listing: &Listing) -> Result<Vec<Segment>, StoreError> {
    let mut names = listing.segments.clone();
    // Of those that begin together the largest first.
    names.sort_by_key(|appends| (appends.first, u64::MAX.saturating_sub(appends.last)));
    let mut segments = Vec::<Segment>::new();
    for appends in names {
        let Some(before) = segments.last() else {
            segments.push(Segment::open(folder, appends)?);
            continue;
        };
        if before.footer.appends.contain(appends) {
            continue;
        }
        let next = before.footer.appends.last.saturating_add(1);
        let path = folder.path(appends, FileKind::Segment);
        if appends.first != next {
            let missing = format!(
                "append {next} is expected before it, but the segment that has it is missing"
            );
            return Err(StoreError::archive(path, missing));
        }
        let segment = Segment::open(folder, appends)?;
        if !before.footer.is_followed_by(&segment.footer) {
            let reason = format!("it does not follow the segment {}", before.footer.appends);
            return Err(StoreError::archive(path, reason));
        }
        segments.push(segment);
    }
    Ok(segments)
}

/// Opens the index of a segment; one that is no use is made again.
fn open_part(folder: &Folder, segment: Segment, secret: Secret) -> Result<Part, StoreError> {
    let index = match Index::open(folder, &segment, secret) {
        Ok(index) => index,
        // Its filter is read like all others, when there may be room for it.
        Err(error) => made_again(folder, &segment, secret, &error)?.0,
    };
    Ok(part((segment, index, Filter::unread(0))))
}

/// Makes the index of a segment again, for this reason.
fn made_again(
    folder: &Folder,
    segment: &Segment,
    secret: Secret,
    reason: &StoreError,
) -> Result<(Index, Filter), StoreError> {
    let name = segment.footer.appends;
    tracing::warn!("the index of segment {name} is made again, for: {}", reason.in_words());
    filing::rebuild(folder, segment, secret)
}

/// Removes an index of the archive that was found damaged while it was in use, if that is what an error
/// is about; whether it did. The next start makes it again from its segment.
pub fn remove_damaged_index(error: &StoreError) -> Result<bool, StoreError> {
    let StoreError::Index { path, .. } = error else { return Ok(false) };
    let Some(parent) = path.parent() else { return Ok(false) };
    let folder = Folder::take(parent)?;
    folder.remove(path)?;
    folder.sync()?;
    Ok(true)
}

/// Removes the files of segments that were merged into others, and indexes without a segment.
fn remove_rest(folder: &Folder, listing: &Listing, kept: &[Part]) -> Result<(), StoreError> {
    let is_kept = |name: &Appends| kept.iter().any(|part| part.segment.footer.appends == *name);
    for &name in listing.segments.iter().filter(|name| !is_kept(name)) {
        folder.remove_segment(name)?;
    }
    for &name in listing.indexes.iter().filter(|name| !is_kept(name)) {
        folder.remove(&folder.path(name, FileKind::Index))?;
    }
    Ok(())
}

/// Halves filters until all have room: first those that are whole, of them first the oldest.
fn fold_filters(parts: &mut [Part], bytes_max: u64) {
    let mut bytes: u64 = parts.iter().map(|part| part.filter.bytes()).sum();
    // What cannot be folded further stays as it is.
    for folds in 0..u8::MAX {
        for part in parts.iter_mut().filter(|part| part.filter.folds() == folds) {
            if bytes <= bytes_max {
                return;
            }
            if let Some(folded) = part.filter.folded() {
                bytes = bytes.saturating_sub(folded.bytes());
                part.filter = Arc::new(folded);
            }
        }
    }
}

#[cfg(test)]
mod tests;
