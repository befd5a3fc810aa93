//! Recalling an operation from its ledger: what a wallet had remembered of it, from the records that
//! concern it. It comes to the same as what live traffic has in memory; a property test holds that.

use super::amount::Amount;
use super::apply::new_hold;
use super::event::{Event, EventKind};
use super::grant::GrantTerms;
use super::hold::{Hold, HoldNo};
use super::id::OpId;
use super::kept_receipt::KeptReceipt;
use super::memory::{EndedHold, MoneyIn, Remembered, Role, Spend, TermsSet};
use super::outcome::{Balances, HoldState, Receipt, WalletStatus};
use super::posting::{self, PostingKind};
use std::sync::Arc;

/// What the ledger says of one event.
#[derive(Debug, Clone, Copy)]
pub struct Past<'a> {
    /// The event's number in its wallet.
    pub seq: u64,
    /// What happened.
    pub event: &'a Event,
    /// The wallet's money after it.
    pub balances: Balances,
    /// Whether the wallet took part in traffic after it.
    pub status: WalletStatus,
    /// The terms of the grants that it burned, in the order of its postings.
    pub burned: &'a [Arc<GrantTerms>],
}

/// What there is to remember of the operation `op`. `past` are all events of its wallet that carry
/// its id or refer to it, in order. None when no event carries it.
pub fn recall<'a>(op: &OpId, past: impl IntoIterator<Item = Past<'a>>) -> Option<Remembered> {
    let mut recall = Recall::of(op.clone());
    past.into_iter().for_each(|past| recall.hear(&past));
    recall.remembered()
}

/// An operation whose past is told event by event, so that it may be as long as it likes.
#[derive(Debug)]
pub struct Recall {
    op: OpId,
    recalled: Option<Recalled>,
}

impl Recall {
    /// The operation of this id, of which nothing was told yet.
    pub const fn of(op: OpId) -> Self {
        Self { op, recalled: None }
    }

    /// Its id.
    pub const fn op(&self) -> &OpId {
        &self.op
    }

    /// Takes the next of the events of its wallet that carry its id or refer to it, in order.
    pub fn hear(&mut self, past: &Past<'_>) {
        match &mut self.recalled {
            Some(recalled) => recalled.follow(past),
            None if past.event.op.as_ref() == Some(&self.op) => {
                self.recalled = Some(Recalled::first(past));
            }
            None => {}
        }
    }

    /// What there is to remember of it; none when no event carried its id.
    pub fn remembered(self) -> Option<Remembered> {
        self.recalled.map(|recalled| recalled.remembered)
    }
}

/// An operation while its past is told.
#[derive(Debug)]
struct Recalled {
    remembered: Remembered,
    /// The hold that it placed, while that is open.
    open: Option<Box<Hold>>,
}

impl Recalled {
    /// The operation right after it was done.
    fn first(past: &Past<'_>) -> Self {
        let event = past.event;
        let open = match &event.kind {
            EventKind::HoldPlaced(placed) => {
                event.op.clone().map(|id| Box::new(new_hold(placed, event, id, past.seq)))
            }
            _ => None,
        };
        let receipt = KeptReceipt::of(&Receipt::of(event, past.balances));
        let role = Role::of(event, past.seq, spend(past), past.status);
        let remembered = Remembered { request: event.request, at: event.at, receipt, role };
        Self { remembered, open }
    }

    /// What a later event did to it.
    fn follow(&mut self, later: &Past<'_>) {
        let event = later.event;
        // Sums that were checked when they were made do not overflow now.
        let plus = |sum: Amount, amount: Amount| sum.plus(amount).unwrap_or(sum);
        match (&mut self.remembered.role, &event.kind) {
            (Role::Spend(spend), EventKind::Refunded { amount, .. }) => {
                spend.refunded = plus(spend.refunded, *amount);
            }
            (Role::TopUp(money_in), EventKind::Reversed { amount, .. }) => {
                money_in.taken_back = plus(money_in.taken_back, *amount);
            }
            (Role::TopUp(money_in), EventKind::Revoked { .. }) => {
                let revoked = posting::total(&event.postings, &[PostingKind::Revoke]);
                money_in.taken_back = plus(money_in.taken_back, revoked);
            }
            (Role::OpenHold(_), _) => self.follow_hold(later),
            (Role::EndedHold(ended), _) => {
                let settled = ended.settle_late(event, &Receipt::of(event, later.balances));
                debug_assert!(settled.is_ok(), "what was captured was in range");
            }
            _ => {}
        }
    }

    /// What a later event did to the hold that the operation placed.
    fn follow_hold(&mut self, later: &Past<'_>) {
        let event = later.event;
        let Some(mut hold) = self.open.take() else { return };
        let (state, lapsed) = match &event.kind {
            EventKind::HoldExtended { amount, expires_at, .. } => {
                hold.amount = hold.amount.plus(*amount).unwrap_or(hold.amount);
                hold.expires_at = *expires_at;
                self.open = Some(hold);
                return;
            }
            EventKind::Captured { keep, .. } => {
                hold.captured = hold.captured.plus(event.spent()).unwrap_or(hold.captured);
                if *keep {
                    self.open = Some(hold);
                    return;
                }
                (HoldState::Captured, Amount::ZERO)
            }
            EventKind::HoldVoided { .. } => (HoldState::Voided, Amount::ZERO),
            EventKind::HoldExpired { .. } => (HoldState::Expired, event.lapsed()),
            _ => {
                self.open = Some(hold);
                return;
            }
        };
        let receipt = || KeptReceipt::of(&Receipt::of(event, later.balances));
        let void = (state == HoldState::Voided).then(receipt);
        self.remembered.role = Role::EndedHold(Box::new(EndedHold { state, hold, lapsed, void }));
    }
}

/// Where the money of a spend came from.
fn spend(past: &Past<'_>) -> Option<Box<Spend>> {
    let event = past.event;
    if !matches!(event.kind, EventKind::Captured { .. } | EventKind::Charged { .. }) {
        return None;
    }
    let spent = event.postings.iter().filter(|posting| posting.kind.is_spend());
    let of_grants = spent.filter(|posting| posting.kind != PostingKind::SpendDebt);
    let slices = past.burned.iter().zip(of_grants);
    Some(Box::new(Spend {
        slices: slices.map(|(terms, posting)| (Arc::clone(terms), posting.amount)).collect(),
        debt: posting::total(&event.postings, &[PostingKind::SpendDebt]),
        refunded: Amount::ZERO,
    }))
}

impl Role {
    /// What later operations need to know of the operation that made `event`.
    pub(super) fn of(
        event: &Event,
        seq: u64,
        spend: Option<Box<Spend>>,
        status: WalletStatus,
    ) -> Self {
        match (&event.kind, spend) {
            (_, Some(spend)) => Self::Spend(spend),
            (EventKind::HoldPlaced(_), _) => Self::OpenHold(HoldNo(seq)),
            (EventKind::ToppedUp { amount, grant, .. }, _) => {
                let (grant, amount, taken_back) = (Arc::clone(grant), *amount, Amount::ZERO);
                Self::TopUp(Box::new(MoneyIn { grant, amount, taken_back }))
            }
            (EventKind::Refunded { .. }, _) => Self::Refund,
            (EventKind::TermsSet(terms), _) => {
                let credit_limit = terms.credit_limit;
                Self::TermsSet(Box::new(TermsSet { status, credit_limit }))
            }
            _ => Self::Plain,
        }
    }
}
