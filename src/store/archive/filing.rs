//! What records are filed under: their own operation, the hold that they concern, the operation that
//! they refer to; and of each wallet the last record.

use super::super::StoreError;
use super::filter::Filter;
use super::folder::{FileKind, Folder};
use super::follow::Follower;
use super::index::{Index, IndexWriter};
use super::key::{OpKey, Secret};
use super::page::Entry;
use super::segment::Segment;
use crate::codec::record::{Position, Record};
use hashbrown::HashMap;

/// The entries of a segment in the making.
#[derive(Debug)]
pub(super) struct Filing {
    secret: Secret,
    entries: Vec<Entry>,
    /// Of each wallet the number and the place of its last record.
    lasts: HashMap<OpKey, (u64, Position)>,
}

impl Filing {
    /// Without entries.
    pub(super) fn new(secret: Secret) -> Self {
        Self { secret, entries: Vec::new(), lasts: HashMap::new() }
    }

    /// Files a record.
    pub(super) fn file(&mut self, position: Position, record: &Record) {
        let Record { wallet, seq, event, .. } = record;
        let ops = [event.op.as_ref(), event.hold(), event.target()];
        for (before, op) in ops.into_iter().enumerate() {
            if let Some(id) = op
                && !ops.iter().take(before).any(|earlier| *earlier == op)
            {
                self.entries.push((OpKey::of(self.secret, wallet, id), position));
            }
        }
        // A wallet's records may lie in several logs: only its own numbers say which is the last.
        let last = self.lasts.entry(OpKey::of_wallet(self.secret, wallet)).or_default();
        *last = (*last).max((*seq, position));
    }

    /// Writes the index of a segment.
    pub(super) fn write(
        self,
        folder: &Folder,
        segment: &Segment,
    ) -> Result<(Index, Filter), StoreError> {
        let Self { secret, mut entries, lasts } = self;
        entries.extend(lasts.into_iter().map(|(key, (_, position))| (key, position)));
        entries.sort_unstable();
        let mut writer = IndexWriter::new(folder, segment.footer.appends)?;
        entries.into_iter().try_for_each(|entry| writer.add(entry))?;
        writer.finish(segment.crc, secret)
    }
}

/// Makes the index of a segment from it, byte for byte as it was.
pub(super) fn rebuild(
    folder: &Folder,
    segment: &Segment,
    secret: Secret,
) -> Result<(Index, Filter), StoreError> {
    let mut filing = Filing::new(secret);
    let mut follower = Follower::new(segment.footer.logs.iter().map(|row| row.start));
    segment.each_value(&mut |value, bytes| {
        let whole = follower.take(value, bytes).map_err(|broken| segment.damaged(&broken))?;
        let Some(whole) = whole else { return Ok(()) };
        let filed = whole.each(&mut |position, record| filing.file(position, record));
        filed.map_err(|broken| segment.damaged(&broken))
    })?;
    let built = filing.write(folder, segment)?;
    folder.publish(segment.footer.appends, FileKind::Index)?;
    folder.sync()?;
    Ok(built)
}
