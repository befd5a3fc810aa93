//! The life of a wallet: `WALLET.OPEN`, `WALLET.SET`, `WALLET.FREEZE`, `WALLET.CLOSE`.

use super::draft::Draft;
use super::{Decided, No, read};
use crate::domain::command::{OpenTerms, Terms, TermsChange};
use crate::domain::event::EventKind;
use crate::domain::id::Note;
use crate::domain::outcome::{Outcome, Refusal};
use crate::domain::posting::{PostingKind, Postings};
use crate::domain::wallet::{Status, Wallet};

/// `WALLET.OPEN` of a wallet that exists: no change, if the parameters are those it was opened with.
pub(super) fn open(wallet: &Wallet, terms: &OpenTerms) -> Result<Decided, No> {
    if *terms != *wallet.opened {
        return Err(Refusal::Exists.into());
    }
    Ok(Decided::Answer(Outcome::Wallet(Box::new(read::wallet_view(wallet)))))
}

/// `WALLET.SET`: changes the terms, a credit line also below what is used.
pub(super) fn set(wallet: &Wallet, change: &TermsChange) -> Decided {
    let now = &wallet.terms;
    plain(EventKind::TermsSet(Box::new(Terms {
        credit_limit: change.credit_limit.unwrap_or(now.credit_limit),
        debt_limit: change.debt_limit.unwrap_or(now.debt_limit),
        plan: change.plan.clone().or_else(|| now.plan.clone()),
        zone: change.zone.clone().unwrap_or_else(|| now.zone.clone()),
    })))
}

/// `WALLET.FREEZE`
pub(super) fn freeze(wallet: &Wallet, note: &Note) -> Decided {
    match wallet.status {
        Status::Frozen => status(wallet),
        _ => plain(EventKind::Frozen { note: note.clone() }),
    }
}

/// `WALLET.UNFREEZE`
pub(super) fn unfreeze(wallet: &Wallet) -> Decided {
    match wallet.status {
        Status::Frozen => plain(EventKind::Unfrozen),
        _ => status(wallet),
    }
}

/// `WALLET.CLOSE`: at once, or when the last hold is done.
pub(super) fn close(wallet: &Wallet, force: bool) -> Result<Decided, No> {
    if wallet.status == Status::Closed {
        return Ok(status(wallet));
    }
    let was_forced = wallet.status == Status::Closing { force: true };
    let force = force || was_forced;
    if !force && !wallet.is_empty_beside_holds() {
        return Err(Refusal::NotEmpty { balances: wallet.balances() }.into());
    }
    if wallet.holds.is_empty() {
        return Ok(Decided::change(EventKind::Closed, write_off(wallet)?));
    }
    if wallet.status == (Status::Closing { force }) {
        return Ok(status(wallet));
    }
    Ok(plain(EventKind::Closing { force }))
}

/// Gives up all money that no hold pins, and all debt.
pub(super) fn write_off(wallet: &Wallet) -> Result<Postings, No> {
    let mut draft = Draft::new(wallet);
    let (free, debt) = (draft.figures.free, draft.figures.debt);
    draft.take_free(PostingKind::WriteOff, free, |_| true)?;
    draft.post_plain(PostingKind::Forgive, debt)?;
    draft.finish()
}

/// A change that moves no money.
fn plain(kind: EventKind) -> Decided {
    Decided::change(kind, Postings::new())
}

/// Nothing to change.
fn status(wallet: &Wallet) -> Decided {
    Decided::Answer(Outcome::Status(wallet.status()))
}
