//! Holds: money set aside for work that is under way.

use super::amount::{Amount, Overflow};
use super::command::Overage;
use super::id::{OpId, Tags};
use super::posting::GrantNo;
use super::time::Timestamp;
use smallvec::SmallVec;
use std::collections::BTreeMap;

/// The part of a grant that a hold pins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// The grant.
    pub grant: GrantNo,
    /// How much of it.
    pub amount: Amount,
}

/// An open hold, or what is remembered of one that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The wallet's sequence number when it was placed: its age among holds.
    pub number: u64,
    /// When it was placed.
    pub created_at: Timestamp,
    /// When it expires: exactly at `now >= expires_at`.
    pub expires_at: Timestamp,
    /// What a capture above it does.
    pub overage: Overage,
    /// What it is for.
    pub tags: Tags,
    /// All that was ever reserved by it.
    pub amount: Amount,
    /// All that was charged through it.
    pub captured: Amount,
    /// What it pins of grants, each grant once.
    pub slices: SmallVec<[Slice; 1]>,
    /// What it holds of the credit line.
    pub credit: Amount,
}

impl Hold {
    /// What it still holds.
    pub fn remaining(&self) -> Amount {
        let pinned: i128 = self.slices.iter().map(|slice| slice.amount.pico()).sum();
        Amount::from_pico(pinned.saturating_add(self.credit.pico()))
    }

    /// What it pins of a grant.
    pub fn pinned(&self, grant: GrantNo) -> Amount {
        let slice = self.slices.iter().find(|slice| slice.grant == grant);
        slice.map_or(Amount::ZERO, |slice| slice.amount)
    }

    /// Pins more of a grant.
    pub(super) fn pin(&mut self, grant: GrantNo, amount: Amount) -> Result<(), Overflow> {
        match self.slices.iter_mut().find(|slice| slice.grant == grant) {
            Some(slice) => slice.amount = slice.amount.plus(amount)?,
            None => self.slices.push(Slice { grant, amount }),
        }
        Ok(())
    }

    /// Pins less of a grant; `None` when it does not pin as much.
    pub(super) fn unpin(&mut self, grant: GrantNo, amount: Amount) -> Option<()> {
        let slice = self.slices.iter_mut().find(|slice| slice.grant == grant)?;
        slice.amount = slice.amount.minus(amount).ok().filter(|left| !left.is_negative())?;
        self.slices.retain(|slice| slice.amount.is_positive());
        Some(())
    }
}

/// A wallet's open holds, by id and by when they expire.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holds {
    by_id: BTreeMap<OpId, Hold>,
    /// Expiry, then age: the order in which they expire.
    by_expiry: BTreeMap<(Timestamp, u64), OpId>,
}

impl Holds {
    /// How many are open.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// An open hold.
    pub fn get(&self, id: &OpId) -> Option<&Hold> {
        self.by_id.get(id)
    }

    /// The open holds by id, those after `after`.
    pub fn after(&self, after: Option<&OpId>) -> impl Iterator<Item = (&OpId, &Hold)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let start = after.map_or(Unbounded, Excluded);
        self.by_id.range::<OpId, _>((start, Unbounded))
    }

    /// The hold that expires first, and when.
    pub fn next_expiry(&self) -> Option<(Timestamp, &OpId)> {
        self.by_expiry.first_key_value().map(|((at, _), id)| (*at, id))
    }

    /// Adds a hold; `None` when there is one of that id.
    pub(super) fn insert(&mut self, id: OpId, hold: Hold) -> Option<()> {
        if self.by_id.contains_key(&id) {
            return None;
        }
        self.by_expiry.insert((hold.expires_at, hold.number), id.clone());
        self.by_id.insert(id, hold);
        Some(())
    }

    /// An open hold, to change anything but its expiry.
    pub(super) fn get_mut(&mut self, id: &OpId) -> Option<&mut Hold> {
        self.by_id.get_mut(id)
    }

    /// Moves the expiry of an open hold.
    pub(super) fn reschedule(&mut self, id: &OpId, expires_at: Timestamp) -> Option<()> {
        let hold = self.by_id.get_mut(id)?;
        let id = self.by_expiry.remove(&(hold.expires_at, hold.number))?;
        hold.expires_at = expires_at;
        self.by_expiry.insert((expires_at, hold.number), id);
        Some(())
    }

    /// Takes a hold out; `None` when there is none of that id.
    pub(super) fn remove(&mut self, id: &OpId) -> Option<Hold> {
        let hold = self.by_id.remove(id)?;
        self.by_expiry.remove(&(hold.expires_at, hold.number));
        Some(hold)
    }
}
