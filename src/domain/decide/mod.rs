//! Judging commands. Everything here reads a wallet and changes nothing.
//!
//! Checks run in the order of the contract: replay (before this module), closed, hold, frozen,
//! funds. What the commands have in common is how money is found: see [`draft::Draft`].

mod draft;
pub(super) mod due;
mod fund;
mod hold;
mod life;
pub(super) mod price;
pub(super) mod read;
mod spend;

use super::amount::Overflow;
use super::command::{Command, Overage};
use super::event::{Event, EventKind};
use super::outcome::{Decline, DeclineReason, OutOfRange, Outcome, Refusal};
use super::posting::Postings;
use super::price_tag::PriceTag;
use super::wallet::{Status, Wallet};
use price::Judge;

/// The judgement of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// This is to happen: journal it, apply it, answer with its receipt.
    Change(Event),
    /// Nothing happens; this is the answer.
    Answer(Outcome),
}

/// A judgement that is not a refusal.
pub(super) enum Decided {
    /// This is to happen.
    Change { kind: EventKind, postings: Postings, price: Option<Box<PriceTag>> },
    /// Nothing happens; this is the answer.
    Answer(Outcome),
}

impl Decided {
    /// What is to happen, without a price.
    const fn change(kind: EventKind, postings: Postings) -> Self {
        Self::Change { kind, postings, price: None }
    }
}

/// A judgement against a request.
pub(super) enum No {
    /// The wallet may not make it: an answer.
    Declined(Decline),
    /// It cannot be judged: an error.
    Refused(Refusal),
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Overflow> for No {
    fn from(_: Overflow) -> Self {
        Self::Refused(Refusal::Range(OutOfRange::Sum))
    }
}

impl From<No> for Outcome {
    fn from(no: No) -> Self {
        match no {
            No::Declined(decline) => Self::Declined(decline),
            No::Refused(refusal) => Self::Refused(refusal),
        }
    }
}

/// Judges a request that is no replay.
pub(super) fn decide(wallet: &Wallet, judge: Judge<'_>) -> Result<Decided, No> {
    let Judge { request, now, rules, .. } = judge;
    check_closed(wallet, &request.command)?;
    match &request.command {
        Command::Open(terms) => life::open(wallet, terms),
        Command::Set(change) => Ok(life::set(wallet, change)),
        Command::Freeze { note } => Ok(life::freeze(wallet, note)),
        Command::Unfreeze => Ok(life::unfreeze(wallet)),
        Command::Close { force } => life::close(wallet, *force),
        Command::TopUp(top_up) => fund::top_up(wallet, top_up, request, now, rules),
        Command::Reverse { op, amount, note } => fund::reverse(wallet, op, *amount, note),
        Command::Revoke { op, note } => fund::revoke(wallet, op, note),
        Command::Withdraw { amount, note } => fund::withdraw(wallet, *amount, note),
        Command::Refund { op, amount, note } => {
            fund::refund(wallet, op, *amount, note, request, now)
        }
        Command::Authorize(authorize) => hold::authorize(wallet, authorize, judge),
        Command::Extend { hold, amount, min, ttl } => {
            hold::extend(wallet, hold, (*amount, *min), *ttl, now)
        }
        Command::Void { hold, note } => hold::void(wallet, hold, note, now, rules),
        Command::Capture { hold, worth, keep, strict, tags } => {
            let terms = spend::CaptureTerms { keep: *keep, strict: *strict, tags };
            spend::capture(wallet, hold, worth, &terms, judge)
        }
        Command::Charge { worth, overage, used_at, tags } => {
            let terms = spend::ChargeTerms { overage: *overage, used_at: *used_at, tags };
            spend::charge(wallet, worth, &terms, judge)
        }
        Command::Price { usage, at } => judge.quote(wallet, usage, *at).map(Decided::Answer),
        Command::Get
        | Command::Balance
        | Command::HoldGet { .. }
        | Command::HoldList { .. }
        | Command::OpGet { .. } => read::read(wallet, &request.command).map(Decided::Answer),
    }
}

/// What a wallet that is closing or closed does not do. Requests for money are declined, whatever
/// else would change it is refused; a stated charge cannot be declined, so it is refused too.
fn check_closed(wallet: &Wallet, command: &Command) -> Result<(), No> {
    let closed = match wallet.status {
        Status::Open | Status::Frozen => return Ok(()),
        Status::Closing { .. } => false,
        Status::Closed => true,
    };
    match command {
        Command::Open(_)
        | Command::Get
        | Command::Balance
        | Command::HoldGet { .. }
        | Command::HoldList { .. }
        | Command::OpGet { .. }
        | Command::Price { .. }
        | Command::Close { .. } => Ok(()),
        Command::Capture { .. } if !closed => Ok(()),
        // A void may be a retry by its hold's id, which is answered even when closed.
        Command::Void { hold, .. } if !closed || is_voided(wallet, hold) => Ok(()),
        Command::Authorize(_)
        | Command::Extend { .. }
        | Command::Withdraw { .. }
        | Command::Charge { overage: Overage::Reject, .. } => {
            Err(declined(wallet, DeclineReason::Closed))
        }
        Command::Set(_)
        | Command::Freeze { .. }
        | Command::Unfreeze
        | Command::TopUp(_)
        | Command::Reverse { .. }
        | Command::Revoke { .. }
        | Command::Capture { .. }
        | Command::Void { .. }
        | Command::Charge { .. }
        | Command::Refund { .. } => Err(No::Refused(Refusal::Closed)),
    }
}

/// Whether a void of this hold would be a retry.
fn is_voided(wallet: &Wallet, hold: &super::id::OpId) -> bool {
    wallet.memory.ended_hold(hold).is_some_and(|ended| ended.void.is_some())
}

/// A decline with the wallet's money as it is.
fn declined(wallet: &Wallet, reason: DeclineReason) -> No {
    No::Declined(Decline { reason, balances: wallet.balances() })
}

/// Declines what a frozen wallet does not do.
fn check_frozen(wallet: &Wallet) -> Result<(), No> {
    if wallet.status == Status::Frozen {
        return Err(declined(wallet, DeclineReason::Frozen));
    }
    Ok(())
}
