//! The committer: one thread that makes batches safe. It takes all that waits, so the slower the
//! disk, the larger the commits; there is no timer.
//!
//! After a failure nothing may be acknowledged any more: memory is ahead of the disk, and a sync
//! that failed once may falsely succeed the second time. The process must stop.

use super::batch::{BatchNo, SealedBatch};
use super::signal::ShardSignal;
use crate::store::writer::{JournalWriter, Written};
use crate::store::{Journal, StoreError};
use crossbeam::channel::{Receiver, RecvTimeoutError};
use metrics::{Counter, Histogram};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What the committer is given.
#[derive(Debug)]
pub enum Submission {
    /// A batch and the shard that waits for it.
    Batch(u8, SealedBatch),
    /// The last one: everything before it is to be made safe, then the committer is done.
    Stop,
}

/// When what was written is made safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Before anybody hears of it.
    Commit,
    /// At most so long after it was acknowledged: a power loss, or the end of the process, takes what
    /// came later.
    Interval(Duration),
}

/// Writes what it receives until it is told to stop, or the store fails. Counts the bytes in
/// `written`.
pub fn run<J: Journal>(
    writer: JournalWriter<J>,
    submissions: &Receiver<Submission>,
    shards: &[Arc<ShardSignal>],
    written: &AtomicU64,
    durability: Durability,
) -> Result<(), StoreError> {
    let meters = Meters::new();
    let mut committer = Committer {
        writer,
        shards,
        written,
        durability,
        meters,
        unsafe_since: None,
        unsafe_until: Vec::new(),
    };
    let result = committer.run(submissions);
    if result.is_err() {
        for shard in shards {
            shard.fail();
        }
    }
    result
}

struct Committer<'a, J> {
    writer: JournalWriter<J>,
    shards: &'a [Arc<ShardSignal>],
    written: &'a AtomicU64,
    durability: Durability,
    meters: Meters,
    /// Since when something is acknowledged that is not safe.
    unsafe_since: Option<Instant>,
    /// The last batch of each shard that is acknowledged and not safe.
    unsafe_until: Vec<(u8, BatchNo)>,
}

impl<J: Journal> Committer<'_, J> {
    fn run(&mut self, submissions: &Receiver<Submission>) -> Result<(), StoreError> {
        let mut taken: Vec<(u8, SealedBatch)> = Vec::new();
        let mut stop = false;
        while !stop {
            let first = match self.deadline() {
                Some(deadline) => submissions.recv_deadline(deadline),
                None => submissions.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match first {
                Ok(Submission::Batch(shard, sealed)) => taken.push((shard, sealed)),
                Ok(Submission::Stop) | Err(RecvTimeoutError::Disconnected) => stop = true,
                Err(RecvTimeoutError::Timeout) => {}
            }
            for submission in submissions.try_iter() {
                match submission {
                    Submission::Batch(shard, sealed) => taken.push((shard, sealed)),
                    Submission::Stop => stop = true,
                }
            }
            if !taken.is_empty() {
                self.commit(&mut taken)?;
            }
            let is_due = self.deadline().is_some_and(|deadline| deadline <= Instant::now());
            if self.unsafe_since.is_some() && (stop || is_due) {
                self.make_safe()?;
            }
        }
        Ok(())
    }

    /// By when something must be made safe, if anything waits for that.
    fn deadline(&self) -> Option<Instant> {
        match self.durability {
            Durability::Commit => None,
            Durability::Interval(interval) => self.unsafe_since.map(|since| since + interval),
        }
    }

    /// Writes batches and, unless that may wait, makes them safe; then their shards hear of it.
    fn commit(&mut self, taken: &mut Vec<(u8, SealedBatch)>) -> Result<(), StoreError> {
        let start = Instant::now();
        let mut written = Written::default();
        for (_, sealed) in &*taken {
            let of_batch = self.writer.append(&sealed.batch)?;
            written.values = written.values.saturating_add(of_batch.values);
            written.bytes = written.bytes.saturating_add(of_batch.bytes);
        }
        if self.durability == Durability::Commit {
            let before_sync = Instant::now();
            self.writer.sync()?;
            self.meters.sync.record(before_sync.elapsed());
            self.writer.mark(taken.iter().map(|(_, sealed)| &sealed.batch))?;
        } else {
            self.unsafe_since.get_or_insert(start);
        }
        self.meters.count(taken, start, written);
        self.written.fetch_add(written.bytes, Ordering::Relaxed);
        for (shard, sealed) in taken.drain(..) {
            let Some(signal) = self.shards.get(usize::from(shard)) else { continue };
            if self.durability == Durability::Commit {
                signal.safe(sealed.number);
            } else {
                self.unsafe_until.retain(|(other, _)| *other != shard);
                self.unsafe_until.push((shard, sealed.number));
            }
            signal.committed(sealed.number, sealed.batch.frames);
        }
        Ok(())
    }

    /// Makes safe what was acknowledged before.
    fn make_safe(&mut self) -> Result<(), StoreError> {
        let before_sync = Instant::now();
        self.writer.sync()?;
        self.meters.sync.record(before_sync.elapsed());
        self.writer.mark_all()?;
        for (shard, batch) in self.unsafe_until.drain(..) {
            if let Some(signal) = self.shards.get(usize::from(shard)) {
                signal.safe(batch);
            }
        }
        self.unsafe_since = None;
        Ok(())
    }
}

/// What the committer counts; once per commit, never per record.
struct Meters {
    decide: Histogram,
    queue: Histogram,
    commit: Histogram,
    sync: Histogram,
    batch_records: Histogram,
    records: Counter,
    values: Counter,
    bytes: Counter,
}

impl Meters {
    /// Counts a commit.
    fn count(&self, taken: &[(u8, SealedBatch)], start: Instant, written: Written) {
        for (_, sealed) in taken {
            self.decide.record(sealed.sealed.duration_since(sealed.since));
            self.queue.record(start.duration_since(sealed.sealed));
        }
        self.commit.record(start.elapsed());
        let records = taken.iter().map(|(_, sealed)| sealed.records).sum::<u64>();
        self.batch_records.record(u32::try_from(records).map_or(f64::MAX, f64::from));
        self.records.increment(records);
        self.values.increment(written.values);
        self.bytes.increment(written.bytes);
    }

    fn new() -> Self {
        let stage =
            |stage: &'static str| metrics::histogram!("purser_stage_seconds", "stage" => stage);
        Self {
            decide: stage("decide"),
            queue: stage("queue"),
            commit: stage("commit"),
            sync: stage("sync"),
            batch_records: metrics::histogram!("purser_commit_records"),
            records: metrics::counter!("purser_journal_records_total"),
            values: metrics::counter!("purser_journal_values_total"),
            bytes: metrics::counter!("purser_journal_bytes_total"),
        }
    }
}
