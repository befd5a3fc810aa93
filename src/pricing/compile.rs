//! From what a file says to cards: what single values cannot show is checked here.

use super::card::{About, Card, Component, Markup, Mode, PriceList, Rates, Tier, Tiers};
use super::decimal::Decimal;
use super::pattern::Pattern;
use super::text::{
    AboveText, CardText, ComponentTable, ComponentText, MarkupText, ModeText, Named, Number,
    OverText, RatesText, TierText,
};
use crate::domain::id::{Currency, Model, Plan, Unit, Variant};
use crate::domain::rating::CountWindow;
use crate::domain::usage::Quantity;
use std::cmp::Ordering;

/// The most that one of a unit, a package or an operation may cost: a million of the currency.
const PRICE_MAX: i128 = 1_000_000;
/// The most decimals of the price of one.
const DECIMALS_MAX: u32 = 24;
/// The most percent of a markup.
const PERCENT_MAX: i128 = 100_000;
/// The most decimals of a percentage.
const PERCENT_DECIMALS_MAX: u32 = 6;

/// What the head of a file says for its cards.
pub(super) struct Defaults {
    pub(super) currency: Option<String>,
    pub(super) about: About,
    pub(super) per: Decimal,
}

type Checked<T> = Result<T, String>;

fn is_above(one: Decimal, two: Decimal) -> bool {
    one.cmp_exact(two).is_none_or(|order| order == Ordering::Greater)
}

fn in_range(price: Decimal) -> Checked<Decimal> {
    if is_above(price, Decimal::whole(PRICE_MAX)) {
        return Err(format!("{price} is above the most that a price may be, {PRICE_MAX}"));
    }
    if price.decimals() > DECIMALS_MAX {
        return Err(format!("{price} has more than {DECIMALS_MAX} decimals"));
    }
    Ok(price)
}

/// What prices are for, also where none is stated that needs it.
pub(super) fn per(stated: Option<Number>, otherwise: Decimal) -> Checked<Decimal> {
    match stated {
        Some(Number(per)) if per.is_zero() => Err("per must be above 0".to_owned()),
        Some(Number(per)) => Ok(per),
        None => Ok(otherwise),
    }
}

/// The price of one, of the price of so many.
fn price_of_one(price: Decimal, per: Decimal) -> Checked<Decimal> {
    let one = price.divided_by(per).ok_or_else(|| {
        format!("{price} per {per} has no end as a decimal; use a package, or another per")
    })?;
    in_range(one)
}

fn quantity(number: Number, name: &str) -> Checked<Quantity> {
    let quantity = number.0.as_quantity().filter(|quantity| quantity.is_positive());
    quantity.ok_or_else(|| format!("{name} must be above 0, with at most 12 decimals"))
}

fn component(text: ComponentText, per: Decimal) -> Checked<Component> {
    let table = match text {
        ComponentText::Price(price) => return price_of_one(price.0, per).map(Component::Each),
        ComponentText::Table(table) => table,
    };
    let ComponentTable { price, per: own_per, package, size, mode, over, tiers } = table;
    let per_of_one = self::per(own_per, per)?;
    match (price, package, size, tiers) {
        (Some(price), None, None, None) if mode.is_none() && over.is_none() => {
            price_of_one(price.0, per_of_one).map(Component::Each)
        }
        (None, Some(package), Some(size), None)
            if mode.is_none() && over.is_none() && own_per.is_none() =>
        {
            let size = quantity(size, "size")?;
            Ok(Component::Package { size, price: in_range(package.0)? })
        }
        (None, None, None, Some(found)) => {
            let mode = match mode {
                Some(ModeText::Graduated) => Mode::Graduated,
                Some(ModeText::Volume) => Mode::Volume,
                None => return Err("tiers need a mode: graduated or volume".to_owned()),
            };
            let over = match over {
                Some(OverText::Day) => Some(CountWindow::Day),
                Some(OverText::Month) => Some(CountWindow::Month),
                Some(OverText::Request) | None => None,
            };
            Ok(Component::Tiers(Tiers { mode, over, tiers: in_order(found, per_of_one)? }))
        }
        _ => {
            Err("it takes price [per], or package and size, or mode and tiers [over] [per]"
                .to_owned())
        }
    }
}

fn in_order(found: Vec<TierText>, per: Decimal) -> Checked<Vec<Tier>> {
    let mut tiers = Vec::<Tier>::new();
    for TierText { up_to, price } in found {
        let up_to = up_to.map(|end| quantity(end, "up_to")).transpose()?;
        if let Some(last) = tiers.last() {
            let Some(below) = last.up_to else {
                return Err("only the last tier may be without up_to".to_owned());
            };
            if up_to.is_some_and(|end| end <= below) {
                return Err("tiers must be in order: each up_to above the one before".to_owned());
            }
        }
        tiers.push(Tier { up_to, price: price_of_one(price.0, per)? });
    }
    match tiers.last() {
        None => Err("tiers must not be empty".to_owned()),
        Some(last) if last.up_to.is_some() => {
            Err("the last tier must be without up_to: nothing may be beyond the tiers".to_owned())
        }
        Some(_) => Ok(tiers),
    }
}

fn prices(text: Named<ComponentText>, per: Decimal) -> Checked<PriceList> {
    let prices = text.0.into_iter().map(|(name, how)| {
        let unit = Unit::given(name.as_bytes()).map_err(|error| format!("unit {name}: {error}"))?;
        let how = component(how, per).map_err(|what| format!("{name}: {what}"))?;
        Ok((unit, how))
    });
    let prices = PriceList::new(prices.collect::<Checked<_>>()?);
    if prices.is_empty() { Err("it has no price".to_owned()) } else { Ok(prices) }
}

fn rates(text: RatesText, per: Decimal) -> Checked<Rates> {
    let per = self::per(text.per, per)?;
    let prices_below = prices(text.price, per)?;
    let mut above = Vec::<(Quantity, PriceList)>::new();
    for AboveText { tokens, per: own_per, price } in text.above {
        let tokens = quantity(tokens, "tokens")?;
        if above.last().is_some_and(|(last, _)| tokens <= *last) {
            return Err("above must be in order: each tokens above the one before".to_owned());
        }
        let list = self::per(own_per, per).and_then(|per| prices(price, per));
        above.push((tokens, list.map_err(|what| format!("above {tokens}: {what}"))?));
    }
    let minimum = match text.minimum {
        None => Decimal::ZERO,
        Some(Number(minimum)) if minimum.is_zero() => {
            return Err("minimum must be above 0; leave it out for none".to_owned());
        }
        Some(Number(minimum)) => in_range(minimum)?,
    };
    Ok(Rates::new(minimum, prices_below, above))
}

/// Whether a text is a date, or not there.
pub(super) fn figures(text: Option<&str>) -> Checked<()> {
    match text.map(str::parse::<jiff::civil::Date>) {
        Some(Err(_)) => Err("figures must be a date like 2026-11-23".to_owned()),
        _ => Ok(()),
    }
}

/// A currency's name.
pub(super) fn currency(text: &str) -> Checked<Currency> {
    Currency::given(text.as_bytes()).map_err(|error| format!("currency: {error}"))
}

pub(super) fn card(text: CardText, defaults: &Defaults) -> Checked<Card> {
    let model = Model::given(text.model.as_bytes()).map_err(|error| format!("model: {error}"))?;
    let pattern = Pattern::new(model.as_str());
    let pattern = pattern.ok_or("model: a * may only be its last character")?;
    let currency = text.currency.as_ref().or(defaults.currency.as_ref());
    let currency = currency.ok_or("it needs a currency, of its own or in the file's head")?;
    let currency = self::currency(currency)?;
    figures(text.figures.as_deref())?;
    let about = About {
        provider: text.provider.or_else(|| defaults.about.provider.clone()),
        figures: text.figures.or_else(|| defaults.about.figures.clone()),
        context: text.context,
        output: text.output,
    };
    let per = self::per(text.per, defaults.per)?;
    let base = RatesText { per: None, price: text.price, minimum: text.minimum, above: text.above };
    let base = rates(base, per)?;
    let variants = text.variants.0.into_iter().map(|(name, text)| {
        let variant =
            Variant::given(name.as_bytes()).map_err(|e| format!("variant {name}: {e}"))?;
        let rates = rates(text, per).map_err(|what| format!("variant {name}: {what}"))?;
        Ok((variant, rates))
    });
    let mut variants = variants.collect::<Checked<Vec<_>>>()?;
    variants.sort_by(|(one, _), (two, _)| one.cmp(two));
    Ok(Card { model, pattern, currency, about, rates: base, variants })
}

pub(super) fn markup(text: MarkupText) -> Checked<Markup> {
    let pattern = |text: Option<String>, of: &str| {
        let pattern = text.map(|text| {
            let refuse = || format!("{of}: it is a name, and a * may only be its last character");
            Pattern::new(&text).ok_or_else(refuse)
        });
        pattern.transpose()
    };
    let percent = text.percent.map_or(Decimal::ZERO, |percent| percent.0);
    let (least, most) = (Decimal::whole(-100), Decimal::whole(PERCENT_MAX));
    let has_range = !is_above(least, percent) && !is_above(percent, most);
    if !has_range || percent.decimals() > PERCENT_DECIMALS_MAX {
        return Err(format!(
            "percent must be -100 to {PERCENT_MAX}, with at most {PERCENT_DECIMALS_MAX} decimals"
        ));
    }
    let plan = text.plan.map(|plan| Plan::new(plan.as_bytes()).map_err(|e| format!("plan: {e}")));
    let currency = text.currency.as_deref().map(currency).transpose()?;
    if text.fixed.is_some() && currency.is_none() {
        return Err("fixed is an amount of a currency, so the markup needs a currency".to_owned());
    }
    Ok(Markup {
        model: pattern(text.model, "model")?,
        plan: plan.transpose()?,
        wallet: pattern(text.wallet, "wallet")?,
        currency,
        percent,
        fixed: in_range(text.fixed.map_or(Decimal::ZERO, |fixed| fixed.0))?,
    })
}
