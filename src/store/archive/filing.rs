//! What records are filed under: their own operation, the hold that they concern, the operation that
//! they refer to; and of each wallet the last record.

use super::super::parts::Parts;
use super::super::{StoreError, pace};
use super::filter::Filter;
use super::folder::{FileKind, Folder};
use super::follow::Follower;
use super::footer::Footer;
use super::index::{Index, IndexWriter};
use super::key::{OpKey, Secret};
use super::page::Entry;
use super::segment::Segment;
use crate::codec::record::{Position, Record};
use hashbrown::HashMap;

/// So many records are filed at a time when an index is made again: a merged segment may have more
/// than there is memory for.
const RECORDS_MAX: u64 = if cfg!(test) { 50 } else { 2_000_000 };

/// The entries of a segment in the making.
#[derive(Debug)]
pub(super) struct Filing {
    secret: Secret,
    /// Which share of all keys is filed, and of how many.
    share: (u64, u64),
    entries: Parts<Entry>,
    /// Of each wallet the number and the place of its last record.
    lasts: HashMap<OpKey, (u64, Position)>,
}

impl Filing {
    /// Without entries.
    pub(super) fn new(secret: Secret) -> Self {
        Self { secret, share: (0, 1), entries: Parts::default(), lasts: HashMap::new() }
    }

    /// Whether a key is in the share that is filed.
    fn has(&self, key: OpKey) -> bool {
        let (share, shares) = self.share;
        key.scaled(shares) == share
    }

    /// Files a record.
    pub(super) fn file(&mut self, position: Position, record: &Record) {
        let Record { wallet, seq, event, .. } = record;
        let ops = [event.op.as_ref(), event.hold(), event.target()];
        for (before, op) in ops.into_iter().enumerate() {
            if let Some(id) = op
                && !ops.iter().take(before).any(|earlier| *earlier == op)
            {
                let key = OpKey::of(self.secret, wallet, id);
                if self.has(key) {
                    self.entries.add(key.halves().0, (key, position));
                }
            }
        }
        let key = OpKey::of_wallet(self.secret, wallet);
        if self.has(key) {
            // A wallet's records may lie in several logs: only its own numbers say which is last.
            let last = self.lasts.entry(key).or_default();
            *last = (*last).max((*seq, position));
        }
    }

    /// Adds what was filed to an index, and begins with the next share of keys.
    fn add_to(&mut self, index: &mut IndexWriter) -> Result<(), StoreError> {
        for (key, (_, position)) in self.lasts.drain() {
            pace::breathe();
            self.entries.add(key.halves().0, (key, position));
        }
        self.share.0 = self.share.0.saturating_add(1);
        std::mem::take(&mut self.entries).sorted().try_for_each(|part| {
            pace::breathe();
            part.into_iter().try_for_each(|entry| index.add(entry))
        })
    }

    /// Writes the index of a segment.
    pub(super) fn write(
        mut self,
        folder: &Folder,
        segment: &Segment,
    ) -> Result<(Index, Filter), StoreError> {
        let mut index = IndexWriter::new(folder, segment.footer.appends)?;
        self.add_to(&mut index)?;
        index.finish(segment.crc, self.secret)
    }

    /// Files all records of a segment; those that its footer says.
    fn file_all(&mut self, segment: &Segment) -> Result<(), StoreError> {
        let mut records = 0_u64;
        let mut follower = Follower::new(segment.footer.logs.iter().map(|row| row.start));
        segment.each_value(&mut |value, bytes| {
            let whole = follower.take(value, bytes).map_err(|broken| segment.damaged(&broken))?;
            let Some(whole) = whole else { return Ok(()) };
            let filed = whole.each(&mut |position, record| {
                records = records.saturating_add(1);
                self.file(position, record);
            });
            filed.map_err(|broken| segment.damaged(&broken))
        })?;
        if records == segment.footer.records { Ok(()) } else { Err(segment.miscounted(records)) }
    }
}

/// Makes the index of a segment from it, byte for byte as it was.
pub(super) fn rebuild(
    folder: &Folder,
    segment: &Segment,
    secret: Secret,
) -> Result<(Index, Filter), StoreError> {
    let Footer { appends, records, .. } = segment.footer;
    let shares = records.div_ceil(RECORDS_MAX).max(1);
    let mut filing = Filing { share: (0, shares), ..Filing::new(secret) };
    let mut index = IndexWriter::new(folder, appends)?;
    for _ in 0..shares {
        filing.file_all(segment)?;
        filing.add_to(&mut index)?;
    }
    let built = index.finish(segment.crc, secret)?;
    folder.publish(appends, FileKind::Index)?;
    folder.sync()?;
    Ok(built)
}
