//! Grants: money that came in at once, under the same terms, and burns in a set order.

use super::amount::Amount;
use super::command::GrantKind;
use super::id::OpId;
use super::posting::GrantNo;
use super::time::{Span, Timestamp};
use std::sync::Arc;

/// What never changes about a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantTerms {
    /// Its number within the wallet, in the order of creation.
    pub number: GrantNo,
    /// The operation that made it.
    pub op: OpId,
    /// The kind of money.
    pub kind: GrantKind,
    /// Lower burns first.
    pub priority: u16,
    /// When what is unpinned of it expires.
    pub expires_at: Option<Timestamp>,
}

impl GrantTerms {
    /// Grants burn in the order of this key: priority, earlier expiry, older.
    fn burn_key(&self) -> (u16, Timestamp, GrantNo) {
        let end = self.expires_at.unwrap_or(Timestamp::from_millis(i64::MAX));
        (self.priority, end, self.number)
    }
}

/// Money that is left of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Its number, as in its terms; here it is near at hand.
    pub number: GrantNo,
    /// What never changes; shared with the operations that burned it.
    pub terms: Arc<GrantTerms>,
    /// What no hold pins.
    pub free: Amount,
    /// What open holds pin.
    pub pinned: Amount,
    /// Its expiry has been applied: what comes back to it lapses.
    pub expired: bool,
}

impl Grant {
    /// When its free money expires next: at its own expiry, and again at the end of the grace for
    /// what came back during it.
    pub fn due(&self, grace: Span) -> Option<Timestamp> {
        let expires_at = self.terms.expires_at?;
        match (self.expired, self.free.is_positive()) {
            (false, _) => Some(expires_at),
            (true, true) => Some(expires_at.after(grace)),
            (true, false) => None,
        }
    }

    /// Whether money that comes back to it at `now` is lost.
    pub fn lapses(&self, now: Timestamp, grace: Span) -> bool {
        let end = self.terms.expires_at;
        self.expired && end.is_some_and(|expires_at| now >= expires_at.after(grace))
    }
}

/// A wallet's grants in burn order. Those with nothing left are dropped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants(Vec<Grant>);

impl Grants {
    /// Grants as they were; none when they are not in burn order.
    pub(super) fn restore(grants: Vec<Grant>) -> Option<Self> {
        grants
            .is_sorted_by(|one, next| one.terms.burn_key() < next.terms.burn_key())
            .then_some(Self(grants))
    }

    /// The grants in burn order.
    pub fn iter(&self) -> impl Iterator<Item = &Grant> {
        self.0.iter()
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The grant of that number, if anything is left of it.
    pub fn get(&self, number: GrantNo) -> Option<&Grant> {
        self.0.iter().find(|grant| grant.number == number)
    }

    /// The grant of that number, to change.
    pub(super) fn get_mut(&mut self, number: GrantNo) -> Option<&mut Grant> {
        self.0.iter_mut().find(|grant| grant.number == number)
    }

    /// Adds an empty grant at its place in the burn order, unless it is there.
    pub(super) fn insert(&mut self, terms: &Arc<GrantTerms>) {
        if self.get(terms.number).is_some() {
            return;
        }
        let place = self.0.partition_point(|grant| grant.terms.burn_key() < terms.burn_key());
        let (free, pinned) = (Amount::ZERO, Amount::ZERO);
        let (number, terms) = (terms.number, Arc::clone(terms));
        self.0.insert(place, Grant { number, terms, free, pinned, expired: false });
    }

    /// Drops the grants with nothing left.
    pub(super) fn drop_empty(&mut self) {
        self.0.retain(|grant| grant.free.is_positive() || grant.pinned.is_positive());
    }
}
