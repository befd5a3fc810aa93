//! `purser verify`: is a store what it says?
//!
//! Every version of the prices and every value of archive and journal is read, every wallet replayed from
//! its records, and the state held against that; the first difference ends it.

use super::replay::{Replay, damaged};
use super::totals::Totals;
use super::walk::{self, Place};
use super::{LookError, look, progress};
use crate::codec::snapshot;
use crate::domain::debts::Debts;
use crate::domain::id::WalletId;
use crate::domain::rating::PriceVersion;
use crate::prices;
use crate::store::StoreError;
use crate::store::checkpoint;
use crate::store::state::{self, Table};
use crate::store::still::Still;
use crate::store::writer::Tail;
use std::collections::BTreeSet;
use std::path::Path;

/// After so many records of the archive, wallets forget their operations, unless somebody says
/// otherwise: some hundreds of bytes each.
pub const FORGET_EVERY: u64 = 500_000;

/// Verifies the store in a directory that nobody uses, and says what it comes to.
pub fn verify(data: &Path, forget_every: u64) -> anyhow::Result<Totals> {
    look(data, |still| {
        let prices = prices::verify(data).map_err(anyhow::Error::from)?;
        check(still, &prices, forget_every).map_err(LookError::from)
    })
}

/// Verifies an open store whose versions of the prices are these, and says what it comes to.
///
/// # Errors
///
/// The first difference.
pub fn check(
    still: &Still,
    prices: &BTreeSet<PriceVersion>,
    forget_every: u64,
) -> Result<Totals, StoreError> {
    check_archive(still)?;
    let archive = still.history.archive();
    let archived = archive.segments().map(|segment| segment.records).fold(0, u64::saturating_add);
    let bar = progress(archived.saturating_add(still.journaled));
    let mut totals = Totals {
        segments: u64::try_from(archive.segments().len()).unwrap_or(u64::MAX),
        checkpoint: still.checkpoint.number,
        prices: u64::try_from(prices.len()).unwrap_or(u64::MAX),
        unfinished: still.dropped.clone(),
        ..Totals::default()
    };
    let mut replay = Replay::new(still, prices, forget_every);
    let tails = walk::each_record(still, &mut |place, position, record| {
        let count = match place {
            Place::Archive => &mut totals.archived,
            Place::Journal => &mut totals.journaled,
        };
        *count = count.saturating_add(1);
        bar.inc(1);
        replay.take(place, position, record)
    })?;
    check_anchors(still, &tails)?;
    check_snapshots(still, &mut replay, &mut totals)?;
    check_pages(still, &replay)?;
    check_timers(still, &replay, &mut totals)?;
    replay.end(&mut totals)?;
    bar.finish_and_clear();
    Ok(totals)
}

/// The indexes are there and whole. What they say is seen when something is looked up.
fn check_archive(still: &Still) -> Result<(), StoreError> {
    if let Some(path) = still.lost_indexes.first() {
        let reason = "it is missing, or is not the index of its segment".to_owned();
        return Err(StoreError::Index { path: path.clone(), reason });
    }
    still.history.archive().check_indexes()
}

/// The checkpoint ends where the logs were then.
fn check_anchors(still: &Still, tails: &[Tail]) -> Result<(), StoreError> {
    for anchor in &still.checkpoint.tails {
        let position = anchor.next;
        let end = tails.iter().find(|tail| tail.next.log() == position.log());
        let end = end.copied().unwrap_or(Tail::empty(position.log()));
        let is_end = end.next == position;
        if end.next < position || (is_end && end.chain != anchor.chain) {
            let reason = "the checkpoint is of another journal".to_owned();
            return Err(StoreError::Damaged { position, reason });
        }
    }
    Ok(())
}

/// Every snapshot is of a wallet, and the checkpoint knows what all of them owe.
fn check_snapshots(
    still: &Still,
    replay: &mut Replay<'_>,
    totals: &mut Totals,
) -> Result<(), StoreError> {
    let mut debts = Debts::default();
    still.history.state().range(Table::Wallets, &[], &mut |key, bytes| {
        let id = wallet_at(state::wallet_at(key))?;
        totals.snapshots = totals.snapshots.saturating_add(1);
        let snapshot = snapshot::decode(bytes).map_err(|error| damaged(&id, error.to_string()))?;
        checkpoint::add_debt(&mut debts, &snapshot);
        if replay.get(&id).is_none() {
            replay.take_kept(snapshot)?;
        }
        if replay.get(&id).is_none_or(|replayed| replayed.kept.is_none()) {
            return Err(damaged(&id, "its snapshot is of another wallet"));
        }
        Ok(true)
    })?;
    if debts != still.checkpoint.debts {
        let reason = "the checkpoint's debts are not those of the snapshots; restore a backup";
        return Err(StoreError::Row { reason });
    }
    Ok(())
}

/// No page is left of a wallet that has none.
fn check_pages(still: &Still, replay: &Replay<'_>) -> Result<(), StoreError> {
    still.history.state().range(Table::Pages, &[], &mut |key, _| {
        // A zero and a number follow the place.
        let place = key.len().checked_sub(9).and_then(|end| key.get(..end)).unwrap_or_default();
        let id = wallet_at(state::wallet_at(place))?;
        let kept = replay.get(&id).and_then(|replayed| replayed.kept.as_ref());
        if kept.is_none_or(|kept| !kept.has_pages) {
            return Err(damaged(&id, "a page of holds is left over"));
        }
        Ok(true)
    })
}

/// Every wallet that waits for something has one timer, and no other has any.
fn check_timers(still: &Still, replay: &Replay<'_>, totals: &mut Totals) -> Result<(), StoreError> {
    still.history.state().range(Table::Timers, &[], &mut |key, _| {
        let timer = state::timer_at(key);
        let (deadline, id) = timer.ok_or(StoreError::Row { reason: "a timer is damaged" })?;
        let kept = replay.get(&id).and_then(|replayed| replayed.kept.as_ref());
        if kept.and_then(|kept| kept.deadline) != Some(deadline) {
            return Err(damaged(&id, format!("its timer at {deadline} is left over")));
        }
        totals.timers = totals.timers.saturating_add(1);
        Ok(true)
    })?;
    // Each of them is the one of its wallet, so it is enough to count.
    if totals.timers != replay.deadlines() {
        let reason = "a timer is missing; restore the data directory from a backup";
        return Err(StoreError::Row { reason });
    }
    Ok(())
}

fn wallet_at(id: Option<WalletId>) -> Result<WalletId, StoreError> {
    id.ok_or(StoreError::Row { reason: "a key of the state is damaged" })
}
