//! `CAPTURE` and `CHARGE`: usage becomes money.

use super::draft::Draft;
use super::price::{Judge, Price};
use super::{Decided, No, check_frozen, declined, hold};
use crate::domain::amount::Amount;
use crate::domain::command::{Overage, Worth};
use crate::domain::event::EventKind;
use crate::domain::hold::Hold;
use crate::domain::id::{OpId, Tags};
use crate::domain::memory::EndedHold;
use crate::domain::outcome::{DeclineReason, HoldState, OutOfRange, Refusal};
use crate::domain::time::Timestamp;
use crate::domain::wallet::{Status, Wallet};

/// The options of a capture.
pub(super) struct CaptureTerms<'a> {
    /// The rest of the hold stays open.
    pub(super) keep: bool,
    /// An expired hold is refused.
    pub(super) strict: bool,
    /// What it was for.
    pub(super) tags: &'a Tags,
}

/// The options of a charge.
pub(super) struct ChargeTerms<'a> {
    /// What to do when the funds do not suffice.
    pub(super) overage: Overage,
    /// When it was used, if it is stated late.
    pub(super) used_at: Option<Timestamp>,
    /// What it was for.
    pub(super) tags: &'a Tags,
}

/// `CAPTURE`: settles usage against a hold, open or, late, expired.
pub(super) fn capture(
    wallet: &Wallet,
    id: &OpId,
    worth: &Worth,
    terms: &CaptureTerms<'_>,
    judge: Judge<'_>,
) -> Result<Decided, No> {
    let expired = wallet.memory.ended_hold(id);
    let expired = expired.filter(|ended| ended.state == HoldState::Expired && !terms.strict);
    let mut draft = Draft::new(wallet);
    let (uncovered, tag) = if let Some(expired) = expired {
        let Price { amount, tag } =
            judge.worth(wallet, worth, expired.hold.pin.as_deref(), None)?;
        (capture_late(wallet, &mut draft, expired, amount)?, tag)
    } else {
        let open = hold::open_hold(wallet, id)?;
        let Price { amount, tag } = judge.worth(wallet, worth, open.pin.as_deref(), None)?;
        open.captured.plus(amount)?;
        let uncovered = capture_open(wallet, &mut draft, open, amount)?;
        if !terms.keep {
            draft.release(open, judge.now, judge.rules)?;
        }
        (uncovered, tag)
    };
    Ok(Decided::Change {
        kind: EventKind::Captured {
            hold: id.clone(),
            uncovered,
            keep: terms.keep,
            late: expired.is_some(),
            tags: terms.tags.clone(),
        },
        postings: draft.finish()?,
        price: tag,
    })
}

/// Settles against an open hold: from the hold, then from what is available, then by its policy.
fn capture_open(
    wallet: &Wallet,
    draft: &mut Draft<'_>,
    hold: &Hold,
    amount: Amount,
) -> Result<Amount, No> {
    let remaining = hold.remaining();
    if hold.overage == Overage::Reject && amount > remaining {
        return Err(Refusal::OverCapture { held: remaining }.into());
    }
    let on_credit = draft.burn_hold(hold, amount.min(remaining))?;
    settle(wallet, draft, on_credit, amount.less(remaining), hold.overage)
}

/// Settles what an expired hold was for, with today's money. Under `reject` it may take no more
/// than what expired, and no more than there is.
fn capture_late(
    wallet: &Wallet,
    draft: &mut Draft<'_>,
    expired: &EndedHold,
    amount: Amount,
) -> Result<Amount, No> {
    expired.hold.captured.plus(amount)?;
    if expired.hold.overage == Overage::Reject {
        let most = expired.lapsed.min(wallet.balances().available.or_zero());
        if amount > most {
            return Err(Refusal::OverCapture { held: most }.into());
        }
    }
    settle(wallet, draft, Amount::ZERO, amount, expired.hold.overage)
}

/// Charges `due`, which a hold had reserved on the credit line, and `excess`, which nothing
/// reserved: that from what is available, then by policy. Answers what stays uncovered.
fn settle(
    wallet: &Wallet,
    draft: &mut Draft<'_>,
    due: Amount,
    excess: Amount,
    overage: Overage,
) -> Result<Amount, No> {
    let covered = excess.min(wallet.balances().available.or_zero());
    let rest = excess.less(covered);
    draft.charge(due.plus(covered)?)?;
    let charged = match overage {
        Overage::Debt => match wallet.terms.debt_limit {
            // Free money still goes first; only what exceeds it is new debt.
            Some(limit) => {
                let room = limit.less(draft.figures.debt).plus(draft.figures.free)?;
                rest.min(room)
            }
            None => rest,
        },
        Overage::Cap | Overage::Reject => Amount::ZERO,
    };
    draft.charge(charged)?;
    Ok(rest.less(charged))
}

/// `CHARGE`: under `reject` authorize and capture at once; else a statement of usage that has
/// happened, which is never declined.
pub(super) fn charge(
    wallet: &Wallet,
    worth: &Worth,
    terms: &ChargeTerms<'_>,
    judge: Judge<'_>,
) -> Result<Decided, No> {
    check_used_at(terms.used_at, judge)?;
    let available = wallet.balances().available;
    let stated = terms.overage != Overage::Reject;
    if !stated {
        check_frozen(wallet)?;
    }
    let Price { amount, tag } = judge.worth(wallet, worth, None, terms.used_at)?;
    let mut over = false;
    if stated {
        over = wallet.status == Status::Frozen || amount > available.or_zero();
    } else if available.is_negative() || amount > available {
        return Err(declined(wallet, DeclineReason::NoFunds { required: amount }));
    }
    let mut draft = Draft::new(wallet);
    let uncovered = settle(wallet, &mut draft, Amount::ZERO, amount, terms.overage)?;
    Ok(Decided::Change {
        kind: EventKind::Charged { uncovered, over, tags: terms.tags.clone() },
        postings: draft.finish()?,
        price: tag,
    })
}

/// Usage may be stated late, but not later than the operator allows, and not before it happens.
fn check_used_at(used_at: Option<Timestamp>, judge: Judge<'_>) -> Result<(), No> {
    let Some(used_at) = used_at else { return Ok(()) };
    if used_at > judge.now {
        return Err(Refusal::Range(OutOfRange::UsedInTheFuture).into());
    }
    if judge.now.since(used_at) > judge.rules.late_window {
        return Err(Refusal::UsedTooLate.into());
    }
    Ok(())
}
