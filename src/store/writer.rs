//! The journal's writer: packs frames into values, chains them, and marks what is safe.

use super::{Journal, Mark, StoreError};
use crate::codec::record::Position;
use crate::codec::value::{self, BODY_MAX, Content, ValueError};

/// The records of one shard that go to the disk together.
#[derive(Debug, Default)]
pub struct Batch {
    /// The position of the first record.
    pub first: Position,
    /// The records' frames, one behind the other.
    pub frames: Vec<u8>,
}

/// Where a log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// Where its next record goes.
    pub next: Position,
    /// The chain after its last value.
    pub chain: u64,
}

impl Tail {
    /// The end of a log without records.
    pub const fn empty(log: u8) -> Self {
        Self { next: Position::new(log, 1), chain: 0 }
    }

    /// What says that the log is safe up to here.
    pub const fn mark(self) -> Mark {
        Mark { last: self.next.before(), chain: self.chain }
    }
}

/// Writes batches to a journal, each behind the last of its log.
pub struct JournalWriter<J> {
    journal: J,
    tails: Vec<Tail>,
    /// The value in the making; kept for its memory.
    value: Vec<u8>,
}

/// What a commit wrote, for the metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// How many values.
    pub values: u64,
    /// How many bytes.
    pub bytes: u64,
}

impl<J: Journal> JournalWriter<J> {
    /// A writer behind the ends that recovery found.
    pub fn new(journal: J, tails: Vec<Tail>) -> Self {
        Self { journal, tails, value: Vec::with_capacity(value::VALUE_MAX) }
    }

    /// Appends a batch. It is safe only after [`JournalWriter::sync`].
    pub fn append(&mut self, batch: &Batch) -> Result<Written, StoreError> {
        let mut tail = self.tail(batch.first.log());
        if tail.next != batch.first {
            return Err(StoreError::Deposed { batch: batch.first, end: tail.next });
        }
        let mut written = Written::default();
        let mut rest = batch.frames.as_slice();
        while let Some(run) = Run::take(rest, tail.next)? {
            rest = rest.get(run.length..).unwrap_or_default();
            let body = run.body;
            if run.fragments > 1 {
                for (part, body) in (0..).zip(body.chunks(BODY_MAX)) {
                    let content = Content::Fragment { part, parts: run.fragments };
                    self.put(&mut tail, content, body, 1, &mut written)?;
                }
            } else {
                let content = Content::Whole { records: run.records };
                self.put(&mut tail, content, body, u64::from(run.records), &mut written)?;
            }
        }
        self.set_tail(tail);
        Ok(written)
    }

    /// Appends one value and moves the tail behind it.
    fn put(
        &mut self,
        tail: &mut Tail,
        content: Content,
        body: &[u8],
        positions: u64,
        written: &mut Written,
    ) -> Result<(), StoreError> {
        let chain = value::encode(tail.next, tail.chain, content, body, &mut self.value)
            .map_err(|error| impossible(tail.next, error))?;
        self.journal.append(tail.next, &self.value)?;
        *tail = Tail { next: tail.next.plus(positions), chain };
        written.values = written.values.saturating_add(1);
        let bytes = u64::try_from(self.value.len()).unwrap_or(u64::MAX);
        written.bytes = written.bytes.saturating_add(bytes);
        Ok(())
    }

    /// Makes everything appended safe.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        self.journal.sync()
    }

    /// Marks how far the logs of `batches` are safe.
    pub fn mark<'a>(
        &mut self,
        batches: impl IntoIterator<Item = &'a Batch>,
    ) -> Result<(), StoreError> {
        for batch in batches {
            let tail = self.tail(batch.first.log());
            self.journal.set_mark(tail.mark())?;
        }
        Ok(())
    }

    /// Marks that all logs are safe to their ends.
    pub fn mark_all(&mut self) -> Result<(), StoreError> {
        for tail in &self.tails {
            self.journal.set_mark(tail.mark())?;
        }
        Ok(())
    }

    /// Where a log ends.
    pub fn tail(&self, log: u8) -> Tail {
        let known = self.tails.iter().find(|tail| tail.next.log() == log);
        known.copied().unwrap_or(Tail::empty(log))
    }

    fn set_tail(&mut self, tail: Tail) {
        match self.tails.iter_mut().find(|known| known.next.log() == tail.next.log()) {
            Some(known) => *known = tail,
            None => self.tails.push(tail),
        }
    }
}

/// Frames that go into one value, or the one frame that needs several.
struct Run<'a> {
    body: &'a [u8],
    length: usize,
    records: u16,
    fragments: u16,
}

impl<'a> Run<'a> {
    /// As many frames as fit one value.
    fn take(frames: &'a [u8], at: Position) -> Result<Option<Self>, StoreError> {
        let mut length = 0_usize;
        let mut records = 0_u16;
        while let Some(head) = frames.get(length..).and_then(|rest| rest.first_chunk::<4>()) {
            let frame = usize::try_from(u32::from_le_bytes(*head)).unwrap_or(usize::MAX);
            let frame = frame.saturating_add(4);
            if records > 0 && length.saturating_add(frame) > BODY_MAX {
                break;
            }
            length = length.saturating_add(frame);
            records = records.saturating_add(1);
            if length > BODY_MAX || records == u16::MAX {
                break;
            }
        }
        if records == 0 {
            return Ok(None);
        }
        let body = frames.get(..length).ok_or_else(|| impossible(at, ValueError::Cut))?;
        let fragments = u16::try_from(value::positions(length))
            .map_err(|_| impossible(at, ValueError::Impossible))?;
        Ok(Some(Self { body, length, records, fragments }))
    }
}

/// A batch that cannot have been built: a bug, reported as damage before it reaches the disk.
fn impossible(position: Position, error: ValueError) -> StoreError {
    StoreError::Damaged { position, reason: format!("a batch cannot be written: {error}") }
}
