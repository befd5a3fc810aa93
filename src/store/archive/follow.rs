//! Values one after the other: each must stand right behind the one before it in its log.

use super::super::writer::Tail;
use crate::codec::record::{self, Position, Record};
use crate::codec::value::{Content, HEAD, Value, chain_after, decode};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Why values cannot be taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// Where.
    pub(super) position: Position,
    /// What is wrong.
    pub(super) reason: String,
}

impl Broken {
    pub(super) fn new(position: Position, reason: impl Into<String>) -> Self {
        Self { position, reason: reason.into() }
    }
}

/// The ends of logs while values are taken.
#[derive(Debug)]
pub(super) struct Follower {
    tails: BTreeMap<u8, Tail>,
    /// A record whose fragments are being put together.
    unfinished: Option<Unfinished>,
}

#[derive(Debug)]
struct Unfinished {
    first: Position,
    parts: u16,
    taken: u16,
    frame: Vec<u8>,
}

/// The whole records that a value holds, or completes.
#[derive(Debug)]
pub(super) struct Whole<'a> {
    first: Position,
    count: u64,
    frames: Cow<'a, [u8]>,
}

impl Follower {
    /// Begins at these ends; a log that has none begins at its beginning.
    pub(super) fn new(tails: impl IntoIterator<Item = Tail>) -> Self {
        let tails = tails.into_iter().map(|tail| (tail.next.log(), tail)).collect();
        Self { tails, unfinished: None }
    }

    /// The end of a log.
    pub(super) fn tail(&self, log: u8) -> Tail {
        self.tails.get(&log).copied().unwrap_or(Tail::empty(log))
    }

    /// All ends, by log.
    pub(super) fn tails(&self) -> impl Iterator<Item = Tail> {
        self.tails.values().copied()
    }

    /// Where a record begins whose last fragments did not come yet.
    pub(super) fn unfinished(&self) -> Option<Position> {
        self.unfinished.as_ref().map(|record| record.first)
    }

    /// Takes a value, of which `bytes` are the bytes.
    pub(super) fn take<'a>(
        &mut self,
        value: &Value<'a>,
        bytes: &[u8],
    ) -> Result<Option<Whole<'a>>, Broken> {
        let mut tail = self.tail(value.first.log());
        if value.first != tail.next {
            let reason = format!("position {} is expected there", tail.next);
            return Err(Broken::new(value.first, reason));
        }
        if value.chain != tail.chain {
            let reason = "the chain from the value before it is broken";
            return Err(Broken::new(value.first, reason));
        }
        let whole = self.records(value)?;
        let next = tail.next.plus(positions(value.content));
        tail = Tail { next, chain: chain_after(bytes, tail.chain) };
        self.tails.insert(tail.next.log(), tail);
        Ok(whole)
    }

    /// The records that a value in its place holds or completes.
    fn records<'a>(&mut self, value: &Value<'a>) -> Result<Option<Whole<'a>>, Broken> {
        let incomplete = || Broken::new(value.first, "a record's fragments are not complete");
        match (value.content, self.unfinished.take()) {
            (Content::Whole { records }, None) => Ok(Some(Whole::of(value, u64::from(records)))),
            (Content::Fragment { part, parts }, before) => {
                let (first, frame) = (value.first, Vec::new());
                let fresh = || Unfinished { first, parts, taken: 0, frame };
                let mut record = before.unwrap_or_else(fresh);
                let expected = record.first.plus(u64::from(record.taken));
                if (part, parts, value.first) != (record.taken, record.parts, expected) {
                    return Err(incomplete());
                }
                record.frame.extend_from_slice(value.body);
                record.taken = record.taken.saturating_add(1);
                if record.taken < parts {
                    self.unfinished = Some(record);
                    return Ok(None);
                }
                let frames = Cow::Owned(record.frame);
                Ok(Some(Whole { first: record.first, count: 1, frames }))
            }
            (Content::Whole { .. }, Some(_)) => Err(incomplete()),
        }
    }
}

impl<'a> Whole<'a> {
    /// The records that a value holds.
    pub(super) const fn of(value: &Value<'a>, count: u64) -> Self {
        Self { first: value.first, count, frames: Cow::Borrowed(value.body) }
    }

    /// One of the records, from 0.
    pub(super) fn nth(&self, index: u64) -> Result<Record, Broken> {
        let position = self.first.plus(index);
        let cut = || Broken::new(position, "a record is cut short");
        let mut rest = &*self.frames;
        for _ in 0..index {
            let length = rest.first_chunk::<4>().ok_or_else(cut)?;
            let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| cut())?;
            rest = rest.get(length.saturating_add(4)..).ok_or_else(cut)?;
        }
        let decoded = record::decode(rest);
        decoded.map(|(record, _)| record).map_err(|error| Broken::new(position, error.to_string()))
    }

    /// Gives each record to `note`.
    pub(super) fn each(&self, note: &mut dyn FnMut(Position, &Record)) -> Result<(), Broken> {
        let mut rest = &*self.frames;
        for index in 0..self.count {
            let position = self.first.plus(index);
            let decoded = record::decode(rest);
            let (record, length) =
                decoded.map_err(|error| Broken::new(position, error.to_string()))?;
            rest = rest.get(length..).unwrap_or_default();
            note(position, &record);
        }
        if rest.is_empty() {
            return Ok(());
        }
        Err(Broken::new(self.first, "a value holds more than its records"))
    }
}

/// How many positions a value takes.
pub(super) const fn positions(content: Content) -> u64 {
    match content {
        // `u64::from` is not const; the widening is lossless.
        Content::Whole { records } => {
            let [low, high] = records.to_le_bytes();
            u64::from_le_bytes([low, high, 0, 0, 0, 0, 0, 0])
        }
        Content::Fragment { .. } => 1,
    }
}

/// The values of a block, one behind the other.
#[derive(Debug)]
pub(super) struct Values<'a> {
    rest: &'a [u8],
    next: Position,
}

impl<'a> Values<'a> {
    /// The values that `bytes` are, from a position on.
    pub(super) const fn of(bytes: &'a [u8], first: Position) -> Self {
        Self { rest: bytes, next: first }
    }

    fn take(&mut self) -> Result<(Value<'a>, &'a [u8]), Broken> {
        let broken = |reason: &str| Broken::new(self.next, reason);
        let (bytes, rest) = split_value(self.rest).ok_or_else(|| broken("a value is cut short"))?;
        let value = decode(bytes).map_err(|error| broken(&error.to_string()))?;
        if value.first != self.next {
            return Err(broken("another value lies there"));
        }
        self.rest = rest;
        self.next = self.next.plus(positions(value.content));
        Ok((value, bytes))
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = Result<(Value<'a>, &'a [u8]), Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let taken = self.take();
        if taken.is_err() {
            self.rest = &[];
        }
        Some(taken)
    }
}

/// The value that `bytes` begin with, and what lies behind it.
fn split_value(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = bytes.get(24..28)?.first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    bytes.split_at_checked(HEAD.checked_add(length)?)
}
