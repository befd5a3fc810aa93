//! The price of an operation and what was paid for a top-up, in version 3 of the record's body.

use super::RecordError;
use super::v3::{
    ArchivedCountedV3, ArchivedPaidV3, ArchivedPriceV3, ArchivedQuantityV3, CountedV3, PaidV3,
    PriceV3, QuantityV3,
};
use crate::codec::window;
use crate::domain::amount::Amount;
use crate::domain::event::{Event, EventKind, Paid};
use crate::domain::id::{Currency, Model, Plan, Unit, Variant};
use crate::domain::price_tag::{Counted, PriceTag};
use crate::domain::rating::{Counter, PriceVersion};
use crate::domain::time::Timestamp;
use smallvec::SmallVec;

/// The lists of a price, which the archived form borrows.
pub(super) struct Lists<'a> {
    quantities: SmallVec<[QuantityV3<'a>; 6]>,
    counted: SmallVec<[CountedV3<'a>; 1]>,
}

impl<'a> Lists<'a> {
    pub(super) fn of(price: Option<&'a PriceTag>) -> Self {
        let quantities = price.map_or(&[][..], |price| &price.quantities);
        let counted = price.map_or(&[][..], |price| &price.counted);
        Self {
            quantities: quantities
                .iter()
                .map(|(unit, quantity)| QuantityV3 {
                    unit: unit.as_str(),
                    quantity: quantity.pico(),
                })
                .collect(),
            counted: counted.iter().map(counted_of).collect(),
        }
    }
}

/// A price to be written.
pub(super) fn price_of<'b>(price: &'b PriceTag, lists: &'b Lists<'_>) -> PriceV3<'b> {
    PriceV3 {
        amount: price.amount.pico(),
        cost: price.cost.pico(),
        used_at: price.used_at.map(Timestamp::millis),
        model: price.model.as_str(),
        variant: price.variant.as_ref().map_or("", Variant::as_str),
        plan: price.plan.as_ref().map_or("", Plan::as_str),
        quantities: &lists.quantities,
        counted: &lists.counted,
    }
}

/// What was paid for a top-up, to be written.
pub(super) fn paid_of(event: &Event) -> Option<PaidV3<'_>> {
    let EventKind::ToppedUp { paid: Some(paid), .. } = &event.kind else { return None };
    Some(PaidV3 { amount: paid.amount.pico(), currency: paid.currency.as_str() })
}

fn counted_of(counted: &Counted) -> CountedV3<'_> {
    CountedV3 {
        card: counted.counter.card.as_str(),
        unit: counted.counter.unit.as_str(),
        window: window::code(counted.counter.window),
        since: counted.since.millis(),
        before: counted.before.pico(),
        added: counted.added.pico(),
    }
}

/// A value that was read, or why not.
type Decoded<T> = Result<T, RecordError>;

fn impossible<E>(_: E) -> RecordError {
    RecordError::Impossible("price")
}

/// Reads a price.
pub(super) fn read_price(archived: &ArchivedPriceV3<'_>, version: u64) -> Decoded<PriceTag> {
    let text = |text: &str| Some(text.as_bytes().to_vec()).filter(|text| !text.is_empty());
    let variant = text(&archived.variant).map(|text| Variant::new(&text)).transpose();
    let plan = text(&archived.plan).map(|text| Plan::new(&text)).transpose();
    Ok(PriceTag {
        version: PriceVersion::of_number(version),
        model: Model::new(archived.model.as_bytes()).map_err(impossible)?,
        variant: variant.map_err(impossible)?,
        quantities: archived.quantities.iter().map(read_quantity).collect::<Decoded<_>>()?,
        amount: Amount::from_pico(archived.amount.to_native()),
        cost: Amount::from_pico(archived.cost.to_native()),
        plan: plan.map_err(impossible)?,
        counted: archived.counted.iter().map(read_counted).collect::<Decoded<_>>()?,
        used_at: archived.used_at.as_ref().map(|at| Timestamp::from_millis(at.to_native())),
    })
}

/// Reads what was paid.
pub(super) fn read_paid(archived: &ArchivedPaidV3<'_>) -> Decoded<Paid> {
    Ok(Paid {
        amount: Amount::from_pico(archived.amount.to_native()),
        currency: Currency::new(archived.currency.as_bytes()).map_err(impossible)?,
    })
}

fn read_quantity(archived: &ArchivedQuantityV3<'_>) -> Decoded<(Unit, Amount)> {
    let unit = Unit::new(archived.unit.as_bytes()).map_err(impossible)?;
    Ok((unit, Amount::from_pico(archived.quantity.to_native())))
}

fn read_counted(archived: &ArchivedCountedV3<'_>) -> Decoded<Counted> {
    Ok(Counted {
        counter: Counter {
            card: Model::new(archived.card.as_bytes()).map_err(impossible)?,
            unit: Unit::new(archived.unit.as_bytes()).map_err(impossible)?,
            window: window::of(archived.window).ok_or(RecordError::Impossible("window"))?,
        },
        since: Timestamp::from_millis(archived.since.to_native()),
        before: Amount::from_pico(archived.before.to_native()),
        added: Amount::from_pico(archived.added.to_native()),
    })
}
