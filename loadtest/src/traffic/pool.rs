//! What a mix may do something to: open holds, and spends that may be refunded.

use std::collections::VecDeque;

use super::op::{Hold, Op};

/// How many spends are kept to be refunded.
const SPENDS_MAX: usize = 100_000;

/// Holds and spends, oldest first.
#[derive(Debug, Default)]
pub(super) struct Pool {
    holds: VecDeque<Hold>,
    spends: VecDeque<Hold>,
}

impl Pool {
    pub(super) fn hold(&mut self) -> Option<Hold> {
        self.holds.pop_front()
    }

    pub(super) fn put(&mut self, hold: Hold) {
        self.holds.push_back(hold);
    }

    /// A capture or charge that may be refunded.
    pub(super) fn spent(&mut self, op: &Op) {
        if op.amount > 0 && self.spends.len() < SPENDS_MAX {
            self.spends.push_back(Hold { number: op.number, amount: op.amount, ..op.hold });
        }
    }

    pub(super) fn spend(&mut self) -> Option<Hold> {
        self.spends.pop_front()
    }

    /// A refund did not happen.
    pub(super) fn unspent(&mut self, refund: &Op) {
        self.spends.push_back(refund.hold);
    }

    /// Takes all holds.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Hold> {
        self.holds.drain(..)
    }
}
