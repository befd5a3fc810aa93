//! The reply ring of a connection: replies leave in the order of requests, each not before the
//! batch that it depends on is safe, whatever the order in which they become known.

use crate::domain::outcome::{Outcome, Refusal};
use crate::engine::batch::BatchNo;
use std::collections::VecDeque;

/// What will be sent for a request.
#[derive(Debug)]
pub(super) enum Reply {
    /// To be encoded when it is sent.
    Outcome(Outcome),
    /// Encoded already.
    Bytes(Vec<u8>),
}

/// The place of one request.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a box would cost an allocation a request")]
enum Slot {
    /// Its outcome is not known yet.
    Waiting,
    /// It may be sent when the batch is safe.
    Ready(Reply, BatchNo),
}

/// The requests of a connection that were not answered yet.
#[derive(Debug, Default)]
pub(super) struct Ring {
    slots: VecDeque<Slot>,
    /// The number of the request at the front.
    front: u64,
}

impl Ring {
    /// How many requests were not answered yet.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Makes room for a request whose outcome will come; answers its number.
    pub(super) fn push_waiting(&mut self) -> u64 {
        let number = self.front.saturating_add(u64::try_from(self.slots.len()).unwrap_or(u64::MAX));
        self.slots.push_back(Slot::Waiting);
        number
    }

    /// Puts a reply behind all others.
    pub(super) fn push_ready(&mut self, reply: Reply) {
        self.slots.push_back(Slot::Ready(reply, BatchNo::NONE));
    }

    /// The outcome of a request is known.
    pub(super) fn fill(&mut self, number: u64, outcome: Outcome, after: BatchNo) {
        let place = number.checked_sub(self.front).and_then(|place| usize::try_from(place).ok());
        if let Some(slot) = place.and_then(|place| self.slots.get_mut(place)) {
            *slot = Slot::Ready(Reply::Outcome(outcome), after);
        }
    }

    /// Whether the request at the front has its outcome.
    pub(super) fn is_front_known(&self) -> bool {
        matches!(self.slots.front(), Some(Slot::Ready(..)))
    }

    /// The reply at the front, if it may be sent.
    pub(super) fn pop(&mut self, durable: BatchNo) -> Option<Reply> {
        let safe = matches!(self.slots.front(), Some(Slot::Ready(_, after)) if *after <= durable);
        if !safe {
            return None;
        }
        self.front = self.front.saturating_add(1);
        match self.slots.pop_front() {
            Some(Slot::Ready(reply, _)) => Some(reply),
            _ => None,
        }
    }

    /// The store failed: whatever waits for it gets `UNAVAILABLE` instead.
    pub(super) fn fail(&mut self, durable: BatchNo) {
        for slot in &mut self.slots {
            let safe = matches!(slot, Slot::Ready(_, after) if *after <= durable);
            if !safe {
                let unavailable = Reply::Outcome(Outcome::Refused(Refusal::Unavailable));
                *slot = Slot::Ready(unavailable, BatchNo::NONE);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::outcome::WalletStatus;

    fn status(reply: Option<Reply>) -> Option<WalletStatus> {
        match reply? {
            Reply::Outcome(Outcome::Status(status)) => Some(status),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn replies_leave_in_the_order_of_requests_and_not_before_they_are_safe() {
        let mut ring = Ring::default();
        let (first, second) = (ring.push_waiting(), ring.push_waiting());
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
        let numbers = [ring.push_waiting(), ring.push_waiting(), ring.push_waiting()];
        ring.fill(numbers[0], Outcome::Status(WalletStatus::Open), BatchNo(1));
        ring.fill(numbers[1], Outcome::Status(WalletStatus::Open), BatchNo(2));
        ring.fail(BatchNo(1));
        assert_eq!(status(ring.pop(BatchNo(1))), Some(WalletStatus::Open));
        for _ in 0..2 {
            let reply = ring.pop(BatchNo(1));
            let expected = Outcome::Refused(Refusal::Unavailable);
            assert!(matches!(reply, Some(Reply::Outcome(outcome)) if outcome == expected));
        }
    }
}
