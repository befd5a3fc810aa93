//! What a wallet answers: receipts, declines, refusals and views.
//!
//! Three kinds of *no* are kept apart: a [`Decline`] is a judgement about money (an answer), a
//! [`Refusal`] a request that cannot be judged or contradicts the wallet's history (an error); a
//! bug or a broken store is neither and never reaches this module.

use super::amount::Amount;
use super::command::{GrantKind, Overage, Terms};
use super::id::{Currency, Model, OpId, Tags, Unit, WalletId};
use super::ledger::LedgerRow;
use super::price_tag::{PricePin, PriceTag};
use super::rating::{BookAnswer, Buyer, Explained, PriceVersion, Prices, Running, Unpriced, Used};
use super::time::Timestamp;
use super::usage::Usage;

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was done, now or (`replayed`) before.
    Receipt(Receipt),
    /// The wallet may not make it.
    Declined(Decline),
    /// It cannot be judged, or contradicts the wallet's history.
    Refused(Refusal),
    /// The balances: `BALANCE`, and what `WALLET.SET` answers.
    Balance(Box<BalanceView>),
    /// All of the wallet.
    Wallet(Box<WalletView>),
    /// The wallet's status after a change of it.
    Status(WalletStatus),
    /// One hold.
    Hold(Box<HoldView>),
    /// Some holds, the oldest first.
    Holds(Vec<HoldView>),
    /// An operation of the past.
    Op(Box<OpView>),
    /// What usage costs.
    Price(Box<PriceView>),
    /// Why an operation cost what it cost.
    Explanation(Box<Explanation>),
    /// What a price book says of itself.
    Prices(Box<BookAnswer>),
    /// Some rows of the ledger, the newest first.
    Ledger(Vec<LedgerRow>),
    /// Some wallets: a page of all.
    Wallets(Box<WalletPage>),
}

/// Whether a wallet takes part in traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalletStatus {
    /// It does.
    Open,
    /// No new holds, extensions or `reject` charges.
    Frozen,
    /// Captures and voids of the holds that are left, nothing new.
    Closing,
    /// Reads and replays only.
    Closed,
}

/// Where a hold is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldState {
    /// It can be captured, extended and voided.
    Open,
    /// It was settled.
    Captured,
    /// It was released by a caller.
    Voided,
    /// Its time ran out.
    Expired,
}

/// The money of a wallet at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Balances {
    /// What is left in grants, pinned parts included.
    pub posted: Amount,
    /// What open holds still hold, parts on the credit line included.
    pub held: Amount,
    /// What the customer owes.
    pub debt: Amount,
    /// `posted - held - debt + credit_limit`; the only one that decides. May be negative.
    pub available: Amount,
}

/// What a receipt is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptStatus {
    /// `AUTHORIZE`
    Held,
    /// `EXTEND`
    Extended,
    /// `CAPTURE`
    Captured,
    /// `VOID`
    Voided,
    /// `CHARGE`
    Charged,
    /// `TOPUP`
    ToppedUp,
    /// `TOPUP.REVERSE`
    Reversed,
    /// `TOPUP.REVOKE`
    Revoked,
    /// `WITHDRAW`
    Withdrawn,
    /// `REFUND`
    Refunded,
    /// `WALLET.SET`: answered as a balance, not as a receipt.
    Set,
}

/// The answer to an operation that was done. Replies leave out what does not apply: options that
/// are `None`, amounts that are zero, flags that are off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// What was done.
    pub status: ReceiptStatus,
    /// The wallet's money right after it.
    pub balances: Balances,
    /// `AUTHORIZE`: what was reserved. `EXTEND`: what was added.
    pub amount: Option<Amount>,
    /// `AUTHORIZE`, `EXTEND`: when the hold ends.
    pub expires_at: Option<Timestamp>,
    /// `CAPTURE`, `CHARGE`: what was charged, all new debt included.
    pub captured: Option<Amount>,
    /// What was added to the debt, credit line included.
    pub debt: Amount,
    /// How much debt was repaid by money that became free.
    pub repaid: Amount,
    /// What `cap` or the debt limit left uncollected.
    pub uncovered: Amount,
    /// A stated charge passed a freeze or the funds.
    pub over: bool,
    /// The hold had expired.
    pub late: bool,
    /// This was done before; the receipt is the first one.
    pub replayed: bool,
    /// Replays of `AUTHORIZE` and `EXTEND`: the hold's state now.
    pub state: Option<HoldState>,
    /// The version of the price book that priced it.
    pub price_version: Option<PriceVersion>,
}

impl Receipt {
    /// A receipt that says no more than what was done and the money after it.
    pub const fn plain(status: ReceiptStatus, balances: Balances) -> Self {
        Self {
            status,
            balances,
            amount: None,
            expires_at: None,
            captured: None,
            debt: Amount::ZERO,
            repaid: Amount::ZERO,
            uncovered: Amount::ZERO,
            over: false,
            late: false,
            replayed: false,
            state: None,
            price_version: None,
        }
    }
}

/// A judgement against a request that asked for money. Nothing changed, nothing is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decline {
    /// Why.
    pub reason: DeclineReason,
    /// The wallet's money, unchanged.
    pub balances: Balances,
}

/// Why a wallet may not make an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeclineReason {
    /// Too little is available.
    NoFunds {
        /// The amount that was asked.
        required: Amount,
    },
    /// The wallet is frozen.
    Frozen,
    /// The wallet is closed or closing.
    Closed,
}

/// Why a request cannot be judged. Nothing changed, nothing is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No such wallet.
    NoWallet,
    /// No such hold.
    NoHold,
    /// No such operation, or it is of another kind than this command needs.
    NoOp,
    /// The hold is done.
    HoldDone {
        /// What became of it.
        state: HoldState,
    },
    /// The capture is above what the hold's policy allows.
    OverCapture {
        /// The most that can be captured.
        held: Amount,
    },
    /// More than is left to give back.
    OverRefund {
        /// The most that can be given back.
        refundable: Amount,
    },
    /// The op id belongs to a different request.
    IdReused,
    /// The wallet exists, opened with other parameters.
    Exists,
    /// The wallet is closed or closing.
    Closed,
    /// The wallet still has money or debt.
    NotEmpty {
        /// The wallet's money.
        balances: Balances,
    },
    /// A value out of range.
    Range(OutOfRange),
    /// More than configured.
    TooMany(TooMany),
    /// `SENT` is older than the dedup window.
    TooLate,
    /// `AT` is older than the late window.
    UsedTooLate,
    /// A capture of usage must name its model: its hold was not rated.
    ModelMissing,
    /// Usage of a model, with or without its variant, has no price.
    NoPrice(Box<(Model, NoPrice)>),
    /// The model is priced in another currency than the wallet's: this one.
    Currency(Box<Currency>),
    /// A bounded queue is full; nothing happened.
    Busy,
    /// The store failed; the outcome is unknown.
    Unavailable,
    /// The server is still reading its journal.
    Loading,
}

impl Refusal {
    /// Usage of a model has no price.
    pub fn no_price(model: Model, why: NoPrice) -> Self {
        Self::NoPrice(Box::new((model, why)))
    }

    /// Why usage cannot be priced.
    pub fn unpriced(unpriced: Unpriced, used: Used<'_>) -> Self {
        let no_price = |why| Self::no_price(used.model.clone(), why);
        match unpriced {
            Unpriced::NoModel | Unpriced::NoVersion => no_price(NoPrice::Model),
            Unpriced::Unreadable => no_price(NoPrice::Unreadable),
            Unpriced::NoUnit(unit) => no_price(NoPrice::Unit(unit)),
            Unpriced::Currency(currency) => Self::Currency(Box::new(currency)),
            Unpriced::TooLarge => Self::Range(OutOfRange::Price),
        }
    }
}

/// What the price book does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoPrice {
    /// The model.
    Model,
    /// This unit of the model.
    Unit(Unit),
    /// It may be there, but the version of the prices that is needed cannot be read.
    Unreadable,
}

/// Which value was out of range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutOfRange {
    /// A sum would pass 10^24.
    Sum,
    /// The moment a grant is to end is not in the future.
    ExpiresInThePast,
    /// The moment of usage is in the future.
    UsedInTheFuture,
    /// A price would pass what an amount may be.
    Price,
}

/// Of what there are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooMany {
    /// Open holds in a wallet.
    Holds {
        /// As configured.
        max: usize,
    },
    /// Live grants in a wallet.
    Grants {
        /// As configured.
        max: usize,
    },
}

/// What `BALANCE` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BalanceView {
    /// The wallet's currency.
    pub currency: Currency,
    /// Whether it takes part in traffic.
    pub status: WalletStatus,
    /// Its money.
    pub balances: Balances,
    /// Its credit line.
    pub credit_limit: Amount,
    /// A replay of `WALLET.SET`; the balances are those of the first time.
    pub replayed: bool,
}

/// What `WALLET.GET` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletView {
    /// The wallet's currency.
    pub currency: Currency,
    /// Whether it takes part in traffic.
    pub status: WalletStatus,
    /// Its money.
    pub balances: Balances,
    /// Credit line, debt limit, plan and zone.
    pub terms: Terms,
    /// Its grants in burn order.
    pub grants: Vec<GrantView>,
    /// How many holds are open.
    pub holds: usize,
    /// How many ledger rows it has.
    pub seq: u64,
    /// When it was opened.
    pub opened_at: Timestamp,
}

/// A grant as shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantView {
    /// The operation that made it.
    pub op: OpId,
    /// The kind of money.
    pub kind: GrantKind,
    /// Its place in the burn order.
    pub priority: u16,
    /// What is left of it, pinned parts included.
    pub left: Amount,
    /// The part that open holds pin.
    pub pinned: Amount,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// A hold as shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldView {
    /// Its name.
    pub hold: OpId,
    /// Where it is in its life.
    pub state: HoldState,
    /// All that was ever reserved by it.
    pub amount: Amount,
    /// What it still holds.
    pub remaining: Amount,
    /// What was captured of it, and beyond it.
    pub captured: Amount,
    /// What it pins: the grant's op id and the amount.
    pub grants: Vec<(OpId, Amount)>,
    /// What it holds on the credit line.
    pub credit: Amount,
    /// What a capture above it does.
    pub overage: Overage,
    /// The prices that rate its captures.
    pub pin: Option<Box<PricePin>>,
    /// What it is for.
    pub tags: Tags,
    /// When it was placed.
    pub created_at: Timestamp,
    /// When it ends, or ended by its own time.
    pub expires_at: Timestamp,
}

/// An operation of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpView {
    /// Its id.
    pub op: OpId,
    /// When it was done.
    pub at: Timestamp,
    /// What it answered then.
    pub answer: OpAnswer,
    /// What is left to give back of a capture or charge.
    pub refundable: Option<Amount>,
}

/// What an operation answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpAnswer {
    /// A receipt; of a hold with its state now.
    Receipt(Receipt),
    /// `WALLET.SET`: the balances.
    Balance(BalanceView),
}

/// What usage costs, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceView {
    /// The version of the price book.
    pub version: PriceVersion,
    /// The price and its lines.
    pub explained: Explained,
}

impl PriceView {
    /// What usage would cost a buyer at a time, by the prices in force then.
    pub fn quote(
        prices: &dyn Prices,
        usage: &Usage,
        at: Timestamp,
        buyer: Buyer<'_>,
        running: &dyn Running,
    ) -> Result<Self, Refusal> {
        let model = usage.model.as_ref().ok_or(Refusal::ModelMissing)?;
        let variant = usage.variant.as_ref();
        let used = Used { model, variant, quantities: &usage.quantities };
        let version = prices.in_force(at).ok_or(Unpriced::NoModel);
        let explained = version.and_then(|version| {
            let explained = prices.explain(version, used, buyer, running)?;
            Ok(Self { version, explained })
        });
        explained.map_err(|unpriced| Refusal::unpriced(unpriced, used))
    }
}

/// Why an operation cost what it cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Its row in the ledger.
    pub row: LedgerRow,
    /// How it was priced, with all lines; none when its amount was stated.
    pub price: Option<(PriceTag, Explained)>,
    /// The grants that it burned, by the operation that made each, and how much; in burn order.
    pub burned: Vec<(OpId, Amount)>,
}

/// A page of the names of all wallets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletPage {
    /// Where to go on; zero when this was the last page.
    pub cursor: u64,
    /// The names.
    pub wallets: Vec<WalletId>,
}
