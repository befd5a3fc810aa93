//! When a wallet may leave memory: what a shard knows of an active wallet without asking its actor.

use crate::domain::memory::Era;
use crate::domain::time::{Span, Timestamp};
use std::cell::Cell;

/// What a shard knows of an active wallet.
#[derive(Debug, Default)]
pub struct Standing {
    /// What its actor was given and has not answered.
    pub in_flight: Cell<usize>,
    /// When somebody last asked for it.
    pub used: Cell<Timestamp>,
    /// The era of its last change that memory has seen.
    pub changed: Cell<Option<Era>>,
}

impl Standing {
    /// Gives the actor one thing more to do.
    pub fn begin(&self) {
        self.in_flight.set(self.in_flight.get().saturating_add(1));
    }

    /// The actor has done one thing.
    pub fn end(&self) {
        self.in_flight.set(self.in_flight.get().saturating_sub(1));
    }

    /// Notes a change in an era; answers whether it is the first one of that era.
    pub fn change(&self, era: Era) -> bool {
        self.changed.replace(Some(era)) != Some(era)
    }
}

/// Whether a wallet may leave memory without losing anything: nothing is in flight, and the last
/// complete checkpoint, which ended the era `kept`, has all of it.
pub fn may_passivate(standing: &Standing, kept: Option<Era>) -> bool {
    standing.in_flight.get() == 0 && standing.changed.get().is_none_or(|era| Some(era) <= kept)
}

/// Whether nobody has asked for a wallet for so long.
pub fn is_idle(standing: &Standing, now: Timestamp, idle: Span) -> bool {
    now.since(standing.used.get()) >= idle
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wallet_with_changes_that_no_checkpoint_has_stays() {
        let standing = Standing::default();
        assert!(may_passivate(&standing, None), "nothing happened to it");
        assert!(standing.change(Era(3)) && !standing.change(Era(3)));
        for (kept, may) in [(None, false), (Some(Era(2)), false), (Some(Era(3)), true)] {
            assert_eq!(may_passivate(&standing, kept), may);
        }
        standing.begin();
        assert!(!may_passivate(&standing, Some(Era(9))), "somebody waits for it");
        standing.end();
        assert!(may_passivate(&standing, Some(Era(9))));
    }

    #[test]
    fn it_is_idle_when_nobody_asked_for_long_enough() {
        let standing = Standing::default();
        standing.used.set(Timestamp::from_millis(100));
        let idle = |now| is_idle(&standing, Timestamp::from_millis(now), Span::from_millis(50));
        assert!(!idle(149) && idle(150));
    }
}
