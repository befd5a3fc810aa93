//! A price book that anybody can work out in the head: a grain of money for a grain of any unit.
//! What is used of it is counted by the day, so that running quantities are tested with the rest.

use purser::domain::amount::Amount;
use purser::domain::command::Worth;
use purser::domain::id::{Model as ModelName, Unit};
use purser::domain::rating::{
    Buyer, CountWindow, Counter, Explained, PriceVersion, Prices, Rated, Running, Unpriced, Used,
};
use purser::domain::time::Timestamp;
use purser::domain::usage::Usage;

/// The price book.
#[derive(Debug)]
pub(crate) struct Tariff;

impl Prices for Tariff {
    fn in_force(&self, _: Timestamp) -> Option<PriceVersion> {
        Some(PriceVersion::of_number(7))
    }

    fn rate(
        &self,
        _: PriceVersion,
        used: Used<'_>,
        _: Buyer<'_>,
        _: &dyn Running,
    ) -> Result<Rated, Unpriced> {
        let counter = |unit: &Unit| Counter {
            card: used.model.clone(),
            unit: unit.clone(),
            window: CountWindow::Day,
        };
        Ok(Rated {
            amount: total(used.quantities),
            cost: Amount::ZERO,
            counts: used.quantities.iter().map(|(unit, n)| (counter(unit), *n)).collect(),
        })
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

/// An amount, stated, or as usage that costs as much.
pub(crate) fn worth(amount: Amount, is_rated: bool) -> Worth {
    if !is_rated {
        return amount.into();
    }
    Worth::Rated(Box::new(Usage {
        model: ModelName::new(b"m").ok(),
        variant: None,
        quantities: vec![(Unit::new(b"tokens").expect("a good unit"), amount)],
    }))
}

/// What an operation is worth.
pub(crate) fn value(worth: &Worth) -> Amount {
    match worth {
        Worth::Stated(amount) => *amount,
        Worth::Rated(usage) => total(&usage.quantities),
    }
}

fn total(quantities: &[(Unit, Amount)]) -> Amount {
    Amount::from_pico(quantities.iter().map(|(_, quantity)| quantity.pico()).sum())
}
