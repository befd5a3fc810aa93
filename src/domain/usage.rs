//! What an app used: a model or product, and how much of each unit. Plain facts without a price.

use super::amount::Amount;
use super::id::{Model, Unit, Variant};

/// A quantity of a unit: not negative, with at most 12 decimals, like an amount.
pub type Quantity = Amount;

/// What was used, or is expected to be used, by one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The model or product; absent in a capture of what its hold named.
    pub model: Option<Model>,
    /// How it was used: `batch`, `priority`, `flex`, or whatever a rate card names.
    pub variant: Option<Variant>,
    /// How much, sorted by unit, each unit once; at least one.
    pub quantities: Vec<(Unit, Quantity)>,
}
