//! How an operation was priced: what its event keeps, so that anybody can price it again, to the last
//! digit, however the price book changes.

use super::amount::Amount;
use super::id::{Model, Plan, Unit, Variant};
use super::rating::{Counter, PriceVersion, Running, Used};
use super::time::Timestamp;
use super::usage::Quantity;

/// What an event keeps of its price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceTag {
    /// The version of the price book.
    pub version: PriceVersion,
    /// The model or product.
    pub model: Model,
    /// How it was used.
    pub variant: Option<Variant>,
    /// How much, sorted by unit.
    pub quantities: Vec<(Unit, Quantity)>,
    /// The price: what was asked for, of which a hold or a charge may be less.
    pub amount: Amount,
    /// What it costs at the provider.
    pub cost: Amount,
    /// The customer's plan at that time.
    pub plan: Option<Plan>,
    /// The running quantities that the price depends on.
    pub counted: Vec<Counted>,
    /// When the usage happened, if it was stated late.
    pub used_at: Option<Timestamp>,
}

impl PriceTag {
    /// The usage that was priced.
    pub fn used(&self) -> Used<'_> {
        Used { model: &self.model, variant: self.variant.as_ref(), quantities: &self.quantities }
    }

    /// What was earned by it; negative where less was asked than it costs.
    pub fn margin(&self) -> Amount {
        // Both are stated amounts, far inside the range of differences.
        self.amount.minus(self.cost).unwrap_or_default()
    }
}

/// A running quantity as a price found it, and what it adds to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// What is counted.
    pub counter: Counter,
    /// The window: the date on which it begins for the wallet, as midnight of that date in UTC.
    pub since: Timestamp,
    /// How much there was in it before.
    pub before: Quantity,
    /// How much is added.
    pub added: Quantity,
}

/// The running quantities as a price found them.
impl Running for PriceTag {
    fn so_far(&self, counter: &Counter) -> Quantity {
        let found = self.counted.iter().find(|counted| counted.counter == *counter);
        found.map_or(Quantity::ZERO, |counted| counted.before)
    }
}

/// The prices that a hold pins for its captures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricePin {
    /// The version of the price book.
    pub version: PriceVersion,
    /// The model that the hold is for.
    pub model: Model,
    /// How it is used.
    pub variant: Option<Variant>,
}
