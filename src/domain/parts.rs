//! A wallet taken apart, to be kept and put together again. What it remembers is no part of it: its
//! records tell that again (see [`super::recall`]).

use super::amount::Amount;
use super::apply::Corrupt;
use super::command::{OpenTerms, Terms};
use super::counters::{Count, Counters};
use super::grant::{Grant, Grants};
use super::hold::{Hold, Holds};
use super::memory::Memory;
use super::time::Timestamp;
use super::wallet::{Figures, QuietUntil, Status, Wallet};

/// All of a wallet but its holds and its memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Core {
    /// How it was opened.
    pub opened: OpenTerms,
    /// When.
    pub opened_at: Timestamp,
    /// Its terms now.
    pub terms: Terms,
    /// Whether it takes part in traffic.
    pub status: Status,
    /// How many events it has seen.
    pub seq: u64,
    /// When the last one happened.
    pub time: Timestamp,
    /// Its grants in burn order.
    pub grants: Vec<Grant>,
    /// The number of its next grant.
    pub next_grant: u32,
    /// What the customer owes.
    pub debt: Amount,
    /// Its running quantities.
    pub counts: Vec<Count>,
}

impl Wallet {
    /// All of it but its holds and its memory.
    pub fn core(&self) -> Core {
        Core {
            opened: (*self.opened).clone(),
            opened_at: self.opened_at,
            terms: self.terms.clone(),
            status: self.status,
            seq: self.seq,
            time: self.time,
            grants: self.grants.iter().cloned().collect(),
            next_grant: self.next_grant,
            debt: self.figures.debt,
            counts: self.counters.iter().cloned().collect(),
        }
    }

    /// Puts a wallet together. Its invariants are checked: what cannot be a wallet is refused.
    pub fn restore(core: Core, holds: impl IntoIterator<Item = Hold>) -> Result<Self, Corrupt> {
        let corrupt = |what| Corrupt { seq: core.seq, what };
        let holds = Holds::restore(holds).ok_or(corrupt("a hold twice"))?;
        let grants = Grants::restore(core.grants).ok_or(corrupt("grants out of order"))?;
        let counters = Counters::restore(core.counts).ok_or(corrupt("a counter twice"))?;
        let figures = figures(&grants, &holds, core.debt).ok_or(corrupt("W1, W2 or W3"))?;
        let memory = Memory::of_open_holds(&holds);
        if memory.len() != holds.len() {
            return Err(corrupt("two holds of one id"));
        }
        Ok(Self {
            opened: Box::new(core.opened),
            opened_at: core.opened_at,
            terms: core.terms,
            status: core.status,
            seq: core.seq,
            time: core.time,
            grants,
            next_grant: core.next_grant,
            holds,
            figures,
            counters,
            memory,
            quiet_until: QuietUntil(Timestamp::MIN),
        })
    }
}

/// The sums over grants and holds; none when they break an invariant.
fn figures(grants: &Grants, holds: &Holds, debt: Amount) -> Option<Figures> {
    let mut figures = Figures { debt, ..Figures::default() };
    for grant in grants.iter() {
        let is_sound = !grant.free.is_negative() && !grant.pinned.is_negative();
        figures.free = figures.free.plus(grant.free).ok().filter(|_| is_sound)?;
        figures.pinned = figures.pinned.plus(grant.pinned).ok()?;
    }
    let mut pinned = grants.iter().map(|grant| (grant.number, grant.pinned)).collect::<Vec<_>>();
    pinned.sort_unstable_by_key(|(number, _)| *number);
    for hold in holds.after(None) {
        figures.credit_held = figures.credit_held.plus(hold.credit).ok()?;
        if hold.credit.is_negative() || hold.slices.iter().any(|s| s.amount.is_negative()) {
            return None;
        }
        for slice in &hold.slices {
            let place = pinned.binary_search_by_key(&slice.grant, |(number, _)| *number).ok()?;
            let (_, left) = pinned.get_mut(place)?;
            *left = left.minus(slice.amount).ok()?;
        }
    }
    let is_pinned_by_holds = pinned.iter().all(|(_, left)| left.is_zero());
    let is_repaid = debt.is_zero() || figures.free.is_zero();
    (is_pinned_by_holds && is_repaid && !debt.is_negative()).then_some(figures)
}
