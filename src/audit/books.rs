//! The books: what went through each account, added up apart from the wallets, so that both can be
//! held against each other (W4).

use crate::domain::amount::Amount;
use crate::domain::outcome::Balances;
use crate::domain::posting::{Account, Posting, PostingKind};

/// Sums by account, in 10^-12 of the currency. What counts up and down stands at [`Account`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Books {
    pub(super) topped_up: i128,
    pub(super) grants: i128,
    pub(super) debt: i128,
    /// Used less refunded.
    pub(super) usage: i128,
    pub(super) expired: i128,
    pub(super) withdrawn: i128,
    pub(super) reversed: i128,
    pub(super) revoked: i128,
    pub(super) written_off: i128,
    /// What was given back of usage.
    pub(super) refunded: i128,
    /// What the wallet had before the oldest record that is left, less what it owed.
    pub(super) brought_forward: i128,
}

impl Books {
    /// Those of a wallet that had this before the oldest record that is left.
    pub(super) fn brought_forward(before: Balances) -> Self {
        let (posted, debt) = (before.posted.pico(), before.debt.pico());
        Self {
            grants: posted,
            debt: debt.saturating_neg(),
            brought_forward: posted.saturating_sub(debt),
            ..Self::default()
        }
    }

    /// Books a movement.
    pub(super) fn book(&mut self, posting: Posting) {
        let amount = posting.amount.pico();
        let Some((from, to)) = posting.kind.accounts() else { return };
        // A sum that leaves its range stops there, and is found not to fit.
        let from = self.account(from);
        *from = from.saturating_sub(amount);
        let to = self.account(to);
        *to = to.saturating_add(amount);
        if matches!(posting.kind, PostingKind::Refund | PostingKind::RefundDebt) {
            self.refunded = self.refunded.saturating_add(amount);
        }
    }

    const fn account(&mut self, account: Account) -> &mut i128 {
        match account {
            Account::TopUps => &mut self.topped_up,
            Account::Grants => &mut self.grants,
            Account::Debt => &mut self.debt,
            Account::Usage => &mut self.usage,
            Account::Expired => &mut self.expired,
            Account::Withdrawn => &mut self.withdrawn,
            Account::Reversed => &mut self.reversed,
            Account::Revoked => &mut self.revoked,
            Account::WrittenOff => &mut self.written_off,
        }
    }

    /// What does not fit a wallet that has this now, if anything.
    pub(super) fn misfit(&self, now: Balances) -> Option<&'static str> {
        if self.grants != now.posted.pico() {
            return Some("what was booked into its grants is not what it has");
        }
        if self.debt != now.debt.pico().saturating_neg() {
            return Some("what was booked as debt is not what it owes");
        }
        let uses = [self.usage, self.expired, self.withdrawn, self.reversed, self.revoked];
        let accounts = [self.topped_up, self.grants, self.debt, self.written_off];
        let sum = uses.iter().chain(&accounts).fold(0_i128, |sum, one| sum.saturating_add(*one));
        if sum != self.brought_forward {
            return Some("W4: its accounts do not sum to zero");
        }
        None
    }

    /// Adds another's.
    pub(super) fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.topped_up, other.topped_up),
            (&mut self.grants, other.grants),
            (&mut self.debt, other.debt),
            (&mut self.usage, other.usage),
            (&mut self.expired, other.expired),
            (&mut self.withdrawn, other.withdrawn),
            (&mut self.reversed, other.reversed),
            (&mut self.revoked, other.revoked),
            (&mut self.written_off, other.written_off),
            (&mut self.refunded, other.refunded),
            (&mut self.brought_forward, other.brought_forward),
        ];
        for (sum, one) in pairs {
            *sum = sum.saturating_add(one);
        }
    }
}

/// What a wallet had before movements that left it with `after`.
pub(super) fn before(after: Balances, postings: &[Posting]) -> Balances {
    use crate::domain::posting::Step::{Down, Same, Up};
    let (mut posted, mut held, mut debt) = (after.posted, after.held, after.debt);
    for posting in postings {
        let effect = posting.kind.effect();
        let undo = |figure: &mut Amount, step| {
            let pico = figure.pico();
            let amount = posting.amount.pico();
            *figure = Amount::from_pico(match step {
                Up => pico.saturating_sub(amount),
                Down => pico.saturating_add(amount),
                Same => pico,
            });
        };
        undo(&mut posted, effect.free);
        undo(&mut posted, effect.pinned);
        undo(&mut held, effect.pinned);
        undo(&mut held, effect.credit_held);
        undo(&mut debt, effect.debt);
    }
    Balances { posted, held, debt, available: after.available }
}
