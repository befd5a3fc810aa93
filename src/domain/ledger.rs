//! The ledger: an event as a row that people and books can read, and which rows are asked for.
//!
//! A row is made from its event and the money after it alone, so a ledger needs no wallet.

use super::amount::Amount;
use super::event::{Event, EventKind, Paid};
use super::id::{Note, OpId, Tags, User};
use super::outcome::Balances;
use super::posting::{self, Account, PostingKind};
use super::price_tag::PriceTag;
use super::time::Timestamp;
use smallvec::SmallVec;
use std::ops::ControlFlow;

macro_rules! words {
    ($(#[$of:meta])* $name:ident: $($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)?) => {
        $(#[$of])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$doc])* $variant),+
        }

        impl $name {
            /// Every one there is.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its word, in replies and in exports.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }
    };
}

words! {
    /// What a row is about: the status of the operation's receipt, where it has one.
    RowKind:
    /// `TOPUP`
    ToppedUp = "toppedup",
    /// `TOPUP.REVERSE`
    Reversed = "reversed",
    /// `TOPUP.REVOKE`
    Revoked = "revoked",
    /// `WITHDRAW`
    Withdrawn = "withdrawn",
    /// `AUTHORIZE`
    Held = "held",
    /// `EXTEND`
    Extended = "extended",
    /// `CAPTURE`
    Captured = "captured",
    /// `VOID`
    Voided = "voided",
    /// `CHARGE`
    Charged = "charged",
    /// `REFUND`
    Refunded = "refunded",
    /// `WALLET.OPEN`
    Opened = "opened",
    /// `WALLET.SET`
    Set = "set",
    /// `WALLET.FREEZE`
    Frozen = "frozen",
    /// `WALLET.UNFREEZE`
    Unfrozen = "unfrozen",
    /// `WALLET.CLOSE` while holds are open.
    Closing = "closing",
    /// `WALLET.CLOSE`, or the end of the last hold of a closing wallet.
    Closed = "closed",
    /// A hold ran out of time.
    Expired = "expired",
    /// The free money of a grant expired.
    Lapsed = "lapsed",
}

impl RowKind {
    /// The kind of the row that an event makes.
    pub const fn of(kind: &EventKind) -> Self {
        match kind {
            EventKind::Opened(_) => Self::Opened,
            EventKind::TermsSet(_) => Self::Set,
            EventKind::Frozen { .. } => Self::Frozen,
            EventKind::Unfrozen => Self::Unfrozen,
            EventKind::Closing { .. } => Self::Closing,
            EventKind::Closed => Self::Closed,
            EventKind::ToppedUp { .. } => Self::ToppedUp,
            EventKind::Reversed { .. } => Self::Reversed,
            EventKind::Revoked { .. } => Self::Revoked,
            EventKind::Withdrawn { .. } => Self::Withdrawn,
            EventKind::HoldPlaced(_) => Self::Held,
            EventKind::HoldExtended { .. } => Self::Extended,
            EventKind::Captured { .. } => Self::Captured,
            EventKind::HoldVoided { .. } => Self::Voided,
            EventKind::HoldExpired { .. } => Self::Expired,
            EventKind::Charged { .. } => Self::Charged,
            EventKind::Refunded { .. } => Self::Refunded,
            EventKind::GrantExpired { .. } => Self::Lapsed,
        }
    }
}

/// What an operation did to each account that it moved money of, in the order of the chart; what was
/// taken is negative. They sum to zero.
pub type Entries = SmallVec<[(Account, Amount); 2]>;

/// One operation or expiry, as the ledger shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    /// The event's number in its wallet, from 1.
    pub seq: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What it is about.
    pub kind: RowKind,
    /// The operation's id, if it had one.
    pub op: Option<OpId>,
    /// The hold that it concerns.
    pub hold: Option<OpId>,
    /// What it was about: topped up, reserved, charged, released, given up; zero where nothing is.
    pub amount: Amount,
    /// What was left in grants after it.
    pub posted: Amount,
    /// What open holds held after it.
    pub held: Amount,
    /// What the customer owed after it.
    pub debt: Amount,
    /// What it did to the accounts.
    pub entries: Entries,
    /// What it was for.
    pub tags: Tags,
    /// A remark.
    pub note: Note,
    /// Who asked, where users are known.
    pub user: Option<User>,
    /// How it was priced, if it states usage.
    pub price: Option<Box<PriceTag>>,
    /// What the customer paid for a top-up, where that is said.
    pub paid: Option<Box<Paid>>,
    /// What nobody pays of a capture or charge.
    pub uncovered: Amount,
    /// A stated charge passed a freeze or the funds.
    pub over: bool,
    /// A capture of a hold that had expired.
    pub late: bool,
}

impl LedgerRow {
    /// The row of the event with that number, which left its wallet with `after`.
    pub fn of(seq: u64, event: &Event, after: Balances) -> Self {
        let (uncovered, over, late) = match event.kind {
            EventKind::Captured { uncovered, late, .. } => (uncovered, false, late),
            EventKind::Charged { uncovered, over, .. } => (uncovered, over, false),
            _ => (Amount::ZERO, false, false),
        };
        Self {
            seq,
            at: event.at,
            kind: RowKind::of(&event.kind),
            op: event.op.clone(),
            hold: event.hold().cloned(),
            amount: amount(event),
            posted: after.posted,
            held: after.held,
            debt: after.debt,
            entries: entries(event),
            tags: tags(event).cloned().unwrap_or_default(),
            note: note(event).cloned().unwrap_or_default(),
            user: event.user.clone(),
            price: event.price.clone(),
            paid: paid(event),
            uncovered,
            over,
            late,
        }
    }
}

/// What an event was about.
fn amount(event: &Event) -> Amount {
    let total = |kinds: &[PostingKind]| posting::total(&event.postings, kinds);
    match &event.kind {
        EventKind::ToppedUp { amount, .. }
        | EventKind::Reversed { amount, .. }
        | EventKind::HoldExtended { amount, .. }
        | EventKind::Refunded { amount, .. } => *amount,
        EventKind::HoldPlaced(placed) => placed.amount,
        EventKind::Captured { .. } | EventKind::Charged { .. } => event.spent(),
        EventKind::HoldVoided { .. } | EventKind::HoldExpired { .. } => event.lapsed(),
        EventKind::Revoked { .. } => total(&[PostingKind::Revoke]),
        EventKind::Withdrawn { .. } => total(&[PostingKind::Withdraw]),
        EventKind::GrantExpired { .. } => total(&[PostingKind::Expire]),
        // A wallet gives up money or debt, for while there is debt no money is free.
        EventKind::Closed => total(&[PostingKind::WriteOff, PostingKind::Forgive]),
        EventKind::Opened(_)
        | EventKind::TermsSet(_)
        | EventKind::Frozen { .. }
        | EventKind::Unfrozen
        | EventKind::Closing { .. } => Amount::ZERO,
    }
}

/// What an event's postings add to each account, and take from it.
fn entries(event: &Event) -> Entries {
    let mut entries = Entries::new();
    let mut add = |account: Account, pico: i128| {
        // An operation's sums are at most 10^36, far inside of 128 bits.
        match entries.iter_mut().find(|(other, _)| *other == account) {
            Some((_, sum)) => *sum = Amount::from_pico(sum.pico().saturating_add(pico)),
            None => entries.push((account, Amount::from_pico(pico))),
        }
    };
    for posting in &event.postings {
        if let Some((from, to)) = posting.kind.accounts() {
            add(from, posting.amount.pico().saturating_neg());
            add(to, posting.amount.pico());
        }
    }
    entries.retain(|(_, sum)| !sum.is_zero());
    entries.sort_unstable_by_key(|(account, _)| *account);
    entries
}

fn tags(event: &Event) -> Option<&Tags> {
    match &event.kind {
        EventKind::HoldPlaced(placed) => Some(&placed.tags),
        EventKind::Captured { tags, .. } | EventKind::Charged { tags, .. } => Some(tags),
        _ => None,
    }
}

fn note(event: &Event) -> Option<&Note> {
    match &event.kind {
        EventKind::Frozen { note }
        | EventKind::ToppedUp { note, .. }
        | EventKind::Reversed { note, .. }
        | EventKind::Revoked { note, .. }
        | EventKind::Withdrawn { note }
        | EventKind::HoldVoided { note, .. }
        | EventKind::Refunded { note, .. } => Some(note),
        _ => None,
    }
}

fn paid(event: &Event) -> Option<Box<Paid>> {
    match &event.kind {
        EventKind::ToppedUp { paid, .. } => paid.clone(),
        _ => None,
    }
}

/// Which rows are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerQuery {
    /// At most so many.
    pub count: usize,
    /// Only those with a lower number.
    pub before: Option<u64>,
    /// Only those at this time or later.
    pub from: Option<Timestamp>,
    /// Only those before this time.
    pub to: Option<Timestamp>,
    /// Only those of one of these kinds; of all when empty.
    pub kinds: &'static [RowKind],
    /// Only those that concern this hold.
    pub hold: Option<OpId>,
}

impl LedgerQuery {
    /// Whether the row of an event is asked for.
    pub fn wants(&self, seq: u64, event: &Event) -> bool {
        self.before.is_none_or(|before| seq < before)
            && self.from.is_none_or(|from| event.at >= from)
            && self.to.is_none_or(|to| event.at < to)
            && (self.kinds.is_empty() || self.kinds.contains(&RowKind::of(&event.kind)))
            && self.hold.as_ref().is_none_or(|hold| event.hold() == Some(hold))
    }

    /// Whether no row of an older event is asked for: time never runs backwards in a wallet, and
    /// nothing concerns a hold before it is placed.
    pub fn ends_at(&self, event: &Event) -> bool {
        let places = |hold| {
            matches!(event.kind, EventKind::HoldPlaced(_)) && event.op.as_ref() == Some(hold)
        };
        self.from.is_some_and(|from| event.at < from) || self.hold.as_ref().is_some_and(places)
    }
}

/// The answer to a query while a ledger is walked back, the newest event first.
#[derive(Debug, Clone)]
pub struct LedgerPage {
    query: LedgerQuery,
    rows: Vec<LedgerRow>,
}

impl LedgerPage {
    /// A page without rows.
    pub const fn new(query: LedgerQuery) -> Self {
        Self { query, rows: Vec::new() }
    }

    /// Takes the next older event; answers whether to walk on.
    pub fn take(&mut self, seq: u64, event: &Event, after: Balances) -> ControlFlow<()> {
        if self.rows.len() < self.query.count && self.query.wants(seq, event) {
            self.rows.push(LedgerRow::of(seq, event, after));
        }
        if self.rows.len() >= self.query.count || self.query.ends_at(event) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// The rows, newest first.
    pub fn into_rows(self) -> Vec<LedgerRow> {
        self.rows
    }
}

#[cfg(test)]
mod tests;
