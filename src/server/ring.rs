//! The reply ring of a connection: replies leave in the order of requests, each not before the
//! batch that it depends on is safe, whatever the order in which they become known.

use super::meters::Stamp;
use crate::domain::amount::Amount;
use crate::domain::id::Tags;
use crate::domain::ledger::LedgerRow;
use crate::domain::outcome::{GrantView, HoldView, Outcome, Refusal};
use crate::engine::batch::BatchNo;
use std::collections::VecDeque;

/// About how many bytes an id takes in a reply.
const ID_BYTES: usize = 32;
/// About how many bytes an entry of a ledger's row takes in a reply.
const ENTRY_BYTES: usize = 64;

/// Room for so many requests is kept when none is left.
const ROOM_KEPT: usize = 16;

/// What will be sent for a request.
#[derive(Debug)]
pub(super) enum Reply {
    /// To be encoded when it is sent.
    Outcome(Outcome),
    /// Encoded already.
    Bytes(Vec<u8>),
}

impl Reply {
    /// About how many bytes it takes, in memory or encoded.
    fn weight(&self) -> usize {
        match self {
            Self::Outcome(outcome) => outcome_weight(outcome),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

/// About how many bytes an outcome takes.
fn outcome_weight(outcome: &Outcome) -> usize {
    let list = match outcome {
        Outcome::Holds(holds) => holds.iter().map(hold_weight).fold(0, usize::saturating_add),
        Outcome::Hold(hold) => hold_weight(hold),
        Outcome::Ledger(rows) => rows.iter().map(row_weight).fold(0, usize::saturating_add),
        Outcome::Wallet(wallet) => {
            wallet.grants.len().saturating_mul(size_of::<GrantView>().saturating_add(ID_BYTES))
        }
        Outcome::Wallets(page) => {
            page.wallets.iter().map(|id| id.as_str().len()).fold(0, usize::saturating_add)
        }
        _ => 0,
    };
    list.saturating_add(size_of::<Outcome>())
}

fn hold_weight(hold: &HoldView) -> usize {
    let pins = hold.grants.len().saturating_mul(size_of::<Amount>().saturating_add(ID_BYTES));
    pins.saturating_add(tags_weight(&hold.tags)).saturating_add(size_of::<HoldView>())
}

fn row_weight(row: &LedgerRow) -> usize {
    let entries = row.entries.len().saturating_mul(ENTRY_BYTES);
    let texts = tags_weight(&row.tags).saturating_add(row.note.as_str().len());
    entries.saturating_add(texts).saturating_add(size_of::<LedgerRow>())
}

fn tags_weight(tags: &Tags) -> usize {
    let weights =
        tags.iter().map(|(key, value)| key.as_str().len().saturating_add(value.as_str().len()));
    weights.fold(0, usize::saturating_add)
}

/// The place of one request.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a box would cost an allocation a request")]
enum Slot {
    /// Its outcome is not known yet; so many bytes are set aside for it.
    Waiting(usize),
    /// It may be sent when the batch is safe.
    Ready(Reply, BatchNo),
}

impl Slot {
    fn weight(&self) -> usize {
        match self {
            Self::Waiting(weight) => *weight,
            Self::Ready(reply, _) => reply.weight(),
        }
    }

    /// Puts an outcome in the place of what is here; `sum` is the weight of all slots.
    fn settle(&mut self, outcome: Outcome, after: BatchNo, sum: &mut usize) {
        let before = self.weight();
        *self = Self::Ready(Reply::Outcome(outcome), after);
        *sum = sum.saturating_sub(before).saturating_add(self.weight());
    }
}

/// The requests of a connection that were not answered yet.
#[derive(Debug, Default)]
pub(super) struct Ring {
    slots: VecDeque<(Stamp, Slot)>,
    /// About how many bytes all of them take, or will.
    weight: usize,
    /// The number of the request at the front.
    front: u64,
}

impl Ring {
    /// How many requests were not answered yet.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// About how many bytes the replies take that did not leave yet, those to come included.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    /// Makes room for a request whose outcome will come and may take `weight` bytes; answers its
    /// number.
    pub(super) fn push_waiting(&mut self, stamp: Stamp, weight: usize) -> u64 {
        let number = self.front.saturating_add(u64::try_from(self.slots.len()).unwrap_or(u64::MAX));
        self.slots.push_back((stamp, Slot::Waiting(weight)));
        self.weight = self.weight.saturating_add(weight);
        number
    }

    /// Puts a reply behind all others.
    pub(super) fn push_ready(&mut self, stamp: Stamp, reply: Reply) {
        self.weight = self.weight.saturating_add(reply.weight());
        self.slots.push_back((stamp, Slot::Ready(reply, BatchNo::NONE)));
    }

    /// The outcome of a request is known.
    pub(super) fn fill(&mut self, number: u64, outcome: Outcome, after: BatchNo) {
        let place = number.checked_sub(self.front).and_then(|place| usize::try_from(place).ok());
        if let Some((_, slot)) = place.and_then(|place| self.slots.get_mut(place)) {
            slot.settle(outcome, after, &mut self.weight);
        }
    }

    /// Whether the request at the front has its outcome.
    pub(super) fn is_front_known(&self) -> bool {
        matches!(self.slots.front(), Some((_, Slot::Ready(..))))
    }

    /// The reply at the front, if it may be sent.
    pub(super) fn pop(&mut self, durable: BatchNo) -> Option<(Stamp, Reply)> {
        let front = self.slots.front();
        let safe = matches!(front, Some((_, Slot::Ready(_, after))) if *after <= durable);
        if !safe {
            return None;
        }
        self.front = self.front.saturating_add(1);
        match self.slots.pop_front() {
            Some((stamp, Slot::Ready(reply, _))) => {
                self.weight = self.weight.saturating_sub(reply.weight());
                Some((stamp, reply))
            }
            _ => None,
        }
    }

    /// Frees the room of many requests, when all of them are answered.
    pub(super) fn tidy(&mut self) {
        if self.slots.is_empty() && self.slots.capacity() > ROOM_KEPT {
            self.slots = VecDeque::new();
        }
    }

    /// The store failed: whatever waits for it gets `UNAVAILABLE` instead.
    pub(super) fn fail(&mut self, durable: BatchNo) {
        for (_, slot) in &mut self.slots {
            let safe = matches!(slot, Slot::Ready(_, after) if *after <= durable);
            if !safe {
                let unavailable = Outcome::Refused(Refusal::Unavailable);
                slot.settle(unavailable, BatchNo::NONE, &mut self.weight);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::outcome::WalletStatus;

    fn status(reply: Option<(Stamp, Reply)>) -> Option<WalletStatus> {
        match reply?.1 {
            Reply::Outcome(Outcome::Status(status)) => Some(status),
            other => panic!("{other:?}"),
        }
    }

    fn push(ring: &mut Ring) -> u64 {
        ring.push_waiting(Stamp::default(), 0)
    }

    #[test]
    fn replies_leave_in_the_order_of_requests_and_not_before_they_are_safe() {
        let mut ring = Ring::default();
        let (first, second) = (push(&mut ring), push(&mut ring));
        ring.fill(second, Outcome::Status(WalletStatus::Frozen), BatchNo(1));
        assert!(!ring.is_front_known());
        assert!(ring.pop(BatchNo(9)).is_none(), "the first is not known yet");
        ring.fill(first, Outcome::Status(WalletStatus::Open), BatchNo(2));
        assert!(ring.pop(BatchNo(1)).is_none(), "the first is not safe yet");
        assert_eq!(status(ring.pop(BatchNo(2))), Some(WalletStatus::Open));
        assert_eq!(status(ring.pop(BatchNo(2))), Some(WalletStatus::Frozen));
        assert_eq!(ring.len(), 0);
    }

    #[test]
    fn after_a_failure_only_what_is_safe_is_acknowledged() {
        let mut ring = Ring::default();
        let numbers = [push(&mut ring), push(&mut ring), push(&mut ring)];
        ring.fill(numbers[0], Outcome::Status(WalletStatus::Open), BatchNo(1));
        ring.fill(numbers[1], Outcome::Status(WalletStatus::Open), BatchNo(2));
        ring.fail(BatchNo(1));
        assert_eq!(status(ring.pop(BatchNo(1))), Some(WalletStatus::Open));
        for _ in 0..2 {
            let reply = ring.pop(BatchNo(1));
            let expected = Outcome::Refused(Refusal::Unavailable);
            assert!(matches!(reply, Some((_, Reply::Outcome(outcome))) if outcome == expected));
        }
    }
}
