//! `AUTHORIZE`, `EXTEND`, `VOID`: placing, growing and releasing holds.

use super::draft::Draft;
use super::price::Judge;
use super::{Decided, No, check_frozen, declined, read};
use crate::domain::amount::Amount;
use crate::domain::command::Authorize;
use crate::domain::event::{EventKind, HoldPlaced};
use crate::domain::hold::Hold;
use crate::domain::id::{Note, OpId};
use crate::domain::outcome::{DeclineReason, HoldState, Outcome, Receipt, Refusal, TooMany};
use crate::domain::posting::Postings;
use crate::domain::rules::Rules;
use crate::domain::time::{Span, Timestamp};
use crate::domain::wallet::Wallet;

/// `AUTHORIZE`: reserves money under the operation's id.
pub(super) fn authorize(
    wallet: &Wallet,
    asked: &Authorize,
    judge: Judge<'_>,
) -> Result<Decided, No> {
    let Judge { now, rules, .. } = judge;
    check_frozen(wallet)?;
    if wallet.holds.len() >= rules.holds_max {
        return Err(Refusal::TooMany(TooMany::Holds { max: rules.holds_max }).into());
    }
    let price = judge.worth(wallet, &asked.worth, None, None)?;
    let amount = affordable(wallet, price.amount, asked.min)?;
    let mut draft = Draft::new(wallet);
    draft.reserve(amount)?;
    let placed = HoldPlaced {
        amount,
        expires_at: now.after(asked.ttl.unwrap_or(rules.hold_ttl)),
        overage: asked.overage,
        tags: asked.tags.clone(),
    };
    let kind = EventKind::HoldPlaced(Box::new(placed));
    Ok(Decided::Change { kind, postings: draft.finish()?, price: price.tag })
}

/// `EXTEND`: adds money, time or both to an open hold. Only time never lacks funds.
pub(super) fn extend(
    wallet: &Wallet,
    id: &OpId,
    (amount, min): (Amount, Option<Amount>),
    ttl: Option<Span>,
    now: Timestamp,
) -> Result<Decided, No> {
    let hold = open_hold(wallet, id)?;
    check_frozen(wallet)?;
    let amount = if amount.is_zero() { amount } else { affordable(wallet, amount, min)? };
    hold.amount.plus(amount)?;
    let mut draft = Draft::new(wallet);
    draft.reserve(amount)?;
    let end = ttl.map_or(hold.expires_at, |ttl| hold.expires_at.max(now.after(ttl)));
    let kind = EventKind::HoldExtended { hold: id.clone(), amount, expires_at: end };
    Ok(Decided::change(kind, draft.finish()?))
}

/// `VOID`: releases what the hold holds. Of an expired hold it releases nothing, and ends the right
/// to capture it late.
pub(super) fn void(
    wallet: &Wallet,
    id: &OpId,
    note: &Note,
    now: Timestamp,
    rules: &Rules,
) -> Result<Decided, No> {
    let postings = match wallet.memory.ended_hold(id) {
        None => {
            let mut draft = Draft::new(wallet);
            draft.release(open_hold(wallet, id)?, now, rules)?;
            draft.finish()?
        }
        Some(ended) => match (ended.state, &ended.void) {
            (_, Some(first)) => {
                let replay = Receipt { replayed: true, ..first.receipt() };
                return Ok(Decided::Answer(Outcome::Receipt(replay)));
            }
            (HoldState::Expired, None) => Postings::new(),
            (state, None) => return Err(Refusal::HoldDone { state }.into()),
        },
    };
    let kind = EventKind::HoldVoided { hold: id.clone(), note: note.clone() };
    Ok(Decided::change(kind, postings))
}

/// The open hold of that id, or the refusal that says what became of it.
pub(super) fn open_hold<'w>(wallet: &'w Wallet, id: &OpId) -> Result<&'w Hold, No> {
    match read::find_hold(wallet, id)? {
        (hold, HoldState::Open) => Ok(hold),
        (_, state) => Err(Refusal::HoldDone { state }.into()),
    }
}

/// How much of `amount` the wallet can reserve: all of it, or with `min` what there is.
fn affordable(wallet: &Wallet, amount: Amount, min: Option<Amount>) -> Result<Amount, No> {
    let available = wallet.balances().available;
    if !available.is_negative() {
        if available >= amount {
            return Ok(amount);
        }
        if min.is_some_and(|min| available >= min) {
            return Ok(available);
        }
    }
    Err(declined(wallet, DeclineReason::NoFunds { required: amount }))
}
