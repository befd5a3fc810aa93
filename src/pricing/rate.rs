//! From quantities to money: the one computation behind every rated operation and its explanation.

use super::card::{Card, Component, Markup, Mode, REQUESTS, Rates, Tiers};
use super::decimal::{Decimal, times_started};
use crate::domain::amount::Amount;
use crate::domain::id::Unit;
use crate::domain::rating::{Counter, Exact, PriceLine, Rated, Running, Unpriced};
use crate::domain::usage::Quantity;
use smallvec::SmallVec;

/// One, as a quantity.
const ONE: Quantity = Amount::from_pico(1_000_000_000_000);

/// Who is told the parts of a price.
pub(super) trait Lines {
    /// Takes a part.
    fn add(&mut self, part: &Part<'_>);
}

/// A part of a price.
pub(super) struct Part<'a> {
    name: &'a str,
    /// Of a package: its size.
    size: Option<Quantity>,
    quantity: Option<Decimal>,
    price: Option<Decimal>,
    amount: Decimal,
}

/// Nobody listens.
impl Lines for () {
    fn add(&mut self, _: &Part<'_>) {}
}

impl Lines for Vec<PriceLine> {
    fn add(&mut self, part: &Part<'_>) {
        let exact = |decimal: Decimal| Exact(decimal.to_string());
        let unit = part.size.map_or_else(
            || part.name.to_owned(),
            |size| format!("{}/{}", part.name, Decimal::of(size)),
        );
        self.push(PriceLine {
            unit,
            quantity: part.quantity.map(exact),
            price: part.price.map(exact),
            amount: exact(part.amount),
        });
    }
}

/// A price that is being made.
struct Bill<'a, L> {
    card: &'a Card,
    running: &'a dyn Running,
    lines: &'a mut L,
    cost: Decimal,
    is_used: bool,
    counts: SmallVec<[(Counter, Quantity); 1]>,
}

/// Prices quantities by the rates of a card, and tells its parts.
pub(super) fn price<L: Lines>(
    card: &Card,
    rates: &Rates,
    markup: Option<&Markup>,
    quantities: &[(Unit, Quantity)],
    running: &dyn Running,
    lines: &mut L,
) -> Result<Rated, Unpriced> {
    let list = rates.list_for(quantities).ok_or(Unpriced::TooLarge)?;
    let counts = SmallVec::new();
    let mut bill = Bill { card, running, lines, cost: Decimal::ZERO, is_used: false, counts };
    // Packages and tiers look at all that is priced by them, whatever units it was stated in.
    let mut pooled: SmallVec<[(&Unit, &Component, Quantity); 2]> = SmallVec::new();
    let implied = !quantities.iter().any(|(unit, _)| unit.as_str() == REQUESTS);
    let request = list.named(REQUESTS).filter(|_| implied);
    let request = request.map(|(unit, component)| (unit, unit, component, ONE));
    let stated = quantities.iter().map(|(unit, quantity)| {
        let found = list.of(unit).ok_or_else(|| Unpriced::NoUnit(unit.clone()));
        found.map(|(costs_as, component)| (unit, costs_as, component, *quantity))
    });
    for found in stated.chain(request.map(Ok)) {
        let (unit, costs_as, component, quantity) = found?;
        bill.is_used |= quantity.is_positive();
        if let Component::Each(price) = component {
            bill.add(unit, Decimal::of(quantity), *price)?;
        } else if let Some((.., sum)) = pooled.iter_mut().find(|(unit, ..)| *unit == costs_as) {
            *sum = sum.plus(quantity).map_err(|_| Unpriced::TooLarge)?;
        } else {
            pooled.push((costs_as, component, quantity));
        }
    }
    for (unit, component, quantity) in pooled.into_iter().filter(|(.., sum)| sum.is_positive()) {
        match component {
            Component::Each(price) => bill.add(unit, Decimal::of(quantity), *price)?,
            Component::Package { size, price } => bill.packages(unit, quantity, *size, *price)?,
            Component::Tiers(tiers) => bill.tiers(unit, quantity, tiers)?,
        }
    }
    bill.close(rates.minimum, markup).ok_or(Unpriced::TooLarge)
}

impl<L: Lines> Bill<'_, L> {
    /// So many at a price.
    fn add(&mut self, unit: &Unit, quantity: Decimal, price: Decimal) -> Result<(), Unpriced> {
        self.part(unit.as_str(), None, quantity, price).ok_or(Unpriced::TooLarge)
    }

    fn part(
        &mut self,
        name: &str,
        size: Option<Quantity>,
        quantity: Decimal,
        price: Decimal,
    ) -> Option<()> {
        let amount = price.times(quantity)?;
        self.cost = self.cost.plus(amount)?;
        let (quantity, price) = (Some(quantity), Some(price));
        self.lines.add(&Part { name, size, quantity, price, amount });
        Some(())
    }

    fn packages(
        &mut self,
        unit: &Unit,
        quantity: Quantity,
        size: Quantity,
        price: Decimal,
    ) -> Result<(), Unpriced> {
        let started = times_started(quantity, size).map(Decimal::whole);
        let added = started.and_then(|n| self.part(unit.as_str(), Some(size), n, price));
        added.ok_or(Unpriced::TooLarge)
    }

    fn tiers(&mut self, unit: &Unit, quantity: Quantity, tiers: &Tiers) -> Result<(), Unpriced> {
        let mut from = Amount::ZERO;
        if let Some(window) = tiers.over {
            let card = self.card.model.clone();
            let counter = Counter { card, unit: unit.clone(), window };
            from = self.running.so_far(&counter).or_zero();
            self.counts.push((counter, quantity));
        }
        let to = from.plus(quantity).map_err(|_| Unpriced::TooLarge)?;
        let mut lower = Amount::ZERO;
        for tier in &tiers.tiers {
            let upper = tier.up_to.unwrap_or(to).min(to);
            let part = match tiers.mode {
                Mode::Graduated => upper.less(lower.max(from)),
                Mode::Volume if upper == to => quantity,
                Mode::Volume => Amount::ZERO,
            };
            if part.is_positive() {
                self.add(unit, Decimal::of(part), tier.price)?;
            }
            if upper == to {
                break;
            }
            lower = upper;
        }
        Ok(())
    }

    /// Markup, minimum, and the one rounding. What used nothing costs nothing.
    fn close(self, minimum: Decimal, markup: Option<&Markup>) -> Option<Rated> {
        let cost = self.cost.rounded_up()?;
        let mut exact = self.cost;
        let tell = |lines: &mut L, name, amount: Decimal| {
            if !amount.is_zero() {
                lines.add(&Part { name, size: None, quantity: None, price: None, amount });
            }
        };
        if let Some(markup) = markup.filter(|_| self.is_used) {
            let percent = exact.times(markup.percent)?.times(Decimal::new(1, 2))?;
            let amount = percent.plus(markup.fixed)?;
            exact = exact.plus(amount)?;
            tell(self.lines, "markup", amount);
        }
        let missing = if minimum.is_zero() { Decimal::ZERO } else { minimum.minus(exact)? };
        if self.is_used && !missing.is_zero() && !missing.is_negative() {
            exact = minimum;
            tell(self.lines, "minimum", missing);
        }
        let amount = exact.rounded_up()?;
        // Of what is whole in 10^-12, nothing is rounded; this is the usual case.
        let rounding = || Decimal::of(amount).minus(exact);
        tell(self.lines, "rounding", rounding()?);
        Some(Rated { amount, cost, counts: self.counts })
    }
}
