//! `CAPTURE` and `CHARGE`: usage becomes money.

use super::draft::Draft;
use super::{Decided, No, check_frozen, declined, hold};
use crate::domain::amount::Amount;
use crate::domain::command::Overage;
use crate::domain::event::EventKind;
use crate::domain::hold::Hold;
use crate::domain::id::{OpId, Tags};
use crate::domain::memory::EndedHold;
use crate::domain::outcome::{DeclineReason, HoldState, Refusal};
use crate::domain::rules::Rules;
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

/// `CAPTURE`: settles usage against a hold, open or, late, expired.
pub(super) fn capture(
    wallet: &Wallet,
    id: &OpId,
    amount: Amount,
    terms: &CaptureTerms<'_>,
    now: Timestamp,
    rules: &Rules,
) -> Result<Decided, No> {
    let expired = wallet.memory.ended_hold(id);
    let expired = expired.filter(|ended| ended.state == HoldState::Expired && !terms.strict);
    let mut draft = Draft::new(wallet);
    let uncovered = if let Some(expired) = expired {
        capture_late(wallet, &mut draft, expired, amount)?
    } else {
        let open = hold::open_hold(wallet, id)?;
        open.captured.plus(amount)?;
        let uncovered = capture_open(wallet, &mut draft, open, amount)?;
        if !terms.keep {
            draft.release(open, now, rules)?;
        }
        uncovered
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
    amount: Amount,
    overage: Overage,
    tags: &Tags,
) -> Result<Decided, No> {
    let available = wallet.balances().available;
    let stated = overage != Overage::Reject;
    let mut over = false;
    if stated {
        over = wallet.status == Status::Frozen || amount > available.or_zero();
    } else {
        check_frozen(wallet)?;
        if available.is_negative() || amount > available {
            return Err(declined(wallet, DeclineReason::NoFunds { required: amount }));
        }
    }
    let mut draft = Draft::new(wallet);
    let uncovered = settle(wallet, &mut draft, Amount::ZERO, amount, overage)?;
    Ok(Decided::Change {
        kind: EventKind::Charged { uncovered, over, tags: tags.clone() },
        postings: draft.finish()?,
    })
}
