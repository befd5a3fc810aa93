//! What becomes due by itself: holds and grants expire, a closing wallet closes.

use super::draft::Draft;
use super::{No, life};
use crate::domain::command::RequestHash;
use crate::domain::event::{Event, EventKind};
use crate::domain::grant::Grant;
use crate::domain::hold::Hold;
use crate::domain::posting::{GrantNo, PostingKind, Postings};
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;
use crate::domain::wallet::{Status, Wallet};

/// The next event due by `now`, dated at its due time: by time; at the same time holds before
/// grants; among equals the older first.
pub(in crate::domain) fn next_due(wallet: &Wallet, now: Timestamp, rules: &Rules) -> Option<Event> {
    // A clock that was set back does not take the wallet with it.
    let now = now.max(wallet.time);
    if now < wallet.quiet_until.0 {
        return None;
    }
    let hold = wallet.holds.next_expiry();
    let hold = hold.and_then(|(at, number)| Some((at, wallet.holds.get(number)?)));
    let grant = next_grant(wallet, rules);
    let hold_first = match (hold, grant) {
        (Some((hold_at, _)), Some((grant_at, _))) => hold_at <= grant_at,
        (hold, _) => hold.is_some(),
    };
    let due = match (hold, grant) {
        _ if closes(wallet) => Some((wallet.time, EventKind::Closed, life::write_off(wallet))),
        (Some((at, hold)), _) if hold_first => Some((
            at,
            EventKind::HoldExpired { hold: hold.id.clone() },
            expire_hold(wallet, hold, at, rules),
        )),
        (_, Some((at, number))) => {
            Some((at, EventKind::GrantExpired { grant: number }, expire_grant(wallet, number)))
        }
        (_, None) => None,
    };
    let (at, kind, postings) = due.filter(|(at, ..)| *at <= now)?;
    debug_assert!(postings.is_ok(), "{kind:?} cannot be posted");
    Some(Event {
        at: at.max(wallet.time),
        op: None,
        user: None,
        request: RequestHash::default(),
        kind,
        // Releasing money cannot leave any range: it only moves what is there.
        postings: postings.ok()?,
        price: None,
    })
}

/// When the next event is due, whatever the time is now.
pub(in crate::domain) fn next_deadline(wallet: &Wallet, rules: &Rules) -> Option<Timestamp> {
    if closes(wallet) {
        return Some(wallet.time);
    }
    let hold = wallet.holds.next_expiry().map(|(at, _)| at);
    hold.into_iter().chain(next_grant(wallet, rules).map(|(at, _)| at)).min()
}

/// Whether the wallet was told to close and its last hold is done. Money that nobody allowed to be
/// written off keeps it waiting.
fn closes(wallet: &Wallet) -> bool {
    let Status::Closing { force } = wallet.status else { return false };
    wallet.holds.is_empty() && (force || wallet.is_empty_beside_holds())
}

/// The grant that expires next; the older one among equals.
fn next_grant(wallet: &Wallet, rules: &Rules) -> Option<(Timestamp, GrantNo)> {
    let due = |grant: &Grant| Some((grant.due(rules.lapse_grace)?, grant.number));
    wallet.grants.iter().filter_map(due).min()
}

/// A hold releases all that it holds when it expires.
fn expire_hold(wallet: &Wallet, hold: &Hold, at: Timestamp, rules: &Rules) -> Result<Postings, No> {
    let mut draft = Draft::new(wallet);
    draft.release(hold, at, rules)?;
    draft.finish()
}

/// The free money of a grant is lost when it expires; what holds pin stays theirs.
fn expire_grant(wallet: &Wallet, number: GrantNo) -> Result<Postings, No> {
    let mut draft = Draft::new(wallet);
    let all = draft.figures.free;
    draft.take_free(PostingKind::Expire, all, |grant| grant.number == number)?;
    draft.finish()
}
