//! The committer: one thread that makes batches safe. It takes all that waits, so the slower the
//! disk, the larger the commits; there is no timer.
//!
//! After a failure nothing may be acknowledged any more: memory is ahead of the disk, and a sync
//! that failed once may falsely succeed the second time. The process must stop.

use super::batch::SealedBatch;
use super::signal::ShardSignal;
use crate::store::writer::{JournalWriter, Written};
use crate::store::{Journal, StoreError};
use crossbeam::channel::Receiver;
use metrics::{Counter, Histogram};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// What the committer is given.
#[derive(Debug)]
pub enum Submission {
    /// A batch and the shard that waits for it.
    Batch(u8, SealedBatch),
    /// The last one: everything before it is to be made safe, then the committer is done.
    Stop,
}

/// Writes what it receives until it is told to stop, or the store fails. Counts the bytes in
/// `written`.
pub fn run<J: Journal>(
    mut writer: JournalWriter<J>,
    submissions: &Receiver<Submission>,
    shards: &[Arc<ShardSignal>],
    written: &AtomicU64,
) -> Result<(), StoreError> {
    let meters = Meters::new();
    let mut taken: Vec<(u8, SealedBatch)> = Vec::new();
    let mut stop = false;
    while !stop {
        let Ok(first) = submissions.recv() else { break };
        for submission in std::iter::once(first).chain(submissions.try_iter()) {
            match submission {
                Submission::Batch(shard, sealed) => taken.push((shard, sealed)),
                Submission::Stop => stop = true,
            }
        }
        if taken.is_empty() {
            continue;
        }
        match commit(&mut writer, &taken, &meters) {
            Ok(bytes) => drop(written.fetch_add(bytes, Ordering::Relaxed)),
            Err(error) => {
                for shard in shards {
                    shard.fail();
                }
                return Err(error);
            }
        }
        for (shard, sealed) in taken.drain(..) {
            if let Some(signal) = shards.get(usize::from(shard)) {
                signal.committed(sealed.number, sealed.batch.frames);
            }
        }
    }
    Ok(())
}

fn commit<J: Journal>(
    writer: &mut JournalWriter<J>,
    taken: &[(u8, SealedBatch)],
    meters: &Meters,
) -> Result<u64, StoreError> {
    let start = Instant::now();
    let mut written = Written::default();
    for (_, sealed) in taken {
        let of_batch = writer.append(&sealed.batch)?;
        written.values = written.values.saturating_add(of_batch.values);
        written.bytes = written.bytes.saturating_add(of_batch.bytes);
    }
    let before_sync = Instant::now();
    writer.sync()?;
    let after_sync = Instant::now();
    writer.mark(taken.iter().map(|(_, sealed)| &sealed.batch))?;
    for (_, sealed) in taken {
        meters.decide.record(sealed.sealed.duration_since(sealed.since));
        meters.queue.record(start.duration_since(sealed.sealed));
    }
    meters.sync.record(after_sync.duration_since(before_sync));
    meters.commit.record(start.elapsed());
    let records = taken.iter().map(|(_, sealed)| sealed.records).sum::<u64>();
    meters.batch_records.record(u32::try_from(records).map_or(f64::MAX, f64::from));
    meters.records.increment(records);
    meters.values.increment(written.values);
    meters.bytes.increment(written.bytes);
    Ok(written.bytes)
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
