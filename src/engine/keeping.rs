//! The keeper's thread: makes checkpoints now and then, and keeps the archive in order.
//!
//! What a checkpoint consists of, and why in this order, stands in [`crate::store::keeper`].

use super::batch::BatchNo;
use super::clock::Clock;
use super::directory::Forgotten;
use super::figures::Figures;
use super::peers::PeerMessage;
use super::signal::ShardSignal;
use crate::codec::record::Position;
use crate::domain::debts::Debts;
use crate::domain::memory::Era;
use crate::domain::time::Span;
use crate::store::StoreError;
use crate::store::backup::Unfinished;
use crate::store::history::History;
use crate::store::keeper::Keeper;
use crate::store::pace::Leisure;
use crate::store::state::Row;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender};
use std::cell::Cell;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often the keeper looks what there is to do.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often it looks while a checkpoint goes on.
const CHECKPOINT_LOOK: Duration = Duration::from_millis(2);
/// How soon after a checkpoint another one may follow when there is a hurry.
const HURRY_EVERY: Duration = Duration::from_secs(1);

/// When the journal has grown by so many times what a checkpoint is made for, there is a hurry: those
/// who always ask for more leave no time for those that give way.
const URGENT: u64 = 2;

/// What the keeper is told.
pub enum ToKeeper {
    /// A shard has ended its era: with which place in its log, in which batch at the latest, and how
    /// many wallets it had then.
    Begun {
        /// The shard.
        shard: u8,
        /// The first place of the next era.
        end: Position,
        /// The batch that must be safe before the era's records are archived.
        after: BatchNo,
        /// How many wallets there were.
        wallets: u64,
    },
    /// Rows of snapshots.
    Rows(Vec<Row>),
    /// A shard has given all snapshots.
    Saved {
        /// The shard.
        shard: u8,
        /// The batch that must be safe before they may count.
        after: BatchNo,
        /// How much more they owe than those that they replace.
        owed: Debts,
    },
    /// Names that a shard needs no more, to be dropped by somebody who has time.
    Forgotten(Forgotten),
    /// More wallets are in memory than may be, and none can go.
    Hurry,
    /// A backup is to be made.
    Backup(Backup),
    /// The process stops.
    Stop,
}

/// A backup that somebody waits for.
pub struct Backup {
    /// Where it is to be.
    pub to: PathBuf,
    /// Takes the backup, to be completed while the keeper goes on, or why there is none.
    pub done: Sender<Result<Unfinished, StoreError>>,
}

/// When the keeper does what.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// A checkpoint this long after the last one, if anything has changed.
    pub checkpoint_every: Duration,
    /// A checkpoint after so many bytes of journal.
    pub checkpoint_bytes: u64,
    /// How long a stop waits until what is committed is in the state.
    pub stop_max: Duration,
    /// History younger than this stays, whatever the archive's retention.
    pub remembered: Span,
}

/// What the keeper works with.
pub struct Keeping {
    /// Makes checkpoints.
    pub keeper: Keeper,
    /// What lies on the disk.
    pub history: Arc<History>,
    /// What it is told.
    pub inbox: Receiver<ToKeeper>,
    /// The shards.
    pub shards: Vec<Arc<ShardSignal>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// When it does what.
    pub timing: Timing,
    /// The ends of logs that no shard writes any more: there were more shards before. Each checkpoint
    /// has all of them.
    pub old_ends: Vec<Position>,
    /// How many bytes the committer has written to the journal.
    pub written: Arc<AtomicU64>,
    /// How many checkpoints are complete.
    pub complete: Arc<AtomicU64>,
    /// Set when the process stops: what takes long then is left to the next start.
    pub stop: Arc<AtomicBool>,
    /// Where it notes how the store stands.
    pub figures: Arc<Figures>,
}

/// Where a checkpoint stands.
#[derive(Default)]
struct Progress {
    begun: Vec<(u8, Position, BatchNo)>,
    saved: Vec<(u8, BatchNo)>,
    wallets: u64,
    owed: Debts,
    is_archived: bool,
}

/// Whether the keeper goes on.
#[derive(PartialEq, Eq)]
enum Next {
    GoOn,
    Stop,
}

impl Keeping {
    /// Keeps until it is told to stop, or the store fails: then the process must stop.
    pub fn run(mut self) -> Result<(), StoreError> {
        let mut era = Era::default();
        let (mut last, mut written, mut hurry) = (Instant::now(), 0, false);
        let mut backups = Vec::new();
        self.publish();
        if self.read_filters()? == Next::Stop || self.finish()? == Next::Stop {
            return Ok(());
        }
        // What was recovered has no checkpoint yet.
        let mut is_new = true;
        loop {
            match self.inbox.recv_timeout(LOOK_EVERY) {
                Ok(ToKeeper::Stop) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Ok(ToKeeper::Hurry) => hurry = true,
                Ok(ToKeeper::Backup(backup)) => backups.push(backup),
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            }
            let now = self.written.load(Ordering::Relaxed);
            let grown = note_grown(&self.figures, &self.written, written);
            let is_due = (last.elapsed() >= self.timing.checkpoint_every && (grown > 0 || is_new))
                || grown >= self.timing.checkpoint_bytes
                || !backups.is_empty()
                || (hurry && last.elapsed() >= HURRY_EVERY);
            if is_due {
                // Those that come during the checkpoint get one of their own.
                let asked = std::mem::take(&mut backups);
                if self.checkpoint(era, written, &mut backups)? == Next::Stop {
                    return Ok(());
                }
                self.tidy(now)?;
                self.back_up(asked);
                (era, last, written, hurry, is_new) =
                    (era.next(), Instant::now(), now, false, false);
            }
        }
    }

    /// Reads the filters of the archive, which the start has left on the disk: until then each new operation
    /// is looked up there. Before any checkpoint, so that shards may have the archive as it is.
    fn read_filters(&mut self) -> Result<Next, StoreError> {
        while !self.stop.load(Ordering::Relaxed) {
            let leisure = self.leisure(0);
            if !at_pace(leisure, || self.keeper.archive_mut().read_filter())? {
                for shard in &self.shards {
                    shard.send(PeerMessage::FiltersRead(self.keeper.view()));
                }
                self.publish();
                return Ok(Next::GoOn);
            }
            self.history.show(self.keeper.view());
        }
        Ok(Next::Stop)
    }

    /// Finishes a checkpoint that the last stop came into the middle of.
    fn finish(&mut self) -> Result<Next, StoreError> {
        if !self.keeper.has_rest() {
            return Ok(Next::GoOn);
        }
        self.figures.checkpoint_running.set(1);
        let next = self.apply(0)?;
        self.figures.checkpoint_running.set(0);
        if next == Next::GoOn {
            tracing::info!("the last checkpoint is finished");
        }
        Ok(next)
    }

    /// Puts what was committed into the state; when the checkpoint began, so many bytes were written. A stop
    /// waits for it for a while, so that the next start has less to do.
    fn apply(&mut self, written: u64) -> Result<Next, StoreError> {
        let leisure = self.leisure(written);
        let Self { keeper, figures, stop, written: now, timing, .. } = self;
        let run = || {
            let stopped = Cell::new(None);
            keeper.apply(&|| {
                note_grown(figures, now, written);
                if stop.load(Ordering::Relaxed) && stopped.get().is_none() {
                    stopped.set(Some(Instant::now()));
                }
                stopped.get().is_none_or(|since| since.elapsed() < timing.stop_max)
            })
        };
        let is_done = stage("apply", leisure, run)?;
        Ok(if is_done { Next::GoOn } else { Next::Stop })
    }

    /// For how long requests need not share their cores with a checkpoint, so that the journal stays small.
    fn leisure(&self, written: u64) -> Leisure {
        let growth = self.timing.checkpoint_bytes.saturating_mul(URGENT);
        Leisure::until(&self.written, written.saturating_add(growth))
    }

    /// Makes the checkpoint that ends this era; when the last one began, so many bytes were written.
    fn checkpoint(
        &mut self,
        era: Era,
        written: u64,
        backups: &mut Vec<Backup>,
    ) -> Result<Next, StoreError> {
        let begun = Instant::now();
        self.figures.checkpoint_running.set(1);
        self.keeper.begin()?;
        for shard in &self.shards {
            shard.send(PeerMessage::Checkpoint(era));
        }
        let mut progress = Progress::default();
        while !self.is_complete(&progress) {
            match self.inbox.recv_timeout(CHECKPOINT_LOOK) {
                Ok(ToKeeper::Begun { shard, end, after, wallets }) => {
                    progress.begun.push((shard, end, after));
                    progress.wallets = progress.wallets.saturating_add(wallets);
                }
                Ok(ToKeeper::Rows(rows)) => self.keeper.keep(&rows)?,
                Ok(ToKeeper::Saved { shard, after, owed }) => {
                    progress.saved.push((shard, after));
                    progress.owed.add(&owed);
                }
                Ok(ToKeeper::Backup(backup)) => backups.push(backup),
                Ok(ToKeeper::Hurry | ToKeeper::Forgotten(_)) | Err(RecvTimeoutError::Timeout) => {}
                Ok(ToKeeper::Stop) | Err(RecvTimeoutError::Disconnected) => return Ok(Next::Stop),
            }
            note_grown(&self.figures, &self.written, written);
            if self.shards.iter().any(|shard| shard.has_failed()) {
                // The committer says why.
                return Ok(Next::Stop);
            }
            let has_begun = progress.begun.len() == self.shards.len();
            let afters = progress.begun.iter().map(|(shard, _, after)| (*shard, *after));
            if has_begun && !progress.is_archived && self.are_safe(afters) {
                let ends = self.ends(&progress);
                stage("archive", self.leisure(written), || self.keeper.archive(&ends))?;
                self.history.show(self.keeper.view());
                progress.is_archived = true;
            }
        }
        metrics::histogram!("purser_checkpoint_stage_seconds", "stage" => "gather")
            .record(begun.elapsed());
        let (ends, now) = (self.ends(&progress), self.clock.now());
        let leisure = self.leisure(written);
        let Progress { wallets, owed, .. } = progress;
        stage("commit", leisure.clone(), || self.keeper.commit(&ends, wallets, &owed, now))?;
        if self.apply(written)? == Next::Stop {
            return Ok(Next::Stop);
        }
        for shard in &self.shards {
            shard.send(PeerMessage::Kept(era, self.keeper.view()));
        }
        self.complete.fetch_add(1, Ordering::Release);
        stage("trim", leisure, || self.keeper.trim())?;
        let (figures, took) = (&self.figures, begun.elapsed());
        figures.checkpoint_running.set(0);
        figures.checkpoints.set(figures.checkpoints.get().saturating_add(1));
        let at = self.clock.now().millis().div_euclid(1_000);
        figures.checkpoint_at.set(u64::try_from(at).unwrap_or(0));
        figures.checkpoint_ms.set(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        metrics::histogram!("purser_checkpoint_seconds").record(took);
        Ok(Next::GoOn)
    }

    /// Whether a checkpoint may count: all is archived and given, and what was given is safe.
    fn is_complete(&self, progress: &Progress) -> bool {
        progress.is_archived
            && progress.saved.len() == self.shards.len()
            && self.are_safe(progress.saved.iter().copied())
    }

    /// Where each log ends with the era.
    fn ends(&self, progress: &Progress) -> Vec<Position> {
        let of_shards = progress.begun.iter().map(|(_, end, _)| *end);
        of_shards.chain(self.old_ends.iter().copied()).collect()
    }

    fn are_safe(&self, mut batches: impl Iterator<Item = (u8, BatchNo)>) -> bool {
        batches.all(|(shard, after)| {
            self.shards.get(usize::from(shard)).is_some_and(|shard| shard.is_safe(after))
        })
    }

    /// Begins the backups that were asked for before the last checkpoint began.
    fn back_up(&self, asked: Vec<Backup>) {
        for backup in asked {
            // Whoever does not wait any more need not be told.
            drop(backup.done.send(self.keeper.back_up(&backup.to)));
        }
    }

    /// Keeps the archive in order; when the last checkpoint began, so many bytes were written.
    fn tidy(&mut self, written: u64) -> Result<(), StoreError> {
        let now = self.clock.now();
        let keep_since = Span::from_millis(self.timing.remembered.millis().saturating_neg());
        let mut merged = false;
        while at_pace(self.leisure(written), || self.keeper.archive_mut().merge())? {
            merged = true;
        }
        let retired = self.keeper.retire(now, now.after(keep_since))?;
        if merged || retired {
            self.history.show(self.keeper.view());
        }
        self.publish();
        Ok(())
    }

    /// Publishes how the archive stands.
    fn publish(&self) {
        let (archive, figures) = (self.keeper.view(), &self.figures);
        figures.archive_bytes.set(archive.bytes());
        figures.archive_filter_bytes.set(archive.filter_bytes());
        figures.archive_segments.set(u64::try_from(archive.segments().len()).unwrap_or(0));
        let operations = archive.segments().map(|segment| segment.ops);
        figures.archive_operations.set(operations.fold(0, u64::saturating_add));
        let oldest = archive.oldest().map_or(Span::ZERO, |oldest| self.clock.now().since(oldest));
        figures.dedup_window_seconds.set(u64::try_from(oldest.millis() / 1_000).unwrap_or(0));
    }
}

/// Notes how many bytes the journal has grown by, from so many written ones on.
fn note_grown(figures: &Figures, now: &AtomicU64, written: u64) -> u64 {
    let grown = now.load(Ordering::Relaxed).saturating_sub(written);
    figures.journal_grown.set(grown);
    grown
}

/// Does a stage of a checkpoint, and notes how long it took.
fn stage<T: Send>(
    name: &'static str,
    leisure: Leisure,
    run: impl FnOnce() -> Result<T, StoreError> + Send,
) -> Result<T, StoreError> {
    let begun = Instant::now();
    let result = at_pace(leisure, run);
    let seconds = metrics::histogram!("purser_checkpoint_stage_seconds", "stage" => name);
    seconds.record(begun.elapsed());
    result
}

/// Does something, at leisure as long as there is any.
fn at_pace<T: Send>(
    leisure: Leisure,
    run: impl FnOnce() -> Result<T, StoreError> + Send,
) -> Result<T, StoreError> {
    leisure.enjoy(run).map_err(StoreError::io("start a thread for", "a checkpoint"))?
}
