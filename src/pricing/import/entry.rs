//! One entry of the JSON list: its cells of prices, and the card that they come to.

use super::keys::{Key, Meaning, is_output_side, key};
use super::settle;
use crate::domain::amount::Amount;
use crate::domain::id::{Currency, Model, Unit, Variant};
use crate::domain::usage::Quantity;
use crate::pricing::card::{About, Card, Component, PriceList, Rates};
use crate::pricing::decimal::Decimal;
use crate::pricing::pattern::Pattern;
use crate::pricing::text::Named;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

/// The most that a token may cost; above, a figure is taken for a mistake: $10,000 a million.
const TOKEN_MAX: Decimal = Decimal::fixed(1, 2);
/// The most that anything else may cost.
const OTHER_MAX: Decimal = Decimal::fixed(1_000, 0);

/// An entry of the list: texts of JSON by key.
pub(super) type Entry<'a> = Named<&'a RawValue>;

/// Why a model is not rated.
pub(super) type Skip = String;

/// The prices of a variant (`""`: none), of requests above a size (0: all), by unit.
pub(super) type Cells = BTreeMap<(String, u64), BTreeMap<String, Decimal>>;

/// What an entry says.
#[derive(Default)]
pub(super) struct Read {
    pub(super) cells: Cells,
    factors: BTreeMap<String, Decimal>,
    about: About,
    /// What the model is for: `chat`, `embedding` and so on.
    pub(super) mode: String,
    pub(super) has_free_searches: bool,
    /// Keys that are left out, with why.
    pub(super) ignored: BTreeSet<String>,
    /// Prices of 0 that are taken as they stand, with why.
    pub(super) kept: BTreeSet<String>,
}

/// The decimal of a price as the list has it.
fn price(raw: &RawValue, unit: &str) -> Result<Decimal, Skip> {
    let price = Decimal::parse_json(raw.get().trim()).map_err(|error| {
        let negative = raw.get().trim_start().starts_with('-');
        if negative { "a negative price".to_owned() } else { format!("a price of which {error}") }
    })?;
    let most = if unit.ends_with("_tokens") { TOKEN_MAX } else { OTHER_MAX };
    let is_absurd = most.minus(price).is_none_or(Decimal::is_negative);
    if is_absurd {
        return Err(format!("an absurd price: more than {most} for one of a unit"));
    }
    if price.decimals() > 24 {
        return Err("a price with more than 24 decimals".to_owned());
    }
    Ok(price)
}

impl Read {
    /// Reads an entry; `Err` says why it cannot be rated.
    pub(super) fn of(entry: &Entry<'_>) -> Result<Self, Skip> {
        let mut read = Self::default();
        for (text, raw) in &entry.0 {
            if raw.get() != "null" {
                read.take(key(text), raw)?;
            }
        }
        settle::settle(&mut read)?;
        Ok(read)
    }

    pub(super) fn ignore(&mut self, what: &str) {
        self.ignored.insert(what.to_owned());
    }

    fn put(
        &mut self,
        variant: &str,
        above: u64,
        unit: &str,
        price: Decimal,
        name: &str,
    ) -> Result<(), Skip> {
        let cell = self.cells.entry((variant.to_owned(), above)).or_default();
        match cell.get(unit).copied() {
            // Two keys for one thing: a zero fills the place of a key that does not apply.
            Some(other) if other != price && !other.is_zero() && !price.is_zero() => {
                Err(format!("two different prices for {unit} ({name})"))
            }
            Some(other) if price.is_zero() && !other.is_zero() => Ok(()),
            _ => {
                cell.insert(unit.to_owned(), price);
                Ok(())
            }
        }
    }

    fn take(&mut self, key: Key<'_>, raw: &RawValue) -> Result<(), Skip> {
        match key.meaning {
            Meaning::Price(unit) => {
                let variant = key.variant.unwrap_or_default();
                let price = price(raw, unit)?;
                self.put(variant, key.above.unwrap_or_default(), unit, price, key.name)?;
            }
            Meaning::Searches => self.searches(raw)?,
            Meaning::Tiers => self.tiers(raw)?,
            Meaning::Options => self.options(raw)?,
            Meaning::Uplift(variant) => {
                let factor =
                    Decimal::parse_json(raw.get()).map_err(|e| format!("a factor: {e}"))?;
                self.factors.insert(variant.to_owned(), factor);
            }
            Meaning::FreeSearches => self.has_free_searches = true,
            Meaning::Context => self.about.context = raw.get().parse().ok(),
            Meaning::Output => self.about.output = raw.get().parse().ok(),
            Meaning::Mode => self.mode = serde_json::from_str(raw.get()).unwrap_or_default(),
            Meaning::Provider => self.about.provider = serde_json::from_str(raw.get()).ok(),
            Meaning::Repeated => {
                self.ignore("figures in DBU: the price in dollars stands beside them");
            }
            Meaning::About => {}
            Meaning::Unknown => return Err(format!("{} cannot be mapped", key.name)),
        }
        Ok(())
    }

    fn searches(&mut self, raw: &RawValue) -> Result<(), Skip> {
        let sizes: Named<&RawValue> = serde_json::from_str(raw.get())
            .map_err(|_| "search_context_cost_per_query cannot be mapped".to_owned())?;
        let mut prices = Vec::new();
        for (name, raw) in &sizes.0 {
            let size = name.strip_prefix("search_context_size_");
            let size = size.ok_or("search_context_cost_per_query cannot be mapped")?;
            prices.push((size, price(raw, "web_searches")?));
        }
        let first = prices.first().map(|(_, price)| *price);
        let are_same = prices.len() == 3 && prices.iter().all(|(_, price)| Some(*price) == first);
        if let Some(price) = first.filter(|_| are_same) {
            return self.put("", 0, "web_searches", price, "search_context_cost_per_query");
        }
        prices.into_iter().try_for_each(|(size, price)| {
            self.put("", 0, &format!("web_searches_{size}"), price, "search_context_cost_per_query")
        })
    }

    fn tiers(&mut self, raw: &RawValue) -> Result<(), Skip> {
        let refuse = || "tiered_pricing cannot be mapped".to_owned();
        let tiers: Vec<Named<&RawValue>> = serde_json::from_str(raw.get()).map_err(|_| refuse())?;
        let mut end = 0_u64;
        for tier in &tiers {
            let range = tier.0.iter().find(|(name, _)| name == "range");
            let (_, range) = range.ok_or_else(refuse)?;
            let ends: [&RawValue; 2] = serde_json::from_str(range.get()).map_err(|_| refuse())?;
            let [from, to] = ends.map(|end| whole(end.get()));
            let from = from.filter(|from| *from == end).ok_or_else(refuse)?;
            for (name, raw) in tier.0.iter().filter(|(name, _)| name != "range") {
                match key(name) {
                    Key { variant: None, above: None, meaning: Meaning::Price(unit), name } => {
                        self.put("", from, unit, price(raw, unit)?, name)?;
                    }
                    _ => return Err(refuse()),
                }
            }
            end = to.filter(|to| *to > from).ok_or_else(refuse)?;
        }
        Ok(())
    }

    fn options(&mut self, raw: &RawValue) -> Result<(), Skip> {
        let options: Named<&RawValue> = serde_json::from_str(raw.get())
            .map_err(|_| "provider_specific_entry cannot be mapped".to_owned())?;
        for (name, raw) in options.0 {
            match name.as_str() {
                "us" | "fast" => {
                    let factor = Decimal::parse_json(raw.get());
                    self.factors
                        .insert(name, factor.map_err(|error| format!("a factor: {error}"))?);
                }
                "dashscope_video_reference_input"
                | "volcengine_video_frames"
                | "bedrock_invocation_schema" => {}
                name => return Err(format!("provider_specific_entry: {name} cannot be mapped")),
            }
        }
        Ok(())
    }

    /// Whether all of its prices are 0.
    pub(super) fn is_free(&self) -> bool {
        let mut prices = self.cells.values().flat_map(BTreeMap::values).peekable();
        prices.peek().is_some() && prices.all(|price| price.is_zero())
    }

    /// The card that it comes to.
    pub(super) fn card(&mut self, name: &str, figures: Option<&str>) -> Result<Card, Skip> {
        let refuse = |error| format!("its name is none: {error}");
        let model = Model::given(name.as_bytes()).map_err(refuse)?;
        let exact = Pattern::new(name).filter(|pattern| pattern.prefix().is_none());
        let pattern = exact.ok_or("its name has a *")?;
        let currency = Currency::new(b"USD").map_err(|error| error.to_string())?;
        let prices = self.cells.get(&(String::new(), 0)).cloned().unwrap_or_default();
        if prices.is_empty() {
            return Err("it has no price".to_owned());
        }
        let rates = self.rates("", &prices)?;
        let mut variants = self.stated_variants(&prices)?;
        for (name, factor) in self.factors.clone() {
            let variant = Variant::given(name.as_bytes()).map_err(|error| error.to_string())?;
            if variants.iter().all(|(other, _)| *other != variant) {
                variants.push((variant, raised(&rates, factor)?));
            }
        }
        variants.sort_by(|(one, _), (two, _)| one.cmp(two));
        let about = About { figures: figures.map(str::to_owned), ..self.about.clone() };
        Ok(Card { model, pattern, currency, about, rates, variants })
    }

    fn stated_variants(
        &mut self,
        base: &BTreeMap<String, Decimal>,
    ) -> Result<Vec<(Variant, Rates)>, Skip> {
        let names: BTreeSet<String> = self.cells.keys().map(|(name, _)| name.clone()).collect();
        let has_sizes = self.cells.keys().any(|(name, above)| name.is_empty() && *above > 0);
        let mut variants = Vec::new();
        for name in names.iter().filter(|name| !name.is_empty()) {
            let prices = self.cells.get(&(name.clone(), 0)).cloned().unwrap_or_default();
            let sides = ["input_tokens", "output_tokens"];
            let lacks =
                sides.iter().any(|side| base.contains_key(*side) && !prices.contains_key(*side));
            let sized = self.cells.keys().any(|(other, above)| other == name && *above > 0);
            let reasons = base.get("reasoning_tokens") != base.get("output_tokens")
                && base.contains_key("reasoning_tokens")
                && !prices.contains_key("reasoning_tokens");
            let variant = Variant::given(name.as_bytes()).map_err(|error| error.to_string())?;
            if lacks {
                self.ignore("a variant without a price for input or output");
            } else if has_sizes && !sized {
                self.ignore("a variant without prices above a size that the model has");
            } else if reasons {
                self.ignore("a variant without a price for reasoning that the model has");
            } else {
                match self.rates(name, &prices) {
                    Ok(rates) => variants.push((variant, rates)),
                    Err(_) => {
                        self.ignore("a variant with a price on one side of a size and none beyond");
                    }
                }
            }
        }
        Ok(variants)
    }

    fn rates(&self, variant: &str, prices: &BTreeMap<String, Decimal>) -> Result<Rates, Skip> {
        let mut below = prices.clone();
        let mut above = Vec::new();
        for ((_, tokens), stated) in
            self.cells.iter().filter(|((name, n), _)| name == variant && *n > 0)
        {
            if let Some(unit) = stated.keys().find(|unit| !below.contains_key(*unit)) {
                return Err(format!("no price for {unit} below a size"));
            }
            let stated = followed(&below, stated)?;
            below.extend(stated.clone());
            let tokens = i128::from(*tokens).checked_mul(1_000_000_000_000);
            let tokens = Amount::from_pico(tokens.ok_or("a size beyond all sizes")?);
            above.push((tokens, list(&stated)?));
        }
        Ok(Rates::new(Decimal::ZERO, list(prices)?, above))
    }
}

/// The prices above a size, with those of units that cost the same as input or output below it and
/// so do above it. What is stated neither way could be anything.
fn followed(
    below: &BTreeMap<String, Decimal>,
    stated: &BTreeMap<String, Decimal>,
) -> Result<BTreeMap<String, Decimal>, Skip> {
    let mut all = stated.clone();
    for (unit, price) in below.iter().filter(|(unit, _)| unit.ends_with("_tokens")) {
        if all.contains_key(unit) {
            continue;
        }
        let side = if is_output_side(unit) { "output_tokens" } else { "input_tokens" };
        match (below.get(side) == Some(price), stated.get(side)) {
            (true, Some(price)) => all.insert(unit.clone(), *price),
            _ => return Err(format!("no price for {unit} above a size")),
        };
    }
    Ok(all)
}

/// Prices of which those of tokens cost so many times as much; others are no part of the option.
fn raised(rates: &Rates, factor: Decimal) -> Result<Rates, Skip> {
    let raise = |list: &PriceList| {
        let tokens = list.units().filter(|(unit, _)| unit.as_str().ends_with("_tokens"));
        let raised = tokens.map(|(unit, component)| match component {
            Component::Each(price) => {
                let price = price.times(factor).ok_or("a price beyond all prices")?;
                Ok((unit.clone(), Component::Each(price)))
            }
            _ => Err("only plain prices can be raised".to_owned()),
        });
        raised.collect::<Result<Vec<_>, Skip>>().map(PriceList::new)
    };
    let above = rates.above.iter().map(|above| Ok((above.tokens, raise(&above.stated)?)));
    let above = above.collect::<Result<Vec<(Quantity, PriceList)>, Skip>>()?;
    Ok(Rates::new(Decimal::ZERO, raise(&rates.prices)?, above))
}

fn list(prices: &BTreeMap<String, Decimal>) -> Result<PriceList, Skip> {
    let prices = prices.iter().map(|(name, price)| {
        let unit = Unit::given(name.as_bytes()).map_err(|error| error.to_string())?;
        Ok((unit, Component::Each(*price)))
    });
    prices.collect::<Result<Vec<_>, Skip>>().map(PriceList::new)
}

/// The whole number that a JSON number is.
fn whole(text: &str) -> Option<u64> {
    let number = Decimal::parse_json(text).ok().filter(|number| number.decimals() == 0)?;
    number.to_string().parse().ok()
}

impl<'de: 'a, 'a> Named<&'a RawValue> {
    /// Reads an entry of the list; a key that stands there twice is refused.
    pub(super) fn read(raw: &'de RawValue) -> Result<Self, Skip> {
        let mut from = serde_json::Deserializer::from_str(raw.get());
        Self::deserialize(&mut from).map_err(|_| "it is no table of keys".to_owned())
    }
}
