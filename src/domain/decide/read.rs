//! Reads, and the answers to retries.

use super::No;
use crate::domain::amount::Amount;
use crate::domain::command::{Command, Request};
use crate::domain::hold::Hold;
use crate::domain::id::OpId;
use crate::domain::memory::{Remembered, Role, TermsSet};
use crate::domain::outcome::{
    BalanceView, GrantView, HoldState, HoldView, OpAnswer, OpView, Outcome, Receipt, Refusal,
    WalletView,
};
use crate::domain::wallet::Wallet;

/// Answers a command that only looks.
pub(super) fn read(wallet: &Wallet, command: &Command) -> Result<Outcome, No> {
    Ok(match command {
        Command::HoldGet { hold } => {
            let (hold, state) = find_hold(wallet, hold)?;
            Outcome::Hold(Box::new(hold_view(wallet, hold, state)))
        }
        Command::HoldList { after, count } => {
            let after = after.as_ref().map(|hold| find_hold(wallet, hold)).transpose()?;
            let holds = wallet.holds.after(after.map(|(hold, _)| hold.number)).take(*count);
            let view = |hold| hold_view(wallet, hold, HoldState::Open);
            Outcome::Holds(holds.map(view).collect())
        }
        Command::OpGet { op } => {
            let remembered = wallet.memory.get(op).ok_or(Refusal::NoOp)?;
            Outcome::Op(Box::new(op_view(wallet, op, remembered)))
        }
        Command::Get => Outcome::Wallet(Box::new(wallet_view(wallet))),
        // Everything else is judged elsewhere.
        _ => Outcome::Balance(Box::new(wallet.balance_view())),
    })
}

/// The answer to a retry: the first receipt, its balances included.
pub(in crate::domain) fn replayed(
    wallet: &Wallet,
    request: &Request,
    remembered: &Remembered,
) -> Outcome {
    let receipt = remembered.receipt.receipt();
    if let Role::TermsSet(set) = &remembered.role {
        let first = terms_set(wallet, set, &receipt);
        return Outcome::Balance(Box::new(BalanceView { replayed: true, ..first }));
    }
    let hold = match &request.command {
        Command::Authorize(_) => request.id.as_ref(),
        Command::Extend { hold, .. } => Some(hold),
        _ => None,
    };
    let state = hold.and_then(|hold| hold_state(wallet, hold));
    Outcome::Receipt(Receipt { replayed: true, state, ..receipt })
}

/// What a change of terms answered.
fn terms_set(wallet: &Wallet, set: &TermsSet, receipt: &Receipt) -> BalanceView {
    BalanceView {
        currency: wallet.opened.currency.clone(),
        status: set.status,
        balances: receipt.balances,
        credit_limit: set.credit_limit,
        replayed: false,
    }
}

/// Where a hold is in its life now.
fn hold_state(wallet: &Wallet, hold: &OpId) -> Option<HoldState> {
    find_hold(wallet, hold).ok().map(|(_, state)| state)
}

/// What `WALLET.GET` shows.
pub(in crate::domain) fn wallet_view(wallet: &Wallet) -> WalletView {
    let grants = wallet.grants.iter().map(|grant| GrantView {
        op: grant.terms.op.clone(),
        kind: grant.terms.kind,
        priority: grant.terms.priority,
        left: Amount::from_pico(grant.free.pico().saturating_add(grant.pinned.pico())),
        pinned: grant.pinned,
        expires_at: grant.terms.expires_at,
    });
    WalletView {
        currency: wallet.opened.currency.clone(),
        status: wallet.status(),
        balances: wallet.balances(),
        terms: wallet.terms.clone(),
        grants: grants.collect(),
        holds: wallet.holds.len(),
        seq: wallet.seq,
        opened_at: wallet.opened_at,
    }
}

/// A hold, open or done, and where it is in its life.
pub(super) fn find_hold<'w>(wallet: &'w Wallet, id: &OpId) -> Result<(&'w Hold, HoldState), No> {
    let found = if let Some(number) = wallet.memory.open_hold(id) {
        wallet.holds.get(number).map(|hold| (hold, HoldState::Open))
    } else {
        wallet.memory.ended_hold(id).map(|ended| (ended.hold.as_ref(), ended.state))
    };
    Ok(found.ok_or(Refusal::NoHold)?)
}

/// A hold as shown, what it pins in burn order.
fn hold_view(wallet: &Wallet, hold: &Hold, state: HoldState) -> HoldView {
    let pinned = wallet.grants.iter().filter_map(|grant| {
        let amount = hold.pinned(grant.number);
        amount.is_positive().then(|| (grant.terms.op.clone(), amount))
    });
    HoldView {
        hold: hold.id.clone(),
        state,
        amount: hold.amount,
        remaining: hold.remaining(),
        captured: hold.captured,
        grants: pinned.collect(),
        credit: hold.credit,
        overage: hold.overage,
        pin: hold.pin.clone(),
        tags: hold.tags.clone(),
        created_at: hold.created_at,
        expires_at: hold.expires_at,
    }
}

/// What became of an operation.
fn op_view(wallet: &Wallet, op: &OpId, remembered: &Remembered) -> OpView {
    let (state, refundable) = match &remembered.role {
        Role::OpenHold(_) | Role::EndedHold(_) => (hold_state(wallet, op), None),
        Role::Spend(spend) => (None, Some(spend.refundable())),
        Role::Plain | Role::TermsSet(_) | Role::TopUp(_) | Role::Refund => (None, None),
    };
    let receipt = remembered.receipt.receipt();
    let answer = match &remembered.role {
        Role::TermsSet(set) => OpAnswer::Balance(terms_set(wallet, set, &receipt)),
        _ => OpAnswer::Receipt(Receipt { state, ..receipt }),
    };
    OpView { op: op.clone(), at: remembered.at, answer, refundable }
}
