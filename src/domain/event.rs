//! What happened to a wallet. Events are facts: applying one judges nothing.

use super::amount::Amount;
use super::command::{OpenTerms, Overage, RequestHash, Terms};
use super::grant::GrantTerms;
use super::id::{Currency, Note, OpId, Tags, User};
use super::posting::{GrantNo, Postings};
use super::price_tag::PriceTag;
use super::time::Timestamp;
use std::sync::Arc;

/// One thing that happened, and the money that it moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When: never before the wallet's previous event.
    pub at: Timestamp,
    /// The idempotency key of the operation, if it had one.
    pub op: Option<OpId>,
    /// Who asked, where users are known.
    pub user: Option<User>,
    /// What was asked; zero for what became due by itself.
    pub request: RequestHash,
    /// What happened.
    pub kind: EventKind,
    /// The money that it moved.
    pub postings: Postings,
    /// How it was priced, if it states usage.
    pub price: Option<Box<PriceTag>>,
}

/// The kinds of event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// The wallet was opened.
    Opened(Box<OpenTerms>),
    /// Its terms are these from now on.
    TermsSet(Box<Terms>),
    /// It was frozen.
    Frozen {
        /// Why.
        note: Note,
    },
    /// It was unfrozen.
    Unfrozen,
    /// It closes when its last hold is done.
    Closing {
        /// What is left then is written off.
        force: bool,
    },
    /// It is closed.
    Closed,
    /// Money came in.
    ToppedUp {
        /// How much.
        amount: Amount,
        /// The terms of the grant that is the rest after debt.
        grant: Arc<GrantTerms>,
        /// What the customer paid for it, where that is said.
        paid: Option<Box<Paid>>,
        /// A remark.
        note: Note,
    },
    /// A top-up was charged back.
    Reversed {
        /// The top-up.
        target: OpId,
        /// How much of it.
        amount: Amount,
        /// Why.
        note: Note,
    },
    /// A grant was taken back.
    Revoked {
        /// The operation that made the grant.
        target: OpId,
        /// Why.
        note: Note,
    },
    /// Money was paid out.
    Withdrawn {
        /// Why.
        note: Note,
    },
    /// A hold was placed; its id is the operation's.
    HoldPlaced(Box<HoldPlaced>),
    /// A hold was extended.
    HoldExtended {
        /// The hold.
        hold: OpId,
        /// What was added.
        amount: Amount,
        /// When it ends now.
        expires_at: Timestamp,
    },
    /// Usage was settled against a hold.
    Captured {
        /// The hold.
        hold: OpId,
        /// What nobody pays.
        uncovered: Amount,
        /// The rest of the hold stays open.
        keep: bool,
        /// The hold had expired.
        late: bool,
        /// What it was for.
        tags: Tags,
    },
    /// A hold was released by a caller.
    HoldVoided {
        /// The hold.
        hold: OpId,
        /// Why.
        note: Note,
    },
    /// A hold ran out of time.
    HoldExpired {
        /// The hold.
        hold: OpId,
    },
    /// Usage was charged without a hold.
    Charged {
        /// What nobody pays.
        uncovered: Amount,
        /// It passed a freeze or the funds.
        over: bool,
        /// What it was for.
        tags: Tags,
    },
    /// Usage was given back.
    Refunded {
        /// The capture or charge.
        target: OpId,
        /// How much of it.
        amount: Amount,
        /// The grants that it makes, or brings back to life.
        grants: Vec<Arc<GrantTerms>>,
        /// Why.
        note: Note,
    },
    /// The free money of a grant expired.
    GrantExpired {
        /// The grant.
        grant: GrantNo,
    },
}

/// What a customer paid for money of another kind, such as credits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid {
    /// How much.
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
}

/// The particulars of a new hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldPlaced {
    /// What was reserved.
    pub amount: Amount,
    /// When it ends.
    pub expires_at: Timestamp,
    /// What a capture above it does.
    pub overage: Overage,
    /// What it is for.
    pub tags: Tags,
}
