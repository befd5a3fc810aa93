//! Holds: money set aside for work that is under way.

use super::amount::{Amount, Overflow};
use super::command::Overage;
use super::id::{OpId, Tags};
use super::posting::GrantNo;
use super::price_tag::PricePin;
use super::time::Timestamp;
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet};

/// The number of a hold within its wallet: the sequence number of the event that placed it, and so
/// its age among holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HoldNo(pub u64);

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
    /// Its number, and so its age.
    pub number: HoldNo,
    /// Its name: the op id that placed it.
    pub id: OpId,
    /// When it was placed.
    pub created_at: Timestamp,
    /// When it expires: exactly at `now >= expires_at`.
    pub expires_at: Timestamp,
    /// What a capture above it does.
    pub overage: Overage,
    /// What it is for.
    pub tags: Tags,
    /// The prices that rate its captures.
    pub pin: Option<Box<PricePin>>,
    /// All that was ever reserved by it.
    pub amount: Amount,
    /// All that was charged through it.
    pub captured: Amount,
    /// What it pins of grants, each grant once, by number.
    pub slices: SmallVec<[Slice; 1]>,
    /// What it holds of the credit line.
    pub credit: Amount,
}

impl Hold {
    /// What it still holds.
    pub fn remaining(&self) -> Amount {
        self.slices.iter().map(|slice| slice.amount).chain([self.credit]).sum()
    }

    /// What it pins of a grant.
    pub fn pinned(&self, grant: GrantNo) -> Amount {
        let place = self.slices.binary_search_by_key(&grant, |slice| slice.grant);
        let slice = place.ok().and_then(|place| self.slices.get(place));
        slice.map_or(Amount::ZERO, |slice| slice.amount)
    }

    /// Pins more of a grant.
    pub(super) fn pin(&mut self, grant: GrantNo, amount: Amount) -> Result<(), Overflow> {
        match self.slices.binary_search_by_key(&grant, |slice| slice.grant) {
            Ok(place) => {
                if let Some(slice) = self.slices.get_mut(place) {
                    slice.amount = slice.amount.plus(amount)?;
                }
            }
            Err(place) => self.slices.insert(place, Slice { grant, amount }),
        }
        Ok(())
    }

    /// Pins less of a grant; `None` when it does not pin as much.
    pub(super) fn unpin(&mut self, grant: GrantNo, amount: Amount) -> Option<()> {
        let place = self.slices.binary_search_by_key(&grant, |slice| slice.grant).ok()?;
        let slice = self.slices.get_mut(place)?;
        slice.amount = slice.amount.minus(amount).ok().filter(|left| !left.is_negative())?;
        if slice.amount.is_zero() {
            self.slices.remove(place);
        }
        Some(())
    }
}

/// A wallet's open holds, by age and by when they expire. Their ids are remembered with the
/// operations that placed them (see [`super::memory`]).
///
/// Both maps grow at their end, where their last nodes are in the cache; ids would be compared all
/// over the memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holds {
    by_number: BTreeMap<HoldNo, Box<Hold>>,
    /// Expiry, then age: the order in which they expire.
    by_expiry: BTreeSet<(Timestamp, HoldNo)>,
    touched: Touched,
}

/// Pages of holds that changed since they were last kept; no part of what the holds are.
#[derive(Debug, Clone, Default)]
struct Touched(Vec<HoldPage>);

impl PartialEq for Touched {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Touched {}

/// Holds of neighbouring numbers are kept together, on a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HoldPage(pub u64);

impl HoldPage {
    /// How many numbers a page has.
    const NUMBERS: u64 = 32;

    const fn of(number: HoldNo) -> Self {
        Self(number.0 / Self::NUMBERS)
    }
}

impl Holds {
    /// Holds as they were; none when a number is there twice.
    pub(super) fn restore(holds: impl IntoIterator<Item = Hold>) -> Option<Self> {
        let mut restored = Self::default();
        for hold in holds {
            if restored.by_number.contains_key(&hold.number) {
                return None;
            }
            restored.insert(hold);
        }
        restored.touched.0.clear();
        Some(restored)
    }

    /// The holds of a page.
    pub fn page(&self, page: HoldPage) -> impl Iterator<Item = &Hold> + Clone {
        let first = page.0.saturating_mul(HoldPage::NUMBERS);
        let numbers = HoldNo(first)..HoldNo(first.saturating_add(HoldPage::NUMBERS));
        self.by_number.range(numbers).map(|(_, hold)| hold.as_ref())
    }

    /// The pages that have holds.
    pub fn pages(&self) -> BTreeSet<HoldPage> {
        self.by_number.keys().map(|number| HoldPage::of(*number)).collect()
    }

    /// The pages that changed since this was asked last.
    pub fn take_touched(&mut self) -> BTreeSet<HoldPage> {
        std::mem::take(&mut self.touched.0).into_iter().collect()
    }

    /// Takes back pages that were not kept after all.
    pub fn touch_again(&mut self, pages: BTreeSet<HoldPage>) {
        self.touched.0.extend(pages);
    }

    fn touch(&mut self, number: HoldNo) {
        let page = HoldPage::of(number);
        // Most changes come in pairs, to the same young holds.
        if self.touched.0.last() != Some(&page) {
            self.touched.0.push(page);
        }
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.by_number.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.by_number.is_empty()
    }

    /// An open hold.
    pub fn get(&self, number: HoldNo) -> Option<&Hold> {
        self.by_number.get(&number).map(AsRef::as_ref)
    }

    /// The open holds, the oldest first, those younger than `after`.
    pub fn after(&self, after: Option<HoldNo>) -> impl Iterator<Item = &Hold> {
        use std::ops::Bound::{Excluded, Unbounded};
        let start = after.map_or(Unbounded, Excluded);
        self.by_number.range((start, Unbounded)).map(|(_, hold)| hold.as_ref())
    }

    /// The hold that expires first, and when.
    pub fn next_expiry(&self) -> Option<(Timestamp, HoldNo)> {
        self.by_expiry.first().copied()
    }

    /// Adds a hold.
    pub(super) fn insert(&mut self, hold: Hold) {
        self.touch(hold.number);
        self.by_expiry.insert((hold.expires_at, hold.number));
        self.by_number.insert(hold.number, Box::new(hold));
    }

    /// An open hold, to change anything but its expiry.
    pub(super) fn get_mut(&mut self, number: HoldNo) -> Option<&mut Hold> {
        self.touch(number);
        self.by_number.get_mut(&number).map(AsMut::as_mut)
    }

    /// Moves the expiry of an open hold.
    pub(super) fn reschedule(&mut self, number: HoldNo, expires_at: Timestamp) -> Option<()> {
        self.touch(number);
        let hold = self.by_number.get_mut(&number)?;
        self.by_expiry.remove(&(hold.expires_at, number));
        self.by_expiry.insert((expires_at, number));
        hold.expires_at = expires_at;
        Some(())
    }

    /// Takes a hold out; `None` when there is none of that number.
    pub(super) fn remove(&mut self, number: HoldNo) -> Option<Box<Hold>> {
        self.touch(number);
        let hold = self.by_number.remove(&number)?;
        self.by_expiry.remove(&(hold.expires_at, number));
        Some(hold)
    }
}
