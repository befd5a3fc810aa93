//! Money in and out: `TOPUP`, `TOPUP.REVERSE`, `TOPUP.REVOKE`, `WITHDRAW`, `REFUND`.

use super::draft::Draft;
use super::{Decided, No, declined};
use crate::domain::amount::Amount;
use crate::domain::command::{Expiry, GrantKind, Request, TopUp};
use crate::domain::event::EventKind;
use crate::domain::grant::{Grant, GrantTerms};
use crate::domain::id::{Note, OpId};
use crate::domain::memory::Role;
use crate::domain::outcome::{DeclineReason, OutOfRange, Refusal, TooMany};
use crate::domain::posting::{GrantNo, PostingKind};
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;
use crate::domain::wallet::Wallet;
use std::sync::Arc;

/// `TOPUP`: repays debt first, the rest becomes a grant.
pub(super) fn top_up(
    wallet: &Wallet,
    asked: &TopUp,
    request: &Request,
    now: Timestamp,
    rules: &Rules,
) -> Result<Decided, No> {
    let expires_at = match asked.expiry {
        Expiry::Never => None,
        Expiry::At(at) if at <= now => {
            return Err(Refusal::Range(OutOfRange::ExpiresInThePast).into());
        }
        Expiry::At(at) => Some(at),
        Expiry::In(ttl) => Some(now.after(ttl)),
    };
    let grant = Arc::new(GrantTerms {
        number: GrantNo(wallet.next_grant),
        op: request.id.clone().ok_or(Refusal::NoOp)?,
        kind: asked.kind,
        priority: asked.priority.unwrap_or(asked.kind.default_priority()),
        expires_at,
    });
    let mut draft = Draft::new(wallet);
    let repaid = asked.amount.min(draft.figures.debt);
    if repaid < asked.amount && wallet.grants.len() >= rules.grants_max {
        return Err(Refusal::TooMany(TooMany::Grants { max: rules.grants_max }).into());
    }
    draft.post_plain(PostingKind::FundDebt, repaid)?;
    draft.post(PostingKind::Fund, grant.number, asked.amount.less(repaid))?;
    let paid = asked.paid.clone().map(Box::new);
    let note = asked.note.clone();
    let kind = EventKind::ToppedUp { amount: asked.amount, grant, paid, note };
    Ok(Decided::change(kind, draft.finish()?))
}

/// `TOPUP.REVERSE`: takes back what no hold pins of the grant; the customer owes the rest.
pub(super) fn reverse(
    wallet: &Wallet,
    target: &OpId,
    amount: Option<Amount>,
    note: &Note,
) -> Result<Decided, No> {
    let Some(Role::TopUp(money_in)) = role(wallet, target) else {
        return Err(Refusal::NoOp.into());
    };
    let left = money_in.amount.less(money_in.taken_back);
    let amount = amount.unwrap_or(left);
    if amount > left || amount.is_zero() {
        return Err(Refusal::OverRefund { refundable: left }.into());
    }
    let mut draft = Draft::new(wallet);
    let of_it = |candidate: &Grant| candidate.number == money_in.grant.number;
    let owed = draft.take_free(PostingKind::Reverse, amount, of_it)?;
    draft.post_plain(PostingKind::ReverseDebt, owed)?;
    let kind = EventKind::Reversed { target: target.clone(), amount, note: note.clone() };
    Ok(Decided::change(kind, draft.finish()?))
}

/// `TOPUP.REVOKE`: takes back what no hold pins of the grants that an operation made.
pub(super) fn revoke(wallet: &Wallet, target: &OpId, note: &Note) -> Result<Decided, No> {
    if !matches!(role(wallet, target), Some(Role::TopUp(_) | Role::Refund)) {
        return Err(Refusal::NoOp.into());
    }
    let mut draft = Draft::new(wallet);
    let all = draft.figures.free;
    draft.take_free(PostingKind::Revoke, all, |grant| grant.terms.op == *target)?;
    let kind = EventKind::Revoked { target: target.clone(), note: note.clone() };
    Ok(Decided::change(kind, draft.finish()?))
}

/// `WITHDRAW`: pays out unpinned money of paid grants; of a frozen wallet too, whose spending alone
/// is stopped.
pub(super) fn withdraw(wallet: &Wallet, amount: Amount, note: &Note) -> Result<Decided, No> {
    let mut draft = Draft::new(wallet);
    let paid = |grant: &Grant| grant.terms.kind == GrantKind::Paid;
    let missing = draft.take_free(PostingKind::Withdraw, amount, paid)?;
    if missing.is_positive() || wallet.balances().available < amount {
        return Err(declined(wallet, DeclineReason::NoFunds { required: amount }));
    }
    let kind = EventKind::Withdrawn { note: note.clone() };
    Ok(Decided::change(kind, draft.finish()?))
}

/// `REFUND`: goes back along the split that the operation burned, in reverse, the debt first. Each
/// part repays debt that stands now, else returns to its grant, else becomes a new one.
pub(super) fn refund(
    wallet: &Wallet,
    target: &OpId,
    amount: Amount,
    note: &Note,
    request: &Request,
    now: Timestamp,
) -> Result<Decided, No> {
    let Some(remembered) = wallet.memory.get(target) else { return Err(Refusal::NoOp.into()) };
    let Role::Spend(spend) = &remembered.role else { return Err(Refusal::NoOp.into()) };
    let refundable = spend.refundable();
    if amount > refundable {
        return Err(Refusal::OverRefund { refundable }.into());
    }
    let op = request.id.as_ref().ok_or(Refusal::NoOp)?;
    let burned_at = remembered.at;
    let (draft, grants, heirs) = (Draft::new(wallet), Vec::new(), Vec::new());
    let mut refund = Refund { draft, grants, heirs, wallet, op, now };
    let slices = spend.slices.iter().rev().map(|(terms, amount)| (Some(terms), *amount));
    let mut skip = spend.refunded;
    let mut left = amount;
    for (terms, burned) in std::iter::once((None, spend.debt)).chain(slices) {
        let part = left.min(burned.less(skip));
        skip = skip.less(burned);
        left = left.less(part);
        refund.give_back(part, terms, burned_at)?;
    }
    let kind = EventKind::Refunded {
        target: target.clone(),
        amount,
        grants: refund.grants,
        note: note.clone(),
    };
    Ok(Decided::change(kind, refund.draft.finish()?))
}

/// A refund in the making.
struct Refund<'w> {
    draft: Draft<'w>,
    /// The grants that it makes, or brings back to life.
    grants: Vec<Arc<GrantTerms>>,
    /// Grants that are gone, and which of the new ones stands for each: a grant may have burned in
    /// several parts, and comes back as one.
    heirs: Vec<(GrantNo, GrantNo)>,
    wallet: &'w Wallet,
    op: &'w OpId,
    now: Timestamp,
}

impl Refund<'_> {
    /// Gives one part of the split back; `terms` are those of the grant it burned, if any.
    fn give_back(
        &mut self,
        part: Amount,
        terms: Option<&Arc<GrantTerms>>,
        burned_at: Timestamp,
    ) -> Result<(), No> {
        let repaid = part.min(self.draft.figures.debt);
        self.draft.post_plain(PostingKind::RefundDebt, repaid)?;
        let rest = part.less(repaid);
        if rest.is_zero() {
            return Ok(());
        }
        let grant = self.destination(terms, burned_at);
        self.draft.post(PostingKind::Refund, grant, rest)
    }

    /// The grant that money returns to: its own while that lives, else a new one like it.
    fn destination(&mut self, terms: Option<&Arc<GrantTerms>>, burned_at: Timestamp) -> GrantNo {
        if let Some(terms) = terms {
            match self.wallet.grants.get(terms.number) {
                Some(grant) if !grant.expired => return terms.number,
                // It is used up, so the wallet has dropped it; its time may not be over.
                None if terms.expires_at.is_none_or(|end| end > self.now) => {
                    if !self.grants.iter().any(|grant| grant.number == terms.number) {
                        self.grants.push(Arc::clone(terms));
                    }
                    return terms.number;
                }
                _ => {}
            }
            if let Some((_, heir)) = self.heirs.iter().find(|(gone, _)| *gone == terms.number) {
                return *heir;
            }
        }
        let made = self.grants.iter().filter(|grant| grant.number.0 >= self.wallet.next_grant);
        let made = u32::try_from(made.count()).unwrap_or(u32::MAX);
        let number = GrantNo(self.wallet.next_grant.saturating_add(made));
        let kind = terms.map_or(GrantKind::Paid, |terms| terms.kind);
        self.grants.push(Arc::new(GrantTerms {
            number,
            op: self.op.clone(),
            kind,
            priority: terms.map_or(kind.default_priority(), |terms| terms.priority),
            expires_at: terms
                .and_then(|terms| terms.expires_at)
                .map(|end| self.now.after(end.since(burned_at))),
        }));
        self.heirs.extend(terms.map(|terms| (terms.number, number)));
        number
    }
}

/// What is remembered of an operation that another one refers to.
fn role<'w>(wallet: &'w Wallet, op: &OpId) -> Option<&'w Role> {
    wallet.memory.get(op).map(|remembered| &remembered.role)
}
