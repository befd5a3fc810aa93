//! The journal's twin in memory: it fails on command, and shows what a crash would leave behind.

use super::{Journal, JournalReader, Mark, StoreError, Visit};
use crate::codec::record::Position;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A fault to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The next append writes only so many bytes of its value, and fails.
    ShortWrite {
        /// How many.
        bytes: usize,
    },
    /// The next sync fails, and nothing of what it was for is safe.
    FailedSync,
}

/// What survives a crash beside all that was synced: nothing may be relied on, anything may happen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CrashImage {
    /// How many of the values that were not synced are there.
    pub unsynced: usize,
    /// Only so many bytes of the last of them.
    pub torn_to: Option<usize>,
}

/// The disk under the twin; it outlives the journal.
#[derive(Debug, Default)]
pub struct Disk {
    live: BTreeMap<Position, Vec<u8>>,
    /// What a power loss leaves.
    safe: BTreeMap<Position, Vec<u8>>,
    marks: BTreeMap<u8, Mark>,
    fault: Option<Fault>,
    sync_delay: Duration,
    syncs: u64,
}

/// A journal in memory. Clones share the disk.
#[derive(Debug, Clone, Default)]
pub struct MemoryJournal(Arc<Mutex<Disk>>);

impl MemoryJournal {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a fault happen.
    pub fn inject(&self, fault: Fault) {
        self.disk().fault = Some(fault);
    }

    /// Makes every sync take that long.
    pub fn set_sync_delay(&self, delay: Duration) {
        self.disk().sync_delay = delay;
    }

    /// How often it was synced.
    pub fn syncs(&self) -> u64 {
        self.disk().syncs
    }

    /// A journal on what a crash now would leave.
    #[must_use]
    pub fn crash(&self, image: CrashImage) -> Self {
        let disk = self.disk();
        let mut left = disk.safe.clone();
        let unsynced = disk.live.iter().filter(|(position, _)| !disk.safe.contains_key(position));
        for (index, (position, value)) in unsynced.take(image.unsynced).enumerate() {
            let mut value = value.clone();
            if index.saturating_add(1) == image.unsynced {
                value.truncate(image.torn_to.unwrap_or(value.len()));
            }
            left.insert(*position, value);
        }
        let marks = disk.marks.clone();
        Self(Arc::new(Mutex::new(Disk {
            live: left.clone(),
            safe: left,
            marks,
            ..Disk::default()
        })))
    }

    /// The values on the disk, to damage a copy of them.
    pub fn values(&self) -> Vec<(Position, Vec<u8>)> {
        self.disk().live.iter().map(|(position, value)| (*position, value.clone())).collect()
    }

    /// Replaces or, with `None`, removes a value behind the journal's back.
    pub fn damage(&self, position: Position, value: Option<Vec<u8>>) {
        let mut disk = self.disk();
        disk.safe.remove(&position);
        disk.live.remove(&position);
        if let Some(value) = value {
            disk.safe.insert(position, value.clone());
            disk.live.insert(position, value);
        }
    }

    fn failure(action: &'static str) -> StoreError {
        let full = std::io::Error::other("an injected fault");
        StoreError::io(action, "memory")(full)
    }
}

impl Journal for MemoryJournal {
    fn append(&mut self, position: Position, value: &[u8]) -> Result<(), StoreError> {
        let mut disk = self.disk();
        if let Some(Fault::ShortWrite { bytes }) = disk.fault {
            let part = value.get(..bytes).unwrap_or(value).to_vec();
            disk.live.insert(position, part);
            return Err(Self::failure("write"));
        }
        disk.live.insert(position, value.to_vec());
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        let delay = self.disk().sync_delay;
        if !delay.is_zero() {
            std::thread::sleep(delay);
        }
        let mut disk = self.disk();
        if disk.fault == Some(Fault::FailedSync) {
            return Err(Self::failure("sync"));
        }
        disk.syncs = disk.syncs.saturating_add(1);
        let live = &disk.live;
        let safe_to = disk.safe.last_key_value().map(|(position, _)| *position);
        let fresh: Vec<_> = match safe_to {
            // One log at a time grows at its end, so only what is new has to be copied.
            Some(last) if live.range(..=last).count() == disk.safe.len() => {
                let after = (std::ops::Bound::Excluded(last), std::ops::Bound::Unbounded);
                live.range(after).map(|(position, value)| (*position, value.clone())).collect()
            }
            _ => live.iter().map(|(position, value)| (*position, value.clone())).collect(),
        };
        disk.safe.extend(fresh);
        Ok(())
    }

    fn set_mark(&mut self, mark: Mark) -> Result<(), StoreError> {
        self.disk().marks.insert(mark.last.log(), mark);
        Ok(())
    }

    fn reset_marks(&mut self, marks: &[Mark]) -> Result<(), StoreError> {
        self.disk().marks = marks.iter().map(|mark| (mark.last.log(), *mark)).collect();
        Ok(())
    }

    fn marks(&self) -> Result<Vec<Mark>, StoreError> {
        Ok(self.disk().marks.values().copied().collect())
    }

    fn scan(&self, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        for (position, value) in self.values() {
            visit(position, &value)?;
        }
        Ok(())
    }

    fn truncate(&mut self, from: Position) -> Result<(), StoreError> {
        let mut disk = self.disk();
        let keep = |position: &Position| position.log() != from.log() || *position < from;
        disk.live.retain(|position, _| keep(position));
        disk.safe.retain(|position, _| keep(position));
        Ok(())
    }

    fn reader(&self) -> Arc<dyn JournalReader> {
        Arc::new(self.clone())
    }
}

impl JournalReader for MemoryJournal {
    fn read(&self, from: Position, to: Position, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        for (position, value) in self.values() {
            if (from..to).contains(&position) {
                visit(position, &value)?;
            }
        }
        Ok(())
    }

    fn value_at(&self, position: Position) -> Result<Option<(Position, Vec<u8>)>, StoreError> {
        let disk = self.disk();
        let mut before = disk.live.range(Position::new(position.log(), 0)..=position);
        Ok(before.next_back().map(|(position, value)| (*position, value.clone())))
    }

    fn trim(&self, to: Position) -> Result<(), StoreError> {
        let mut disk = self.disk();
        let keep = |position: &Position| position.log() != to.log() || *position >= to;
        disk.live.retain(|position, _| keep(position));
        disk.safe.retain(|position, _| keep(position));
        Ok(())
    }
}
