//! The keeper makes checkpoints: it moves what the journal has into the archive, and what wallets
//! are into the state, so that the journal stays small.
//!
//! The steps of a checkpoint, in their order; a crash between any two of them loses nothing:
//!
//! 1. [`Keeper::begin`]: an empty redo file.
//! 2. [`Keeper::keep`]: rows of snapshots into the redo file.
//! 3. [`Keeper::archive`]: the journal's values up to where the checkpoint ends, once they are safe.
//! 4. [`Keeper::commit`]: the redo file becomes valid, the checkpoint's row in it. *By now the journal
//!    must be safe past the last record in any snapshot*: else money would be kept and its op id lost.
//! 5. [`Keeper::apply`]: the rows into the state.
//! 6. [`Keeper::trim`]: the journal's values that the archive has, out of the journal.

use super::archive::{Archive, Secret, Settings, View};
use super::backup::{self, Source, Unfinished};
use super::checkpoint::Checkpoint;
use super::data_dir::DataDir;
use super::overlay::Overlay;
use super::redo::{self, RedoWriter};
use super::state::{Row, State, Table};
use super::writer::Tail;
use super::{JournalReader, StoreError};
use crate::codec::record::Position;
use crate::domain::debts::Debts;
use crate::domain::time::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const SECRET: &[u8] = b"secret";
/// The number of the oldest append that the archive must have; 1 when nothing was retired.
const OLDEST: &[u8] = b"oldest append";

/// Where the parts of a store lie.
#[derive(Debug, Clone)]
pub struct Places {
    /// The redo file.
    pub redo: PathBuf,
    /// The archive's folder.
    pub archive: PathBuf,
}

impl Places {
    /// Those of a data directory.
    pub fn of(dir: &DataDir) -> Self {
        Self { redo: dir.redo(), archive: dir.archive() }
    }
}

/// Makes checkpoints.
pub struct Keeper {
    places: Places,
    state: Arc<Overlay>,
    journal: Arc<dyn JournalReader>,
    archive: Archive,
    checkpoint: Checkpoint,
    redo: Option<RedoWriter>,
    secret: Secret,
}

impl Keeper {
    /// Opens archive and state as the last checkpoint left them. One that was committed and not applied
    /// counts, and is to be applied before another begins. `random` becomes the secret of the index, if there is none yet.
    pub fn open(
        places: Places,
        state: Arc<dyn State>,
        journal: Arc<dyn JournalReader>,
        settings: Settings,
        random: [u8; 16],
    ) -> Result<Self, StoreError> {
        let state = Arc::new(Overlay::of(&places.redo, state)?);
        let secret = secret(state.as_ref(), random)?;
        let checkpoint = Checkpoint::of(state.as_ref())?;
        let archive = Archive::open(&places.archive, secret, settings)?;
        let this = Self { places, state, journal, archive, checkpoint, redo: None, secret };
        this.check()?;
        Ok(this)
    }

    /// The archive has everything before the checkpoint, but what retention has removed.
    fn check(&self) -> Result<(), StoreError> {
        let oldest = self.state.get(Table::Meta, OLDEST)?.and_then(|row| row.try_into().ok());
        let oldest = oldest.map_or(1, u64::from_le_bytes);
        if self.archive.view().first_append().is_some_and(|first| first > oldest) {
            let reason = format!("it must begin with append {oldest}, which is missing");
            return Err(StoreError::DamagedFile { path: self.places.archive.clone(), reason });
        }
        for tail in &self.checkpoint.tails {
            let archived = self.archived(tail.next.log());
            if archived.next < tail.next {
                let reason = format!(
                    "log {} ends before number {} there, where the checkpoint was made",
                    tail.next.log(),
                    tail.next.number()
                );
                return Err(StoreError::DamagedFile { path: self.places.archive.clone(), reason });
            }
        }
        Ok(())
    }

    /// Up to where the archive has a log.
    fn archived(&self, log: u8) -> Tail {
        let known = self.archive.tails().into_iter().find(|tail| tail.next.log() == log);
        known.unwrap_or(Tail::empty(log))
    }

    /// The last checkpoint.
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The secret of the archive's index.
    pub const fn secret(&self) -> Secret {
        self.secret
    }

    /// The archive, to be read.
    pub fn view(&self) -> Arc<View> {
        self.archive.view()
    }

    /// The archive, to be kept in order.
    pub const fn archive_mut(&mut self) -> &mut Archive {
        &mut self.archive
    }

    /// Removes history beyond the archive's retention, nothing since `keep_since`; whether it did.
    pub fn retire(&mut self, now: Timestamp, keep_since: Timestamp) -> Result<bool, StoreError> {
        let state = Arc::clone(&self.state);
        let mut note = |oldest: u64| {
            state.put(&Row::put(Table::Meta, OLDEST.to_vec(), oldest.to_le_bytes().to_vec()))?;
            state.sync()
        };
        Ok(self.archive.retire(now, keep_since, &mut note)? > 0)
    }

    /// The state, with all that the last checkpoint has.
    pub fn state(&self) -> Arc<dyn State> {
        Arc::<Overlay>::clone(&self.state)
    }

    /// Whether the last checkpoint is to be applied first.
    pub fn has_rest(&self) -> bool {
        !self.state.is_settled()
    }

    /// Begins a checkpoint.
    pub fn begin(&mut self) -> Result<(), StoreError> {
        self.redo = Some(RedoWriter::create(&self.places.redo)?);
        Ok(())
    }

    /// Takes rows of snapshots.
    pub fn keep(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        let redo = self.redo.as_mut().ok_or(NOT_BEGUN)?;
        rows.iter().try_for_each(|row| redo.add(row))
    }

    /// Moves the journal's values before these ends into the archive, which then has them for good.
    /// They must be safe in the journal.
    pub fn archive(&mut self, ends: &[Position]) -> Result<(), StoreError> {
        let archived = self.archive.tails();
        let journal = Arc::clone(&self.journal);
        let from = |log: u8| {
            let known = archived.iter().find(|tail| tail.next.log() == log);
            known.map_or(Position::new(log, 1), |tail| tail.next)
        };
        self.archive.append(&mut |visit| {
            ends.iter().try_for_each(|end| journal.read(from(end.log()), *end, visit))
        })?;
        let short = ends.iter().find(|end| self.archived(end.log()).next != **end);
        match short {
            None => Ok(()),
            Some(end) => Err(StoreError::Damaged {
                position: *end,
                reason: "the journal's values do not reach it".to_owned(),
            }),
        }
    }

    /// Makes the checkpoint count. `ends` are those that were archived; `owed` is how much more the
    /// snapshots in it owe than those that they replace.
    pub fn commit(
        &mut self,
        ends: &[Position],
        wallets: u64,
        owed: &Debts,
        last_time: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tails = self.checkpoint.tails.clone();
        tails.retain(|tail| ends.iter().all(|end| end.log() != tail.next.log()));
        tails.extend(ends.iter().map(|end| self.archived(end.log())));
        let number = self.checkpoint.number.saturating_add(1);
        let mut debts = self.checkpoint.debts.clone();
        debts.add(owed);
        let checkpoint = Checkpoint { number, wallets, last_time, tails, debts };
        let mut redo = self.redo.take().ok_or(NOT_BEGUN)?;
        redo.add(&checkpoint.row())?;
        redo.finish()?;
        self.checkpoint = checkpoint;
        Ok(())
    }

    /// Puts what was committed into the state, as long as `goes_on` says so; answers whether it is done.
    /// Else it is to be applied by the keeper that opens the store next.
    pub fn apply(&mut self, goes_on: &dyn Fn() -> bool) -> Result<bool, StoreError> {
        let is_done = redo::apply(&self.places.redo, self.state.under(), goes_on)?;
        if is_done {
            self.state.settle();
        }
        Ok(is_done)
    }

    /// Begins a backup of all that the last checkpoint has, and of what the journal has since. What was
    /// committed must be applied, and nothing may be begun.
    pub fn back_up(&self, to: &Path) -> Result<Unfinished, StoreError> {
        let source = Source {
            state: self.state.as_ref(),
            journal: self.journal.as_ref(),
            archive: &self.places.archive,
            checkpoint: &self.checkpoint,
        };
        backup::begin(to, &source)
    }

    /// Up to where the archive has each log.
    pub fn archive_tails(&self) -> Vec<Tail> {
        self.archive.tails()
    }

    /// Takes what the archive has out of the journal.
    pub fn trim(&mut self) -> Result<(), StoreError> {
        self.checkpoint.tails.iter().try_for_each(|tail| self.journal.trim(tail.next))
    }
}

const NOT_BEGUN: StoreError = StoreError::Row { reason: "no checkpoint was begun" };

/// The secret of the archive's index, made once.
fn secret(state: &dyn State, random: [u8; 16]) -> Result<Secret, StoreError> {
    if let Some(known) = state.get(Table::Meta, SECRET)? {
        let known = known.try_into().map(Secret::new);
        return known.map_err(|_| StoreError::Row { reason: "the secret of the index is damaged" });
    }
    state.put(&Row::put(Table::Meta, SECRET.to_vec(), random.to_vec()))?;
    state.sync()?;
    Ok(Secret::new(random))
}
