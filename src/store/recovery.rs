//! Recovery: the journal's tail, read once from the last checkpoint on.
//!
//! Every value is checked (checksum, chain, no gap), and every log must reach its mark. Only a torn
//! end beyond the mark, which nobody was told of, is cut off. Anything else is refused, or cut off
//! with what follows it when the operator accepts the loss. What the records come to, and whether
//! that is what they say, is seen when their wallet is taken up ([`super::history`]).

use super::tail::TailRecords;
use super::writer::Tail;
use super::{Journal, Mark, StoreError};
use crate::codec::record::Position;
use crate::codec::value::{self, Content, Value, ValueError};
use crate::domain::id::WalletId;

/// What to do about damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Refuse to start.
    Refuse,
    /// Go on with what lies before it.
    Accept,
}

/// What the journal says.
#[derive(Debug, Default)]
pub struct Recovered {
    /// The records since the checkpoint.
    pub tail: TailRecords,
    /// Where each log ends.
    pub tails: Vec<Tail>,
    /// What was cut off, in words.
    pub dropped: Vec<String>,
}

/// Where a start begins to read.
pub struct Start<'a> {
    /// Where each log ended at the checkpoint; what lies before is in the archive.
    pub anchors: &'a [Tail],
    /// Up to where the archive has each log.
    pub archived: &'a [Tail],
    /// The number of a wallet's last event in its snapshot; 0 without one.
    pub base: &'a dyn Fn(&WalletId) -> Result<u64, StoreError>,
}

impl Start<'_> {
    /// That a log may end here: the archive goes no further. It would answer for operations that the journal
    /// has lost, and their places be taken again, so no loss of them can be accepted.
    fn keeps(&self, end: Position) -> Result<(), StoreError> {
        let archived = self.archived.iter().find(|tail| tail.next.log() == end.log());
        match archived.filter(|archived| end < archived.next) {
            None => Ok(()),
            Some(archived) => Err(StoreError::ArchiveAhead { end, archived: archived.next }),
        }
    }

    /// A start without a checkpoint.
    pub const BEGINNING: Start<'static> = Start { anchors: &[], archived: &[], base: &|_| Ok(0) };
}

/// Reads the tail of a journal, and leaves it ready for a writer.
pub fn recover(
    journal: &mut dyn Journal,
    start: &Start<'_>,
    loss: Loss,
) -> Result<Recovered, StoreError> {
    let mut dropped = Vec::new();
    let mut reader = read(journal, start, loss)?;
    for archived in start.archived {
        let log = archived.next.log();
        let end = reader.recovered.tails.iter().find(|tail| tail.next.log() == log);
        start.keeps(end.map_or(Position::new(log, 1), |tail| tail.next))?;
    }
    // What one log lost, later records of the same wallets in other logs stand on. Where nothing was
    // cut off, nobody looks: that would cost more than reading the tail does, and a record that does
    // not follow the one before it is noticed when its wallet is taken up.
    while (loss == Loss::Accept || !reader.cuts.is_empty())
        && let Some((wallet, at)) = reader.recovered.tail.orphan(start.base)?
    {
        let reason = format!("earlier records of wallet {wallet} are missing");
        if loss == Loss::Refuse {
            return Err(StoreError::Damaged { position: at, reason });
        }
        start.keeps(at)?;
        dropped.push(format!("from {at} on: {reason}"));
        journal.truncate(at)?;
        reader = read(journal, start, loss)?;
    }
    for cut in &reader.cuts {
        journal.truncate(*cut)?;
    }
    if !reader.cuts.is_empty() || !dropped.is_empty() {
        journal.sync()?;
    }
    if loss == Loss::Accept {
        let ends = reader.recovered.tails.iter().filter(|tail| tail.next.number() > 1);
        journal.reset_marks(&ends.map(|tail| tail.mark()).collect::<Vec<_>>())?;
    }
    reader.recovered.dropped.append(&mut dropped);
    Ok(reader.recovered)
}

/// Reads a journal, and changes nothing.
fn read(journal: &dyn Journal, start: &Start<'_>, loss: Loss) -> Result<Reader, StoreError> {
    let mut reader = Reader::new(loss, marks(journal, loss)?, start.anchors);
    journal.scan(&mut |position, bytes| reader.value(position, bytes))?;
    reader.end_log()?;
    reader.end_unseen_logs()?;
    Ok(reader)
}

/// Acknowledged records that a log does not have, in words.
fn acknowledged(mark: Mark, found: u64) -> String {
    let (log, first) = (mark.last.log(), found.saturating_add(1));
    format!("acknowledged numbers {first} to {} of log {log}", mark.last.number())
}

/// The marks; none when they are lost and that is accepted.
fn marks(journal: &dyn Journal, loss: Loss) -> Result<Vec<Mark>, StoreError> {
    match journal.marks() {
        Err(StoreError::MarkLost { .. }) if loss == Loss::Accept => Ok(Vec::new()),
        marks => marks,
    }
}

/// Recovery in progress.
struct Reader {
    loss: Loss,
    marks: Vec<Mark>,
    /// Where each log ended at the checkpoint.
    anchors: Vec<Tail>,
    /// The log being read; none before the first value.
    log: Option<Log>,
    /// Where logs are to be cut.
    cuts: Vec<Position>,
    recovered: Recovered,
}

/// The log being read.
struct Log {
    tail: Tail,
    /// A record whose fragments are being put together: its position and bytes.
    fragments: Option<(Tail, Vec<u8>)>,
    /// The first place that could not be read, and why.
    broken: Option<(Position, String)>,
    /// The chain at the mark, once it was passed.
    mark_seen: Option<u64>,
}

impl Reader {
    fn new(loss: Loss, marks: Vec<Mark>, anchors: &[Tail]) -> Self {
        Self {
            loss,
            marks,
            anchors: anchors.to_vec(),
            log: None,
            cuts: Vec::new(),
            recovered: Recovered::default(),
        }
    }

    /// Where a log ended at the checkpoint.
    fn anchor(&self, log: u8) -> Tail {
        let known = self.anchors.iter().find(|tail| tail.next.log() == log);
        known.copied().unwrap_or(Tail::empty(log))
    }

    fn begin_log(&mut self, log: u8) {
        let tail = self.anchor(log);
        let at_anchor = self.mark(log).filter(|mark| mark.last.plus(1) == tail.next);
        let mark_seen = at_anchor.map(|_| tail.chain);
        self.log = Some(Log { tail, fragments: None, broken: None, mark_seen });
    }

    /// Takes the next value of the journal.
    fn value(&mut self, position: Position, bytes: &[u8]) -> Result<(), StoreError> {
        if self.log.as_ref().is_none_or(|log| log.tail.next.log() != position.log()) {
            self.end_log()?;
            self.begin_log(position.log());
        }
        if position < self.anchor(position.log()).next {
            // The archive has it; a crash came before it was trimmed.
            return Ok(());
        }
        let Some(mut log) = self.log.take() else { return Ok(()) };
        let result = self.value_of(&mut log, position, bytes);
        self.log = Some(log);
        result
    }

    fn value_of(
        &mut self,
        log: &mut Log,
        position: Position,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        let value = value::decode(bytes);
        if let Some((broken, reason)) = &log.broken {
            // A torn end has nothing sound behind it; sound values mean that something in between
            // was damaged, and they may have been acknowledged.
            if value.is_ok() && self.loss == Loss::Refuse {
                return Err(StoreError::Damaged { position: *broken, reason: reason.clone() });
            }
            return Ok(());
        }
        let value = match value {
            Ok(value) if value.first == position => value,
            Ok(_) => return self.broken(log, position, "it lies at the wrong place".to_owned()),
            Err(error @ ValueError::Version(_)) => {
                return Err(StoreError::Damaged { position, reason: error.to_string() });
            }
            Err(error) => return self.broken(log, position, error.to_string()),
        };
        if let Some(gap) = gap(log, &value) {
            let at = log.tail.next;
            // This value is sound, so what is missing before it was not merely unfinished.
            if self.loss == Loss::Refuse {
                return Err(StoreError::Damaged { position: at, reason: gap });
            }
            return self.broken(log, at, gap);
        }
        self.follow(log, &value, bytes)
    }

    /// Remembers the first place that could not be read.
    fn broken(
        &mut self,
        log: &mut Log,
        position: Position,
        reason: String,
    ) -> Result<(), StoreError> {
        let acknowledged = self.mark(log.tail.next.log()).map(|mark| mark.last);
        if self.loss == Loss::Refuse && acknowledged.is_some_and(|last| position <= last) {
            return Err(StoreError::Damaged { position, reason });
        }
        log.broken = Some((position, reason));
        Ok(())
    }

    /// Takes a value that follows the log's end.
    fn follow(&mut self, log: &mut Log, value: &Value<'_>, bytes: &[u8]) -> Result<(), StoreError> {
        let start = log.tail;
        log.tail.chain = value::chain_after(bytes, log.tail.chain);
        match value.content {
            Content::Whole { records } => {
                log.tail.next = log.tail.next.plus(u64::from(records));
                self.recovered.tail.add(start.next, value.body, u64::from(records))?;
            }
            Content::Fragment { part, parts } => {
                log.tail.next = log.tail.next.plus(1);
                let (first, frame) = log.fragments.get_or_insert_with(|| (start, Vec::new()));
                frame.extend_from_slice(value.body);
                let first = first.next;
                if part.saturating_add(1) == parts
                    && let Some((_, frame)) = log.fragments.take()
                {
                    self.recovered.tail.add(first, &frame, 1)?;
                }
            }
        }
        if self.mark(start.next.log()).is_some_and(|mark| mark.last.plus(1) == log.tail.next) {
            log.mark_seen = Some(log.tail.chain);
        }
        Ok(())
    }

    /// Checks the log that was read against its mark, and notes its end.
    fn end_log(&mut self) -> Result<(), StoreError> {
        let Some(mut log) = self.log.take() else { return Ok(()) };
        if let Some((start, _)) = log.fragments.take() {
            // Its last fragment was never written, so nobody was told of the record.
            let reason = "its fragments are not complete".to_owned();
            log.tail = start;
            log.broken.get_or_insert((start.next, reason));
        }
        let last = log.tail.next.before();
        let mark = self.mark(last.log());
        if let Some(mark) = mark.filter(|mark| last < mark.last) {
            self.lost(mark, last.number())?;
        }
        // A mark from before the checkpoint is of values that are not here any more.
        let anchor = self.anchor(last.log()).next.before();
        let is_other = |mark: &Mark| {
            mark.last >= anchor && log.mark_seen.is_none_or(|chain| chain != mark.chain)
        };
        if let Some(mark) = mark.filter(is_other).filter(|_| self.loss == Loss::Refuse) {
            let reason = "it is not the journal that the mark was written for".to_owned();
            return Err(StoreError::Damaged { position: mark.last, reason });
        }
        if let Some((position, reason)) = log.broken {
            self.cuts.push(log.tail.next);
            self.recovered.dropped.push(format!("from {position} on: {reason}"));
        }
        self.recovered.tails.push(log.tail);
        Ok(())
    }

    /// A log with a mark or an anchor ends somewhere, also when it has no values.
    fn end_unseen_logs(&mut self) -> Result<(), StoreError> {
        let marks = self.marks.iter().map(|mark| mark.last.log());
        let anchors = self.anchors.iter().map(|tail| tail.next.log());
        let logs: Vec<u8> = marks.chain(anchors).collect();
        for log in logs {
            if !self.recovered.tails.iter().any(|tail| tail.next.log() == log) {
                self.begin_log(log);
                self.end_log()?;
            }
        }
        self.recovered.tails.sort_unstable_by_key(|tail| tail.next);
        Ok(())
    }

    /// Acknowledged records are gone: that is refused, or noted when the operator accepts it.
    fn lost(&mut self, mark: Mark, found: u64) -> Result<(), StoreError> {
        if self.loss == Loss::Refuse {
            return Err(missing(mark, found));
        }
        self.recovered.dropped.push(acknowledged(mark, found));
        Ok(())
    }

    fn mark(&self, log: u8) -> Option<Mark> {
        self.marks.iter().find(|mark| mark.last.log() == log).copied()
    }
}

/// What stands between the end of a log and a value, if anything.
fn gap(log: &Log, value: &Value<'_>) -> Option<String> {
    let next = log.tail.next;
    if value.first != next {
        let last = value.first.number().saturating_sub(1);
        return Some(format!("numbers {} to {last} of the log are missing", next.number()));
    }
    if value.chain != log.tail.chain {
        return Some("the chain from the value before it is broken".to_owned());
    }
    let part = match value.content {
        Content::Whole { .. } => 0,
        Content::Fragment { part, .. } => u64::from(part),
    };
    let expected = log
        .fragments
        .as_ref()
        .map_or(0, |(start, _)| next.number().saturating_sub(start.next.number()));
    let fits =
        part == expected && (expected == 0 || matches!(value.content, Content::Fragment { .. }));
    (!fits).then(|| "a record's fragments are not complete".to_owned())
}

fn missing(mark: Mark, found: u64) -> StoreError {
    StoreError::Missing { log: mark.last.log(), found, acknowledged: mark.last.number() }
}
