//! Rate cards: what a model or product costs, by unit, as compiled from a file.

use super::decimal::Decimal;
use super::pattern::Pattern;
use crate::domain::amount::Amount;
use crate::domain::id::{Currency, Model, Plan, Unit, Variant};
use crate::domain::rating::CountWindow;
use crate::domain::usage::Quantity;

/// The unit that is priced once an operation when nobody states how many.
pub(super) const REQUESTS: &str = "requests";

/// What a model or product costs in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// Its name: a model, or the beginning of models and `*`.
    pub model: Model,
    /// Which models it prices.
    pub pattern: Pattern,
    /// The currency of all of its prices.
    pub currency: Currency,
    /// What is only told about it.
    pub about: About,
    /// The prices without a variant.
    pub rates: Rates,
    /// The prices of each variant, sorted by its name.
    pub variants: Vec<(Variant, Rates)>,
}

/// What a card tells and no price depends on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// Who provides the model.
    pub provider: Option<String>,
    /// When the figures were taken down, as a date.
    pub figures: Option<String>,
    /// The most input tokens of a request.
    pub context: Option<u64>,
    /// The most output tokens of a request.
    pub output: Option<u64>,
}

/// The prices of a card or of a variant of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rates {
    /// The least that an operation costs; zero without a minimum.
    pub minimum: Decimal,
    /// The prices of small requests.
    pub prices: PriceList,
    /// The prices of requests above a size, smallest first.
    pub above: Vec<Above>,
}

/// Other prices for requests whose input side has more than so many tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Above {
    /// More than so many.
    pub tokens: Quantity,
    /// The prices that change.
    pub stated: PriceList,
    /// All prices then: those that change, and those from below.
    pub all: PriceList,
}

/// Prices by unit, sorted by unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PriceList(Vec<(Unit, Component)>);

/// How a unit is priced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Component {
    /// Each one costs the same.
    Each(Decimal),
    /// Per started package of `size`.
    Package {
        /// How many are in a package; above zero.
        size: Quantity,
        /// The price of a package.
        price: Decimal,
    },
    /// The price depends on how many.
    Tiers(Tiers),
}

/// Prices that depend on how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tiers {
    /// What a tier's price is for.
    pub mode: Mode,
    /// Over which running quantity of the buyer; the request's own without.
    pub over: Option<CountWindow>,
    /// The tiers, lowest first; the last one is open.
    pub tiers: Vec<Tier>,
}

/// What a tier's price is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The part of the quantity that lies in the tier.
    Graduated,
    /// All of the quantity, when its end lies in the tier.
    Volume,
}

/// A tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tier {
    /// Where it ends, inclusive; the last has no end.
    pub up_to: Option<Quantity>,
    /// The price of one in it.
    pub price: Decimal,
}

/// What is put on top of the cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Markup {
    /// For which models; all without.
    pub model: Option<Pattern>,
    /// For which plan; all without.
    pub plan: Option<Plan>,
    /// For which wallets; all without.
    pub wallet: Option<Pattern>,
    /// For cards of which currency; all without.
    pub currency: Option<Currency>,
    /// Percent of the cost; a discount is below zero.
    pub percent: Decimal,
    /// What is added to each operation.
    pub fixed: Decimal,
}

impl PriceList {
    /// Prices by unit; each unit once.
    pub fn new(mut prices: Vec<(Unit, Component)>) -> Self {
        prices.sort_by(|(one, _), (two, _)| one.cmp(two));
        Self(prices)
    }

    /// All of it, sorted by unit.
    pub fn units(&self) -> impl Iterator<Item = &(Unit, Component)> {
        self.0.iter()
    }

    /// Whether it has no price.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The price that stands under a name.
    pub fn named(&self, name: &str) -> Option<(&Unit, &Component)> {
        let found = self.0.iter().find(|(unit, _)| unit.as_str() == name);
        found.map(|(unit, component)| (unit, component))
    }

    /// The price of a unit: its own, or that of the unit which it costs as.
    pub fn of(&self, unit: &Unit) -> Option<(&Unit, &Component)> {
        let other = || costs_as(unit.as_str()).and_then(|other| self.named(other));
        self.named(unit.as_str()).or_else(other)
    }

    /// These prices, and those of `below` for units that have none here.
    fn over(&self, below: &Self) -> Self {
        let kept = below.units().filter(|(unit, _)| self.named(unit.as_str()).is_none());
        Self::new(self.units().chain(kept).cloned().collect())
    }
}

impl Rates {
    /// Prices with those above sizes, smallest size first: what one does not name costs as below it.
    pub fn new(minimum: Decimal, prices: PriceList, above: Vec<(Quantity, PriceList)>) -> Self {
        let mut below = prices.clone();
        let above = above.into_iter().map(|(tokens, stated)| {
            let all = stated.over(&below);
            below.clone_from(&all);
            Above { tokens, stated, all }
        });
        let above = above.collect();
        Self { minimum, prices, above }
    }

    /// The prices for a request of this size; `None` when the size is beyond what can be counted.
    pub fn list_for(&self, quantities: &[(Unit, Quantity)]) -> Option<&PriceList> {
        if self.above.is_empty() {
            return Some(&self.prices);
        }
        let mut size = Amount::ZERO;
        for (_, quantity) in quantities.iter().filter(|(unit, _)| is_input_side(unit.as_str())) {
            size = size.plus(*quantity).ok()?;
        }
        let above = self.above.iter().rev().find(|above| size > above.tokens);
        Some(above.map_or(&self.prices, |above| &above.all))
    }
}

/// The unit that a unit costs as where it has no price of its own.
pub(super) fn costs_as(unit: &str) -> Option<&'static str> {
    match unit {
        "cache_read_tokens" | "cache_write_tokens" => Some("input_tokens"),
        "reasoning_tokens" => Some("output_tokens"),
        _ => None,
    }
}

/// Whether tokens of a unit are on the input side, whose sum is the size of a request.
pub(super) fn is_input_side(unit: &str) -> bool {
    let cached = unit.starts_with("cache_") && unit.ends_with("_tokens");
    unit == "input_tokens" || cached || unit.ends_with("_input_tokens")
}

impl Card {
    /// The prices of a variant, or those without one.
    pub fn rates(&self, variant: Option<&Variant>) -> Option<&Rates> {
        let Some(variant) = variant else { return Some(&self.rates) };
        let found = self.variants.iter().find(|(name, _)| name == variant);
        found.map(|(_, rates)| rates)
    }
}
