//! What the rules of money need to know of prices: that somebody can turn usage into an amount.
//!
//! The rules are told the prices as they are told the time; [`Prices`] is that narrow view. Rate
//! cards, tiers and markups are the business of whoever implements it.

use super::amount::Amount;
use super::id::{Currency, Model, Plan, Unit, Variant, WalletId};
use super::time::Timestamp;
use super::usage::Quantity;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::fmt;

/// A version of the price book: the beginning of a hash of its content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PriceVersion(pub [u8; 8]);

impl PriceVersion {
    /// The version as a number, for places that keep numbers.
    pub const fn number(self) -> u64 {
        u64::from_be_bytes(self.0)
    }

    /// The version of a number.
    pub const fn of_number(number: u64) -> Self {
        Self(number.to_be_bytes())
    }

    /// Reads what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = is_hex.then(|| u64::from_str_radix(text, 16).ok())?;
        number.map(Self::of_number)
    }
}

impl fmt::Display for PriceVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.number())
    }
}

/// Usage to be priced: the model is known by now.
#[derive(Debug, Clone, Copy)]
pub struct Used<'a> {
    /// The model or product.
    pub model: &'a Model,
    /// How it was used.
    pub variant: Option<&'a Variant>,
    /// How much, sorted by unit, each unit once.
    pub quantities: &'a [(Unit, Quantity)],
}

/// For whom usage is priced.
#[derive(Debug, Clone, Copy)]
pub struct Buyer<'a> {
    /// The wallet; absent in a dry run for nobody.
    pub wallet: Option<&'a WalletId>,
    /// The customer's plan.
    pub plan: Option<&'a Plan>,
    /// The currency that the amount must be in; absent in a dry run for nobody.
    pub currency: Option<&'a Currency>,
}

/// Over which calendar window a running quantity counts, in the wallet's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CountWindow {
    /// From midnight.
    Day,
    /// From midnight of the first day of the month.
    Month,
}

/// What a running quantity counts: a unit of a rate card in a window. Tiers over a wallet's running
/// quantity look it up, and what they rate is added to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counter {
    /// The name of the rate card.
    pub card: Model,
    /// The unit.
    pub unit: Unit,
    /// The window.
    pub window: CountWindow,
}

/// What a wallet has used so far in the windows that run now.
pub trait Running {
    /// The running quantity of a counter; zero when it never counted in this window.
    fn so_far(&self, counter: &Counter) -> Quantity;
}

/// Nothing was used before.
#[derive(Debug, Clone, Copy)]
pub struct NothingRunning;

impl Running for NothingRunning {
    fn so_far(&self, _: &Counter) -> Quantity {
        Quantity::ZERO
    }
}

/// Usage with its price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rated {
    /// What the customer pays: rounded once, up, to 10^-12.
    pub amount: Amount,
    /// What it costs at the provider, before markup, minimum and so on; rounded up likewise.
    pub cost: Amount,
    /// What is to be added to running quantities when this is charged.
    pub counts: SmallVec<[(Counter, Quantity); 1]>,
}

/// An exact decimal of any scale, as text without trailing zeros: prices may be finer than amounts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Exact(pub String);

/// Why a price is what it is: one part of it. The amounts of all lines add up to the total, exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceLine {
    /// The unit; or what else the line is for: `markup`, `minimum`, `rounding`.
    pub unit: String,
    /// How much of it was priced by this line.
    pub quantity: Option<Exact>,
    /// The price of one.
    pub price: Option<Exact>,
    /// The line's amount.
    pub amount: Exact,
}

/// A price with its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// What [`Prices::rate`] answers for the same.
    pub rated: Rated,
    /// In which currency.
    pub currency: Currency,
    /// What it consists of.
    pub lines: Vec<PriceLine>,
}

/// Why usage has no price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unpriced {
    /// No rate card for the model and variant.
    NoModel,
    /// The rate card has no price for this unit.
    NoUnit(Unit),
    /// The model has rate cards, but none in the wallet's currency; this is one that it has.
    Currency(Currency),
    /// The amount is beyond what an amount may be.
    TooLarge,
    /// No such version is kept.
    NoVersion,
    /// What is kept of the version cannot be read.
    Unreadable,
}

/// What is asked of a price book itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BookQuestion {
    /// The rate cards of a model.
    Cards(Model),
    /// The models whose names begin so.
    Models(String),
    /// To be read again.
    Reload,
}

/// What a price book answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BookAnswer {
    /// Rate cards.
    Cards(Vec<Shown>),
    /// Models, by name.
    Models(Vec<Model>),
    /// It was read again: this version is in force.
    Reloaded(PriceVersion),
    /// No rate card for the model.
    NoModel(Model),
    /// It could not be read; nothing changed.
    Failed(String),
}

/// Something written down to be shown: a tree of texts and numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// A text, or an exact decimal.
    Text(String),
    /// A count.
    Number(u64),
    /// Several.
    List(Vec<Shown>),
    /// Named parts, in their order; some names are a card's own.
    Map(Vec<(Cow<'static, str>, Shown)>),
}

impl Shown {
    /// Parts by names that are always the same.
    pub fn map(parts: impl IntoIterator<Item = (&'static str, Self)>) -> Self {
        Self::Map(parts.into_iter().map(|(name, part)| (Cow::Borrowed(name), part)).collect())
    }
}

/// Somebody who knows prices. The same version answers the same for ever.
pub trait Prices: fmt::Debug {
    /// The version in force at a time; `None` without a price book.
    fn in_force(&self, at: Timestamp) -> Option<PriceVersion>;

    /// Turns usage into an amount. Fast: it stands on the way of every rated operation.
    fn rate(
        &self,
        version: PriceVersion,
        used: Used<'_>,
        buyer: Buyer<'_>,
        running: &dyn Running,
    ) -> Result<Rated, Unpriced>;

    /// The same, with its reasons.
    fn explain(
        &self,
        version: PriceVersion,
        used: Used<'_>,
        buyer: Buyer<'_>,
        running: &dyn Running,
    ) -> Result<Explained, Unpriced>;
}

/// Nobody knows a price.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPrices;

impl Prices for NoPrices {
    fn in_force(&self, _: Timestamp) -> Option<PriceVersion> {
        None
    }

    fn rate(
        &self,
        _: PriceVersion,
        _: Used<'_>,
        _: Buyer<'_>,
        _: &dyn Running,
    ) -> Result<Rated, Unpriced> {
        Err(Unpriced::NoVersion)
    }

    fn explain(
        &self,
        _: PriceVersion,
        _: Used<'_>,
        _: Buyer<'_>,
        _: &dyn Running,
    ) -> Result<Explained, Unpriced> {
        Err(Unpriced::NoVersion)
    }
}
