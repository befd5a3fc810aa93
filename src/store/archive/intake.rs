//! Taking values of the journal into a new segment.

use super::super::writer::Tail;
use super::super::{StoreError, pace};
use super::filing::Filing;
use super::filter::Filter;
use super::folder::{Appends, Folder};
use super::follow::{Broken, Follower, positions};
use super::footer::LogRow;
use super::index::Index;
use super::key::Secret;
use super::segment::{Segment, SegmentWriter};
use crate::codec::record::Position;
use crate::codec::value;

/// A segment that is being filled.
pub(super) struct Intake<'a> {
    folder: &'a Folder,
    starts: &'a [Tail],
    follower: Follower,
    segment: SegmentWriter,
    filing: Filing,
    /// Whether any value was taken.
    pub(super) has_values: bool,
}

impl<'a> Intake<'a> {
    /// Begins a segment behind the ends of all logs.
    pub(super) fn new(
        folder: &'a Folder,
        appends: Appends,
        starts: &'a [Tail],
        secret: Secret,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            folder,
            starts,
            follower: Follower::new(starts.iter().copied()),
            segment: SegmentWriter::new(folder, appends)?,
            filing: Filing::new(secret),
            has_values: false,
        })
    }

    /// Takes a value, unless the archive has it.
    pub(super) fn take(&mut self, position: Position, bytes: &[u8]) -> Result<(), StoreError> {
        pace::breathe();
        let value = value::decode(bytes);
        let value = value.map_err(|error| damaged(Broken::new(position, error.to_string())))?;
        if value.first != position {
            return Err(damaged(Broken::new(position, "it lies at the wrong place")));
        }
        let next = self.follower.tail(position.log()).next;
        // A crash came before the journal was trimmed.
        if position.plus(positions(value.content)) <= next {
            return Ok(());
        }
        let whole = self.follower.take(&value, bytes).map_err(damaged)?;
        self.segment.add(&value, bytes)?;
        self.has_values = true;
        let Some(whole) = whole else { return Ok(()) };
        let Self { filing, segment, .. } = self;
        let filed = whole.each(&mut |position, record| {
            filing.file(position, record);
            segment.note(record.event.at);
        });
        filed.map_err(damaged)
    }

    /// Completes the segment and its index. Both are safe on disk, but have not got their names.
    pub(super) fn finish(self) -> Result<(Segment, Index, Filter), StoreError> {
        if let Some(first) = self.follower.unfinished() {
            return Err(damaged(Broken::new(first, "a record's fragments are not complete")));
        }
        let start = |log| self.starts.iter().find(|tail| tail.next.log() == log).copied();
        let rows = self.follower.tails().map(|end| {
            let log = end.next.log();
            LogRow { start: start(log).unwrap_or(Tail::empty(log)), end }
        });
        let segment = self.segment.finish(rows.collect())?;
        let (index, filter) = self.filing.write(self.folder, &segment)?;
        Ok((segment, index, filter))
    }
}

/// What comes from the journal is not as it should be.
fn damaged(Broken { position, reason }: Broken) -> StoreError {
    StoreError::Damaged { position, reason }
}
