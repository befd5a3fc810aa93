//! A walk over every record of a store: the archive's from its oldest segment on, then the journal's,
//! each log in its order. What does not follow what is before it ends the walk.

use crate::codec::record::{self, Position, Record};
use crate::codec::value::{self, Content, Value};
use crate::store::StoreError;
use crate::store::still::Still;
use crate::store::writer::Tail;
use std::collections::BTreeMap;

/// Where a record lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Archive,
    Journal,
}

/// What records are given to.
pub(super) type VisitRecord<'a> = dyn FnMut(Place, Position, Record) -> Result<(), StoreError> + 'a;

/// Gives every record to `visit`. Answers where each log ends.
pub(super) fn each_record(
    still: &Still,
    visit: &mut VisitRecord<'_>,
) -> Result<Vec<Tail>, StoreError> {
    let mut walk =
        Walk { tails: BTreeMap::new(), is_shortened: is_shortened(still), unfinished: None };
    still.history.archive().scan(&mut |position, bytes| {
        walk.take(position, bytes, &mut |position, record| visit(Place::Archive, position, record))
    })?;
    walk.end()?;
    check_ends(&mut walk, &still.archived)?;
    // After a crash the journal may still have what the archive has.
    let archived = walk.tails.clone();
    let is_archived =
        |position: Position| archived.get(&position.log()).is_some_and(|tail| position < tail.next);
    still.journal.scan(&mut |position, bytes| {
        if is_archived(position) {
            return Ok(());
        }
        walk.take(position, bytes, &mut |position, record| visit(Place::Journal, position, record))
    })?;
    walk.end()?;
    Ok(walk.tails.into_values().collect())
}

/// Whether the oldest part of the history was given up.
pub(super) fn is_shortened(still: &Still) -> bool {
    still.history.archive().is_shortened()
}

/// The archive ends where it said when it was opened. A log of which nothing is left ends there, too.
fn check_ends(walk: &mut Walk, archived: &[Tail]) -> Result<(), StoreError> {
    for tail in archived {
        let log = tail.next.log();
        match walk.tails.get(&log) {
            Some(found) if found != tail => {
                let reason = "the archive does not end as its last segment says".to_owned();
                return Err(StoreError::Damaged { position: tail.next, reason });
            }
            None if walk.is_shortened => {
                walk.tails.insert(log, *tail);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Where a walk is.
struct Walk {
    tails: BTreeMap<u8, Tail>,
    /// Logs need not begin at their beginning.
    is_shortened: bool,
    /// A record whose fragments are being put together.
    unfinished: Option<(Position, Vec<u8>)>,
}

impl Walk {
    /// Takes the next value.
    fn take(
        &mut self,
        position: Position,
        bytes: &[u8],
        visit: &mut dyn FnMut(Position, Record) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let damaged = |reason: String| StoreError::Damaged { position, reason };
        let value = value::decode(bytes).map_err(|error| damaged(error.to_string()))?;
        let mut tail = match self.tails.get(&position.log()) {
            Some(tail) => *tail,
            None if self.is_shortened => Tail { next: position, chain: value.chain },
            None => Tail::empty(position.log()),
        };
        if value.first != position || position != tail.next {
            return Err(damaged(format!("position {} is expected there", tail.next)));
        }
        if value.chain != tail.chain {
            return Err(damaged("the chain from the value before it is broken".to_owned()));
        }
        tail.chain = value::chain_after(bytes, tail.chain);
        tail.next = tail.next.plus(match value.content {
            Content::Whole { records } => u64::from(records),
            Content::Fragment { .. } => 1,
        });
        self.tails.insert(position.log(), tail);
        self.records(&value, visit)
    }

    /// Gives the records that a value holds or completes.
    fn records(
        &mut self,
        value: &Value<'_>,
        visit: &mut dyn FnMut(Position, Record) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        match value.content {
            Content::Whole { records } => {
                self.end()?;
                each(value.first, value.body, u64::from(records), visit)
            }
            Content::Fragment { part, parts } => {
                if part == 0 {
                    self.end()?;
                }
                let begin = || (value.first, Vec::new());
                let (first, frame) = self.unfinished.get_or_insert_with(begin);
                if first.plus(u64::from(part)) != value.first {
                    return Err(incomplete(value.first));
                }
                frame.extend_from_slice(value.body);
                if part.saturating_add(1) < parts {
                    return Ok(());
                }
                let Some((first, frame)) = self.unfinished.take() else { return Ok(()) };
                each(first, &frame, 1, visit)
            }
        }
    }

    /// No record may be left unfinished.
    fn end(&self) -> Result<(), StoreError> {
        match self.unfinished {
            None => Ok(()),
            Some((first, _)) => Err(incomplete(first)),
        }
    }
}

/// Gives the records of a body.
fn each(
    first: Position,
    body: &[u8],
    count: u64,
    visit: &mut dyn FnMut(Position, Record) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut rest = body;
    for index in 0..count {
        let position = first.plus(index);
        let decoded = record::decode(rest);
        let (record, length) =
            decoded.map_err(|error| StoreError::Damaged { position, reason: error.to_string() })?;
        rest = rest.get(length..).unwrap_or_default();
        visit(position, record)?;
    }
    if rest.is_empty() {
        return Ok(());
    }
    let reason = "a value holds more than its records".to_owned();
    Err(StoreError::Damaged { position: first, reason })
}

fn incomplete(position: Position) -> StoreError {
    let reason = "a record's fragments are not complete".to_owned();
    StoreError::Damaged { position, reason }
}
