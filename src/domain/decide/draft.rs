//! A draft of postings: finds money in burn order, and knows what the wallet would look like after
//! the postings so far.

use super::No;
use crate::domain::amount::Amount;
use crate::domain::grant::Grant;
use crate::domain::hold::Hold;
use crate::domain::posting::{GrantNo, Posting, PostingKind, Postings, Step};
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;
use crate::domain::wallet::{Figures, Wallet};

/// Postings in the making, over a wallet that does not change.
pub(super) struct Draft<'w> {
    wallet: &'w Wallet,
    postings: Postings,
    /// The wallet's figures after the postings.
    pub(super) figures: Figures,
}

impl<'w> Draft<'w> {
    /// A draft without postings.
    pub(super) fn new(wallet: &'w Wallet) -> Self {
        Self { wallet, postings: Postings::new(), figures: wallet.figures }
    }

    /// Adds a posting, unless its amount is zero.
    pub(super) fn post(
        &mut self,
        kind: PostingKind,
        grant: GrantNo,
        amount: Amount,
    ) -> Result<(), No> {
        if amount.is_zero() {
            return Ok(());
        }
        let effect = kind.effect();
        let step = |figure: Amount, step: Step| match step {
            Step::Up => figure.plus(amount),
            Step::Down => figure.minus(amount),
            Step::Same => Ok(figure),
        };
        self.figures = Figures {
            free: step(self.figures.free, effect.free)?,
            pinned: step(self.figures.pinned, effect.pinned)?,
            credit_held: step(self.figures.credit_held, effect.credit_held)?,
            debt: step(self.figures.debt, effect.debt)?,
        };
        self.postings.push(Posting { kind, grant, amount });
        Ok(())
    }

    /// Adds a posting of a kind that concerns no grant.
    pub(super) fn post_plain(&mut self, kind: PostingKind, amount: Amount) -> Result<(), No> {
        self.post(kind, GrantNo::default(), amount)
    }

    /// The free money of a grant after the first `count` postings.
    fn free_after(&self, count: usize, grant: &Grant) -> Amount {
        let moved = self.postings.iter().take(count);
        let moved = moved.filter(|posting| posting.grant == grant.number);
        let moved = moved.map(|posting| match posting.kind.effect().free {
            Step::Up => posting.amount,
            Step::Down => Amount::from_pico(posting.amount.pico().saturating_neg()),
            Step::Same => Amount::ZERO,
        });
        moved.chain([grant.free]).sum()
    }

    /// Takes up to `amount` of the free money of the grants that `from` allows, in burn order;
    /// answers what it did not find.
    pub(super) fn take_free(
        &mut self,
        kind: PostingKind,
        amount: Amount,
        from: impl Fn(&Grant) -> bool,
    ) -> Result<Amount, No> {
        let mut missing = amount;
        // Each grant is asked once, so what is posted meanwhile concerns others.
        let before = self.postings.len();
        for grant in self.wallet.grants.iter().filter(|grant| from(grant)) {
            if missing.is_zero() {
                break;
            }
            let part = missing.min(self.free_after(before, grant));
            self.post(kind, grant.number, part)?;
            missing = missing.less(part);
        }
        Ok(missing)
    }

    /// Reserves `amount`: free money first, the rest on the credit line.
    pub(super) fn reserve(&mut self, amount: Amount) -> Result<(), No> {
        let on_credit = self.take_free(PostingKind::Pin, amount, |_| true)?;
        self.post_plain(PostingKind::CreditHold, on_credit)
    }

    /// Charges `amount`: free money first, the rest becomes debt.
    pub(super) fn charge(&mut self, amount: Amount) -> Result<(), No> {
        let owed = self.take_free(PostingKind::SpendFree, amount, |_| true)?;
        self.post_plain(PostingKind::SpendDebt, owed)
    }

    /// Burns up to `amount` of what a hold holds: pinned money in burn order, then the credit line,
    /// which is only given back here. Answers how much of the credit line that was: it is still to
    /// be charged.
    pub(super) fn burn_hold(&mut self, hold: &Hold, amount: Amount) -> Result<Amount, No> {
        let mut left = amount;
        for grant in self.wallet.grants.iter() {
            let part = left.min(hold.pinned(grant.number));
            self.post(PostingKind::SpendPinned, grant.number, part)?;
            left = left.less(part);
        }
        let on_credit = left.min(hold.credit);
        self.post_plain(PostingKind::CreditRelease, on_credit)?;
        Ok(on_credit)
    }

    /// Releases what a hold still holds after the postings so far: money returns to its grant, or
    /// lapses if that has expired.
    pub(super) fn release(&mut self, hold: &Hold, now: Timestamp, rules: &Rules) -> Result<(), No> {
        // What was burned of it stands first, in burn order like the grants.
        let mut next_burned = 0;
        for grant in self.wallet.grants.iter() {
            let number = grant.number;
            let burned = self.postings.get(next_burned);
            let burned = burned.filter(|posting| {
                posting.kind == PostingKind::SpendPinned && posting.grant == number
            });
            let burned = burned.map_or(Amount::ZERO, |posting| posting.amount);
            next_burned = next_burned.saturating_add(usize::from(burned.is_positive()));
            let lapses = grant.lapses(now, rules.lapse_grace);
            let kind = if lapses { PostingKind::Lapse } else { PostingKind::Unpin };
            self.post(kind, number, hold.pinned(number).less(burned))?;
        }
        let given_back =
            self.postings.iter().filter(|posting| posting.kind == PostingKind::CreditRelease);
        let rest = hold.credit.less(given_back.map(|posting| posting.amount).sum());
        self.post_plain(PostingKind::CreditRelease, rest)
    }

    /// Repays debt with whatever money is free (W2), and hands out the postings.
    pub(super) fn finish(mut self) -> Result<Postings, No> {
        let repaid = self.figures.debt.min(self.figures.free);
        if repaid.is_positive() {
            self.take_free(PostingKind::Repay, repaid, |_| true)?;
        }
        Ok(self.postings)
    }
}
