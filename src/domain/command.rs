//! What callers ask of a wallet, already checked for form: every value is in the range that the
//! contract allows on its own, and only what depends on the wallet's state is left to judge.

use super::amount::Amount;
use super::event::Paid;
use super::id::{Currency, Note, OpId, Plan, Tags, User, WalletId, Zone};
use super::time::{Span, Timestamp};
use super::usage::Usage;

/// One request to one wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The wallet that decides.
    pub wallet: WalletId,
    /// The idempotency key, where the command takes one. For `AUTHORIZE` it names the hold.
    pub id: Option<OpId>,
    /// What was asked, as a hash: equal for equal requests.
    pub hash: RequestHash,
    /// The user who asks; none when the server has no users, and for what nobody asked.
    pub user: Option<User>,
    /// What is asked.
    pub command: Command,
}

/// A hash of a request in canonical form (command, positional arguments and options as sent: case
/// folded, numbers canonical, options sorted; without `ID` and `SENT`). It is kept on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct RequestHash(pub u64);

/// What can be asked of a wallet. Amounts are not negative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `WALLET.OPEN`
    Open(Box<OpenTerms>),
    /// `WALLET.GET`
    Get,
    /// `WALLET.SET`
    Set(Box<TermsChange>),
    /// `WALLET.FREEZE`
    Freeze {
        /// Why.
        note: Note,
    },
    /// `WALLET.UNFREEZE`
    Unfreeze,
    /// `WALLET.CLOSE`
    Close {
        /// Write off what is left at the end.
        force: bool,
    },
    /// `BALANCE`
    Balance,
    /// `TOPUP`
    TopUp(Box<TopUp>),
    /// `TOPUP.REVERSE`
    Reverse {
        /// The top-up to take back.
        op: OpId,
        /// How much of it; all that is left to reverse when absent. Above zero.
        amount: Option<Amount>,
        /// Why.
        note: Note,
    },
    /// `TOPUP.REVOKE`
    Revoke {
        /// The operation that made the grant.
        op: OpId,
        /// Why.
        note: Note,
    },
    /// `WITHDRAW`
    Withdraw {
        /// How much; above zero.
        amount: Amount,
        /// Why.
        note: Note,
    },
    /// `AUTHORIZE`
    Authorize(Authorize),
    /// `EXTEND`
    Extend {
        /// The hold to add to.
        hold: OpId,
        /// How much to add; zero adds only time.
        amount: Amount,
        /// Accept less, down to this; at most `amount`.
        min: Option<Amount>,
        /// The hold ends at the later of its end and now plus this.
        ttl: Option<Span>,
    },
    /// `CAPTURE`
    Capture {
        /// The hold to settle against.
        hold: OpId,
        /// What was used.
        worth: Worth,
        /// Keep the rest of the hold open.
        keep: bool,
        /// Refuse the capture of an expired hold.
        strict: bool,
        /// What it was for.
        tags: Tags,
    },
    /// `VOID`
    Void {
        /// The hold to release.
        hold: OpId,
        /// Why.
        note: Note,
    },
    /// `CHARGE`
    Charge {
        /// What was, or is to be, used.
        worth: Worth,
        /// What to do when the funds do not suffice.
        overage: Overage,
        /// When it was used, if it is stated late.
        used_at: Option<Timestamp>,
        /// What it was for.
        tags: Tags,
    },
    /// `REFUND`
    Refund {
        /// The capture or charge to give back.
        op: OpId,
        /// How much; above zero.
        amount: Amount,
        /// Why.
        note: Note,
    },
    /// `HOLD.GET`
    HoldGet {
        /// The hold.
        hold: OpId,
    },
    /// `HOLD.LIST`
    HoldList {
        /// List those that are younger than this one.
        after: Option<OpId>,
        /// At most so many.
        count: usize,
    },
    /// `OP.GET`
    OpGet {
        /// The operation.
        op: OpId,
    },
    /// `PRICE … WALLET`: what usage would cost this wallet.
    Price {
        /// What would be used.
        usage: Box<Usage>,
        /// When; now when absent.
        at: Option<Timestamp>,
    },
}

/// What an operation is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Worth {
    /// This amount.
    Stated(Amount),
    /// What the price book says that this usage costs.
    Rated(Box<Usage>),
}

impl From<Amount> for Worth {
    fn from(amount: Amount) -> Self {
        Self::Stated(amount)
    }
}

/// What `AUTHORIZE` asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorize {
    /// How much to reserve.
    pub worth: Worth,
    /// Accept less, down to this; at most a stated amount.
    pub min: Option<Amount>,
    /// How long the hold lives; the configured default when absent.
    pub ttl: Option<Span>,
    /// What a capture above the hold does.
    pub overage: Overage,
    /// What it is for.
    pub tags: Tags,
}

/// What happens to usage that the funds do not cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overage {
    /// It becomes debt, up to the wallet's debt limit.
    Debt,
    /// It stays uncollected, and is recorded as uncovered.
    Cap,
    /// It is refused.
    Reject,
}

/// The parameters a wallet is opened with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenTerms {
    /// The currency of all its amounts.
    pub currency: Currency,
    /// What may change later.
    pub terms: Terms,
}

/// The parameters of a wallet that `WALLET.SET` may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// How far spends may go below zero.
    pub credit_limit: Amount,
    /// How far overage may drive the debt; unbounded when absent.
    pub debt_limit: Option<Amount>,
    /// The customer's plan.
    pub plan: Option<Plan>,
    /// The time zone of calendar windows.
    pub zone: Zone,
}

/// What `WALLET.SET` changes; absent fields stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TermsChange {
    /// The new credit line.
    pub credit_limit: Option<Amount>,
    /// The new debt limit; `Some(None)` removes it.
    pub debt_limit: Option<Option<Amount>>,
    /// The new plan.
    pub plan: Option<Plan>,
    /// The new time zone.
    pub zone: Option<Zone>,
}

/// What `TOPUP` asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopUp {
    /// How much; above zero.
    pub amount: Amount,
    /// Whose money it is.
    pub kind: GrantKind,
    /// Which money burns first, lower first; by kind when absent.
    pub priority: Option<u16>,
    /// When what is left of it lapses.
    pub expiry: Expiry,
    /// What the customer paid for it, where that is said.
    pub paid: Option<Paid>,
    /// A remark.
    pub note: Note,
}

/// The kind of money in a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GrantKind {
    /// Bought by the customer.
    Paid,
    /// Given as a present.
    Promo,
    /// Part of a subscription.
    Allowance,
}

impl GrantKind {
    /// The burn priority of a grant whose top-up names none.
    pub const fn default_priority(self) -> u16 {
        match self {
            Self::Allowance => 10,
            Self::Promo => 20,
            Self::Paid => 30,
        }
    }
}

/// When a grant ends, as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// Never.
    Never,
    /// At this moment.
    At(Timestamp),
    /// So long after the top-up.
    In(Span),
}
