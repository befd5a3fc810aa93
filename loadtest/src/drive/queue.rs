//! Commands that wait for their time, earliest first.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// A command that is due at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending<O> {
    pub(super) due: u64,
    /// When it could be sent at the earliest.
    pub(super) ready: u64,
    pub(super) op: O,
}

/// A command and its place among those that are due at the same time.
#[derive(Debug)]
struct Placed<O>(Pending<O>, u64);

impl<O> Placed<O> {
    fn key(&self) -> (u64, u64) {
        (self.0.due, self.1)
    }
}

impl<O> PartialEq for Placed<O> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<O> Eq for Placed<O> {}

impl<O> PartialOrd for Placed<O> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<O> Ord for Placed<O> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// The commands that wait.
#[derive(Debug)]
pub(super) struct Queue<O> {
    heap: BinaryHeap<Reverse<Placed<O>>>,
    pushed: u64,
}

impl<O> Queue<O> {
    pub(super) fn new() -> Self {
        Self { heap: BinaryHeap::new(), pushed: 0 }
    }

    pub(super) fn push(&mut self, pending: Pending<O>) {
        self.pushed += 1;
        self.heap.push(Reverse(Placed(pending, self.pushed)));
    }

    pub(super) fn next_due(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse(first)| first.0.due)
    }

    pub(super) fn pop(&mut self) -> Option<Pending<O>> {
        self.heap.pop().map(|Reverse(first)| first.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_comes_first_and_among_equals_the_first() {
        let mut queue = Queue::new();
        for (due, op) in [(5, 'a'), (3, 'b'), (5, 'c'), (1, 'd')] {
            queue.push(Pending { due, ready: due, op });
        }
        assert_eq!(queue.next_due(), Some(1));
        let order: String = std::iter::from_fn(|| queue.pop().map(|pending| pending.op)).collect();
        assert_eq!(order, "dbac");
    }
}
